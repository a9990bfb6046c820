/// What file and flags say together about a node; `config show` and
/// `config validate`.
#pragma once

#include "client/cli/terminal.hpp"
#include "client/configuration/configuration_file.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace perdura::client {

/// What stands on the command line goes over what stands in the file.
struct configuration_flags {
  std::string config_file;         ///< Empty: none.
  std::optional<std::string> http; ///< ADDRESS:PORT, :PORT or PORT.
  std::optional<std::string> data_dir;
  std::optional<std::string> task_hub;
  std::optional<std::int64_t> partitions;
  std::optional<std::string> log_level;
  bool create_hub = false;
};

sourced_configuration gather_configuration(const configuration_flags& flags);

/// Says what is wrong, a line each; returns the exit code.
int fail_with_problems(terminal& io, const sourced_configuration& read);

int config_show_verb(const configuration_flags& flags, output_format format,
                     terminal& io);
int config_validate_verb(const std::string& file, terminal& io);

struct listen_place {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;
};

/// Nothing if it is no such place.
std::optional<listen_place> parse_listen_place(const std::string& text);

} // namespace perdura::client
