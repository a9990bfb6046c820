// SPDX-License-Identifier: Apache-2.0
#include "real/node_checker.hpp"

#include <algorithm>
#include <chrono>
#include <fstream>

namespace perdura::tests {

using namespace persistence;

namespace {

/// The part of a witness line before the number of the attempt.
std::string key_of(const std::string& line) {
  return line.substr(0, line.rfind('#'));
}

template <class Event>
bool holds(const std::vector<history_event>& history) {
  return std::any_of(history.begin(), history.end(), [](const auto& each) {
    return std::holds_alternative<Event>(each.body);
  });
}

/// Whether the event schedules an activity, a timer or a sub-orchestration.
bool schedules(const history_body& body) {
  return std::holds_alternative<task_scheduled>(body)
         || std::holds_alternative<timer_created>(body)
         || std::holds_alternative<sub_orchestration_instance_created>(body);
}

/// The number of runs of each activity, over all attempts.
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

void node_checker::check(const disk_reading& now, const witness_counts& witness,
                         bool at_rest) {
  check_partitions(now);
  for (const auto& [id, one] : now.instances)
    check_instance(id, one);
  for (const auto& [id, one] : before_.instances)
    if (!now.instances.contains(id))
      add_violation(id + " is missing");
  check_witness(now, witness);
  if (at_rest)
    check_at_rest(now, witness);
  before_ = now;
}

// Checks invariant I5 with the stored incarnation, epoch and sequence of each
// partition.
void node_checker::check_partitions(const disk_reading& now) {
  for (const auto& [partition, old] : before_.partitions) {
    const auto found = now.partitions.find(partition);
    const std::string name = "partition " + std::to_string(index_of(partition));
    if (found == now.partitions.end())
      add_violation(name + " is missing");
    else if (found->second.incarnation != old.incarnation)
      add_violation(name + " has a new incarnation");
    else if (found->second.epoch < old.epoch)
      add_violation(name + " has an older epoch than before");
    else if (found->second.sequence < old.sequence)
      add_violation(name + " has lost turns");
  }
}

void node_checker::check_instance(const std::string& id,
                                  const instance_on_disk& now) {
  const auto found = before_.instances.find(id);
  if (found != before_.instances.end()
      && !holds<execution_rewound>(now.history)) {
    const instance_on_disk& old = found->second;
    // Invariant I4: the history begins with the earlier events.
    if (old.record.execution == now.record.execution
        && (old.history.size() > now.history.size()
            || !std::equal(old.history.begin(), old.history.end(),
                           now.history.begin())))
      add_violation("the history of " + id
                    + " does not begin with its earlier events");
    // Invariant I1: a final status does not change.
    if (is_finished(old.record.status)
        && (old.record.status != now.record.status || old.output != now.output))
      add_violation(id + " had ended, and its end has changed");
  }
  bool is_terminated = false;
  for (const history_event& event : now.history) {
    // Invariant I7: no timer fires early.
    if (const auto* fired = std::get_if<timer_fired>(&event.body))
      if (event.time < fired->fire_at)
        add_violation("a timer of " + id + " fired early");
    // Invariant I8: a terminated instance schedules nothing.
    if (is_terminated && schedules(event.body))
      add_violation(id + " scheduled work after it was terminated");
    is_terminated = is_terminated
                    || std::holds_alternative<execution_terminated>(event.body);
  }
  // The sample Sleep must last at least as long as its input says.
  if (now.record.name == "Sleep" && is_finished(now.record.status)
      && now.record.ended_at - now.record.created_at
           < std::chrono::milliseconds(std::stol(now.input)))
    add_violation(id + " has slept less than " + now.input + " ms");
}

// Invariant I6: an activity whose result is journaled has run, and it does not
// run again.
void node_checker::check_witness(const disk_reading& now,
                                 const witness_counts& witness) {
  const auto lines = lines_by_key(witness);
  for (const auto& [key, count] : done_)
    if (const auto found = lines.find(key);
        found == lines.end() || found->second != count)
      add_violation(key + " ran again after its result was journaled");
  for (const std::string& key : now.results) {
    const auto found = lines.find(key);
    if (found == lines.end())
      add_violation(key + " has a result, but no run of it was recorded");
    else
      done_[key] = found->second;
  }
  for (const auto& [line, count] : witness)
    if (!done_.contains(key_of(line)))
      ++repeats_allowed_[line];
}

void node_checker::check_at_rest(const disk_reading& now,
                                 const witness_counts& witness) {
  // Invariant I11: no message waits in an outbox.
  if (now.outbox_messages != 0)
    add_violation("messages are left in the outbox");
  if (now.turns_due != 0 || now.activities_open != 0)
    add_violation("turns or activities are left after all instances ended");
  // Invariant I1: every instance has a final status.
  for (const auto& [id, one] : now.instances)
    if (!is_finished(one.record.status))
      add_violation(id + " has not ended");
  // Invariant I6: an activity runs again only if the node ended before the
  // activity had a result.
  for (const auto& [line, count] : witness) {
    const auto found = repeats_allowed_.find(line);
    const int allowed = found == repeats_allowed_.end() ? 0 : found->second;
    if (count > 1 + allowed)
      add_violation(line + " ran " + std::to_string(count)
                    + " times; ends of the node explain only "
                    + std::to_string(allowed) + " repeats");
  }
}

void node_checker::add_violation(std::string sentence) {
  violations_.push_back(std::move(sentence));
}

} // namespace perdura::tests
