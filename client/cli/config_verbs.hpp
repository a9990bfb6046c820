// SPDX-License-Identifier: Apache-2.0
/// Combines the configuration file with the options of the command line, and
/// implements the verbs `config show` and `config validate`.
#pragma once

#include "client/cli/terminal.hpp"
#include "client/configuration/configuration_file.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace perdura::client {

/// Settings from the command line. A setting that is present overrides the same
/// setting of the configuration file.
struct configuration_flags {
  std::string config_file;         ///< Empty means no file.
  std::optional<std::string> http; ///< ADDRESS:PORT, :PORT or PORT.
  std::optional<std::string> data_dir;
  std::optional<std::string> task_hub;
  std::optional<std::int64_t> partitions;
  std::optional<std::string> log_level;
  bool create_hub = false;
};

/// Reads the file and applies the options. All problems are collected in the
/// result: a configuration may be used only if it has no problems.
sourced_configuration gather_configuration(const configuration_flags& flags);

/// Prints each problem on a line of the error stream; returns exit_usage.
int fail_with_problems(terminal& io, const sourced_configuration& read);

/// Prints all settings in effect and the source of each. The table format is
/// TOML that a configuration file can contain.
int config_show_verb(const configuration_flags& flags, output_format format,
                     terminal& io);
/// Checks a configuration file; prints the problems, or that it is valid.
int config_validate_verb(const std::string& file, terminal& io);

/// An address and port to listen on. Port 0 means any free port.
struct listen_address {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;
};

/// Parses ADDRESS:PORT, :PORT or PORT. An IPv6 address needs brackets. Returns
/// nothing for other text.
std::optional<listen_address> parse_listen_address(const std::string& text);

} // namespace perdura::client
