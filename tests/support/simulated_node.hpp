/// One node of a simulated cluster: its disk with a journal that is checked,
/// the partitions that it owns, its router. Everything it does is an event of
/// the world; a crash forgets all but the disk.
///
///   door ──▶ router ──▶ mailbox ──▶ partition ──▶ turns, activities
///    ▲         │ ▲                      │
///    └─────────┘ └── wires              └──▶ journal ──commit──▶ tell
#pragma once

#include "tests/support/deterministic_node.hpp"
#include "tests/support/simulated_network.hpp"

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

/// Who stands at a node's door.
class door_keeper {
public:
  virtual ~door_keeper() = default;
  virtual void answered(std::uint64_t ticket, management_answer answer) = 0;
  virtual void question_answered(std::uint64_t ticket,
                                 result<cluster::question_answer> answer)
    = 0;
  /// What was asked there will not be answered.
  virtual void node_died(unsigned node) = 0;
};

struct simulated_node_options {
  unsigned number = 0;
  cluster::placement owners;
  std::uint32_t lanes = 1;
  std::size_t idle_instances_max = 128;
  std::shared_ptr<const registry> functions;
  cluster_faults faults;
};

class simulated_node : public wire_end, public cluster::router_host {
public:
  simulated_node(simulated_node_options how, simulated_world& world,
                 simulated_network& network, door_keeper& keeper);
  ~simulated_node() override;

  // --- Life and death -------------------------------------------------------

  void start();
  void die();
  void pause();
  void go_on();

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

  /// Called when it has died.
  std::function<void()> on_death;

  bool is_alive() const override {
    return alive_;
  }

  bool is_paused() const {
    return paused_;
  }

  bool serves() const {
    return alive_ && serves_;
  }

  unsigned life() const override {
    return life_;
  }

  // --- Its door -------------------------------------------------------------

  void submit(std::uint64_t ticket, management_request request,
              cluster::claim_ptr claim = nullptr);
  void cancel(std::uint64_t ticket, const instance_id& id);
  void ask(unsigned node, cluster::question asked, std::uint64_t ticket);

  // --- The wires ------------------------------------------------------------

  void path_opened(cluster::path_id path, unsigned to) override;
  void path_closed(cluster::path_id path) override;
  void take_packet(cluster::path_id from, std::string bytes) override;

  // --- What is there --------------------------------------------------------

  const std::string& name() const {
    return name_;
  }

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

  const cluster::node_router& router() const {
    return *router_;
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

  void complain(const std::string& sentence);
  bool crashes(crash_point point);
  void post(moment delay, std::function<void()> what);
  void run(const std::function<void()>& what);
  bool recover();
  cell* cell_of(partition_id id) const;
  partition_config config_of(partition_id id);
  cluster::router_config router_config();

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
  void to_router(std::function<void()> what);
  void run_router();
  void arm_router();

  void deliver(partition_id to, inbound message) override;
  void answer(reply_to to, management_answer answer) override;
  void send(cluster::path_id to, std::string packet) override;
  void peer_returned(const std::vector<partition_id>& its) override;
  void look_up(std::uint64_t ticket, cluster::question asked) override;
  void answered(std::uint64_t ticket,
                result<cluster::question_answer> answer) override;
  void must_stop(const error& why) override;
  void met(const cluster::peer_hello& hello) override;
  void log(int level, const std::string& text) override;

  const simulated_node_options how_;
  simulated_world& world_;
  simulated_network& network_;
  door_keeper& keeper_;
  const std::string name_;
  const std::vector<partition_id> own_;
  disk_opener open_;
  ledger book_;
  duration skew_{};
  wall_clock clock_{*this};

  bool alive_ = false;
  bool paused_ = false;
  bool serves_ = false;
  unsigned life_ = 0;
  std::vector<std::function<void()>> stalled_; ///< While it is paused.
  std::optional<std::pair<crash_point, unsigned>> crash_at_;
  unsigned recovery_crashes_ = 0;

  std::unique_ptr<checking_journal> journal_;
  std::unique_ptr<cluster::node_router> router_;
  std::vector<std::unique_ptr<cell>> cells_; ///< By partition; null: not own.
  std::deque<std::function<void()>> router_inputs_;
  bool router_runs_soon_ = false;
  std::optional<moment> ticks_at_;
  bool commits_soon_ = false;
  bool flushes_soon_ = false;
  std::set<std::string> ran_; ///< Keys of activities, in this life.
};

} // namespace perdura::tests
