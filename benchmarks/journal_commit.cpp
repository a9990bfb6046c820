// SPDX-License-Identifier: Apache-2.0
// Measures the journal without a node: turns per second and the time until a
// turn is durable, with several numbers of turns in flight. Each number of
// turns in flight is measured twice: without other load, and while a list of
// instances is queried ten times a second.
//
//   bench_journal_commit [--seconds 1] [--rounds 3] [--in-flight 1,16,128]
//                        [--data-dir DIR] [--json FILE]

#include "benchmarks/bench_program.hpp"
#include "client/cli/temporary_folder.hpp"
#include "client/http/process_usage.hpp"
#include "client/load/latencies.hpp"
#include "client/load/typical_turn.hpp"
#include "persistence/journal/lmdb_journal.hpp"
#include "persistence/records/clock.hpp"
#include "persistence/records/identity.hpp"

#include <CLI/CLI.hpp>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <iostream>
#include <mutex>
#include <thread>

namespace {

using namespace perdura;
using namespace perdura::persistence;
using benchmarks::program_options;
using client::bench_figures;
using client::latencies;
using std::chrono::steady_clock;

constexpr std::uint32_t partitions = 32; // The default of a task hub.

/// The time since `from` in microseconds.
std::uint32_t us_since(steady_clock::time_point from) {
  return static_cast<std::uint32_t>(
    std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now()
                                                          - from)
      .count());
}

/// The turns that are enqueued and not yet durable, oldest first, and the
/// latencies of the durable ones. Thread-safe: one thread adds turns, the
/// committer thread reports durable positions.
class pending_turns {
public:
  /// Blocks until fewer than `count` turns are pending.
  void wait_below(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return open_.size() < count; });
  }

  /// Appends a turn. Its latency counts from this call.
  void add(turn_log& into, turn_writes turn) {
    const auto from = steady_clock::now();
    const partition_id partition = turn.partition;
    const journal_position position = into.append(std::move(turn));
    into.request_commit(partition, false);
    const std::lock_guard lock(mutex_);
    open_.emplace_back(position, from);
    // The turn may have become durable before it was added to `open_`.
    record_durable();
  }

  /// All turns up to `position` are durable. Called on the committer's thread.
  void set_durable(journal_position position) {
    const std::lock_guard lock(mutex_);
    reached_ = std::max(reached_, position);
    record_durable();
    changed_.notify_all();
  }

  /// Returns the latencies of all durable turns and forgets them. No turn may
  /// be pending.
  latencies release_times() {
    return std::exchange(times_, {});
  }

private:
  /// Moves the turns up to `reached_` from `open_` to `times_`. The caller
  /// holds the mutex.
  void record_durable() {
    for (; !open_.empty() && open_.front().first <= reached_; open_.pop_front())
      times_.values_us.push_back(us_since(open_.front().second));
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  /// The position of each pending turn, and the time at which it was appended.
  std::deque<std::pair<journal_position, steady_clock::time_point>> open_;
  journal_position reached_ = 0; ///< The newest durable position.
  latencies times_;
};

/// Queries one page of instances ten times a second, as a dashboard does.
class list_poller {
public:
  explicit list_poller(const query_source& of)
    : thread_([this, &of] { run(of); }) {}

  /// Stops the thread; returns the latencies of the queries.
  latencies stop() {
    ending_ = true;
    thread_.join();
    return std::move(times_);
  }

private:
  /// The body of the thread.
  void run(const query_source& of) {
    std::vector<partition_id> all;
    for (std::uint32_t i = 0; i < partitions; ++i)
      all.push_back(partition_id{i});
    while (!ending_) {
      const auto from = steady_clock::now();
      // The default query returns one page of all instances.
      static_cast<void>(of.query(all, {}));
      times_.values_us.push_back(us_since(from));
      std::this_thread::sleep_until(from + std::chrono::milliseconds(100));
    }
  }

  std::atomic<bool> ending_{false};
  latencies times_;
  std::thread thread_;
};

/// A journal with the default number of partitions in a directory of its own.
class journal_under_test {
public:
  explicit journal_under_test(const std::filesystem::path& directory) {
    hub_identity hub;
    hub.hub_id = random_hex32();
    hub.name = "bench";
    hub.partition_count = partitions;
    create_hub(directory, hub).value();
    lmdb_journal_options options;
    options.directory = directory;
    journal_ = open_lmdb_journal(std::move(options)).value();
    // The hub has one lane, so all partitions share one sequence of positions,
    // and one `pending_turns` can handle all of them.
    for (std::uint32_t i = 0; i < partitions; ++i)
      journal_->listen(partition_id{i}, [this](journal_position position) {
        turns_.set_durable(position);
      });
  }

  ~journal_under_test() {
    journal_->close();
  }

  journal_under_test(const journal_under_test&) = delete;
  journal_under_test& operator=(const journal_under_test&) = delete;

  /// Commits turns until the time is over, with `in_flight` turns in flight. If
  /// `with_list` is set, a `list_poller` runs at the same time.
  bench_figures run(std::size_t in_flight, std::chrono::milliseconds time,
                    bool with_list) {
    std::optional<list_poller> list;
    if (with_list)
      list.emplace(*journal_);
    const journal_statistics before = journal_->statistics();
    const double cpu_before = client::process_cpu_seconds();
    const auto from = steady_clock::now();
    std::size_t count = 0;
    for (; steady_clock::now() - from < time; ++count) {
      turns_.wait_below(in_flight);
      turns_.add(*journal_, next_turn());
    }
    // The round ends when its last turn is durable.
    turns_.wait_below(1);
    const double seconds
      = std::chrono::duration<double>(steady_clock::now() - from).count();
    latencies list_times;
    if (list)
      list_times = list->stop();
    const double cpu = client::process_cpu_seconds() - cpu_before;
    return figures(count, seconds, cpu, before, list_times);
  }

private:
  /// The next turn; the partitions are used in rotation.
  turn_writes next_turn() {
    const std::uint32_t p = next_++ % partitions;
    return client::typical_turn("order-", partition_id{p}, ++sequences_[p],
                                system_clock().now());
  }

  /// The figures of one round of `count` turns. `cpu` is in seconds; `before`
  /// holds the journal's counters at the beginning of the round.
  bench_figures figures(std::size_t count, double seconds, double cpu,
                        const journal_statistics& before,
                        latencies& list_times) {
    const journal_statistics now = journal_->statistics();
    const auto turns = static_cast<double>(count);
    const auto commits = static_cast<double>(now.commits - before.commits);
    latencies times = turns_.release_times();
    return {
      {"rate_per_s", turns / seconds},
      {"p50_ms", times.percentile(0.5) / 1e3},
      {"p99_ms", times.percentile(0.99) / 1e3},
      {"max_ms", times.max() / 1e3},
      {"cpu_us", cpu * 1e6 / turns},
      {"journal_commits", commits / turns},
      {"views_commits",
       static_cast<double>(now.views_commits - before.views_commits) / turns},
      {"turns_per_commit", turns / std::max(1.0, commits)},
      {"bytes",
       static_cast<double>(now.journal_bytes - before.journal_bytes) / turns},
      {"list_p50_ms", list_times.percentile(0.5) / 1e3}};
  }

  std::unique_ptr<manual_journal> journal_;
  pending_turns turns_;
  std::uint32_t next_ = 0; ///< Turns so far, modulo 2^32.
  std::array<partition_sequence, partitions> sequences_{};
};

} // namespace

int main(int argc, char** argv) {
  CLI::App app("Measure commits of the journal without a node.");
  program_options options;
  std::vector<std::size_t> in_flight{1, 16, 128};
  std::string data_dir;
  benchmarks::add_program_options(app, options);
  app
    .add_option("--in-flight", in_flight,
                "Measure with these numbers of turns in flight "
                "(comma-separated).")
    ->delimiter(',')
    ->capture_default_str()
    ->type_name("N");
  app
    .add_option("--data-dir", data_dir,
                "Create temporary data directories below this directory, so "
                "that its disk is measured.")
    ->type_name("DIR");
  CLI11_PARSE(app, argc, argv);
  client::temporary_folder folder;
  folder.make("perdura-bench", data_dir).value();
  std::vector<client::bench_result> results;
  for (const std::size_t count : in_flight) {
    // Each number of turns in flight gets a new journal, so that all begin with
    // files of the same size.
    journal_under_test journal(folder.path() / std::to_string(count));
    const std::string load = std::to_string(count) + " in flight";
    for (const bool with_list : {false, true})
      benchmarks::measure_rounds(
        results,
        {.scenario = with_list ? "commit + list" : "commit",
         .load = load,
         .unit = "turn"},
        options, [&] { return journal.run(count, options.time(), with_list); });
    // The ratio shows by how much the list queries delay commits.
    auto& alone = results[results.size() - 2].figures;
    auto& listed = results.back().figures;
    const double p99 = *client::find_figure(alone, "p99_ms");
    alone.push_back({"p99_ratio", 1});
    listed.push_back(
      {"p99_ratio", *client::find_figure(listed, "p99_ms") / p99});
  }
  return benchmarks::report_results(options, std::move(results), folder.path());
}
