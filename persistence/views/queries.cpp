#include "persistence/views/queries.hpp"

#include "persistence/records/checksum.hpp"
#include "persistence/records/keys.hpp"

namespace perdura::persistence {

namespace {

// First byte of a token. A later layout takes another.
constexpr char token_version = 1;
constexpr std::size_t token_checksum_size = 4;

std::string checksum_bytes(std::string_view bytes) {
  return big_endian(checksum_of(bytes)).substr(0, token_checksum_size);
}

int hex_value(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  return -1;
}

error not_a_token() {
  return {errc::invalid_argument,
          "the continuation token is not one that this hub gave out"};
}

} // namespace

// Hex: a token travels in headers and URLs, and no door need escape it.
std::string to_token(const page_position& position) {
  std::string bytes(1, token_version);
  bytes += time_key(position.created_at);
  bytes += position.id;
  bytes += checksum_bytes(bytes);
  std::string token;
  token.reserve(bytes.size() * 2);
  for (char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    token.push_back("0123456789abcdef"[byte >> 4U]);
    token.push_back("0123456789abcdef"[byte & 0x0FU]);
  }
  return token;
}

result<page_position> parse_token(const std::string& token) {
  // Longest: version, time, the longest ID, checksum.
  if (token.size() % 2 != 0 || token.size() > 2 * (1 + 8 + 256 + 4))
    return not_a_token();
  std::string bytes;
  for (std::size_t i = 0; i < token.size(); i += 2) {
    const int high = hex_value(token[i]);
    const int low = hex_value(token[i + 1]);
    if (high < 0 || low < 0)
      return not_a_token();
    bytes.push_back(static_cast<char>(high * 16 + low));
  }
  if (bytes.size() < 1 + 8 + token_checksum_size
      || bytes.front() != token_version)
    return not_a_token();
  const std::string body = bytes.substr(0, bytes.size() - token_checksum_size);
  if (checksum_bytes(body) != bytes.substr(body.size()))
    return not_a_token();
  page_position position;
  position.created_at = parse_time_key(body.substr(1, 8)).value();
  position.id = body.substr(9);
  return position;
}

} // namespace perdura::persistence
