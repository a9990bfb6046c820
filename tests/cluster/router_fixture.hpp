// SPDX-License-Identifier: Apache-2.0
/// Routers that are connected by packets which the test delivers, and hosts
/// that record the calls of their routers.
#pragma once

#include "cluster/routing/node_router.hpp"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace perdura::tests {

using cluster::node_id;
using cluster::node_query;
using cluster::node_query_answer;
using cluster::node_router;
using cluster::packet;
using cluster::path_id;
using cluster::peer_hello;
using cluster::router_config;
using cluster::router_host;
using cluster::send_or_cancel_ptr;
using cluster::steady_time;
using persistence::error;
using persistence::instance_id;
using persistence::log_level;
using persistence::partition_id;
using persistence::result;

/// The partition is the last digit of the ID: "order-1" is in partition 1.
inline partition_id partition_by_digit(const instance_id& id,
                                       std::uint32_t count) {
  return partition_id(static_cast<std::uint32_t>(id.back() - '0') % count);
}

class recording_host : public router_host {
public:
  void deliver(partition_id to, actors::inbound message) override {
    delivered.emplace_back(to, std::move(message));
  }

  void answer(actors::reply_to to, actors::management_answer answer) override {
    answers.emplace_back(to, std::move(answer));
  }

  void send(path_id to, std::string packet) override {
    sent.emplace_back(to, std::move(packet));
  }

  void peer_returned(const std::vector<partition_id>& its) override {
    returned.push_back(its);
  }

  void run_local_query(std::uint64_t ticket, node_query asked) override {
    questions.emplace_back(ticket, std::move(asked));
  }

  void peer_query_completed(std::uint64_t ticket,
                            result<node_query_answer> answer) override {
    replies.emplace_back(ticket, std::move(answer));
  }

  void must_stop(const error& why) override {
    stopped = why;
  }

  void peer_connected(const peer_hello& hello) override {
    hellos.push_back(hello);
  }

  void admission_assumed() override {
    is_admission_assumed = true;
  }

  void directory_refused(const std::string& why) override {
    refusals.push_back(why);
  }

  void log(log_level, const std::string& text) override {
    lines.push_back(text);
  }

  /// The management requests among the delivered messages.
  std::vector<actors::management_inbound> requests() const {
    std::vector<actors::management_inbound> all;
    for (const auto& [to, message] : delivered)
      if (const auto* one = std::get_if<actors::management_inbound>(&message))
        all.push_back(*one);
    return all;
  }

  std::vector<std::pair<partition_id, actors::inbound>> delivered;
  std::vector<std::pair<actors::reply_to, actors::management_answer>> answers;
  std::deque<std::pair<path_id, std::string>> sent;
  std::vector<std::vector<partition_id>> returned;
  std::vector<std::pair<std::uint64_t, node_query>> questions;
  std::vector<std::pair<std::uint64_t, result<node_query_answer>>> replies;
  std::optional<error> stopped;
  std::vector<peer_hello> hellos;
  std::vector<std::string> lines;
  bool is_admission_assumed = false;
  /// Refusals of this node's data directory.
  std::vector<std::string> refusals;
};

struct router_node {
  recording_host host;
  std::unique_ptr<node_router> router;
  bool is_silent = false; ///< True if all packets of this node are lost.
};

/// Routers in one process. "node-1" owns the partitions 0 and 2, "node-2" owns
/// 1 and 3.
struct connected_routers {
  router_config config_of(const node_id& name) const {
    router_config config;
    config.self.hub_id = "hub";
    config.self.partition_count = 4;
    config.self.owners = {{"node-1", "node-2"}, {0, 1, 0, 1}};
    config.self.node = name;
    config.self.directory = "directory-of-" + name;
    for (const node_id& other : config.self.owners.nodes)
      if (other != name)
        config.peers.push_back(other);
    config.partition_of = partition_by_digit;
    config.random
      = [n = std::uint64_t(name.back()) << 32U]() mutable { return ++n; };
    return config;
  }

  router_config config_of_client() const {
    router_config config;
    config.is_client = true;
    config.peers = {"node-1", "node-2"};
    config.partition_of = partition_by_digit;
    config.random = [n = std::uint64_t{100}]() mutable { return ++n; };
    return config;
  }

  router_node& add(const std::string& as, router_config config) {
    auto one = std::make_unique<router_node>();
    one->router = std::make_unique<node_router>(std::move(config), one->host);
    one->router->serve(true);
    return *(nodes_by_name[as] = std::move(one));
  }

  path_id connect(const std::string& from, const std::string& to) {
    return connect(from, to, to);
  }

  /// Opens a path from `from` to `to`. The router of `from` expects the node
  /// with the name `called` at the other end.
  path_id connect(const std::string& from, const std::string& to,
                  const std::string& called) {
    const path_id path = ++last_path;
    paths[path] = {from, to};
    nodes_by_name.at(from)->router->path_opened(path, called, now);
    deliver_packets();
    return path;
  }

  void cut(path_id path) {
    const auto [from, to] = paths.at(path);
    paths.erase(path);
    nodes_by_name.at(from)->router->path_closed(path, now);
    nodes_by_name.at(to)->router->path_closed(path, now);
    deliver_packets();
  }

  /// Delivers packets until no router sends any.
  void deliver_packets() {
    for (bool any = true; any;) {
      any = false;
      for (auto& [name, one] : nodes_by_name) {
        one->router->flush(now);
        while (!one->host.sent.empty()) {
          const auto [path, packet] = std::move(one->host.sent.front());
          one->host.sent.pop_front();
          any = true;
          const auto found = paths.find(path);
          if (found == paths.end() || one->is_silent)
            continue;
          const auto& [from, to] = found->second;
          nodes_by_name.at(from == name ? to : from)
            ->router->receive_packet(path, packet, now);
        }
      }
    }
  }

  void advance_time(steady_time time) {
    for (const steady_time end = now + time; now < end;) {
      now += std::chrono::milliseconds(50);
      for (auto& [name, one] : nodes_by_name)
        one->router->tick(now);
      deliver_packets();
    }
  }

  std::map<std::string, std::unique_ptr<router_node>> nodes_by_name;
  std::map<path_id, std::pair<std::string, std::string>> paths;
  path_id last_path = 0;
  steady_time now = std::chrono::hours(1);
};

/// Two connected nodes that serve requests.
struct two_nodes : connected_routers {
  two_nodes()
    : one(add("node-1", config_of("node-1"))),
      two(add("node-2", config_of("node-2"))),
      path(connect("node-1", "node-2")) {}

  actors::management_inbound request(std::uint64_t correlation,
                                     actors::management_request what) {
    return {{1, correlation}, std::move(what)};
  }

  void ask(router_node& at, std::uint64_t correlation,
           actors::management_request what,
           send_or_cancel_ptr token = nullptr) {
    at.router->handle_request(request(correlation, std::move(what)),
                              std::move(token), now);
    deliver_packets();
  }

  /// Sends the partition's answer to the n-th request that was delivered.
  void answer(router_node& at, std::size_t n,
              actors::management_answer what = {}) {
    at.router->handle_reply(at.host.requests().at(n).from, std::move(what));
    deliver_packets();
  }

  router_node& one;
  router_node& two;
  path_id path;
};

} // namespace perdura::tests
