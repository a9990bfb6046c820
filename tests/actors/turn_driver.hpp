/// Plays the partition's part for one execution: writes its history from what
/// the turns come to. Every turn runs twice, on a warm run and on a fresh one
/// that replays all of it; both must come to the same, and a replay of what
/// has been written must ask for nothing.
#pragma once

#include "actors/authoring/registry.hpp"
#include "actors/execution/orchestration_run.hpp"

#include <boost/test/unit_test.hpp>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace perdura::actors::test {

inline constexpr timestamp begin_of_time{std::chrono::seconds(1'700'000'000)};

/// An open task as history wrote it.
using open_tasks = std::map<task_sequence, history_body>;

class turn_driver {
public:
  turn_driver(std::shared_ptr<const registry> functions, std::string name,
              std::string input = "null", std::string version = "",
              std::string id = "order-17")
    : functions_(std::move(functions)), id_(std::move(id)) {
    begin(name, version, input);
  }

  // What the world does; it waits for the next turn.
  void complete(task_sequence task, std::string result = "null") {
    close(task);
    arrive(task_completed{task, std::move(result)});
  }

  void fail(task_sequence task, std::string message = "boom",
            std::string type = "std::runtime_error") {
    close(task);
    arrive(
      persistence::task_failed{task, {std::move(type), std::move(message)}});
  }

  void child_complete(task_sequence task, std::string result = "null") {
    close(task);
    arrive(sub_orchestration_instance_completed{task, std::move(result)});
  }

  void child_fail(task_sequence task, std::string message = "boom") {
    close(task);
    arrive(sub_orchestration_instance_failed{task, {"x", std::move(message)}});
  }

  void raise(std::string name, std::string data = "null") {
    arrive(event_raised{std::move(name), std::move(data)});
  }

  /// Moves the time to when it is due.
  void fire(task_sequence task) {
    const timestamp at = std::get<timer_created>(open.at(task)).fire_at;
    now = std::max(now, at);
    close(task);
    arrive(timer_fired{task, at});
  }

  void arrive(history_body body) {
    inbox.push_back({next_inbox_++, {now, std::move(body)}});
  }

  /// One turn with all that has arrived.
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
    write();
    delivered_ = next_inbox_ - 1;
    if (!is_over())
      replay_is_quiet();
    else
      warm_.reset();
    return last;
  }

  /// The whole history once more, by this registry's code.
  turn_outcome replay(std::shared_ptr<const registry> functions) const {
    orchestration_run run(std::move(functions));
    orchestration_work_item item;
    item.instance = id_;
    item.execution = execution;
    item.number = 99;
    item.now = now;
    item.cold = true;
    item.history = history;
    return run.run_turn(std::move(item));
  }

  std::string held_by(std::shared_ptr<const registry> functions) const {
    turn_outcome outcome = replay(std::move(functions));
    auto* held = std::get_if<held_result>(&outcome.result);
    return held ? held->reason.message : "not held";
  }

  /// A program with other code takes over.
  void deploy(std::shared_ptr<const registry> functions) {
    functions_ = std::move(functions);
    warm_.reset();
    evict_ = true;
  }

  void evict() {
    evict_ = true;
  }

  /// As the partition does it; the next turn goes on.
  void rewind() {
    BOOST_TEST_REQUIRE(!failure().message.empty());
    execution_rewound rewound;
    event_index failed = 0;
    for (event_index i = 0; i < history.size(); ++i)
      if (std::holds_alternative<orchestrator_started>(history[i].body))
        failed = i;
    rewound.turn_first = failed;
    // What turns before it, themselves not run again, have taken stays.
    std::set<task_sequence> taken;
    std::set<event_index> is_void;
    std::set<event_index> run_again;
    for (const history_event& event : history)
      if (auto* before = std::get_if<execution_rewound>(&event.body)) {
        is_void.insert(before->voided.begin(), before->voided.end());
        run_again.insert(before->turn_first);
      }
    bool counts = false;
    for (event_index i = 0; i < failed; ++i) {
      if (std::holds_alternative<orchestrator_started>(history[i].body))
        counts = !run_again.contains(i);
      if (auto* end = std::get_if<orchestrator_completed>(&history[i].body))
        if (counts)
          taken.insert(end->failures_taken.begin(), end->failures_taken.end());
    }
    rewound.next_sequence = next_sequence;
    auto run_anew = [&](task_sequence before) {
      const task_sequence anew = rewound.next_sequence++;
      rewound.reruns.push_back({before, anew});
      all_[anew] = all_.at(before);
      std::get<task_scheduled>(all_[anew]).sequence = anew;
      open[anew] = all_[anew];
    };
    for (event_index i = 0; i < history.size(); ++i) {
      const history_body body = history[i].body;
      if (is_void.contains(i))
        continue;
      if (std::holds_alternative<execution_completed>(body))
        rewound.voided.push_back(i);
      if (auto* lost = std::get_if<persistence::task_failed>(&body)) {
        if (taken.contains(lost->sequence))
          continue;
        rewound.voided.push_back(i);
        run_anew(lost->sequence);
      }
      if (auto* lost = std::get_if<sub_orchestration_instance_failed>(&body)) {
        if (taken.contains(lost->sequence))
          continue;
        rewound.voided.push_back(i);
        open[lost->sequence] = all_.at(lost->sequence);
      }
    }
    // Nobody was given what failed while the instance was Failed.
    std::erase_if(inbox, [&](const delivery& message) {
      auto* lost = std::get_if<persistence::task_failed>(&message.event.body);
      if (lost)
        run_anew(lost->sequence);
      return lost != nullptr;
    });
    next_sequence = rewound.next_sequence;
    history.push_back({now, rewound});
    warm_.reset();
    evict_ = true;
    last = {};
    waits.clear();
    rewound_ = true;
  }

  bool is_over() const {
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

  /// "activity:SayHello#1 timer#2 …" of the last turn.
  std::string asked() const {
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
  timestamp now = begin_of_time;
  std::string execution = "00112233445566778899aabbccddeeff";
  std::string custom_status;
  task_sequence next_sequence = 1;
  orchestration_log_sink log_ = nullptr;

private:
  void begin(const std::string& name, const std::string& version,
             const std::string& input) {
    history.push_back(
      {now, execution_started{
              name, version, input, execution, {"the-parent", "e", 3}, {}, 0}});
  }

  void close(task_sequence task) {
    open.erase(task);
  }

  orchestration_work_item work_item(bool cold) {
    orchestration_work_item item;
    item.instance = id_;
    item.execution = execution;
    item.number = number_;
    item.now = now;
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
    for (auto one : x.taken)
      text += " " + std::to_string(one);
    text += " opened";
    for (auto& one : x.waits_opened)
      text += " " + std::to_string(one.sequence) + one.name;
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
    for (auto one : x.failures_taken)
      text += " " + std::to_string(one);
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

  static void compare(const turn_outcome& warm, const turn_outcome& cold) {
    BOOST_TEST(text_of(warm) == text_of(cold));
    BOOST_TEST((warm.decisions == cold.decisions));
  }

  void write() {
    evict_ = false;
    ++number_;
    history.push_back({now, orchestrator_started{}});
    for (inbox_sequence taken : last.taken) {
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
            all_[body.sequence] = one;
            if constexpr (!std::is_same_v<decltype(body), const event_sent&>)
              open[body.sequence] = one;
          }
        },
        one);
    }
    BOOST_TEST(last.next_sequence == next_sequence);
    for (const wait_opened& wait : last.waits_opened) {
      BOOST_TEST(wait.sequence >= wait_sequence_first);
      waits[wait.sequence] = wait.name;
    }
    // The turn that failed may have closed it before.
    for (task_sequence wait : last.waits_closed)
      BOOST_TEST((waits.erase(wait) == 1U || rewound_));
    rewound_ = false;
    // A failed turn may be run again, and then decide otherwise.
    const bool has_failed = std::holds_alternative<failed_result>(last.result);
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
                                  failed->failure}});
    if (auto* next = std::get_if<continued_result>(&last.result))
      history.push_back({now, continue_as_new{next->input}});
    history.push_back({now, orchestrator_completed{last.failures_taken}});
  }

  void replay_is_quiet() {
    orchestration_run run(functions_);
    const turn_outcome again = run.run_turn(work_item(true));
    auto* held = std::get_if<held_result>(&again.result);
    BOOST_TEST(!held, (held ? held->reason.message : ""));
    BOOST_TEST(again.decisions.empty());
    BOOST_TEST(again.taken.empty());
    BOOST_TEST(again.waits_opened.empty());
    BOOST_TEST(again.orphans.empty());
    BOOST_TEST(again.next_sequence == next_sequence);
    BOOST_TEST(again.result.index() == 0U);
  }

  std::shared_ptr<const registry> functions_;
  std::string id_;
  std::unique_ptr<orchestration_run> warm_;
  std::map<task_sequence, history_body> all_;
  turn_number number_ = 1;
  inbox_sequence next_inbox_ = 1;
  inbox_sequence delivered_ = 0;
  bool evict_ = false;
  bool rewound_ = false;
};

/// Lets the activities, children, events and timers of an orchestration
/// happen until it is over. `batched`: all that can happen meets one turn.
struct story {
  std::string output;
  failure_details failure;
  int calls = 0;
  timestamp end{};
};

inline story tell(std::shared_ptr<const registry> functions, std::string name,
                  std::string input,
                  std::vector<std::pair<std::string, std::string>> events = {},
                  bool batched = false) {
  story told;
  std::vector<std::pair<std::string, std::string>> kept = std::move(events);
again:
  turn_driver run(functions, name, input);
  run.turn();
  while (!run.is_over()) {
    bool moved = false;
    const open_tasks open = run.open;
    for (const auto& [task, what] : open) {
      if (auto* a = std::get_if<task_scheduled>(&what)) {
        ++told.calls;
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
        story child = tell(functions, c->name, c->input, {}, batched);
        if (child.failure.type.empty())
          run.child_complete(task, child.output);
        else
          run.child_fail(task, child.failure.message);
        moved = true;
      }
      if (moved && !batched)
        break;
    }
    if (!moved && !kept.empty()) {
      run.raise(kept.front().first, kept.front().second);
      kept.erase(kept.begin());
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
        told.output = "stuck";
        return told;
      }
      run.fire(first);
    }
    run.turn();
  }
  told.end = run.now;
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
    kept.insert(kept.begin(), carried.begin(), carried.end());
    goto again;
  }
  told.output = run.output();
  told.failure = run.failure();
  return told;
}

} // namespace perdura::actors::test
