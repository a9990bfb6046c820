// SPDX-License-Identifier: Apache-2.0
#include "persistence/journal/adopt_hub.hpp"

#include "persistence/journal/lane_check.hpp"
#include "persistence/journal/lmdb_journal.hpp"
#include "persistence/process/replace_file.hpp"
#include "persistence/records/identity.hpp"
#include "persistence/views/rows.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace perdura::persistence {

namespace fs = std::filesystem;

namespace {

constexpr const char* adopting_name = "hub.adopting";

error failed_step(const std::string& doing, const std::error_code& why) {
  return {errc::storage_failed, doing + ": " + why.message()};
}

/// True if another node of the hub owns the partition.
bool is_of_other_node(const hub_identity& hub, std::uint32_t partition) {
  return partition < hub.owners.size()
         && hub.nodes.at(hub.owners[partition]) != hub.node;
}

/// Returns what the rows of the lane's partitions state.
/// @throws storage_exception  A row is damaged or missing.
partition_metas partitions_of_lane(const row_reader& rows,
                                   const hub_identity& hub,
                                   std::uint32_t lane) {
  partition_metas all = read_partition_metas(rows);
  for (std::uint32_t i = lane; i < hub.partition_count; i += hub.lane_count)
    if (!all.contains(i))
      throw_damaged(table::partitions, partition_key(partition_id(i)),
                    "it is missing");
  return all;
}

/// One adoption. The caller holds the lock of the directory, or has the only
/// process that uses it.
class adoption {
public:
  adoption(fs::path directory, hub_file now, hub_identity next,
           const creation_hook& hook, const lmdb_map_sizes& map_bytes)
    : directory_(std::move(directory)),
      now_(std::move(now)),
      next_(std::move(next)),
      hook_(hook),
      map_bytes_(map_bytes) {}

  /// Each part may have been done before an interruption.
  result<void> run() {
    if (const auto sound = check_partitions(); !sound)
      return sound;
    if (const auto trouble
        = replace_file(directory_ / adopting_name, encode_hub_file(next_)))
      return failed_step("writing " + (directory_ / adopting_name).string(),
                         trouble);
    if (const auto done = step(); !done)
      return done;
    try {
      for (std::uint32_t lane = 0; lane < next_.lane_count; ++lane)
        if (const auto done = adopt_lane(lane); !done)
          return done;
    } catch (const storage_exception& e) {
      return e.reason();
    }
    if (const auto written = raise_hub_format(directory_, next_); !written)
      return written;
    if (const auto done = step(); !done)
      return done;
    for (const char* name : {"peers", adopting_name}) {
      if (const auto trouble = remove_file(directory_ / name))
        return failed_step("removing " + (directory_ / name).string(), trouble);
      if (const auto done = step(); !done)
        return done;
    }
    return {};
  }

private:
  result<void> step() {
    if (hook_ && hook_(++steps_))
      return error{errc::shutting_down, "the adoption was interrupted"};
    return {};
  }

  /// Without its row, a partition would begin with new numbers and rules.
  result<void> check_partitions() const {
    try {
      for (std::uint32_t lane = 0; lane < next_.lane_count; ++lane) {
        const lmdb_rows store(views_directory(directory_, lane), false,
                              map_bytes_.views);
        partitions_of_lane(*store.read(), next_, lane);
      }
    } catch (const storage_exception& e) {
      return error{e.reason().code, "Nothing was adopted: " + e.reason().message
                                      + ". `perdura check --data-dir "
                                      + directory_.string()
                                      + " --rebuild-views` may repair it."};
    }
    return {};
  }

  /// @throws storage_exception  LMDB reported an error, or the lane belongs to
  ///                            another directory.
  result<void> adopt_lane(std::uint32_t lane) {
    check_newest_states(directory_, lane);
    const hub_file next{storage_format, next_};
    {
      lmdb_log log(journal_directory(directory_, lane), false,
                   map_bytes_.journal);
      if (!is_of(log, next, lane)) {
        check_journal_owner(log, now_, lane);
        log.write_header(encode_journal_header({lane, next_}));
      }
    }
    if (const auto done = step(); !done)
      return done;
    lmdb_rows store(views_directory(directory_, lane), false, map_bytes_.views);
    if (get_row<hub_identity>(*store.read(), table::meta, hub_key) != next_) {
      check_views_owner(*store.read(), now_, lane);
      const auto writer = store.write();
      adopt_rows(*writer, next_, lane);
      writer->commit();
    }
    return step();
  }

  static bool is_of(const lmdb_log& log, const hub_file& hub,
                    std::uint32_t lane) {
    const auto bytes = log.header();
    if (!bytes)
      return false;
    const auto header = decode_journal_header(*bytes);
    return header && header->hub == hub.hub && header->lane == lane;
  }

  const fs::path directory_;
  const hub_file now_;
  const hub_identity next_;
  const creation_hook& hook_;
  const lmdb_map_sizes map_bytes_;
  std::uint32_t steps_ = 0;
};

/// Brings the views of all lanes up to the end of their journals, and raises
/// the format of an older directory.
result<void> flush_all_turns(const fs::path& directory,
                             const lmdb_map_sizes& map_bytes) {
  lmdb_journal_options options;
  options.directory = directory;
  options.map_bytes = map_bytes;
  options.manual = true;
  auto journal = open_lmdb_journal(std::move(options));
  if (!journal)
    return journal.error();
  (*journal)->close();
  return {};
}

} // namespace

void adopt_rows(row_writer& rows, const hub_identity& next,
                std::uint32_t lane) {
  typed_row_writer put(rows);
  put.put(table::meta, hub_key, next);
  std::vector<partition_id> others;
  for (std::uint32_t i = 0; i < next.partition_count; ++i)
    if (is_of_other_node(next, i))
      others.push_back(partition_id(i));
  partition_metas known = partitions_of_lane(rows, next, lane);
  for (std::uint32_t i = lane; i < next.partition_count; i += next.lane_count) {
    partition_meta& meta = known.at(i);
    meta.incarnation = random_hex32();
    if (!is_of_other_node(next, i))
      meta.unmatched = others;
    put.put(table::partitions, partition_key(partition_id(i)), meta);
  }
}

result<void> check_no_adoption(const fs::path& directory) {
  std::error_code ignored;
  if (!fs::exists(directory / adopting_name, ignored))
    return {};
  return error{errc::storage_foreign,
               "the adoption of " + directory.string()
                 + " was interrupted; complete it with `perdura hub adopt "
                 + directory.string() + " --accept-loss`"};
}

result<hub_identity> adopt_hub(const fs::path& directory, timestamp now,
                               const creation_hook& after_step,
                               const lmdb_map_sizes& map_bytes) {
  auto begun = read_hub_file_named(directory, adopting_name);
  if (!begun)
    return begun.error();
  if (!*begun)
    if (const auto ready = flush_all_turns(directory, map_bytes); !ready)
      return ready.error();
  auto file = read_hub_file(directory);
  if (!file)
    return file.error();
  const auto lock = directory_lock::acquire(directory);
  if (!lock)
    return lock.error();
  hub_identity next = file->hub;
  if (*begun) {
    next = (*begun)->hub;
  } else {
    next.directory_id = random_hex32();
    next.adopted_at = std::max(now, next.adopted_at + duration(1));
  }
  if (const auto done
      = adoption(directory, *file, next, after_step, map_bytes).run();
      !done)
    return done.error();
  return next;
}

} // namespace perdura::persistence
