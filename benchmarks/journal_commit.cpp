// The journal alone: turns a second and how long a turn waits for the disk,
// with so many turns on their way at once; and what that costs while somebody
// asks for a list ten times a second.
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

constexpr std::uint32_t partitions = 32; // a hub's default

std::uint32_t us_since(steady_clock::time_point from) {
  return static_cast<std::uint32_t>(
    std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now()
                                                          - from)
      .count());
}

/// Turns on their way to the disk, oldest first.
class turns_under_way {
public:
  /// Blocks while there are so many.
  void wait_below(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return open_.size() < count; });
  }

  void add(journal& into, turn_writes turn) {
    const auto from = steady_clock::now();
    const journal_position place = into.enqueue(std::move(turn));
    const std::lock_guard lock(mutex_);
    open_.emplace_back(place, from);
    settle();
  }

  void reach(journal_position place) {
    const std::lock_guard lock(mutex_);
    reached_ = std::max(reached_, place);
    settle();
    changed_.notify_all();
  }

  latencies take() {
    return std::exchange(times_, {});
  }

private:
  void settle() {
    for (; !open_.empty() && open_.front().first <= reached_; open_.pop_front())
      times_.all_us.push_back(us_since(open_.front().second));
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<journal_position, steady_clock::time_point>> open_;
  journal_position reached_ = 0;
  latencies times_;
};

/// Asks for a page ten times a second, as a dashboard does.
class polling {
public:
  explicit polling(journal& of) : thread_([this, &of] { run(of); }) {}

  latencies stop() {
    ending_ = true;
    thread_.join();
    return std::move(times_);
  }

private:
  void run(journal& of) {
    std::vector<partition_id> all;
    for (std::uint32_t i = 0; i < partitions; ++i)
      all.push_back(partition_id{i});
    while (!ending_) {
      const auto from = steady_clock::now();
      static_cast<void>(of.query(all, {}));
      times_.all_us.push_back(us_since(from));
      std::this_thread::sleep_until(from + std::chrono::milliseconds(100));
    }
  }

  std::atomic<bool> ending_{false};
  latencies times_;
  std::thread thread_;
};

class measured_journal {
public:
  explicit measured_journal(const std::filesystem::path& directory) {
    hub_identity hub;
    hub.hub_id = random_hex32();
    hub.name = "bench";
    hub.partition_count = partitions;
    create_hub(directory, hub).value();
    lmdb_journal_options options;
    options.directory = directory;
    journal_ = open_lmdb_journal(std::move(options)).value();
    for (std::uint32_t i = 0; i < partitions; ++i)
      journal_->listen(partition_id{i},
                       [this](journal_position place) { turns_.reach(place); });
  }

  ~measured_journal() {
    journal_->close();
  }

  measured_journal(const measured_journal&) = delete;
  measured_journal& operator=(const measured_journal&) = delete;

  bench_figures run(std::size_t in_flight, std::chrono::milliseconds time,
                    bool with_list) {
    std::optional<polling> list;
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
  turn_writes next_turn() {
    const std::uint32_t p = next_++ % partitions;
    return client::typical_turn("order-", partition_id{p}, ++sequences_[p],
                                system_clock().now());
  }

  bench_figures figures(std::size_t count, double seconds, double cpu,
                        const journal_statistics& before,
                        latencies& list_times) {
    const journal_statistics now = journal_->statistics();
    const auto turns = static_cast<double>(count);
    const auto commits = static_cast<double>(now.commits - before.commits);
    latencies times = turns_.take();
    return {
      {"rate_per_s", turns / seconds},
      {"p50_ms", times.at(0.5) / 1e3},
      {"p99_ms", times.at(0.99) / 1e3},
      {"max_ms", times.max() / 1e3},
      {"cpu_us", cpu * 1e6 / turns},
      {"journal_commits", commits / turns},
      {"views_commits",
       static_cast<double>(now.views_commits - before.views_commits) / turns},
      {"turns_per_commit", turns / std::max(1.0, commits)},
      {"bytes", static_cast<double>(now.bytes - before.bytes) / turns},
      {"list_p50_ms", list_times.at(0.5) / 1e3}};
  }

  std::unique_ptr<manual_journal> journal_;
  turns_under_way turns_;
  std::uint32_t next_ = 0;
  std::array<partition_sequence, partitions> sequences_{};
};

} // namespace

int main(int argc, char** argv) {
  CLI::App app("Commits of the journal alone");
  program_options options;
  std::vector<std::size_t> in_flight{1, 16, 128};
  std::string data_dir;
  benchmarks::add_program_options(app, options);
  app.add_option("--in-flight", in_flight, "Turns on their way at once")
    ->delimiter(',')
    ->capture_default_str();
  app.add_option("--data-dir", data_dir, "On which disk");
  CLI11_PARSE(app, argc, argv);
  client::temporary_folder folder;
  folder.make("perdura-bench", data_dir).value();
  std::vector<client::bench_result> results;
  for (const std::size_t count : in_flight) {
    measured_journal journal(folder.path() / std::to_string(count));
    const std::string load = std::to_string(count) + " in flight";
    for (const bool with_list : {false, true})
      benchmarks::measure_rounds(
        results,
        {.scenario = with_list ? "commit + list" : "commit",
         .load = load,
         .unit = "turn"},
        options, [&] { return journal.run(count, options.time(), with_list); });
    // What the list costs those who wait for the disk.
    auto& alone = results[results.size() - 2].figures;
    auto& listed = results.back().figures;
    const double p99 = *client::find_figure(alone, "p99_ms");
    alone.push_back({"p99_ratio", 1});
    listed.push_back(
      {"p99_ratio", *client::find_figure(listed, "p99_ms") / p99});
  }
  return benchmarks::finish(options, std::move(results), folder.path());
}
