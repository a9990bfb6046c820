/// A node on one thread whose every move is made by hand or in a fixed order:
/// partitions on one manual journal, instances, activities, and the links
/// between partitions. It survives crashes as a node would, its clients
/// repeat what was not answered, and it complains about what must never be.
///
///   submit ──▶ mailbox ──take──▶ partition ──▶ turns, activities, mailboxes
///                                    └──▶ journal ──commit──▶ on_durable
#pragma once

#include "actors/authoring/registry.hpp"
#include "actors/execution/orchestration_run.hpp"
#include "actors/partition/partition_processor.hpp"
#include "persistence/journal/crash_switch.hpp"
#include "tests/support/checking_journal.hpp"
#include "tests/support/manual_clock.hpp"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace perdura::tests {

using namespace actors;

/// FNV-1a: a stand-in for the hub's own map.
partition_id partition_by_fnv(const instance_id& id, std::uint32_t count);

/// Opens what is durable on a disk, which outlives the journals on it.
using disk_opener = std::function<std::unique_ptr<manual_journal>(crash_hook)>;

/// A fresh twin in memory.
disk_opener open_in_memory(std::uint32_t partitions, std::uint32_t lanes = 1);

struct node_options {
  std::uint32_t partitions = 4;
  std::shared_ptr<const registry> functions;
  disk_opener open;       ///< Empty: a twin in memory.
  std::uint64_t seed = 0; ///< 0: a fixed order; else any order, by seed.
  bool one_message_a_take = false;
  unsigned views_every = 3; ///< Commits between two of the views.
  double loss = 0; ///< Of messages between partitions; lost ones come again.
  planted_faults faults;
  std::function<void(partition_config&)> adjust;
  /// Asked at every crash point; true crashes.
  std::function<bool(crash_point)> crash;
};

/// A line of the witness.
struct ran_activity {
  instance_id instance;
  execution_id execution;
  task_sequence sequence = 0;
  std::string name;
  std::uint32_t attempt = 1;
  unsigned life = 0; ///< Of the node, from 1.
};

class deterministic_node {
public:
  using ticket = std::uint64_t;

  explicit deterministic_node(node_options how);
  ~deterministic_node();

  deterministic_node(const deterministic_node&) = delete;
  deterministic_node& operator=(const deterministic_node&) = delete;

  // --- Clients --------------------------------------------------------------

  /// Sends a request; it is sent again after a crash until it is answered.
  ticket submit(management_request request);
  const management_answer* answer_to(ticket number) const;

  bool is_answered(ticket number) const {
    return answer_to(number) != nullptr;
  }

  /// Runs until the request is answered. A complaint if it never is.
  management_answer ask(management_request request);

  // --- In order -------------------------------------------------------------

  /// Makes one move; false if there is none at this moment.
  bool move();

  /// Moves until there is none; the clock stands.
  void settle();

  /// Moves, and when there is no move lets the clock jump to the next moment
  /// that a partition waits for. False if `done` does not come true.
  bool run_until(const std::function<bool()>& done);

  /// So much time passes, with everything that it brings.
  void pass(duration time);

  // --- By hand --------------------------------------------------------------

  bool take(partition_id partition); ///< All that waits, as one batch.
  bool take_all();
  void inject(partition_id partition, inbound message);
  bool look(partition_id partition); ///< An empty batch: only time.
  bool run_turn();                   ///< The oldest turn that is out.
  bool run_activity();
  bool commit(); ///< And tells the partitions.
  void flush_views(bool trim = true);

  /// Waiting moves, to be looked at, removed or reordered.
  struct turn_out {
    partition_id partition{};
    orchestration_work_item item;
    std::shared_ptr<orchestration_run> run;
  };

  std::deque<turn_out> turns;
  std::deque<activity_work_item> activities;
  std::vector<std::deque<inbound>> mailboxes;

  /// Activities that stay in `activities` for the time being.
  std::function<bool(const activity_work_item&)> holds_activity;

  // --- Crashes --------------------------------------------------------------

  /// Everything but the disk is forgotten; the node comes back.
  void crash_and_recover();

  bool crashed() const;

  /// Whether moves recover by themselves from a crash that was injected.
  bool recovers_by_itself = true;

  /// The program that the next life runs.
  void set_functions(std::shared_ptr<const registry> functions);

  unsigned life() const {
    return life_;
  }

  // --- What is there --------------------------------------------------------

  partition_id where(const instance_id& id) const;
  partition_processor& partition(partition_id id);
  const live_instance* live(const instance_id& id);

  checking_journal& journal() {
    return *journal_;
  }

  const ledger& book() const {
    return book_;
  }

  /// Journal commits in all lives, but for those of the views.
  std::uint64_t commits() const {
    return commits_;
  }

  /// Every instance that is stored, in order of ID.
  std::vector<instance_row> rows();
  std::vector<history_event> history_of(const instance_id& id);
  std::optional<stored_instance> stored(const instance_id& id);

  /// At rest nothing is owed: outboxes, links, orphaned results.
  void check_at_rest();

  manual_clock clock;
  std::vector<ran_activity> witness;
  std::vector<std::string> complaints;
  std::vector<std::string> log;

private:
  class desk;

  struct asked {
    management_request request;
    std::optional<management_answer> answer;
  };

  struct cell {
    std::unique_ptr<desk> host;
    std::unique_ptr<partition_processor> processor;
    std::map<instance_id, std::shared_ptr<orchestration_run>> runs;
    journal_position reached = 0;    ///< As the journal has told.
    journal_position told = 0;       ///< As the partition has been told.
    std::optional<timestamp> looked; ///< At time, nothing happened since.
  };

  void open();
  bool recover();
  void complain(std::string sentence);
  void deliver(ticket number);
  void check_runs(const activity_work_item& item);
  bool take_some(cell& at, std::size_t count, partition_id partition);
  bool tell(cell& at);
  bool has_looked(const cell& at) const;
  void after_move(partition_id partition);
  bool move_in_order();
  bool move_by_chance();
  bool resend();
  void run_item(turn_out out);
  void run_item(activity_work_item item);
  std::optional<std::size_t> next_activity() const;
  timestamp next_wake() const;

  node_options how_;
  ledger book_;
  std::unique_ptr<checking_journal> journal_;
  std::vector<cell> cells_;
  std::map<ticket, asked> asked_;
  ticket last_ticket_ = 0;
  unsigned life_ = 0;
  unsigned commits_since_views_ = 0;
  std::set<std::string> ran_; ///< Keys of activities, in this life.
  std::uint64_t commits_ = 0;
  std::mt19937_64 chance_;
  bool in_recovery_ = false;
};

} // namespace perdura::tests
