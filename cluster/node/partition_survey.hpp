// SPDX-License-Identifier: Apache-2.0
/// Collects figures and stuck instances from all partitions of a node. Each
/// function asks all partitions at once and blocks for at most two seconds;
/// none may be called on a scheduler thread.
#pragma once

#include "actors/interface/messages.hpp"
#include "cluster/node/node.hpp"
#include "persistence/journal/journal_statistics.hpp"

#include <string>
#include <utility>
#include <vector>

namespace perdura::cluster {

/// The instances that cannot continue: the ID of each, and a sentence with the
/// reason. Partitions that do not answer in time have no thread to run on;
/// their number is reported in an entry with an empty ID.
std::vector<std::pair<std::string, std::string>>
survey_stuck(const std::vector<actors::partition_actor>& partitions);

/// The sum of the figures of all partitions that answered in time.
actors::partition_figures
survey_figures(const std::vector<actors::partition_actor>& partitions);

/// Combines the figures of the partitions and of the journal.
node_statistics statistics_of(const actors::partition_figures& figures,
                              const persistence::journal_statistics& disk);

} // namespace perdura::cluster
