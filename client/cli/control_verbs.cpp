#include "client/cli/control_verbs.hpp"

#include "client/cli/json_view.hpp"
#include "client/cli/progress_line.hpp"
#include "client/cli/start_verbs.hpp"
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

std::string instances(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " instance" : " instances");
}

/// One instance or many, and which, must be said.
/// @error errc::invalid_argument
result<void> check_target(const control_target& target,
                          const std::string& word) {
  if (target.id.empty() && target.filter.empty())
    return error{errc::invalid_argument,
                 word
                   + " wants an ID or a filter (--status, --created-from, "
                     "--created-to, --prefix, --name)."};
  if (!target.id.empty() && !target.filter.empty())
    return error{errc::invalid_argument,
                 word + " wants an ID or a filter, not both."};
  return {};
}

/// What a verb does, in the words of its questions and answers.
struct deed {
  std::string word;                 ///< "terminate"
  std::string done;                 ///< "terminated"
  std::vector<std::string> applies; ///< To instances of these statuses.
};

deed deed_of(const std::string& word) {
  if (word == "suspend")
    return {word, "suspended", {"Pending", "Running", "ContinuedAsNew"}};
  if (word == "resume")
    return {word, "resumed", {"Suspended"}};
  if (word == "rewind")
    return {word, "rewound", {"Failed"}};
  return {
    word, "terminated", {"Pending", "Running", "ContinuedAsNew", "Suspended"}};
}

/// True if it shall be done; else `code` is how the verb ends.
bool may_begin(const control_target& target, const deed& what,
               std::size_t count, int& code, terminal& io) {
  code = exit_ok;
  if (target.dry_run) {
    io.out << instances(count) << " would be " << what.done << ".\n";
    return false;
  }
  if (count == 0) {
    io.out << "0 instances " << what.done << ".\n";
    return false;
  }
  if (target.yes)
    return true;
  if (!io.can_ask) {
    code = fail(io, {errc::invalid_argument, instances(count) + " would be "
                                               + what.done
                                               + "; say --yes to do it."});
    return false;
  }
  std::string question = what.word + ' ' + instances(count) + '?';
  question.front() = static_cast<char>(
    std::toupper(static_cast<unsigned char>(question.front())));
  return is_yes(io, question);
}

result<void> control_one(node_connection& node,
                         const control_verb_options& options,
                         const std::string& id) {
  auto reply = node.ask(
    "POST", instance_path(id) + '/' + options.word
              + to_query({{"reason", options.reason},
                          {"recursive", options.recursive ? "true" : ""}}));
  if (reply)
    return {};
  return reply.error();
}

/// How the instances of a batch took it.
struct batch_tally {
  std::size_t done = 0;
  std::size_t ended = 0;      ///< Already, when it was their turn.
  std::size_t gone = 0;       ///< Purged meanwhile.
  std::size_t not_failed = 0; ///< Somebody else has rewound them.

  /// False if the error is none of these.
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

  std::string sentence(const deed& what) const {
    std::string text = instances(done) + ' ' + what.done;
    if (ended > 0)
      text += ", " + std::to_string(ended) + " had ended already";
    if (gone > 0)
      text += ", " + std::to_string(gone)
              + (gone == 1 ? " was gone already" : " were gone already");
    if (not_failed > 0)
      text += ", " + std::to_string(not_failed) + " had not failed";
    return text + '.';
  }
};

int control_many(node_connection& node, const control_verb_options& options,
                 terminal& io) {
  const deed what = deed_of(options.word);
  list_verb_options wanted{options.target.filter, 0};
  if (wanted.filter.statuses.empty())
    wanted.filter.statuses = what.applies;
  auto fetched = fetch_instances(node, wanted, false);
  if (!fetched)
    return fail(io, fetched.error());
  const std::vector<std::string>& found = fetched->instances;
  int code = exit_ok;
  if (!may_begin(options.target, what, found.size(), code, io))
    return code;
  batch_tally tally;
  {
    progress_line progress(io, what.done, found.size());
    std::size_t asked = 0;
    for (const std::string& each : found) {
      const auto answer = control_one(
        node, options, json_plain(json_member(each, "instanceId")));
      // What is wrong with the node is wrong for the rest as well.
      if (!tally.count(answer)) {
        code = fail(io, answer.error());
        break;
      }
      progress.reached(++asked);
    }
  }
  io.out << tally.sentence(what) << '\n';
  return code;
}

int purge_one(node_connection& node, const control_target& target,
              terminal& io) {
  if (target.dry_run) {
    auto status = node.status_of(target.id, {{"showInput", "false"}});
    if (!status)
      return fail(io, status.error());
    io.out << "1 instance would be purged.\n";
    return exit_ok;
  }
  auto reply = node.ask("DELETE", instance_path(target.id));
  if (!reply)
    return fail_at(io, target.id, reply.error());
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
  if (auto clear = check_target(options.target, options.word); !clear)
    return fail(io, clear.error());
  const std::string& id = options.target.id;
  if (id.empty())
    return control_many(node, options, io);
  if (options.target.dry_run) {
    auto status = node.status_of(id, {{"showInput", "false"}});
    if (!status)
      return fail(io, status.error());
    io.out << "1 instance would be " << deed_of(options.word).done << ".\n";
    return exit_ok;
  }
  auto done = control_one(node, options, id);
  return done ? exit_ok : fail_at(io, id, done.error());
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

int purge_verb(node_connection& node, const control_target& target,
               terminal& io) {
  if (auto clear = check_target(target, "purge"); !clear)
    return fail(io, clear.error());
  if (!target.id.empty())
    return purge_one(node, target, io);
  const deed what{
    "purge", "purged", {"Completed", "Failed", "Terminated", "Canceled"}};
  filter_options filter = target.filter;
  if (filter.statuses.empty())
    filter.statuses = {"Completed", "Failed", "Terminated"};
  if (filter.created_from.empty())
    filter.created_from = "1970-01-01"; // The API wants one.
  if (target.dry_run || !target.yes) {
    auto found = fetch_instances(node, {filter, 0}, false);
    if (!found)
      return fail(io, found.error());
    const auto& instances = found->instances;
    const auto count = std::count_if(
      instances.begin(), instances.end(), [&](const std::string& each) {
        return std::find(what.applies.begin(), what.applies.end(),
                         json_plain(json_member(each, "runtimeStatus")))
               != what.applies.end();
      });
    int code = exit_ok;
    if (!may_begin(target, what, static_cast<std::size_t>(count), code, io))
      return code;
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
