// SPDX-License-Identifier: Apache-2.0
/// The TLS session of one connection, over memory buffers: it turns received
/// bytes into text, and text into bytes to send. Independent of sockets.
#pragma once

#include "client/http/tls_context.hpp"

#include <string>
#include <string_view>

struct bio_st;
struct ssl_st;

namespace perdura::client {

/// The server's side of a session. Not thread-safe.
class tls_session {
public:
  explicit tls_session(std::shared_ptr<tls_context> context);
  ~tls_session();

  tls_session(const tls_session&) = delete;
  tls_session& operator=(const tls_session&) = delete;

  /// Processes received bytes and appends the decrypted text to `text`.
  /// Returns false if the session has failed, because the bytes are not valid
  /// TLS or the handshake was refused. `take_output` may then hold an alert.
  bool receive(std::string_view encrypted, std::string& text);

  /// Encrypts `text` for `take_output`. Returns false if the session has
  /// failed.
  bool send(std::string_view text);

  /// Adds the close notification to the output.
  void close();

  /// Removes and returns the bytes to send, in order.
  std::string take_output();

  bool is_open() const;  ///< The handshake is complete.
  bool is_ended() const; ///< The peer has sent its close notification.

private:
  std::shared_ptr<tls_context> context_;
  ssl_st* session_;
  bio_st* in_;  ///< Received bytes. Owned by the session.
  bio_st* out_; ///< Bytes to send. Owned by the session.
};

} // namespace perdura::client
