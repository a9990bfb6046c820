// SPDX-License-Identifier: Apache-2.0
#include "persistence/journal/lmdb_journal.hpp"

#include "persistence/journal/adopt_hub.hpp"
#include "persistence/journal/lane_check.hpp"
#include "persistence/journal/laned_journal.hpp"
#include "persistence/process/process_end.hpp"
#include "persistence/stores/file_watch.hpp"
#include "persistence/views/rows.hpp"

#include <atomic>

namespace perdura::persistence {

namespace fs = std::filesystem;

namespace {

// Space for a new copy of the file `hub`, which has less than a block.
constexpr std::uint64_t hub_file_space = 64U << 10U;

/// A record log that ends the process if a file of the directory was removed:
/// what is written to a removed file is lost when the process ends, so no turn
/// in it may be reported as durable.
class watched_log : public record_log {
public:
  watched_log(std::unique_ptr<lmdb_log> log, std::unique_ptr<file_watch> watch)
    : log_(std::move(log)), watch_(std::move(watch)) {}

  void append(const std::vector<record>& records, journal_position trim_to,
              std::size_t trim_max) override {
    log_->append(records, trim_to, trim_max);
    if (const auto removed = watch_->removed())
      end_process(removed->string()
                  + " was removed while this process used it; the process ends "
                    "before it acknowledges anything that would be lost. "
                    "Restore the data directory from a backup, or create a new "
                    "one");
  }

  std::optional<record> read(journal_position from) const override {
    return log_->read(from);
  }

  std::optional<record> last() const override {
    return log_->last();
  }

  std::uint64_t bytes_used() const override {
    return log_->bytes_used();
  }

  file_space space() const override {
    return log_->space();
  }

private:
  std::unique_ptr<lmdb_log> log_;
  std::unique_ptr<file_watch> watch_;
};

/// The open stores of a lane.
struct lane_stores {
  std::unique_ptr<lmdb_log> log;
  std::unique_ptr<lmdb_rows> rows;
  bool has_header = false; ///< The journal states its hub.
};

/// Opens the stores of a lane and checks that they belong to the hub and fit
/// together.
/// @throws storage_exception  They are damaged or belong to another hub.
lane_stores open_stores(const lmdb_journal_options& options,
                        const hub_file& hub, std::uint32_t lane,
                        const space_release& release) {
  const bool is_older = hub.format != storage_format;
  const fs::path& directory = options.directory;
  check_newest_states(directory, lane);
  lane_stores stores;
  const fs::path views = views_directory(directory, lane);
  stores.rows
    = is_older ? lmdb_rows::open_older(views, options.map_bytes.views, release)
               : std::make_unique<lmdb_rows>(views, false,
                                             options.map_bytes.views, release);
  stores.log
    = std::make_unique<lmdb_log>(journal_directory(directory, lane), false,
                                 options.map_bytes.journal, release);
  const auto reader = stores.rows->read();
  check_views_owner(*reader, hub, lane);
  stores.has_header = check_journal_owner(*stores.log, hub, lane);
  check_sequences(*stores.log, *reader, hub.hub, lane);
  return stores;
}

/// Raises the format of a directory of an older format. A journal first gets
/// its header, because without one it is refused in the new format. Tables that
/// the format lacks are created when a lane is opened. The rows need no
/// conversion: fields that are missing get their default values. The
/// file `hub` follows the lanes: if this is interrupted, the next opening
/// continues.
/// @throws storage_exception  A lane is damaged, or a write failed.
result<void> raise_format(const lmdb_journal_options& options, hub_file& hub,
                          const space_release& release) {
  for (std::uint32_t lane = 0; lane < hub.hub.lane_count; ++lane) {
    const lane_stores stores = open_stores(options, hub, lane, release);
    if (!stores.has_header)
      stores.log->write_header(encode_journal_header({lane, hub.hub}));
    const auto writer = stores.rows->write();
    typed_row_writer(*writer).put(table::meta, format_key,
                                  std::uint64_t{storage_format});
    writer->commit();
  }
  auto raised = raise_hub_format(options.directory, hub.hub);
  if (!raised && release(hub_file_space))
    raised = raise_hub_format(options.directory, hub.hub);
  if (!raised)
    return raised;
  hub.format = storage_format;
  return {};
}

/// Opens a lane for the journal.
/// @throws storage_exception  As open_stores.
laned_journal::store open_lane(const lmdb_journal_options& options,
                               const hub_file& hub, std::uint32_t lane,
                               const space_release& release) {
  lane_stores stores = open_stores(options, hub, lane, release);
  const fs::path& directory = options.directory;
  const fs::path journal_path = journal_directory(directory, lane);
  const fs::path views_path = views_directory(directory, lane);
  auto watch = std::make_unique<file_watch>(
    std::vector<fs::path>{journal_path / "data.mdb"},
    std::vector<fs::path>{views_path / "data.mdb", directory / "hub", directory,
                          journal_path, views_path},
    options.watch_interval);
  laned_journal::store store;
  store.rows = std::move(stores.rows);
  store.log
    = std::make_unique<watched_log>(std::move(stores.log), std::move(watch));
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
  if (const auto complete = check_no_adoption(options.directory); !complete)
    return complete.error();
  // A write that finds no space on the disk, also while the stores are opened,
  // gets that of the reserve.
  const auto guard
    = std::make_shared<disk_guard>(options.directory, options.disk_limits);
  const auto found_no_space = std::make_shared<std::atomic<bool>>(false);
  const space_release release = [guard, found_no_space](std::uint64_t bytes) {
    *found_no_space = true;
    return guard->release_for_write(bytes);
  };
  std::vector<laned_journal::store> stores;
  try {
    if (file->format != storage_format)
      if (const auto raised = raise_format(options, *file, release); !raised)
        return raised.error();
    for (std::uint32_t lane = 0; lane < hub->lane_count; ++lane)
      stores.push_back(open_lane(options, *file, lane, release));
  } catch (const storage_exception& e) {
    return e.reason();
  }
  laned_journal::options settings;
  settings.manual = options.manual;
  settings.limits = options.views;
  settings.scrub = options.scrub;
  settings.found_no_space = found_no_space;
  settings.measure
    = [guard](const std::vector<file_space>& each, std::uint64_t pending) {
        return guard->measure(each, pending);
      };
  auto journal = std::make_unique<locked_journal>(
    std::move(*lock), *hub, std::move(settings), std::move(stores),
    std::make_shared<crash_switch>(std::move(options.crash)));
  if (const auto opened = journal->open(); !opened)
    return opened.error();
  return std::unique_ptr<manual_journal>(std::move(journal));
}

} // namespace perdura::persistence
