/// One connection's TLS: what came over the wire in, what was said out, and
/// back. Knows no sockets.
#pragma once

#include "client/http/tls_context.hpp"

#include <string>
#include <string_view>

struct bio_st;
struct ssl_st;

namespace perdura::client {

class tls_session {
public:
  /// The server's side.
  explicit tls_session(std::shared_ptr<tls_context> context);
  ~tls_session();

  tls_session(const tls_session&) = delete;
  tls_session& operator=(const tls_session&) = delete;

  /// Takes what came and adds to `text` what it says.
  /// False: it is no TLS, or not good enough; an alert may be there to send.
  bool receive(std::string_view wire, std::string& text);

  /// What is to be sent for it is added to what `take_wire` gives.
  bool send(std::string_view text);

  /// Says that no more will be sent.
  void close();

  /// What has to go over the wire now, in order.
  std::string take_wire();

  bool is_open() const;  ///< The handshake is over.
  bool is_ended() const; ///< The other side has said that it is done.

private:
  std::shared_ptr<tls_context> context_;
  ssl_st* session_;
  bio_st* in_;  ///< Owned by the session.
  bio_st* out_; ///< Owned by the session.
};

} // namespace perdura::client
