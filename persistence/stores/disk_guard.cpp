// SPDX-License-Identifier: Apache-2.0
#include "persistence/stores/disk_guard.hpp"

#include "persistence/process/disk_reserve.hpp"
#include "persistence/process/logging.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

namespace perdura::persistence {

namespace fs = std::filesystem;

namespace {

// A sixteenth of a smaller disk would not be enough for a purge.
constexpr std::uint64_t reserve_share_min = 8ULL << 20U;
constexpr std::uint64_t reserve_share = 16;

// The part of the reserve that is released as soon as the disk is full: a file
// such as `start` is replaced by a new one, which takes space from the disk.
constexpr std::uint64_t released_share = 8;

// The file system may need blocks of its own for an allocation.
constexpr std::uint64_t released_beyond = 64U << 10U;

// Records fill the pages of the journal in part, and large ones have pages of
// their own.
constexpr std::uint64_t bytes_taken_per_record_byte = 2;

// A flush writes rows, indexes and counts of a turn.
constexpr std::uint64_t bytes_written_per_pending_byte = 2;

/// The bytes that must be free on the disk so that the stores together have
/// `need` bytes and the space that the pending turns take, after further
/// records of `added` bytes.
std::uint64_t missing_on_disk(const space_facts& facts, std::uint64_t need,
                              std::uint64_t added = 0) {
  const std::uint64_t records = added * bytes_taken_per_record_byte;
  const std::uint64_t pending
    = (facts.pending + added) * bytes_written_per_pending_byte;
  if (facts.stores.empty())
    return need + records + pending;
  const auto views = static_cast<std::uint64_t>(
    std::count_if(facts.stores.begin(), facts.stores.end(),
                  [](const file_space& each) { return each.takes_pending; }));
  const std::uint64_t journals = facts.stores.size() - views;
  std::uint64_t missing = 0;
  for (const file_space& each : facts.stores) {
    const std::uint64_t needed
      = need / facts.stores.size()
        + (each.takes_pending ? pending / views : records / journals);
    missing += needed - std::min(needed, each.free);
  }
  return missing;
}

/// The greatest number of bytes of further records after which the disk does
/// not count as full, if `available` bytes are free on it.
std::uint64_t headroom_of(const space_facts& facts, std::uint64_t available) {
  std::uint64_t fits = 0;
  std::uint64_t too_many = available + 1;
  for (const file_space& each : facts.stores)
    too_many += each.free;
  while (too_many - fits > 1) {
    const std::uint64_t middle = fits + (too_many - fits) / 2;
    if (missing_on_disk(facts, facts.reserve_max, middle) <= available)
      fits = middle;
    else
      too_many = middle;
  }
  return fits;
}

/// The size of the reserve while the disk is not full; `held` if it stays.
std::uint64_t reserve_to_hold(const space_facts& facts) {
  if (facts.held >= facts.reserve_max)
    return facts.reserve_max;
  // Space stays free on the disk for a file that must grow although it has free
  // pages: a large value needs adjacent pages.
  const std::uint64_t available = facts.disk.available;
  const std::uint64_t kept = std::max(missing_on_disk(facts, facts.reserve_max),
                                      facts.reserve_max / 4);
  const std::uint64_t more = available - std::min(available, kept);
  const std::uint64_t hold = std::min(facts.reserve_max, facts.held + more);
  // Small changes are left out, except the last one.
  const bool is_worth_it
    = hold == facts.reserve_max || hold >= facts.held + facts.reserve_max / 8;
  return is_worth_it ? hold : facts.held;
}

} // namespace

std::uint64_t reserve_size(std::uint64_t wanted, std::uint64_t disk_size) {
  return std::min(wanted,
                  std::max(disk_size / reserve_share, reserve_share_min));
}

space_decision decide_space(const space_facts& facts) {
  if (facts.reserve_max == 0)
    return {false, 0};
  const std::uint64_t available = facts.disk.available;
  const bool is_full
    = facts.was_full
        ? available + facts.held < missing_on_disk(facts, 2 * facts.reserve_max)
        : available < missing_on_disk(facts, facts.reserve_max);
  if (is_full)
    return {true,
            std::min(facts.held,
                     facts.reserve_max - facts.reserve_max / released_share),
            0};
  const std::uint64_t hold = reserve_to_hold(facts);
  return {
    false, hold,
    headroom_of(facts, available - std::max(hold, facts.held) + facts.held)};
}

disk_guard::disk_guard(std::filesystem::path directory, limits settings,
                       std::function<disk_space()> disk)
  : directory_(directory), limits_(settings), disk_(std::move(disk)) {
  if (!disk_)
    disk_ = [directory = std::move(directory)] {
      std::error_code failed;
      const auto space = std::filesystem::space(directory, failed);
      // If the file system cannot be queried, the disk does not count as full.
      return failed
               ? disk_space{std::numeric_limits<std::uint64_t>::max() / 4, 0}
               : disk_space{std::uint64_t{space.available},
                            std::uint64_t{space.capacity}};
    };

  // A reserve that is not complete was released because the disk was full.
  std::error_code ignored;
  if (fs::exists(reserve_file(directory_), ignored))
    is_disk_full_ = reserve_bytes(directory_)
                    < reserve_size(limits_.reserve_bytes, disk_().size);
}

storage_space disk_guard::measure(const std::vector<file_space>& stores,
                                  std::uint64_t pending) {
  const std::lock_guard lock(mutex_);
  held_ = reserve_bytes(directory_);
  const disk_space disk = disk_();
  storage_space now;
  for (const file_space& each : stores) {
    now.used += each.used;
    now.files += each.file;
    now.files_free += each.free;
  }
  now.used_max = limits_.storage_bytes_max;
  now.disk_size = disk.size;
  now.reserve_max = reserve_size(limits_.reserve_bytes, disk.size);
  const space_decision decided = decide_space(
    {stores, pending, disk, held_, now.reserve_max, is_disk_full_});
  const std::uint64_t held_before = held_;
  hold(decided.hold);
  is_disk_full_ = decided.is_full;
  now.reserve = held_;
  if (now.reserve_max > 0)
    now.headroom = decided.headroom;
  // The bytes that the reserve has taken or given back are not measured again.
  now.disk_free
    = held_ <= held_before
        ? disk.available + (held_before - held_)
        : disk.available - std::min(disk.available, held_ - held_before);
  now.full = is_disk_full_                                 ? full_cause::disk
             : now.used_max > 0 && now.used > now.used_max ? full_cause::limit
                                                           : full_cause::none;
  report(now);
  return now;
}

bool disk_guard::release_for_write(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  const bool is_released = shrink_reserve(directory_, bytes + released_beyond);
  is_disk_full_ = is_disk_full_ || is_released;
  return is_released;
}

/// Gives the reserve a size. A reserve that cannot be allocated keeps the size
/// that it had, or is released.
void disk_guard::hold(std::uint64_t bytes) {
  if (bytes == held_)
    return;
  if (bytes < held_) {
    if (shrink_reserve(directory_, held_ - bytes))
      held_ = bytes;
    else
      log(log_channel::persistence, log_level::warning,
          "the disk reserve could not be released: "
            + reserve_file(directory_).string());
    return;
  }
  const auto file = reserve_file(directory_);
  const int fd = ::open(file.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0)
    return;
  if (::posix_fallocate(fd, 0, static_cast<off_t>(bytes)) == 0)
    held_ = bytes;
  else if (::ftruncate(fd, static_cast<off_t>(held_)) != 0)
    log(log_channel::persistence, log_level::warning,
        "the disk reserve could not be reduced: " + file.string());
  ::close(fd);
}

/// Logs a line when the result changes.
void disk_guard::report(const storage_space& now) {
  if (now.full == reported_)
    return;
  reported_ = now.full;
  if (now.full == full_cause::none)
    log(log_channel::persistence, log_level::info,
        "new starts and events are accepted again: " + bytes_text(now.disk_free)
          + " are free on the disk and " + bytes_text(now.files_free)
          + " inside the data files");
  else
    log(log_channel::persistence, log_level::error,
        "new starts and events are refused: " + full_sentence(now));
}

} // namespace perdura::persistence
