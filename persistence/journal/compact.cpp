// SPDX-License-Identifier: Apache-2.0
#include "persistence/journal/compact.hpp"

#include "persistence/journal/directory_lock.hpp"
#include "persistence/stores/lmdb_opening.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace perdura::persistence {

namespace fs = std::filesystem;

namespace {

// In the directory of an environment.
constexpr const char* copy_name = "compacted";

storage_exception compaction_failed(const std::string& doing,
                                    const fs::path& path, int code) {
  return storage_exception(
    {code == ENOSPC || code == EDQUOT ? errc::storage_full
                                      : errc::storage_failed,
     doing + " " + path.string() + ": " + std::strerror(code)});
}

/// Syncs a file or a directory.
void sync_copied(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool is_synced = fd >= 0 && ::fsync(fd) == 0;
  const int code = errno;
  if (fd >= 0)
    ::close(fd);
  if (!is_synced)
    throw compaction_failed("syncing", path, code);
}

std::uint64_t size_on_disk(const fs::path& path) {
  constexpr std::uint64_t block_bytes = 512; // the unit of st_blocks

  struct stat found {};

  return ::stat(path.c_str(), &found) == 0
           ? static_cast<std::uint64_t>(found.st_blocks) * block_bytes
           : 0;
}

/// Ends the compaction of a test.
struct interrupted {};

/// The compaction of one hub.
class hub_compaction {
public:
  hub_compaction(fs::path directory, const lmdb_map_sizes& map_bytes,
                 const creation_hook& hook)
    : directory_(std::move(directory)), map_bytes_(map_bytes), hook_(hook) {}

  void compact_lane(std::uint32_t lane) {
    compact<lmdb_log>(journal_directory(directory_, lane), map_bytes_.journal);
    compact<lmdb_rows>(views_directory(directory_, lane), map_bytes_.views);
  }

  const compaction& found() const {
    return found_;
  }

private:
  void step() {
    if (hook_ && hook_(++steps_))
      throw interrupted{};
  }

  template <class Store>
  void compact(const fs::path& place, std::uint64_t map_bytes) {
    const fs::path file = place / "data.mdb";
    const fs::path made = place / copy_name;
    std::error_code ignored;
    fs::remove_all(made, ignored); // of an interrupted compaction
    const std::uint64_t before = size_on_disk(file);
    try {
      make_copy<Store>(place, made, map_bytes);
    } catch (const storage_exception& e) {
      fs::remove_all(made, ignored);
      // Removed and not emptied: an empty reserve would count as released, and
      // twice its size would have to be free before starts are accepted.
      if (e.reason().code != errc::storage_full
          || !fs::remove(directory_ / "reserve", ignored))
        throw;
      make_copy<Store>(place, made, map_bytes);
    }
    // The transactions of the copy are numbered anew, and the table of readers
    // still has the old numbers if a reader keeps it open.
    fs::remove(place / "lock.mdb", ignored);
    if (::rename((made / "data.mdb").c_str(), file.c_str()) != 0)
      throw compaction_failed("renaming", made / "data.mdb", errno);
    step();
    sync_copied(place);
    step();
    fs::remove_all(made, ignored);
    found_.bytes_before += before;
    found_.bytes_after += size_on_disk(file);
    step();
  }

  /// Copies an environment, and checks and syncs the copy.
  template <class Store>
  void make_copy(const fs::path& place, const fs::path& made,
                 std::uint64_t map_bytes) {
    if (::mkdir(made.c_str(), 0700) != 0)
      throw compaction_failed("creating", made, errno);
    step();
    std::uint64_t rows = 0;
    {
      const Store store(place, false, map_bytes);
      rows = rows_in(place / "data.mdb");
      store.copy_compacted(made);
    }
    const fs::path copy = made / "data.mdb";
    if (::chmod(copy.c_str(), 0600) != 0)
      throw compaction_failed("restricting", copy, errno);
    step();
    sync_copied(copy);
    sync_copied(made);
    // The pages of the copy are checked, and that no row of its main table, the
    // records of the journal or the tables of the views, is missing.
    const auto checked = open_checked_file(copy);
    if (!checked)
      throw storage_exception(checked.error());
    if ((*checked)->newest().main.entries != rows)
      throw storage_exception((*checked)->damaged("the copy is not complete"));
    step();
  }

  static std::uint64_t rows_in(const fs::path& path) {
    const auto file = lmdb_file::open(path);
    if (!file)
      throw storage_exception(file.error());
    return (*file)->newest().main.entries;
  }

  const fs::path directory_;
  const lmdb_map_sizes& map_bytes_;
  const creation_hook& hook_;
  std::uint32_t steps_ = 0;
  compaction found_;
};

} // namespace

result<compaction> compact_hub(const fs::path& directory,
                               const lmdb_map_sizes& map_bytes,
                               const creation_hook& after_step) {
  const auto file = read_hub_file(directory);
  if (!file)
    return file.error();
  if (file->format != storage_format)
    return error{errc::storage_format,
                 directory.string() + " has the older format "
                   + std::to_string(file->format)
                   + ". Start a node of this version on it once, which raises "
                     "the format, and compact it then."};
  const auto lock = directory_lock::acquire(directory);
  if (!lock)
    return lock.error();
  hub_compaction work(directory, map_bytes, after_step);
  try {
    for (std::uint32_t lane = 0; lane < file->hub.lane_count; ++lane)
      work.compact_lane(lane);
  } catch (const storage_exception& e) {
    return e.reason();
  } catch (const interrupted&) {
    return error{errc::shutting_down, "the compaction was interrupted"};
  }
  return work.found();
}

} // namespace perdura::persistence
