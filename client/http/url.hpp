/// Takes a request's target apart: path segments and query parameters.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace perdura::client {

/// What `%hh` stands for; nothing if a `%` is followed by anything else.
/// `+` is left alone unless it stands for a blank, as in a query.
std::optional<std::string> percent_decode(std::string_view text,
                                          bool plus_is_blank = false);

struct request_target {
  std::string path; ///< As sent, without a closing slash.
  std::vector<std::string> segments;
  std::vector<std::pair<std::string, std::string>> query; ///< In order.

  /// The first of that name, in any case; null if there is none.
  const std::string* find(std::string_view name) const;
  /// "true" or "false" in any case; anything else is the default.
  bool flag(std::string_view name, bool otherwise) const;
};

/// Decodes each segment after it was split off, so that an encoded slash
/// stays within its segment. Empty segments count, but for the one behind a
/// closing slash.
/// Nothing if an escape is broken.
std::optional<request_target> parse_target(std::string_view target);

} // namespace perdura::client
