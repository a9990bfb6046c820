/// Looks into JSON text without changing it: order, numbers and spelling stay
/// as the node sent them. The text must be valid JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::client {

/// The members of an array, each as it stands; empty if it is none.
std::vector<std::string_view> json_items(std::string_view text);

/// The value of an object's member, as it stands.
std::optional<std::string_view> json_member(std::string_view text,
                                            std::string_view name);

/// A string's content; anything else as it stands; nothing as "".
std::string json_plain(std::optional<std::string_view> value);

/// Without blanks between the tokens, or with lines of two more each level.
std::string json_compact(std::string_view text);
std::string json_pretty(std::string_view text);

} // namespace perdura::client
