// Many instances that wait for an event: what they cost in memory after
// eviction, how soon a killed node with them is ready again, and that one
// event each completes all.
//
//   bench_waiting_instances [--instances 100000]

#include "client/cli/temporary_folder.hpp"
#include "client/examples/samples.hpp"
#include "client/load/child_node.hpp"
#include <perdura/actors/registry.hpp>
#include <perdura/client/orchestration_client.hpp>
#include <perdura/cluster/node.hpp>

#include <CLI/CLI.hpp>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <functional>
#include <iostream>
#include <mutex>
#include <string>
#include <thread>

namespace {

using namespace perdura;
using clock_type = std::chrono::steady_clock;

constexpr std::size_t in_flight_max = 256;

std::string id_of(std::size_t number) {
  return "waiting-" + std::to_string(number);
}

double anonymous_mib() {
  return client::anonymous_mib(::getpid());
}

double seconds_since(clock_type::time_point from) {
  return std::chrono::duration<double>(clock_type::now() - from).count();
}

/// Runs `count` calls, at most `in_flight_max` at once; a call reports its end.
class window {
public:
  using call = std::function<void(std::size_t, std::function<void(bool)>)>;

  std::size_t run(std::size_t count, const call& one) {
    for (std::size_t i = 0; i < count; ++i) {
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return out_ < in_flight_max; });
        ++out_;
      }
      one(i, [this](bool ok) {
        std::lock_guard lock(mutex_);
        --out_;
        failed_ += ok ? 0 : 1;
        changed_.notify_all();
      });
    }
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return out_ == 0; });
    return failed_;
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t out_ = 0;
  std::size_t failed_ = 0;
};

std::unique_ptr<cluster::node> open_node(const std::string& directory) {
  auto functions = std::make_shared<actors::registry>();
  examples::add_samples(*functions);
  cluster::node_config config;
  config.data_dir = directory;
  config.create_hub = true;
  config.idle_instance_time_max = std::chrono::seconds(2);
  auto opened = cluster::node::open(config, functions);
  if (!opened) {
    std::cerr << opened.error().message << "\n";
    std::exit(1);
  }
  if (auto begun = (*opened)->begin(); !begun) {
    std::cerr << begun.error().message << "\n";
    std::exit(1);
  }
  return std::move(*opened);
}

/// First life: start them all, wait until memory is given back, report.
int fill(const std::string& directory, std::size_t count) {
  auto node = open_node(directory);
  client::orchestration_client client(node->gateway());
  const double empty = anonymous_mib();
  const auto from = clock_type::now();
  const std::size_t failed
    = window().run(count, [&](std::size_t i, std::function<void(bool)> done) {
        client::start_options options;
        options.instance_id = id_of(i);
        client.start_async("Approval", "null", options,
                           [done](persistence::result<std::string> started) {
                             done(static_cast<bool>(started));
                           });
      });
  const double took = seconds_since(from);
  const double peak = anonymous_mib();
  std::size_t live = 0;
  for (int looks = 0; looks < 120; ++looks) {
    live = node->statistics().instances_live;
    if (live == 0)
      break;
    ::usleep(250'000); // the eviction's own time is what is waited for
  }
  std::printf("started            %zu in %.2f s (%.0f/s), %zu failed\n", count,
              took, static_cast<double>(count) / took, failed);
  std::printf("anonymous memory   empty %.1f MiB, with all live or cached %.1f "
              "MiB, after eviction %.1f MiB (%zu live)\n",
              empty, peak, anonymous_mib(), live);
  std::printf("above empty        %.1f MiB (goal: at most 100)\n",
              anonymous_mib() - empty);
  std::printf("filled\n");
  std::fflush(stdout);
  ::pause(); // until the kill
  return 0;
}

/// Second life: how soon is it ready; one event each completes all.
int finish(const std::string& directory, std::size_t count) {
  const auto from = clock_type::now();
  auto node = open_node(directory);
  client::orchestration_client client(node->gateway());
  auto first = client.get_status(id_of(0));
  const double ready = seconds_since(from);
  const bool there
    = first && *first && (*first)->status == client::runtime_status::running;
  std::printf("ready after kill   %.3f s (goal: at most 2), first status %s\n",
              ready, there ? "Running" : "WRONG");
  const auto events = clock_type::now();
  std::size_t failed
    = window().run(count, [&](std::size_t i, std::function<void(bool)> done) {
        client.raise_event_async(id_of(i), "Approval", "true", {},
                                 [done](persistence::result<void> raised) {
                                   done(static_cast<bool>(raised));
                                 });
      });
  failed += window().run(
    count, [&](std::size_t i, std::function<void(bool)> done) {
      client.wait_async(
        id_of(i), [done](persistence::result<client::orchestration_status> s) {
          done(s && s->output == "true");
        });
    });
  const double took = seconds_since(events);
  std::printf("one event each     %zu completed in %.2f s (%.0f/s), %zu not\n",
              count - failed, took, static_cast<double>(count) / took, failed);
  const auto statistics = node->statistics();
  std::printf("replays            %llu, journal commits %llu, views commits "
              "%llu\n",
              static_cast<unsigned long long>(statistics.replays),
              static_cast<unsigned long long>(statistics.commits),
              static_cast<unsigned long long>(statistics.views_commits));
  static_cast<void>(node->stop());
  return there && failed == 0 ? 0 : 1;
}

/// This program again, in another process, so that it can be killed.
pid_t start_again(const char* life, const std::string& directory,
                  std::size_t count, int output) {
  const pid_t child = ::fork();
  if (child != 0)
    return child;
  if (output >= 0)
    ::dup2(output, STDOUT_FILENO);
  const std::string instances = std::to_string(count);
  ::execl("/proc/self/exe", "bench_waiting_instances", "--life", life,
          "--directory", directory.c_str(), "--instances", instances.c_str(),
          nullptr);
  ::_exit(127);
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app("Instances that wait for an event: memory, readiness, release");
  std::size_t count = 100'000;
  std::string life;
  std::string directory;
  app.add_option("--instances", count, "How many")->capture_default_str();
  app.add_option("--life", life)->group("");
  app.add_option("--directory", directory)->group("");
  CLI11_PARSE(app, argc, argv);
  if (life == "first")
    return fill(directory, count);
  if (life == "second")
    return finish(directory, count);

  client::temporary_folder folder;
  folder.make("perdura-bench").value();
  const std::string hub = folder.path() / "hub";
  std::array<int, 2> pipe{};
  if (::pipe(pipe.data()) != 0)
    return 1;
  const pid_t first = start_again("first", hub, count, pipe[1]);
  ::close(pipe[1]);
  FILE* lines = ::fdopen(pipe[0], "r");
  std::array<char, 512> line{};
  while (std::fgets(line.data(), line.size(), lines) != nullptr) {
    if (std::string_view(line.data()) == "filled\n")
      break;
    std::fputs(line.data(), stdout);
    std::fflush(stdout);
  }
  ::kill(first, SIGKILL);
  ::waitpid(first, nullptr, 0);
  std::fclose(lines);
  const pid_t second = start_again("second", hub, count, -1);
  int status = 1;
  ::waitpid(second, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
