#include "client/cli/control_verbs.hpp"

#include "client/cli/json_view.hpp"
#include "client/cli/start_verbs.hpp"
#include "cluster/management_urls.hpp"

#include <algorithm>
#include <istream>
#include <ostream>

namespace perdura::client {

using persistence::errc;
using persistence::error;

namespace {

/// The node's "not found" has no body.
int fail_at(terminal& io, const std::string& id, const error& failure) {
  if (failure.code == errc::not_found)
    return fail(io, {errc::not_found, "There is no instance \"" + id + "\"."});
  if (failure.code == errc::already_finished)
    return fail(io, {errc::already_finished,
                     "Instance \"" + id + "\" has ended already."});
  return fail(io, failure);
}

bool is_yes(terminal& io, const std::string& question) {
  io.err << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(io.in, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

int purge_one(node_connection& node, const purge_verb_options& options,
              terminal& io) {
  if (options.dry_run) {
    auto status = node.status_of(options.id, {{"showInput", "false"}});
    if (!status)
      return fail(io, status.error());
    io.out << "1 instance would be purged.\n";
    return exit_ok;
  }
  auto reply = node.ask("DELETE", instance_path(options.id));
  if (!reply)
    return fail_at(io, options.id, reply.error());
  io.out << "1 instance purged.\n";
  return exit_ok;
}

} // namespace

int raise_event_verb(node_connection& node, const std::string& id,
                     const std::string& name, const std::string& data,
                     terminal& io) {
  auto value = read_value(data, io);
  if (!value)
    return fail(io, value.error());
  auto reply = node.ask(
    "POST", instance_path(id) + "/raiseEvent/" + cluster::encode_url_part(name),
    std::move(*value));
  return reply ? exit_ok : fail_at(io, id, reply.error());
}

int control_verb(node_connection& node, const control_verb_options& options,
                 terminal& io) {
  auto reply = node.ask(
    "POST", instance_path(options.id) + '/' + options.word
              + to_query({{"reason", options.reason},
                          {"recursive", options.recursive ? "true" : ""}}));
  return reply ? exit_ok : fail_at(io, options.id, reply.error());
}

int restart_verb(node_connection& node, const std::string& id, bool same_id,
                 output_format format, terminal& io) {
  auto reply = node.ask("POST", instance_path(id) + "/restart"
                                  + to_query({{"restartWithNewInstanceId",
                                               same_id ? "false" : "true"}}));
  if (!reply)
    return fail(io, reply.error());
  if (format == output_format::table)
    io.out << json_plain(json_member(reply->body, "id")) << '\n';
  else
    io.out << (format == output_format::json ? json_pretty(reply->body)
                                             : json_compact(reply->body))
           << '\n';
  return exit_ok;
}

int purge_verb(node_connection& node, const purge_verb_options& options,
               terminal& io) {
  if (!options.id.empty())
    return purge_one(node, options, io);
  filter_options filter = options.filter;
  if (filter.statuses.empty())
    filter.statuses = {"Completed", "Failed", "Terminated"};
  if (filter.created_from.empty())
    filter.created_from = "1970-01-01"; // The API wants one.
  if (options.dry_run || !options.yes) {
    bool more = false;
    auto found = fetch_instances(node, filter, 0, false, more);
    if (!found)
      return fail(io, found.error());
    const auto count = std::count_if(
      found->begin(), found->end(), [](const std::string& each) {
        const std::string status
          = json_plain(json_member(each, "runtimeStatus"));
        return status == "Completed" || status == "Failed"
               || status == "Terminated" || status == "Canceled";
      });
    const std::string number
      = std::to_string(count) + (count == 1 ? " instance" : " instances");
    if (options.dry_run) {
      io.out << number << " would be purged.\n";
      return exit_ok;
    }
    if (count == 0) {
      io.out << "0 instances purged.\n";
      return exit_ok;
    }
    if (!io.can_ask)
      return fail(io, {errc::invalid_argument,
                       number + " would be purged; say --yes to do it."});
    if (!is_yes(io, "Purge " + number + "?"))
      return exit_ok;
  }
  auto reply
    = node.ask("DELETE", "/instances" + to_query(filter.to_parameters()));
  if (!reply && reply.code() != errc::not_found)
    return fail(io, reply.error());
  const std::string number
    = reply ? json_plain(json_member(reply->body, "instancesDeleted")) : "0";
  io.out << number << (number == "1" ? " instance" : " instances")
         << " purged.\n";
  return exit_ok;
}

} // namespace perdura::client
