// SPDX-License-Identifier: Apache-2.0
/// The connection of CAF's sockets with the checks of the cluster port, and
/// with the certificates of the other side.
#pragma once

#include "cluster/transport/peer_certificate.hpp"

#include <caf/io/all.hpp>

#include <optional>
#include <utility>

namespace perdura::cluster {

/// Implemented by the broker, which owns the connections. Called on the thread
/// of CAF's event loop.
class connection_guard {
public:
  virtual ~connection_guard() = default;

  /// False if the bytes of the peer must not reach the broker. The connection
  /// is then closed soon.
  virtual bool accepts(caf::io::connection_handle from, const char* bytes,
                       std::size_t size)
    = 0;
};

/// Implemented by the connections that know the certificate of their peer.
class certified_connection {
public:
  virtual ~certified_connection() = default;

  /// The certificate of the other side; no value before the handshake is
  /// complete.
  virtual std::optional<peer_certificate> certificate() const = 0;
};

/// A connection (a "scribe" in CAF's terms) whose bytes are checked before they
/// reach the broker.
template <class Scribe>
class guarded_scribe : public Scribe {
public:
  using Scribe::Scribe;

  bool consume(caf::execution_unit* unit, const void* bytes,
               std::size_t size) override {
    // The broker of a test may be another one.
    auto* guard = dynamic_cast<connection_guard*>(this->parent());
    if (guard != nullptr
        && !guard->accepts(this->hdl(), static_cast<const char*>(bytes), size))
      return false; // CAF reads no further bytes
    return Scribe::consume(unit, bytes, size);
  }
};

} // namespace perdura::cluster
