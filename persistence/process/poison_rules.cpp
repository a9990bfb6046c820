// SPDX-License-Identifier: Apache-2.0
#include "persistence/process/poison_rules.hpp"

#include <algorithm>
#include <map>

namespace perdura::persistence {

namespace {

/// The work whose running counts at this end.
std::vector<const work_left*> counted_at(const process_end_notes& end) {
  std::vector<const work_left*> counted;
  for (const work_left& left : end.running)
    if (left.marked)
      counted.push_back(&left);
  // A mark names the cause, so the others are bystanders.
  if (!counted.empty() || end.clean || !end.same_boot)
    return counted;
  for (const work_left& left : end.running)
    if (left.ran <= suspected_run_max)
      counted.push_back(&left);
  return counted;
}

} // namespace

std::vector<work_suspect>
suspects_after(const std::vector<work_suspect>& before,
               const process_end_notes& end) {
  std::map<work_id, work_suspect> known;
  // Work that waited for its turn to run alone has not been acquitted.
  const bool nothing_died = end.clean || !end.same_boot;
  for (const work_suspect& each : before)
    if (each.held || each.deaths >= deaths_alone || nothing_died)
      known[each.work] = each;
  for (const work_left* left : counted_at(end)) {
    const auto old
      = std::find_if(before.begin(), before.end(),
                     [&](const auto& each) { return each.work == left->work; });
    work_suspect& now = known[left->work];
    now.work = left->work;
    now.deaths = (old == before.end() ? 0 : old->deaths) + 1;
    now.held = now.held || now.deaths >= deaths_held;
  }
  // A turn that did not return would occupy a thread again.
  for (const work_left& left : end.running)
    if (left.hung) {
      work_suspect& now = known[left.work];
      now.work = left.work;
      now.deaths = std::max(now.deaths, 1U);
      now.held = now.hung = true;
    }
  std::vector<work_suspect> all;
  all.reserve(known.size());
  for (auto& [work, suspect] : known)
    all.push_back(std::move(suspect));
  std::stable_sort(all.begin(), all.end(),
                   [](const work_suspect& one, const work_suspect& other) {
                     return std::pair(one.held, one.deaths)
                            > std::pair(other.held, other.deaths);
                   });
  if (all.size() > work_notes::suspects_max)
    all.resize(work_notes::suspects_max);
  return all;
}

std::string held_sentence(const work_suspect& suspect) {
  const std::string what = suspect.work.kind == work_kind::activity
                             ? "activity \"" + suspect.work.name + '"'
                             : "the orchestrator";
  const std::string release = " The instance is held; after the cause is "
                              "removed, run `perdura release "
                              + suspect.work.instance + "`, or terminate it.";
  if (suspect.hung)
    return what
           + " did not return to the node until the process ended, and would "
             "occupy a thread again."
           + release;
  return what + " was running at " + std::to_string(suspect.deaths)
         + " successive ends of the process." + release;
}

} // namespace perdura::persistence
