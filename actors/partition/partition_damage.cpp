// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/partition_damage.hpp"

namespace perdura::actors {

using namespace persistence;

bool partition_damage::note(const instance_id& id, extent what,
                            const std::string& error) {
  const auto known = instances_.find(id);
  if (known != instances_.end()) {
    if (what == extent::set_aside)
      known->second = {what, error};
    return false;
  }
  // The instances that are set aside are bounded by the rows that a flush has
  // read; all of them must be known.
  if (instances_.size() >= damaged_instances_max && what != extent::set_aside)
    return false;
  instances_.emplace(id, noted{what, error});
  return true;
}

void partition_damage::note_sound(const instance_id& id, extent what) {
  const auto known = instances_.find(id);
  if (known != instances_.end() && known->second.what == what)
    instances_.erase(known);
}

const std::string* partition_damage::set_aside(const instance_id& id) const {
  const auto known = instances_.find(id);
  return known != instances_.end() && known->second.what == extent::set_aside
           ? &known->second.error
           : nullptr;
}

void partition_damage::note_row(const std::string& sentence) {
  if (rows_.size() < damaged_instances_max)
    rows_.push_back(sentence);
}

std::vector<std::pair<instance_id, std::string>>
partition_damage::list() const {
  std::vector<std::pair<instance_id, std::string>> found;
  for (const auto& [id, each] : instances_)
    found.emplace_back(id, each.error);
  for (const std::string& sentence : rows_)
    found.emplace_back("", sentence);
  return found;
}

} // namespace perdura::actors
