// SPDX-License-Identifier: Apache-2.0
#include "cluster/transport/peer_tls_session.hpp"

#include "persistence/process/logging.hpp"

#include <caf/all.hpp>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>

namespace perdura::cluster {

using caf::io::network::native_socket;
using caf::io::network::rw_state;

namespace {

/// The largest certificate chain that a peer may send. OpenSSL allocates it
/// before the peer is authenticated. A chain of Perdura's own authority has
/// less than 1 KiB.
constexpr long chain_bytes_max = 32L << 10;

// A stream of OpenSSL over a socket. Unlike OpenSSL's own it writes without
// raising SIGPIPE, so that no signal mask must be changed for each write.

int socket_of(BIO* stream) {
  return static_cast<int>(
    reinterpret_cast<std::intptr_t>(BIO_get_data(stream)));
}

/// True if a failed call of the socket is to be repeated later.
bool is_temporary() {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

int write_to_socket(BIO* stream, const char* from, int size) {
  BIO_clear_retry_flags(stream);
  const auto sent = ::send(socket_of(stream), from,
                           static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (sent < 0 && is_temporary())
    BIO_set_retry_write(stream);
  return static_cast<int>(sent);
}

int read_from_socket(BIO* stream, char* to, int size) {
  BIO_clear_retry_flags(stream);
  const auto got
    = ::recv(socket_of(stream), to, static_cast<std::size_t>(size), 0);
  if (got < 0 && is_temporary())
    BIO_set_retry_read(stream);
  return static_cast<int>(got);
}

long control_socket(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0; // nothing is buffered
}

BIO_METHOD* socket_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made
      = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    BIO_meth_set_write(made, write_to_socket);
    BIO_meth_set_read(made, read_from_socket);
    BIO_meth_set_ctrl(made, control_socket);
    BIO_meth_set_create(made, [](BIO* stream) {
      BIO_set_init(stream, 1);
      return 1;
    });
    return made;
  }();
  return method;
}

/// The settings of a session. Null if a file cannot be used.
SSL_CTX* make_context(const caf::actor_system_config& files) {
  SSL_CTX* made = SSL_CTX_new(TLS_method());
  if (made == nullptr)
    return nullptr;
  SSL_CTX_set_min_proto_version(made, TLS1_2_VERSION);
  SSL_CTX_set_max_cert_list(made, chain_bytes_max);
  SSL_CTX_set_mode(made, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                           | SSL_MODE_ENABLE_PARTIAL_WRITE);
  SSL_CTX_set_verify(made, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                     nullptr);
  const bool ok
    = SSL_CTX_set_cipher_list(made, "HIGH:!aNULL:!MD5") == 1
      && SSL_CTX_use_certificate_chain_file(made,
                                            files.openssl_certificate.c_str())
           == 1
      && SSL_CTX_use_PrivateKey_file(made, files.openssl_key.c_str(),
                                     SSL_FILETYPE_PEM)
           == 1
      && SSL_CTX_load_verify_locations(made, files.openssl_cafile.c_str(),
                                       nullptr)
           == 1;
  if (ok)
    return made;
  SSL_CTX_free(made);
  return nullptr;
}

} // namespace

std::unique_ptr<peer_tls_session>
peer_tls_session::make(caf::actor_system& system, native_socket socket,
                       bool accepted) {
  ERR_clear_error();
  SSL_CTX* context = make_context(system.config());
  SSL* session = context == nullptr ? nullptr : SSL_new(context);
  SSL_CTX_free(context); // the session keeps a reference
  BIO* stream = session == nullptr ? nullptr : BIO_new(socket_method());
  if (stream == nullptr) {
    const char* reason = ERR_reason_error_string(ERR_peek_last_error());
    persistence::log(persistence::log_channel::cluster,
                     persistence::log_level::error,
                     std::string("The certificates of this node "
                                 "(cluster.tls) cannot be used: ")
                       + (reason == nullptr ? "no reason given" : reason)
                       + ". A connection was closed.");
    ERR_clear_error();
    SSL_free(session);
    return nullptr;
  }
  BIO_set_data(stream,
               reinterpret_cast<void*>(static_cast<std::intptr_t>(socket)));
  SSL_set_bio(session, stream, stream);
  if (accepted)
    SSL_set_accept_state(session);
  else
    SSL_set_connect_state(session);
  std::unique_ptr<peer_tls_session> made(new peer_tls_session(session));
  // On the connecting side this sends the first message of the handshake.
  if (made->result_of(SSL_do_handshake(session)) == rw_state::failure)
    return nullptr;
  return made;
}

peer_tls_session::~peer_tls_session() {
  SSL_free(session_);
}

/// The state after an operation of OpenSSL that has returned `returned`. If the
/// operation must wait for the socket, this is a success without bytes.
rw_state peer_tls_session::result_of(int returned) const {
  if (returned > 0)
    return rw_state::success;
  const int why = SSL_get_error(session_, returned);
  return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE
           ? rw_state::success
           : rw_state::failure;
}

rw_state peer_tls_session::read_some(std::size_t& got, native_socket, void* to,
                                     std::size_t bytes) {
  ERR_clear_error();
  got = 0;
  if (SSL_is_init_finished(session_) == 0) {
    const int done = SSL_do_handshake(session_);
    if (done != 1)
      return result_of(done);
  }
  if (bytes == 0)
    return rw_state::indeterminate;
  const int size = SSL_read(session_, to, static_cast<int>(bytes));
  got = size > 0 ? static_cast<std::size_t>(size) : 0;
  return result_of(size);
}

rw_state peer_tls_session::write_some(std::size_t& gone, native_socket,
                                      const void* from, std::size_t bytes) {
  ERR_clear_error();
  gone = 0;
  stalled_ = false;
  if (SSL_is_init_finished(session_) == 0) {
    const int done = SSL_do_handshake(session_);
    if (done != 1) {
      const bool waits_to_read
        = SSL_get_error(session_, done) == SSL_ERROR_WANT_READ;
      const rw_state state = result_of(done);
      stalled_ = bytes > 0 && state == rw_state::success;
      // Without data there is nothing to write until the peer has answered.
      return bytes == 0 && waits_to_read ? rw_state::indeterminate : state;
    }
  }
  if (bytes == 0)
    return rw_state::indeterminate;
  const int size = SSL_write(session_, from, static_cast<int>(bytes));
  gone = size > 0 ? static_cast<std::size_t>(size) : 0;
  const rw_state state = result_of(size);
  stalled_ = gone == 0 && state == rw_state::success;
  return state;
}

bool peer_tls_session::must_read_more(native_socket,
                                      std::size_t threshold) const {
  return static_cast<std::size_t>(SSL_pending(session_)) >= threshold;
}

std::optional<peer_certificate> peer_tls_session::certificate() const {
  if (SSL_is_init_finished(session_) == 0)
    return std::nullopt;
  X509* shown = SSL_get1_peer_certificate(session_);
  if (shown == nullptr)
    return std::nullopt;
  peer_certificate read = read_certificate(shown);
  X509_free(shown);
  return read;
}

} // namespace perdura::cluster
