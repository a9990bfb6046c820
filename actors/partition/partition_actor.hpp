// SPDX-License-Identifier: Apache-2.0
/// The actor of one partition. It collects the messages in its mailbox into
/// batches for the partition_processor and sends the processor's effects as
/// messages.
#pragma once

#include "actors/interface/answer_sink.hpp"
#include "actors/interface/messages.hpp"
#include "actors/partition/own_commits.hpp"
#include "actors/timing/alarm_clock.hpp"

#include <memory>
#include <unordered_map>

namespace perdura::actors {

class activity_pool;
class registry;
class turn_watch;
class work_guard;

/// The objects of the node that a partition uses. All must outlive the
/// partition. Pointers must not be null unless stated otherwise.
struct partition_dependencies {
  /// Both see the same turns.
  persistence::turn_log* journal = nullptr;
  persistence::state_reader* reader = nullptr;
  const persistence::clock* clock = nullptr;
  activity_pool* activities = nullptr;
  turn_watch* turns = nullptr;
  /// Notes what runs, and decides what may run. Null means everything may.
  work_guard* guard = nullptr;
  alarm_clock* alarms = nullptr;
  /// Receives the knowledge of the partition about the wall clock. May be null.
  std::shared_ptr<settled_clock> settled;
  /// Asks the scheduler whether the calling thread may block. After `true`,
  /// another thread replaces the calling one until it calls `has_blocked`.
  /// Null means that the partition never blocks.
  bool (*may_block)() = nullptr;
  void (*has_blocked)() = nullptr;
  std::shared_ptr<const registry> functions;
  router_actor router;
  /// The answers to the gateway of this node, and the number of that gateway.
  /// These answers bypass the router.
  std::shared_ptr<answer_sink> local_answers;
  std::uint64_t local_gateway_number = 0;
  /// Called once, on the actor's thread: with success when the partition has
  /// recovered and its new epoch is durable, or with the error of recovery.
  std::function<void(result<void>)> on_ready;
  /// See `partition_host::agrees`. Called on the actor's thread; may be empty.
  std::function<void(bool)> on_agreeing;
};

/// The state of a partition actor. All functions run on the actor's thread.
class partition_actor_state : public partition_host {
public:
  /// Name of the actor in CAF's logs.
  static inline const char* name = "partition";

  /// Creates the processor and registers with the journal and the alarm clock.
  void begin(partition_actor::pointer self, partition_config config,
             partition_dependencies dependencies);

  // Handlers of the messages that partition_actor accepts.
  void on_begin();
  void on_exit();
  void on_inbound(inbound message);
  void on_outcome(turn_outcome outcome);
  void on_retry(retry_turn& retry);
  void on_flush();
  void on_wake();
  void on_peer_returned(const peer_returned& note);
  void on_durable(journal_position reached);
  void on_stuck(const stuck_request& request) const;
  void on_counters(const counters_request& request) const;
  void on_batch_request(const batch_request& request);

  // The functions of partition_host, which the processor calls.
  void answer(reply_to to, management_answer answer) override;
  void run_turn(orchestration_work_item item) override;
  void drop_run(const instance_id& id) override;
  void run_activity(activity_work_item item) override;
  void keep_inputs(const instance_id& id) override;
  void cancel_activities(const instance_id& id, const execution_id& execution,
                         bool drops) override;
  void send(partition_message message, partition_id to) override;
  void acknowledge(partition_acknowledgement note, partition_id to) override;
  void disagree(const pair_disagreement& found) override;
  void agrees(bool is_agreeing) override;
  void log(persistence::log_level level, const std::string& text) override;
  void release(const instance_id& id, bool is_ended) override;
  void note_fault(const instance_id& id) override;
  void turns_enqueued() override;

private:
  /// Called after the processor has returned: reports the commits that this
  /// thread has made during the call, and sets the alarm.
  void end_step();
  void report_durable(journal_position reached);
  void refuse_batch();
  bool may_run(const orchestration_work_item& item);
  /// Sets the alarm to the processor's next wake time.
  void set_alarm();

  partition_actor::pointer self_ = nullptr;
  partition_id id_{};
  partition_dependencies dependencies_;
  std::unique_ptr<partition_processor> processor_;
  std::vector<inbound> batch_;      ///< Messages since the last flush.
  std::vector<inbound> processing_; ///< The batch that is being processed.
  own_commits committed_;           ///< Commits not reported to processor_.

  /// An instance actor that has an instance assigned.
  struct assigned_actor {
    instance_actor actor;
    turn_number sent = 0;
    /// While `returned` is less than `sent`, a turn is running.
    turn_number returned = 0;
  };

  /// The actors of the instances that have a coroutine or a running turn.
  std::unordered_map<instance_id, assigned_actor> runs_;
  std::vector<instance_actor> idle_actors_; ///< Actors without an instance.
  alarm_clock::alarm* alarm_ = nullptr;     ///< Owned by the alarm clock.
  std::optional<wake_time> alarm_time_; ///< The time that the alarm is set to.
  bool serving_ = false;                ///< Recovery has succeeded.
  /// Why the partition cannot be used; empty unless rows that its recovery
  /// needs are damaged. Every request gets this sentence.
  std::string damage_;
};

/// Makes the behavior of a partition actor. The partition serves after
/// begin_recovery; messages that arrive earlier are kept.
partition_actor::behavior_type
partition_behavior(partition_actor::stateful_pointer<partition_actor_state>,
                   partition_config config,
                   partition_dependencies dependencies);

} // namespace perdura::actors
