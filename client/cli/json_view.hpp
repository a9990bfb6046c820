// SPDX-License-Identifier: Apache-2.0
/// Reads parts of JSON text without converting them, so that the order of
/// members, the digits of numbers and the escapes stay as the node sent them.
/// The text must be valid JSON; for other text the results are unspecified.
/// The functions are thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::client {

/// The items of an array. Each item is a part of `text`, so it is valid only as
/// long as `text` is. Empty if the text is not an array.
std::vector<std::string_view> json_items(std::string_view text);

/// The value of the member `name` of an object. The value is a part of `text`,
/// so it is valid only as long as `text` is. Nothing if the text is not an
/// object or has no such member. Escapes in the names of members are not
/// decoded, so a name that is written with escapes is not found.
std::optional<std::string_view> json_member(std::string_view text,
                                            std::string_view name);

/// The content of a JSON string, with its escapes decoded. Any other value is
/// returned unchanged; for a missing value the result is empty.
std::string json_unquoted(std::optional<std::string_view> value);

/// The member `name` of an object as text, as json_unquoted returns it; empty
/// if the member is missing.
std::string json_text_member(std::string_view object, std::string_view name);

/// The text without blanks between tokens, on one line.
std::string json_compact(std::string_view text);
/// The text on several lines, with two blanks of indentation for each level.
std::string json_pretty(std::string_view text);

} // namespace perdura::client
