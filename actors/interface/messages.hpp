/// Every conversation inside a node: the messages and who answers to what.
/// Only an envelope of bytes crosses to other nodes, so none of these is ever
/// serialised by CAF.
#pragma once

#include "actors/partition/partition_processor.hpp"

#include <caf/all.hpp>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace perdura::actors {

/// The journal has made everything up to `reached` durable.
struct durable_note {
  journal_position reached = 0;
};

/// What waits in the mailbox is taken as one batch, up to this message.
struct flush_batch {};

/// Something may be due.
struct wake_up {};

/// The instance is let go: the actor forgets it and is free for another.
struct let_go {};

/// Asks a partition to recover; nothing else is taken before.
struct begin_work {};

struct management_reply {
  reply_to to;
  management_answer answer;
};

/// To a partition of this hub, wherever it lives.
struct partition_outward {
  partition_id to{};
  partition_message message;
};

struct acknowledgement_outward {
  partition_id to{};
  partition_acknowledgement note;
};

/// The owner of these partitions is there (again).
struct peer_returned {
  std::shared_ptr<const std::vector<partition_id>> partitions;
};

struct stuck_request {
  std::shared_ptr<
    std::function<void(std::vector<std::pair<instance_id, std::string>>)>>
    answer;
};

/// What a partition counts, and how it is now.
struct partition_figures {
  partition_counters counters;
  std::size_t live = 0;            ///< Instances in memory.
  std::size_t outbox_messages = 0; ///< Not acknowledged.
};

struct counters_request {
  std::shared_ptr<std::function<void(const partition_figures&)>> answer;
};

} // namespace perdura::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::durable_note)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::flush_batch)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::wake_up)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::let_go)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::begin_work)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::management_reply)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::partition_outward)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::acknowledgement_outward)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::peer_returned)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::stuck_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::counters_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::management_inbound)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::orchestration_work_item)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::turn_outcome)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::activity_work_item)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::activity_result)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::partition_message)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::actors::partition_acknowledgement)

namespace perdura::actors {

/// The PARTITION: sole writer of its slice of the task hub.
using partition_actor = caf::typed_actor<
  // Recovers and begins to serve.
  caf::reacts_to<begin_work>,
  // A management request; answered through its door when that is durable.
  caf::reacts_to<management_inbound>,
  // One orchestrator turn came back with its decisions.
  caf::reacts_to<turn_outcome>,
  // One attempt of an activity has ended.
  caf::reacts_to<activity_result>,
  // A message from another partition, and the word that ours has arrived.
  caf::reacts_to<partition_message>, caf::reacts_to<partition_acknowledgement>,
  // What was sent there may have been lost.
  caf::reacts_to<peer_returned>,
  // The journal reached this position; held-back effects may leave.
  caf::reacts_to<durable_note>,
  // To itself: the batch ends here; something is due.
  caf::reacts_to<flush_batch>, caf::reacts_to<wake_up>,
  // For operators.
  caf::reacts_to<stuck_request>, caf::reacts_to<counters_request>>;

/// One live ORCHESTRATION INSTANCE: keeps the coroutine warm. When that is let
/// go it may serve another: making and ending an actor costs more than a turn.
using instance_actor = caf::typed_actor<
  // Runs one turn; the outcome goes to the partition.
  caf::reacts_to<orchestration_work_item>,
  // Forgets the coroutine.
  caf::reacts_to<let_go>>;

/// Runs ACTIVITIES, one at a time, on a thread of its own: they may block.
using activity_actor = caf::typed_actor<caf::reacts_to<activity_work_item>>;

/// Finds the owner of whatever is asked for.
using router_actor = caf::typed_actor<
  // A request for an instance, wherever it lives.
  caf::reacts_to<management_inbound>,
  // From partition to partition.
  caf::reacts_to<partition_outward>, caf::reacts_to<acknowledgement_outward>,
  // The answer on its way back to the door that asked.
  caf::reacts_to<management_reply>>;

/// A door: correlates answers with those who wait for them.
using gateway_actor = caf::typed_actor<caf::reacts_to<management_reply>>;

} // namespace perdura::actors
