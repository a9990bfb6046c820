// SPDX-License-Identifier: Apache-2.0
#include "client/http/tls_session.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>

namespace perdura::client {

// OpenSSL reads from `in_` and writes to `out_`; the connection moves bytes
// between these buffers and the socket.
tls_session::tls_session(std::shared_ptr<tls_context> context)
  : context_(std::move(context)),
    session_(SSL_new(context_->native())),
    in_(BIO_new(BIO_s_mem())),
    out_(BIO_new(BIO_s_mem())) {
  // Gives both buffers to the session, which frees them.
  SSL_set_bio(session_, in_, out_);
  SSL_set_accept_state(session_);
}

tls_session::~tls_session() {
  SSL_free(session_);
}

bool tls_session::receive(std::string_view encrypted, std::string& text) {
  ERR_clear_error();
  // A memory buffer grows as needed, so all bytes are accepted.
  BIO_write(in_, encrypted.data(), static_cast<int>(encrypted.size()));
  // The size of the text in the largest TLS record.
  std::array<char, std::size_t{16} * 1024> part;
  // The received bytes may complete several records, or none. The handshake
  // also proceeds inside SSL_read.
  while (true) {
    const int size
      = SSL_read(session_, part.data(), static_cast<int>(part.size()));
    if (size > 0) {
      text.append(part.data(), static_cast<std::size_t>(size));
      continue;
    }
    const int why = SSL_get_error(session_, size);
    ERR_clear_error();
    // All complete records have been read, or the peer has closed the session.
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_ZERO_RETURN;
  }
}

bool tls_session::send(std::string_view text) {
  ERR_clear_error();
  while (!text.empty()) {
    // A write to memory never blocks, but it may accept only a part.
    const int size
      = SSL_write(session_, text.data(), static_cast<int>(text.size()));
    if (size <= 0) {
      ERR_clear_error();
      return false;
    }
    text.remove_prefix(static_cast<std::size_t>(size));
  }
  return true;
}

void tls_session::close() {
  ERR_clear_error();
  // Before the handshake is complete, there is nothing to close.
  if (is_open())
    SSL_shutdown(session_);
  ERR_clear_error();
}

std::string tls_session::take_output() {
  std::string output(BIO_ctrl_pending(out_), '\0');
  if (!output.empty())
    BIO_read(out_, output.data(), static_cast<int>(output.size()));
  return output;
}

bool tls_session::is_open() const {
  return SSL_is_init_finished(session_) == 1;
}

bool tls_session::is_ended() const {
  // A peer that closes the socket without a close notification has not ended
  // the session.
  return (SSL_get_shutdown(session_) & SSL_RECEIVED_SHUTDOWN) != 0;
}

} // namespace perdura::client
