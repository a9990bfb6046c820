// SPDX-License-Identifier: Apache-2.0
#include "cluster/node/readiness.hpp"

#include "cluster/routing/router_config.hpp"

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
    all.push_back({"waiting_for_admission", new_directory_sentence});
  if (facts.is_disk_full)
    all.push_back(
      {"disk_full",
       "The node is read-only: its disk is full, or "
       "limits.storage_bytes_max is reached. New instances and events are "
       "refused. Free space on the disk, or purge instances."});
  if (facts.sync_time > sync_time_max)
    all.push_back(
      {"sync_stalled",
       "A write to the disk has not ended for "
         + std::to_string(
           std::chrono::duration_cast<std::chrono::seconds>(facts.sync_time)
             .count())
         + " seconds. Requests that change an instance wait for it. Check the "
           "disk."});
  if (facts.has_no_thread)
    all.push_back({"no_thread",
                   "Orchestrators that never await occupy all threads. "
                   "`perdura list --stuck` names their instances; terminate "
                   "them."});
  return all;
}

} // namespace perdura::cluster
