#include "client/cli/start_verbs.hpp"

#include "client/cli/follow_verbs.hpp"
#include "client/cli/json_view.hpp"
#include "client/cli/query_verbs.hpp"
#include "cluster/node/management_urls.hpp"
#include "persistence/records/steering_text.hpp"

#include <filesystem>
#include <fstream>
#include <istream>
#include <iterator>
#include <ostream>

namespace perdura::client {

using persistence::errc;
using persistence::error;
using persistence::result;

namespace {

std::chrono::milliseconds time_out_of(const start_verb_options& options) {
  // For ever: longer than anybody waits, short enough to add to a time.
  if (!options.time_out)
    return std::chrono::hours(24 * 365 * 10);
  return std::chrono::milliseconds(
    static_cast<std::int64_t>(*options.time_out * 1000));
}

result<std::string> start(node_connection& node,
                          const start_verb_options& options, terminal& io) {
  auto input = read_value(options.input, io);
  if (!input)
    return input.error();
  std::string path = "/orchestrators/" + cluster::encode_url_part(options.name);
  if (!options.instance_id.empty())
    path += '/' + cluster::encode_url_part(options.instance_id);
  path += to_query({{"version", options.version},
                    {"scheduledStartTime", options.scheduled_at},
                    {"getOrStart", options.get_or_start ? "true" : ""}});
  auto reply = node.ask("POST", path, std::move(*input));
  if (!reply)
    return reply.error();
  return std::move(reply->body);
}

int start_binding_verb(node_connection& node, const start_verb_options& options,
                       output_format format, terminal& io) {
  const std::string source
    = options.binding == "-" ? "-" : '@' + options.binding;
  auto binding = read_value(source, io);
  if (!binding)
    return fail(io, binding.error());
  auto reply = node.ask("POST", "/orchestrators", std::move(*binding));
  if (!reply)
    return fail(io, reply.error());
  if (format == output_format::json) {
    io.out << json_pretty(reply->body) << '\n';
    return exit_ok;
  }
  auto items = json_items(reply->body);
  if (!reply->body.starts_with('['))
    items = {reply->body};
  for (const std::string_view each : items)
    io.out << (format == output_format::jsonl
                 ? json_compact(each)
                 : json_plain(json_member(each, "id")))
           << '\n';
  return exit_ok;
}

void print_started(const std::string& started, output_format format,
                   terminal& io) {
  if (format == output_format::json)
    io.out << json_pretty(started) << '\n';
  else if (format == output_format::jsonl)
    io.out << json_compact(started) << '\n';
  else
    io.out << json_plain(json_member(started, "id")) << '\n';
}

/// The history as it grows, then the end.
int follow_started(node_connection& node, const std::string& id,
                   output_format format, terminal& io) {
  io.out << std::flush;
  const int ended = follow_history_verb(node, id, format, io);
  if (ended != exit_ok && ended != exit_instance_failed)
    return ended;
  auto status = node.status_of(id);
  if (!status)
    return fail(io, status.error());
  if (format == output_format::table)
    io.out << '\n';
  print_status(*status, format, io);
  return ended;
}

/// 0 if it has completed, 1 if it ended in any other way.
int ended_well(const std::string& status) {
  return json_plain(json_member(status, "runtimeStatus")) == "Completed"
           ? exit_ok
           : exit_instance_failed;
}

} // namespace

result<std::string> read_value(const std::string& text, terminal& io) {
  if (text == "-")
    return std::string(std::istreambuf_iterator<char>(io.in), {});
  if (!text.starts_with('@'))
    return text;
  const std::string path = text.substr(1);
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path))
    return error{errc::invalid_argument, "Cannot read \"" + path + "\"."};
  return std::string(std::istreambuf_iterator<char>(file), {});
}

int start_verb(node_connection& node, const start_verb_options& options,
               output_format format, terminal& io) {
  if (!options.binding.empty())
    return start_binding_verb(node, options, format, io);
  auto started = start(node, options, io);
  if (!started)
    return fail(io, started.error());
  const std::string id = json_plain(json_member(*started, "id"));
  if (options.wait) {
    auto status = node.follow(id, time_out_of(options));
    if (!status)
      return fail(io, status.error());
    print_status(*status, format, io);
    return ended_well(*status);
  }
  print_started(*started, format, io);
  return options.follow ? follow_started(node, id, format, io) : exit_ok;
}

int run_verb(node_connection& node, const start_verb_options& options,
             output_format format, terminal& io) {
  auto started = start(node, options, io);
  if (!started)
    return fail(io, started.error());
  const std::string id = json_plain(json_member(*started, "id"));
  auto status = node.follow(id, time_out_of(options));
  if (!status)
    return fail(io, status.error());
  const std::string output(json_member(*status, "output").value_or("null"));
  const int ended = ended_well(*status);
  if (ended == exit_ok) {
    io.out << (format == output_format::json ? json_pretty(output)
                                             : json_compact(output))
           << '\n';
    return ended;
  }
  io.err << "perdura: Instance \"" << id << "\" is "
         << json_plain(json_member(*status, "runtimeStatus")) << ": "
         << persistence::without_steering(json_plain(output)) << std::endl;
  return ended;
}

} // namespace perdura::client
