// SPDX-License-Identifier: Apache-2.0
#include "client/cli/start_verbs.hpp"

#include "client/api/request_checks.hpp"
#include "client/cli/follow_verbs.hpp"
#include "client/cli/json_view.hpp"
#include "client/cli/query_verbs.hpp"
#include "client/cli/wait_failure.hpp"
#include "client/http/bounded_read.hpp"
#include "cluster/node/management_urls.hpp"
#include "persistence/records/text.hpp"
#include <perdura/persistence/records/time_arithmetic.hpp>

#include <ostream>
#include <utility>

namespace perdura::client {

using persistence::errc;
using persistence::error;
using persistence::result;

namespace {

// The node refuses bodies above limits.body_bytes_max, which the command line
// does not know; its default is 1 MiB. This bound only keeps a file without an
// end from filling the memory.
constexpr std::size_t binding_bytes_max = std::size_t{64} * 1024 * 1024;

/// The time limit of the wait for the end of the instance.
std::chrono::milliseconds time_out_of(const start_verb_options& options) {
  using std::chrono::milliseconds;
  if (!options.time_out)
    return milliseconds::max();
  return persistence::saturated<milliseconds>(
    std::chrono::duration<double>(*options.time_out));
}

/// Starts the instance. Returns the body of the response, a JSON object with
/// the ID and the management URLs of the instance.
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
  auto reply = node.call_api("POST", path, std::move(*input));
  if (!reply)
    return start_failure(options.instance_id, reply.error());
  return std::move(reply->body);
}

/// Starts the instances of the JSON file in one request.
int start_binding_verb(node_connection& node, const start_verb_options& options,
                       output_format format, terminal& io) {
  // read_value expects "@" before the name of a file.
  const std::string source
    = options.binding == "-" ? "-" : '@' + options.binding;
  auto binding = read_value(source, io, binding_bytes_max);
  if (!binding)
    return fail(io, binding.error());
  auto reply = node.call_api("POST", "/orchestrators", std::move(*binding));
  if (!reply)
    return fail(io, reply.error());
  if (format == output_format::json) {
    io.out << json_pretty(reply->body) << '\n';
    return exit_ok;
  }
  // The node responds to an array with an array, and to one object with one
  // object.
  auto items = json_items(reply->body);
  if (!reply->body.starts_with('['))
    items = {reply->body};
  for (const std::string_view each : items)
    io.out << (format == output_format::jsonl
                 ? json_compact(each)
                 : json_unquoted(json_member(each, "id")))
           << '\n';
  return exit_ok;
}

/// Prints the node's response as JSON, or only the ID of the instance.
void print_started(const std::string& started, output_format format,
                   terminal& io) {
  if (format == output_format::json)
    io.out << json_pretty(started) << '\n';
  else if (format == output_format::jsonl)
    io.out << json_compact(started) << '\n';
  else
    io.out << json_unquoted(json_member(started, "id")) << '\n';
}

/// Prints the history until the instance has ended, then the final status.
int follow_started(node_connection& node, const std::string& id,
                   output_format format, terminal& io) {
  io.out << std::flush;
  const int ended = follow_history_verb(node, id, format, io);
  // The instance was started, so more was done than the code of a verb that
  // only reads says.
  if (ended == exit_unavailable)
    return exit_timed_out;
  // After Ctrl-C, a closed pipe or an error, the instance may not have ended.
  if (ended != exit_ok && ended != exit_instance_failed)
    return ended;
  auto status = node.status_of(id);
  if (!status)
    return fail(io, wait_failure(id, status.error(), true));
  if (format == output_format::table)
    io.out << '\n';
  print_status(*status, format, io);
  return ended;
}

/// exit_ok if the instance has completed, else exit_instance_failed.
int exit_code_of_status(const std::string& status) {
  return json_unquoted(json_member(status, "runtimeStatus")) == "Completed"
           ? exit_ok
           : exit_instance_failed;
}

/// The body of a start-or-raise request. Members without a value are missing.
/// @error errc::invalid_json, json_too_deep, payload_too_large  A value is not
///        JSON, or exceeds a limit.
result<std::string> start_or_raise_body(const start_verb_options& options,
                                        terminal& io) {
  if (options.input == "-" && options.data == "-")
    return error{errc::invalid_argument,
                 "Only one of --input and --data can be -, the standard "
                 "input."};
  std::string body = "{";
  for (const auto& [name, text] :
       {std::pair("input", &options.input), std::pair("data", &options.data)}) {
    const auto value = read_value(*text, io);
    if (!value)
      return value.error();
    if (value->empty())
      continue;
    // Text that is not JSON could change the other member.
    if (auto ok = check_payload(*value, name); !ok)
      return ok.error();
    body += (body.size() > 1 ? ",\"" : "\"") + (name + ("\":" + *value));
  }
  return body + '}';
}

} // namespace

result<std::string> read_value(const std::string& text, terminal& io,
                               std::size_t bytes_max) {
  if (text == "-")
    return read_bounded(io.in, bytes_max, "standard input");
  if (!text.starts_with('@'))
    return text;
  return read_file_bounded(text.substr(1), bytes_max);
}

int start_verb(node_connection& node, const start_verb_options& options,
               output_format format, terminal& io) {
  if (!options.binding.empty())
    return start_binding_verb(node, options, format, io);
  auto started = start(node, options, io);
  if (!started)
    return fail(io, started.error());
  const std::string id = json_unquoted(json_member(*started, "id"));
  if (options.wait) {
    auto status = node.wait_for_end(id, time_out_of(options));
    if (!status)
      return fail(io, wait_failure(id, status.error(), true));
    print_status(*status, format, io);
    return exit_code_of_status(*status);
  }
  print_started(*started, format, io);
  return options.follow ? follow_started(node, id, format, io) : exit_ok;
}

int start_or_raise_verb(node_connection& node,
                        const start_verb_options& options, output_format format,
                        terminal& io) {
  auto body = start_or_raise_body(options, io);
  if (!body)
    return fail(io, body.error());
  auto reply
    = node.call_api("POST",
                    "/orchestrators/" + cluster::encode_url_part(options.name)
                      + '/' + cluster::encode_url_part(options.instance_id)
                      + "/raiseEvent/" + cluster::encode_url_part(options.event)
                      + to_query({{"version", options.version}}),
                    std::move(*body));
  if (!reply)
    return fail(io, start_failure(options.instance_id, reply.error()));
  if (format != output_format::table) {
    print_started(reply->body, format, io);
    return exit_ok;
  }
  const bool started = json_member(reply->body, "started") == "true";
  io.out << json_unquoted(json_member(reply->body, "id"))
         << (started ? " started" : " raised") << '\n';
  return exit_ok;
}

int run_verb(node_connection& node, const start_verb_options& options,
             output_format format, terminal& io) {
  auto started = start(node, options, io);
  if (!started)
    return fail(io, started.error());
  const std::string id = json_unquoted(json_member(*started, "id"));
  auto status = node.wait_for_end(id, time_out_of(options));
  if (!status)
    return fail(io, wait_failure(id, status.error(), true));
  const std::string output(json_member(*status, "output").value_or("null"));
  const int ended = exit_code_of_status(*status);
  if (ended == exit_ok) {
    io.out << (format == output_format::json ? json_pretty(output)
                                             : json_compact(output))
           << '\n';
    return ended;
  }
  // The output of an instance that did not complete is its error or the reason
  // of its termination. It is printed to the error stream, so that a script
  // cannot mistake it for a result.
  io.err << "perdura: Instance \"" << id << "\" is "
         << json_unquoted(json_member(*status, "runtimeStatus")) << ": "
         << persistence::without_terminal_escapes(json_unquoted(output))
         << std::endl;
  return ended;
}

} // namespace perdura::client
