/// Orchestrations of every sample kind, what must become of each, and who
/// drives them through doors that come and go.
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

/// One orchestration and the model of its end.
struct sample_run {
  std::string id; ///< Ends with the kind.
  std::string name;
  std::string input = "null";
  /// Name and data, raised in this order.
  std::vector<std::pair<std::string, std::string>> events;
  std::string status = "Completed";
  nlohmann::json output;
  long sum = 0;            ///< Of Counter's events "Add".
  bool is_rewound = false; ///< After it has failed.
  bool is_terminated = false;
  std::size_t children = 0;
};

/// The n-th of a workload; the kinds take turns.
sample_run make_sample_run(std::size_t n, std::mt19937& random);

/// Drives each to its end from several threads: whatever changes something
/// carries a request ID and is repeated, through any door, until it is
/// acknowledged.
class sample_driver {
public:
  /// `client` may be null. Begins at once.
  sample_driver(std::vector<sample_run> runs, std::vector<door> doors,
                const client::orchestration_client* client, std::size_t threads,
                unsigned seed);
  ~sample_driver();

  sample_driver(const sample_driver&) = delete;
  sample_driver& operator=(const sample_driver&) = delete;

  /// Returns when so many are acknowledged, or all have come to an end.
  void wait_for_begun(std::size_t count);
  /// Returns when all have come to an end, and says what went wrong.
  const std::vector<std::string>& finish();

  const std::vector<sample_run>& runs() const {
    return runs_;
  }

  /// Requests that were repeated because nobody had acknowledged them.
  std::size_t repeats() const {
    return repeats_;
  }

private:
  struct change;
  class hand;

  void work(unsigned seed);

  const std::vector<sample_run> runs_;
  const std::vector<door> doors_;
  const client::orchestration_client* client_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t next_ = 0;
  std::size_t begun_ = 0;
  std::size_t ended_ = 0;
  std::size_t repeats_ = 0;
  std::vector<std::string> complaints_;
  std::vector<std::thread> threads_;
};

/// All instances as the door lists them, by ID; follows the pages.
/// @throws std::runtime_error
std::map<std::string, nlohmann::json> list_through(const door& at);

/// What is wrong with this end of it; empty: nothing.
std::string check_end(const sample_run& run, const nlohmann::json& status);

} // namespace perdura::tests
