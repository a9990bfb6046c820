/// A cluster of real processes that a test may kill, freeze and start again.
#pragma once

#include "client/http/http_client.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/temp_directory.hpp"

#include "real/cluster_worker.hpp"

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace perdura::tests {

inline constexpr std::chrono::seconds cluster_patience{60};

/// A port of 127.0.0.1 that a server of this test may listen on, now and
/// again later: it stays bound, so that the kernel gives it to nobody else
/// while the server is away, and no client of it connects to itself.
class held_port {
public:
  held_port();
  ~held_port();

  held_port(const held_port&) = delete;
  held_port& operator=(const held_port&) = delete;

  std::uint16_t number() const {
    return number_;
  }

private:
  int socket_ = -1;
  std::uint16_t number_ = 0;
};

/// Where a node is asked.
struct door {
  /// `netns`: the network namespace in which that URL is good; empty: this one.
  door(std::string where, std::string inside = {})
    : url(std::move(where)), netns(std::move(inside)) {}

  std::string url;
  std::string netns;
};

/// While it lives, what the calling thread opens, it opens in that network
/// namespace.
class in_namespace {
public:
  /// Empty: where it is. @throws std::system_error
  explicit in_namespace(const std::string& name);
  ~in_namespace();

  in_namespace(const in_namespace&) = delete;
  in_namespace& operator=(const in_namespace&) = delete;

private:
  int back_ = -1;
};

/// One node; its process comes and goes, its directory stays. Start it from
/// the main thread: a process ends with the thread that has started it.
class cluster_node {
public:
  /// `netns`: the network namespace that it runs in; empty: this one.
  explicit cluster_node(cluster_worker_options options, std::string netns = {});

  cluster_node(const cluster_node&) = delete;
  cluster_node& operator=(const cluster_node&) = delete;

  /// Returns at once.
  void spawn();
  /// What it says next; empty if it says nothing in time, or is gone.
  std::string next_line(std::chrono::milliseconds time_out = cluster_patience);
  /// Spawns it, and returns when it serves.
  /// @throws std::runtime_error  It does not; holds its log.
  void start();
  void expect_ready();

  /// SIGKILL, and waits for its end.
  void kill();
  /// SIGSTOP and SIGCONT; the first returns when it stands still.
  void pause();
  void go_on();
  /// SIGINT; its exit code.
  int stop();
  /// Waits for its end; its exit code.
  int wait();

  const cluster_worker_options& options() const {
    return options_;
  }

  const std::string& name() const {
    return options_.node;
  }

  tests::door door() const {
    return {"http://127.0.0.1:" + std::to_string(options_.http_port), netns_};
  }

  std::string log() const;

  cluster_worker_options& change() {
    return options_;
  }

private:
  cluster_worker_options options_;
  std::string netns_;
  std::unique_ptr<child_process> process_;
};

/// Returns when each knows all others.
/// @throws std::runtime_error  They do not meet; holds a log.
void wait_until_met(const std::vector<cluster_node*>& nodes);

/// "node-1", "node-2" and "node-3" on loopback, of one new hub.
class local_cluster {
public:
  local_cluster();

  /// Starts all and waits until they serve and know each other.
  void start();

  void wait_until_met() const {
    tests::wait_until_met(nodes());
  }

  cluster_node& node(std::size_t i) {
    return *nodes_.at(i);
  }

  std::vector<cluster_node*> nodes() const;

  std::size_t size() const {
    return nodes_.size();
  }

  /// "NAME=HOST:PORT" of each.
  const std::vector<std::string>& entries() const {
    return entries_;
  }

  const std::filesystem::path& directory() const {
    return home_.path();
  }

  std::vector<tests::door> doors() const;

  /// An ID that belongs to this node, beginning so.
  std::string id_on(std::size_t node, const std::string& prefix) const;
  /// Which partitions it owns, as they stand in x-perdura-missing-partitions.
  std::string partitions_of(std::size_t node) const;
  std::size_t owner_of(const std::string& id) const;

private:
  // Outlives the nodes.
  temp_directory home_;
  std::array<held_port, 6> ports_;
  std::vector<std::string> entries_;
  std::vector<std::unique_ptr<cluster_node>> nodes_;
};

/// What stands behind /runtime/webhooks/durabletask, or "/perdura/…",
/// "/readyz".
struct question_to_door {
  std::string method = "GET";
  std::string target;
  std::string body = {};
  std::string key = {};          ///< Idempotency-Key
  std::string continuation = {}; ///< x-ms-continuation-token
  std::chrono::milliseconds time_out = std::chrono::seconds(10);
};

/// Nothing: nobody was there, or not to the end.
std::optional<client::http_reply> ask(const door& at,
                                      const question_to_door& what);

/// Asks until the answer is `wanted`, every few milliseconds; false if it is
/// not in time.
bool ask_until(const door& at, const question_to_door& what,
               const std::function<bool(const client::http_reply&)>& wanted,
               std::chrono::milliseconds time_out = cluster_patience);

} // namespace perdura::tests
