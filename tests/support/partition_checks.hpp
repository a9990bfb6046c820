/// What must be true of a partition whoever drives it: one node by hand, or
/// many in a simulation.
#pragma once

#include "actors/partition/partition_state.hpp"
#include "tests/support/ledger.hpp"

#include <functional>
#include <string>

namespace perdura::tests {

using complaint_sink = std::function<void(std::string)>;

/// E.g. "order-17/<execution>/3": what a life runs once.
std::string key_of(const actors::activity_work_item& item);

/// P4 and the one law: the activity's cause is durable, its result is not.
void check_activity(const ledger_partition& durable,
                    const actors::activity_work_item& item,
                    const complaint_sink& complain);

/// I11: nothing is owed, nothing is under way.
void check_partition_at_rest(const ledger_partition& durable,
                             const actors::partition_state& state,
                             const complaint_sink& complain);

} // namespace perdura::tests
