// SPDX-License-Identifier: Apache-2.0
/// Invariants of a partition that every simulated node checks.
#pragma once

#include "actors/partition/partition_processor.hpp"
#include "tests/support/journal_model.hpp"

#include <functional>
#include <string>

namespace perdura::tests {

using violation_sink = std::function<void(std::string)>;

/// Key of an activity, for example "order-17/<execution>/3". A node runs each
/// key at most once between two crashes.
std::string key_of(const actors::activity_work_item& item);

/// Checks an activity that is about to run: the turn that scheduled it is
/// durable (the durability rule), and its result is not durable yet.
void check_activity(const model_partition& durable,
                    const actors::activity_work_item& item,
                    const violation_sink& report_violation);

/// With the planted fault `late_children`: if the message starts a
/// sub-orchestration of a terminated tree, removes its depth, so that the
/// partition does not recognise the tree.
void make_late_child(const actors::partition_processor& processor,
                     actors::inbound& message);

/// Checks a partition after all work has ended: no outbox message, no pending
/// mark, no running turn, no due turn, and no open task of an ended instance.
void check_partition_at_rest(const model_partition& durable,
                             const actors::partition_processor& processor,
                             const violation_sink& report_violation);

} // namespace perdura::tests
