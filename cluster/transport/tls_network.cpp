// SPDX-License-Identifier: Apache-2.0
#include "cluster/transport/tls_network.hpp"

#include "actors/interface/actor_faults.hpp"
#include "cluster/transport/connection_guard.hpp"
#include "cluster/transport/middleman.hpp"
#include "cluster/transport/peer_tls_session.hpp"

#include <caf/all.hpp>
#include <caf/io/all.hpp>
#include <caf/io/basp_broker.hpp>
#include <caf/io/middleman_actor_impl.hpp>
#include <caf/io/network/default_multiplexer.hpp>
#include <caf/io/network/doorman_impl.hpp>
#include <caf/io/network/stream.hpp>
#include <poll.h>
#include <unistd.h>

#include <memory>
#include <utility>

namespace perdura::cluster {

namespace {

using caf::io::network::default_multiplexer;
using caf::io::network::native_socket;
using caf::io::network::operation;

using session_ptr = std::unique_ptr<peer_tls_session>;

/// True if the socket's send buffer has free space.
bool is_writable(native_socket socket) {
  pollfd wanted{socket, POLLOUT, 0};
  return ::poll(&wanted, 1, 0) == 1;
}

/// The event handler of one TLS connection that does not busy-loop during the
/// handshake.
///
/// Until the other side has sent its part of the handshake, nothing can be
/// written, although the socket is writable. CAF 0.17.6 then tries to write in
/// a loop: a silent peer costs a whole core, and the end of its connection is
/// never noticed. This handler stops waiting for writability in that case (the
/// write is paused) and resumes the write after the next read. All members are
/// used on the thread of CAF's event loop only.
class handshake_aware_stream final : public caf::io::network::stream {
public:
  handshake_aware_stream(default_multiplexer& loop, native_socket socket,
                         session_ptr session)
    : stream(loop, socket), session_(std::move(session)) {}

  void handle_event(operation what) override {
    handle_event_impl(what, *session_);
    if (what == operation::read && is_write_paused_) {
      is_write_paused_ = false;
      backend().add(operation::write, fd(), this);
    } else if (what == operation::write && session_->stalled()
               && is_writable(fd())) {
      // A paused write is resumed after the next read. If reading has ended,
      // there is no next read, so the write is not paused but given up.
      is_pausing_write_ = is_reading_;
      backend().del(operation::write, fd(), this);
    }
  }

  /// CAF calls this function when the socket is no longer watched for the
  /// operation; the base class then releases one reference to the connection.
  /// A paused write keeps its reference until the write resumes or reading
  /// ends. The last release may destroy this object.
  void removed_from_loop(operation what) override {
    if (what == operation::read) {
      is_reading_ = false;
      if (std::exchange(is_write_paused_, false))
        stream::removed_from_loop(operation::write);
    } else if (what == operation::write
               && std::exchange(is_pausing_write_, false) && is_reading_) {
      is_write_paused_ = true; // keep the reference
      return;
    }
    stream::removed_from_loop(what);
  }

  /// See certified_connection.
  std::optional<peer_certificate> certificate() const {
    return session_->certificate();
  }

private:
  session_ptr session_;
  bool is_reading_ = true; ///< The loop watches the socket for input.
  /// The pause is requested; CAF's loop has not yet removed the operation.
  bool is_pausing_write_ = false;
  bool is_write_paused_ = false;
};

/// One connection (a "scribe" in CAF's terms). Like the scribe of caf::openssl,
/// but with a `handshake_aware_stream`.
class tls_scribe final : public guarded_scribe<caf::io::scribe>,
                         public certified_connection {
public:
  tls_scribe(default_multiplexer& loop, native_socket socket,
             session_ptr session)
    : guarded_scribe(caf::io::network::conn_hdl_from_socket(socket)),
      stream_(loop, socket, std::move(session)) {}

  std::optional<peer_certificate> certificate() const override {
    return stream_.certificate();
  }

  void configure_read(caf::io::receive_policy::config config) override {
    stream_.configure_read(config);
    if (std::exchange(started_, true))
      return;
    stream_.start(this);
    // Starts the handshake, which may have to write before the program has any
    // data to send.
    stream_.force_empty_write(this);
  }

  void ack_writes(bool wanted) override {
    stream_.ack_writes(wanted);
  }

  std::vector<char>& wr_buf() override {
    return stream_.wr_buf();
  }

  std::vector<char>& rd_buf() override {
    return stream_.rd_buf();
  }

  void graceful_shutdown() override {
    stream_.graceful_shutdown();
    detach(&stream_.backend(), false);
  }

  void flush() override {
    stream_.flush(this);
  }

  std::string addr() const override {
    const auto found = caf::io::network::remote_addr_of_fd(stream_.fd());
    return found ? *found : std::string();
  }

  std::uint16_t port() const override {
    const auto found = caf::io::network::remote_port_of_fd(stream_.fd());
    return found ? *found : std::uint16_t{0};
  }

  void add_to_loop() override {
    stream_.activate(this);
  }

  void remove_from_loop() override {
    stream_.passivate();
  }

private:
  bool started_ = false;
  handshake_aware_stream stream_;
};

/// Creates the connection for a socket and takes ownership of the socket.
/// Returns null, with the socket closed, if the TLS session cannot be created.
/// `accepted` is true on the side that has accepted the connection.
caf::io::scribe_ptr make_scribe(caf::actor_system& system, native_socket socket,
                                bool accepted) {
  static_cast<void>(caf::io::network::nonblocking(socket, true));
  set_tcp_user_timeout(system, socket);
  session_ptr session = peer_tls_session::make(system, socket, accepted);
  if (!session) {
    ::close(socket);
    return nullptr;
  }
  auto& loop = static_cast<default_multiplexer&>(system.middleman().backend());
  return caf::make_counted<tls_scribe>(loop, socket, std::move(session));
}

/// The listening port (a "doorman" in CAF's terms). Each accepted connection
/// becomes a `tls_scribe`.
class tls_doorman final : public caf::io::network::doorman_impl {
public:
  using doorman_impl::doorman_impl;

  bool new_connection() override {
    if (detached())
      return false; // the broker has closed the port in the meantime
    auto scribe
      = make_scribe(parent()->system(), acceptor_.accepted_socket(), true);
    if (!scribe)
      return true; // continue with the next connection
    const auto handle = scribe->hdl();
    parent()->add_scribe(std::move(scribe));
    return doorman::new_connection(&acceptor_.backend(), handle);
  }
};

/// The actor that receives CAF's requests to connect and to listen. It creates
/// TLS sockets.
class tls_network final : public caf::io::middleman_actor_impl {
public:
  tls_network(caf::actor_config& config, caf::actor broker)
    : middleman_actor_impl(config, std::move(broker)) {
    actors::guard_actor(this, "the TLS network");
  }

  const char* name() const override {
    return "tls_network";
  }

protected:
  caf::expected<caf::io::scribe_ptr> connect(const std::string& host,
                                             std::uint16_t port) override {
    const auto socket = caf::io::network::new_tcp_connection(host, port);
    if (!socket)
      return socket.error();
    auto scribe = make_scribe(system(), *socket, false);
    if (!scribe)
      return caf::sec::cannot_connect_to_node;
    return scribe;
  }

  caf::expected<caf::io::doorman_ptr>
  open(std::uint16_t port, const char* address, bool reuse) override {
    const auto socket
      = caf::io::network::new_tcp_acceptor_impl(port, address, reuse);
    if (!socket)
      return socket.error();
    auto& loop
      = static_cast<default_multiplexer&>(system().middleman().backend());
    return caf::io::doorman_ptr(caf::make_counted<tls_doorman>(loop, *socket));
  }
};

} // namespace

// The actor is detached, because an attempt to connect blocks. `broker` is the
// broker that `load_middleman` has registered.
caf::io::middleman_actor spawn_tls_network(caf::actor_system& system) {
  auto broker
    = system.middleman().named_broker<caf::io::basp_broker>(caf::atom("BASP"));
  return system.spawn<tls_network, caf::detached + caf::hidden>(
    std::move(broker));
}

} // namespace perdura::cluster
