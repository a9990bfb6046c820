/// The decisions of a partition, one function per kind of message. Each looks
/// at the state and says what to write and what to do; the durable side is
/// left alone, only the desk is rearranged. Instances must be in memory
/// (`live`) if they exist; `live` is null if there is no such instance.
#pragma once

#include "actors/partition/instance_draft.hpp"
#include "actors/partition/partition_state.hpp"

#include <optional>

namespace perdura::actors {

// --- Starting ---------------------------------------------------------------

turn step_start_instance(partition_state& state, const start_instance& start,
                         reply_to from, timestamp now);

turn step_child_start(partition_state& state, const instance_id& id,
                      const child_start& start, dedup_mark source,
                      timestamp now);

// --- What arrives for an instance -------------------------------------------

turn step_raise_event(partition_state& state, const raise_event& event,
                      reply_to from, timestamp now);

turn step_event_send(partition_state& state, const instance_id& id,
                     const event_send& event, dedup_mark source, timestamp now);

turn step_activity_result(partition_state& state, const activity_result& result,
                          timestamp now);

turn step_child_ended(partition_state& state, const instance_id& id,
                      const child_ended& ended, dedup_mark source,
                      timestamp now);

turn step_timer_due(partition_state& state, const due_task& due, timestamp now);

turn step_wait(partition_state& state, const wait_instance& wait,
               reply_to from);

// --- Control ----------------------------------------------------------------

/// Makes what waits for the turn that is out durable without it.
turn step_settle(partition_state& state, const instance_id& id,
                 live_instance& live, timestamp now);

turn step_terminate(partition_state& state, const terminate_instance& request,
                    reply_to from, timestamp now);

turn step_child_terminate(partition_state& state, const instance_id& id,
                          const child_terminate& request, dedup_mark source,
                          timestamp now);

turn step_suspend(partition_state& state, const suspend_instance& request,
                  reply_to from, timestamp now);

turn step_resume(partition_state& state, const resume_instance& request,
                 reply_to from, timestamp now);

turn step_purge(partition_state& state, const purge_instance& request,
                reply_to from);

// --- Rewind -----------------------------------------------------------------

/// `history` is the whole history of a failed instance.
turn step_rewind(partition_state& state, const rewind_instance& request,
                 const std::vector<history_event>& history, reply_to from,
                 timestamp now);

turn step_child_rewind(partition_state& state, const instance_id& id,
                       const child_rewind& request,
                       const std::vector<history_event>& history,
                       dedup_mark source, timestamp now);

// --- Turns ------------------------------------------------------------------

/// The next turn of an instance, if one is due. A cold item without history
/// wants the whole durable one.
std::optional<orchestration_work_item>
next_turn(const instance_id& id, live_instance& live, timestamp now);

turn step_turn_completed(partition_state& state, turn_outcome outcome,
                         timestamp now);

// --- Shared by the steps ----------------------------------------------------

/// An answer and nothing else. Nothing at all if nobody asked.
turn answer_only(reply_to to, management_answer answer);
turn refuse(reply_to to, errc code, std::string message);
turn refuse_not_found(reply_to to, const instance_id& id);
turn refuse_finished(reply_to to, const instance_id& id,
                     const instance_record& record);

/// A turn that only takes note of a message from another partition.
turn take_note(dedup_mark source);

/// The answer that was given to the request before, if it was.
std::optional<management_answer> repeated_answer(const stored_instance& stored,
                                                 const request_id& request);

void add_answers(turn& into, const std::vector<reply_to>& to,
                 const management_answer& answer);

/// Answers all who asked for the start that this turn makes durable, and those
/// whom it stood in the way of.
void add_start_answers(turn& into, instance_draft& draft, const instance_id& id,
                       const arrived_start& start, bool started);

/// Why a start of a live ID is refused.
std::string live_sentence(const instance_id& id, runtime_status status);

/// Adds an outbox message; its number is given when the turn is journaled.
void add_outbox(const partition_state& state, turn& into, instance_id to,
                outbox_body body);

/// Tells the parent, if there is one, how its child ended.
void add_parent_news(const partition_state& state, turn& into,
                     const instance_record& record, bool failed,
                     const std::string& result, const failure_details& failure);

/// Answers those who wait for what has come about.
void add_waiters(partition_state& state, turn& into, const instance_id& id,
                 bool finished);

/// A message joins those that wait for the instance's next turn.
void arrive(partition_state& state, const instance_id& id, live_instance& live,
            arrived_message message);

/// Stores a message in the inbox at once.
turn store(const instance_id& id, live_instance& live, arrived_message message,
           timestamp now);

const char* name_of(runtime_status status);

} // namespace perdura::actors
