/// A world of random turns and what must come of them: the model that the
/// journals are compared with.
#pragma once

#include "persistence/journal/manual_journal.hpp"

#include <map>
#include <random>
#include <string>
#include <vector>

namespace perdura::persistence::testing {

inline timestamp at(std::int64_t microseconds) {
  return timestamp(duration(microseconds));
}

/// A turn that starts `id`: the smallest one that makes an instance.
inline turn_writes start_turn(partition_id partition,
                              partition_sequence sequence,
                              const instance_id& id, std::int64_t now = 1000) {
  turn_writes turn;
  turn.partition = partition;
  turn.epoch = 1;
  turn.sequence = sequence;
  turn.now = at(now);
  instance_write write;
  write.id = id;
  instance_record record;
  record.name = "ship";
  record.execution = "0123456789abcdef0123456789abcdef";
  record.status = runtime_status::running;
  record.created_at = record.last_updated_at = at(now);
  record.history_count = 2;
  write.record = record;
  write.history.push_back({at(now), orchestrator_started{}});
  execution_started started;
  started.name = "ship";
  started.input = "{\"order\": 17}";
  started.execution = record.execution;
  write.history.push_back({at(now), started});
  turn.instances.push_back(std::move(write));
  return turn;
}

/// Everything that should be remembered, folded one turn at a time.
struct model {
  struct instance {
    std::optional<stored_instance> state;
    std::vector<history_event> history;
  };

  std::map<std::pair<std::uint32_t, instance_id>, instance> instances;
  std::map<std::uint32_t, partition_meta> metas;
  std::map<std::uint32_t,
           std::map<std::pair<std::uint32_t, std::uint64_t>, outbox_message>>
    outbox;
  std::map<std::uint32_t, std::map<std::uint32_t, std::uint64_t>> heads;
  std::map<std::uint32_t, std::map<std::uint32_t, std::uint64_t>> marks;

  void take(const turn_writes& turn);

  /// Compares everything a journal answers for these partitions with the
  /// model; BOOST_TESTs.
  void compare_with(journal& j, std::uint32_t partition_count) const;
};

/// Makes valid turns from a seed, looking at a model of what is queued.
class turn_maker {
public:
  turn_maker(std::uint64_t seed, std::uint32_t partition_count)
    : random_(seed), partition_count_(partition_count) {}

  /// The next turn of some partition; `so_far` holds all turns before it.
  turn_writes next(const model& so_far);

  std::uint32_t pick(std::uint32_t below) {
    return static_cast<std::uint32_t>(random_() % below);
  }

private:
  instance_write change(const model& so_far, std::uint32_t partition,
                        const instance_id& id);
  history_event event();
  std::string text();

  std::mt19937_64 random_;
  std::uint32_t partition_count_;
  std::int64_t now_ = 1'000'000;
};

} // namespace perdura::persistence::testing
