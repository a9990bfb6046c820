// SPDX-License-Identifier: Apache-2.0
#include "persistence/views/queries.hpp"

#include "persistence/records/checksum.hpp"
#include "persistence/records/keys.hpp"
#include "persistence/records/text.hpp"

namespace perdura::persistence {

namespace {

// First byte of a token. A change of the layout requires another number.
constexpr char token_version = 1;
constexpr std::size_t token_checksum_size = 4;

/// The first bytes of the checksum of `bytes`. They detect texts that are not
/// tokens; they do not protect against forgery.
std::string checksum_bytes(std::string_view bytes) {
  return big_endian(checksum_of(bytes)).substr(0, token_checksum_size);
}

error not_a_token() {
  return {errc::invalid_argument,
          "the continuation token is not valid; use the token of the previous "
          "page without changes"};
}

} // namespace

// A token is hexadecimal, so that it needs no escaping in HTTP headers and
// URLs.
std::string to_token(const page_position& position) {
  std::string bytes(1, token_version);
  bytes += time_key(position.created_at);
  bytes += position.id;
  bytes += checksum_bytes(bytes);
  return to_hex(bytes);
}

result<page_position> parse_token(const std::string& token) {
  // The longest token: version, time, an ID of 256 bytes, checksum.
  if (token.size() % 2 != 0 || token.size() > 2 * (1 + 8 + 256 + 4))
    return not_a_token();
  const auto decoded = from_hex(token);
  if (!decoded)
    return not_a_token();
  const std::string& bytes = *decoded;
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

void cut_page(std::vector<instance_row>& rows, std::size_t top,
              std::optional<page_position>& complete) {
  std::size_t count = 0;
  std::size_t end = 0;
  std::optional<page_position> last;
  for (; end < rows.size(); ++end) {
    const page_position place = place_of(rows[end]);
    if (complete && place > *complete)
      break;
    if (!rows[end].place.empty())
      continue;
    if (count == top) {
      complete = last;
      break;
    }
    ++count;
    last = place;
  }
  // Rows without a place of their own that belong to a later instance.
  while (end > 0 && complete && place_of(rows[end - 1]) > *complete)
    --end;
  rows.resize(end);
}

} // namespace perdura::persistence
