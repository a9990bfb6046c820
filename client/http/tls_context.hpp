/// A server's certificate and key, ready to begin TLS sessions with.
#pragma once

#include <perdura/persistence/records/error.hpp>

#include <filesystem>
#include <memory>

struct ssl_ctx_st;

namespace perdura::client {

class tls_context {
public:
  /// Null if neither file is named. TLS 1.2 and newer.
  /// @error errc::invalid_argument  One of the two is missing or not PEM, the
  ///                                key is another certificate's, or others
  ///                                may read it.
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
