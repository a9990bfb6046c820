// SPDX-License-Identifier: Apache-2.0
// Measures how fast the HTTP server of a node answers GET status on 32
// connections. There are three conditions: no other clients; 500 slow clients
// that send their headers one byte at a time; and 10,000 clients that wait for
// the end of an instance. Also checks that all waiting clients get a response
// when their instances complete.
//
//   bench_http_server [--seconds 3] [--rounds 5] [--waiters 10000]

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

constexpr std::size_t connections = 32;  // Connections that send GET status.
constexpr std::size_t instances = 1'000; // Instances whose status is read.
constexpr std::size_t slow_client_count = 500;
const std::string webhook = "/runtime/webhooks/durabletask";

/// Clients that send headers one byte at a time and never complete a request.
/// One thread drives all clients; it runs as long as this object exists.
class slow_clients {
public:
  explicit slow_clients(std::uint16_t port)
    : port_(port), thread_([this] { run(); }) {}

  /// Blocks until each client has sent its first byte.
  void wait_connected() {
    connected_.wait(false);
  }

  ~slow_clients() {
    ending_ = true;
    thread_.join();
  }

  slow_clients(const slow_clients&) = delete;
  slow_clients& operator=(const slow_clients&) = delete;

private:
  /// Returns the socket of a new connection to the server. If the connection
  /// fails, the next `send` on the socket fails, too, and the client opens
  /// another one.
  int open_one() const {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port_);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::connect(socket, reinterpret_cast<sockaddr*>(&to), sizeof to);
    return socket;
  }

  /// Runs on the thread of this object. Sends a byte for each client in turn,
  /// and reopens connections that the server has closed.
  void run() {
    const std::string text = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "
                             + std::string(4096, 'x');
    std::vector<int> sockets(slow_client_count, -1);
    std::vector<std::size_t> sent(slow_client_count, 0);
    while (!ending_) {
      // One pass takes 100 ms, so each client sends about ten bytes a second.
      for (std::size_t i = 0; i < slow_client_count && !ending_; ++i) {
        if (sockets[i] < 0) {
          sockets[i] = open_one();
          sent[i] = 0;
        }
        // The server closes the connection after ten seconds (status 408); a
        // new connection replaces it.
        if (::send(sockets[i], text.data() + sent[i]++ % text.size(), 1,
                   MSG_NOSIGNAL | MSG_DONTWAIT)
            < 0) {
          ::close(sockets[i]);
          sockets[i] = -1;
        }
        // This sleep limits the rate at which the clients send.
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

/// The figures of one round, or their medians.
struct figures {
  double rate = 0;
  double p50_us = 0;
  double p99_us = 0;
  double cpu_us = 0;
  std::uint64_t failures = 0;
};

/// Measures GET status of completed instances for `time`. The result contains
/// the CPU time of the node per response.
figures measure_status(const child_node& node, milliseconds time) {
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
  // The load generator runs in this process, so its CPU time is not included.
  const auto cpu = node.cpu_time() - cpu_before;
  return {out.rate(), out.times.percentile(0.5), out.times.percentile(0.99),
          static_cast<double>(cpu.count()) / static_cast<double>(out.responses),
          out.failures};
}

/// Prints the medians of the rounds and returns them. The failures of all
/// rounds are added up.
figures print(const char* name, const std::vector<figures>& rounds) {
  // The median of one figure over the rounds.
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

/// Starts `count` instances of the orchestrator `function` with the IDs
/// PREFIX0, PREFIX1, … Returns false if a start failed.
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

/// Opens `waiters` connections whose clients wait for the end of an instance.
/// While they wait, measures GET status and stores the medians in `beside`.
/// Then completes the instances by events. Returns true if all waiting clients
/// got the expected response.
bool measure_waiting_clients(const child_node& node, std::size_t waiters,
                             milliseconds time, std::size_t rounds,
                             figures& beside) {
  // Each waiting client has a connection of its own.
  const double before = node.anonymous_mib();
  http_load waiting(node.port(), waiters);
  std::string request;
  waiting.send_all([&](std::size_t i) {
    request = request_text("GET", webhook + "/instances/waiting-"
                                    + std::to_string(i) + "?waitSeconds=300");
    return std::string_view(request);
  });
  // The instances are not completed yet, so all clients wait during these
  // rounds.
  std::vector<figures> measured;
  for (std::size_t i = 0; i < rounds; ++i)
    measured.push_back(measure_status(node, time));
  beside = print("waiting clients", measured);
  std::printf("%zu waiting clients take %.1f MiB of anonymous memory\n",
              waiters, node.anonymous_mib() - before);

  // The events are raised on a second thread, while this one collects the
  // responses to the waiting clients.
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
                         webhook + "/instances/waiting-"
                           + std::to_string(number++) + "/raiseEvent/Approval",
                         "true");
        return std::string_view(text);
      },
      [](std::size_t, int status, std::string_view) { return status == 202; });
  });
  // Every client must get the response that its instance has completed.
  load_outcome outcome
    = waiting.collect([](std::size_t, int status, std::string_view body) {
        return status == 200 && body.find("\"Completed\"") != body.npos;
      });
  raising.join();
  std::printf(
    "%zu waiting clients: %llu expected responses, %llu failures, "
    "in %.2f s\n",
    waiters,
    static_cast<unsigned long long>(outcome.responses - outcome.failures),
    static_cast<unsigned long long>(outcome.failures), outcome.seconds);
  return outcome.failures == 0 && outcome.responses == waiters;
}

} // namespace

int main(int argc, char** argv) {
  CLI::App app("Measure the HTTP server of a node with slow and with waiting "
               "clients.");
  double seconds = 3;
  std::size_t rounds = 5;
  std::size_t waiters = 10'000;
  app
    .add_option("--seconds", seconds,
                "Measure for this number of seconds in each round.")
    ->capture_default_str()
    ->type_name("SECONDS");
  app
    .add_option("--rounds", rounds,
                "Run this number of rounds (1 to 1000). Figures are medians "
                "over the rounds.")
    ->check(CLI::Range(1, 1000).description(""))
    ->capture_default_str()
    ->type_name("N");
  app
    .add_option("--waiters", waiters,
                "Let this number of clients wait for the end of an instance.")
    ->capture_default_str()
    ->type_name("N");
  CLI11_PARSE(app, argc, argv);
  const milliseconds time(static_cast<std::int64_t>(seconds * 1000));

  temporary_folder folder;
  folder.make("perdura-bench").value();
  node_host_config config;
  config.node.data_dir = folder.path() / "hub";
  config.node.create_hub = true;
  config.http.port = 0;
  const auto child = child_node::start(std::move(config)).value();
  const child_node& node = *child;
  // All instances are started first, so that each condition is measured with
  // the same number of instances.
  if (!start_all(node, "Approval", "waiting-", waiters)
      || !start_all(node, "HelloSequence", "done-", instances)) {
    std::printf("Not all instances could be started.\n");
    return 1;
  }
  // A warm-up, during which the hello sequences complete.
  measure_status(node, milliseconds(300));

  // The first two conditions, without and with slow clients, alternate, so that
  // other work on the machine affects both equally.
  std::vector<figures> alone;
  std::vector<figures> with_slow_clients;
  for (std::size_t i = 0; i < rounds; ++i) {
    alone.push_back(measure_status(node, time));
    slow_clients slow(node.port());
    slow.wait_connected();
    with_slow_clients.push_back(measure_status(node, time));
  }
  std::printf("GET status, %zu connections, %zu rounds of %.1f s, medians\n",
              connections, rounds, seconds);
  const figures first = print("alone", alone);
  const figures second = print("500 slow clients", with_slow_clients);
  std::printf("p99 with slow clients    %.2f times the p99 alone (target: at "
              "most 3)\n",
              second.p99_us / first.p99_us);
  figures third;
  const bool all_answered
    = measure_waiting_clients(node, waiters, time, rounds, third);
  std::printf("p99 with waiting clients %.2f times the p99 alone\n",
              third.p99_us / first.p99_us);
  return all_answered && first.failures + second.failures + third.failures == 0
           ? 0
           : 1;
}
