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
/// @source RFC 3986, section 2.1.
std::optional<std::string> percent_decode(std::string_view text);

/// Decodes `%hh` and `+` in a query. A `%` that is not followed by two
/// hexadecimal digits stays as it is: clients send a reason such as "50% of it"
/// without encoding it.
std::string decode_parameter(std::string_view text);

/// The value of a boolean parameter: "true" or "false" in upper or lower case,
/// "1" or "0". No value for any other text.
std::optional<bool> parse_flag(std::string_view value);

/// The parts of a request target.
struct request_target {
  std::string path; ///< As sent, but without a slash at the end.
  std::vector<std::string> segments; ///< Decoded.
  /// Decoded names and values, in the order in which they were sent.
  std::vector<std::pair<std::string, std::string>> query;

  /// The value of the first parameter with this name, whose case is ignored.
  /// Null if there is none.
  const std::string* find(std::string_view name) const;

  /// The value of a boolean parameter; see `parse_flag`. Returns
  /// `default_value` for any other text and for a missing parameter.
  bool flag(std::string_view name, bool default_value) const;
};

/// The authority of a target in absolute form, such as "host:7071" of
/// "http://host:7071/path". Empty for a target in another form.
std::string_view target_authority(std::string_view target);

/// Splits the path at its slashes before it decodes the segments, so that an
/// encoded slash stays within its segment. Empty segments are kept, except the
/// one after a slash at the end. Returns no value if an escape in the path is
/// not valid.
std::optional<request_target> parse_target(std::string_view target);

} // namespace perdura::client
