// SPDX-License-Identifier: Apache-2.0
// A cluster under mixed load, with faults, uses no more memory, threads,
// descriptors or disk after a long time than after a short one.
#include "tests/support/patience.hpp"
#include <perdura/perdura.hpp>

#include "real/cluster_harness.hpp"
#include "real/resource_use.hpp"
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace perdura::tests {

namespace {

using client::orchestration_client;
using persistence::errc;
using std::chrono::milliseconds;
using std::chrono::seconds;

std::uint64_t number_of(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::stoull(text);
}

/// The results of all operations, counted by all threads.
class outcomes {
public:
  void done() {
    const std::lock_guard lock(mutex_);
    ++done_;
  }

  /// An error that a fault explains: a node is frozen, or is starting.
  static bool is_explained(errc code) {
    return code == errc::unavailable || code == errc::unknown_outcome
           || code == errc::timed_out || code == errc::shutting_down;
  }

  void failed(const std::string& operation, const persistence::error& why) {
    const std::lock_guard lock(mutex_);
    if (is_explained(why.code))
      ++explained_;
    else
      ++others_[operation + ": " + why.message];
  }

  std::uint64_t done_count() const {
    const std::lock_guard lock(mutex_);
    return done_;
  }

  std::uint64_t explained_count() const {
    const std::lock_guard lock(mutex_);
    return explained_;
  }

  std::map<std::string, std::uint64_t> others() const {
    const std::lock_guard lock(mutex_);
    return others_;
  }

private:
  mutable std::mutex mutex_;
  std::uint64_t done_ = 0;
  std::uint64_t explained_ = 0;
  std::map<std::string, std::uint64_t> others_; ///< By what was said.
};

/// One caller: it does one operation after another until it is stopped.
class mixed_caller {
public:
  mixed_caller(orchestration_client client, outcomes& seen,
               std::uint64_t number)
    : client_(std::move(client)), seen_(seen), number_(number) {}

  /// Returns true if all requests of the operation have succeeded.
  bool step() {
    const std::string id
      = "load-" + std::to_string(number_) + '-' + std::to_string(++count_);
    switch (count_ % 10) {
    case 0:
      return runs("FanOutFanIn", "20", id);
    case 1:
      return runs("Parent", "2", id);
    case 2:
      return runs("Fails", "null", id);
    case 3:
      return approves(id);
    case 4:
      return terminates(id);
    case 5:
      return purges(id);
    case 6:
      return suspends(id);
    case 7:
      return check("list", client_.list_instances({.top = 50}));
    case 8:
      return check("count", client_.count_instances());
    default:
      return runs("HelloSequence", "null", id);
    }
  }

private:
  template <class T>
  bool check(const std::string& operation, const persistence::result<T>& got) {
    if (got)
      seen_.done();
    else
      seen_.failed(operation, got.error());
    return static_cast<bool>(got);
  }

  bool starts(const char* name, std::string input, const std::string& id) {
    client::start_options options;
    options.instance_id = id;
    return check("start", client_.start_json(name, std::move(input), options));
  }

  bool ends(const std::string& id) {
    return check("wait", client_.wait_for_completion(id, patience));
  }

  bool runs(const char* name, std::string input, const std::string& id) {
    return starts(name, std::move(input), id) && ends(id);
  }

  bool approves(const std::string& id) {
    return starts("Approval", "null", id)
           && check("raise", client_.raise_event(id, "Approval", true))
           && ends(id);
  }

  bool terminates(const std::string& id) {
    return starts("Approval", "null", id)
           && check("terminate", client_.terminate(id, "enough")) && ends(id);
  }

  bool purges(const std::string& id) {
    return runs("Echo", "\"text\"", id) && check("purge", client_.purge(id));
  }

  bool suspends(const std::string& id) {
    return starts("Approval", "null", id)
           && check("suspend", client_.suspend(id, "a while"))
           && check("raise", client_.raise_event(id, "Approval", true))
           && check("resume", client_.resume(id, "on")) && ends(id);
  }

  orchestration_client client_;
  outcomes& seen_;
  std::uint64_t number_;
  std::uint64_t count_ = 0;
};

/// Disturbs the cluster, one fault after another. Kills are faults of the first
/// quarter only: a process that has just started uses less of everything.
class fault_maker {
public:
  fault_maker(local_cluster& cluster, std::uint64_t seed)
    : cluster_(cluster), random_(seed) {}

  void next(bool may_kill) {
    cluster_node& one = cluster_.node(random_() % cluster_.size());
    switch (random_() % (may_kill ? 4 : 3)) {
    case 0: // shorter than the time after which its sessions end
      freeze(one, milliseconds(300));
      break;
    case 1: // longer
      freeze(one, milliseconds(4'000));
      break;
    case 2: // requests that are refused
      static_cast<void>(send_request(
        one.endpoint(), {"POST", "/orchestrators/Nothing/x", "{\"a\":"}));
      static_cast<void>(send_request(
        one.endpoint(), {"POST", "/instances/nope/raiseEvent/E", "1"}));
      break;
    default:
      one.kill();
      one.start();
      cluster_.wait_until_connected();
    }
  }

private:
  static void freeze(cluster_node& one, milliseconds how_long) {
    one.pause();
    std::this_thread::sleep_for(how_long); // the fault itself
    one.resume();
  }

  local_cluster& cluster_;
  std::mt19937_64 random_;
};

resource_use use_of(const local_cluster& cluster) {
  resource_use all;
  for (const cluster_node* each : cluster.nodes())
    all += use_of_process(each->pid(), each->options().data_dir);
  return all;
}

} // namespace

BOOST_AUTO_TEST_SUITE(steady_state)

// The long form, `./dev campaign load`, compares the thirds that follow the
// first quarter; the short form only shows that everything works.
BOOST_AUTO_TEST_CASE(mixed_load_with_faults_uses_no_more_of_anything) {
  const seconds whole(number_of("PERDURA_LOAD_SECONDS", 8));
  const bool is_compared = whole >= std::chrono::minutes(10);
  local_cluster cluster;
  for (cluster_node* each : cluster.nodes())
    each->next_options().retention = is_compared ? seconds(60) : seconds(2);
  cluster.start();
  client::cluster_client_config config;
  config.nodes = cluster.entries();
  auto link = client::cluster_client::connect(config, patience).value();

  outcomes seen;
  std::atomic<bool> is_over{false};
  std::vector<std::thread> callers;
  for (std::uint64_t i = 0; i < 6; ++i)
    callers.emplace_back([&, i] {
      mixed_caller caller(link->client(), seen, i);
      while (!is_over) {
        caller.step();
        std::this_thread::sleep_for(milliseconds(20)); // the rate of the load
      }
    });

  // This thread makes the faults, because it has started the nodes, and
  // measures between them. It counts steps, so that a slow machine measures as
  // often as a fast one.
  const milliseconds interval = is_compared ? seconds(5) : milliseconds(500);
  const auto steps = static_cast<std::uint64_t>(whole / interval);
  fault_maker faults(cluster, number_of("PERDURA_SEED", 1));
  std::vector<resource_use> samples;
  for (std::uint64_t n = 1; n <= steps; ++n) {
    const bool is_measured = n > steps / 4;
    // A frozen process is not measured: its use is that of the past.
    if (n % 4 == 0)
      faults.next(!is_measured);
    std::this_thread::sleep_for(interval);
    if (is_measured)
      samples.push_back(use_of(cluster));
  }
  is_over = true;
  for (std::thread& each : callers)
    each.join();

  BOOST_TEST_MESSAGE(seen.done_count()
                     << " operations, " << seen.explained_count()
                     << " failed beside a fault");
  for (const auto& [sentence, count] : seen.others())
    BOOST_ERROR(count << " times " << sentence);
  BOOST_TEST(seen.done_count() > 0);
  BOOST_REQUIRE(samples.size() >= 3);
  const thirds_of_use thirds = compare_thirds(samples);
  BOOST_TEST_MESSAGE(thirds.text());
  BOOST_TEST(samples.front().memory_bytes > 0);
  if (is_compared) {
    BOOST_TEST(seen.done_count() > 20 * seen.explained_count());
    BOOST_TEST(thirds.growth() == "");
  }
  for (cluster_node* each : cluster.nodes())
    BOOST_TEST(each->stop() == 0);
}

// The comparison finds what it is for.
BOOST_AUTO_TEST_CASE(growth_in_the_last_third_is_found) {
  const resource_use one{100'000, 20, 40, 1'000'000};
  const auto growth_of = [&](resource_use last) {
    std::vector<resource_use> samples(20, one);
    samples.resize(30, last);
    return compare_thirds(samples).growth();
  };
  BOOST_TEST(growth_of(one) == "");
  BOOST_TEST(growth_of({104'000, 20, 40, 1'090'000}) == "");
  BOOST_TEST(growth_of({50'000, 10, 20, 500'000}) == "");
  BOOST_TEST(growth_of({106'000, 20, 40, 1'000'000}) == "memory");
  BOOST_TEST(growth_of({100'000, 22, 40, 1'000'000}) == "threads");
  BOOST_TEST(growth_of({100'000, 20, 43, 1'000'000}) == "descriptors");
  BOOST_TEST(growth_of({100'000, 20, 40, 1'110'000}) == "files");
  // A single high sample is no growth.
  std::vector<resource_use> samples(30, one);
  samples.back().memory_bytes = 300'000;
  BOOST_TEST(compare_thirds(samples).growth() == "");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
