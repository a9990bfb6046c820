#include "persistence/records/steering_text.hpp"

namespace perdura::persistence {

std::size_t steering_size(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t ahead) -> unsigned {
    return at + ahead < text.size()
             ? static_cast<unsigned char>(text[at + ahead])
             : 0U;
  };
  const auto is_between = [](unsigned value, unsigned low, unsigned high) {
    return value >= low && value <= high;
  };
  if (byte(0) < 0x20 || byte(0) == 0x7F)
    return 1;
  if (byte(0) == 0xC2 && is_between(byte(1), 0x80, 0x9F))
    return 2;
  const bool turns = (byte(1) == 0x80 && is_between(byte(2), 0xA8, 0xAE))
                     || (byte(1) == 0x81 && is_between(byte(2), 0xA6, 0xA9));
  return byte(0) == 0xE2 && turns ? 3 : 0;
}

std::string without_steering(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = steering_size(text, at);
    out += size == 0 ? text[at] : '?';
    at += size == 0 ? 1 : size;
  }
  return out;
}

} // namespace perdura::persistence
