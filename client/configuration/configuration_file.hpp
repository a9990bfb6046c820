// SPDX-License-Identifier: Apache-2.0
/// Reads configuration files in TOML and records where each value comes from.
#pragma once

#include "client/configuration/configuration.hpp"
#include "client/configuration/setting_value.hpp"

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::client {

/// A configuration, the origins of its values, and the problems found in it.
struct sourced_configuration {
  /// Must not be used unless `problems` is empty.
  configuration values;
  /// The origin of each value that is set, e.g. "node.toml:3" or
  /// "flag --http". The key is the path of the setting.
  std::map<std::string, std::string, std::less<>> origins;
  /// One sentence for each problem. Sentences about a file begin with its
  /// name, line and column.
  std::vector<std::string> problems;

  /// The origin of a setting's value, or "default" if it is not set.
  std::string origin_of(std::string_view path) const;

  /// Sets a value from a flag of the command line; it overrides the file.
  /// A value out of range becomes a problem.
  /// @param path  Must be the path of a setting.
  /// @param flag  Named in the origin and in the sentence of a problem, e.g.
  ///              "--http".
  void override_with(std::string_view path, setting_value value,
                     const std::string& flag);

  /// Adds a problem for each inconsistency between values. Must be called after
  /// the file and all flags have been applied.
  void check_consistency();
};

/// Parses the text of a configuration file, which may be any bytes. Reports all
/// problems of the text, or only the first syntax error if there is one.
/// @param file_name  Named in the sentences. Relative paths in the text are
///                   resolved against the directory of this file, which is not
///                   opened.
sourced_configuration parse_configuration(std::string_view text,
                                          std::string_view file_name);

/// Reads and parses a file. A file that cannot be read is reported as a
/// problem.
sourced_configuration read_configuration(const std::string& file_name);

} // namespace perdura::client
