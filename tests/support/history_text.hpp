/// Histories and heads as text without times, so that two runs compare, and a
/// difference can be read.
#pragma once

#include "persistence/records/records.hpp"

#include <string>
#include <vector>

namespace perdura::tests {

/// E.g. "TaskScheduled 1 SayHello(\"Tokyo\") attempt 1".
std::string to_text(const persistence::history_event& event);

std::vector<std::string>
to_text(const std::vector<persistence::history_event>& history);

/// What the head says, without times.
std::string to_text(const persistence::instance_record& record);

} // namespace perdura::tests
