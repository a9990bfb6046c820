/// Reads configurations in TOML, and remembers where each value came from.
#pragma once

#include "client/configuration/configuration.hpp"
#include "client/configuration/setting_value.hpp"

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::client {

struct sourced_configuration {
  configuration values;
  /// By the setting's path: "node.toml:3" or "flag --http"; what is not in it
  /// has its default.
  std::map<std::string, std::string, std::less<>> origins;
  /// Sentences, those of a file with its name, line and column in front. The
  /// values are good for nothing unless it is empty.
  std::vector<std::string> problems;

  /// "default" for what nobody has set.
  std::string origin_of(std::string_view path) const;

  /// Sets what a flag of the command line says, over what a file says.
  void override_with(std::string_view path, setting_value value,
                     const std::string& flag);

  /// What is wrong with the whole, once all of it is there.
  void check_together();
};

/// Any bytes. Touches no disk: `file_name` says where relative paths begin
/// and stands in sentences. All that is wrong is reported, but behind a
/// syntax error nothing can be read.
sourced_configuration parse_configuration(std::string_view text,
                                          std::string_view file_name);

/// A file that cannot be read is a problem like any other.
sourced_configuration read_configuration(const std::string& file_name);

} // namespace perdura::client
