// SPDX-License-Identifier: Apache-2.0
/// One node of a simulated cluster: a checked journal in memory, the
/// partitions that it owns, and its router. Everything the node does is an
/// event of the simulator. A crash loses everything but the durable turns.
///
///   clients ──▶ router ──▶ mailbox ──▶ partition ──▶ turns, activities
///      ▲         │ ▲                       │
///      └─────────┘ └── network             └──▶ journal ──commit──▶ on_durable
#pragma once

#include "tests/support/deterministic_node.hpp"
#include "tests/support/simulated_process.hpp"

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace perdura::tests {

/// Bugs that a test switches on, to prove that the checks detect them.
struct cluster_faults {
  planted_faults journal;
  bool no_deduplication = false; ///< Repeated messages are accepted.
  bool wrong_partitions = false; ///< Node 0 uses another partition map.
  bool dirty_reads = false;      ///< A status is read before it is durable.
  bool repeated_starts = false;  ///< A repeated start_or_raise is executed.
};

struct simulated_node_options {
  unsigned number = 0;
  cluster::placement owners;
  std::uint32_t lanes = 1;
  std::size_t idle_instances_max = 128;
  std::uint64_t outbox_messages_max = 10'000;
  std::shared_ptr<const registry> functions;
  cluster_faults faults;
};

class simulated_node : public simulated_process {
public:
  simulated_node(simulated_node_options options, simulator& simulation,
                 simulated_network& network, response_sink& responses);
  ~simulated_node() override;

  // --- Start and crash ------------------------------------------------------

  void start() override;
  void crash() override;

  /// The node crashes when it reaches this commit point for the n-th time from
  /// now.
  void crash_at(crash_point point, unsigned n);

  /// The node crashes up to this many times while it recovers.
  void crash_in_recovery(unsigned times) {
    recovery_crashes_ = times;
  }

  /// Cancels the crashes that are planned.
  void cancel_crashes() {
    crash_at_.reset();
    recovery_crashes_ = 0;
  }

  /// Sets the wall clock of the node forward, or back if `by` is negative. As
  /// the alarm clock of a node does, wakes the partitions.
  void shift_clock(duration by);

  /// The next start of the node is on another boot of its machine.
  void reboot();

  // --- The data directory ---------------------------------------------------

  /// A copy of the durable storage, and of what the model knows about it.
  struct saved_directory {
    std::shared_ptr<persistence::memory_disk> disk;
    journal_model model;
  };

  /// Copies the storage of a node that does not run.
  saved_directory save() const;

  /// Replaces the storage of a node that does not run by a copy.
  void restore(const saved_directory& saved);

  /// Replaces the storage of a node that does not run by an empty one.
  void make_anew();

  /// Adopts the storage of a node that does not run, as `perdura hub adopt`.
  void adopt();

  /// Whether all its partitions have recovered.
  bool serves() const {
    return running_ && serves_;
  }

  // --- State ----------------------------------------------------------------

  /// Wall clock of the node.
  timestamp wall() const;

  const std::vector<partition_id>& owned_partitions() const {
    return owned_partitions_;
  }

  const journal_model& model() const {
    return model_;
  }

  checking_journal& journal() {
    return *journal_;
  }

  /// Checks that no request, message or turn is left, that counts agree with
  /// the stored instances, and that all reads agree with the model.
  void check_at_rest();

private:
  class host_adapter;

  struct machine_clock : persistence::clock {
    explicit machine_clock(const simulated_node& of) : node(of) {}

    timestamp now() const override;
    persistence::boot_time since_boot() const override;
    const std::string& boot_id() const override;
    const simulated_node& node;
  };

  /// A message to a partition, or a notice that the owner of the partitions in
  /// `returned` is connected again.
  struct mailbox_entry {
    std::optional<inbound> message;
    std::vector<partition_id> returned;
  };

  struct warm_run {
    std::shared_ptr<orchestration_run> run;
    /// Time of the last scheduled turn; the next turn does not run earlier.
    steady_time last{};
  };

  struct hosted_partition {
    std::unique_ptr<host_adapter> host;
    std::unique_ptr<partition_processor> processor;
    std::map<instance_id, warm_run> runs;
    std::deque<mailbox_entry> mailbox;
    journal_position reached = 0;  ///< Durable position of the journal.
    journal_position reported = 0; ///< Position reported to the partition.
    std::optional<actors::wake_time> wakes_at;
    bool is_ready = false;
    bool batch_scheduled = false;
    bool report_scheduled = false;
  };

  persistence::hub_identity identity() const;
  bool has_crashed() const override;
  cluster::router_config router_config() override;
  bool crashes(crash_point point);
  bool recover();
  hosted_partition* find_partition(partition_id id) const;
  partition_config config_of(partition_id id);

  // Partitions.
  void enqueue(partition_id to, mailbox_entry what);
  void schedule_batch(partition_id id, hosted_partition& at);
  void process_batch(partition_id id, hosted_partition& at);
  void after_batch(partition_id id, hosted_partition& at);
  void schedule_wake(partition_id id, hosted_partition& at);
  void wake(partition_id id, hosted_partition& at);
  void schedule_commit();
  void commit();
  void schedule_flush();
  void report_durable(partition_id id, hosted_partition& at);
  void run_turn(partition_id id, orchestration_work_item item);
  void run_activity(activity_work_item item);
  bool apply_planted_fault(partition_id to, inbound& message,
                           hosted_partition& at);

  // The router.
  void deliver(partition_id to, inbound message) override;
  void peer_returned(const std::vector<partition_id>& its) override;
  void run_local_query(std::uint64_t ticket,
                       cluster::node_query asked) override;

  const simulated_node_options options_;
  const std::vector<partition_id> owned_partitions_;
  std::shared_ptr<persistence::memory_disk> disk_;
  unsigned directories_ = 0; ///< Directories that the node has had before.
  journal_model model_;
  duration skew_{};
  std::string boot_id_ = "b";
  steady_time booted_at_{};
  machine_clock clock_{*this};

  bool serves_ = false;
  std::optional<std::pair<crash_point, unsigned>> crash_at_;
  unsigned recovery_crashes_ = 0;

  std::unique_ptr<checking_journal> journal_;
  /// Index: partition number. Null means that another node owns the partition.
  std::vector<std::unique_ptr<hosted_partition>> partitions_;
  bool commit_scheduled_ = false;
  bool flush_scheduled_ = false;
  /// Keys of the activities that have run since the last start.
  std::set<std::string> activities_run_;
  /// For the planted bug `repeated_starts`.
  std::set<persistence::request_id> requests_seen_;
};

} // namespace perdura::tests
