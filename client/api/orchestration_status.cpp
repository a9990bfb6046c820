// SPDX-License-Identifier: Apache-2.0
#include "client/api/orchestration_status.hpp"

#include "actors/authoring/json_text_check.hpp"
#include "persistence/records/text.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <unordered_map>
#include <utility>
#include <variant>

namespace perdura::client {

namespace {

using namespace perdura::persistence;
using actors::json_string;

/// Date and time in whole seconds, e.g. "2026-11-22T10:00:00". `rest` becomes
/// the fraction of the second.
std::string date_and_time(timestamp time, std::chrono::microseconds& rest) {
  using namespace std::chrono;
  const auto seconds_since = floor<seconds>(time);
  const auto day = floor<days>(seconds_since);
  const year_month_day date(day);
  const hh_mm_ss clock(seconds_since - day);
  rest = time - seconds_since;
  char text[40];
  std::snprintf(
    text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d",
    static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
    static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
    static_cast<int>(clock.minutes().count()),
    static_cast<int>(clock.seconds().count()));
  return text;
}

/// Reads the parts of a time from left to right. Each function returns false
/// if the text does not continue with that part.
class time_reader {
public:
  explicit time_reader(std::string_view text) : text_(text) {}

  /// Exactly `count` decimal digits, as a number.
  bool digits(std::size_t count, int& into) {
    if (text_.size() < count)
      return false;
    into = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (text_[i] < '0' || text_[i] > '9')
        return false;
      into = into * 10 + (text_[i] - '0');
    }
    text_.remove_prefix(count);
    return true;
  }

  /// Skips one character. The case of letters is ignored.
  bool skip(char expected) {
    if (text_.empty() || to_lower(text_.front()) != to_lower(expected))
      return false;
    text_.remove_prefix(1);
    return true;
  }

  /// Decimals of a second. Digits beyond microseconds are cut off.
  bool fraction(std::int64_t& microseconds) {
    // `unit` becomes 0 after six digits, so further digits add nothing.
    int unit = 100'000;
    std::size_t seen = 0;
    microseconds = 0;
    for (int digit = 0; digits(1, digit); ++seen, unit /= 10)
      microseconds += static_cast<std::int64_t>(digit) * unit;
    return seen > 0;
  }

  bool at_end() const {
    return text_.empty();
  }

private:
  std::string_view text_;
};

/// Reads the offset from UTC: `Z`, ±hh:mm, ±hhmm, ±hh, or nothing, which means
/// UTC. `minutes` becomes positive east of Greenwich.
bool read_offset(time_reader& reader, int& minutes) {
  minutes = 0;
  if (reader.at_end())
    return true;
  if (reader.skip('Z'))
    return reader.at_end();
  int sign = 1;
  if (reader.skip('-'))
    sign = -1;
  else if (!reader.skip('+'))
    return false;
  int hours = 0;
  int rest = 0;
  // The offsets in use reach from -12:00 to +14:00.
  if (!reader.digits(2, hours) || hours > 14)
    return false;
  if (!reader.at_end()) {
    reader.skip(':');
    if (!reader.digits(2, rest) || rest > 59)
      return false;
  }
  minutes = sign * (hours * 60 + rest);
  return reader.at_end();
}

// --- JSON -------------------------------------------------------------------

/// Appends a JSON object to a text, member by member. The object is closed
/// after each member, so nothing has to be appended at the end.
class object_writer {
public:
  explicit object_writer(std::string& out) : out_(out) {
    out_ += "{}";
  }

  /// Begins the object of a history event.
  object_writer(std::string& out, const char* type, timestamp time)
    : object_writer(out) {
    text("EventType", type);
    text("Timestamp", to_iso(time));
  }

  object_writer(const object_writer&) = delete;
  object_writer& operator=(const object_writer&) = delete;

  /// `json` must be JSON text. Empty text becomes null, because it would make
  /// the whole document invalid.
  void raw(std::string_view key, std::string_view json) {
    out_.pop_back();
    if (!first_)
      out_ += ',';
    first_ = false;
    out_ += '"';
    out_ += key;
    out_ += "\":";
    out_ += json.empty() ? std::string_view("null") : json;
    out_ += '}';
  }

  /// Appends a member whose value is a string.
  void text(std::string_view key, std::string_view value) {
    raw(key, json_string(value));
  }

private:
  std::string& out_;
  bool first_ = true;
};

/// The object FailureDetails of an event. Perdura records the type and the
/// message of an exception; the other members have fixed values.
std::string failure_json(const failure_details& failure) {
  std::string out;
  {
    object_writer object(out);
    object.text("ErrorType", failure.type);
    object.text("ErrorMessage", failure.message);
    object.raw("StackTrace", "null");
    object.raw("InnerFailure", "null");
    object.raw("IsNonRetriable", "false");
    object.raw("Properties", "null");
  }
  return out;
}

/// An activity or sub-orchestration that was scheduled.
struct scheduled_task {
  timestamp time{};
  std::string_view name;
  std::string_view input;
  /// True if the task has ended or a rewind has scheduled a rerun of it. The
  /// scheduling is then not shown as an event of its own.
  bool done = false;
};

/// Writes a history as Durable Functions shows it. An activity or
/// sub-orchestration that has ended is shown as one event: its outcome, with
/// its name, its input and the time of its scheduling. The scheduling is shown
/// as an event only while there is no outcome.
///
/// Two passes: `match_outcomes` finds the scheduling of each outcome; then
/// `write` writes the events in order.
/// @source Durable Functions, "HTTP API reference", Get instance status.
class history_writer {
public:
  history_writer(std::string& out, const orchestration_status& status)
    : out_(out), status_(status) {}

  void write() {
    match_outcomes();
    out_ += '[';
    for (event_index i = 0; i < status_.history.size(); ++i)
      std::visit([&](const auto& body) { show(i, body); },
                 status_.history[i].body);
    out_ += ']';
  }

private:
  using sequence_index = std::unordered_map<task_sequence, event_index>;

  const history_event& event(event_index i) const {
    return status_.history[i];
  }

  /// First pass: fills `scheduled_`, `cause_` and `reruns_`.
  void match_outcomes() {
    // After a rewind a task sequence may be scheduled a second time. An outcome
    // belongs to the newest scheduling that precedes the outcome.
    sequence_index newest; // Newest scheduling of each task sequence.
    // The failures that a rewind has removed from the history of the
    // orchestrator. Their events remain in the stored history.
    std::unordered_map<event_index, bool> voided;
    for (const history_event& each : status_.history)
      if (const auto* rewound = std::get_if<execution_rewound>(&each.body))
        for (const event_index place : rewound->voided)
          voided[place] = true;
    for (event_index i = 0; i < status_.history.size(); ++i) {
      const history_body& body = event(i).body;
      // Records the scheduling of the task as the cause of its outcome, event
      // `i`, and marks the scheduling as done if `counts` is true. If the
      // scheduling is not in the history, nothing is recorded.
      const auto ends = [&](task_sequence sequence, bool counts) {
        const auto found = newest.find(sequence);
        if (found == newest.end())
          return;
        cause_[i] = scheduled_[found->second];
        scheduled_[found->second].done |= counts;
      };
      if (const auto* a = std::get_if<task_scheduled>(&body)) {
        newest[a->sequence] = i;
        scheduled_[i] = {event(i).time, a->name, a->input};
      } else if (const auto* b
                 = std::get_if<sub_orchestration_instance_created>(&body)) {
        newest[b->sequence] = i;
        scheduled_[i] = {event(i).time, b->name, b->input};
      } else if (const auto* c = std::get_if<execution_rewound>(&body)) {
        for (const task_rerun& rerun : c->reruns)
          add_rerun(i, rerun, newest);
      } else if (const auto* d = std::get_if<task_completed>(&body)) {
        ends(d->sequence, true);
      } else if (const auto* e = std::get_if<task_failed>(&body)) {
        // Even if a rewind has voided this failure, the scheduling is done: the
        // rerun is a scheduling of its own, with another sequence.
        ends(e->sequence, true);
      } else if (const auto* f
                 = std::get_if<sub_orchestration_instance_completed>(&body)) {
        ends(f->sequence, true);
      } else if (const auto* g
                 = std::get_if<sub_orchestration_instance_failed>(&body)) {
        // A sub-orchestration that was rewound keeps its sequence and runs
        // again, so its voided failure does not mark the scheduling as done.
        ends(g->sequence, !voided.contains(i));
      }
    }
  }

  /// A rewind schedules an activity again with its old name and input. The
  /// history has no event for this, so the rerun gets an index after that of
  /// the last event.
  void add_rerun(event_index rewound, const task_rerun& rerun,
                 sequence_index& newest) {
    const auto old = newest.find(rerun.old_sequence);
    if (old == newest.end())
      return;
    const auto place
      = static_cast<event_index>(status_.history.size() + reruns_.size());
    scheduled_task again = scheduled_[old->second];
    scheduled_[old->second].done = true;
    again.time = event(rewound).time;
    again.done = false;
    scheduled_[place] = again;
    newest[rerun.new_sequence] = place;
    reruns_.emplace_back(rewound, place);
  }

  /// Begins the next event of the array.
  object_writer begin(const char* type, timestamp time) {
    if (!first_)
      out_ += ',';
    first_ = false;
    return {out_, type, time};
  }

  object_writer begin(event_index i) {
    return begin(name_of(event(i).body), event(i).time);
  }

  /// Writes the input unless the caller excluded inputs.
  void show_input(object_writer& object, std::string_view input) const {
    // The member is a JSON string that holds the JSON text of the input.
    if (status_.has_history_input && !input.empty())
      object.text("Input", input);
  }

  /// Writes the result only if the caller requested results.
  void show_result(object_writer& object, std::string_view result) const {
    if (status_.has_history_output)
      object.raw("Result", result);
  }

  /// Writes the members of outcome `i` that come from its scheduling.
  void show_cause(object_writer& object, event_index i) const {
    const auto found = cause_.find(i);
    if (found == cause_.end())
      return;
    object.text("ScheduledTime", to_iso(found->second.time));
    object.text("FunctionName", found->second.name);
    show_input(object, found->second.input);
  }

  /// Writes the event of a failed activity or sub-orchestration.
  /// @param kind  Names the kind of function in the member Reason.
  void show_failure(event_index i, const failure_details& failure,
                    const char* kind) {
    object_writer object = begin(i);
    show_cause(object, i);
    const auto found = cause_.find(i);
    std::string reason = failure.message;
    if (found != cause_.end())
      reason = kind + (" '" + std::string(found->second.name))
               + "' failed: " + failure.message;
    object.text("Reason", reason);
    object.text("Details", failure.message);
    object.raw("FailureDetails", failure_json(failure));
  }

  // As in Durable Functions, the events at the beginning and the end of a turn
  // are not shown.
  void show(event_index, const orchestrator_started&) {}

  void show(event_index, const orchestrator_completed&) {}

  void show(event_index i, const execution_started& body) {
    object_writer object = begin(i);
    object.text("FunctionName", body.name);
    if (!body.version.empty())
      object.text("Version", body.version);
    show_input(object, body.input);
    if (body.scheduled_at == timestamp{})
      object.raw("ScheduledStartTime", "null");
    else
      object.text("ScheduledStartTime", to_iso(body.scheduled_at));
    object.raw("Generation", std::to_string(body.generation));
  }

  // A scheduled task that has ended is shown as its outcome only.
  void show(event_index i, const task_scheduled& body) {
    if (scheduled_[i].done)
      return;
    object_writer object = begin(i);
    object.text("Name", body.name);
    show_input(object, body.input);
  }

  void show(event_index i, const task_completed& body) {
    object_writer object = begin(i);
    show_cause(object, i);
    show_result(object, body.result);
  }

  void show(event_index i, const task_failed& body) {
    show_failure(i, body.failure, "Activity function");
  }

  void show(event_index i, const timer_created& body) {
    begin(i).text("FireAt", to_iso(body.fire_at));
  }

  void show(event_index i, const timer_fired& body) {
    begin(i).text("FireAt", to_iso(body.fire_at));
  }

  void show(event_index i, const sub_orchestration_instance_created& body) {
    if (scheduled_[i].done)
      return;
    object_writer object = begin(i);
    object.text("Name", body.name);
    object.text("InstanceId", body.instance);
    show_input(object, body.input);
  }

  void show(event_index i, const sub_orchestration_instance_completed& body) {
    object_writer object = begin(i);
    show_cause(object, i);
    show_result(object, body.result);
  }

  void show(event_index i, const sub_orchestration_instance_failed& body) {
    show_failure(i, body.failure, "Sub-orchestrator function");
  }

  void show(event_index i, const event_raised& body) {
    object_writer object = begin(i);
    object.text("Name", body.name);
    show_input(object, body.input);
  }

  void show(event_index i, const event_sent& body) {
    object_writer object = begin(i);
    object.text("InstanceId", body.instance);
    object.text("Name", body.name);
    show_input(object, body.input);
  }

  void show(event_index i, const execution_suspended& body) {
    begin(i).text("Reason", body.reason);
  }

  void show(event_index i, const execution_resumed& body) {
    begin(i).text("Reason", body.reason);
  }

  void show(event_index i, const execution_terminated& body) {
    object_writer object = begin(i);
    if (status_.has_history_input)
      object.raw("Input", body.reason); // The stored reason is a JSON string.
  }

  // Tasks that the rewind has scheduled again, and that have not ended yet, are
  // shown after the event of the rewind.
  void show(event_index i, const execution_rewound& body) {
    begin(i).text("Reason", body.reason);
    for (const auto& [rewound, place] : reruns_) {
      const scheduled_task& again = scheduled_[place];
      if (rewound != i || again.done)
        continue;
      object_writer object = begin("TaskScheduled", again.time);
      object.text("Name", again.name);
      show_input(object, again.input);
    }
  }

  // The event of a completed or failed instance. A terminated instance has
  // `execution_terminated` instead.
  void show(event_index i, const execution_completed& body) {
    const bool failed = body.status == completion_status::failed;
    object_writer object = begin(i);
    object.text("OrchestrationStatus", failed ? "Failed" : "Completed");
    show_result(object, body.result);
    object.raw("FailureDetails", failed ? failure_json(body.failure) : "null");
  }

  // The result of this execution is the input of the next one.
  void show(event_index i, const continue_as_new& body) {
    object_writer object = begin(i);
    show_result(object, body.input);
  }

  std::string& out_;
  const orchestration_status& status_;
  bool first_ = true;
  /// The key is the index of the scheduling event, or the index that
  /// `add_rerun` gave to a rerun.
  std::unordered_map<event_index, scheduled_task> scheduled_;
  /// The scheduling of each outcome. The key is the index of the outcome.
  std::unordered_map<event_index, scheduled_task> cause_;
  /// For each rerun: the index of its rewind event, and the index that
  /// `add_rerun` gave it.
  std::vector<std::pair<event_index, event_index>> reruns_;
};

} // namespace

// Inputs, outputs and the custom status are inserted as they are, so their key
// order, numbers and escapes reach the caller unchanged.
std::string to_json(const orchestration_status& status) {
  std::string out;
  if (!status.error.empty()) {
    object_writer object(out);
    object.text("instanceId", status.instance_id);
    object.text("error", status.error);
  } else {
    object_writer object(out);
    object.text("name", status.name);
    object.text("instanceId", status.instance_id);
    object.text("runtimeStatus", to_string(status.status));
    object.raw("input", status.input);
    object.raw("customStatus", status.custom_status);
    object.raw("output", status.output);
    object.text("createdTime", to_iso_seconds(status.created_time));
    object.text("lastUpdatedTime", to_iso_seconds(status.last_updated_time));
    const auto add = [&object](const char* name, const std::string& text) {
      if (!text.empty())
        object.text(name, text);
    };
    add("version", status.version);
    add("parentInstanceId", status.parent_instance_id);
    add("held", status.held);
    if (status.has_history) {
      std::string history;
      history_writer(history, status).write();
      object.raw("historyEvents", history);
      // The name by which the Durable Functions client of npm reads it.
      object.raw("history", history);
    }
  }
  return out;
}

std::string to_iso_seconds(timestamp time) {
  std::chrono::microseconds rest{};
  return date_and_time(time, rest) + 'Z';
}

std::string to_iso(timestamp time) {
  std::chrono::microseconds rest{};
  std::string text = date_and_time(time, rest);
  if (rest.count() != 0) {
    char fraction[16];
    std::snprintf(fraction, sizeof fraction, ".%06d",
                  static_cast<int>(rest.count()));
    text += fraction;
    while (text.back() == '0')
      text.pop_back();
  }
  return text + 'Z';
}

bool parse_iso(std::string_view text, timestamp& into) {
  using namespace std::chrono;
  time_reader reader(text);
  int y = 0;
  int m = 0;
  int d = 0;
  if (!reader.digits(4, y) || !reader.skip('-') || !reader.digits(2, m)
      || !reader.skip('-') || !reader.digits(2, d))
    return false;
  const year_month_day date{year(y), month(static_cast<unsigned>(m)),
                            day(static_cast<unsigned>(d))};
  if (!date.ok())
    return false;
  // `into` is written only after the whole text has been read.
  timestamp time{sys_days(date)};
  if (!reader.at_end()) {
    int hour = 0;
    int minute = 0;
    int second = 0;
    std::int64_t rest = 0;
    int east = 0;
    // RFC 3339 also allows a blank between date and time.
    if (!reader.skip('T') && !reader.skip(' '))
      return false;
    if (!reader.digits(2, hour) || !reader.skip(':')
        || !reader.digits(2, minute) || hour > 23 || minute > 59)
      return false;
    if (reader.skip(':')) {
      // Second 60, a leap second, becomes second 0 of the next minute.
      if (!reader.digits(2, second) || second > 60)
        return false;
      if ((reader.skip('.') || reader.skip(',')) && !reader.fraction(rest))
        return false;
    }
    if (!read_offset(reader, east))
      return false;
    // The offset is the local time minus UTC, so it is subtracted.
    time += hours(hour) + minutes(minute - east) + seconds(second)
            + microseconds(rest);
  }
  into = time;
  return true;
}

} // namespace perdura::client
