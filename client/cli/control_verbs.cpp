// SPDX-License-Identifier: Apache-2.0
#include "client/cli/control_verbs.hpp"

#include "client/cli/counted_noun.hpp"
#include "client/cli/filter_check.hpp"
#include "client/cli/json_view.hpp"
#include "client/cli/progress_line.hpp"
#include "client/cli/start_verbs.hpp"
#include "client/cli/wait_failure.hpp"
#include "cluster/node/management_urls.hpp"

#include <algorithm>
#include <cctype>
#include <istream>
#include <ostream>

namespace perdura::client {

using persistence::errc;
using persistence::error;
using persistence::result;

namespace {

/// Does the same as `fail`, except that the messages for "not found" and "has
/// ended already" name the instance. The node's own messages do not name it.
int fail_for_instance(terminal& io, const std::string& id,
                      const error& failure) {
  if (failure.code == errc::not_found)
    return fail(io, {errc::not_found, "There is no instance \"" + id + "\"."});
  if (failure.code == errc::already_finished)
    return fail(io, {errc::already_finished,
                     "Instance \"" + id + "\" has ended already."});
  return fail(io, failure);
}

/// Asks on the error stream and reads the answer from standard input.
bool confirmed(terminal& io, const std::string& question) {
  io.err << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(io.in, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

std::string instances(std::size_t count) {
  return counted(count, "instance");
}

/// @error errc::invalid_argument  Neither an ID nor a filter is given, or both
///                                are given.
result<void> check_target(const control_target& target,
                          const std::string& verb) {
  if (target.id.empty() && target.filter.empty())
    return error{errc::invalid_argument,
                 verb
                   + " needs an ID or a filter (--status, --created-from, "
                     "--created-to, --prefix, --name)."};
  if (!target.id.empty() && !target.filter.empty())
    return error{errc::invalid_argument,
                 verb + " needs an ID or a filter, not both."};
  return check_range(target.filter);
}

/// The forms of a verb's name for questions and messages, and the statuses of
/// the instances that the verb can change.
struct control_action {
  std::string verb;       ///< E.g. "terminate".
  std::string participle; ///< E.g. "terminated".
  std::vector<std::string>
    statuses; ///< Instances with other statuses are skipped.
};

/// The action of `verb`, which is one of control_verb_options::verb.
control_action control_action_of(const std::string& verb) {
  if (verb == "suspend")
    return {verb, "suspended", {"Pending", "Running", "ContinuedAsNew"}};
  if (verb == "resume")
    return {verb, "resumed", {"Suspended"}};
  if (verb == "rewind")
    return {verb, "rewound", {"Failed"}};
  return {
    verb, "terminated", {"Pending", "Running", "ContinuedAsNew", "Suspended"}};
}

/// Asks for confirmation before `count` instances are changed, unless --yes is
/// given. Returns true if the verb may proceed. Otherwise sets `code` to the
/// exit code of the verb. If confirmation is needed but standard input is not a
/// terminal, prints an error.
bool may_proceed(const control_target& target, const control_action& action,
                 std::size_t count, int& code, terminal& io) {
  code = exit_ok;
  if (target.dry_run) {
    io.out << instances(count) << " would be " << action.participle << ".\n";
    return false;
  }
  if (count == 0) {
    io.out << "0 instances " << action.participle << ".\n";
    return false;
  }
  if (target.yes)
    return true;
  if (!io.can_ask) {
    code = fail(io, {errc::invalid_argument, instances(count) + " would be "
                                               + action.participle
                                               + "; use --yes to confirm."});
    return false;
  }
  std::string question = action.verb + ' ' + instances(count) + '?';
  question.front() = static_cast<char>(
    std::toupper(static_cast<unsigned char>(question.front())));
  return confirmed(io, question);
}

/// Sends the verb's request for one instance.
result<void> control_one(node_connection& node,
                         const control_verb_options& options,
                         const std::string& id) {
  auto reply = node.call_api(
    "POST", instance_path(id) + '/' + options.verb
              + to_query({{"reason", options.reason},
                          {"recursive", options.recursive ? "true" : ""}}));
  if (reply)
    return {};
  return reply.error();
}

/// Counts the results of a batch. An instance can change between the query that
/// selected it and the request that changes it.
struct batch_tally {
  std::size_t done = 0;       ///< Instances that the verb changed.
  std::size_t ended = 0;      ///< Instances that had ended before.
  std::size_t gone = 0;       ///< Instances that were purged before.
  std::size_t not_failed = 0; ///< Instances whose status was not Failed.

  /// Counts a result. An error is counted only if it shows that the instance
  /// changed after it was selected. For any other error, counts nothing and
  /// returns false.
  bool count(const result<void>& answer) {
    if (answer)
      ++done;
    else if (answer.code() == errc::already_finished)
      ++ended;
    else if (answer.code() == errc::not_found)
      ++gone;
    else if (answer.code() == errc::not_failed)
      ++not_failed;
    else
      return false;
    return true;
  }

  /// For example, "5 instances terminated, 1 had ended already."
  std::string sentence(const control_action& action) const {
    std::string text = instances(done) + ' ' + action.participle;
    if (ended > 0)
      text += ", " + std::to_string(ended) + " had ended already";
    if (gone > 0)
      text += ", " + std::to_string(gone) + " no longer existed";
    if (not_failed > 0)
      text += ", " + std::to_string(not_failed) + " had not failed";
    return text + '.';
  }
};

/// Selects instances by the filter, asks for confirmation, and sends one
/// request for each. Instances that changed in the meantime are counted, not
/// treated as errors.
int control_many(node_connection& node, const control_verb_options& options,
                 terminal& io) {
  const control_action action = control_action_of(options.verb);
  list_verb_options wanted{options.target.filter, 0};
  if (wanted.filter.statuses.empty())
    wanted.filter.statuses = action.statuses;
  auto fetched = fetch_instances(node, wanted, false);
  if (!fetched)
    return fail(io, fetched.error());
  std::vector<std::string>& found = fetched->instances;
  // It is not known whether the filter applies to a damaged instance.
  if (const std::size_t damaged
      = std::erase_if(found,
                      [](const std::string& each) {
                        return json_member(each, "error").has_value();
                      });
      damaged > 0)
    io.err << counted(damaged, "damaged instance")
           << " left out; `perdura list` shows all.\n";
  int code = exit_ok;
  if (!may_proceed(options.target, action, found.size(), code, io))
    return code;
  batch_tally tally;
  {
    progress_line progress(io, action.participle, found.size());
    std::size_t asked = 0;
    for (const std::string& each : found) {
      const auto answer = control_one(
        node, options, json_unquoted(json_member(each, "instanceId")));
      // Errors that are not counted concern the node or the whole command, so
      // further requests would fail, too.
      if (!tally.count(answer)) {
        code = fail(io, answer.error());
        break;
      }
      progress.update(++asked);
    }
  }
  io.out << tally.sentence(action) << '\n';
  return code;
}

/// Purges the instance with this ID, or only checks that it exists (--dry-run).
int purge_one(node_connection& node, const control_target& target,
              terminal& io) {
  if (target.dry_run) {
    auto status = node.status_of(target.id, {{"showInput", "false"}});
    if (!status)
      return fail(io, status.error());
    io.out << "1 instance would be purged.\n";
    return exit_ok;
  }
  auto reply = node.call_api(
    "DELETE", instance_path(target.id)
                + to_query({{"force", target.force ? "true" : ""}}));
  if (!reply)
    return fail_for_instance(io, target.id, reply.error());
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
  auto reply = node.call_api(
    "POST", instance_path(id) + "/raiseEvent/" + cluster::encode_url_part(name),
    std::move(*value));
  return reply ? exit_ok : fail_for_instance(io, id, reply.error());
}

int control_verb(node_connection& node, const control_verb_options& options,
                 terminal& io) {
  if (auto clear = check_target(options.target, options.verb); !clear)
    return fail(io, clear.error());
  const std::string& id = options.target.id;
  if (id.empty())
    return control_many(node, options, io);
  if (options.target.dry_run) {
    auto status = node.status_of(id, {{"showInput", "false"}});
    if (!status)
      return fail(io, status.error());
    io.out << "1 instance would be "
           << control_action_of(options.verb).participle << ".\n";
    return exit_ok;
  }
  auto done = control_one(node, options, id);
  return done ? exit_ok : fail_for_instance(io, id, done.error());
}

int restart_verb(node_connection& node, const std::string& id, bool same_id,
                 output_format format, terminal& io) {
  auto reply = node.call_api(
    "POST",
    instance_path(id) + "/restart"
      + to_query({{"restartWithNewInstanceId", same_id ? "false" : "true"}}));
  if (!reply)
    return fail(io, start_failure(same_id ? id : "", reply.error()));
  if (format == output_format::table)
    io.out << json_unquoted(json_member(reply->body, "id")) << '\n';
  else
    io.out << (format == output_format::json ? json_pretty(reply->body)
                                             : json_compact(reply->body))
           << '\n';
  return exit_ok;
}

int purge_verb(node_connection& node, const control_target& target,
               terminal& io) {
  if (auto clear = check_target(target, "purge"); !clear)
    return fail(io, clear.error());
  if (!target.id.empty())
    return purge_one(node, target, io);
  if (target.force)
    return fail(io, error{errc::invalid_argument,
                          "--force is possible with the ID of one instance "
                          "only."});
  const control_action action{
    "purge", "purged", {"Completed", "Failed", "Terminated", "Canceled"}};
  filter_options filter = target.filter;
  if (filter.statuses.empty())
    filter.statuses = action.statuses;
  if (filter.created_from.empty())
    filter.created_from = "1970-01-01"; // The API requires this parameter.
  // The instances are counted only for the question or for --dry-run. The
  // request below contains the filter, not the instances, so the node selects
  // the instances again.
  if (target.dry_run || !target.yes) {
    auto found = fetch_instances(node, {filter, 0}, false);
    if (!found)
      return fail(io, found.error());
    const auto& instances = found->instances;
    const auto count = std::count_if(
      instances.begin(), instances.end(), [&](const std::string& each) {
        return std::find(action.statuses.begin(), action.statuses.end(),
                         json_unquoted(json_member(each, "runtimeStatus")))
               != action.statuses.end();
      });
    int code = exit_ok;
    if (!may_proceed(target, action, static_cast<std::size_t>(count), code, io))
      return code;
  }
  // If no instance matches, the node responds with 404. Here this is not an
  // error.
  auto reply
    = node.call_api("DELETE", "/instances" + to_query(filter.to_parameters()));
  if (!reply && reply.code() != errc::not_found)
    return fail(io, reply.error());
  const std::string number
    = reply ? json_unquoted(json_member(reply->body, "instancesDeleted")) : "0";
  io.out << number << (number == "1" ? " instance" : " instances")
         << " purged.\n";
  return exit_ok;
}

} // namespace perdura::client
