// SPDX-License-Identifier: Apache-2.0
// One allocation fails on one thread of Perdura. A node ends with a sentence
// and the exit code 70, so that it is started again; before, a part of its
// instances answered no more until the restart. A client of a cluster never
// ends its process.
#include "client/api/orchestration_status.hpp"
#include "persistence/process/process_end.hpp"
#include "persistence/records/codec.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/patience.hpp"
#include "tests/support/temp_directory.hpp"

#include "real/cluster_harness.hpp"
#include "real/failing_allocations.hpp"
#include <boost/test/unit_test.hpp>
#include <sys/prctl.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <functional>
#include <new>
#include <string>
#include <vector>

namespace perdura::tests {

namespace {

/// The output of a fault worker, and its exit code.
struct worker_end {
  std::vector<std::string> fatal; ///< The sentences of `on_fatal`.
  bool sound = false;
  bool failed = false;
  std::string all;
  int code = -1;
};

worker_end run_worker_with_fault(const std::string& kind,
                                 const std::string& thread, std::uint64_t n,
                                 const std::vector<std::string>& more) {
  std::vector<std::string> command{
    std::filesystem::read_symlink("/proc/self/exe").string(), "--fault-worker",
    kind, thread, std::to_string(n)};
  command.insert(command.end(), more.begin(), more.end());
  child_process worker(command);
  worker_end end;
  // The limit of a call in the worker is `patience`, so a line must come later.
  while (const auto line = worker.receive(2 * patience)) {
    end.all += *line + '\n';
    if (line->starts_with("fatal "))
      end.fatal.push_back(line->substr(6));
    end.sound = end.sound || *line == "sound";
    end.failed = end.failed || *line == "failed";
  }
  // No effect on a worker whose output has ended, because it has its exit code.
  ::kill(worker.pid(), SIGKILL);
  end.code = worker.wait();
  return end;
}

std::string name_of_this_thread() {
  std::array<char, 16> name{};
  ::prctl(PR_GET_NAME, name.data(), 0, 0, 0);
  return name.data();
}

} // namespace

BOOST_AUTO_TEST_SUITE(fault)

BOOST_AUTO_TEST_CASE(failed_allocation_on_any_thread_ends_a_node) {
  std::size_t ended = 0;
  for (const char* thread : {"actors", "activity", "journal", "views", "http",
                             "alarms", "act-monitor", "actors-watch"})
    for (const std::uint64_t n : {1, 7, 40})
      BOOST_TEST_CONTEXT("allocation " << n << " of thread " << thread) {
        temp_directory directory;
        const worker_end end = run_worker_with_fault(
          "node", thread, n, {(directory.path() / "hub").string()});
        BOOST_TEST_CONTEXT(end.all) {
          // A failure inside user code fails that task only, and a thread may
          // allocate nothing.
          if (end.code == 0) {
            BOOST_TEST(end.sound);
            BOOST_TEST(end.fatal.empty());
            continue;
          }
          ++ended;
          BOOST_TEST(end.code == persistence::exit_code_fault);
          BOOST_REQUIRE(end.fatal.size() == 1);
          BOOST_TEST(end.fatal.front().starts_with("Perdura has failed in "));
          BOOST_TEST(end.fatal.front().find("bad_alloc") != std::string::npos);
        }
      }
  BOOST_TEST(ended >= 6);
}

BOOST_AUTO_TEST_CASE(failed_allocation_never_ends_the_process_of_a_client) {
  local_cluster cluster;
  cluster.start();
  std::size_t failed = 0;
  // The third allocation of a thread of actors was one inside an encoder, and
  // the seventh one that passed an answer on: its caller waited for ever.
  for (const char* thread : {"actors", "caf.multiplexer"})
    for (const std::uint64_t n : {1, 2, 3, 4, 5, 6, 7, 8, 9, 40})
      BOOST_TEST_CONTEXT("allocation " << n << " of thread " << thread) {
        const worker_end end
          = run_worker_with_fault("client", thread, n, cluster.entries());
        BOOST_TEST_CONTEXT(end.all) {
          BOOST_TEST(end.code == 0);
          BOOST_TEST(end.sound);
          failed += end.failed ? 1 : 0;
        }
      }
  BOOST_TEST(failed >= 1);
}

// A destructor that appended the end of a record or of an object ended the
// process, also that of a client.
BOOST_AUTO_TEST_CASE(failed_allocation_of_an_encoder_reaches_its_caller) {
  persistence::instance_record record;
  record.name = std::string(700, 'i');
  client::orchestration_status status;
  status.instance_id = record.name;
  status.has_history = true;
  for (int i = 0; i < 20; ++i)
    status.history.push_back(
      {{}, persistence::event_raised{std::string(30, 'n'), "\"text\""}});
  const std::vector<std::function<std::string()>> encoders{
    [&record] { return persistence::encode(record); },
    [&status] { return client::to_json(status); }};
  for (const auto& encoder : encoders) {
    const std::string whole = encoder();
    std::uint64_t failures = 0;
    for (;;) {
      std::string made;
      bool thrown = false;
      fail_allocation_of(name_of_this_thread(), failures + 1);
      try {
        made = encoder();
      } catch (const std::bad_alloc&) {
        thrown = true;
      }
      BOOST_REQUIRE(end_failing_allocations() == thrown);
      if (!thrown) {
        BOOST_TEST(made == whole);
        break;
      }
      ++failures;
    }
    BOOST_TEST(failures >= 1);
  }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
