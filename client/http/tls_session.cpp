#include "client/http/tls_session.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>

namespace perdura::client {

tls_session::tls_session(std::shared_ptr<tls_context> context)
  : context_(std::move(context)),
    session_(SSL_new(context_->native())),
    in_(BIO_new(BIO_s_mem())),
    out_(BIO_new(BIO_s_mem())) {
  SSL_set_bio(session_, in_, out_);
  SSL_set_accept_state(session_);
}

tls_session::~tls_session() {
  SSL_free(session_);
}

bool tls_session::receive(std::string_view wire, std::string& text) {
  ERR_clear_error();
  BIO_write(in_, wire.data(), static_cast<int>(wire.size()));
  // A record holds at most 16 KiB.
  std::array<char, std::size_t{16} * 1024> part;
  while (true) {
    const int size
      = SSL_read(session_, part.data(), static_cast<int>(part.size()));
    if (size > 0) {
      text.append(part.data(), static_cast<std::size_t>(size));
      continue;
    }
    const int why = SSL_get_error(session_, size);
    ERR_clear_error();
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_ZERO_RETURN;
  }
}

bool tls_session::send(std::string_view text) {
  ERR_clear_error();
  while (!text.empty()) {
    // What goes to memory never has to wait, but partly may be enough.
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
  if (is_open())
    SSL_shutdown(session_);
  ERR_clear_error();
}

std::string tls_session::take_wire() {
  std::string wire(BIO_ctrl_pending(out_), '\0');
  if (!wire.empty())
    BIO_read(out_, wire.data(), static_cast<int>(wire.size()));
  return wire;
}

bool tls_session::is_open() const {
  return SSL_is_init_finished(session_) == 1;
}

bool tls_session::is_ended() const {
  return (SSL_get_shutdown(session_) & SSL_RECEIVED_SHUTDOWN) != 0;
}

} // namespace perdura::client
