// SPDX-License-Identifier: Apache-2.0
#include "persistence/records/identity.hpp"

#include "persistence/records/text.hpp"

#include <pthread.h>
#include <sys/random.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <stdexcept>

namespace perdura::persistence {

namespace {

// The number of forks that led to this process, increased in the child of each
// fork. The child must not use the random bytes that the parent has buffered,
// because the parent uses them too. Each buffer is therefore refilled when this
// number has changed.
std::atomic<unsigned> forks{0};

void note_fork() {
  ++forks;
}

/// A buffer of random bytes, filled by the kernel 1,024 bytes at a time.
/// Without the buffer, an orchestration made three system calls for 16 bytes
/// each, which took 2 us of the 50 to 95 us of CPU that it needs. Each thread
/// has a buffer; the class is not thread-safe.
class random_buffer {
public:
  random_buffer() {
    static const int registered = ::pthread_atfork(nullptr, nullptr, note_fork);
    static_cast<void>(registered);
  }

  /// Returns the next 16 bytes and clears them in the buffer.
  std::array<unsigned char, 16> next_16_bytes() {
    if (used_ == bytes_.size() || forks_ != forks)
      fill();
    std::array<unsigned char, 16> bytes{};
    const auto from = bytes_.begin() + static_cast<std::ptrdiff_t>(used_);
    std::copy_n(from, bytes.size(), bytes.begin());
    std::fill_n(from, bytes.size(), static_cast<unsigned char>(0));
    used_ += bytes.size();
    return bytes;
  }

private:
  /// Fills the whole buffer. The loop is necessary because a signal may
  /// interrupt getrandom, and getrandom may return fewer bytes than requested.
  void fill() {
    std::size_t filled = 0;
    while (filled < bytes_.size()) {
      const ssize_t n
        = ::getrandom(bytes_.data() + filled, bytes_.size() - filled, 0);
      if (n > 0)
        filled += static_cast<std::size_t>(n);
      else if (errno != EINTR)
        throw std::runtime_error("the kernel provides no random bytes");
    }
    used_ = 0;
    forks_ = forks;
  }

  std::array<unsigned char, 1024> bytes_{};
  std::size_t used_ = bytes_.size();
  unsigned forks_ = 0; ///< Value of `forks` when the buffer was filled.
};

std::array<unsigned char, 16> random_128_bits() {
  thread_local random_buffer buffer;
  return buffer.next_16_bytes();
}

std::string hex_of(const std::array<unsigned char, 16>& bits) {
  return to_hex({reinterpret_cast<const char*>(bits.data()), bits.size()});
}

} // namespace

std::string random_hex32() {
  return hex_of(random_128_bits());
}

std::string ordered_hex32(timestamp now) {
  auto bits = random_128_bits();
  const auto ms = static_cast<std::uint64_t>(
    std::chrono::duration_cast<std::chrono::milliseconds>(
      now.time_since_epoch())
      .count());
  // The first six bytes are the time, most significant byte first.
  for (std::size_t i = 0; i < 6; ++i)
    bits[i] = static_cast<unsigned char>(ms >> (8 * (5 - i)));
  return hex_of(bits);
}

std::string hash_hex32(std::string_view text) {
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  std::array<char, 33> digits{};
  std::snprintf(digits.data(), digits.size(), "%016llx%016llx",
                static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  return {digits.data(), 32};
}

} // namespace perdura::persistence
