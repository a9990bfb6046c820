/// The shell around one partition: mailbox → batch → processor, effects →
/// messages.
#pragma once

#include "actors/interface/messages.hpp"
#include "actors/timing/alarm_clock.hpp"

#include <memory>
#include <unordered_map>

namespace perdura::actors {

class activity_pool;
class registry;
class turn_watch;

/// What a partition needs of its node. All of it outlives the partition.
struct partition_surroundings {
  journal* ledger = nullptr;
  const clock* time = nullptr;
  activity_pool* activities = nullptr;
  turn_watch* turns = nullptr;
  alarm_clock* alarms = nullptr;
  /// This thread is about to block, if the answer is true: others take its
  /// place until `has_blocked`. May be null.
  bool (*may_block)() = nullptr;
  void (*has_blocked)() = nullptr;
  std::shared_ptr<const registry> functions;
  router_actor router;
  /// The node's own door: its answers need no router.
  gateway_actor door;
  std::uint64_t door_number = 0;
  /// Told once when the partition serves and its new epoch is durable, or why
  /// it cannot.
  std::function<void(result<void>)> on_ready;
};

class partition_actor_state : public partition_host {
public:
  static inline const char* name = "partition";

  void begin(partition_actor::pointer self, partition_config config,
             partition_surroundings around);

  void on_begin();
  void on_inbound(inbound message);
  void on_outcome(turn_outcome outcome);
  void on_flush();
  void on_wake();
  void on_peer_returned(const peer_returned& its);
  void on_durable(journal_position reached);
  void on_stuck(const stuck_request& request) const;
  void on_counters(const counters_request& request) const;

  // partition_host
  void answer(reply_to to, management_answer answer) override;
  void run_turn(orchestration_work_item item) override;
  void drop_run(const instance_id& id) override;
  void run_activity(activity_work_item item) override;
  void send(partition_message message, partition_id to) override;
  void acknowledge(partition_acknowledgement note, partition_id to) override;
  void log(int level, const std::string& text) override;
  void gathered() override;

private:
  void arm();

  partition_actor::pointer self_ = nullptr;
  partition_id id_{};
  partition_surroundings around_;
  std::unique_ptr<partition_processor> processor_;
  std::vector<inbound> batch_; ///< What has come since the last flush.
  std::vector<inbound> taken_; ///< What is being taken.

  struct live_run {
    instance_actor actor;
    turn_number sent = 0;
    turn_number returned = 0; ///< Less than `sent`: its turn is out.
  };

  std::unordered_map<instance_id, live_run> runs_;
  std::vector<instance_actor> spare_; ///< Without an instance.
  alarm_clock::alarm* alarm_ = nullptr;
  std::optional<timestamp> armed_; ///< What the alarm is set to.
  bool serving_ = false;
};

partition_actor::behavior_type
partition_behavior(partition_actor::stateful_pointer<partition_actor_state>,
                   partition_config config, partition_surroundings around);

} // namespace perdura::actors
