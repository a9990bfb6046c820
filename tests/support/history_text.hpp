// SPDX-License-Identifier: Apache-2.0
/// Writes histories and instance records as text without timestamps, so that
/// two runs can be compared and a reader sees the difference.
#pragma once

#include "persistence/records/records.hpp"

#include <string>
#include <vector>

namespace perdura::tests {

/// One event, for example "TaskScheduled 1 SayHello(\"Tokyo\") attempt 1".
std::string to_text(const persistence::history_event& event);

/// One line for each event.
std::vector<std::string>
to_text(const std::vector<persistence::history_event>& history);

/// Name, status, execution, generation and the other fields of a record that
/// hold no timestamp.
std::string to_text(const persistence::instance_record& record);

} // namespace perdura::tests
