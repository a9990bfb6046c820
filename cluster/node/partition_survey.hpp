// SPDX-License-Identifier: Apache-2.0
/// Collects figures and stuck instances from all partitions of a node, and
/// waits for them. Each
/// function asks all partitions at once and blocks for at most two seconds;
/// none may be called on a scheduler thread.
#pragma once

#include "actors/interface/messages.hpp"
#include "cluster/node/node.hpp"
#include "cluster/transport/node_report.hpp"
#include "persistence/journal/journal_statistics.hpp"

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace perdura::cluster {

/// Waits until each partition has processed the messages that were sent to it
/// before the call.
void finish_batches(const std::vector<actors::partition_actor>& partitions);

/// The instances that cannot continue: the ID of each, and a sentence with the
/// reason. Partitions that do not answer in time have no thread to run on;
/// their number is reported in an entry with an empty ID.
std::vector<std::pair<std::string, std::string>>
survey_stuck(const std::vector<actors::partition_actor>& partitions);

/// The newest figures of each partition, in the order of a list of partitions.
struct known_figures {
  std::mutex mutex; ///< Guards `of`.
  std::vector<actors::partition_figures> of;
};

/// The sum of the figures of all partitions. Those that do not answer in time
/// are included as they answered last, so that no counter falls; while a write
/// to the disk hangs, the time is short. Updates `known`.
actors::partition_figures
survey_figures(const std::vector<actors::partition_actor>& partitions,
               const std::shared_ptr<known_figures>& known);

/// The paused orchestrators in the figures of all partitions, by name.
std::vector<paused_name>
paused_in(const std::vector<persistence::name_pause>& pauses);

/// Combines the figures of the partitions and of the journal.
node_statistics statistics_of(const actors::partition_figures& figures,
                              const persistence::journal_statistics& disk);

} // namespace perdura::cluster
