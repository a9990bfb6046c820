// SPDX-License-Identifier: Apache-2.0
#include "actors/activities/activity_load.hpp"

#include <algorithm>
#include <map>
#include <tuple>

namespace perdura::actors {

namespace {

void add(activity_load& to, const activity_load& more) {
  to.running += more.running;
  to.given_up += more.given_up;
  to.queued += more.queued;
  if (more.oldest > to.oldest || to.oldest_instance.empty()) {
    to.oldest = std::max(to.oldest, more.oldest);
    to.oldest_instance = more.oldest_instance;
  }
}

std::string seconds_of(std::chrono::steady_clock::duration time) {
  return std::to_string(
    std::chrono::duration_cast<std::chrono::seconds>(time).count());
}

} // namespace

std::vector<activity_load> loads_of(const activity_facts& facts) {
  std::map<std::string, activity_load> by_name;
  for (const activity_run& run : facts.runs)
    add(by_name[run.name],
        {run.name, 1, run.given_up ? 1U : 0U, 0, run.lasted, run.instance});
  for (const auto& [name, count] : facts.queued)
    by_name[name].queued += count;
  std::vector<activity_load> loads;
  loads.reserve(by_name.size());
  for (auto& [name, load] : by_name) {
    load.name = name;
    loads.push_back(std::move(load));
  }
  std::stable_sort(loads.begin(), loads.end(),
                   [](const activity_load& one, const activity_load& other) {
                     return std::tuple(one.oldest, one.queued)
                            > std::tuple(other.oldest, other.queued);
                   });
  if (loads.size() > activity_names_max) {
    activity_load others{"other", 0, 0, 0, {}, {}};
    for (std::size_t i = activity_names_max - 1; i < loads.size(); ++i)
      add(others, loads[i]);
    loads.resize(activity_names_max - 1);
    loads.push_back(std::move(others));
  }
  return loads;
}

bool is_blocked(const activity_facts& facts) {
  return facts.is_full && facts.idle > activity_stuck_time;
}

std::vector<std::pair<std::string, std::string>>
stuck_activities(const activity_facts& facts) {
  std::vector<std::pair<std::string, std::string>> found;
  const bool blocked = is_blocked(facts);
  for (const activity_load& load : loads_of(facts)) {
    if (load.running == 0 || (load.given_up == 0 && !blocked))
      continue;
    std::string sentence
      = "activity \"" + load.name + "\": " + std::to_string(load.running)
        + " running, " + std::to_string(load.queued)
        + " queued, the oldest for " + seconds_of(load.oldest) + " s";
    if (load.given_up > 0)
      sentence += "; " + std::to_string(load.given_up)
                  + " have exceeded their time-out and still occupy a thread";
    if (blocked)
      sentence += "; no thread is free for the queued activities";
    found.emplace_back(load.oldest_instance, std::move(sentence));
  }
  return found;
}

} // namespace perdura::actors
