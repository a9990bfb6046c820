// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/rewind_plan.hpp"

#include "actors/partition/durable_partition.hpp"
#include "persistence/records/text.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <unordered_set>

namespace perdura::actors {

using namespace persistence;

task_sequence rewind_plan::first_sequence_of(task_sequence sequence) const {
  for (auto it = origin.find(sequence); it != origin.end();
       it = origin.find(sequence))
    sequence = it->second;
  return sequence;
}

const event_index*
rewind_plan::scheduled_event_of(task_sequence sequence) const {
  const auto found = scheduled.find(first_sequence_of(sequence));
  return found == scheduled.end() ? nullptr : &found->second;
}

bool is_failure(const history_event& event) {
  return std::holds_alternative<task_failed>(event.body)
         || std::holds_alternative<sub_orchestration_instance_failed>(
           event.body);
}

namespace {

class planner {
public:
  planner(std::span<const history_event> history,
          const std::vector<const history_event*>& inbox,
          task_sequence next_sequence)
    : history_(history), inbox_(inbox) {
    plan_.event.next_sequence = next_sequence;
    plan_.event.rule = rewind_rule::from_cause;
  }

  rewind_plan run(const std::function<bool(task_sequence)>& is_open) {
    scan();
    select();
    make_void();
    add_dropped(is_open);
    return std::move(plan_);
  }

private:
  bool is_void(event_index i) const {
    return void_.contains(i);
  }

  void scan();
  event_index live_turn_of(event_index i) const;
  void select();
  void select_without_causes();
  void select_event(const unreadable_event& lost);
  bool is_retried(event_index failure, std::set<event_index>& attempts) const;
  void move_cut(event_index turn);
  void make_void();
  void run_again(const history_event& failure);
  void add_dropped(const std::function<bool(task_sequence)>& is_open);

  std::span<const history_event> history_;
  const std::vector<const history_event*>& inbox_;
  rewind_plan plan_;
  std::unordered_set<event_index>
    void_; ///< Events made void by earlier rewinds.
  std::vector<event_index> live_turns_; ///< First events of turns not void.
  /// The turn in which the code received each failure, by sequence.
  std::unordered_map<task_sequence, event_index> received_;
  /// Failures and events to make void.
  std::unordered_set<event_index> selected_;
};

/// Collects the effects of earlier rewinds, the turns that are not void, and
/// the failures received in them.
void planner::scan() {
  for (event_index i = 0; i < history_.size(); ++i) {
    const history_body& body = history_[i].body;
    if (std::holds_alternative<orchestrator_started>(body)) {
      live_turns_.push_back(i);
    } else if (const auto* rewound = std::get_if<execution_rewound>(&body)) {
      void_.insert(rewound->voided.begin(), rewound->voided.end());
      std::erase_if(live_turns_, [&](event_index turn) {
        return turn >= rewound->turn_first;
      });
      std::erase_if(received_, [&](const auto& one) {
        return one.second >= rewound->turn_first;
      });
      for (const task_rerun& rerun : rewound->reruns)
        plan_.origin[rerun.new_sequence] = rerun.old_sequence;
    } else if (const auto* end = std::get_if<orchestrator_completed>(&body)) {
      if (!live_turns_.empty())
        for (const task_sequence sequence : end->failures_received)
          received_.emplace(sequence, live_turns_.back());
    } else if (std::holds_alternative<task_scheduled>(body)
               || std::holds_alternative<sub_orchestration_instance_created>(
                 body)) {
      plan_.scheduled[std::visit(
        [](const auto& x) -> task_sequence {
          if constexpr (requires { x.sequence; })
            return x.sequence;
          else
            return 0;
        },
        body)]
        = i;
    }
  }
  plan_.event.turn_first = live_turns_.empty() ? 0 : live_turns_.back();
}

/// Returns the turn that has delivered the event. The messages of a void turn
/// are delivered by the next turn that is not void.
event_index planner::live_turn_of(event_index i) const {
  event_index begin = i;
  while (begin > 0
         && !std::holds_alternative<orchestrator_started>(history_[begin].body))
    --begin;
  const auto live
    = std::lower_bound(live_turns_.begin(), live_turns_.end(), begin);
  return live == live_turns_.end() ? plan_.event.turn_first : *live;
}

void planner::move_cut(event_index turn) {
  plan_.event.turn_first = std::min(plan_.event.turn_first, turn);
}

/// Selects the failures and events to make void, and finds the cut.
void planner::select() {
  const failure_causes* causes = nullptr;
  for (event_index i = 0; i < history_.size(); ++i)
    if (const auto* end = std::get_if<execution_completed>(&history_[i].body);
        end != nullptr && !is_void(i))
      causes = &end->causes;
  if (causes == nullptr || !causes->known) {
    select_without_causes();
  } else {
    const std::unordered_set<task_sequence> tasks(causes->tasks.begin(),
                                                  causes->tasks.end());
    for (event_index i = 0; i < history_.size(); ++i)
      if (is_failure(history_[i]) && !is_void(i)
          && tasks.contains(*task_of(history_[i].body)))
        selected_.insert(i);
    for (const unreadable_event& lost : causes->events)
      select_event(lost);
  }
  for (const event_index i : selected_)
    if (const auto task = task_of(history_[i].body)) {
      if (const auto turn = received_.find(*task); turn != received_.end())
        move_cut(turn->second);
    } else {
      move_cut(live_turn_of(i));
    }
}

/// Selects the event with this number.
void planner::select_event(const unreadable_event& lost) {
  std::uint64_t number = 0;
  for (event_index i = 0; i < history_.size(); ++i) {
    const auto* raised = std::get_if<event_raised>(&history_[i].body);
    if (raised == nullptr || is_void(i)
        || !equal_ignoring_case(raised->name, lost.name))
      continue;
    if (++number == lost.number)
      selected_.insert(i);
  }
}

void planner::select_without_causes() {
  const event_index turn_last = plan_.event.turn_first;
  bool any = std::any_of(inbox_.begin(), inbox_.end(), [](const auto* message) {
    return is_failure(*message);
  });
  std::vector<event_index> handled;
  for (event_index i = 0; i < history_.size(); ++i) {
    if (!is_failure(history_[i]) || is_void(i))
      continue;
    const auto turn = received_.find(*task_of(history_[i].body));
    if (turn != received_.end() && turn->second < turn_last) {
      handled.push_back(i);
    } else {
      selected_.insert(i);
      any = true;
    }
  }
  if (any)
    return;
  std::set<event_index> attempts;
  for (const event_index i : handled)
    if (!is_retried(i, attempts))
      selected_.insert(i);
}

/// True if a later event has scheduled the next attempt of the failed call.
/// Such an event is inserted in `attempts`, and counts for one failure only.
bool planner::is_retried(event_index failure,
                         std::set<event_index>& attempts) const {
  const auto* lost = std::get_if<task_failed>(&history_[failure].body);
  const event_index* place
    = lost == nullptr ? nullptr : plan_.scheduled_event_of(lost->sequence);
  if (place == nullptr)
    return false;
  const auto& tried = std::get<task_scheduled>(history_[*place].body);
  for (event_index i = failure; i < history_.size(); ++i) {
    const auto* next = std::get_if<task_scheduled>(&history_[i].body);
    if (next != nullptr && next->attempt == tried.attempt + 1
        && next->name == tried.name && next->input == tried.input
        && attempts.insert(i).second)
      return true;
  }
  return false;
}

/// Adds a task that runs again: an activity with a new sequence, which gives it
/// a new idempotency key; a sub-orchestration with its own.
void planner::run_again(const history_event& failure) {
  if (const auto* lost = std::get_if<task_failed>(&failure.body)) {
    const task_sequence fresh = plan_.event.next_sequence++;
    plan_.event.reruns.push_back({lost->sequence, fresh});
    plan_.origin[fresh] = lost->sequence;
  } else {
    plan_.children.push_back(*task_of(failure.body));
  }
}

void planner::make_void() {
  for (event_index i = 0; i < history_.size(); ++i) {
    const bool is_end
      = std::holds_alternative<execution_completed>(history_[i].body)
        && !is_void(i);
    if (!is_end && !selected_.contains(i))
      continue;
    plan_.event.voided.push_back(i);
    void_.insert(i);
    if (is_failure(history_[i]))
      run_again(history_[i]);
  }
  for (const history_event* message : inbox_)
    if (is_failure(*message))
      run_again(*message);
  plan_.event.repeats_failures = !selected_.empty()
                                 || !plan_.event.reruns.empty()
                                 || !plan_.children.empty();
}

/// Lists the tasks without an outcome that are not open either.
void planner::add_dropped(const std::function<bool(task_sequence)>& is_open) {
  std::unordered_set<task_sequence> alive(plan_.children.begin(),
                                          plan_.children.end());
  const auto has_outcome = [&](const history_event& event) {
    if (const auto task = task_of(event.body))
      alive.insert(plan_.first_sequence_of(*task));
  };
  for (event_index i = 0; i < history_.size(); ++i)
    if (!is_void(i))
      has_outcome(history_[i]);
  for (const history_event* message : inbox_)
    has_outcome(*message);
  for (const task_rerun& rerun : plan_.event.reruns)
    alive.insert(plan_.first_sequence_of(rerun.old_sequence));
  for (const auto& [fresh, old] : plan_.origin)
    if (is_open(fresh))
      alive.insert(plan_.first_sequence_of(fresh));
  for (const auto& [sequence, place] : plan_.scheduled)
    if (!alive.contains(sequence) && !is_open(sequence))
      plan_.event.dropped.push_back(sequence);
  std::sort(plan_.event.dropped.begin(), plan_.event.dropped.end());
}

} // namespace

rewind_plan plan_rewind(std::span<const history_event> history,
                        const std::vector<const history_event*>& inbox,
                        task_sequence next_sequence,
                        const std::function<bool(task_sequence)>& is_open) {
  return planner(history, inbox, next_sequence).run(is_open);
}

} // namespace perdura::actors
