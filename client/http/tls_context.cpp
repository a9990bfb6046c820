// SPDX-License-Identifier: Apache-2.0
#include "client/http/tls_context.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include <array>
#include <string>
#include <string_view>

namespace perdura::client {

namespace fs = std::filesystem;
using persistence::errc;
using persistence::error;
using persistence::result;

namespace {

/// Makes an error from `sentence` and, in parentheses, the first reason in the
/// error queue of OpenSSL.
error refused(const std::string& sentence) {
  // The queue of errors belongs to the thread. It is cleared, so that the next
  // operation does not report an old error.
  const unsigned long code = ERR_get_error();
  const char* reason = ERR_reason_error_string(code);
  ERR_clear_error();
  return {errc::invalid_argument,
          sentence + (reason == nullptr ? "" : std::string(" (") + reason + ')')
            + '.'};
}

/// ALPN callback: selects HTTP/1.1 if the client offers it, else nothing.
int choose_protocol(SSL*, const unsigned char** chosen,
                    unsigned char* chosen_size, const unsigned char* offered,
                    unsigned int offered_size, void*) {
  static constexpr std::array<unsigned char, 9> known{8,   'h', 't', 't', 'p',
                                                      '/', '1', '.', '1'};
  unsigned char* found = nullptr;
  // A client that offers only other protocols, such as HTTP/2, is not refused
  // here: it may still speak HTTP/1.1.
  if (SSL_select_next_proto(&found, chosen_size, known.data(), known.size(),
                            offered, offered_size)
      != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

} // namespace

tls_context::~tls_context() {
  SSL_CTX_free(native_);
}

result<std::shared_ptr<tls_context>>
tls_context::load(const fs::path& certificate_file, const fs::path& key_file) {
  if (certificate_file.empty() && key_file.empty())
    return std::shared_ptr<tls_context>();
  // If only one file is named, the load fails, so that a forgotten setting does
  // not lead to a server without TLS.
  if (certificate_file.empty() || key_file.empty())
    return error{errc::invalid_argument,
                 "TLS needs both a certificate and its key "
                 "(http.tls.certificate_file and http.tls.key_file)."};

  struct stat facts {};

  // A file that is missing is reported by the load below.
  if (::stat(key_file.c_str(), &facts) == 0
      && (facts.st_mode & (S_IRWXG | S_IRWXO)) != 0)
    return error{errc::invalid_argument, "Other users may read the TLS key \""
                                           + key_file.string()
                                           + "\"; run `chmod 600` on it."};
  ERR_clear_error();
  // Owns the context, so that it is freed if a step below fails.
  const std::shared_ptr<tls_context> made(
    new tls_context(SSL_CTX_new(TLS_server_method())));
  SSL_CTX* native = made->native_;
  if (native == nullptr)
    return refused("TLS cannot be set up");
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  // Renegotiation lets a client cause work without a request. Compression would
  // let an attacker guess secrets (CRIME).
  SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION
                                | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // RELEASE_BUFFERS: an idle connection holds no buffers.
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS
                             | SSL_MODE_ENABLE_PARTIAL_WRITE
                             | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_alpn_select_cb(native, choose_protocol, nullptr);
  if (SSL_CTX_use_certificate_chain_file(native, certificate_file.c_str()) != 1)
    return refused("The TLS certificate \"" + certificate_file.string()
                   + "\" cannot be used");
  // Also fails if the key does not belong to the certificate.
  if (SSL_CTX_use_PrivateKey_file(native, key_file.c_str(), SSL_FILETYPE_PEM)
      != 1)
    return refused("The TLS key \"" + key_file.string()
                   + "\" cannot be used with the certificate \""
                   + certificate_file.string() + "\"");
  return made;
}

} // namespace perdura::client
