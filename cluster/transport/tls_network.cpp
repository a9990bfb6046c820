#include "cluster/transport/tls_network.hpp"

#include "cluster/transport/middleman.hpp"

#include <caf/all.hpp>
#include <caf/io/all.hpp>
#include <caf/io/basp_broker.hpp>
#include <caf/io/middleman_actor_impl.hpp>
#include <caf/io/network/default_multiplexer.hpp>
#include <caf/io/network/doorman_impl.hpp>
#include <caf/io/network/stream.hpp>
#include <caf/openssl/all.hpp>
#include <caf/openssl/session.hpp>
#include <openssl/err.h>
#include <poll.h>
#include <unistd.h>

#include <utility>

namespace perdura::cluster {

namespace {

using caf::io::network::default_multiplexer;
using caf::io::network::native_socket;
using caf::io::network::operation;
using caf::io::network::rw_state;
using caf::openssl::make_session;
using caf::openssl::session_ptr;

/// What OpenSSL has against one connection stays in its thread's queue of
/// errors, where CAF 0.17.6 leaves it; SSL_get_error then takes it for the
/// next one's, which only had nothing to read yet, and CAF closes that. All
/// connections of a process share one thread: so a stranger could end them.
/// @source SSL_get_error(3): "The current thread's error queue must be empty
///         before the TLS/SSL I/O operation is attempted."
class clean_session {
public:
  explicit clean_session(session_ptr session) : session_(std::move(session)) {}

  rw_state read_some(std::size_t& got, native_socket socket, void* to,
                     std::size_t bytes) {
    ERR_clear_error();
    return session_->read_some(got, socket, to, bytes);
  }

  rw_state write_some(std::size_t& gone, native_socket socket, const void* from,
                      std::size_t bytes) {
    ERR_clear_error();
    const rw_state state = session_->write_some(gone, socket, from, bytes);
    stalled_ = bytes > 0 && gone == 0 && state == rw_state::success;
    return state;
  }

  bool must_read_more(native_socket socket, std::size_t threshold) {
    return session_->must_read_more(socket, threshold);
  }

  /// Whether the last attempt to write something wrote nothing.
  bool stalled() const {
    return stalled_;
  }

private:
  session_ptr session_;
  bool stalled_ = false;
};

bool can_be_written(native_socket socket) {
  pollfd wanted{socket, POLLOUT, 0};
  return ::poll(&wanted, 1, 0) == 1;
}

/// Until the other side has said its part of the handshake nothing can be
/// written, though the socket could be. CAF 0.17.6 tries again and again: who
/// is silent costs a processor, and the end of its connection is never seen.
/// This one waits for the next word instead, or for its own end.
class patient_stream final : public caf::io::network::stream {
public:
  patient_stream(default_multiplexer& loop, native_socket socket,
                 session_ptr session)
    : stream(loop, socket), session_(std::move(session)) {}

  void handle_event(operation what) override {
    handle_event_impl(what, session_);
    if (what == operation::read && waits_) {
      waits_ = false;
      backend().add(operation::write, fd(), this);
    } else if (what == operation::write && session_.stalled()
               && can_be_written(fd())) {
      pauses_ = reads_;
      backend().del(operation::write, fd(), this);
    }
  }

  /// A manager that is let go may be the last that holds this.
  void removed_from_loop(operation what) override {
    if (what == operation::read) {
      reads_ = false;
      if (std::exchange(waits_, false))
        stream::removed_from_loop(operation::write);
    } else if (what == operation::write && std::exchange(pauses_, false)
               && reads_) {
      waits_ = true; // its manager is needed when it goes on
      return;
    }
    stream::removed_from_loop(what);
  }

private:
  clean_session session_;
  bool reads_ = true;
  bool pauses_ = false; ///< Until the loop has taken it.
  bool waits_ = false;
};

/// One connection.
class tls_scribe final : public caf::io::scribe {
public:
  tls_scribe(default_multiplexer& loop, native_socket socket,
             session_ptr session)
    : scribe(caf::io::network::conn_hdl_from_socket(socket)),
      stream_(loop, socket, std::move(session)) {}

  void configure_read(caf::io::receive_policy::config config) override {
    stream_.configure_read(config);
    if (std::exchange(started_, true))
      return;
    stream_.start(this);
    // The handshake may have to write before there is anything to say.
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
  patient_stream stream_;
};

/// Null if the other side was refused at once; the socket is closed then.
caf::io::scribe_ptr make_scribe(caf::actor_system& system, native_socket socket,
                                bool accepted) {
  static_cast<void>(caf::io::network::nonblocking(socket, true));
  limit_silence(system, socket);
  session_ptr session = make_session(system, socket, accepted);
  if (!session) {
    ::close(socket);
    return nullptr;
  }
  auto& loop = static_cast<default_multiplexer&>(system.middleman().backend());
  return caf::make_counted<tls_scribe>(loop, socket, std::move(session));
}

/// The port.
class tls_doorman final : public caf::io::network::doorman_impl {
public:
  using doorman_impl::doorman_impl;

  bool new_connection() override {
    if (detached())
      return false; // its broker has closed it meanwhile
    auto scribe
      = make_scribe(parent()->system(), acceptor_.accepted_socket(), true);
    if (!scribe)
      return true; // the next one may be welcome
    const auto handle = scribe->hdl();
    parent()->add_scribe(std::move(scribe));
    return doorman::new_connection(&acceptor_.backend(), handle);
  }
};

class tls_network final : public caf::io::middleman_actor_impl {
public:
  using middleman_actor_impl::middleman_actor_impl;

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

caf::io::middleman_actor spawn_tls_network(caf::actor_system& system) {
  auto broker
    = system.middleman().named_broker<caf::io::basp_broker>(caf::atom("BASP"));
  return system.spawn<tls_network, caf::detached + caf::hidden>(
    std::move(broker));
}

} // namespace perdura::cluster
