// SPDX-License-Identifier: Apache-2.0
// The durability rule by types: a step cannot change the durable side. The test
// compiles this file once for each value of PERDURA_CASE: case 0 must compile,
// and each other case must be refused because it writes to a constant.
#include "actors/partition/steps.hpp"

namespace perdura::actors {

turn step_example(const durable_partition& durable, volatile_partition& live,
                  const instance_id& id) {
  const loaded_instance loaded = find(durable, live, id);
#if PERDURA_CASE == 0
  if (loaded)
    loaded.live->start_due = true; // the volatile side may be changed
#elif PERDURA_CASE == 1
  durable.meta.sequence = 1;
#elif PERDURA_CASE == 2
  loaded.durable->record.turn_due = true;
#elif PERDURA_CASE == 3
  durable.instances.erase(id);
#elif PERDURA_CASE == 4
  durable.outbox.begin()->second.kept.clear();
#elif PERDURA_CASE == 5
  durable.marks.begin()->second = 1;
#elif PERDURA_CASE == 6
  persistence::stored_instance* rows = durable.find(id);
  static_cast<void>(rows);
#endif
  static_cast<void>(loaded);
  return {};
}

} // namespace perdura::actors
