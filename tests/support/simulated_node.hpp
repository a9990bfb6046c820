/// One node of a simulated cluster: its disk with a journal that is checked,
/// the partitions that it owns, its router. Everything it does is an event of
/// the world; a crash forgets all but the disk.
///
///   door ──▶ router ──▶ mailbox ──▶ partition ──▶ turns, activities
///    ▲         │ ▲                      │
///    └─────────┘ └── wires              └──▶ journal ──commit──▶ tell
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

/// Bugs to prove that the checks see them.
struct cluster_faults {
  planted_faults journal;
  bool no_deduplication = false; ///< A repeated message is taken again.
  bool wrong_partitions = false; ///< One node's router has another map.
  bool dirty_reads = false;      ///< A status is answered before it is durable.
};

struct simulated_node_options {
  unsigned number = 0;
  cluster::placement owners;
  std::uint32_t lanes = 1;
  std::size_t idle_instances_max = 128;
  std::shared_ptr<const registry> functions;
  cluster_faults faults;
};

class simulated_node : public simulated_process {
public:
  simulated_node(simulated_node_options how, simulated_world& world,
                 simulated_network& network, door_keeper& keeper);
  ~simulated_node() override;

  // --- Life and death -------------------------------------------------------

  void start() override;
  void die() override;

  /// It dies when it passes that point for the n-th time from now.
  void crash_at(crash_point point, unsigned n);

  /// So often it dies while it comes back.
  void crash_in_recovery(unsigned times) {
    recovery_crashes_ = times;
  }

  /// No crash that was ordered comes any more.
  void call_off_crashes() {
    crash_at_.reset();
    recovery_crashes_ = 0;
  }

  /// Its wall clock leaps.
  void set_clock_back_or_forth(duration by) {
    skew_ += by;
  }

  bool serves() const {
    return alive_ && serves_;
  }

  // --- What is there --------------------------------------------------------

  timestamp wall() const;

  const std::vector<partition_id>& own() const {
    return own_;
  }

  const ledger& book() const {
    return book_;
  }

  checking_journal& journal() {
    return *journal_;
  }

  const partition_state& state_of(partition_id id) const;

  /// I10 and I11, and that everything reads as it was written.
  void check_at_rest();

private:
  class desk;

  struct wall_clock : persistence::clock {
    explicit wall_clock(const simulated_node& of) : node(of) {}

    timestamp now() const override;
    const simulated_node& node;
  };

  /// To a partition: a message, or that others have returned.
  struct mail {
    std::optional<inbound> message;
    std::vector<partition_id> returned;
  };

  struct warm_run {
    std::shared_ptr<orchestration_run> run;
    moment last{}; ///< Turns of one instance stay in order.
  };

  struct cell {
    std::unique_ptr<desk> host;
    std::unique_ptr<partition_processor> processor;
    std::map<instance_id, warm_run> runs;
    std::deque<mail> mailbox;
    journal_position reached = 0; ///< As the journal has told.
    journal_position told = 0;    ///< As the partition has been told.
    std::optional<timestamp> wakes_at;
    bool is_ready = false;
    bool takes_soon = false;
    bool is_told_soon = false;
  };

  bool has_crashed() const override;
  cluster::router_config router_config() override;
  bool crashes(crash_point point);
  bool recover();
  cell* cell_of(partition_id id) const;
  partition_config config_of(partition_id id);

  // Partitions.
  void put(partition_id to, mail what);
  void take_soon(partition_id id, cell& at);
  void take_some(partition_id id, cell& at);
  void after_take(partition_id id, cell& at);
  void arm(partition_id id, cell& at);
  void commit_soon();
  void commit();
  void flush_soon();
  void tell(partition_id id, cell& at);
  void run_turn(partition_id id, orchestration_work_item item);
  void run_activity(activity_work_item item);
  bool is_misdelivered(partition_id to, inbound& message, cell& at);

  // The router.
  void deliver(partition_id to, inbound message) override;
  void peer_returned(const std::vector<partition_id>& its) override;
  void look_up(std::uint64_t ticket, cluster::question asked) override;

  const simulated_node_options how_;
  const std::vector<partition_id> own_;
  disk_opener open_;
  ledger book_;
  duration skew_{};
  wall_clock clock_{*this};

  bool serves_ = false;
  std::optional<std::pair<crash_point, unsigned>> crash_at_;
  unsigned recovery_crashes_ = 0;

  std::unique_ptr<checking_journal> journal_;
  std::vector<std::unique_ptr<cell>> cells_; ///< By partition; null: not own.
  bool commits_soon_ = false;
  bool flushes_soon_ = false;
  std::set<std::string> ran_; ///< Keys of activities, in this life.
};

} // namespace perdura::tests
