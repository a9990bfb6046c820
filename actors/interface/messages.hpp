// SPDX-License-Identifier: Apache-2.0
/// The CAF messages inside a node, and the actor types with the messages that
/// each accepts. CAF never serialises these messages: nodes exchange envelopes
/// of bytes only.
#pragma once

#include "actors/partition/partition_processor.hpp"

#include <caf/all.hpp>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace perdura::actors {

/// The journal has made all turns of the partition's lane up to the position
/// `reached` durable.
struct durable_note {
  journal_position reached = 0;
};

/// A partition sends this message to itself. The messages that it receives
/// before this one form one batch, which it then processes.
struct flush_batch {};

/// A timer or a time limit of the partition may be due.
struct wake_up {};

/// Asks an instance actor to release its coroutine. The actor can then be used
/// for another instance.
struct release_instance {};

class turn_watch;

/// A turn that has waited for a thread and counts as begun in `watch`. If the
/// message is dropped, because its actor has ended, the count is undone.
struct admitted_turn {
  struct state {
    ~state() {
      if (watch != nullptr)
        give_back(*watch);
    }

    turn_watch* watch = nullptr; ///< Null once the turn has been taken.
    orchestration_work_item item;

  private:
    static void give_back(turn_watch& watch);
  };

  std::shared_ptr<state> turn;
};

/// A turn that had to wait may be asked for again; see work_guard.
struct retry_turn {
  orchestration_work_item item;
};

/// Starts the recovery of a partition. Messages that arrive earlier are kept
/// until recovery has succeeded.
struct begin_recovery {};

/// The answer to a management request of another process, or of another gateway
/// of this process than that of the node.
struct management_reply {
  reply_to to;
  management_answer answer;
};

/// Asks the router to send a message to a partition, on this or another node.
struct outbound_partition_message {
  partition_id to{};
  partition_message message;
};

/// Asks the router to send an acknowledgement to a partition.
struct outbound_acknowledgement {
  partition_id to{};
  partition_acknowledgement note;
};

/// Tells the router that the numbers of two partitions are not consistent.
struct outbound_disagreement {
  pair_disagreement found;
};

/// The node that owns these partitions has become reachable.
struct peer_returned {
  std::shared_ptr<const std::vector<partition_id>> partitions;
};

/// Requests the result of `partition_processor::stuck`. `answer` is called on
/// the partition's thread.
struct stuck_request {
  std::shared_ptr<
    std::function<void(std::vector<std::pair<instance_id, std::string>>)>>
    answer;
};

/// Asks for an answer when the partition has processed all messages that it
/// received before this one. `answer` is called on the partition's thread.
struct batch_request {
  std::shared_ptr<std::function<void()>> answer;
};

/// Counters and current sizes of a partition, for metrics.
struct partition_figures {
  partition_counters counters;
  std::size_t live = 0; ///< Instances in memory.
  outbox_figures outbox;
  damage_figures damage;
  std::size_t stuck = 0; ///< Entries of `partition_processor::stuck`.
  /// Size of the instances in memory, as `idle_instance_bytes_max` counts it.
  std::uint64_t live_bytes = 0;
  std::uint64_t request_keys = 0;      ///< Recorded answers to requests.
  std::uint64_t request_key_bytes = 0; ///< Their size on disk.
  std::vector<persistence::name_pause> paused; ///< The paused orchestrators.
  /// Trees of instances of this partition that are being terminated.
  std::size_t trees_ending = 0;
};

/// Requests the partition_figures of a partition. `answer` is called on the
/// partition's thread.
struct counters_request {
  std::shared_ptr<std::function<void(const partition_figures&)>> answer;
};

} // namespace perdura::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::durable_note)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::flush_batch)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::wake_up)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::release_instance)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::admitted_turn)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::retry_turn)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::instance_hold)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::begin_recovery)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::management_reply)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::outbound_partition_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::outbound_acknowledgement)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::outbound_disagreement)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::peer_returned)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::stuck_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::counters_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::batch_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::management_inbound)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::orchestration_work_item)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::turn_outcome)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::activity_work_item)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::activity_result)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::activity_unread)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::partition_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::partition_acknowledgement)

namespace perdura::actors {

/// Owns one partition and is the only writer of its instances.
using partition_actor = caf::typed_actor<
  // Recovers the partition and begins to serve.
  caf::reacts_to<begin_recovery>,
  // A management request. The answer goes to the gateway of the request.
  caf::reacts_to<management_inbound>,
  // The outcome of one orchestrator turn.
  caf::reacts_to<turn_outcome>,
  // The end of one attempt of an activity.
  caf::reacts_to<activity_result>,
  // An activity whose input cannot be read.
  caf::reacts_to<activity_unread>,
  // Code of an instance must not run any more.
  caf::reacts_to<instance_hold>, caf::reacts_to<retry_turn>,
  // A message from another partition, and an acknowledgement of messages that
  // this partition has sent to another one.
  caf::reacts_to<partition_message>, caf::reacts_to<partition_acknowledgement>,
  // A peer node has returned: messages sent to it may have been lost.
  caf::reacts_to<peer_returned>,
  // The journal has reached a position: the effects that were held until then
  // may be performed.
  caf::reacts_to<durable_note>,
  // The partition sends the first of these messages to itself; its alarm sends
  // the second.
  caf::reacts_to<flush_batch>, caf::reacts_to<wake_up>,
  // Queries for operators and metrics.
  caf::reacts_to<stuck_request>, caf::reacts_to<counters_request>,
  // A stop waits for the messages in the mailbox.
  caf::reacts_to<batch_request>>;

/// Runs the turns of one orchestration instance and keeps its coroutine in
/// memory between turns. Reused for another instance after release_instance,
/// because creating and ending an actor costs more than a turn.
using instance_actor = caf::typed_actor<
  // Runs one turn and sends the outcome to the partition.
  caf::reacts_to<orchestration_work_item>,
  // Does the same, for a turn that has waited for a thread.
  caf::reacts_to<admitted_turn>,
  // Releases the coroutine.
  caf::reacts_to<release_instance>>;

/// Runs activities, one at a time. Activities may block; see activity_pool for
/// the threads.
using activity_actor = caf::typed_actor<caf::reacts_to<activity_work_item>>;

/// Routes requests and messages to the partition that owns the instance.
using router_actor = caf::typed_actor<
  // A request for any instance of the hub.
  caf::reacts_to<management_inbound>,
  // Messages and acknowledgements between partitions.
  caf::reacts_to<outbound_partition_message>,
  caf::reacts_to<outbound_acknowledgement>,
  caf::reacts_to<outbound_disagreement>,
  // An answer on its way to the gateway of the request.
  caf::reacts_to<management_reply>>;

} // namespace perdura::actors
