// SPDX-License-Identifier: Apache-2.0
#include "persistence/views/set_aside.hpp"

#include "persistence/views/rows.hpp"
#include "persistence/views/views_flush.hpp"

namespace perdura::persistence {

std::string set_aside_prefix() {
  return std::string("aside") + '\0';
}

std::string set_aside_key(partition_id partition, const instance_id& id,
                          journal_position position) {
  return set_aside_prefix() + instance_prefix(partition, id)
         + big_endian(position);
}

std::optional<std::pair<std::uint32_t, instance_id>>
parse_set_aside_key(std::string_view key) {
  const std::string prefix = set_aside_prefix();
  constexpr std::size_t position_size = 8;
  // After the prefix: partition (2 bytes), ID, a 0 byte, position.
  if (!key.starts_with(prefix) || key.size() < prefix.size() + 3 + position_size
      || key[key.size() - position_size - 1] != '\0')
    return std::nullopt;
  key.remove_prefix(prefix.size());
  key.remove_suffix(position_size + 1);
  const auto byte = [&](std::size_t i) {
    return std::uint32_t{static_cast<unsigned char>(key[i])};
  };
  return std::pair(byte(0) << 8U | byte(1), instance_id(key.substr(2)));
}

set_aside_instances apply_set_aside(row_store& rows) {
  std::vector<std::string> keys;
  {
    const auto reader = rows.read();
    for_each_row(*reader, table::meta, set_aside_prefix(),
                 [&](auto key, auto) { keys.emplace_back(key); });
  }
  set_aside_instances left;
  for (const std::string& key : keys) {
    const auto owner = parse_set_aside_key(key);
    // The changes of an instance are applied in order, so one that cannot be
    // applied keeps those after it.
    if (!owner || left.contains(*owner))
      continue;
    try {
      const auto writer = rows.write();
      const auto stored = get_row<instance_write>(*writer, table::meta, key);
      if (!stored)
        continue;
      write_instance(*writer, partition_id(owner->first), *stored);
      writer->erase(table::meta, key);
      writer->commit();
    } catch (const storage_exception& e) {
      // Without space on the disk, it stays set aside until the next opening.
      if (e.reason().code != errc::storage_damaged
          && e.reason().code != errc::storage_full)
        throw;
      left[*owner] = e.reason();
    }
  }
  return left;
}

} // namespace perdura::persistence
