// SPDX-License-Identifier: Apache-2.0
#include <perdura/persistence/stores/storage_space.hpp>

#include <array>

namespace perdura::persistence {

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array<const char*, 5> units{" B", " KiB", " MiB", " GiB",
                                             " TiB"};
  std::size_t unit = 0;
  std::uint64_t tenths = bytes;
  // Above bytes, the number is kept in tenths of the unit.
  for (; unit + 1 < units.size() && (unit == 0 ? tenths : tenths / 10) >= 1024;
       ++unit)
    tenths = unit == 0 ? tenths / 1024 * 10 + tenths % 1024 * 10 / 1024
                       : tenths / 1024;
  if (unit == 0)
    return std::to_string(bytes) + units[0];
  std::string text = std::to_string(tenths / 10);
  if (tenths < 100 && tenths % 10 != 0)
    text += '.' + std::to_string(tenths % 10);
  return text + units[unit];
}

std::string full_sentence(const storage_space& space) {
  switch (space.full) {
  case full_cause::none:
    return {};
  case full_cause::limit:
    return "The stored data takes " + bytes_text(space.used)
           + ", and limits.storage_bytes_max is " + bytes_text(space.used_max)
           + ". Purge finished instances, or raise the limit.";
  case full_cause::disk:
    return "The disk is full: " + bytes_text(space.disk_free) + " of "
           + bytes_text(space.disk_size) + " are free on the disk and "
           + bytes_text(space.files_free) + " inside the data files (together "
           + bytes_text(space.files) + "), and " + bytes_text(space.reserve_max)
           + " are kept for results and purges (limits.disk_reserve; "
           + bytes_text(space.reserve)
           + " are still reserved). Purge finished instances, or free space on "
             "the disk; `perdura compact` returns the free space inside the "
             "data files of a stopped node to the disk.";
  }
  return {};
}

} // namespace perdura::persistence
