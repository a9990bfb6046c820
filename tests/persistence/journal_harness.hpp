// SPDX-License-Identifier: Apache-2.0
/// A generator of random turns and a model of their result, with which tests
/// compare journals.
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

/// The smallest turn that creates an instance.
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

/// The expected content of a journal after a sequence of turns.
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
  /// The newest answer to each request, with its window.
  std::map<std::uint32_t,
           std::map<hash128, std::pair<request_window, request_row>>>
    answers;
  std::map<std::uint32_t, request_windows> windows;

  void add_turn(const turn_writes& turn);

  /// Compares all reads of the journal with the model, for the partitions from
  /// 0 to partition_count − 1.
  /// @return The first difference as a sentence; empty if there is none.
  std::string first_difference(journal& j, std::uint32_t partition_count) const;

  /// As `first_difference`; reports a difference with BOOST_TEST.
  void check_against(journal& j, std::uint32_t partition_count) const;

private:
  std::string difference_of_lists(journal& j,
                                  std::uint32_t partition_count) const;
  std::string difference_of_partition(journal& j, std::uint32_t p) const;
  std::string difference_of_answers(journal& j, std::uint32_t p) const;
};

/// Generates valid random turns. The same seed gives the same turns.
class turn_generator {
public:
  /// @param begin  The time of the first turn, in microseconds.
  turn_generator(std::uint64_t seed, std::uint32_t partition_count,
                 std::int64_t begin = 1'000'000)
    : random_(seed),
      answers_random_(seed + 1),
      partition_count_(partition_count),
      now_(begin) {}

  /// Returns the next turn of a random partition. `model_so_far` must contain
  /// all turns before it.
  turn_writes next(const model& model_so_far);

  /// A random number that is less than `below`.
  std::uint32_t pick(std::uint32_t below) {
    return static_cast<std::uint32_t>(random_() % below);
  }

private:
  instance_write change(const model& model_so_far, std::uint32_t partition,
                        const instance_id& id);
  history_event event();
  std::string text();
  std::optional<request_changes> answers(const model& model_so_far,
                                         std::uint32_t partition);

  std::mt19937_64 random_;
  std::mt19937_64 answers_random_; ///< Apart, so that turns stay the same.
  std::uint32_t partition_count_;
  std::int64_t now_;
};

} // namespace perdura::persistence::testing
