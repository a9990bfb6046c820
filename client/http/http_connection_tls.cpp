// What a connection does otherwise when all goes through a TLS session.
#include "client/http/http_connection.hpp"

#include <boost/asio/write.hpp>

namespace perdura::client {

using boost::system::error_code;

/// False: there will be no more.
bool http_connection::decrypt(std::string_view wire, std::string& text) {
  const bool is_sound = tls_->receive(wire, text);
  flush_wire();
  return is_sound && !(tls_->is_ended() && text.empty());
}

void http_connection::write_encrypted() {
  const bool is_sent = tls_->send(head_text_) && tls_->send(body_text_);
  head_text_ = {};
  body_text_ = {}; // It may be large, and is there once more, encrypted.
  if (!keep_alive_)
    tls_->close();
  answer_in_wire_ = true;
  if (!is_sent)
    keep_alive_ = false; // Nothing more can be said here.
  flush_wire();
}

/// Sends what the session has for the wire, one piece after the other.
void http_connection::flush_wire() {
  if (!wire_.empty() || state_ == phase::closed)
    return;
  wire_ = tls_->take_wire();
  if (wire_.empty()) {
    if (std::exchange(answer_in_wire_, false))
      on_written(true);
    return;
  }
  net::async_write(
    socket_, net::buffer(wire_),
    [self = shared_from_this()](const error_code& failure, std::size_t) {
      self->wire_.clear();
      if (failure)
        self->close();
      else
        self->flush_wire();
    });
}

} // namespace perdura::client
