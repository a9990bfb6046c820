// SPDX-License-Identifier: Apache-2.0
#include "persistence/records/checksum.hpp"

#include <xxhash.h>

namespace perdura::persistence {

std::uint64_t checksum_of(std::string_view bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::uint64_t row_checksum(std::uint8_t table, std::string_view key,
                           std::string_view payload) {
  // The checksum of the key, seeded with the table's number, is the seed for
  // the checksum of the payload.
  return checksum_of(payload, checksum_of(key, table));
}

} // namespace perdura::persistence
