// SPDX-License-Identifier: Apache-2.0
// Partitions, journal and clients on many threads. The tests check outcomes and
// counts in every build; in the preset tsan, ThreadSanitizer also checks every
// memory access.
//
// PERDURA_THREADS_ROUNDS sets the number of rounds, each with another seed;
// PERDURA_THREADS_SEED sets the first seed.
#include "persistence/journal/verify.hpp"
#include "tests/concurrency/threaded_node.hpp"
#include "tests/support/temp_directory.hpp"
#include "tests/support/test_functions.hpp"

#include <boost/test/unit_test.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <set>
#include <sstream>
#include <string>
#include <thread>

namespace perdura::tests {

using namespace actors;
using namespace persistence;

namespace {

constexpr std::uint32_t partition_total = 8;
constexpr std::uint32_t lane_total = 2;
constexpr int client_threads = 4;
constexpr int instances_per_client = 28; // four of each kind

std::uint64_t round_number_from(const char* variable, std::uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// Calls the activity Give once after another.
task<std::vector<int>> chain_of_gives(orchestration_context& ctx, int count) {
  std::vector<int> given;
  for (int i = 0; i < count; ++i)
    given.push_back(co_await ctx.call_activity<int>("Give", i));
  co_return given;
}

task<std::string> short_naps(orchestration_context& ctx, int count) {
  for (int i = 0; i < count; ++i)
    co_await ctx.create_timer(std::chrono::milliseconds(2));
  co_return "rested";
}

std::shared_ptr<const registry> threaded_functions() {
  auto functions = std::make_shared<registry>();
  add_test_functions(*functions);
  functions->add_orchestrator("Chain", chain_of_gives)
    .add_orchestrator("Naps", short_naps);
  return functions;
}

start_instance make_start(const instance_id& id, const std::string& name,
                          const std::string& input) {
  start_instance start;
  start.id = id;
  start.name = name;
  start.input = input;
  start.execution = "execution-" + id;
  start.request = "start-" + id;
  return start;
}

/// One client's work: instances of every kind, and what they must return.
/// BOOST_TEST is not thread-safe, so differences are collected as sentences.
class client_thread {
public:
  client_thread(threaded_node& node, int number)
    : node_(node), name_("client-" + std::to_string(number)) {}

  void run() {
    for (int i = 0; i < instances_per_client; ++i)
      begin(i);
    for (const auto& [id, output] : expected_)
      expect_end(id, output);
  }

  std::map<instance_id, std::string> expected_; ///< Outputs.
  std::vector<std::string> differences_;
  std::size_t terminated_ = 0;
  std::size_t children_ = 0;

private:
  void begin(int i) {
    const instance_id id = name_ + "-" + std::to_string(i);
    switch (i % 7) {
    case 0:
      start(id, "Give", "\"" + id + "\"", "\"" + id + "\"");
      break;
    case 1:
      start(id, "Collect", "3", "[0,1,2]");
      for (int event = 0; event < 3; ++event)
        raise(id, std::to_string(event));
      break;
    case 2:
      start(id, "Chain", "4", "[0,1,2,3]");
      break;
    case 3:
      start(id, "Family", R"({"name":"Give","input":7,"count":3})", "[7,7,7]");
      children_ += 3;
      break;
    case 4:
      start(id, "Naps", "3", "\"rested\"");
      break;
    case 5:
      start(id, "Waits", "null", "\"enough\"");
      terminate(id);
      break;
    default: // an instance that sends events to another one
      start(id + "-to", "Collect", "4", "[0,1,2,3]");
      start(id, "Sender", R"({"to":")" + id + R"(-to","count":4})", "\"sent\"");
    }
  }

  void expect(errc code, const instance_id& id, const char* what) {
    if (code != errc::ok)
      differences_.push_back(id + ": " + what + " is answered with code "
                             + std::to_string(static_cast<int>(code)));
  }

  /// Every second start waits for its answer, the others do not.
  void start(const instance_id& id, const std::string& name,
             const std::string& input, const std::string& output) {
    expected_[id] = output;
    if (expected_.size() % 2 == 0)
      expect(node_.ask(make_start(id, name, input)).code, id, "the start");
    else
      node_.submit(make_start(id, name, input), [](auto) {});
  }

  void raise(const instance_id& id, const std::string& data) {
    raise_event event;
    event.id = id;
    event.name = "E";
    event.data = data;
    event.request = id + "-" + data;
    expect(node_.ask(std::move(event)).code, id, "the event");
  }

  void terminate(const instance_id& id) {
    terminate_instance end;
    end.id = id;
    end.reason = "enough";
    end.request = id + "-end";
    expect(node_.ask(std::move(end)).code, id, "the termination");
    ++terminated_;
  }

  void expect_end(const instance_id& id, const std::string& output) {
    const management_answer ended = node_.ask(wait_instance{id});
    expect(ended.code, id, "the wait");
    const std::string answered
      = ended.status ? ended.status->row.output : "no status";
    if (answered != output)
      differences_.push_back(id + ": output " + answered + ", not " + output);
    get_status request{id, true, true};
    const auto read = node_.read_status(request);
    if (!read)
      differences_.push_back(id + ": " + read.error().message);
    else if ((*read)->row.output != output
             || (*read)->history.size() < 2) // it may end before its first turn
      differences_.push_back(id + ": reads output " + (*read)->row.output);
  }

  threaded_node& node_;
  const std::string name_;
};

/// Reads lists, counts and single instances until it is stopped.
class reader_thread {
public:
  explicit reader_thread(threaded_node& node)
    : node_(node), thread_([this] { run(); }) {}

  void stop() {
    stopping_ = true;
    thread_.join();
  }

  std::vector<std::string> differences_;
  std::uint64_t rounds_ = 0;

private:
  void run() {
    std::uint64_t most = 0;
    while (!stopping_ || rounds_ == 0) {
      ++rounds_;
      const status_counts counts = node_.count().value();
      std::uint64_t sum = 0;
      for (const std::uint64_t count : counts)
        sum += count;
      if (sum < most)
        differences_.push_back("a count is less than an earlier one");
      // The list contains every instance that was counted before it began.
      if (read_pages() < sum)
        differences_.push_back("a list has fewer instances than a count");
      most = sum;
      static_cast<void>(node_.statistics());
      static_cast<void>(node_.counters());
    }
  }

  std::uint64_t read_pages() {
    instance_query query;
    query.top = 16;
    std::set<instance_id> listed;
    do {
      const instance_page page = node_.query(query).value();
      for (const instance_row& row : page.rows) {
        if (!listed.insert(row.id).second)
          differences_.push_back(row.id + " is listed twice");
        const auto status = node_.read_status({row.id, true, true});
        if (!status && status.code() != errc::unavailable)
          differences_.push_back(row.id + ": " + status.error().message);
      }
      query.token = page.token;
    } while (!query.token.empty());
    return listed.size();
  }

  threaded_node& node_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

void expect_none(const std::vector<std::string>& differences) {
  for (const std::string& each : differences)
    BOOST_ERROR(each);
}

void run_clients(std::uint64_t seed) {
  const temp_directory home(temp_directory::in_memory());
  const auto directory = home.path() / "hub";
  create_threaded_hub(directory, partition_total, lane_total);
  std::map<instance_id, std::string> expected;
  std::size_t terminated = 0;
  std::size_t instances = 0;
  {
    threaded_node node({directory, threaded_functions(), 4, seed});
    std::vector<std::unique_ptr<client_thread>> clients;
    std::vector<std::thread> threads;
    reader_thread reader(node);
    for (int i = 0; i < client_threads; ++i)
      clients.push_back(std::make_unique<client_thread>(node, i));
    for (const auto& client : clients)
      threads.emplace_back([&client = *client] { client.run(); });
    for (std::thread& each : threads)
      each.join();
    reader.stop();
    expect_none(reader.differences_);
    for (const auto& client : clients) {
      expect_none(client->differences_);
      terminated += client->terminated_;
      instances += client->expected_.size() + client->children_;
      expected.merge(client->expected_);
    }
    node.wait_for_empty_outboxes();
    const partition_counters counters = node.counters();
    BOOST_TEST(counters.starts == instances);
    BOOST_TEST(counters.terminated == terminated);
    BOOST_TEST(counters.failed == 0U);
    const journal_statistics written = node.statistics();
    BOOST_TEST(written.commits > 0U);
    BOOST_TEST(written.turns >= 2 * instances);
    BOOST_TEST(written.commits <= written.turns);
    BOOST_TEST(written.views_commits > 0U);
    node.stop();
  }
  const auto checked = verify_hub(directory, threaded_node_maps).value();
  expect_none(checked.problems);
  BOOST_TEST(checked.instances == instances);
  // The next start finds every instance as it ended.
  threaded_node again({directory, threaded_functions(), 2, seed});
  const status_counts counts = again.count().value();
  BOOST_TEST(counts[std::size_t(runtime_status::completed)]
             == instances - terminated);
  BOOST_TEST(counts[std::size_t(runtime_status::terminated)] == terminated);
  for (const auto& [id, output] : expected)
    BOOST_TEST(again.ask(get_status{id}).status->row.output == output);
}

/// Stops a node while clients start instances, and opens it again.
void run_stop(std::uint64_t seed) {
  const temp_directory home(temp_directory::in_memory());
  const auto directory = home.path() / "hub";
  create_threaded_hub(directory, partition_total, lane_total);
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<instance_id> acknowledged;
  std::size_t answered = 0;
  std::size_t submitted = 0;
  {
    threaded_node node({directory, threaded_functions(), 4, seed});
    std::vector<std::thread> threads;
    for (int client = 0; client < client_threads; ++client)
      threads.emplace_back([&, client] {
        for (int i = 0; i < 60; ++i) {
          const instance_id id
            = std::to_string(client) + "-" + std::to_string(i);
          node.submit(make_start(id, "Chain", "3"),
                      [&, id](const management_answer& answer) {
                        const std::lock_guard lock(mutex);
                        ++answered;
                        if (answer.code == errc::ok)
                          acknowledged.push_back(id);
                        changed.notify_all();
                      });
          const std::lock_guard lock(mutex);
          ++submitted;
        }
      });
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return acknowledged.size() >= 20; });
    }
    node.stop();
    for (std::thread& each : threads)
      each.join();
    BOOST_TEST(answered == submitted);
  }
  BOOST_TEST(acknowledged.size() >= 20U);
  BOOST_TEST(verify_hub(directory, threaded_node_maps)->problems.empty());
  threaded_node again({directory, threaded_functions(), 4, seed + 1});
  for (const instance_id& id : acknowledged) {
    const management_answer ended = again.ask(wait_instance{id});
    BOOST_REQUIRE_MESSAGE(ended.status, id << " is lost");
    BOOST_TEST(ended.status->row.output == "[0,1,2]");
  }
}

template <class F>
void for_each_seed(F run) {
  const std::uint64_t first = round_number_from("PERDURA_THREADS_SEED", 1);
  const std::uint64_t rounds = round_number_from("PERDURA_THREADS_ROUNDS", 2);
  for (std::uint64_t seed = first; seed < first + rounds; ++seed) {
    BOOST_TEST_CONTEXT("reproduce with: PERDURA_THREADS_ROUNDS=1 "
                       "PERDURA_THREADS_SEED="
                       << seed) {
      run(seed);
    }
  }
  BOOST_TEST_MESSAGE(rounds << " rounds");
}

} // namespace

BOOST_AUTO_TEST_SUITE(partition_threads)

// Four clients start instances of every kind, raise events, terminate and wait,
// while another thread lists, counts and reads all instances.
BOOST_AUTO_TEST_CASE(clients_on_many_threads_get_every_outcome) {
  for_each_seed(run_clients);
}

// The node stops while starts are under way. Each start that was acknowledged
// is found and finished by the next node on the same directory.
BOOST_AUTO_TEST_CASE(stop_during_work_loses_nothing_acknowledged) {
  for_each_seed(run_stop);
}

#ifdef __SANITIZE_THREAD__
/// Reads counters without synchronisation while the workers change them.
void run_planted_race() {
  const temp_directory home(temp_directory::in_memory());
  create_threaded_hub(home.path() / "hub", 2, 1);
  threaded_node node({home.path() / "hub", threaded_functions(), 2, 1});
  for (int i = 0; i < 200; ++i) {
    node.submit(make_start("id-" + std::to_string(i), "Chain", "2"),
                [](auto) {});
    static_cast<void>(node.counters_without_synchronisation());
  }
  node.stop();
}

// ThreadSanitizer must end a process with a data race. The case runs itself in
// a second process, in which PERDURA_PLANT is set.
BOOST_AUTO_TEST_CASE(planted_data_race_is_reported) {
  if (std::getenv("PERDURA_PLANT") != nullptr)
    return run_planted_race();
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv("PERDURA_PLANT", "race", 1);
    ::execl("/proc/self/exe", "tests_concurrency",
            "--run_test=partition_threads/planted_data_race_is_reported",
            static_cast<char*>(nullptr));
    ::_exit(127);
  }
  int status = 0;
  BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
  constexpr int exit_code_of_a_report = 66; // default of TSAN_OPTIONS
  BOOST_REQUIRE(WIFEXITED(status));
  BOOST_TEST(WEXITSTATUS(status) == exit_code_of_a_report);
}
#endif

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
