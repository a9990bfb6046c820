// SPDX-License-Identifier: Apache-2.0
/// The table of all settings: the name of each in a configuration file, its
/// documentation, its valid values, and the member that holds it.
#pragma once

#include "client/configuration/configuration.hpp"
#include "client/configuration/setting_value.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::client {

/// One setting. Immutable after the table has been made.
struct setting {
  std::string_view path; ///< Section and key, e.g. "http.port".
  setting_kind kind = setting_kind::text;
  std::string_view help; ///< Documentation, as in configs/single-node.toml.
  /// Another name that users may write by mistake, e.g. that of the member.
  /// Used for the suggestion in an error only.
  std::string_view alias = {};
  /// Range of counts, times (in microseconds) and sizes, both ends included.
  std::int64_t min = 0;
  std::int64_t max = 0;
  std::vector<std::string_view> choices = {}; ///< Valid values of a choice.
  /// Returns the choice that another spelling of it means, or an empty text.
  /// Null if a choice has one spelling.
  std::string_view (*choice_of)(std::string_view spelling) = nullptr;
  std::function<setting_value(const configuration&)> get = {};
  /// The value must have the type of the setting's kind and be in range.
  std::function<void(configuration&, const setting_value&)> set = {};

  std::string_view section() const {
    return path.substr(0, path.rfind('.'));
  }

  std::string_view key() const {
    return path.substr(path.rfind('.') + 1);
  }

  /// The valid values for a sentence, e.g. "a whole number from 0 to 65535".
  std::string expected_values() const;

  /// The sentence that refuses the value; empty if the value is valid.
  std::string problem_with(const setting_value& value) const;
};

/// All settings, section by section, in the order in which they are shown.
/// `node_host_config::http_enabled` is not a setting: without the HTTP API, no
/// client could reach a node that `perdura serve` runs outside a cluster.
const std::vector<setting>& settings();

/// The setting with this path; null if there is none.
const setting* find_setting(std::string_view path);

/// The setting or section whose name is most similar to an unknown path, e.g.
/// "hub.partitions" for "node.partition_count". Empty if none is similar.
std::string_view nearest_setting(std::string_view path);

/// A problem that a range cannot express: a text that is not an address, or two
/// settings that contradict each other.
struct inconsistency {
  std::string_view path; ///< The setting that causes the problem.
  std::string sentence;
};

/// Returns all inconsistencies. If the list of nodes has several, only the
/// first of them is returned.
std::vector<inconsistency> find_inconsistencies(const configuration& values);

} // namespace perdura::client
