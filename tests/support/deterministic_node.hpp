// SPDX-License-Identifier: Apache-2.0
/// A node that runs on one thread, step by step: its partitions share one
/// manual journal, and every turn, activity, commit and message is a separate
/// step. A test makes single steps, or lets the node choose them in a fixed
/// order or at random. The node recovers from injected crashes, its clients
/// repeat unanswered requests, and violated invariants are collected as
/// sentences.
///
///   submit ──▶ mailbox ──batch──▶ partition ──▶ turns, activities, mailboxes
///                                     └──▶ journal ──commit──▶ on_durable
///
/// Not thread-safe.
#pragma once

#include "actors/authoring/registry.hpp"
#include "actors/execution/orchestration_run.hpp"
#include "actors/partition/partition_processor.hpp"
#include "persistence/journal/memory_journal.hpp"
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

using actors::activity_work_item;
using actors::inbound;
using actors::live_instance;
using actors::management_answer;
using actors::management_request;
using actors::orchestration_run;
using actors::orchestration_work_item;
using actors::partition_config;
using actors::partition_processor;
using actors::registry;
using persistence::crash_hook;
using persistence::crash_point;
using persistence::duration;
using persistence::execution_id;
using persistence::history_event;
using persistence::instance_id;
using persistence::instance_row;
using persistence::journal;
using persistence::journal_position;
using persistence::manual_journal;
using persistence::partition_id;
using persistence::stored_instance;
using persistence::task_sequence;
using persistence::timestamp;

/// Partition of an instance ID by FNV-1a. Tests below the cluster layer use
/// this function instead of cluster::partition_of.
partition_id partition_by_fnv(const instance_id& id, std::uint32_t count);

/// Opens a journal on storage that outlives the journal, so that a second call
/// recovers what the first journal made durable.
using journal_opener
  = std::function<std::unique_ptr<manual_journal>(crash_hook)>;

/// Creates empty storage in memory and returns a function that opens a journal
/// on it.
journal_opener make_memory_opener(std::uint32_t partitions,
                                  std::uint32_t lanes = 1);

/// Returns a function that opens a journal on this storage.
journal_opener
make_memory_opener(std::shared_ptr<persistence::memory_disk> disk);

struct node_options {
  std::uint32_t partitions = 4;
  std::shared_ptr<const registry> functions;
  journal_opener open; ///< Empty means a journal in memory.
  /// 0 means a fixed order of steps; another value seeds a random order.
  std::uint64_t seed = 0;
  bool one_message_per_batch = false;
  unsigned commits_per_flush = 3; ///< Journal commits between view flushes.
  /// Probability that a message between partitions is lost; lost messages are
  /// sent again. A message is duplicated with the same probability.
  double loss = 0;
  planted_faults faults;
  /// Called with the configuration of each partition.
  std::function<void(partition_config&)> adjust;
  /// Called at every crash point; the node crashes if it returns true.
  std::function<bool(crash_point)> crash;
};

/// One run of an activity.
struct activity_run {
  instance_id instance;
  execution_id execution;
  task_sequence sequence = 0;
  std::string name;
  std::uint32_t attempt = 1;
  unsigned start_count = 0; ///< Number of node starts before this run.
};

class deterministic_node {
public:
  using ticket = std::uint64_t;

  explicit deterministic_node(node_options options);
  ~deterministic_node();

  deterministic_node(const deterministic_node&) = delete;
  deterministic_node& operator=(const deterministic_node&) = delete;

  // --- Clients --------------------------------------------------------------

  /// Sends a request. The request is sent again after each crash until it is
  /// answered.
  ticket submit(management_request request);
  /// The answer, or null if there is none yet.
  const management_answer* answer_to(ticket number) const;

  bool is_answered(ticket number) const {
    return answer_to(number) != nullptr;
  }

  /// Sends a request and runs the node until the request is answered. Reports a
  /// violation and returns errc::timed_out if it is never answered.
  management_answer ask(management_request request);

  // --- Automatic steps ------------------------------------------------------

  /// Makes one step; returns false if no step is possible at this time.
  bool step();

  /// Makes steps until none is possible. The clock does not move.
  void run_until_idle();

  /// Makes steps until `done` returns true. If no step is possible, the clock
  /// jumps to the next wake time of a partition. Returns false if `done` does
  /// not become true.
  bool run_until(const std::function<bool()>& done);

  /// Lets this much time pass and makes all steps that become possible.
  void advance_time(duration time);

  // --- Single steps ---------------------------------------------------------
  // Each returns false if there was nothing to do.

  /// Processes all waiting messages of the partition as one batch.
  bool process_mailbox(partition_id partition);
  /// The same for every partition.
  bool process_mailboxes();
  /// Adds a message to the partition's mailbox.
  void inject(partition_id partition, inbound message);
  /// Processes an empty batch if the partition's wake time has come.
  bool check_time(partition_id partition);
  /// Processes an empty batch in each partition, as after a step of the wall
  /// clock.
  void wake_all();
  /// Runs the oldest pending turn; its outcome goes into the mailbox.
  bool run_turn();
  /// Runs the oldest activity that is not held; its result goes into the
  /// mailbox.
  bool run_activity();
  /// Commits all queued turns and reports the durable position to the
  /// partitions.
  bool commit();
  void flush_views(bool trim = true);

  // Pending work. A test can inspect, remove and reorder it.
  struct pending_turn {
    partition_id partition{};
    orchestration_work_item item;
    std::shared_ptr<orchestration_run> run;
  };

  std::deque<pending_turn> turns;
  std::deque<activity_work_item> activities;
  std::vector<std::deque<inbound>> mailboxes;

  /// The instances whose activities the partitions have cancelled.
  std::vector<instance_id> cancelled;

  /// Activities for which this returns true stay in `activities`.
  std::function<bool(const activity_work_item&)> holds_activity;

  // --- Crashes --------------------------------------------------------------

  /// Discards everything except the durable storage, then recovers.
  void crash_and_recover();

  bool crashed() const;

  /// Whether step() recovers the node after an injected crash.
  bool recovers_automatically = true;

  /// Registers other user code; used from the next recovery on.
  void set_functions(std::shared_ptr<const registry> functions);

  /// How often the node has started, including the first start.
  unsigned start_count() const {
    return start_count_;
  }

  // --- State ----------------------------------------------------------------

  partition_id partition_of(const instance_id& id) const;
  partition_processor& partition(partition_id id);
  /// Null if the instance is not in memory.
  const live_instance* live(const instance_id& id);
  /// Null if the instance is not in memory or has no rows.
  const stored_instance* rows_in_memory(const instance_id& id);

  checking_journal& journal() {
    return *journal_;
  }

  const journal_model& model() const {
    return model_;
  }

  /// Number of journal commits since the node was constructed. View flushes are
  /// not counted.
  std::uint64_t commits() const {
    return commits_;
  }

  /// All stored instances, sorted by ID.
  std::vector<instance_row> rows();
  std::vector<history_event> history_of(const instance_id& id);
  std::optional<stored_instance> stored(const instance_id& id);
  /// The recorded answers to requests of all partitions, by key.
  std::map<persistence::hash128, persistence::request_row>
  recorded_answers() const;

  /// Lets the last acknowledgements be written, then checks that no work is
  /// left and that all reads agree with the model.
  void check_at_rest();

  manual_clock clock;
  std::vector<activity_run> activity_runs;
  std::vector<std::string> violations;
  std::vector<std::string> log;

private:
  class host_adapter;

  struct client_request {
    management_request request;
    std::optional<management_answer> answer;
  };

  struct hosted_partition {
    std::unique_ptr<host_adapter> host;
    std::unique_ptr<partition_processor> processor;
    std::map<instance_id, std::shared_ptr<orchestration_run>> runs;
    journal_position reached = 0;  ///< Durable position of the journal.
    journal_position reported = 0; ///< Position reported to the partition.
    /// Time of the last empty batch, if the partition has made no step since.
    std::optional<persistence::boot_time> time_checked;
  };

  void open();
  bool recover();
  void report_violation(std::string sentence);
  void deliver(ticket number);
  void check_runs(const activity_work_item& item);
  bool process_batch(hosted_partition& at, std::size_t count,
                     partition_id partition);
  bool report_durable(hosted_partition& at);
  bool has_checked_time(const hosted_partition& at) const;
  void after_step(partition_id partition);
  bool step_in_order();
  bool step_at_random();
  bool resend();
  void run_item(pending_turn out);
  void run_item(activity_work_item item);
  std::optional<std::size_t> next_activity() const;
  timestamp next_wake() const;

  node_options options_;
  journal_model model_;
  std::unique_ptr<checking_journal> journal_;
  std::vector<hosted_partition> partitions_;
  std::map<ticket, client_request> requests_;
  ticket last_ticket_ = 0;
  unsigned start_count_ = 0;
  unsigned commits_since_flush_ = 0;
  /// Keys of the activities that have run since the last start.
  std::set<std::string> activities_run_;
  std::uint64_t commits_ = 0;
  std::mt19937_64 chance_;
  bool in_recovery_ = false;
};

} // namespace perdura::tests
