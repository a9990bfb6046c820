// SPDX-License-Identifier: Apache-2.0
#include "client/load/typical_turn.hpp"

namespace perdura::client {

using namespace persistence;

namespace {

// Every turn adds this number of history events; see events_of.
constexpr std::uint32_t events_per_turn = 4;
const std::string cities[] = {"\"Tokyo\"", "\"Seattle\"", "\"London\""};

/// The result of activity number 1, 2 or 3 as a JSON string.
std::string hello_to(task_sequence activity) {
  std::string answer = cities[activity - 1];
  answer.insert(1, "Hello ");
  answer.insert(answer.size() - 1, "!");
  return answer;
}

/// The history events of one turn; `stage` counts the turns of the instance
/// from 0. The first turn begins with execution_started; every turn contains
/// one orchestrator_started and ends with orchestrator_completed.
std::vector<history_body> events_of(std::uint32_t stage,
                                    const instance_record& record) {
  std::vector<history_body> all;
  if (stage == 0)
    all.emplace_back(
      execution_started{.name = record.name, .execution = record.execution});
  all.emplace_back(orchestrator_started{});
  if (stage > 0)
    all.emplace_back(task_completed{stage, hello_to(stage)});
  if (stage + 1 < typical_turns_per_instance)
    all.emplace_back(task_scheduled{
      .sequence = stage + 1, .name = "SayHello", .input = cities[stage]});
  else
    all.emplace_back(execution_completed{.result = '[' + hello_to(1) + ','
                                                   + hello_to(2) + ','
                                                   + hello_to(3) + ']'});
  all.emplace_back(orchestrator_completed{});
  return all;
}

} // namespace

turn_writes typical_turn(const std::string& prefix, partition_id partition,
                         partition_sequence sequence, timestamp now) {
  const std::uint64_t number = (sequence - 1) / typical_turns_per_instance;
  const auto stage
    = static_cast<std::uint32_t>((sequence - 1) % typical_turns_per_instance);
  const bool is_last = stage + 1 == typical_turns_per_instance;
  turn_writes turn;
  turn.partition = partition;
  turn.epoch = 1;
  turn.sequence = sequence;
  turn.now = now;
  instance_write& write = turn.instances.emplace_back();
  write.id = prefix + std::to_string(index_of(partition)) + '-'
             + std::to_string(number);
  instance_record& record = write.record.emplace();
  record.name = "HelloSequence";
  record.execution = "0123456789abcdef0123456789abcdef";
  record.status = is_last ? runtime_status::completed : runtime_status::running;
  record.created_at = now;
  record.last_updated_at = now;
  record.ended_at = is_last ? now : timestamp{};
  record.history_count = (stage + 1) * events_per_turn;
  record.output_event = is_last ? record.history_count - 2 : 0;
  record.next_sequence = stage + 2;
  write.history_first = stage * events_per_turn;
  for (history_body& each : events_of(stage, record))
    write.history.push_back({now, std::move(each)});
  if (stage > 0)
    write.tasks_closed.push_back({.sequence = stage});
  if (!is_last)
    write.tasks_opened.push_back(
      {stage + 1,
       {.name = "SayHello", .scheduled_event = write.history_first + 2}});
  return turn;
}

} // namespace perdura::client
