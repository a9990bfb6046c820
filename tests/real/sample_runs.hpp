// SPDX-License-Identifier: Apache-2.0
/// A workload of all sample orchestrations: the expected end of each, and a
/// driver that runs them while nodes fail.
#pragma once

#include <perdura/client/api/orchestration_client.hpp>

#include "real/cluster_harness.hpp"
#include <nlohmann/json.hpp>

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace perdura::tests {

/// One orchestration and its expected end.
struct sample_run {
  std::string id; ///< "run-N-NAME".
  std::string name;
  std::string input = "null";
  /// Name and data of the events, which are raised in this order.
  std::vector<std::pair<std::string, std::string>> events;
  std::string status = "Completed";
  nlohmann::json output;
  long sum = 0; ///< The sum of Counter's events "Add".
  /// The driver rewinds the instance after it has failed.
  bool is_rewound = false;
  /// The driver terminates the instance.
  bool is_terminated = false;
  std::size_t children = 0; ///< Sub-orchestrations that the run starts.
};

/// The n-th run of a workload. The kinds of samples alternate.
sample_run make_sample_run(std::size_t n, std::mt19937& random);

/// Drives each run to its end from several threads.
///
/// Every request that changes something carries a request ID and is repeated,
/// each time through a randomly chosen endpoint, until it is acknowledged.
class sample_driver {
public:
  /// Starts the threads. `client` is one more endpoint and may be null; it must
  /// outlive the driver.
  sample_driver(std::vector<sample_run> runs,
                std::vector<http_endpoint> endpoints,
                const client::orchestration_client* client, std::size_t threads,
                unsigned seed);
  ~sample_driver();

  sample_driver(const sample_driver&) = delete;
  sample_driver& operator=(const sample_driver&) = delete;

  /// Returns when the starts of `count` runs are acknowledged, or when all runs
  /// have ended.
  void wait_for_begun(std::size_t count);
  /// Waits until all runs have ended. Returns a sentence for each run that
  /// failed.
  const std::vector<std::string>& finish();

  const std::vector<sample_run>& runs() const {
    return runs_;
  }

  /// How many requests were repeated because they were not acknowledged.
  std::size_t repeats() const {
    return repeats_;
  }

private:
  struct change;
  class worker;

  void work(unsigned seed);

  const std::vector<sample_run> runs_;
  const std::vector<http_endpoint> endpoints_;
  const client::orchestration_client* client_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t next_ = 0;
  std::size_t begun_ = 0;
  std::size_t ended_ = 0;
  std::size_t repeats_ = 0;
  std::vector<std::string> failures_;
  std::vector<std::thread> threads_;
};

/// All instances that the endpoint lists, by ID, over all pages.
/// @throws std::runtime_error  A page cannot be read, or an instance is listed
///                             twice.
std::map<std::string, nlohmann::json>
list_instances(const http_endpoint& endpoint);

/// Compares the end of a run with the expected one.
/// @return A sentence that names the difference; empty if there is none.
std::string check_end(const sample_run& run, const nlohmann::json& status);

} // namespace perdura::tests
