// SPDX-License-Identifier: Apache-2.0
/// Messages between a partition and the activity pool, and between partitions.
#pragma once

#include "actors/execution/decision.hpp"
#include "persistence/records/error.hpp"
#include "persistence/records/records.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace perdura::actors {

using persistence::duration;
using persistence::event_index;
using persistence::outbox_message;
using persistence::partition_id;

/// One attempt of an activity, to be run. An attempt runs at least once: after
/// a crash the same item, with the same idempotency key
/// `instance/execution/sequence`, may run again.
struct activity_work_item {
  partition_id partition{};
  instance_id instance;
  execution_id execution;
  task_sequence sequence = 0;
  std::string name;
  std::string input;          ///< JSON text; empty if `input_is_stored`.
  std::uint32_t attempt = 1;  ///< From 1.
  duration time_out{0};       ///< Time limit from start to end; 0 means none.
  duration start_time_out{0}; ///< Time limit until the start; 0 means none.
  /// The history event that scheduled the activity and contains its input; 0 if
  /// it is not known.
  event_index scheduled_event = 0;
  /// The input is not in memory: it is read from the history when the attempt
  /// begins.
  bool input_is_stored = false;
};

/// The end of an attempt. `outcome` is task_completed or task_failed.
struct activity_result {
  partition_id partition{};
  instance_id instance;
  execution_id execution;
  task_sequence sequence = 0;
  history_body outcome;
};

/// The input of an activity cannot be read, so the attempt does not begin.
struct activity_unread {
  partition_id partition{};
  instance_id instance;
  execution_id execution;
  task_sequence sequence = 0;
  persistence::error reason; ///< Any code but errc::not_found.
};

/// One outbox message on its way from the partition `from`. The sequences of
/// the messages from one partition to another have no gaps.
struct partition_message {
  partition_id from{};
  outbox_message message;
};

/// The numbers of the messages from one partition to another, as the sender
/// knows them.
struct outbox_statement {
  /// The first message that is not acknowledged; `newest` + 1 if there is none.
  std::uint64_t oldest = 1;
  std::uint64_t newest = 0; ///< The last number assigned.
  /// False if the sender has been adopted and takes over the numbers of the
  /// receiver, which answers with a statement of its own.
  bool has_agreed = true;

  bool operator==(const outbox_statement&) const = default;
};

template <class I>
auto inspect(I& f, outbox_statement& x) {
  return f(x.oldest, x.newest, x.has_agreed);
}

/// An acknowledgement: the partition `from` has made durable all messages up to
/// `sequence` that it has received from the partition to which this
/// acknowledgement is sent.
struct partition_acknowledgement {
  partition_id from{};
  std::uint64_t sequence = 0;
  /// Set at the beginning of a session: the numbers of the messages from `from`
  /// to the receiver.
  std::optional<outbox_statement> stated = std::nullopt;
  /// Identifies the process that has made the statement. Not sent: the router
  /// of the receiver sets it.
  std::string run = {};
};

/// The numbers of two partitions on different nodes are not consistent: one of
/// the nodes runs on an older copy of its data directory.
struct pair_disagreement {
  partition_id other{};       ///< The partition of the other node.
  bool this_is_older = false; ///< This node has the older copy.
  std::string run;            ///< partition_acknowledgement::run.
  std::string why;            ///< A clause with the numbers.
};

} // namespace perdura::actors
