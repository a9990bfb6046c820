// SPDX-License-Identifier: Apache-2.0
/// The TLS session of one connection between processes of a cluster.
#pragma once

#include "cluster/transport/peer_certificate.hpp"

#include <caf/io/network/native_socket.hpp>
#include <caf/io/network/rw_state.hpp>

#include <cstddef>
#include <memory>
#include <optional>

struct ssl_st;

namespace caf {
class actor_system;
} // namespace caf

namespace perdura::cluster {

/// Replaces the session of caf::openssl (0.17.6), which hides the certificate
/// of the peer. Both sides must show a certificate of the same authority. The
/// files are read for each connection, so a renewed certificate is used from
/// the next connection on. Used on the thread of CAF's event loop only.
///
/// Each operation first empties OpenSSL's error queue, which belongs to the
/// thread: an error of one connection, such as a failed handshake, would
/// otherwise close the next connection that merely has nothing to read, and all
/// connections of a process share one thread.
/// @source SSL_get_error(3): "The current thread's error queue must be empty
///         before the TLS/SSL I/O operation is attempted."
class peer_tls_session {
public:
  /// Begins the handshake. `accepted` is true on the side that has accepted the
  /// connection. The session does not own the socket. Null if the files of the
  /// configuration cannot be used; the reason is logged.
  static std::unique_ptr<peer_tls_session>
  make(caf::actor_system& system, caf::io::network::native_socket socket,
       bool accepted);
  ~peer_tls_session();

  peer_tls_session(const peer_tls_session&) = delete;
  peer_tls_session& operator=(const peer_tls_session&) = delete;

  // The operations that CAF's streams require. Each continues the handshake if
  // it is not complete, and then transfers nothing.

  caf::io::network::rw_state read_some(std::size_t& got,
                                       caf::io::network::native_socket socket,
                                       void* to, std::size_t bytes);
  caf::io::network::rw_state write_some(std::size_t& gone,
                                        caf::io::network::native_socket socket,
                                        const void* from, std::size_t bytes);
  bool must_read_more(caf::io::network::native_socket socket,
                      std::size_t threshold) const;

  /// True if the last call of `write_some` had bytes to write and wrote none.
  bool stalled() const {
    return stalled_;
  }

  /// The certificate of the peer; no value before the handshake is complete.
  std::optional<peer_certificate> certificate() const;

private:
  explicit peer_tls_session(ssl_st* session) : session_(session) {}

  caf::io::network::rw_state result_of(int returned) const;

  ssl_st* session_;
  bool stalled_ = false;
};

} // namespace perdura::cluster
