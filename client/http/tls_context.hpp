// SPDX-License-Identifier: Apache-2.0
/// The certificate and key of a TLS server, from which sessions are made.
#pragma once

#include <perdura/persistence/records/error.hpp>

#include <filesystem>
#include <memory>

struct ssl_ctx_st;

namespace perdura::client {

/// Immutable after `load`, and thread-safe.
class tls_context {
public:
  /// Loads both files, or returns null if both names are empty. Sessions use
  /// TLS 1.2 or 1.3.
  /// @error errc::invalid_argument  Only one file is named, a file is not PEM,
  ///                                the key does not belong to the
  ///                                certificate, or other users may read the
  ///                                key.
  static persistence::result<std::shared_ptr<tls_context>>
  load(const std::filesystem::path& certificate_file,
       const std::filesystem::path& key_file);

  ~tls_context();

  tls_context(const tls_context&) = delete;
  tls_context& operator=(const tls_context&) = delete;

  ssl_ctx_st* native() const {
    return native_;
  }

private:
  explicit tls_context(ssl_ctx_st* native) : native_(native) {}

  ssl_ctx_st* native_;
};

} // namespace perdura::client
