// SPDX-License-Identifier: Apache-2.0
#include "client/cli/config_verbs.hpp"

#include "client/cli/json_view.hpp"
#include "client/configuration/configuration_text.hpp"
#include "client/configuration/settings.hpp"

#include <charconv>
#include <filesystem>
#include <ostream>

namespace perdura::client {

namespace fs = std::filesystem;

namespace {

/// Splits the text of --http into the settings http.address and http.port.
void apply_http_flag(sourced_configuration& to, const std::string& text) {
  const auto parsed = parse_listen_address(text);
  if (!parsed) {
    to.problems.push_back("--http must be ADDRESS:PORT, such as "
                          "127.0.0.1:7071, not \""
                          + text + "\".");
    return;
  }
  to.override_with("http.address", parsed->address, "--http");
  to.override_with("http.port", std::int64_t{parsed->port}, "--http");
}

/// Makes paths absolute, so that the shown configuration has the same meaning
/// in every directory.
void make_paths_absolute(configuration& values) {
  for (const setting& each : settings()) {
    if (each.kind != setting_kind::path)
      continue;
    const auto path = std::get<std::string>(each.get(values));
    std::error_code failure;
    const fs::path absolute = fs::absolute(path, failure);
    if (!path.empty() && !failure)
      each.set(values, absolute.string());
  }
}

} // namespace

sourced_configuration gather_configuration(const configuration_flags& flags) {
  // Options are applied after the file, because they override it.
  sourced_configuration all;
  if (!flags.config_file.empty())
    all = read_configuration(flags.config_file);
  if (flags.http)
    apply_http_flag(all, *flags.http);
  if (flags.data_dir)
    all.override_with("node.data_dir", *flags.data_dir, "--data-dir");
  if (flags.task_hub)
    all.override_with("hub.task_hub", *flags.task_hub, "--task-hub");
  if (flags.partitions)
    all.override_with("hub.partitions", *flags.partitions, "--partitions");
  if (flags.create_hub)
    all.override_with("hub.create", true, "--create-hub");
  if (flags.log_level)
    all.override_with("log.level", *flags.log_level, "--log-level");
  all.check_consistency();
  return all;
}

int fail_with_problems(terminal& io, const sourced_configuration& read) {
  // The program's name is left out: editors recognise lines that begin with
  // FILE:LINE:COLUMN.
  for (const std::string& each : read.problems)
    io.err << each << '\n';
  io.err << std::flush;
  return exit_usage;
}

int config_show_verb(const configuration_flags& flags, output_format format,
                     terminal& io) {
  sourced_configuration all = gather_configuration(flags);
  if (!all.problems.empty())
    return fail_with_problems(io, all);
  make_paths_absolute(all.values);
  if (format == output_format::table)
    io.out << to_toml(all);
  else if (format == output_format::json)
    io.out << json_pretty(to_json(all)) << '\n';
  else
    io.out << to_json_lines(all);
  return exit_ok;
}

int config_validate_verb(const std::string& file, terminal& io) {
  sourced_configuration read = read_configuration(file);
  read.check_consistency();
  if (!read.problems.empty())
    return fail_with_problems(io, read);
  io.out << file << " is valid.\n";
  return exit_ok;
}

std::optional<listen_address> parse_listen_address(const std::string& text) {
  listen_address parsed;
  std::string_view port = text;
  if (const std::size_t colon = text.rfind(':'); colon != text.npos) {
    port = std::string_view(text).substr(colon + 1);
    std::string address = text.substr(0, colon);
    if (address.starts_with('[') && address.ends_with(']'))
      address = address.substr(1, address.size() - 2);
    else if (address.find(':') != address.npos)
      return std::nullopt; // An IPv6 address without brackets.
    // ":PORT" keeps the default address.
    if (!address.empty())
      parsed.address = address;
  }
  // from_chars refuses signs and numbers above 65535.
  const char* end = port.data() + port.size();
  const auto [rest, failure] = std::from_chars(port.data(), end, parsed.port);
  if (failure != std::errc() || rest != end)
    return std::nullopt;
  return parsed;
}

} // namespace perdura::client
