/// Asks all partitions of a node at once how they are, and waits for them.
#pragma once

#include "actors/interface/messages.hpp"
#include "cluster/node/node.hpp"
#include "persistence/journal/journal.hpp"

#include <string>
#include <utility>
#include <vector>

namespace perdura::cluster {

/// Instances that cannot go on. A partition that does not answer within two
/// seconds has no thread to run on, and is named.
std::vector<std::pair<std::string, std::string>>
survey_stuck(const std::vector<actors::partition_actor>& partitions);

/// Added up; what does not answer within two seconds is left out.
actors::partition_figures
survey_figures(const std::vector<actors::partition_actor>& partitions);

node_statistics statistics_of(const actors::partition_figures& figures,
                              const persistence::journal_statistics& disk);

} // namespace perdura::cluster
