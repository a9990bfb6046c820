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

void take_http(sourced_configuration& to, const std::string& text) {
  const auto place = parse_listen_place(text);
  if (!place) {
    to.problems.push_back("--http wants ADDRESS:PORT, such as 127.0.0.1:7071, "
                          "not \""
                          + text + "\".");
    return;
  }
  to.override_with("http.address", place->address, "--http");
  to.override_with("http.port", std::int64_t{place->port}, "--http");
}

/// What is shown means the same wherever it is put.
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
  sourced_configuration all;
  if (!flags.config_file.empty())
    all = read_configuration(flags.config_file);
  if (flags.http)
    take_http(all, *flags.http);
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
  all.check_together();
  return all;
}

int fail_with_problems(terminal& io, const sourced_configuration& read) {
  // Without the program's name in front: FILE:LINE:COLUMN is what an editor
  // jumps to.
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
  read.check_together();
  if (!read.problems.empty())
    return fail_with_problems(io, read);
  io.out << file << " is sound.\n";
  return exit_ok;
}

std::optional<listen_place> parse_listen_place(const std::string& text) {
  listen_place place;
  std::string_view port = text;
  if (const std::size_t colon = text.rfind(':'); colon != text.npos) {
    port = std::string_view(text).substr(colon + 1);
    std::string address = text.substr(0, colon);
    if (address.starts_with('[') && address.ends_with(']'))
      address = address.substr(1, address.size() - 2);
    else if (address.find(':') != address.npos)
      return std::nullopt; // IPv6 wants its brackets.
    if (!address.empty())
      place.address = address;
  }
  const char* end = port.data() + port.size();
  const auto [rest, failure] = std::from_chars(port.data(), end, place.port);
  if (failure != std::errc() || rest != end)
    return std::nullopt;
  return place;
}

} // namespace perdura::client
