// SPDX-License-Identifier: Apache-2.0
// One allocation fails on one thread of Perdura. A node ends with a sentence
// and the exit code 70, so that it is started again; before, a part of its
// instances answered no more until the restart. A client of a cluster never
// ends its process.
#include "persistence/process/process_end.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/patience.hpp"
#include "tests/support/temp_directory.hpp"

#include "real/cluster_harness.hpp"
#include <boost/test/unit_test.hpp>

#include <filesystem>
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
  while (const auto line = worker.receive(patience)) {
    end.all += *line + '\n';
    if (line->starts_with("fatal "))
      end.fatal.push_back(line->substr(6));
    end.sound = end.sound || *line == "sound";
    end.failed = end.failed || *line == "failed";
  }
  end.code = worker.wait();
  return end;
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
  for (const char* thread : {"actors", "caf.multiplexer"})
    for (const std::uint64_t n : {1, 40})
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

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
