#include "real/cluster_oracle.hpp"

#include <algorithm>
#include <chrono>
#include <fstream>

namespace perdura::tests {

using namespace persistence;

namespace {

std::string key_of(const std::string& line) {
  return line.substr(0, line.rfind('#'));
}

template <class Event>
bool holds(const std::vector<history_event>& history) {
  return std::any_of(history.begin(), history.end(), [](const auto& each) {
    return std::holds_alternative<Event>(each.body);
  });
}

bool schedules(const history_body& body) {
  return std::holds_alternative<task_scheduled>(body)
         || std::holds_alternative<timer_created>(body)
         || std::holds_alternative<sub_orchestration_instance_created>(body);
}

/// Of each activity, over its attempts.
std::map<std::string, int> lines_by_key(const witness_counts& witness) {
  std::map<std::string, int> all;
  for (const auto& [line, count] : witness)
    all[key_of(line)] += count;
  return all;
}

} // namespace

witness_counts read_witness(const std::filesystem::path& file) {
  witness_counts counts;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);)
    ++counts[line];
  return counts;
}

void node_oracle::look(const disk_reading& now, const witness_counts& witness,
                       bool at_rest) {
  look_at_partitions(now);
  for (const auto& [id, one] : now.instances)
    look_at_instance(id, one);
  for (const auto& [id, one] : before_.instances)
    if (!now.instances.contains(id))
      complain(id + " is gone");
  look_at_witness(now, witness);
  if (at_rest)
    look_at_rest(now, witness);
  before_ = now;
}

// I5, as the head of each partition shows it.
void node_oracle::look_at_partitions(const disk_reading& now) {
  for (const auto& [partition, old] : before_.partitions) {
    const auto found = now.partitions.find(partition);
    const std::string name = "partition " + std::to_string(index_of(partition));
    if (found == now.partitions.end())
      complain(name + " is gone");
    else if (found->second.incarnation != old.incarnation)
      complain(name + " was made anew");
    else if (found->second.epoch < old.epoch)
      complain(name + " has an older epoch than before");
    else if (found->second.sequence < old.sequence)
      complain(name + " has lost turns");
  }
}

void node_oracle::look_at_instance(const std::string& id,
                                   const instance_on_disk& now) {
  const auto found = before_.instances.find(id);
  if (found != before_.instances.end()
      && !holds<execution_rewound>(now.history)) {
    const instance_on_disk& old = found->second;
    // I4
    if (old.record.execution == now.record.execution
        && (old.history.size() > now.history.size()
            || !std::equal(old.history.begin(), old.history.end(),
                           now.history.begin())))
      complain("the history of " + id + " is not the earlier one with more");
    // I1
    if (is_finished(old.record.status)
        && (old.record.status != now.record.status || old.output != now.output))
      complain(id + " had ended, and has another end now");
  }
  bool is_terminated = false;
  for (const history_event& event : now.history) {
    // I7
    if (const auto* fired = std::get_if<timer_fired>(&event.body))
      if (event.time < fired->fire_at)
        complain("a timer of " + id + " fired early");
    // I8
    if (is_terminated && schedules(event.body))
      complain(id + " was terminated, and scheduled more");
    is_terminated = is_terminated
                    || std::holds_alternative<execution_terminated>(event.body);
  }
  if (now.record.name == "Sleep" && is_finished(now.record.status)
      && now.record.ended_at - now.record.created_at
           < std::chrono::milliseconds(std::stol(now.input)))
    complain(id + " has slept less than " + now.input + " ms");
}

// I6: what was journaled has run, and never runs again.
void node_oracle::look_at_witness(const disk_reading& now,
                                  const witness_counts& witness) {
  const auto lines = lines_by_key(witness);
  for (const auto& [key, count] : done_)
    if (const auto found = lines.find(key);
        found == lines.end() || found->second != count)
      complain("the result of " + key + " was journaled, and it ran again");
  for (const std::string& key : now.results) {
    const auto found = lines.find(key);
    if (found == lines.end())
      complain(key + " has a result, and nobody has seen it run");
    else
      done_[key] = found->second;
  }
  for (const auto& [line, count] : witness)
    if (!done_.contains(key_of(line)))
      ++repeats_allowed_[line];
}

void node_oracle::look_at_rest(const disk_reading& now,
                               const witness_counts& witness) {
  // I11
  if (now.outbox_messages != 0)
    complain("messages have stayed in the outbox");
  if (now.turns_due != 0 || now.activities_open != 0)
    complain("work is under way at rest");
  // I1
  for (const auto& [id, one] : now.instances)
    if (!is_finished(one.record.status))
      complain(id + " has not ended");
  // I6
  for (const auto& [line, count] : witness) {
    const auto found = repeats_allowed_.find(line);
    const int allowed = found == repeats_allowed_.end() ? 0 : found->second;
    if (count > 1 + allowed)
      complain(line + " ran " + std::to_string(count)
               + " times; only ends of the node explain "
               + std::to_string(allowed) + " repeats");
  }
}

void node_oracle::complain(std::string sentence) {
  complaints_.push_back(std::move(sentence));
}

} // namespace perdura::tests
