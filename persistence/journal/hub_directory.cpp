// SPDX-License-Identifier: Apache-2.0
#include "persistence/journal/hub_directory.hpp"

#include "persistence/journal/directory_lock.hpp"
#include "persistence/process/replace_file.hpp"
#include "persistence/process/sync_watch.hpp"
#include "persistence/process/write_all.hpp"
#include "persistence/records/checksum.hpp"
#include "persistence/records/codec.hpp"
#include "persistence/records/identity.hpp"
#include "persistence/stores/lmdb_file.hpp"
#include "persistence/views/views_flush.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <set>

namespace perdura::persistence {

namespace fs = std::filesystem;

namespace {

// The file `hub` consists of this text, the format number, a line end, a
// hub_identity, and the checksum of all bytes before the checksum.
constexpr std::string_view hub_file_head = "perdura hub, format ";

constexpr const char* creating_name = "hub.creating";

// An arbitrary limit. Each lane has its own commits and threads, so a large
// number of lanes only makes the batches smaller.
constexpr std::uint32_t lane_count_max = 64;

// A creation makes at most this many transactions in an environment: the tables
// of the views, then their first rows.
constexpr std::uint64_t creation_txnid_max = 2;

/// Returns errc::storage_failed for a system call. `doing` names the operation
/// and the file; `code` is errno.
error failed(const std::string& doing, int code) {
  return {errc::storage_failed, doing + ": " + std::strerror(code)};
}

/// Syncs a file or a directory. After the sync of a directory, its new entries
/// survive a power failure.
result<void> sync_path(const fs::path& path) {
  const sync_watch::running watched(sync_watch::of_process());
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

/// Creates the directory and the missing ones above it. Existing directories
/// are not changed.
result<void> make_missing(const fs::path& path) {
  std::error_code ignored;
  if (path.empty() || fs::exists(path, ignored))
    return {};
  const fs::path above = path.parent_path();
  if (above != path)
    if (const auto made = make_missing(above); !made)
      return made;
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return failed("creating the directory " + path.string(), errno);
  return sync_path(above);
}

std::string hub_text(const hub_identity& hub) {
  std::string text(hub_file_head);
  text += std::to_string(storage_format) + "\n";
  encode_to(text, hub);
  text += big_endian(checksum_of(text));
  return text;
}

/// Reads a whole file. The error is the errno of the failure.
int read_whole(const fs::path& path, std::string& text) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return errno;
  text.clear();
  char buffer[4096];
  int code = 0;
  for (;;) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0) {
      code = n < 0 ? errno : 0;
      break;
    }
    text.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(fd);
  return code;
}

/// Parses the content of the file `hub` of a directory.
result<hub_file> parse_hub_text(const fs::path& directory,
                                std::string_view text) {
  const error damaged{errc::storage_damaged,
                      "the file " + (directory / "hub").string()
                        + " is damaged; restore it from a backup (the views "
                          "of each lane also contain the hub's identity)"};
  // The first line is read before the checksum, so that a newer format is
  // reported as such even if it stores the rest of the file in another way.
  const std::size_t line = text.find('\n');
  if (!text.starts_with(hub_file_head) || line == std::string::npos)
    return damaged;
  hub_file found;
  const char* digits = text.data() + hub_file_head.size();
  const auto parsed = std::from_chars(digits, text.data() + line, found.format);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + line)
    return damaged;
  if (found.format < storage_format_oldest || found.format > storage_format)
    return error{errc::storage_format,
                 directory.string() + " was written in format "
                   + std::to_string(found.format)
                   + "; this program reads format "
                   + std::to_string(storage_format_oldest) + " to "
                   + std::to_string(storage_format)};
  if (text.size() < line + 1 + checksum_size)
    return damaged;
  const std::string_view body = text.substr(0, text.size() - checksum_size);
  if (parse_big_endian(text.substr(body.size())) != checksum_of(body))
    return damaged;
  auto hub = decode<hub_identity>(body.substr(line + 1));
  if (!hub)
    return damaged;
  found.hub = std::move(*hub);
  return found;
}

/// Returns errc::storage_missing. `condition` completes the sentence that
/// begins with the directory, such as "is empty".
error no_hub(const fs::path& directory, const std::string& condition) {
  return {errc::storage_missing,
          directory.string() + " " + condition
            + "; create a hub there with `perdura hub create`, or specify the "
              "directory that contains the hub"};
}

/// The names in a directory.
result<std::set<std::string>> names_in(const fs::path& directory) {
  std::set<std::string> names;
  std::error_code trouble;
  for (fs::directory_iterator each(directory, trouble), end;
       !trouble && each != end; each.increment(trouble))
    names.insert(each->path().filename().string());
  if (trouble)
    return failed("reading the directory " + directory.string(),
                  trouble.value());
  return names;
}

/// One creation of a hub in an existing directory. Each function is one part;
/// `step` is called after each change of the file system.
class creation {
public:
  creation(fs::path directory, const hub_identity& hub,
           const lmdb_map_sizes& map_bytes, const creation_hook& hook)
    : directory_(std::move(directory)),
      hub_(hub),
      map_bytes_(map_bytes),
      hook_(hook) {}

  result<void> run() {
    if (const auto ready = prepare(); !ready)
      return ready;
    if (const auto restricted = make_directory(directory_); !restricted)
      return restricted;
    if (const auto written = write_marker(); !written)
      return written;
    for (std::uint32_t lane = 0; lane < hub_.lane_count; ++lane)
      if (const auto made = create_lane(lane); !made)
        return made;
    // From here on the directory contains a hub.
    if (::rename(marker().c_str(), (directory_ / "hub").c_str()) != 0)
      return failed("moving " + marker().string() + " into place", errno);
    if (const auto done = step(); !done)
      return done;
    return sync_path(directory_);
  }

private:
  fs::path marker() const {
    return directory_ / creating_name;
  }

  result<void> step() {
    if (hook_ && hook_(++steps_))
      return error{errc::shutting_down, "the creation was interrupted"};
    return {};
  }

  error foreign() const {
    return {errc::storage_foreign,
            directory_.string()
              + " is not empty and contains no hub; choose an empty directory"};
  }

  /// Checks that the directory may be used, and removes the rest of an
  /// interrupted creation, except `hub.creating`.
  result<void> prepare() {
    const auto names = names_in(directory_);
    if (!names)
      return names.error();
    if (names->contains("hub"))
      return error{errc::storage_in_use,
                   directory_.string() + " contains a hub already"};
    if (names->empty())
      return {};
    std::string text;
    if (!names->contains(creating_name))
      return foreign();
    if (const int code = read_whole(marker(), text); code != 0)
      return failed("reading " + marker().string(), code);
    const auto marked = parse_hub_text(directory_, text);
    // The first write of the marker was interrupted: nothing else exists yet.
    // After a power failure the file can have its size without all of its
    // bytes, and zeros in their place.
    text.erase(text.find_last_not_of('\0') + 1);
    const bool is_begin
      = text.starts_with(hub_file_head) || hub_file_head.starts_with(text);
    if (!marked && !(is_begin && names->size() == 1))
      return foreign();
    std::set<std::string> lanes = *names;
    lanes.erase(creating_name);
    std::vector<fs::path> files;
    std::vector<fs::path> directories;
    for (const std::string& name : lanes)
      if (!is_lane_of(marked->hub, name)
          || !collect(directory_ / name, files, directories))
        return foreign();
    return remove(files, directories);
  }

  static bool is_lane_of(const hub_identity& hub, const std::string& name) {
    for (std::uint32_t lane = 0; lane < hub.lane_count; ++lane)
      if (name == "lane-" + std::to_string(lane))
        return true;
    return false;
  }

  /// Lists what a creation has written for a lane, in the order in which it can
  /// be removed; false if there is anything else.
  static bool collect(const fs::path& lane, std::vector<fs::path>& files,
                      std::vector<fs::path>& directories) {
    std::error_code ignored;
    if (!fs::is_directory(fs::symlink_status(lane, ignored)))
      return false;
    const auto stores = names_in(lane);
    if (!stores)
      return false;
    for (const std::string& store : *stores) {
      const fs::path place = lane / store;
      if ((store != "journal" && store != "views")
          || !fs::is_directory(fs::symlink_status(place, ignored)))
        return false;
      const auto names = names_in(place);
      if (!names)
        return false;
      for (const std::string& name : *names) {
        if ((name != "data.mdb" && name != "lock.mdb")
            || !fs::is_regular_file(fs::symlink_status(place / name, ignored))
            || (name == "data.mdb"
                && !is_unused_lmdb_file(place / name, creation_txnid_max)))
          return false;
        files.push_back(place / name);
      }
      directories.push_back(place);
    }
    directories.push_back(lane);
    return true;
  }

  /// Removes files and then directories. The removal is durable before
  /// `hub.creating` is replaced.
  result<void> remove(const std::vector<fs::path>& files,
                      const std::vector<fs::path>& directories) {
    for (const fs::path& file : files) {
      if (::unlink(file.c_str()) != 0)
        return failed("removing " + file.string(), errno);
      if (const auto done = step(); !done)
        return done;
    }
    for (const fs::path& each : directories) {
      if (::rmdir(each.c_str()) != 0)
        return failed("removing " + each.string(), errno);
      if (const auto done = step(); !done)
        return done;
    }
    return sync_path(directory_);
  }

  /// Writes and syncs `hub.creating`.
  result<void> write_marker() {
    const int fd = ::open(marker().c_str(),
                          O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0)
      return failed("creating " + marker().string(), errno);
    int code = 0;
    // The test of a crash between the creation and the first write.
    const auto created = step();
    if (created) {
      code = write_all(fd, hub_text(hub_)).value();
      if (code == 0 && ::fsync(fd) != 0)
        code = errno;
    }
    ::close(fd);
    if (!created)
      return created;
    if (code != 0)
      return failed("writing " + marker().string(), code);
    if (const auto done = step(); !done)
      return done;
    return sync_path(directory_);
  }

  /// Creates and syncs the two environments of a lane.
  result<void> create_lane(std::uint32_t lane) {
    const fs::path journal = journal_directory(directory_, lane);
    const fs::path views = views_directory(directory_, lane);
    for (const fs::path& path : {journal.parent_path(), journal, views}) {
      if (const auto made = make_directory(path); !made)
        return made;
      if (const auto done = step(); !done)
        return done;
    }
    try {
      if (const auto made = create_stores(lane, journal, views); !made)
        return made;
    } catch (const storage_exception& e) {
      return e.reason();
    }
    // LMDB syncs what it commits, but not the entries of the new files in their
    // directories.
    for (const fs::path& path :
         {journal / "data.mdb", journal, views, journal.parent_path()}) {
      if (const auto synced = sync_path(path); !synced)
        return synced;
      if (const auto done = step(); !done)
        return done;
    }
    return {};
  }

  /// @throws storage_exception  LMDB reported an error.
  result<void> create_stores(std::uint32_t lane, const fs::path& journal,
                             const fs::path& views) {
    // The partitions of the lane are those with p mod lane_count = lane.
    std::vector<std::pair<partition_id, partition_meta>> partitions;
    for (std::uint32_t i = lane; i < hub_.partition_count; i += hub_.lane_count)
      partitions.push_back(
        {partition_id(i), partition_meta{random_hex32(), 0, 0, {}}});
    {
      lmdb_log log(journal, true, map_bytes_.journal);
      if (const auto done = step(); !done)
        return done;
      log.write_header(encode_journal_header({lane, hub_}));
    }
    if (const auto done = step(); !done)
      return done;
    lmdb_rows store(views, true, map_bytes_.views);
    if (const auto done = step(); !done)
      return done;
    const auto rows = store.write();
    write_initial_rows(*rows, hub_, lane, storage_format, partitions);
    rows->commit();
    return step();
  }

  const fs::path directory_;
  const hub_identity& hub_;
  const lmdb_map_sizes& map_bytes_;
  const creation_hook& hook_;
  std::uint32_t steps_ = 0;
};

} // namespace

fs::path journal_directory(const fs::path& directory, std::uint32_t lane) {
  return directory / ("lane-" + std::to_string(lane)) / "journal";
}

fs::path views_directory(const fs::path& directory, std::uint32_t lane) {
  return directory / ("lane-" + std::to_string(lane)) / "views";
}

std::string encode_journal_header(const journal_header& header) {
  std::string bytes;
  encode_to(bytes, header);
  bytes += big_endian(checksum_of(bytes, 0));
  return bytes;
}

result<journal_header> decode_journal_header(std::string_view bytes) {
  const error damaged{errc::storage_damaged, "the header of the journal is "
                                             "damaged"};
  if (bytes.size() < checksum_size)
    return damaged;
  const std::string_view body = bytes.substr(0, bytes.size() - checksum_size);
  if (parse_big_endian(bytes.substr(body.size())) != checksum_of(body, 0))
    return damaged;
  auto header = decode<journal_header>(body);
  if (!header)
    return damaged;
  return header;
}

result<void> create_hub(const fs::path& directory, const hub_identity& hub,
                        const lmdb_map_sizes& map_bytes,
                        const creation_hook& after_step) {
  if (hub.partition_count < 1 || hub.partition_count > partition_count_max
      || hub.lane_count < 1 || hub.lane_count > lane_count_max
      || hub.hub_id.empty())
    return error{errc::invalid_argument,
                 "a hub has an ID, 1 to " + std::to_string(partition_count_max)
                   + " partitions and 1 to " + std::to_string(lane_count_max)
                   + " lanes"};
  std::error_code trouble;
  fs::path whole = fs::absolute(directory, trouble);
  if (trouble)
    return failed("finding the directory " + directory.string(),
                  trouble.value());
  if (!whole.has_filename()) // a path that ends with "/"
    whole = whole.parent_path();
  if (const auto made = make_missing(whole); !made)
    return made;
  // The lock keeps two processes from creating, or replacing, the same hub.
  const auto lock
    = directory_lock::acquire(whole, directory_lock::use::creation);
  if (!lock)
    return lock.error();
  if (const auto made = creation(whole, hub, map_bytes, after_step).run();
      !made)
    return made;
  // Makes the entry of the data directory in its parent durable too.
  return sync_path(whole.parent_path());
}

result<hub_file> read_hub_file(const fs::path& directory) {
  std::error_code trouble;
  if (!fs::is_directory(directory, trouble))
    return no_hub(directory, fs::exists(directory, trouble)
                               ? "is not a directory"
                               : "does not exist");
  if (fs::is_empty(directory, trouble))
    return no_hub(directory, "is empty");
  std::string text;
  const int code = read_whole(directory / "hub", text);
  if (code == ENOENT)
    return no_hub(directory, fs::exists(directory / creating_name, trouble)
                               ? "contains a hub whose creation was interrupted"
                               : "contains no hub");
  if (code != 0)
    return failed("reading " + (directory / "hub").string(), code);
  return parse_hub_text(directory, text);
}

// After a crash there is always a complete file `hub`.
result<void> raise_hub_format(const fs::path& directory,
                              const hub_identity& hub) {
  if (const auto trouble = replace_file(directory / "hub", hub_text(hub)))
    return failed("writing " + (directory / "hub").string(), trouble.value());
  return {};
}

std::string encode_hub_file(const hub_identity& hub) {
  return hub_text(hub);
}

result<std::optional<hub_file>> read_hub_file_named(const fs::path& directory,
                                                    const std::string& name) {
  std::string text;
  const int code = read_whole(directory / name, text);
  if (code == ENOENT)
    return std::optional<hub_file>();
  if (code != 0)
    return failed("reading " + (directory / name).string(), code);
  auto found = parse_hub_text(directory, text);
  if (!found)
    return found.error();
  return std::optional<hub_file>(std::move(*found));
}

result<hub_identity> read_hub(const fs::path& directory) {
  auto file = read_hub_file(directory);
  if (!file)
    return file.error();
  return std::move(file->hub);
}

} // namespace perdura::persistence
