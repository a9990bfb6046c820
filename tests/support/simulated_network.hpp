// SPDX-License-Identifier: Apache-2.0
/// The network of a simulated cluster. Between two nodes the one with
/// the lower number connects, as in the real transport. Packets are lost,
/// duplicated, delayed and reordered according to the conditions of each link.
#pragma once

#include "cluster/routing/node_router.hpp"
#include "tests/support/simulator.hpp"

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::tests {

/// Faults of one direction between two processes. A number n means that on
/// average one packet of n has the fault; 0 means never.
struct link_conditions {
  std::uint64_t lost = 0;
  std::uint64_t duplicated = 0;
  std::uint64_t delayed = 0;
  bool is_cut = false; ///< No packet arrives.
};

/// The interface between the network and a process.
class network_endpoint {
public:
  virtual ~network_endpoint() = default;
  virtual bool is_running() const = 0;
  /// A client connects to every node; no process connects to a client.
  virtual bool is_client() const = 0;
  /// Number of starts so far. A connection ends when the number changes.
  virtual unsigned start_count() const = 0;
  virtual void path_opened(cluster::path_id path, unsigned to) = 0;
  virtual void path_closed(cluster::path_id path) = 0;
  virtual void receive_packet(cluster::path_id from, std::string bytes) = 0;
};

class simulated_network {
public:
  explicit simulated_network(simulator& simulation) : simulator_(simulation) {}

  /// Adds a process. Processes are numbered from 0 in the order of these calls.
  void add(network_endpoint& process);

  /// The process has started and connects to its peers.
  void process_started(unsigned number);
  /// The process has ended. Its peers learn of the end after some milliseconds,
  /// or only after some seconds, as after a loss of power.
  void process_crashed(unsigned number);

  /// Sends a node packets of another hub and bytes that are no packet.
  void send_foreign_packets(unsigned to);

  void send(unsigned from, cluster::path_id path, std::string packet);

  /// Conditions of the packets that `from` sends to `to`.
  link_conditions& between(unsigned from, unsigned to) {
    return conditions_[{from, to}];
  }

  /// Removes all faults from all links.
  void clear_faults() {
    conditions_.clear();
  }

private:
  struct connection {
    unsigned initiator = 0;
    unsigned acceptor = 0;
    unsigned initiator_start = 0;
    unsigned acceptor_start = 0;
    bool acceptor_received = false; ///< The acceptor knows the path.
  };

  /// The bytes that were sent in one direction of a session and whose messages
  /// are not counted yet.
  struct stream {
    std::string bytes;
  };

  void connect(unsigned from, unsigned to, unsigned start_count);
  void close(cluster::path_id path, unsigned towards);
  void deliver(cluster::path_id path, unsigned to, const std::string& packet);
  void count_packet(const std::string& packet);
  bool is_current(const connection& one, unsigned at) const;

  simulator& simulator_;
  std::vector<network_endpoint*> endpoints_;
  std::map<std::pair<unsigned, unsigned>, link_conditions> conditions_;
  std::map<cluster::path_id, connection> connections_;
  std::map<std::uint64_t, stream> streams_; ///< Key: session number.
  cluster::path_id last_path_ = 0;
};

} // namespace perdura::tests
