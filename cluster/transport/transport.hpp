/// The seam between nodes: packets, lost at will, over paths that open and
/// close. CAF's network stands behind it on a node, a simulated one in tests.
#pragma once

#include "cluster/routing/node_router.hpp"

#include <functional>
#include <string>

namespace perdura::cluster {

/// What a transport tells. Called on threads of its own.
struct transport_listener {
  /// A way to a node that was to be dialled. An earlier one is closed before.
  std::function<void(path_id, const node_id&)> path_opened;
  /// Also of paths that others have opened, which begin with a packet.
  std::function<void(path_id)> path_closed;
  std::function<void(path_id, std::string packet)> packet;
};

class transport {
public:
  virtual ~transport() = default;

  /// From any thread; never blocks. A packet for a path that is gone is lost.
  virtual void send(path_id to, std::string packet) = 0;

  /// Closes all; afterwards the listener is not called any more.
  virtual void close() = 0;
};

} // namespace perdura::cluster
