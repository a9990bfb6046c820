// SPDX-License-Identifier: Apache-2.0
#include "persistence/journal/lane_check.hpp"

#include "persistence/journal/group_committer.hpp"
#include "persistence/stores/lmdb_file.hpp"
#include "persistence/views/rows.hpp"
#include "persistence/views/views_load.hpp"

#include <map>

namespace perdura::persistence {

namespace fs = std::filesystem;

namespace {

/// Returns the value, or throws its error.
template <class T>
T value_or_throw(result<T> found) {
  if (!found)
    throw storage_exception(found.error());
  return std::move(found).value();
}

/// The last position of the journal in a state; 0 if there is none.
journal_position last_position(const lmdb_file& file, const lmdb_meta& state) {
  const auto key = value_or_throw(file.last_key(state.main));
  return key ? parse_big_endian(*key).value_or(0) : 0;
}

/// The applied position of the views in a state; 0 if there is none.
journal_position applied_position(const lmdb_file& file,
                                  const lmdb_meta& state) {
  const auto root = value_or_throw(file.find(state.main, name_of(table::meta)));
  if (!root || root->size() != lmdb_tree_size)
    return 0;
  const auto row
    = value_or_throw(file.find(parse_lmdb_tree(*root), applied_key));
  return row ? decode_row<journal_position>(table::meta, applied_key, *row) : 0;
}

using position_reader
  = journal_position (*)(const lmdb_file& file, const lmdb_meta& state);

/// The position in the older state. If its pages are damaged, the newest state
/// is not affected, and there is nothing to compare with.
journal_position older_position(const lmdb_file& file,
                                position_reader position) {
  try {
    return position(file, file.older());
  } catch (const storage_exception&) {
    return 0;
  }
}

void compare_states(const fs::path& environment, position_reader position) {
  const auto file = value_or_throw(lmdb_file::open(environment / "data.mdb"));
  const journal_position newest = position(*file, file->newest());
  const journal_position older = older_position(*file, position);
  if (newest < older)
    throw storage_exception(file->damaged(
      "its newest transaction, " + std::to_string(file->newest().txnid)
      + ", ends at position " + std::to_string(newest)
      + ", but the one before ends at " + std::to_string(older)));
}

/// Returns errc::storage_foreign. `what` is "the journal" or "the views".
storage_exception belongs_to_other(const std::string& what, std::uint32_t lane,
                                   std::uint32_t owner_lane,
                                   const hub_identity& owner) {
  return storage_exception(
    {errc::storage_foreign,
     what + " of lane " + std::to_string(lane) + " belong to lane "
       + std::to_string(owner_lane) + " of hub " + owner.hub_id
       + (owner.node.empty() ? std::string() : ", node \"" + owner.node + "\"")
       + ", or to another directory of it; put the original files back"});
}

} // namespace

void check_record_owner(const journal_record& record, const hub_identity& hub,
                        std::uint32_t lane) {
  if (record.hub != 0 && record.hub != hub_digest(hub))
    throw storage_exception(
      {errc::storage_foreign,
       "the journal record at position " + std::to_string(record.first)
         + " of lane " + std::to_string(lane) + " was written for another hub "
         + "than " + hub.hub_id + "; put the original files back"});
}

namespace {

/// The sequences of the turns of one partition in a part of the journal.
struct sequence_range {
  partition_sequence first = 0;
  partition_sequence last = 0;
};

/// Adds the turns of a record.
/// @throws storage_exception  The record is of another hub, or a partition does
///                            not belong to the lane.
void add_sequences(const journal_record& record, const hub_identity& hub,
                   std::uint32_t lane,
                   std::map<std::uint32_t, sequence_range>& ranges) {
  check_record_owner(record, hub, lane);
  for (const partition_turns& group : record.partitions) {
    const std::uint32_t partition = index_of(group.partition);
    if (partition >= hub.partition_count || partition % hub.lane_count != lane)
      throw storage_exception(
        {errc::storage_foreign,
         "the journal of lane " + std::to_string(lane)
           + " contains turns of partition " + std::to_string(partition)
           + ", which the lane does not have; it belongs to another hub"});
    sequence_range& range = ranges[partition];
    if (range.first == 0)
      range.first = group.first_sequence;
    range.last = group.first_sequence + group.turns.size() - 1;
  }
}

} // namespace

void check_newest_states(const fs::path& directory, std::uint32_t lane) {
  compare_states(journal_directory(directory, lane), last_position);
  compare_states(views_directory(directory, lane), applied_position);
}

void check_views_owner(const row_reader& rows, const hub_file& hub,
                       std::uint32_t lane) {
  const auto format = get_row<std::uint64_t>(rows, table::meta, format_key);
  const auto owner = get_row<hub_identity>(rows, table::meta, hub_key);
  const auto number = get_row<std::uint64_t>(rows, table::meta, lane_key);
  if (!format || !owner || !number)
    throw_damaged(table::meta, hub_key, "rows are missing");
  if (*owner != hub.hub || *number != lane)
    throw belongs_to_other("the views", lane,
                           static_cast<std::uint32_t>(*number), *owner);
  // A lane may be ahead of the file `hub` if raising the format was
  // interrupted.
  if (*format < hub.format || *format > storage_format)
    throw storage_exception(
      {errc::storage_format, "the views of lane " + std::to_string(lane)
                               + " were written in format "
                               + std::to_string(*format) + ", and the hub in "
                               + std::to_string(hub.format)});
}

bool check_journal_owner(const lmdb_log& log, const hub_file& hub,
                         std::uint32_t lane) {
  const auto bytes = log.header();
  if (!bytes) {
    if (hub.format == storage_format_oldest)
      return false;
    throw storage_exception(
      {errc::storage_foreign,
       "the journal of lane " + std::to_string(lane)
         + " does not state its hub, so it was not created for hub "
         + hub.hub.hub_id + "; put the original file back"});
  }
  const auto header = value_or_throw(decode_journal_header(*bytes));
  if (header.hub != hub.hub || header.lane != lane)
    throw belongs_to_other("the journal files", lane, header.lane, header.hub);
  return true;
}

void check_sequences(const record_log& log, const row_reader& rows,
                     const hub_identity& hub, std::uint32_t lane) {
  const auto applied
    = get_row<journal_position>(rows, table::meta, applied_key);
  const auto newest = log.last();
  if (!applied || !newest)
    return;
  std::map<std::uint32_t, sequence_range> ranges;
  const auto last = decode_journal_record(newest->first, lane, newest->bytes);
  if (!last)
    return;
  const bool is_flushed = last->first + last->count - 1 <= *applied;
  if (is_flushed) {
    add_sequences(*last, hub, lane, ranges);
  } else {
    for (journal_position next = *applied + 1;;) {
      const auto stored = log.read(next);
      if (!stored)
        break;
      const auto record
        = decode_journal_record(stored->first, lane, stored->bytes);
      if (!record || stored->first != next)
        return;
      add_sequences(*record, hub, lane, ranges);
      next += record->count;
    }
  }
  // The views have the last turn that they contain or, if a flush was
  // interrupted, one of the turns that it wrote.
  const partition_metas known = read_partition_metas(rows);
  for (const auto& [partition, range] : ranges) {
    const auto meta = known.find(partition);
    if (meta == known.end())
      continue; // The row is damaged, so the partition is not served.
    const partition_sequence stored = meta->second.sequence;
    if (stored > range.last
        || (is_flushed ? stored != range.last : stored + 1 < range.first))
      throw storage_exception(
        {errc::storage_foreign,
         "the journal and the views of lane " + std::to_string(lane)
           + " do not belong together: partition " + std::to_string(partition)
           + " has reached turn " + std::to_string(stored)
           + " in the views, and the journal has turns "
           + std::to_string(range.first) + " to " + std::to_string(range.last)
           + "; put the original files back"});
  }
}

} // namespace perdura::persistence
