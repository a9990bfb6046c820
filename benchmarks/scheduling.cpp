// SPDX-License-Identifier: Apache-2.0
// Measures the run queue and the alarm clock alone, each against what CAF has
// for the same purpose: CAF's work-stealing scheduler, and CAF's delayed
// messages.
//
//   bench_scheduling [--in-flight 1,16,128] [--alarms 100,3000]
//                    [--seconds 1] [--rounds 5] [--json FILE]

#include "actors/timing/alarm_clock.hpp"
#include "benchmarks/bench_program.hpp"
#include "client/http/process_usage.hpp"
#include "cluster/scheduling/actor_scheduler.hpp"

#include <CLI/CLI.hpp>
#include <caf/all.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

namespace {

using namespace perdura;
using client::bench_figures;
using std::chrono::steady_clock;

constexpr std::size_t partitions = 32;
constexpr auto sync_time = std::chrono::microseconds(200);
constexpr auto work_time = std::chrono::nanoseconds(1'500);

enum class scheduler { run_queue, work_stealing };

/// Keeps the processor busy, as a step or a turn does.
void work() {
  const auto until = steady_clock::now() + work_time;
  while (steady_clock::now() < until) {
  }
}

/// A thread that completes all requests that wait for it together, after the
/// time of one sync of a disk.
class committer {
public:
  using call = std::function<void()>;

  committer() : thread_([this] { run(); }) {}

  ~committer() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }

  committer(const committer&) = delete;
  committer& operator=(const committer&) = delete;

  void add(call done) {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(done));
    if (queue_.size() == 1)
      changed_.notify_one();
  }

private:
  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
      if (stopping_)
        return;
      std::vector<call> batch;
      batch.swap(queue_);
      lock.unlock();
      std::this_thread::sleep_for(sync_time);
      for (const call& done : batch)
        done();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<call> queue_;
  bool stopping_ = false;
  std::thread thread_;
};

/// The state that the actors of one measurement share.
struct shared {
  committer disk;
  std::atomic<std::uint64_t> completed{0};
  std::atomic<std::uint64_t> in_flight{0};
  std::atomic<bool> stopping{false};
};

/// Runs one turn and returns the number of the request.
caf::behavior instance_behavior(caf::event_based_actor*, int) {
  return {[](std::uint64_t request) {
    work();
    return request;
  }};
}

/// A request passes a partition as an orchestration does: the partition sends
/// it to an instance, receives the outcome, waits for the commit, and completes
/// the request. The next request then enters.
caf::behavior partition_behavior(caf::event_based_actor* self, shared* all) {
  auto instance = self->spawn(instance_behavior, 0);
  return {
    [=](caf::ok_atom) { // a request from outside
      work();
      self->request(instance, caf::infinite, std::uint64_t{1})
        .then([=](std::uint64_t) {
          work();
          all->disk.add([self_handle = caf::actor_cast<caf::actor>(self)] {
            caf::anon_send(self_handle, caf::tick_atom_v);
          });
        });
    },
    [=](caf::tick_atom) { // the commit is durable
      all->completed.fetch_add(1);
      if (!all->stopping) {
        self->send(self, caf::ok_atom_v);
        return;
      }
      all->in_flight.fetch_sub(1);
      all->in_flight.notify_all();
    },
  };
}

/// Counts the alarms of one receiver.
caf::behavior receiver_behavior(caf::event_based_actor*,
                                std::atomic<std::uint64_t>* fired) {
  return {[fired](caf::tick_atom) { ++*fired; }};
}

/// Figures: rate_per_s (requests), and cpu_us (CPU time per request).
bench_figures pass_requests(scheduler which, std::size_t in_flight,
                            std::chrono::milliseconds time) {
  caf::actor_system_config config;
  if (which == scheduler::run_queue)
    cluster::install_coalescing_scheduler(
      config, std::size_t{std::thread::hardware_concurrency()} + 2);
  caf::actor_system system(config);
  shared all;
  std::vector<caf::actor> actors;
  for (std::size_t i = 0; i < partitions; ++i)
    actors.push_back(system.spawn(partition_behavior, &all));
  const auto from = steady_clock::now();
  const double cpu_before = client::process_cpu_seconds();
  all.in_flight = in_flight;
  for (std::size_t i = 0; i < in_flight; ++i)
    caf::anon_send(actors[i % partitions], caf::ok_atom_v);
  std::this_thread::sleep_for(time);
  const auto completed = static_cast<double>(all.completed.load());
  const double cpu = client::process_cpu_seconds() - cpu_before;
  const double seconds
    = std::chrono::duration<double>(steady_clock::now() - from).count();
  all.stopping = true;
  for (auto left = all.in_flight.load(); left > 0; left = all.in_flight.load())
    all.in_flight.wait(left);
  for (const caf::actor& each : actors)
    caf::anon_send_exit(each, caf::exit_reason::user_shutdown);
  return {{"rate_per_s", completed / seconds},
          {"cpu_us", cpu * 1e6 / completed}};
}

/// Sets alarms in turn at a fixed rate, each for 20 ms later, as partitions do
/// for the longest wait of a message. Figure: cpu_us (CPU time per alarm).
bench_figures set_alarms(bool own_clock, std::size_t per_second,
                         std::chrono::milliseconds time) {
  constexpr auto delay = std::chrono::milliseconds(20);
  caf::actor_system_config config;
  cluster::install_coalescing_scheduler(
    config, std::size_t{std::thread::hardware_concurrency()} + 2);
  caf::actor_system system(config);
  actors::alarm_clock clock;
  std::atomic<std::uint64_t> fired{0};
  std::vector<caf::actor> receivers;
  std::vector<actors::alarm_clock::alarm*> alarms;
  for (std::size_t i = 0; i < partitions; ++i) {
    receivers.push_back(system.spawn(receiver_behavior, &fired));
    alarms.push_back(&clock.add(
      [to = receivers.back()] { caf::anon_send(to, caf::tick_atom_v); }));
  }
  const double cpu_before = client::process_cpu_seconds();
  const auto from = steady_clock::now();
  const auto gap = std::chrono::nanoseconds(1'000'000'000 / per_second);
  std::uint64_t count = 0;
  for (auto at = from; at < from + time; at += gap, ++count) {
    std::this_thread::sleep_until(at);
    const std::size_t i = count % partitions;
    if (own_clock)
      clock.set(*alarms[i], delay);
    else
      caf::delayed_anon_send(receivers[i], delay, caf::tick_atom_v);
  }
  const double cpu = client::process_cpu_seconds() - cpu_before;
  for (const caf::actor& each : receivers)
    caf::anon_send_exit(each, caf::exit_reason::user_shutdown);
  clock.stop();
  return {{"cpu_us", cpu * 1e6 / static_cast<double>(count)}};
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app("Measure the run queue and the alarm clock against CAF's own.");
  benchmarks::program_options options;
  options.rounds = 5;
  std::vector<std::size_t> in_flight{1, 16, 128};
  std::vector<std::size_t> alarms{100, 3'000};
  benchmarks::add_program_options(app, options);
  app
    .add_option("--in-flight", in_flight,
                "Measure the schedulers with these numbers of requests in "
                "flight (comma-separated).")
    ->delimiter(',')
    ->capture_default_str()
    ->type_name("N");
  app
    .add_option("--alarms", alarms,
                "Measure the clocks with these numbers of alarms per second "
                "(comma-separated).")
    ->delimiter(',')
    ->capture_default_str()
    ->type_name("N");
  CLI11_PARSE(app, argc, argv);
  std::vector<client::bench_result> results;
  for (const std::size_t count : in_flight)
    for (const auto which : {scheduler::run_queue, scheduler::work_stealing})
      benchmarks::measure_rounds(
        results,
        {.scenario
         = which == scheduler::run_queue ? "run queue" : "work stealing",
         .load = std::to_string(count) + " in flight",
         .unit = "request"},
        options, [&] { return pass_requests(which, count, options.time()); });
  for (const std::size_t rate : alarms)
    for (const bool own : {true, false})
      benchmarks::measure_rounds(
        results,
        {.scenario = own ? "alarm clock" : "delayed messages",
         .load = std::to_string(rate) + " per second",
         .unit = "alarm"},
        options, [&] { return set_alarms(own, rate, options.time()); });
  return benchmarks::report_results(options, std::move(results));
}
