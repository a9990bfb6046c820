// SPDX-License-Identifier: Apache-2.0
#include "actors/execution/orchestration_run.hpp"

#include "actors/authoring/orchestration_context.hpp"
#include "actors/authoring/registry.hpp"
#include "actors/execution/kept_code.hpp"
#include "actors/execution/orchestration_engine.hpp"
#include "actors/execution/replay.hpp"

#include <stdexcept>
#include <utility>

namespace perdura::actors {

using persistence::errc;
using persistence::execution_started;

/// The implementation, so that orchestration_run.hpp need not include the
/// engine and the registry.
class orchestration_run::impl {
public:
  impl(std::shared_ptr<const registry> functions, orchestration_log_sink log)
    : functions_(std::move(functions)), log_(log) {}

  ~impl() {
    drop();
  }

  turn_outcome run_turn(orchestration_work_item item);

  /// Destroys the coroutine, the context and the engine.
  void drop();

private:
  std::optional<error> load(const orchestration_work_item& item,
                            const replay_plan& plan);
  std::optional<error> replay(const orchestration_work_item& item,
                              const replay_plan& plan);
  void run_messages(const replay_turn& turn, std::vector<delivery>* deliveries);
  void start_code();
  void advance();
  void hold_stopped_code();
  turn_result conclude();

  std::shared_ptr<const registry> functions_;
  orchestration_log_sink log_;

  // Destroyed in reverse order: `code_` first, because coroutine frames
  // deregister at the engine when they are destroyed.
  std::unique_ptr<orchestration_engine> engine_;
  std::unique_ptr<orchestration_context> context_;
  std::unique_ptr<detail::root_task> code_;
  const orchestrator_entry* entry_ = nullptr;
  std::string input_;         ///< JSON text, from execution_started.
  bool started_ = false;      ///< start_code was called for this execution.
  bool ended_ = false;        ///< The code has returned or thrown.
  turn_result result_;        ///< Result of the current turn.
  std::exception_ptr thrown_; ///< The exception that has ended the code.
};

void orchestration_run::impl::drop() {
  code_.reset();
  context_.reset();
  engine_.reset();
  started_ = false;
  ended_ = false;
  thrown_ = nullptr;
}

turn_outcome orchestration_run::impl::run_turn(orchestration_work_item item) {
  turn_outcome outcome;
  outcome.instance = item.instance;
  outcome.execution = item.execution;
  outcome.number = item.number;

  replay_turn turn; // a warm turn has only the deliveries of the item
  replay_plan plan;
  // A cold turn discards the coroutine, if there is one, and replays all turns
  // of the history; `plan.next` then describes how this turn begins.
  if (item.cold) {
    drop();
    plan = plan_replay(item.history);
    std::optional<error> reason = load(item, plan);
    if (!reason)
      reason = replay(item, plan);
    if (reason) {
      drop();
      outcome.result = held_result{std::move(*reason)};
      return outcome;
    }
    turn = std::move(plan.next);
  } else if (!engine_) {
    throw std::logic_error("a warm turn of \"" + item.instance
                           + "\" was given to a run without its coroutine");
  }

  turn.now = item.now;
  turn.elapsed = item.elapsed;
  engine_->begin_turn(turn.now, turn.elapsed, false);
  run_messages(turn, &item.deliveries);
  if (thrown_)
    outcome.causes = engine_->causes_of(thrown_);
  engine_->end_turn(outcome, item.cold && item.history.size() > 1);
  outcome.result = std::exchange(result_, {});
  return outcome;
}

/// Finds the orchestrator's code and creates its engine and context, without
/// running the code. Returns an error if the instance must be held.
std::optional<error>
orchestration_run::impl::load(const orchestration_work_item& item,
                              const replay_plan& plan) {
  const execution_started* begun
    = item.history.empty()
        ? nullptr
        : std::get_if<execution_started>(&item.history.front().body);
  if (!begun)
    return error{errc::nondeterministic,
                 "the history of \"" + item.instance
                   + "\" does not begin with its start"};
  entry_ = functions_->find_orchestrator(begun->name, begun->version);
  if (!entry_) {
    std::string what
      = "instance \"" + item.instance + "\" runs orchestrator " + begun->name;
    if (!begun->version.empty())
      what += " version " + begun->version;
    return error{errc::unknown_orchestrator,
                 what
                   + ", which this node does not have; the instance continues "
                     "when a program that registers it is started"};
  }
  input_ = begun->input;
  engine_ = std::make_unique<orchestration_engine>(
    orchestration_engine::execution_identity{item.instance, begun->execution,
                                             begun->name, begun->version,
                                             begun->parent.instance},
    log_, plan.reruns);
  context_ = std::make_unique<orchestration_context>(*engine_);
  return std::nullopt;
}

/// Runs the turns of the history again and compares the decisions. Returns an
/// error at the first mismatch.
std::optional<error>
orchestration_run::impl::replay(const orchestration_work_item& item,
                                const replay_plan& plan) {
  for (const replay_turn& turn : plan.turns) {
    engine_->begin_turn(turn.now, turn.elapsed, true);
    run_messages(turn, nullptr);
    const turn_result ended = std::exchange(result_, {});
    if (auto mismatch = find_mismatch(item.instance, item.history, turn,
                                      engine_->decisions(), ended))
      return error{errc::nondeterministic, std::move(*mismatch)};
    turn_outcome ignored;
    engine_->end_turn(ignored);
  }
  return std::nullopt;
}

/// Delivers the messages of the turn one by one and resumes the code after
/// each. In the first turn, the code starts before the first message that is
/// not an external event. If there is no such message, the code starts after
/// the last message. If the turn follows a rewind, the messages of the void
/// turns come first, with the times of these turns.
void orchestration_run::impl::run_messages(const replay_turn& turn,
                                           std::vector<delivery>* deliveries) {
  auto deliver = [&](history_event event, inbox_sequence sequence) {
    if (!started_ && !std::holds_alternative<event_raised>(event.body))
      start_code();
    engine_->deliver(std::move(event), sequence);
    advance();
  };
  if (turn.rewound) {
    engine_->resume_rewound_turn(*turn.rewound);
    const bool repeats_times
      = turn.rewound->rule != persistence::rewind_rule::last_turn;
    for (const void_turn& past : turn.rewound->turns) {
      if (repeats_times)
        engine_->set_time(past.now, past.elapsed);
      for (const history_event* message : past.messages)
        deliver(*message, 0);
      if (repeats_times && !started_)
        start_code();
    }
    if (repeats_times)
      engine_->set_time(turn.now, turn.elapsed);
  }
  for (const history_event* message : turn.messages)
    deliver(*message, 0);
  if (deliveries)
    for (delivery& message : *deliveries)
      deliver(std::move(message.event), message.sequence);
  if (!started_)
    start_code();
}

/// Creates the orchestrator's coroutine and runs it to its first await.
void orchestration_run::impl::start_code() {
  started_ = true;
  try {
    code_ = entry_->make(*context_, input_);
    engine_->run(code_->attach(*engine_));
  } catch (...) { // such as payload_error, if the input does not match the type
    code_.reset();
    ended_ = true;
    engine_->close();
    thrown_ = std::current_exception();
    result_ = failed_result{failure_of(thrown_)};
    return;
  }
  advance();
}

/// Resumes the code as long as slots that it awaits are completed. When the
/// code has ended, sets the result of the turn.
void orchestration_run::impl::advance() {
  if (!started_ || ended_)
    return;
  while (engine_->is_waiting() && engine_->is_ready())
    engine_->resume();
  if (!code_->is_done()) {
    if (!engine_->is_waiting())
      hold_stopped_code();
    return;
  }
  ended_ = true;
  engine_->close();
  result_ = conclude();
}

/// The code has stopped although it neither waits nor has ended: g++ 12 has
/// miscompiled an await. The frame of such a coroutine cannot be destroyed
/// safely, so its memory is kept.
void orchestration_run::impl::hold_stopped_code() {
  ended_ = true;
  engine_->close();
  keep_forever(std::move(code_), std::move(context_));
  result_ = held_result{
    {errc::nondeterministic,
     "the code of " + entry_->name()
       + " waits for nothing: it has stopped at a co_await that g++ 12 "
         "compiles wrongly, in the head of an if, while or switch whose body "
         "declares no variable. Store the awaited value in a variable before "
         "the if, while or switch, and start the program again"}};
}

/// Returns the result of code that has ended. An exception of the code, and an
/// output that cannot be written, fail the instance.
turn_result orchestration_run::impl::conclude() {
  try {
    code_->check();
    if (auto continued = engine_->continuation())
      return std::move(*continued);
    return completed_result{code_->output()};
  } catch (...) {
    thrown_ = std::current_exception();
    return failed_result{failure_of(thrown_)};
  }
}

orchestration_run::orchestration_run(std::shared_ptr<const registry> functions,
                                     orchestration_log_sink log)
  : impl_(std::make_unique<impl>(std::move(functions), log)) {}

orchestration_run::~orchestration_run() = default;

turn_outcome orchestration_run::run_turn(orchestration_work_item item) {
  return impl_->run_turn(std::move(item));
}

void orchestration_run::discard() {
  impl_->drop();
}

} // namespace perdura::actors
