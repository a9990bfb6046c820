// SPDX-License-Identifier: Apache-2.0
/// A whole cluster on one thread, generated from one seed: nodes with durable
/// storage, a network with faults, crashes and pauses, and clients that repeat
/// their requests. At the end all invariants are checked against the answers
/// of the clients and the stored data of every node.
#pragma once

#include "tests/support/simulated_clients.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace perdura::tests {

struct cluster_options {
  unsigned nodes = 3;
  std::uint32_t partitions = 12;
  std::shared_ptr<const registry> functions;
  unsigned operations = 220; ///< Random client operations in a run.
  unsigned faults_least = 8; ///< Up to twice as many faults occur.
  cluster_faults planted;
};

class simulated_cluster {
public:
  simulated_cluster(std::uint64_t seed, cluster_options options);
  ~simulated_cluster();

  /// Runs the cluster from the first start until all work has ended. Returns
  /// one sentence for each violated invariant.
  const std::vector<std::string>& run();

  /// Hash of all events of the run.
  std::uint64_t hash() const {
    return simulator_.hash();
  }

  std::uint64_t events() const {
    return simulator_.events();
  }

  steady_time time() const {
    return simulator_.now();
  }

  /// Number of node starts in the run.
  unsigned starts() const;

  unsigned faults() const {
    return faults_;
  }

  std::size_t operations() const {
    return clients_->operations.size();
  }

  const std::map<std::string, std::uint64_t, std::less<>>& counters() const {
    return simulator_.counters();
  }

private:
  void expect_counters();
  void advance_time(steady_time time);
  bool advance_until(steady_time most, const std::function<bool()>& done);
  void await_answers(const char* when, bool with_waits);

  // Faults.
  void plan_faults();
  void inject_fault();
  void degrade_links();
  void cut(bool both_ways);
  void crash();
  void crash_all();
  void pause();
  void stop_faults();
  void restart_after_crash(simulated_process& process);
  unsigned any_node();
  unsigned other_process(unsigned node);

  // End of the run.
  void finish_instances();
  void check_progress();
  void check_ended_trees();
  void check();
  void check_replay(const instance_id& id, const model_instance& instance);
  void check_rewinds(const instance_id& id, const model_instance& instance);
  void check_timers(const instance_id& id, const model_instance& instance);

  simulator simulator_;
  const cluster_options options_;
  simulated_network network_;
  std::vector<std::unique_ptr<simulated_node>> nodes_;
  std::unique_ptr<simulated_process> client_; ///< It owns no partitions.
  std::unique_ptr<simulated_clients> clients_;
  unsigned faults_ = 0;
  bool faults_over_ = false;
  unsigned operations_left_ = 0;
};

} // namespace perdura::tests
