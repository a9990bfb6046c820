// SPDX-License-Identifier: Apache-2.0
#include "cluster/node/readiness.hpp"

#include "cluster/routing/router_config.hpp"
#include "persistence/process/stall_watch.hpp"
#include <perdura/actors/activities/activity_load.hpp>

namespace perdura::cluster {

std::vector<unready_reason> reasons_of(const readiness_facts& facts) {
  std::vector<unready_reason> all;
  if (facts.is_stopping) {
    all.push_back({"stopping", stopping_sentence});
    return all;
  }
  if (!facts.is_serving)
    all.push_back({"recovering", "The node recovers its partitions; it serves "
                                 "when all have recovered."});
  if (!facts.is_admitted)
    all.push_back({"waiting_for_admission", facts.why_not_admitted});
  if (facts.agreeing_partitions > 0)
    all.push_back(
      {"adopting",
       "The data directory was adopted, and "
         + std::to_string(facts.agreeing_partitions)
         + " partitions of this node have not agreed on the numbers of "
           "messages with all partitions of the other nodes yet. Changes of "
           "their instances are refused. Start all nodes of the cluster."});
  if (facts.storage.full != persistence::full_cause::none)
    all.push_back(
      {"disk_full", std::string("The node is read-only: ")
                      + (facts.storage.full == persistence::full_cause::disk
                           ? "disk full"
                           : "storage limit reached")
                      + ". New instances and events are refused. "
                      + full_sentence(facts.storage)});
  if (!facts.damaged_partitions.empty())
    all.push_back({"partition_damaged",
                   std::to_string(facts.damaged_partitions.size())
                     + " partitions of this node are not served; the others "
                       "are. The first one: "
                     + facts.damaged_partitions.front() + "."});
  if (facts.sync_time > facts.sync_time_max)
    all.push_back(
      {"sync_stalled", persistence::stalled_sentence(facts.sync_time)});
  if (facts.has_no_thread)
    all.push_back({"no_thread",
                   "Orchestrators that never await occupy all threads. "
                   "`perdura list --stuck` names their instances; terminate "
                   "them."});
  if (facts.are_activities_blocked)
    all.push_back(
      {"no_activity_thread",
       "Activities occupy all threads (limits.activities_max), others are "
       "queued, and none has begun or ended for "
         + std::to_string(actors::activity_stuck_time.count())
         + " seconds. `perdura list --stuck` names them. Give them time-outs: "
           "a run whose time-out has passed gives its place to another one."});
  return all;
}

} // namespace perdura::cluster
