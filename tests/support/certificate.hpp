// SPDX-License-Identifier: Apache-2.0
/// Creates a self-signed TLS certificate for servers on loopback.
#pragma once

#include <filesystem>

namespace perdura::tests {

struct certificate_files {
  std::filesystem::path certificate; ///< Also the trusted root (CA).
  std::filesystem::path key;         ///< Mode 0600.
};

/// Paths that make_certificate() uses in this directory; creates nothing.
certificate_files certificate_in(const std::filesystem::path& directory);

/// Writes a certificate for "localhost" and 127.0.0.1 with an EC key (P-256).
/// The certificate expires after one hour.
/// @throws std::runtime_error  OpenSSL fails or a file cannot be written.
certificate_files make_certificate(const std::filesystem::path& directory);

} // namespace perdura::tests
