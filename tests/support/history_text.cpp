// SPDX-License-Identifier: Apache-2.0
#include "tests/support/history_text.hpp"

#include <sstream>

namespace perdura::tests {

using namespace persistence;

namespace {

/// Writes the fields of an event after its name. Times and durations are left
/// out.
struct event_writer {
  std::ostringstream& out;

  void operator()(const orchestrator_started&) const {}

  void operator()(const execution_started& x) const {
    out << ' ' << x.name << '(' << x.input << ") " << x.execution
        << " generation " << x.generation;
    if (!x.version.empty())
      out << " version " << x.version;
    if (!x.parent.instance.empty())
      out << " parent " << x.parent.instance << '/' << x.parent.execution << '/'
          << x.parent.sequence;
    if (x.scheduled_at != timestamp{})
      out << " scheduled";
  }

  void operator()(const task_scheduled& x) const {
    out << ' ' << x.sequence << ' ' << x.name << '(' << x.input << ") attempt "
        << x.attempt;
  }

  void operator()(const task_completed& x) const {
    out << ' ' << x.sequence << ' ' << x.result;
  }

  void operator()(const persistence::task_failed& x) const {
    out << ' ' << x.sequence << ' ' << x.failure.type << ": "
        << x.failure.message;
  }

  void operator()(const timer_created& x) const {
    out << ' ' << x.sequence;
  }

  void operator()(const timer_fired& x) const {
    out << ' ' << x.sequence;
  }

  void operator()(const sub_orchestration_instance_created& x) const {
    out << ' ' << x.sequence << ' ' << x.name << '(' << x.input << ") \""
        << x.instance << '"';
  }

  void operator()(const sub_orchestration_instance_completed& x) const {
    out << ' ' << x.sequence << ' ' << x.result;
  }

  void operator()(const sub_orchestration_instance_failed& x) const {
    out << ' ' << x.sequence << ' ' << x.failure.type << ": "
        << x.failure.message;
  }

  void operator()(const event_raised& x) const {
    out << ' ' << x.name << ' ' << x.input;
  }

  void operator()(const event_sent& x) const {
    out << ' ' << x.sequence << ' ' << x.name << ' ' << x.input << " to \""
        << x.instance << '"';
  }

  void operator()(const execution_suspended& x) const {
    out << ' ' << x.reason;
  }

  void operator()(const execution_resumed& x) const {
    out << ' ' << x.reason;
  }

  void operator()(const execution_terminated& x) const {
    out << ' ' << x.reason;
  }

  void operator()(const execution_rewound& x) const {
    out << ' ' << x.reason << " turn " << x.turn_first << " void";
    for (const event_index place : x.voided)
      out << ' ' << place;
    out << " reruns";
    for (const task_rerun& one : x.reruns)
      out << ' ' << one.old_sequence << "->" << one.new_sequence;
    out << " next " << x.next_sequence;
  }

  void operator()(const execution_completed& x) const {
    out << (x.status == completion_status::failed ? " failed " : " ")
        << x.result;
    if (!x.failure.message.empty())
      out << " (" << x.failure.type << ": " << x.failure.message << ')';
  }

  void operator()(const continue_as_new& x) const {
    out << ' ' << x.input;
  }

  void operator()(const orchestrator_completed& x) const {
    for (const task_sequence sequence : x.failures_received)
      out << " failure " << sequence;
  }
};

} // namespace

std::string to_text(const history_event& event) {
  std::ostringstream out;
  out << name_of(event.body);
  std::visit(event_writer{out}, event.body);
  return out.str();
}

std::vector<std::string> to_text(const std::vector<history_event>& history) {
  std::vector<std::string> lines;
  lines.reserve(history.size());
  for (const history_event& event : history)
    lines.push_back(to_text(event));
  return lines;
}

std::string to_text(const instance_record& record) {
  static const char* const names[]
    = {"Running",  "Completed",  "ContinuedAsNew", "Failed",
       "Canceled", "Terminated", "Pending",        "Suspended"};
  std::ostringstream out;
  out << record.name << ' ' << names[static_cast<int>(record.status)]
      << " execution " << record.execution << " generation "
      << record.generation << " next " << record.next_sequence
      << (record.turn_due ? " turn due" : "")
      << (record.ended_at == timestamp{} ? "" : " ended");
  if (!record.parent.instance.empty())
    out << " parent " << record.parent.instance;
  if (!record.held.empty())
    out << " held: " << record.held;
  return out.str();
}

} // namespace perdura::tests
