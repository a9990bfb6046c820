// SPDX-License-Identifier: Apache-2.0
/// The decisions of a partition, one function per kind of message.
///
/// A step reads the durable side and returns a turn: the writes to journal and
/// the effects to perform when they are durable. A step changes the volatile
/// side only; durable_store::apply changes the durable side.
///
/// Before a step runs, the caller loads the instance that the message
/// concerns. If `find(durable, live, id)` is false, the step treats the
/// instance as not existing. `now` is the time of the batch. Steps depend only
/// on their arguments: they use no clock, no randomness and no I/O. Not
/// thread-safe.
#pragma once

#include "actors/partition/instance_draft.hpp"
#include "actors/partition/volatile_partition.hpp"

#include <optional>

namespace perdura::actors {

using persistence::child_ended;
using persistence::child_rewind;
using persistence::child_start;
using persistence::child_terminate;
using persistence::event_send;
using persistence::outbox_body;
using persistence::runtime_status;

// --- Starting ---------------------------------------------------------------

/// Handles a client's start. The start is not durable yet: it waits for the
/// first turn. A start with a future time is journaled at once. Answers
/// errc::already_exists if an unfinished instance has the ID (unless
/// get-or-start is set), or errc::unknown_orchestrator if no code is registered
/// for the name and version.
turn step_start_instance(const durable_partition& durable,
                         volatile_partition& live, const start_instance& start,
                         reply_to from, timestamp now);

/// Handles the start of a sub-orchestration. `source` is the sequence of the
/// message from the parent's partition. A refusal is sent to the parent as a
/// failed sub-orchestration: the ID is in use, no code is registered, or the
/// instance would have more than `child_depth_max` ancestors.
turn step_child_start(const durable_partition& durable,
                      volatile_partition& live, const instance_id& id,
                      const child_start& start, dedup_mark source,
                      timestamp now);

// --- Messages for an instance -----------------------------------------------

/// Handles an external event from a client. Answers errc::not_found,
/// errc::already_finished, or errc::limit_exceeded if the buffer is full.
turn step_raise_event(const durable_partition& durable,
                      volatile_partition& live, const raise_event& event,
                      reply_to from, timestamp now);

/// Handles an event that another orchestration sent. The event is dropped
/// with a log line if no unfinished instance has the ID.
turn step_event_send(const durable_partition& durable, volatile_partition& live,
                     const instance_id& id, const event_send& event,
                     dedup_mark source, timestamp now);

/// Handles the result of an activity. A result that no open task matches is
/// dropped and counted in `results_stale`.
turn step_activity_result(const durable_partition& durable,
                          volatile_partition& live,
                          const activity_result& result, timestamp now);

/// Handles the result of a sub-orchestration, as for an activity.
turn step_child_ended(const durable_partition& durable,
                      volatile_partition& live, const instance_id& id,
                      const child_ended& ended, dedup_mark source,
                      timestamp now);

/// Handles a timer or a scheduled start whose time has come. Does nothing if
/// the timer was cancelled.
turn step_timer_due(const durable_partition& durable, volatile_partition& live,
                    const due_task& due, timestamp now);

/// Registers a client that waits for the start or the end of an instance, or
/// answers at once if that has happened.
turn step_wait(const durable_partition& durable, volatile_partition& live,
               const wait_instance& wait, reply_to from);

// --- Control ----------------------------------------------------------------

/// Writes the instance's waiting start and messages without the turn that they
/// wait for. The messages enter the inbox. If a turn is running, it is not
/// affected.
turn step_persist_pending(volatile_partition& live, const instance_id& id,
                          loaded_instance loaded, timestamp now);

/// Terminates an unfinished instance. If a turn is running, its outcome is
/// ignored when it arrives.
turn step_terminate(const durable_partition& durable, volatile_partition& live,
                    const terminate_instance& request, reply_to from,
                    timestamp now);

/// Terminates a sub-orchestration on behalf of its parent. Ignored if the
/// instance is finished or has another parent.
turn step_child_terminate(const durable_partition& durable,
                          volatile_partition& live, const instance_id& id,
                          const child_terminate& request, dedup_mark source,
                          timestamp now);

/// Suspends an unfinished instance: no further turn is dispatched. Answers
/// errc::ok if it is suspended already, and errc::limit_exceeded if the history
/// has no space for the request and a later resume.
turn step_suspend(const durable_partition& durable, volatile_partition& live,
                  const suspend_instance& request, reply_to from,
                  timestamp now);

/// Resumes a suspended instance. Answers errc::ok if it is not suspended, and
/// errc::limit_exceeded if the history has no space for a long reason; a short
/// reason is always accepted.
turn step_resume(const durable_partition& durable, volatile_partition& live,
                 const resume_instance& request, reply_to from, timestamp now);

/// Deletes a finished instance. Answers errc::not_finished otherwise.
turn step_purge(const durable_partition& durable, volatile_partition& live,
                const purge_instance& request, reply_to from);

// --- Rewind -----------------------------------------------------------------

/// Rewinds a failed instance: appends execution_rewound, opens the failed tasks
/// again and makes a turn due. If the instance is failed, `history` must be its
/// whole history. Answers errc::not_failed otherwise, and errc::limit_exceeded
/// if the history has no space for another run.
turn step_rewind(const durable_partition& durable, volatile_partition& live,
                 const rewind_instance& request,
                 const std::vector<history_event>& history, reply_to from,
                 timestamp now);

/// Rewinds a failed sub-orchestration on behalf of its parent. A child that
/// completed or was terminated sends its outcome to the parent again; a child
/// that is not finished is not changed. A child whose history is full reports
/// that to the parent as its failure.
turn step_child_rewind(const durable_partition& durable,
                       volatile_partition& live, const instance_id& id,
                       const child_rewind& request,
                       const std::vector<history_event>& history,
                       dedup_mark source, timestamp now);

// --- Turns ------------------------------------------------------------------

/// Returns the next turn of the instance if one is due and none is running, and
/// marks it as running. If the returned work item is cold and has an empty
/// history, the caller must fill in the whole durable history.
std::optional<orchestration_work_item>
next_turn(const instance_id& id, loaded_instance loaded, timestamp now);

/// Handles the outcome of a turn: its history, decisions and result become one
/// turn of the partition. An outcome whose number is not that of the running
/// turn is void and ignored.
turn step_turn_completed(const durable_partition& durable,
                         volatile_partition& live, turn_outcome outcome,
                         timestamp now);

// --- Shared by the steps ----------------------------------------------------

/// Returns a turn that writes nothing and sends one answer. The turn is empty
/// if `to` is empty.
turn answer_only(reply_to to, management_answer answer);
turn refuse(reply_to to, errc code, std::string message);
turn refuse_not_found(reply_to to, const instance_id& id);
turn refuse_finished(reply_to to, const instance_id& id,
                     const instance_record& record);

/// Returns the sentence of errc::limit_exceeded if the history has no space for
/// `events` events of `bytes` payload bytes from a request, apart from the
/// space that is reserved for the code. Empty if there is space.
std::string full_history_text(const instance_id& id,
                              const instance_record& record, event_index events,
                              std::uint64_t bytes);

/// Returns a turn that records the receipt of a message from another
/// partition and does nothing else.
turn mark_only(dedup_mark source);

/// Returns the recorded answer if the request was answered before. An empty
/// request ID is never a repeat.
std::optional<management_answer> repeated_answer(const stored_instance& stored,
                                                 const request_id& request);

/// Adds the answer for each non-empty entry of `to`.
void add_answers(turn& into, const std::vector<reply_to>& to,
                 const management_answer& answer);

/// Adds the answers that depend on `start`, which the turn makes durable. The
/// requests that caused the start and the get-or-start requests that joined it
/// get the instance. Other starts of the same ID are refused.
void add_start_answers(turn& into, instance_draft& draft, const instance_id& id,
                       const arrived_start& start, bool started);

/// The message of errc::already_exists.
std::string already_exists_text(const instance_id& id, runtime_status status);

/// Adds an outbox message. The processor assigns its sequence when it journals
/// the turn.
void add_outbox(const durable_partition& durable, turn& into, instance_id to,
                outbox_body body);

/// Adds the message that reports the end of the instance to its parent, if it
/// has a parent.
void add_child_ended(const durable_partition& durable, turn& into,
                     const instance_record& record, bool failed,
                     const std::string& result, const failure_details& failure);

/// Adds the answers to clients that wait for the start of the instance, and,
/// if `finished`, to those that wait for its end.
void add_wait_answers(volatile_partition& live, turn& into,
                      const instance_id& id, bool finished);

/// Adds a message to the instance's arrived messages: it becomes durable with
/// the next turn of the instance.
void enqueue_message(volatile_partition& live, const instance_id& id,
                     loaded_instance loaded, arrived_message message);

/// Returns a turn that writes the message to the instance's inbox at once,
/// without waiting for a turn of the instance.
turn store_in_inbox(const instance_id& id, loaded_instance loaded,
                    arrived_message message, timestamp now);

} // namespace perdura::actors
