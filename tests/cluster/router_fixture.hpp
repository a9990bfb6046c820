/// Routers that talk with each other over packets that a test carries, and
/// hosts that write down what they are asked for.
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

using namespace cluster;
using namespace persistence;

/// The last digit of the ID: "order-1" is on partition 1.
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

  void look_up(std::uint64_t ticket, question asked) override {
    questions.emplace_back(ticket, std::move(asked));
  }

  void answered(std::uint64_t ticket, result<question_answer> answer) override {
    replies.emplace_back(ticket, std::move(answer));
  }

  void must_stop(const error& why) override {
    stopped = why;
  }

  void met(const peer_hello& hello) override {
    hellos.push_back(hello);
  }

  void log(int, const std::string& text) override {
    lines.push_back(text);
  }

  /// Requests that were delivered, as the partition has them.
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
  std::vector<std::pair<std::uint64_t, question>> questions;
  std::vector<std::pair<std::uint64_t, result<question_answer>>> replies;
  std::optional<error> stopped;
  std::vector<peer_hello> hellos;
  std::vector<std::string> lines;
};

struct party {
  recording_host host;
  std::unique_ptr<node_router> router;
  bool is_silent = false; ///< What it sends gets lost.
};

/// "node-1" owns partitions 0 and 2, "node-2" 1 and 3.
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

  party& add(const std::string& as, router_config config) {
    auto one = std::make_unique<party>();
    one->router = std::make_unique<node_router>(std::move(config), one->host);
    one->router->serve(true);
    return *(parties[as] = std::move(one));
  }

  path_id connect(const std::string& from, const std::string& to) {
    return connect(from, to, to);
  }

  /// `to` stands where `from` thinks that `called` is.
  path_id connect(const std::string& from, const std::string& to,
                  const std::string& called) {
    const path_id path = ++last_path;
    paths[path] = {from, to};
    parties.at(from)->router->path_opened(path, called, now);
    flow();
    return path;
  }

  void cut(path_id path) {
    const auto [from, to] = paths.at(path);
    paths.erase(path);
    parties.at(from)->router->path_closed(path, now);
    parties.at(to)->router->path_closed(path, now);
    flow();
  }

  /// Carries packets until nobody sends any.
  void flow() {
    for (bool any = true; any;) {
      any = false;
      for (auto& [name, one] : parties) {
        one->router->flush(now);
        while (!one->host.sent.empty()) {
          const auto [path, packet] = std::move(one->host.sent.front());
          one->host.sent.pop_front();
          any = true;
          const auto found = paths.find(path);
          if (found == paths.end() || one->is_silent)
            continue;
          const auto& [from, to] = found->second;
          parties.at(from == name ? to : from)
            ->router->take_packet(path, packet, now);
        }
      }
    }
  }

  void pass(moment time) {
    for (const moment end = now + time; now < end;) {
      now += std::chrono::milliseconds(50);
      for (auto& [name, one] : parties)
        one->router->tick(now);
      flow();
    }
  }

  std::map<std::string, std::unique_ptr<party>> parties;
  std::map<path_id, std::pair<std::string, std::string>> paths;
  path_id last_path = 0;
  moment now = std::chrono::hours(1);
};

/// Two nodes, connected.
struct two_nodes : connected_routers {
  two_nodes()
    : one(add("node-1", config_of("node-1"))),
      two(add("node-2", config_of("node-2"))),
      path(connect("node-1", "node-2")) {}

  actors::management_inbound request(std::uint64_t correlation,
                                     actors::management_request what) {
    return {{1, correlation}, std::move(what)};
  }

  void ask(party& at, std::uint64_t correlation,
           actors::management_request what, claim_ptr claim = nullptr) {
    at.router->take_request(request(correlation, std::move(what)),
                            std::move(claim), now);
    flow();
  }

  /// The partition answers the n-th request that it was given.
  void answer(party& at, std::size_t n, actors::management_answer what = {}) {
    at.router->take_reply(at.host.requests().at(n).from, std::move(what));
    flow();
  }

  party& one;
  party& two;
  path_id path;
};

} // namespace perdura::tests
