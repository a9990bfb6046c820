/// The wires of a simulated cluster. The lower name dials the greater one, as
/// the real transport does; packets are lost, repeated, late and out of order
/// as far as the weather goes.
#pragma once

#include "cluster/routing/node_router.hpp"
#include "tests/support/simulated_world.hpp"

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::tests {

/// Of one direction between two nodes; chances are once in so many packets,
/// 0: never.
struct weather {
  std::uint64_t lost = 0;
  std::uint64_t repeated = 0;
  std::uint64_t late = 0;
  bool is_cut = false; ///< Nothing arrives.
};

/// What a process is to the wires.
class wire_end {
public:
  virtual ~wire_end() = default;
  virtual bool is_alive() const = 0;
  /// It dials all nodes, and nobody dials it.
  virtual bool is_client() const = 0;
  /// Changes with each life.
  virtual unsigned life() const = 0;
  virtual void path_opened(cluster::path_id path, unsigned to) = 0;
  virtual void path_closed(cluster::path_id path) = 0;
  virtual void take_packet(cluster::path_id from, std::string bytes) = 0;
};

class simulated_network {
public:
  explicit simulated_network(simulated_world& world) : world_(world) {}

  /// They are numbered in the order in which they are added; of two nodes the
  /// lower number dials.
  void add(wire_end& process);

  /// It has begun a life.
  void process_started(unsigned number);
  void process_died(unsigned number);

  /// Somebody who does not belong here speaks with a node.
  void intrude(unsigned to);

  void send(unsigned from, cluster::path_id path, std::string packet);

  weather& between(unsigned from, unsigned to) {
    return weather_[{from, to}];
  }

  /// Nothing is lost any more.
  void heal() {
    weather_.clear();
  }

private:
  struct wire {
    unsigned dialer = 0;
    unsigned other = 0;
    unsigned dialer_life = 0;
    unsigned other_life = 0;
    bool other_knows = false; ///< A packet has come through.
  };

  /// One direction of one session, as sent: to see what messages there are.
  struct stream {
    std::string bytes;
  };

  void dial(unsigned from, unsigned to, unsigned life);
  void close(cluster::path_id path, unsigned towards);
  void deliver(cluster::path_id path, unsigned to, const std::string& packet);
  void look_into(const std::string& packet);
  bool is_current(const wire& one, unsigned at) const;

  simulated_world& world_;
  std::vector<wire_end*> ends_;
  std::map<std::pair<unsigned, unsigned>, weather> weather_;
  std::map<cluster::path_id, wire> wires_;
  std::map<std::uint64_t, stream> streams_; ///< By the sender's session.
  cluster::path_id last_path_ = 0;
};

} // namespace perdura::tests
