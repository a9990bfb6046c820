// What the HTTP door bears: GET status at 32 connections, alone, beside 500
// callers who drip their headers, and with 10,000 parked waiters; and whether
// all waiters are answered when their instances complete.
//
//   bench_http_door [--seconds 3] [--rounds 5] [--waiters 10000]

#include "client/cli/temporary_folder.hpp"
#include "client/load/child_node.hpp"
#include "client/load/http_load.hpp"

#include <CLI/CLI.hpp>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <thread>

namespace {

using namespace perdura::client;
using std::chrono::milliseconds;

constexpr std::size_t connections = 32;
constexpr std::size_t instances = 1'000;
constexpr std::size_t drippers = 500;
const std::string webhook = "/runtime/webhooks/durabletask";

/// Callers who send their headers a byte at a time and never end them.
class dripping {
public:
  explicit dripping(std::uint16_t port)
    : port_(port), thread_([this] { run(); }) {}

  /// Returns when each has sent its first byte.
  void wait_connected() {
    connected_.wait(false);
  }

  ~dripping() {
    ending_ = true;
    thread_.join();
  }

  dripping(const dripping&) = delete;
  dripping& operator=(const dripping&) = delete;

private:
  int open_one() const {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port_);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::connect(socket, reinterpret_cast<sockaddr*>(&to), sizeof to);
    return socket;
  }

  void run() {
    const std::string text = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "
                             + std::string(4096, 'x');
    std::vector<int> sockets(drippers, -1);
    std::vector<std::size_t> sent(drippers, 0);
    while (!ending_) {
      // Ten bytes a second from each.
      for (std::size_t i = 0; i < drippers && !ending_; ++i) {
        if (sockets[i] < 0) {
          sockets[i] = open_one();
          sent[i] = 0;
        }
        // Refused after ten seconds (408): then another comes.
        if (::send(sockets[i], text.data() + sent[i]++ % text.size(), 1,
                   MSG_NOSIGNAL | MSG_DONTWAIT)
            < 0) {
          ::close(sockets[i]);
          sockets[i] = -1;
        }
        // The pace is what is measured.
        if (i % 50 == 49)
          std::this_thread::sleep_for(milliseconds(10));
      }
      connected_ = true;
      connected_.notify_all();
    }
    for (const int each : sockets)
      if (each >= 0)
        ::close(each);
  }

  std::uint16_t port_;
  std::atomic<bool> ending_{false};
  std::atomic<bool> connected_{false};
  std::thread thread_;
};

struct figures {
  double rate = 0;
  double p50_us = 0;
  double p99_us = 0;
  double cpu_us = 0;
  std::uint64_t failures = 0;
};

figures ask_status(const child_node& node, milliseconds time) {
  http_load load(node.port(), connections);
  std::size_t number = 0;
  std::string text;
  const auto cpu_before = node.cpu_time();
  load_outcome out = load.run(
    time,
    [&](std::size_t) {
      text = request_text("GET", webhook + "/instances/done-"
                                   + std::to_string(++number % instances));
      return std::string_view(text);
    },
    [](std::size_t, int status, std::string_view) { return status == 200; });
  const auto cpu = node.cpu_time() - cpu_before;
  return {out.rate(), out.times.at(0.5), out.times.at(0.99),
          static_cast<double>(cpu.count()) / static_cast<double>(out.answers),
          out.failures};
}

figures print(const char* name, const std::vector<figures>& rounds) {
  const auto over = [&](double figures::*what) {
    std::vector<double> values;
    for (const figures& each : rounds)
      values.push_back(each.*what);
    return median(values);
  };
  figures middle{over(&figures::rate), over(&figures::p50_us),
                 over(&figures::p99_us), over(&figures::cpu_us)};
  double least = rounds.front().p99_us;
  double most = least;
  for (const figures& each : rounds) {
    least = std::min(least, each.p99_us);
    most = std::max(most, each.p99_us);
    middle.failures += each.failures;
  }
  std::printf(
    "%-24s %8.0f/s  p50 %6.0f us  p99 %6.0f us (%.0f to %.0f)  node's "
    "CPU %5.1f us each  %llu failed\n",
    name, middle.rate, middle.p50_us, middle.p99_us, least, most, middle.cpu_us,
    static_cast<unsigned long long>(middle.failures));
  std::fflush(stdout);
  return middle;
}

bool start_all(const child_node& node, const char* function,
               const std::string& prefix, std::size_t count) {
  http_load load(node.port(), 64);
  std::size_t number = 0;
  std::string text;
  const load_outcome out = load.run(
    std::chrono::minutes(5),
    [&](std::size_t) {
      if (number == count)
        return std::string_view();
      text = request_text("POST", webhook + "/orchestrators/" + function + "/"
                                    + prefix + std::to_string(number++));
      return std::string_view(text);
    },
    [](std::size_t, int status, std::string_view) { return status == 202; });
  return out.failures == 0;
}

/// True if all were answered.
bool park_and_wake(const child_node& node, std::size_t waiters,
                   milliseconds time, std::size_t rounds, figures& beside) {
  const double before = node.anonymous_mib();
  http_load parked(node.port(), waiters);
  std::string asked;
  parked.send_all([&](std::size_t i) {
    asked = request_text("GET", webhook + "/instances/parked-"
                                  + std::to_string(i) + "?waitSeconds=300");
    return std::string_view(asked);
  });
  std::vector<figures> measured;
  for (std::size_t i = 0; i < rounds; ++i)
    measured.push_back(ask_status(node, time));
  beside = print("beside parked waiters", measured);
  std::printf("%zu waiters take      %.1f MiB of anonymous memory\n", waiters,
              node.anonymous_mib() - before);

  std::thread raising([&] {
    http_load load(node.port(), 64);
    std::size_t number = 0;
    std::string text;
    load.run(
      std::chrono::minutes(5),
      [&](std::size_t) {
        if (number == waiters)
          return std::string_view();
        text
          = request_text("POST",
                         webhook + "/instances/parked-"
                           + std::to_string(number++) + "/raiseEvent/Approval",
                         "true");
        return std::string_view(text);
      },
      [](std::size_t, int status, std::string_view) { return status == 202; });
  });
  load_outcome woken
    = parked.collect([](std::size_t, int status, std::string_view body) {
        return status == 200 && body.find("\"Completed\"") != body.npos;
      });
  raising.join();
  std::printf("%zu waiters answered    %llu right, %llu not, in %.2f s\n",
              waiters,
              static_cast<unsigned long long>(woken.answers - woken.failures),
              static_cast<unsigned long long>(woken.failures), woken.seconds);
  return woken.failures == 0 && woken.answers == waiters;
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app("What the HTTP door bears");
  double seconds = 3;
  std::size_t rounds = 5;
  std::size_t waiters = 10'000;
  app.add_option("--seconds", seconds, "Each measurement")
    ->capture_default_str();
  app.add_option("--rounds", rounds, "Medians are taken over them")
    ->check(CLI::Range(1, 1000))
    ->capture_default_str();
  app.add_option("--waiters", waiters, "Parked callers")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  const milliseconds time(static_cast<std::int64_t>(seconds * 1000));

  temporary_folder folder;
  folder.make("perdura-bench").value();
  node_host_config config;
  config.node.data_dir = folder.path() / "hub";
  config.node.create_hub = true;
  config.door.port = 0;
  const auto child = child_node::start(std::move(config)).value();
  const child_node& node = *child;
  // Those who will be waited for are there from the beginning, so that all is
  // measured with as many instances.
  if (!start_all(node, "Approval", "parked-", waiters)
      || !start_all(node, "HelloSequence", "done-", instances)) {
    std::printf("not all instances could be started\n");
    return 1;
  }
  ask_status(node, milliseconds(300)); // Until all of them have ended.

  // Turn by turn, so that what else the machine does falls on both.
  std::vector<figures> alone;
  std::vector<figures> dripped;
  for (std::size_t i = 0; i < rounds; ++i) {
    alone.push_back(ask_status(node, time));
    dripping callers(node.port());
    callers.wait_connected();
    dripped.push_back(ask_status(node, time));
  }
  std::printf("GET status, %zu connections, %zu rounds of %.1f s, medians\n",
              connections, rounds, seconds);
  const figures first = print("alone", alone);
  const figures second = print("beside 500 dripping", dripped);
  std::printf("p99 beside dripping      %.2f times that without (goal: at most "
              "3)\n",
              second.p99_us / first.p99_us);
  figures third;
  const bool woken = park_and_wake(node, waiters, time, rounds, third);
  std::printf("p99 beside parked        %.2f times that without\n",
              third.p99_us / first.p99_us);
  return woken && first.failures + second.failures + third.failures == 0 ? 0
                                                                         : 1;
}
