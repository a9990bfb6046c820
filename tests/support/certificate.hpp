/// A self-signed certificate for loopback, made in a moment.
#pragma once

#include <filesystem>

namespace perdura::tests {

struct certificate_files {
  std::filesystem::path certificate; ///< Also who is to be trusted.
  std::filesystem::path key;         ///< Mode 0600.
};

/// Where it is, if it was made there.
certificate_files certificate_in(const std::filesystem::path& directory);

/// For "localhost" and 127.0.0.1, good for an hour, an EC key.
certificate_files make_certificate(const std::filesystem::path& directory);

} // namespace perdura::tests
