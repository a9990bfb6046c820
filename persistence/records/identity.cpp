#include "persistence/records/identity.hpp"

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

/// Takes one code point off the front; -1 if it is not well formed.
/// @source The Unicode Standard, table 3-7, Well-Formed UTF-8 Byte Sequences.
std::int32_t take_code_point(std::string_view& text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned lead = byte(0);
  std::size_t size = 1;
  std::uint32_t point = lead;
  std::uint32_t least = 0;
  if (lead >= 0xF0 && lead <= 0xF4) {
    size = 4;
    point = lead & 0x07U;
    least = 0x10000;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    size = 3;
    point = lead & 0x0FU;
    least = 0x800;
  } else if (lead >= 0xC2 && lead <= 0xDF) {
    size = 2;
    point = lead & 0x1FU;
    least = 0x80;
  } else if (lead >= 0x80) {
    return -1;
  }
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U)
      return -1;
    point = (point << 6U) | (byte(i) & 0x3FU);
  }
  if (point < least || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF))
    return -1;
  text.remove_prefix(size);
  return static_cast<std::int32_t>(point);
}

error invalid(const char* why) {
  return {errc::invalid_instance_id, std::string("an instance ID must ") + why};
}

// A child must not give out what its parent will.
std::atomic<unsigned> forks{0};

void note_fork() {
  ++forks;
}

/// The kernel's random bytes, fetched by the kilobyte: three calls for 16 took
/// 2 us of an orchestration's 50 to 95.
class random_stock {
public:
  random_stock() {
    static const int registered = ::pthread_atfork(nullptr, nullptr, note_fork);
    static_cast<void>(registered);
  }

  std::array<unsigned char, 16> take() {
    if (used_ == bytes_.size() || forks_ != forks)
      fill();
    std::array<unsigned char, 16> some{};
    const auto from = bytes_.begin() + static_cast<std::ptrdiff_t>(used_);
    std::copy_n(from, some.size(), some.begin());
    std::fill_n(from, some.size(), static_cast<unsigned char>(0));
    used_ += some.size();
    return some;
  }

private:
  void fill() {
    std::size_t filled = 0;
    while (filled < bytes_.size()) {
      const ssize_t n
        = ::getrandom(bytes_.data() + filled, bytes_.size() - filled, 0);
      if (n > 0)
        filled += static_cast<std::size_t>(n);
      else if (errno != EINTR)
        throw std::runtime_error("the kernel gives no random numbers");
    }
    used_ = 0;
    forks_ = forks;
  }

  std::array<unsigned char, 1024> bytes_{};
  std::size_t used_ = bytes_.size();
  unsigned forks_ = 0;
};

std::array<unsigned char, 16> some_random_bits() {
  thread_local random_stock stock;
  return stock.take();
}

std::string hex_of(const std::array<unsigned char, 16>& bits) {
  std::string text;
  text.reserve(2 * bits.size());
  for (const unsigned char byte : bits) {
    text.push_back("0123456789abcdef"[byte >> 4U]);
    text.push_back("0123456789abcdef"[byte & 0x0FU]);
  }
  return text;
}

} // namespace

std::string random_hex32() {
  return hex_of(some_random_bits());
}

std::string ordered_hex32(timestamp now) {
  auto bits = some_random_bits();
  const auto ms = static_cast<std::uint64_t>(
    std::chrono::duration_cast<std::chrono::milliseconds>(
      now.time_since_epoch())
      .count());
  for (std::size_t i = 0; i < 6; ++i)
    bits[i] = static_cast<unsigned char>(ms >> (8 * (5 - i)));
  return hex_of(bits);
}

bool is_utf8(std::string_view text) {
  while (!text.empty())
    if (take_code_point(text) < 0)
      return false;
  return true;
}

result<void> check_instance_id(std::string_view id) {
  if (id.empty())
    return invalid("not be empty");
  if (id.size() > instance_id_size_max)
    return invalid("not be longer than 256 bytes");
  if (id == "." || id == "..")
    return invalid("not be . or .., which no URL can name");
  if (id.front() == '@')
    return invalid("not begin with @");
  while (!id.empty()) {
    const std::int32_t point = take_code_point(id);
    if (point < 0)
      return invalid("be valid UTF-8");
    if (point < 0x20 || (point >= 0x7F && point <= 0x9F))
      return invalid("not contain control characters");
    if (point == '/' || point == '\\' || point == '#' || point == '?')
      return invalid("not contain / \\ # or ?");
  }
  return {};
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
