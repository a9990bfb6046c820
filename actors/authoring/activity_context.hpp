/// What an activity may ask about the call it is serving. An activity takes
/// it first, if it wants it: `R f(activity_context& ctx, Input in)`.
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

class management_gateway;

/// One attempt of one call, as whoever runs the activity knows it.
struct activity_call {
  persistence::instance_id instance;
  persistence::execution_id execution;
  persistence::task_sequence sequence = 0;
  std::string name;
  std::uint32_t attempt = 1;
  std::optional<persistence::timestamp> deadline;
  /// Null: nobody can cancel it.
  std::shared_ptr<const std::atomic<bool>> cancelled;
  /// The webhook URLs of an instance; null: this node has no HTTP door.
  std::function<management_payload(const std::string& instance)> payload_of;
  std::shared_ptr<management_gateway> gateway;
};

class activity_context {
public:
  explicit activity_context(activity_call call);

  activity_context(const activity_context&) = delete;
  activity_context& operator=(const activity_context&) = delete;

  const std::string& instance_id() const {
    return call_.instance;
  }

  const std::string& execution_id() const {
    return call_.execution;
  }

  const std::string& activity_name() const {
    return call_.name;
  }

  /// `instance/execution/sequence`: the same whenever this attempt is run
  /// again after a crash, another for each retry. Hand it to what you call.
  const std::string& idempotency_key() const {
    return key_;
  }

  /// From 1.
  std::uint32_t attempt() const {
    return call_.attempt;
  }

  /// A result that comes later is not waited for.
  const std::optional<persistence::timestamp>& deadline() const {
    return call_.deadline;
  }

  /// Nobody waits for the result any more; safe to ask from any thread.
  bool cancellation_requested() const;

  /// The webhook URLs of this instance, or of another one.
  /// @throws std::runtime_error  The node has no HTTP door.
  actors::management_payload management_payload() const;
  actors::management_payload
  management_payload(const std::string& instance) const;

  /// What a client on this node is made of; null where there is none.
  const std::shared_ptr<management_gateway>& gateway() const {
    return call_.gateway;
  }

private:
  activity_call call_;
  std::string key_;
};

} // namespace perdura::actors
