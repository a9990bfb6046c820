// SPDX-License-Identifier: Apache-2.0
/// What happens after an exception of Perdura's own code has left an actor. CAF
/// alone would print a line and end the actor; its partition, or its node,
/// would then answer no more.
#pragma once

#include <caf/actor_system_config.hpp>
#include <caf/scheduled_actor.hpp>

#include <cstdint>
#include <exception>
#include <functional>
#include <string>

namespace perdura::actors {

/// The configuration of an actor system, with the rule for its faults.
class guarded_system_config : public caf::actor_system_config {
public:
  /// Called on the thread of the fault; must not throw. The text names the
  /// actor or the thread, e.g. "partition 7". Empty, as in a node, means that
  /// the process ends (`persistence::end_after_fault`). A client of a cluster
  /// sets it, because it must not end its process.
  std::function<void(const std::string&, const std::exception_ptr&)> on_fault;
};

/// Reports a fault by the rule of the system. Returns only if the rule does not
/// end the process. Also for a system with another type of configuration, whose
/// rule is to end the process.
void report_fault(const caf::actor_system& system, const std::string& where,
                  const std::exception_ptr& cause) noexcept;

/// Makes an exception that leaves a handler of the actor a fault of its system.
/// The first statement of every behavior of Perdura. `what` is a literal, e.g.
/// "partition"; a `number` that is not negative is appended to it. Allocates
/// nothing.
void guard_actor(caf::scheduled_actor* self, const char* what,
                 std::int64_t number = -1);

} // namespace perdura::actors
