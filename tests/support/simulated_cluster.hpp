/// A whole cluster in one thread, from one seed: nodes on their disks, wires
/// that fail, clients that ask and repeat, and at the end every promise is held
/// against what each node was told and what each disk holds.
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
  unsigned operations = 220; ///< Of clients.
  unsigned faults_least = 8; ///< As many more, by chance.
  cluster_faults planted;
};

class simulated_cluster {
public:
  simulated_cluster(std::uint64_t seed, cluster_options how);
  ~simulated_cluster();

  /// From the first start to rest; what must never be, as sentences.
  const std::vector<std::string>& run();

  /// Of everything that happened.
  std::uint64_t hash() const {
    return world_.hash();
  }

  std::uint64_t events() const {
    return world_.events();
  }

  moment time() const {
    return world_.now();
  }

  unsigned lives() const;

  unsigned faults() const {
    return faults_;
  }

  std::size_t operations() const {
    return clients_->operations.size();
  }

  const std::map<std::string, std::uint64_t, std::less<>>& counters() const {
    return world_.counters();
  }

private:
  void expect_counters();
  void pass(moment time);
  bool pass_until(moment most, const std::function<bool()>& done);
  void await_answers(const char* when, bool with_waits);

  // Faults.
  void plan_faults();
  void fail();
  void storm();
  void cut(bool both_ways);
  void crash();
  void crash_all();
  void pause();
  void stop_faults();
  void come_back(simulated_process& process);
  unsigned any_node();
  unsigned other_than(unsigned node);

  // The end.
  void end_all();
  void check_progress();
  void check();
  void check_replay(const instance_id& id, const ledger_instance& instance);
  void check_timers(const instance_id& id, const ledger_instance& instance);

  simulated_world world_;
  const cluster_options how_;
  simulated_network network_;
  std::vector<std::unique_ptr<simulated_node>> nodes_;
  std::unique_ptr<simulated_process> client_; ///< A process without a node.
  std::unique_ptr<simulated_clients> clients_;
  unsigned faults_ = 0;
  bool faults_over_ = false;
  unsigned left_to_ask_ = 0;
};

} // namespace perdura::tests
