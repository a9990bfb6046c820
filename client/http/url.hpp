// SPDX-License-Identifier: Apache-2.0
/// Splits the target of an HTTP request into path segments and query
/// parameters.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace perdura::client {

/// Decodes `%hh`. Returns no value if a `%` is not followed by two hexadecimal
/// digits.
/// @param plus_is_blank  Also decode `+` to a blank, as in a query.
/// @source RFC 3986, section 2.1.
std::optional<std::string> percent_decode(std::string_view text,
                                          bool plus_is_blank = false);

/// The parts of a request target.
struct request_target {
  std::string path; ///< As sent, but without a slash at the end.
  std::vector<std::string> segments; ///< Decoded.
  /// Decoded names and values, in the order in which they were sent.
  std::vector<std::pair<std::string, std::string>> query;

  /// The value of the first parameter with this name, whose case is ignored.
  /// Null if there is none.
  const std::string* find(std::string_view name) const;

  /// The value of a boolean parameter: "true" or "false", in upper or lower
  /// case. Returns `default_value` for any other value and for a missing
  /// parameter.
  bool flag(std::string_view name, bool default_value) const;
};

/// Splits the path at its slashes before it decodes the segments, so that an
/// encoded slash stays within its segment. Empty segments are kept, except the
/// one after a slash at the end. Returns no value if an escape is not valid.
std::optional<request_target> parse_target(std::string_view target);

} // namespace perdura::client
