// SPDX-License-Identifier: Apache-2.0
/// Information about the running call of an activity. An activity receives it
/// if its first parameter is an activity_context:
/// `R f(activity_context& ctx, Input in)`.
#pragma once

#include <perdura/actors/authoring/management_payload.hpp>
#include <perdura/persistence/records/ids.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace perdura::actors {

using persistence::execution_id;
using persistence::instance_id;

class management_gateway;

/// The data of one attempt, filled in by the activity pool or by a test.
struct activity_call {
  persistence::instance_id instance;
  persistence::execution_id execution;
  persistence::task_sequence sequence = 0;
  std::string name;
  std::uint32_t attempt = 1; ///< From 1.
  std::optional<persistence::timestamp> deadline;
  /// Becomes true when cancellation is requested. May be null.
  std::shared_ptr<const std::atomic<bool>> cancelled;
  /// Returns the webhook URLs of an instance. Empty if the node has no HTTP
  /// API.
  std::function<management_payload(const std::string& instance)> payload_of;
  std::shared_ptr<management_gateway> gateway; ///< May be null.
};

/// One attempt of an activity. Valid until the activity returns. All functions
/// are const and thread-safe.
class activity_context {
public:
  explicit activity_context(activity_call call);

  activity_context(const activity_context&) = delete;
  activity_context& operator=(const activity_context&) = delete;

  /// The ID of the orchestration instance that called the activity.
  const std::string& instance_id() const {
    return call_.instance;
  }

  /// The ID of that instance's execution; continue_as_new and a new start
  /// change it.
  const std::string& execution_id() const {
    return call_.execution;
  }

  const std::string& activity_name() const {
    return call_.name;
  }

  /// A key that identifies this attempt, `instance/execution/sequence`. An
  /// activity may run more than once, for example after a crash: such a run has
  /// the same key, while each retry has its own. Pass the key to services that
  /// detect repeated requests.
  const std::string& idempotency_key() const {
    return key_;
  }

  /// The number of this attempt under the retry policy, from 1.
  std::uint32_t attempt() const {
    return call_.attempt;
  }

  /// The time at which the attempt times out; a later result is dropped. Empty
  /// if the call has no time-out.
  const std::optional<persistence::timestamp>& deadline() const {
    return call_.deadline;
  }

  /// Returns true if the result is no longer needed: the attempt has timed out;
  /// the orchestration has ended by completion, termination or continue-as-new
  /// and does not wait for the activity; or the node stops and `stop_patience`
  /// has passed, so that the activity runs again after the next start. A long
  /// activity should check this and return.
  bool cancellation_requested() const;

  /// Returns the webhook URLs of the calling instance, or of another one.
  /// @throws std::runtime_error  The node has no HTTP API.
  actors::management_payload management_payload() const;
  actors::management_payload
  management_payload(const std::string& instance) const;

  /// The gateway of this node, from which an orchestration_client can be made.
  /// Null in tests without a node.
  const std::shared_ptr<management_gateway>& gateway() const {
    return call_.gateway;
  }

private:
  activity_call call_;
  std::string key_;
};

} // namespace perdura::actors
