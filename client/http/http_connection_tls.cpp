// SPDX-License-Identifier: Apache-2.0
// The functions of a connection that uses TLS.
#include "client/http/http_connection.hpp"

#include <boost/asio/write.hpp>

namespace perdura::client {

using boost::system::error_code;

/// Appends the decrypted bytes to `text`. Returns false if the session has
/// failed or the peer has closed it.
bool http_connection::decrypt(std::string_view encrypted, std::string& text) {
  const bool is_valid = tls_->receive(encrypted, text);
  send_encrypted();
  return is_valid && !(tls_->is_ended() && text.empty());
}

void http_connection::write_encrypted() {
  const bool is_sent = tls_->send(output_.head) && tls_->send(output_.body);
  // Free the memory: the session has a copy, and a body may be large.
  output_.head = {};
  output_.body = {};
  if (!request_.keep_alive)
    tls_->close();
  // Set before the output is sent, so that `send_encrypted` calls `on_written`
  // when no output is left.
  output_.is_encrypted = true;
  if (!is_sent)
    request_.keep_alive = false; // The session cannot be used any more.
  send_encrypted();
}

/// Sends the output of the session. Only one write is pending at a time; the
/// next one begins when the current one has finished.
void http_connection::send_encrypted() {
  if (!output_.encrypted.empty() || state_ == phase::closed)
    return;
  output_.encrypted = tls_->take_output();
  if (output_.encrypted.empty()) {
    if (std::exchange(output_.is_encrypted, false))
      on_written(true);
    return;
  }
  net::async_write(
    socket_, net::buffer(output_.encrypted),
    [self = shared_from_this()](const error_code& failure, std::size_t) {
      self->output_.encrypted.clear();
      if (failure)
        self->close();
      else
        self->send_encrypted();
    });
}

} // namespace perdura::client
