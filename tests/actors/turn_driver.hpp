// SPDX-License-Identifier: Apache-2.0
/// Runs one execution without a partition: delivers messages, runs turns, and
/// writes the history that a partition would write. Every turn runs twice, on a
/// warm coroutine and on a new one that replays the history. Both must have the
/// same outcome, and a replay of the written history must make no decision.
#pragma once

#include "actors/authoring/registry.hpp"
#include "actors/execution/orchestration_run.hpp"
#include "actors/partition/rewind_plan.hpp"

#include <boost/test/unit_test.hpp>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace perdura::actors::test {

using persistence::completion_status;
using persistence::continue_as_new;
using persistence::event_index;
using persistence::event_raised;
using persistence::event_sent;
using persistence::execution_completed;
using persistence::execution_rewound;
using persistence::execution_started;
using persistence::failure_details;
using persistence::history_body;
using persistence::history_event;
using persistence::inbox_sequence;
using persistence::orchestrator_completed;
using persistence::orchestrator_started;
using persistence::result;
using persistence::sub_orchestration_instance_completed;
using persistence::sub_orchestration_instance_created;
using persistence::sub_orchestration_instance_failed;
using persistence::task_completed;
using persistence::task_scheduled;
using persistence::task_sequence;
using persistence::timer_created;
using persistence::timer_fired;
using persistence::timestamp;
using persistence::wait_sequence_first;

inline constexpr timestamp start_time{std::chrono::seconds(1'700'000'000)};

/// The elapsed time while the wall clock is not set.
inline persistence::elapsed_time elapsed_of(timestamp now) {
  return persistence::elapsed_time(now.time_since_epoch());
}

/// Open tasks with the decisions that opened them.
using open_tasks = std::map<task_sequence, history_body>;

class turn_driver {
public:
  turn_driver(std::shared_ptr<const registry> functions, std::string name,
              std::string input = "null", std::string version = "",
              std::string id = "order-17")
    : functions_(std::move(functions)), id_(std::move(id)) {
    append_start(name, version, input);
  }

  // Messages. Each waits in the inbox for the next turn.
  void complete(task_sequence task, std::string result = "null") {
    close_task(task);
    deliver(task_completed{task, std::move(result)});
  }

  void fail(task_sequence task, std::string message = "boom",
            std::string type = "std::runtime_error") {
    close_task(task);
    deliver(
      persistence::task_failed{task, {std::move(type), std::move(message)}});
  }

  void child_complete(task_sequence task, std::string result = "null") {
    close_task(task);
    deliver(sub_orchestration_instance_completed{task, std::move(result)});
  }

  void child_fail(task_sequence task, std::string message = "boom") {
    close_task(task);
    deliver(sub_orchestration_instance_failed{task, {"x", std::move(message)}});
  }

  void raise(std::string name, std::string data = "null") {
    deliver(event_raised{std::move(name), std::move(data)});
  }

  /// Moves the time to the fire time of the timer and delivers it.
  void fire_timer(task_sequence task) {
    const timestamp at = std::get<timer_created>(open.at(task)).fire_at;
    now = std::max(now, at);
    close_task(task);
    deliver(timer_fired{task, at});
  }

  void deliver(history_body body) {
    inbox.push_back({next_inbox_++, {now, std::move(body)}});
  }

  /// Runs one turn with all messages that have arrived.
  turn_outcome& turn() {
    const bool first = !warm_;
    if (first)
      warm_ = std::make_unique<orchestration_run>(functions_, log_);
    orchestration_run cold(functions_, log_);
    last = warm_->run_turn(work_item(first));
    turn_outcome replayed = cold.run_turn(work_item(true));
    compare(last, replayed);
    if (std::holds_alternative<held_result>(last.result)) {
      warm_.reset();
      return last;
    }
    write_history();
    delivered_ = next_inbox_ - 1;
    if (!has_ended())
      check_replay_is_silent();
    else
      warm_.reset();
    return last;
  }

  /// Replays the whole history with the code in this registry.
  turn_outcome replay(std::shared_ptr<const registry> functions) const {
    orchestration_run run(std::move(functions));
    orchestration_work_item item;
    item.instance = id_;
    item.execution = execution;
    item.number = 99;
    item.now = now;
    item.elapsed = elapsed_of(now);
    item.cold = true;
    item.history = history;
    return run.run_turn(std::move(item));
  }

  /// The reason why a replay with this code holds the instance, or "not held".
  std::string reason_held(std::shared_ptr<const registry> functions) const {
    turn_outcome outcome = replay(std::move(functions));
    auto* held = std::get_if<held_result>(&outcome.result);
    return held ? held->reason.message : "not held";
  }

  /// Replaces the code; the next turn replays the history with it.
  void deploy(std::shared_ptr<const registry> functions) {
    functions_ = std::move(functions);
    warm_.reset();
    evict_ = true;
  }

  /// Discards the coroutine; the next turn replays the history.
  void evict() {
    evict_ = true;
  }

  /// Rewinds the failed instance as a partition does. The next turn repeats the
  /// void turns.
  void rewind() {
    BOOST_TEST_REQUIRE(!failure().message.empty());
    std::vector<const history_event*> arrived;
    for (const delivery& message : inbox)
      arrived.push_back(&message.event);
    const rewind_plan plan
      = plan_rewind(history, arrived, next_sequence,
                    [&](task_sequence task) { return open.contains(task); });
    std::erase_if(
      inbox, [](const delivery& message) { return is_failure(message.event); });
    for (const persistence::task_rerun& rerun : plan.event.reruns) {
      history_body again = scheduled_.at(rerun.old_sequence);
      std::get<task_scheduled>(again).sequence = rerun.new_sequence;
      scheduled_[rerun.new_sequence] = again;
      open[rerun.new_sequence] = again;
    }
    for (const task_sequence child : plan.children)
      open[child] = scheduled_.at(child);
    next_sequence = plan.event.next_sequence;
    history.push_back({now, plan.event});
    warm_.reset();
    evict_ = true;
    last = {};
  }

  /// The event of the last rewind.
  const execution_rewound& last_rewind() const {
    const execution_rewound* found = nullptr;
    for (const history_event& event : history)
      if (auto* rewound = std::get_if<execution_rewound>(&event.body))
        found = rewound;
    BOOST_TEST_REQUIRE(found != nullptr);
    return *found;
  }

  bool has_ended() const {
    return !std::holds_alternative<std::monostate>(last.result);
  }

  std::string output() const {
    auto* done = std::get_if<completed_result>(&last.result);
    return done ? done->result : "no output: " + failure().message;
  }

  failure_details failure() const {
    auto* failed = std::get_if<failed_result>(&last.result);
    return failed ? failed->failure : failure_details{};
  }

  const continued_result& continued() const {
    return std::get<continued_result>(last.result);
  }

  /// Decisions of the last turn, for example "activity:SayHello#1 timer#2".
  std::string decisions_text() const {
    std::string text;
    for (const decision& one : last.decisions) {
      if (!text.empty())
        text += ' ';
      if (auto* a = std::get_if<task_scheduled>(&one))
        text += "activity:" + a->name + "#" + std::to_string(a->sequence);
      if (auto* t = std::get_if<timer_created>(&one))
        text += "timer#" + std::to_string(t->sequence);
      if (auto* c = std::get_if<sub_orchestration_instance_created>(&one))
        text += "child:" + c->name + "#" + std::to_string(c->sequence);
      if (auto* e = std::get_if<event_sent>(&one))
        text += "event:" + e->name + "#" + std::to_string(e->sequence);
    }
    return text;
  }

  std::vector<history_event> history;
  std::vector<delivery> inbox;
  open_tasks open;
  std::map<task_sequence, std::string> waits;
  std::set<task_sequence> timers_cancelled;
  turn_outcome last;
  timestamp now = start_time;
  std::string execution = "00112233445566778899aabbccddeeff";
  std::string custom_status;
  task_sequence next_sequence = 1;
  orchestration_log_sink log_ = nullptr;

private:
  void append_start(const std::string& name, const std::string& version,
                    const std::string& input) {
    history.push_back(
      {now, execution_started{
              name, version, input, execution, {"the-parent", "e", 3}, {}, 0}});
  }

  void close_task(task_sequence task) {
    open.erase(task);
  }

  orchestration_work_item work_item(bool cold) {
    orchestration_work_item item;
    item.instance = id_;
    item.execution = execution;
    item.number = number_;
    item.now = now;
    item.elapsed = elapsed_of(now);
    item.cold = cold || evict_;
    if (item.cold)
      item.history = history;
    for (const delivery& message : inbox)
      if (item.cold || message.sequence > delivered_)
        item.deliveries.push_back(message);
    return item;
  }

  static std::string text_of(const turn_outcome& x) {
    std::string text = std::to_string(x.result.index()) + " taken";
    for (auto one : x.consumed)
      text += " " + std::to_string(one);
    text += " opened";
    text += waits_text(x.waits_opened);
    text += " closed";
    for (auto one : x.waits_closed)
      text += " " + std::to_string(one);
    text += " timers";
    for (auto one : x.timers_cancelled)
      text += " " + std::to_string(one);
    text += " orphans";
    for (auto one : x.orphans)
      text += " " + std::to_string(one);
    text += " failures";
    for (auto one : x.failures_received)
      text += " " + std::to_string(one);
    text += " causes";
    for (auto one : x.causes.tasks)
      text += " " + std::to_string(one);
    for (auto& one : x.causes.events)
      text += " " + one.name + std::to_string(one.number);
    text += " timers open";
    for (auto& one : x.timers_open)
      text += " " + std::to_string(one.sequence) + "@"
              + std::to_string(one.due.time_since_epoch().count());
    text += " next " + std::to_string(x.next_sequence);
    text += " status " + x.custom_status.value_or("-");
    if (auto* done = std::get_if<completed_result>(&x.result))
      text += done->result;
    if (auto* failed = std::get_if<failed_result>(&x.result))
      text += failed->failure.type + failed->failure.message;
    if (auto* next = std::get_if<continued_result>(&x.result))
      text += next->input + std::to_string(next->carried.size());
    if (auto* held = std::get_if<held_result>(&x.result))
      text += held->reason.message;
    return text;
  }

  static std::string waits_text(const std::vector<wait_opened>& waits) {
    std::string text;
    for (const wait_opened& one : waits)
      text += " " + std::to_string(one.sequence) + one.name;
    return text;
  }

  static void compare(const turn_outcome& warm, const turn_outcome& cold) {
    BOOST_TEST(text_of(warm) == text_of(cold));
    BOOST_TEST((warm.decisions == cold.decisions));
    if (warm.waits_open && cold.waits_open)
      BOOST_TEST(waits_text(*warm.waits_open) == waits_text(*cold.waits_open));
  }

  void write_history() {
    evict_ = false;
    ++number_;
    history.push_back({now, orchestrator_started{}});
    for (inbox_sequence taken : last.consumed) {
      auto it = std::find_if(inbox.begin(), inbox.end(), [&](auto& message) {
        return message.sequence == taken;
      });
      BOOST_TEST_REQUIRE((it != inbox.end()));
      history.push_back(it->event);
      inbox.erase(it);
    }
    for (const delivery& message : inbox)
      BOOST_TEST(std::holds_alternative<event_raised>(message.event.body));
    for (const decision& one : last.decisions) {
      history.push_back({now, one});
      std::visit(
        [&](const auto& body) {
          if constexpr (requires { body.sequence; }) {
            BOOST_TEST(body.sequence == next_sequence);
            next_sequence = body.sequence + 1;
            scheduled_[body.sequence] = one;
            if constexpr (!std::is_same_v<decltype(body), const event_sent&>)
              open[body.sequence] = one;
          }
        },
        one);
    }
    BOOST_TEST(last.next_sequence == next_sequence);
    const bool has_failed = std::holds_alternative<failed_result>(last.result);
    // A cold turn lists all waits that are open now.
    if (last.waits_open)
      waits.clear();
    for (const wait_opened& wait :
         last.waits_open ? *last.waits_open : last.waits_opened) {
      BOOST_TEST(wait.sequence >= wait_sequence_first);
      waits[wait.sequence] = wait.name;
    }
    for (task_sequence wait : last.waits_closed)
      BOOST_TEST((last.waits_open || waits.erase(wait) == 1U));
    // If the turn failed, its cancelled timers and orphans stay open: a rewind
    // may run the turn again with other decisions.
    if (!has_failed)
      for (const timer_opened& timer : last.timers_open)
        open.emplace(timer.sequence, scheduled_.at(timer.sequence));
    for (task_sequence timer : last.timers_cancelled) {
      if (!has_failed)
        open.erase(timer);
      timers_cancelled.insert(timer);
    }
    if (!has_failed)
      for (task_sequence orphan : last.orphans)
        open.erase(orphan);
    if (last.custom_status)
      custom_status = *last.custom_status;
    if (auto* done = std::get_if<completed_result>(&last.result))
      history.push_back(
        {now,
         execution_completed{completion_status::completed, done->result, {}}});
    if (auto* failed = std::get_if<failed_result>(&last.result))
      history.push_back(
        {now, execution_completed{completion_status::failed, "\"failed\"",
                                  failed->failure, last.causes}});
    if (auto* next = std::get_if<continued_result>(&last.result))
      history.push_back({now, continue_as_new{next->input}});
    history.push_back({now, orchestrator_completed{last.failures_received}});
  }

  void check_replay_is_silent() {
    orchestration_run run(functions_);
    const turn_outcome again = run.run_turn(work_item(true));
    auto* held = std::get_if<held_result>(&again.result);
    BOOST_TEST(!held, (held ? held->reason.message : ""));
    BOOST_TEST(again.decisions.empty());
    BOOST_TEST(again.consumed.empty());
    BOOST_TEST(again.waits_opened.empty());
    BOOST_TEST(again.orphans.empty());
    BOOST_TEST(again.next_sequence == next_sequence);
    BOOST_TEST(again.result.index() == 0U);
  }

  std::shared_ptr<const registry> functions_;
  std::string id_;
  std::unique_ptr<orchestration_run> warm_;
  std::map<task_sequence, history_body> scheduled_;
  turn_number number_ = 1;
  inbox_sequence next_inbox_ = 1;
  inbox_sequence delivered_ = 0;
  bool evict_ = false;
};

/// Result of run_to_end().
struct orchestration_outcome {
  std::string output; ///< "stuck" if nothing can happen any more.
  failure_details failure;
  int calls = 0;   ///< Number of activity calls.
  timestamp end{}; ///< Time of the last turn.
};

/// Runs an orchestration with its activities, children, events and timers until
/// it ends. `batched` means that all available results are delivered in one
/// turn; otherwise each turn receives one message. Events are raised one by one
/// when nothing else can happen, and timers fire last.
inline orchestration_outcome
run_to_end(std::shared_ptr<const registry> functions, std::string name,
           std::string input,
           std::vector<std::pair<std::string, std::string>> events = {},
           bool batched = false) {
  orchestration_outcome outcome;
  std::vector<std::pair<std::string, std::string>> events_left
    = std::move(events);
next_execution:
  turn_driver run(functions, name, input);
  run.turn();
  while (!run.has_ended()) {
    bool moved = false;
    const open_tasks open = run.open;
    for (const auto& [task, what] : open) {
      if (auto* a = std::get_if<task_scheduled>(&what)) {
        ++outcome.calls;
        activity_context ctx({"order-17",
                              run.execution,
                              task,
                              a->name,
                              a->attempt,
                              {},
                              {},
                              {},
                              {}});
        auto result = functions->run_activity(a->name, ctx, a->input);
        if (auto* text = std::get_if<std::string>(&result))
          run.complete(task, *text);
        else
          run.fail(task, std::get<failure_details>(result).message);
        moved = true;
      } else if (auto* c
                 = std::get_if<sub_orchestration_instance_created>(&what)) {
        orchestration_outcome child
          = run_to_end(functions, c->name, c->input, {}, batched);
        if (child.failure.type.empty())
          run.child_complete(task, child.output);
        else
          run.child_fail(task, child.failure.message);
        moved = true;
      }
      if (moved && !batched)
        break;
    }
    if (!moved && !events_left.empty()) {
      run.raise(events_left.front().first, events_left.front().second);
      events_left.erase(events_left.begin());
      moved = true;
    }
    if (!moved) {
      task_sequence first = 0;
      timestamp at = timestamp::max();
      for (const auto& [task, what] : run.open)
        if (auto* timer = std::get_if<timer_created>(&what);
            timer && timer->fire_at < at) {
          first = task;
          at = timer->fire_at;
        }
      if (first == 0) {
        outcome.output = "stuck";
        return outcome;
      }
      run.fire_timer(first);
    }
    run.turn();
  }
  outcome.end = run.now;
  if (auto* next = std::get_if<continued_result>(&run.last.result)) {
    input = next->input;
    std::vector<std::pair<std::string, std::string>> carried;
    for (const history_event& event : next->carried) {
      auto& raised = std::get<event_raised>(event.body);
      carried.push_back({raised.name, raised.input});
    }
    for (const delivery& left : run.inbox) {
      auto& raised = std::get<event_raised>(left.event.body);
      carried.push_back({raised.name, raised.input});
    }
    events_left.insert(events_left.begin(), carried.begin(), carried.end());
    goto next_execution;
  }
  outcome.output = run.output();
  outcome.failure = run.failure();
  return outcome;
}

} // namespace perdura::actors::test
