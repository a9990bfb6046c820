// SPDX-License-Identifier: Apache-2.0
/// A node without CAF: the partitions, their coroutines and their activities
/// run on the threads of a random_scheduler, with the LMDB journal, its
/// threads, the alarm clock and the clock of the machine. ThreadSanitizer
/// therefore sees every synchronisation between them.
///
///   client threads ──submit──▶ queue of a partition ──▶ partition_processor
///   committer threads, alarm clock ──▶ the same queue
///   turns and activities ──▶ queues of their own ──▶ back to the partition
#pragma once

#include "actors/authoring/registry.hpp"
#include "actors/partition/partition_processor.hpp"
#include "actors/timing/alarm_clock.hpp"
#include "persistence/journal/lmdb_journal.hpp"
#include "tests/concurrency/random_scheduler.hpp"

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace perdura::tests {

/// Sizes of the memory maps of all journals in these tests.
inline constexpr persistence::lmdb_map_sizes threaded_node_maps{
  .journal = 1U << 30U, .views = 1U << 30U};

/// Creates a hub for `threaded_node`.
void create_threaded_hub(const std::filesystem::path& directory,
                         std::uint32_t partitions, std::uint32_t lanes);

/// Thread-safe unless stated otherwise.
class threaded_node {
public:
  struct options {
    std::filesystem::path directory; ///< Contains a hub.
    std::shared_ptr<const actors::registry> functions;
    unsigned workers = 4;
    std::uint64_t seed = 1; ///< For the order in which the workers take work.
  };

  /// Opens the journal, recovers all partitions and waits until they serve.
  explicit threaded_node(options settings);

  /// Calls `stop`.
  ~threaded_node();

  threaded_node(const threaded_node&) = delete;
  threaded_node& operator=(const threaded_node&) = delete;

  /// Sends a request to the partition of its instance. `done` is called on a
  /// worker thread with the answer, or with errc::unavailable by `stop`.
  /// Requests of one thread to one instance arrive in their order.
  void submit(actors::management_request request,
              std::function<void(actors::management_answer)> done);

  /// Sends a request and blocks until it is answered.
  actors::management_answer ask(actors::management_request request);

  /// Reads the status of an instance on the calling thread, as a gateway does.
  persistence::result<std::shared_ptr<const actors::instance_status>>
  read_status(const actors::get_status& request) const;

  /// One page of the instances of all partitions.
  persistence::result<persistence::instance_page>
  query(const persistence::instance_query& query);

  persistence::result<persistence::status_counts> count();

  persistence::journal_statistics statistics() const;

  /// Blocks until no partition has a message in its outbox.
  void wait_for_empty_outboxes();

  /// The counters of all partitions, read by their own threads.
  actors::partition_counters counters();

  /// The same, read by the calling thread without synchronisation: a planted
  /// data race.
  actors::partition_counters counters_without_synchronisation() const;

  /// Ends all threads in the order in which a node does it. Requests without an
  /// answer get errc::unavailable. Idempotent; to be called by one thread.
  void stop();

private:
  class hosted_partition;

  hosted_partition& partition_of(const persistence::instance_id& id) const;
  void answer(std::uint64_t correlation, actors::management_answer answer);
  void run_activity(actors::activity_work_item item);
  void report_outbox(std::uint32_t partition, std::size_t messages);
  void report_ready();

  const options options_;
  std::unique_ptr<persistence::manual_journal> journal_;
  std::vector<persistence::partition_id> all_partitions_;
  std::unique_ptr<actors::alarm_clock> alarms_;
  std::unique_ptr<random_scheduler> scheduler_;
  std::vector<std::unique_ptr<hosted_partition>> partitions_;
  bool stopped_ = false;

  std::mutex mutex_; ///< Guards the members below.
  std::condition_variable changed_;
  std::map<std::uint64_t, std::function<void(actors::management_answer)>>
    requests_; ///< Without an answer.
  std::uint64_t last_request_ = 0;
  std::vector<std::size_t> outbox_messages_; ///< By partition.
  std::size_t ready_ = 0;                    ///< Partitions that serve.
  bool closed_ = false;                      ///< Accepts no more requests.
};

} // namespace perdura::tests
