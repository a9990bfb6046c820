// SPDX-License-Identifier: Apache-2.0
/// The interface between a process and the network. A process sends packets
/// over paths, which open and close. Any packet may be lost. The implementation
/// is CAF's network on nodes and clients, and a simulated network in tests.
#pragma once

#include "cluster/placement/placement.hpp"
#include "cluster/transport/packet.hpp"
#include "cluster/transport/peer_certificate.hpp"

#include <functional>
#include <string>

namespace perdura::cluster {

/// Callbacks of a transport. They are called on the transport's threads and
/// must not block.
struct transport_listener {
  /// This process has opened a path to a node of the node list. If this process
  /// had opened an earlier path to the node, that path has closed already. A
  /// path that another process opens is not reported by this function: the
  /// listener learns of such a path when the first packet arrives on it.
  std::function<void(path_id, const node_id&)> path_opened;

  /// A path, opened by either side, has closed.
  std::function<void(path_id)> path_closed;

  /// The other side of a path has the certificate. Called before each hello of
  /// a path that uses TLS is passed to `packet`; never called without TLS.
  std::function<void(path_id, peer_certificate)> path_certified;

  /// A packet has arrived on a path.
  std::function<void(path_id, std::string packet)> packet;
};

/// Sends packets; received packets go to a transport_listener.
class transport {
public:
  virtual ~transport() = default;

  /// Thread-safe; never blocks. A packet for a path that is closed is dropped.
  virtual void send(path_id to, std::string packet) = 0;

  /// Closes all paths. After the return the listener is not called any more.
  /// Idempotent; not safe to call from two threads at once.
  virtual void close() = 0;
};

} // namespace perdura::cluster
