// SPDX-License-Identifier: Apache-2.0
#include "persistence/journal/lmdb_journal.hpp"

#include "persistence/journal/laned_journal.hpp"
#include "persistence/process/logging.hpp"
#include "persistence/process/write_all.hpp"
#include "persistence/records/identity.hpp"
#include "persistence/views/rows.hpp"
#include "persistence/views/views_flush.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>

namespace perdura::persistence {

namespace fs = std::filesystem;

namespace {

// The file `hub` consists of this text, the format number, a line end, a
// hub_identity, and the checksum of all bytes before the checksum.
constexpr std::string_view hub_file_head = "perdura hub, format ";

// An arbitrary limit. Each lane has its own commits and threads, so a large
// number of lanes only makes the batches smaller.
constexpr std::uint32_t lane_count_max = 64;

/// Returns errc::storage_failed for a system call. `doing` names the operation
/// and the file; `code` is errno.
error failed(const std::string& doing, int code) {
  return {errc::storage_failed, doing + ": " + std::strerror(code)};
}

/// Syncs a file or a directory. After the sync of a directory, its new entries
/// survive a power failure.
result<void> sync_path(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return failed("opening " + path.string(), errno);
  const int rc = ::fsync(fd);
  const int code = errno;
  ::close(fd);
  if (rc != 0)
    return failed("syncing " + path.string(), code);
  return {};
}

/// Creates a directory that only its owner can read. An existing directory is
/// restricted in the same way.
result<void> make_directory(const fs::path& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return failed("creating the directory " + path.string(), errno);
  if (::chmod(path.c_str(), 0700) != 0)
    return failed(
      "restricting the directory " + path.string() + " to its owner", errno);
  return {};
}

/// Writes the file under a temporary name, syncs it and renames it, so that
/// after a crash the file `hub` is either complete or absent.
result<void> write_hub(const fs::path& directory, const hub_identity& hub) {
  std::string text(hub_file_head);
  text += std::to_string(storage_format) + "\n";
  encode_to(text, hub);
  text += big_endian(checksum_of(text));
  const fs::path beside = directory / "hub.new";
  const int fd
    = ::open(beside.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0)
    return failed("creating " + beside.string(), errno);
  int code = write_all(fd, text).value();
  if (code == 0 && ::fsync(fd) != 0)
    code = errno;
  ::close(fd);
  if (code != 0)
    return failed("writing " + beside.string(), code);
  if (::rename(beside.c_str(), (directory / "hub").c_str()) != 0)
    return failed("moving " + beside.string() + " into place", errno);
  return sync_path(directory);
}

/// Creates and syncs the two environments of a lane.
result<void> create_lane(const fs::path& directory, const hub_identity& hub,
                         std::uint32_t lane, const lmdb_map_sizes& map_bytes) {
  for (const fs::path& path :
       {directory / ("lane-" + std::to_string(lane)),
        journal_directory(directory, lane), views_directory(directory, lane)})
    if (const auto made = make_directory(path); !made)
      return made;
  // The partitions of the lane are those with p mod lane_count = lane.
  std::vector<std::pair<partition_id, partition_meta>> partitions;
  for (std::uint32_t i = lane; i < hub.partition_count; i += hub.lane_count)
    partitions.push_back(
      {partition_id(i), partition_meta{random_hex32(), 0, 0, {}}});
  try {
    lmdb_log(journal_directory(directory, lane), true, map_bytes.journal);
    lmdb_rows store(views_directory(directory, lane), true, map_bytes.views);
    const auto rows = store.write();
    write_initial_rows(*rows, hub, lane, storage_format, partitions);
    rows->commit();
  } catch (const storage_exception& e) {
    return e.reason();
  }
  // LMDB syncs what it commits, but not the entries of the new files in their
  // directories.
  for (const fs::path& path :
       {journal_directory(directory, lane) / "data.mdb",
        journal_directory(directory, lane), views_directory(directory, lane),
        directory / ("lane-" + std::to_string(lane))})
    if (const auto synced = sync_path(path); !synced)
      return synced;
  return {};
}

/// Returns errc::storage_missing. `condition` completes the sentence that
/// begins with the directory, such as "is empty".
error no_hub(const fs::path& directory, const std::string& condition) {
  return {errc::storage_missing,
          directory.string() + " " + condition
            + "; create a hub there with `perdura hub create`, or specify the "
              "directory that contains the hub"};
}

bool is_readable(std::uint64_t format) {
  return format >= storage_format_oldest && format <= storage_format;
}

/// The end of a sentence about a directory in another format.
std::string format_text(std::uint64_t format) {
  return " written in format " + std::to_string(format)
         + "; this program reads formats "
         + std::to_string(storage_format_oldest) + " to "
         + std::to_string(storage_format);
}

/// The content of the file `hub`.
struct hub_file {
  hub_identity hub;
  std::uint32_t format = 0;
};

/// Reads the file `hub`. Errors as for read_hub.
result<hub_file> read_hub_file(const fs::path& directory) {
  std::error_code trouble;
  if (!fs::is_directory(directory, trouble))
    return no_hub(directory, "does not exist");
  if (fs::is_empty(directory, trouble))
    return no_hub(directory, "is empty");
  std::ifstream file(directory / "hub", std::ios::binary);
  if (!file)
    return no_hub(directory, "contains no hub");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const error damaged{errc::storage_damaged,
                      "the file " + (directory / "hub").string()
                        + " is damaged; restore it from a backup (the views "
                          "of each lane also contain the hub's identity)"};
  // The first line is read before the checksum, so that a newer format is
  // reported as such even if it stores the rest of the file in another way.
  const std::size_t line = text.find('\n');
  if (!text.starts_with(hub_file_head) || line == std::string::npos)
    return damaged;
  std::uint32_t format = 0;
  const char* digits = text.data() + hub_file_head.size();
  const auto parsed = std::from_chars(digits, text.data() + line, format);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + line)
    return damaged;
  if (!is_readable(format))
    return error{errc::storage_format,
                 directory.string() + " was" + format_text(format)};
  if (text.size() < line + 1 + checksum_size)
    return damaged;
  const std::string body = text.substr(0, text.size() - checksum_size);
  if (parse_big_endian(std::string_view(text).substr(body.size()))
      != checksum_of(body))
    return damaged;
  auto hub = decode<hub_identity>(std::string_view(body).substr(line + 1));
  if (!hub)
    return damaged;
  return hub_file{std::move(*hub), format};
}

/// Opens the stores of a lane and checks that they belong to the hub.
/// @throws storage_exception  They are damaged or belong to another hub.
laned_journal::store open_lane(const lmdb_journal_options& options,
                               const hub_identity& hub, std::uint32_t lane) {
  laned_journal::store store;
  auto rows = std::make_unique<lmdb_rows>(
    views_directory(options.directory, lane), false, options.map_bytes.views);
  bool older = false;
  {
    const auto reader = rows->read();
    const auto format
      = get_row<std::uint64_t>(*reader, table::meta, format_key);
    const auto owner = get_row<hub_identity>(*reader, table::meta, hub_key);
    const auto number = get_row<std::uint64_t>(*reader, table::meta, lane_key);
    if (!format || !owner || !number)
      throw_damaged(table::meta, hub_key, "rows are missing");
    if (!is_readable(*format))
      throw storage_exception(
        {errc::storage_format, "the views were" + format_text(*format)});
    older = *format != storage_format;
    if (*owner != hub || *number != lane)
      throw storage_exception(
        {errc::storage_foreign,
         "the views in " + views_directory(options.directory, lane).string()
           + " belong to lane " + std::to_string(*number) + " of hub "
           + owner->hub_id});
  }
  // The rows of older formats are read without a conversion. The number is
  // raised, so that an older program refuses the rows that are written from now
  // on.
  if (older) {
    const auto writer = rows->write();
    typed_row_writer(*writer).put(table::meta, format_key,
                                  std::uint64_t{storage_format});
    writer->commit();
  }
  store.rows = std::move(rows);
  store.log
    = std::make_unique<lmdb_log>(journal_directory(options.directory, lane),
                                 false, options.map_bytes.journal);
  return store;
}

/// The first base class of `locked_journal` and therefore destroyed last: the
/// lock is released after the threads have ended and the environments are
/// closed.
struct lock_holder {
  std::unique_ptr<directory_lock> lock;
};

/// A journal that owns the lock on its data directory.
class locked_journal : private lock_holder, public laned_journal {
public:
  locked_journal(std::unique_ptr<directory_lock> acquired, hub_identity hub,
                 options settings, std::vector<store> stores,
                 std::shared_ptr<crash_switch> crash)
    : lock_holder{std::move(acquired)},
      laned_journal(std::move(hub), std::move(settings), std::move(stores),
                    std::move(crash)) {}
};

} // namespace

fs::path journal_directory(const fs::path& directory, std::uint32_t lane) {
  return directory / ("lane-" + std::to_string(lane)) / "journal";
}

fs::path views_directory(const fs::path& directory, std::uint32_t lane) {
  return directory / ("lane-" + std::to_string(lane)) / "views";
}

result<void> create_hub(const fs::path& directory, const hub_identity& hub,
                        const lmdb_map_sizes& map_bytes) {
  if (hub.partition_count < 1 || hub.partition_count > partition_count_max
      || hub.lane_count < 1 || hub.lane_count > lane_count_max
      || hub.hub_id.empty())
    return error{errc::invalid_argument,
                 "a hub has an ID, 1 to " + std::to_string(partition_count_max)
                   + " partitions and 1 to " + std::to_string(lane_count_max)
                   + " lanes"};
  std::error_code trouble;
  if (fs::exists(directory / "hub", trouble))
    return error{errc::storage_in_use,
                 directory.string() + " contains a hub already"};
  if (fs::exists(directory, trouble) && !fs::is_empty(directory, trouble))
    return error{errc::storage_foreign,
                 directory.string()
                   + " is not empty and contains no hub, or a hub whose "
                     "creation was interrupted; choose an empty directory"};
  if (const auto made = make_directory(directory); !made)
    return made;
  for (std::uint32_t lane = 0; lane < hub.lane_count; ++lane)
    if (const auto made = create_lane(directory, hub, lane, map_bytes); !made)
      return made;
  // The file `hub` is written last, because it marks the directory as complete.
  if (const auto written = write_hub(directory, hub); !written)
    return written;
  // Makes the entry of the data directory in its parent durable too.
  const fs::path above = fs::absolute(directory).parent_path();
  return sync_path(above);
}

result<hub_identity> read_hub(const fs::path& directory) {
  auto file = read_hub_file(directory);
  if (!file)
    return file.error();
  return std::move(file->hub);
}

result<std::unique_ptr<manual_journal>>
open_lmdb_journal(lmdb_journal_options options) {
  auto file = read_hub_file(options.directory);
  if (!file)
    return file.error();
  const hub_identity* hub = &file->hub;
  if (!options.hub_id.empty() && hub->hub_id != options.hub_id)
    return error{errc::storage_foreign, options.directory.string()
                                          + " holds the hub " + hub->hub_id
                                          + ", not " + options.hub_id};
  if (options.lane_count && hub->lane_count != *options.lane_count)
    return error{errc::storage_foreign,
                 options.directory.string() + " was created with "
                   + std::to_string(hub->lane_count)
                   + " lanes; the lane count cannot be changed to "
                   + std::to_string(*options.lane_count)};
  auto lock = directory_lock::acquire(options.directory);
  if (!lock)
    return lock.error();
  std::vector<laned_journal::store> stores;
  try {
    for (std::uint32_t lane = 0; lane < hub->lane_count; ++lane)
      stores.push_back(open_lane(options, *hub, lane));
  } catch (const storage_exception& e) {
    return e.reason();
  }
  // The file `hub` follows the lanes: if this is interrupted, the next start
  // continues.
  if (file->format != storage_format)
    if (const auto written = write_hub(options.directory, *hub); !written)
      return written.error();
  // `used` keeps pointers to the stores. They stay valid: the stores are not
  // moved in memory when the journal takes ownership of them, and `used` is
  // called only while the journal exists.
  const auto used = [parts = [&] {
    std::vector<std::pair<const record_log*, const row_store*>> all;
    for (const laned_journal::store& s : stores)
      all.emplace_back(s.log.get(), s.rows.get());
    return all;
  }()] {
    std::uint64_t bytes = 0;
    for (const auto& [log, rows] : parts)
      bytes += log->bytes_used() + rows->bytes_used();
    return bytes;
  };
  laned_journal::options settings;
  settings.manual = options.manual;
  settings.limits = options.views;
  settings.measure_full = [guard = std::make_shared<disk_guard>(
                             options.directory, options.disk_limits, used)] {
    return guard->measure();
  };
  auto journal = std::make_unique<locked_journal>(
    std::move(*lock), *hub, std::move(settings), std::move(stores),
    std::make_shared<crash_switch>(std::move(options.crash)));
  if (const auto opened = journal->open(); !opened)
    return opened.error();
  return std::unique_ptr<manual_journal>(std::move(journal));
}

// --- The lock ----------------------------------------------------------------

result<std::unique_ptr<directory_lock>>
directory_lock::acquire(const fs::path& directory) {
  const fs::path path = directory / "lock";
  const int fd = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0)
    return failed("opening " + path.string(), errno);
  auto lock = std::make_unique<directory_lock>(fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK)
      return failed("locking " + path.string(), errno);
    // The process that holds the lock has written its ID into the file.
    std::string owner(32, '\0');
    const ssize_t size = ::pread(fd, owner.data(), owner.size(), 0);
    owner.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    while (!owner.empty() && owner.back() == '\n')
      owner.pop_back();
    return error{errc::storage_in_use,
                 directory.string() + " is used by process "
                   + (owner.empty() ? "?" : owner)
                   + "; one process at a time can use a data directory"};
  }
  // The process ID serves the error message above only, so a failure to write
  // it is logged and ignored.
  const std::string self = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd, 0) != 0
      || ::pwrite(fd, self.data(), self.size(), 0)
           != static_cast<ssize_t>(self.size()))
    log(log_channel::persistence, log_level::warning,
        "the process ID could not be written into the lock file "
          + path.string());
  return lock;
}

directory_lock::~directory_lock() {
  ::close(file_);
}

} // namespace perdura::persistence
