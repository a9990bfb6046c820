// SPDX-License-Identifier: Apache-2.0
/// The decisions of a partition, one function per kind of message.
///
/// A step reads the durable side and returns a turn: the writes to journal and
/// the effects to perform when they are durable. A step changes the volatile
/// side only; durable_store::apply changes the durable side.
///
/// Before a step runs, the caller loads the instance that the message
/// concerns. If `find(durable, live, id)` is false, the step treats the
/// instance as not existing. `now` is the wall-clock time of the batch, and
/// `volatile_partition::now` its elapsed time. Steps depend only on their
/// arguments: they use no clock, no randomness and no I/O. Not
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

// --- Requests with a request ID ---------------------------------------------

/// Returns true if the request is meant for an instance that was created at
/// another time than this one; see raise_event.
bool means_other_instance(const management_request& request,
                          loaded_instance loaded);

/// Returns the hashes that identify the request; false if it has no request ID.
/// The content does not include what a client chooses anew for each attempt.
request_identity identity_of(const management_request& request);

/// Answers a request whose key is recorded: with the recorded answer, or with
/// errc::request_id_reused if the content is another one.
turn step_repeat(const durable_partition& durable, volatile_partition& live,
                 const management_request& request,
                 const request_identity& identity,
                 const persistence::request_row& known, reply_to from);

/// Answers a request whose key is not recorded, if it must not be carried out:
/// the answer was recorded by a program before format 3, or the bounds of
/// recorded answers are reached. Empty means that it may be carried out.
std::optional<turn> step_new_key(const durable_partition& durable,
                                 volatile_partition& live,
                                 const management_request& request,
                                 const request_identity& identity,
                                 reply_to from);

// --- Starting ---------------------------------------------------------------

/// Handles a client's start. The start is not durable yet: it waits for the
/// first turn. A start with a future time is journaled at once. Answers
/// errc::already_exists if an unfinished instance has the ID (unless
/// get-or-start is set), or errc::unknown_orchestrator if no code is registered
/// for the name and version.
turn step_start_instance(const durable_partition& durable,
                         volatile_partition& live, const start_instance& start,
                         const request_identity& identity, reply_to from,
                         timestamp now);

/// Handles a start_or_raise: as an event if an unfinished instance has the ID,
/// else as a start whose first turn receives the event. The answer has
/// `created` if the request has started the instance. Refusals are those of
/// step_start_instance and step_raise_event.
turn step_start_or_raise(const durable_partition& durable,
                         volatile_partition& live, start_or_raise&& request,
                         const request_identity& identity, reply_to from,
                         timestamp now);

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
                      const request_identity& identity, reply_to from,
                      timestamp now);

/// Accepts the event of a client for an unfinished instance. `message` has one
/// reply. Answers errc::limit_exceeded if the buffer is full.
turn accept_client_event(const durable_partition& durable,
                         volatile_partition& live, const instance_id& id,
                         loaded_instance loaded, arrived_message message,
                         const request_id& request, timestamp now);

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
/// ignored when it arrives. If the request is recursive, and the instance may
/// have started sub-orchestrations, everything below it is terminated too, also
/// below an instance that is finished. Answers errc::limit_exceeded if
/// `ended_trees_max` trees of the partition are being terminated.
turn step_terminate(const durable_partition& durable, volatile_partition& live,
                    const terminate_instance& request, reply_to from,
                    timestamp now);

/// Terminates a sub-orchestration on behalf of its parent. Ignored if the
/// instance is finished or has another parent.
turn step_child_terminate(const durable_partition& durable,
                          volatile_partition& live, const instance_id& id,
                          const child_terminate& request, dedup_mark source,
                          timestamp now);

/// Terminates an unfinished instance, because it belongs to a terminated tree.
turn step_end_member(const durable_partition& durable, volatile_partition& live,
                     const instance_id& id, const std::string& reason,
                     timestamp now);

/// Holds the instance with the sentence: no turn of it is dispatched, until it
/// is released or the process starts again.
turn step_hold(const durable_partition& durable, volatile_partition& live,
               const instance_id& id, const std::string& reason, timestamp now);

/// Lets a held instance run again. Done if it is not held.
turn step_release(const durable_partition& durable, volatile_partition& live,
                  const release_instance_request& request, reply_to from,
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

/// Stops an instance in memory whose rows are damaged: a running turn becomes
/// void, no further turn is dispatched in this process, and the clients that
/// wait for the instance get `reason`.
turn step_set_aside(volatile_partition& live, const instance_id& id,
                    loaded_instance loaded, const persistence::error& reason);

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

// --- Rules for many instances ------------------------------------------------

/// Pauses an orchestrator by name or lets it run again, in this partition and,
/// through the outbox, in all others. Done if that is so already. Answers
/// errc::unknown_orchestrator if no code is registered for a name to pause, and
/// errc::limit_exceeded if `paused_names_max` names are paused.
turn step_pause(const durable_partition& durable,
                const pause_orchestrator& request, reply_to from,
                timestamp now);

/// Handles a message of another partition about a rule.
turn step_notice(const durable_partition& durable,
                 const persistence::rule_notice& notice, dedup_mark source,
                 timestamp now);

/// Nothing of the tree is left in the partition `from`, which may be this one.
/// Reports it to the tree's home. At home, when all partitions have reported,
/// the rule is removed everywhere.
turn step_tree_drained(const durable_partition& durable,
                       const persistence::tree_top& top, partition_id from);

/// Adds the rule and the messages that terminate everything below `top` in all
/// partitions.
void add_tree_end(const durable_partition& durable, turn& into,
                  const persistence::tree_top& top, const std::string& reason,
                  timestamp now);

/// Returns the sentence of errc::limit_exceeded if `ended_trees_max` trees of
/// the partition are being terminated; else an empty text.
std::string full_of_trees_text(const durable_partition& durable,
                               const instance_id& id);

/// The sentence about a paused orchestrator in the list of stuck instances.
std::string paused_text(const persistence::name_pause& rule);

/// The same about a tree that some partitions have not ended yet.
std::string unfinished_tree_text(const persistence::ended_tree& tree);

/// False if the instance has never started a sub-orchestration.
bool may_have_children(const instance_record& record);

/// The instance and everything below it.
persistence::tree_top top_of(const instance_id& id,
                             const instance_record& record);

/// The place of a child of the instance.
tree_place place_of_child(const instance_id& id, const instance_record& record);

/// The time at which a start is accepted: `now`, or a little later, so that the
/// instance is distinguished from an earlier one with its ID whose children are
/// being terminated. `before` is the instance that it replaces, or null.
timestamp start_time_of(const durable_partition& durable, const instance_id& id,
                        const stored_instance* before, const tree_place& place,
                        timestamp now);

/// True if the code of the instance has not run since the partition began to
/// serve: it may be newer than that which opened the stored waits. False for an
/// instance whose first turn has not run.
bool may_wait_for_others(const durable_partition& durable,
                         const stored_instance& stored);

/// Open activities with the bodies of the events that scheduled them.
using scheduled_activities
  = std::map<task_sequence, persistence::task_scheduled>;

// --- Activities of executions that end, and of unknown names -----------------

/// Returns true if a result of the task has arrived already and waits for a
/// turn; a second result of the same task is stale.
bool has_result(loaded_instance loaded, task_sequence sequence);

/// Returns true if the inbox has a result of the task.
bool has_stored_result(const stored_instance& stored, task_sequence sequence);

/// Removes the results in the inbox, which no code can use any more, and closes
/// their tasks.
void drop_results(instance_draft& draft);

/// Returns a clause about the open activities of an ended instance, such as
/// "2 of its activities have not ended, for example Ship"; empty if none is
/// open. Each scheduled activity runs at least once, so the instance must not
/// be removed.
std::string open_activities_text(const instance_id& id,
                                 const stored_instance& stored);

/// Adds the effects by which the open activities of the draft learn that no
/// code uses their results any more, those of earlier executions too; none if
/// no activity is open. With `drops`, those that have not begun never run.
void add_cancellation(turn& into, const instance_draft& draft,
                      const instance_id& id, const execution_id& execution,
                      bool drops = false);

/// The reason for which an instance is held whose program does not have one of
/// its open activities; empty if it has all of them.
std::string missing_activity_text(const durable_partition& durable,
                                  const instance_draft& draft);

/// Writes the reason for which the instance is held after a start of the
/// process, if its program lacks one of its open activities, or lacks none any
/// more. Does nothing if the stored reason is right.
turn step_check_activities(const durable_partition& durable,
                           volatile_partition& live, const instance_id& id,
                           timestamp now);

// --- Turns ------------------------------------------------------------------

/// Returns the next turn of the instance if one is due and none is running, and
/// marks it as running. If the returned work item is cold and has an empty
/// history, the caller must fill in the whole durable history. The time of the
/// turn is `now`, but not before an earlier turn of the instance nor before the
/// time of a timer that has fired.
std::optional<orchestration_work_item> next_turn(const instance_id& id,
                                                 loaded_instance loaded,
                                                 timestamp now,
                                                 elapsed_time elapsed);

/// Handles the outcome of a turn: its history, decisions and result become one
/// turn of the partition. An outcome whose number is not that of the running
/// turn is void and ignored.
/// `inputs` has the activities of `activities_to_leave` if the outcome
/// continues as new.
turn step_turn_completed(const durable_partition& durable,
                         volatile_partition& live, turn_outcome&& outcome,
                         timestamp now,
                         const scheduled_activities& inputs = {});

/// The open activities of the instance that have no result, with the events
/// that scheduled them. A turn that continues as new needs their inputs,
/// because it removes the history.
std::vector<std::pair<task_sequence, event_index>>
activities_to_leave(loaded_instance loaded);

// --- Waiting for space in an outbox -----------------------------------------

/// The number of messages to a destination that it has not acknowledged.
std::uint64_t unacknowledged(const durable_partition& durable,
                             const volatile_partition& live, partition_id to);

/// Notes that the outbox to a destination is full, if it is. Called when
/// messages were added to it.
void note_full_outbox(const durable_partition& durable,
                      volatile_partition& live, partition_id to);

/// If the outcome of a turn adds messages to a full outbox, or to one for which
/// other turns wait, returns the turn that makes the instance wait: the outcome
/// is dropped, the messages that it consumed enter the inbox, and the turn runs
/// again later (`pop_outbox_waits`). Returns nothing if the outcome can be
/// used.
std::optional<turn> step_wait_for_outbox(const durable_partition& durable,
                                         volatile_partition& live,
                                         loaded_instance loaded,
                                         const turn_outcome& outcome,
                                         timestamp now);

/// Removes and returns the instances whose turns need not wait any more: when
/// an outbox is half empty, as many as fill it again, in the order in which
/// they began to wait.
std::vector<instance_id> pop_outbox_waits(const durable_partition& durable,
                                          volatile_partition& live);

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

/// Refuses a request whose request ID was used for another request to the
/// instance.
turn refuse_reused(reply_to to, const instance_id& id,
                   const request_id& request);

/// Records the answer in the turn, so that a repeat of the request gets it.
/// Does nothing if the request has no ID. The processor adds the time and the
/// window when it journals the turn.
void record_answer(turn& into, const request_identity& request,
                   const management_answer& answer);

/// Records the answer to `from`, if the turn contains one that is not a
/// refusal. Successes that change nothing are recorded too: the instance may
/// have changed when the repeat arrives.
void record_success(turn& into, const request_identity& request, reply_to from);

/// Adds the answer for each non-empty entry of `to`.
void add_answers(turn& into, const std::vector<reply_to>& to,
                 const management_answer& answer);

/// The answer to the requests of a message that becomes durable. `record` is
/// that of its instance; `has_run` if the instance's first turn is durable.
management_answer answer_to(const arrived_message& message,
                            const instance_id& id,
                            const instance_record& record, bool has_run);

/// Moves the start_or_raise messages of an instance that ends to `unraised`.
/// The one that has started the instance stays: the first turn has received its
/// event.
void keep_unraised(volatile_partition& live,
                   std::vector<arrived_message>& arrived);

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
