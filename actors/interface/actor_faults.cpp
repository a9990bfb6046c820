// SPDX-License-Identifier: Apache-2.0
#include "actors/interface/actor_faults.hpp"

#include "persistence/process/process_end.hpp"

#include <caf/actor_system.hpp>
#include <caf/sec.hpp>

namespace perdura::actors {

void report_fault(const caf::actor_system& system, const std::string& where,
                  const std::exception_ptr& cause) noexcept {
  const auto* config
    = dynamic_cast<const guarded_system_config*>(&system.config());
  if (config != nullptr && config->on_fault)
    config->on_fault(where, cause);
  else
    persistence::end_after_fault(where, cause);
}

// The two values fit into the small buffer of std::function, so instance actors
// cost no allocation.
void guard_actor(caf::scheduled_actor* self, const char* what,
                 std::int64_t number) {
  struct handler {
    const char* what;
    std::int64_t number;

    caf::error operator()(caf::scheduled_actor* failed,
                          std::exception_ptr& cause) const {
      std::string where;
      try {
        where = what;
        if (number >= 0)
          where += ' ' + std::to_string(number);
      } catch (...) {
        where.clear(); // without memory for the name
      }
      report_fault(failed->system(), where, cause);
      return caf::sec::runtime_error; // the actor ends
    }
  };

  self->set_exception_handler(
    caf::scheduled_actor::exception_handler(handler{what, number}));
}

} // namespace perdura::actors
