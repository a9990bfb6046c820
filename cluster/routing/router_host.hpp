// SPDX-License-Identifier: Apache-2.0
/// The effects of a router on the process that runs it.
#pragma once

#include "actors/partition/partition_processor.hpp"
#include "cluster/transport/envelope.hpp"
#include "cluster/transport/packet.hpp"
#include "persistence/process/log_level.hpp"

#include <string>
#include <vector>

namespace perdura::cluster {

/// The effects of the router: its connection to partitions, gateways and the
/// transport. The router calls these functions on its own thread; none of them
/// may call back into the router.
class router_host {
public:
  virtual ~router_host() = default;

  /// Delivers a message to a partition of this node.
  virtual void deliver(persistence::partition_id to, actors::inbound message)
    = 0;

  /// Delivers an answer to a gateway of this process.
  virtual void answer(actors::reply_to to, actors::management_answer answer)
    = 0;

  /// Sends a packet; it may be lost.
  virtual void send(path_id to, std::string packet) = 0;

  /// A session with a node has begun; `its` are the partitions of that node.
  /// Messages that were sent to these partitions before may have been lost; the
  /// local partitions send them again.
  virtual void peer_returned(const std::vector<persistence::partition_id>& its)
    = 0;

  /// Runs a query of another process over the partitions of this node. The host
  /// passes the result to `complete_local_query` with the same ticket.
  virtual void run_local_query(std::uint64_t ticket, node_query query) = 0;

  /// Delivers the result of the call of `query_peer` with the same ticket.
  /// Called once for each ticket.
  virtual void
  peer_query_completed(std::uint64_t ticket,
                       persistence::result<node_query_answer> answer)
    = 0;

  /// Another node refuses this one, because this node used another data
  /// directory before. The process must stop serving.
  virtual void must_stop(const persistence::error& why) = 0;

  /// A session with a node has begun. `hello` is the hello of that node.
  virtual void peer_connected(const peer_hello& hello) = 0;

  /// The session with a node has ended.
  virtual void peer_disconnected(const node_id&) {}

  /// This node serves from now on, although no other node has admitted it in
  /// this start: none was reachable. See router_config::admission_wait.
  virtual void admission_assumed() {}

  /// Another node refuses the data directory of this one; `why` is a sentence
  /// with the remedy. Called when the sentence is new.
  virtual void directory_refused(const std::string& /*why*/) {}

  /// Writes a line to the log of the process.
  virtual void log(persistence::log_level level, const std::string& text) = 0;
};

} // namespace perdura::cluster
