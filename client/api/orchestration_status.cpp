#include "client/api/orchestration_status.hpp"

#include "actors/authoring/json_text_check.hpp"

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

constexpr std::array<const char*, 8> status_names{
  "Running",  "Completed",  "ContinuedAsNew", "Failed",
  "Canceled", "Terminated", "Pending",        "Suspended"};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_word(std::string_view a, std::string_view b) {
  if (a.size() != b.size())
    return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (lower(a[i]) != lower(b[i]))
      return false;
  return true;
}

/// "2026-11-22T10:00:00", and what is left of the second.
std::string civil(timestamp time, std::chrono::microseconds& rest) {
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

/// Reads a time from left to right.
class time_reader {
public:
  explicit time_reader(std::string_view text) : text_(text) {}

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

  bool take(char wanted) {
    if (text_.empty() || lower(text_.front()) != lower(wanted))
      return false;
    text_.remove_prefix(1);
    return true;
  }

  /// What follows the point, to the microsecond; the rest is cut off.
  bool fraction(std::int64_t& microseconds) {
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

/// `Z`, nothing, or ±hh:mm, ±hhmm, ±hh; in minutes east.
bool read_offset(time_reader& reader, int& minutes) {
  minutes = 0;
  if (reader.at_end())
    return true;
  if (reader.take('Z'))
    return reader.at_end();
  int sign = 1;
  if (reader.take('-'))
    sign = -1;
  else if (!reader.take('+'))
    return false;
  int hours = 0;
  int rest = 0;
  if (!reader.digits(2, hours) || hours > 14)
    return false;
  if (!reader.at_end()) {
    reader.take(':');
    if (!reader.digits(2, rest) || rest > 59)
      return false;
  }
  minutes = sign * (hours * 60 + rest);
  return reader.at_end();
}

// --- JSON -------------------------------------------------------------------

/// A JSON object, member after member.
class object_writer {
public:
  explicit object_writer(std::string& out) : out_(out) {
    out_ += '{';
  }

  /// A history event.
  object_writer(std::string& out, const char* type, timestamp time)
    : object_writer(out) {
    text("EventType", type);
    text("Timestamp", to_iso(time));
  }

  object_writer(const object_writer&) = delete;
  object_writer& operator=(const object_writer&) = delete;

  ~object_writer() {
    out_ += '}';
  }

  /// `json` is JSON text already. An empty one would break the whole.
  void raw(std::string_view key, std::string_view json) {
    if (!first_)
      out_ += ',';
    first_ = false;
    out_ += '"';
    out_ += key;
    out_ += "\":";
    out_ += json.empty() ? std::string_view("null") : json;
  }

  void text(std::string_view key, std::string_view value) {
    raw(key, json_string(value));
  }

private:
  std::string& out_;
  bool first_ = true;
};

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

/// What a task or a child was asked for, and when.
struct asked {
  timestamp time{};
  std::string_view name;
  std::string_view input;
  bool done = false; ///< It has an outcome that counts.
};

/// The history as Durable Functions shows it: what was scheduled is merged
/// into what came of it.
/// @source reference: HTTP contract §2.3.
class history_writer {
public:
  history_writer(std::string& out, const orchestration_status& status)
    : out_(out), status_(status) {}

  void write() {
    pair_up();
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

  /// First pass: which scheduling belongs to which outcome.
  void pair_up() {
    sequence_index newest; // By sequence: where it was scheduled.
    std::unordered_map<event_index, bool> voided;
    for (const history_event& each : status_.history)
      if (const auto* rewound = std::get_if<execution_rewound>(&each.body))
        for (const event_index place : rewound->voided)
          voided[place] = true;
    for (event_index i = 0; i < status_.history.size(); ++i) {
      const history_body& body = event(i).body;
      const auto ends = [&](task_sequence sequence, bool counts) {
        const auto found = newest.find(sequence);
        if (found == newest.end())
          return;
        cause_[i] = asked_[found->second];
        asked_[found->second].done |= counts;
      };
      if (const auto* a = std::get_if<task_scheduled>(&body)) {
        newest[a->sequence] = i;
        asked_[i] = {event(i).time, a->name, a->input};
      } else if (const auto* b
                 = std::get_if<sub_orchestration_instance_created>(&body)) {
        newest[b->sequence] = i;
        asked_[i] = {event(i).time, b->name, b->input};
      } else if (const auto* c = std::get_if<execution_rewound>(&body)) {
        for (const task_rerun& rerun : c->reruns)
          begin_again(i, rerun, newest);
      } else if (const auto* d = std::get_if<task_completed>(&body)) {
        ends(d->sequence, true);
      } else if (const auto* e = std::get_if<task_failed>(&body)) {
        ends(e->sequence, true); // A rerun has a number of its own.
      } else if (const auto* f
                 = std::get_if<sub_orchestration_instance_completed>(&body)) {
        ends(f->sequence, true);
      } else if (const auto* g
                 = std::get_if<sub_orchestration_instance_failed>(&body)) {
        // A child that is rewound keeps its number: it is under way again.
        ends(g->sequence, !voided.contains(i));
      }
    }
  }

  /// A rerun is scheduled by the rewind, with the old name and input. Its
  /// place is made up: behind all real ones.
  void begin_again(event_index rewound, const task_rerun& rerun,
                   sequence_index& newest) {
    const auto old = newest.find(rerun.old_sequence);
    if (old == newest.end())
      return;
    const auto place
      = static_cast<event_index>(status_.history.size() + reruns_.size());
    asked again = asked_[old->second];
    asked_[old->second].done = true;
    again.time = event(rewound).time;
    again.done = false;
    asked_[place] = again;
    newest[rerun.new_sequence] = place;
    reruns_.emplace_back(rewound, place);
  }

  /// Comma, brace, EventType and Timestamp.
  object_writer begin(const char* type, timestamp time) {
    if (!first_)
      out_ += ',';
    first_ = false;
    return {out_, type, time};
  }

  object_writer begin(event_index i) {
    return begin(name_of(event(i).body), event(i).time);
  }

  void show_input(object_writer& object, std::string_view input) const {
    if (status_.has_history_input
        && !input.empty()) // The serialized text, as a string.
      object.text("Input", input);
  }

  void show_result(object_writer& object, std::string_view result) const {
    if (status_.has_history_output)
      object.raw("Result", result);
  }

  /// The members that come from what had been scheduled.
  void show_cause(object_writer& object, event_index i) const {
    const auto found = cause_.find(i);
    if (found == cause_.end())
      return;
    object.text("ScheduledTime", to_iso(found->second.time));
    object.text("FunctionName", found->second.name);
    show_input(object, found->second.input);
  }

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

  void show(event_index, const orchestrator_started&) {}

  void show(event_index, const orchestrator_completed&) {}

  void show(event_index i, const execution_started& body) {
    object_writer object = begin(i);
    object.text("FunctionName", body.name);
    show_input(object, body.input);
    if (body.scheduled_at == timestamp{})
      object.raw("ScheduledStartTime", "null");
    else
      object.text("ScheduledStartTime", to_iso(body.scheduled_at));
    object.raw("Generation", std::to_string(body.generation));
  }

  void show(event_index i, const task_scheduled& body) {
    if (asked_[i].done)
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
    if (asked_[i].done)
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
      object.raw("Input", body.reason); // A JSON string already.
  }

  void show(event_index i, const execution_rewound& body) {
    begin(i).text("Reason", body.reason);
    for (const auto& [rewound, place] : reruns_) {
      const asked& again = asked_[place];
      if (rewound != i || again.done)
        continue;
      object_writer object = begin("TaskScheduled", again.time);
      object.text("Name", again.name);
      show_input(object, again.input);
    }
  }

  void show(event_index i, const execution_completed& body) {
    const bool failed = body.status == completion_status::failed;
    object_writer object = begin(i);
    object.text("OrchestrationStatus", failed ? "Failed" : "Completed");
    show_result(object, body.result);
    object.raw("FailureDetails", failed ? failure_json(body.failure) : "null");
  }

  void show(event_index i, const continue_as_new& body) {
    object_writer object = begin(i);
    show_result(object, body.input);
  }

  std::string& out_;
  const orchestration_status& status_;
  bool first_ = true;
  std::unordered_map<event_index, asked> asked_; ///< By place.
  std::unordered_map<event_index, asked> cause_; ///< By the outcome's place.
  /// Of each rerun: where the rewind stands, and its own made-up place.
  std::vector<std::pair<event_index, event_index>> reruns_;
};

} // namespace

const char* to_string(runtime_status status) {
  const auto number = static_cast<std::size_t>(status);
  return number < status_names.size() ? status_names[number] : "Unknown";
}

bool parse_runtime_status(std::string_view text, runtime_status& into) {
  for (std::size_t i = 0; i < status_names.size(); ++i)
    if (same_word(text, status_names[i])) {
      into = static_cast<runtime_status>(i);
      return true;
    }
  return false;
}

bool is_finished(runtime_status status) {
  return status == runtime_status::completed || status == runtime_status::failed
         || status == runtime_status::canceled
         || status == runtime_status::terminated;
}

std::string to_json(const orchestration_status& status) {
  std::string out;
  {
    object_writer object(out);
    object.text("name", status.name);
    object.text("instanceId", status.instance_id);
    object.text("runtimeStatus", to_string(status.status));
    object.raw("input", status.input);
    object.raw("customStatus", status.custom_status);
    object.raw("output", status.output);
    object.text("createdTime", to_iso_seconds(status.created_time));
    object.text("lastUpdatedTime", to_iso_seconds(status.last_updated_time));
    if (status.has_history) {
      std::string history;
      history_writer(history, status).write();
      object.raw("historyEvents", history);
    }
  }
  return out;
}

std::string to_iso_seconds(timestamp time) {
  std::chrono::microseconds rest{};
  return civil(time, rest) + 'Z';
}

std::string to_iso(timestamp time) {
  std::chrono::microseconds rest{};
  std::string text = civil(time, rest);
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
  if (!reader.digits(4, y) || !reader.take('-') || !reader.digits(2, m)
      || !reader.take('-') || !reader.digits(2, d))
    return false;
  const year_month_day date{year(y), month(static_cast<unsigned>(m)),
                            day(static_cast<unsigned>(d))};
  if (!date.ok())
    return false;
  timestamp time{sys_days(date)};
  if (!reader.at_end()) {
    int hour = 0;
    int minute = 0;
    int second = 0;
    std::int64_t rest = 0;
    int east = 0;
    if (!reader.take('T') && !reader.take(' '))
      return false;
    if (!reader.digits(2, hour) || !reader.take(':')
        || !reader.digits(2, minute) || hour > 23 || minute > 59)
      return false;
    if (reader.take(':')) {
      // 60: a leap second is the next minute's first.
      if (!reader.digits(2, second) || second > 60)
        return false;
      if ((reader.take('.') || reader.take(',')) && !reader.fraction(rest))
        return false;
    }
    if (!read_offset(reader, east))
      return false;
    time += hours(hour) + minutes(minute - east) + seconds(second)
            + microseconds(rest);
  }
  into = time;
  return true;
}

} // namespace perdura::client
