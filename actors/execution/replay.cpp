// SPDX-License-Identifier: Apache-2.0
#include "actors/execution/replay.hpp"

#include <algorithm>
#include <unordered_set>

namespace perdura::actors {

using namespace persistence;

namespace {

/// True for the types of events that are delivered to the orchestrator's code.
bool is_message(const history_body& body) {
  return std::holds_alternative<task_completed>(body)
         || std::holds_alternative<persistence::task_failed>(body)
         || std::holds_alternative<timer_fired>(body)
         || std::holds_alternative<sub_orchestration_instance_completed>(body)
         || std::holds_alternative<sub_orchestration_instance_failed>(body)
         || std::holds_alternative<event_raised>(body);
}

/// True for the types of events that record a request of the code.
bool is_decision(const history_body& body) {
  return std::holds_alternative<task_scheduled>(body)
         || std::holds_alternative<timer_created>(body)
         || std::holds_alternative<sub_orchestration_instance_created>(body)
         || std::holds_alternative<event_sent>(body);
}

/// True for the types of events by which the code ends its execution.
bool is_end(const history_body& body) {
  return std::holds_alternative<execution_completed>(body)
         || std::holds_alternative<continue_as_new>(body);
}

/// Returns the sequence of the failed task if the event records a failure.
std::optional<task_sequence> failed_task(const history_body& body) {
  if (auto* failed = std::get_if<persistence::task_failed>(&body))
    return failed->sequence;
  if (auto* failed = std::get_if<sub_orchestration_instance_failed>(&body))
    return failed->sequence;
  return std::nullopt;
}

/// The events of one turn: from the orchestrator_started at index `begin` up to
/// the event before index `end`.
struct turn_bounds {
  event_index begin = 0;
  event_index end = 0;
};

/// The events and turns that the rewinds of a history made void.
struct rewinds {
  std::vector<bool> is_void;             ///< By index of the event.
  std::unordered_set<event_index> turns; ///< First events of void turns.

  /// `bounds` are the turns of the history.
  rewinds(std::span<const history_event> history,
          const std::vector<turn_bounds>& bounds)
    : is_void(history.size()) {
    for (event_index i = 0; i < history.size(); ++i) {
      auto* rewound = std::get_if<execution_rewound>(&history[i].body);
      if (!rewound)
        continue;
      for (event_index index : rewound->voided)
        if (index < is_void.size())
          is_void[index] = true;
      auto turn = std::lower_bound(
        bounds.begin(), bounds.end(), rewound->turn_first,
        [](const turn_bounds& x, event_index at) { return x.begin < at; });
      for (; turn != bounds.end() && turn->begin < i; ++turn)
        turns.insert(turn->begin);
    }
  }
};

/// Finds the turns of the history. Events between two turns, such as
/// execution_suspended, belong to none.
std::vector<turn_bounds> turns_of(std::span<const history_event> history) {
  std::vector<turn_bounds> turns;
  for (event_index i = 0; i < history.size(); ++i) {
    const history_body& body = history[i].body;
    if (std::holds_alternative<orchestrator_started>(body))
      turns.push_back({i, i + 1});
    else if (!turns.empty()
             && (is_message(body) || is_decision(body) || is_end(body)
                 || std::holds_alternative<orchestrator_completed>(body)))
      turns.back().end = i + 1;
  }
  return turns;
}

/// Adds the effects of a rewind to the next turn of the plan.
void add_rewind(replay_plan& plan, std::span<const history_event> history,
                const execution_rewound& rewound) {
  rewound_turn& next
    = plan.next.rewound ? *plan.next.rewound : plan.next.rewound.emplace();
  next.rule = rewound.rule;
  next.next_sequence = std::max(next.next_sequence, rewound.next_sequence);
  next.repeats_failures = next.repeats_failures || rewound.repeats_failures;
  next.dropped.insert(next.dropped.end(), rewound.dropped.begin(),
                      rewound.dropped.end());
  for (const task_rerun& rerun : rewound.reruns) {
    plan.reruns.emplace(rerun.new_sequence, rerun.old_sequence);
    next.renewed.push_back(rerun.old_sequence);
  }
  for (event_index index : rewound.voided)
    if (index < history.size())
      if (auto failed = failed_task(history[index].body))
        next.renewed.push_back(*failed);
}

} // namespace

replay_plan plan_replay(std::span<const history_event> history) {
  const std::vector<turn_bounds> bounds = turns_of(history);
  const rewinds rewound(history, bounds);
  replay_plan plan;
  auto bound = bounds.begin();
  for (event_index i = 0; i < history.size(); ++i) {
    if (auto* event = std::get_if<execution_rewound>(&history[i].body))
      add_rewind(plan, history, *event);
    // All other events between turns change nothing in the plan.
    if (bound == bounds.end() || bound->begin != i)
      continue;
    // If void turns precede this turn, `plan.next` contains them already.
    replay_turn& turn = plan.next;
    const auto& started = std::get<orchestrator_started>(history[i].body);
    turn.now = history[i].time;
    turn.elapsed = elapsed_time(turn.now.time_since_epoch() - started.ahead);
    for (event_index at = i; at < bound->end; ++at) {
      const history_event& event = history[at];
      if (std::holds_alternative<orchestrator_completed>(event.body))
        turn.last = at;
      else if (rewound.is_void[at])
        continue;
      else if (is_end(event.body))
        turn.end = at;
      else if (is_message(event.body))
        turn.messages.push_back(&event);
      else if (is_decision(event.body))
        turn.decisions.push_back(at);
    }
    // A void turn is not replayed. The next turn repeats it.
    if (rewound.turns.contains(i)) {
      void_turn past{turn.now, turn.elapsed, std::move(turn.messages), {}};
      for (event_index at : turn.decisions)
        past.decisions.push_back(&history[at]);
      replay_turn left;
      left.rewound = std::move(turn.rewound);
      if (!left.rewound)
        left.rewound.emplace();
      left.rewound->turns.push_back(std::move(past));
      plan.next = std::move(left);
    } else {
      plan.turns.push_back(std::move(turn));
      plan.next = {};
    }
    i = bound->end - 1;
    ++bound;
  }
  return plan;
}

namespace {

/// Writes a number without trailing zeros.
std::string number_text(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.')
    text.pop_back();
  return text;
}

/// Writes a duration in seconds, such as "1.5 s".
std::string duration_text(duration span) {
  return number_text(std::chrono::duration<double>(span).count()) + " s";
}

/// Describes a decision of a turn at `now`, such as "activity Charge".
std::string describe(const decision& asked, timestamp now) {
  if (auto* task = std::get_if<task_scheduled>(&asked))
    return "activity " + task->name;
  if (auto* timer = std::get_if<timer_created>(&asked);
      timer && timer->absolute)
    return "a timer with a time";
  if (auto* timer = std::get_if<timer_created>(&asked))
    return "a timer of " + duration_text(timer->fire_at - now);
  if (auto* child = std::get_if<sub_orchestration_instance_created>(&asked))
    return "sub-orchestration " + child->name + " (\"" + child->instance
           + "\")";
  if (auto* sent = std::get_if<event_sent>(&asked))
    return "event " + sent->name + " for \"" + sent->instance + "\"";
  return name_of(asked);
}

/// Returns the verb for a recorded decision: the orchestration "scheduled" an
/// activity, "started" a sub-orchestration, and so on.
const char* verb_of(const decision& recorded) {
  if (std::holds_alternative<task_scheduled>(recorded))
    return " scheduled ";
  if (std::holds_alternative<sub_orchestration_instance_created>(recorded))
    return " started ";
  if (std::holds_alternative<event_sent>(recorded))
    return " sent ";
  return " created ";
}

std::string event_text(const instance_id& instance, event_index index) {
  return "event " + std::to_string(index) + " of \"" + instance + "\"";
}

/// Describes how the code ended in a replayed turn, for a mismatch.
std::string end_text(const turn_result& ended) {
  if (auto* failed = std::get_if<failed_result>(&ended))
    return "the code now ends (" + failed->failure.type + ": "
           + failed->failure.message + ")";
  if (std::holds_alternative<continued_result>(ended))
    return "the code now continues as new";
  return "the code now ends";
}

/// Returns true if the code has ended; std::monostate means that it waits.
bool has_ended(const turn_result& ended) {
  return !std::holds_alternative<std::monostate>(ended);
}

/// Returns a text such as " completed the execution" for the recorded end of an
/// execution, and whether the code has now ended in the same way.
std::pair<const char*, bool> compare_end(const history_body& recorded,
                                         const turn_result& ended) {
  auto* completed = std::get_if<execution_completed>(&recorded);
  if (!completed)
    return {" continued the instance as new",
            std::holds_alternative<continued_result>(ended)};
  if (completed->status == completion_status::failed)
    return {" failed the execution",
            std::holds_alternative<failed_result>(ended)};
  return {" completed the execution",
          std::holds_alternative<completed_result>(ended)};
}

} // namespace

bool is_same_request(const decision& asked, const decision& recorded) {
  if (asked.index() != recorded.index())
    return false;
  if (auto* task = std::get_if<task_scheduled>(&asked))
    return task->name == std::get<task_scheduled>(recorded).name;
  if (auto* child = std::get_if<sub_orchestration_instance_created>(&asked)) {
    const auto& other = std::get<sub_orchestration_instance_created>(recorded);
    return child->name == other.name && child->instance == other.instance;
  }
  if (auto* sent = std::get_if<event_sent>(&asked)) {
    const auto& other = std::get<event_sent>(recorded);
    return sent->name == other.name && sent->instance == other.instance;
  }
  return true;
}

std::optional<std::string> find_mismatch(const instance_id& instance,
                                         std::span<const history_event> history,
                                         const replay_turn& turn,
                                         std::span<const decision> asked,
                                         const turn_result& ended) {
  // Compares the decisions in order, then the end of the turn.
  const std::size_t recorded = turn.decisions.size();
  for (std::size_t i = 0; i < std::max(recorded, asked.size()); ++i) {
    if (i >= recorded)
      return "the turn that ends at " + event_text(instance, turn.last)
             + " requested nothing more; the code now asks for "
             + describe(asked[i], turn.now);
    const history_body& body = history[turn.decisions[i]].body;
    if (i < asked.size() && is_same_request(asked[i], body))
      continue;
    std::string text = event_text(instance, turn.decisions[i]) + verb_of(body)
                       + describe(body, turn.now) + "; ";
    if (i < asked.size())
      return text + "the code now asks for " + describe(asked[i], turn.now);
    return text
           + (has_ended(ended) ? end_text(ended)
                               : "the code now asks for nothing");
  }
  if (!turn.end) {
    if (!has_ended(ended))
      return std::nullopt;
    return "at " + event_text(instance, turn.last)
           + " the orchestration waited; " + end_text(ended);
  }
  auto [what, same] = compare_end(history[*turn.end].body, ended);
  if (same)
    return std::nullopt;
  return event_text(instance, *turn.end) + what + "; "
         + (has_ended(ended) ? end_text(ended) : "the code now still waits");
}

} // namespace perdura::actors
