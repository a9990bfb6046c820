// SPDX-License-Identifier: Apache-2.0
#include "persistence/views/views_load.hpp"

#include "persistence/views/outbox_rows.hpp"
#include "persistence/views/request_search.hpp"
#include "persistence/views/rows.hpp"

#include <algorithm>

namespace perdura::persistence {

namespace {

/// The second partition of a key that `pair_key` or `outbox_key` has built.
partition_id second_partition(std::string_view key) {
  return partition_id(
    static_cast<std::uint32_t>(static_cast<unsigned char>(key[2]) << 8U)
    | static_cast<unsigned char>(key[3]));
}

/// The partition at the beginning of a key.
std::uint32_t first_partition(std::string_view key) {
  return static_cast<std::uint32_t>(static_cast<unsigned char>(key[0]) << 8U)
         | static_cast<unsigned char>(key[1]);
}

/// Reads the rows whose key begins with `prefix`, by key. A row of which one
/// bit of the key is flipped is read under its original key, unless a sound row
/// has that key. `report_damaged(key)` is called for each row with the prefix
/// that cannot be read.
template <class T, class Report>
std::map<std::string, T> read_rows(const row_reader& rows, table t,
                                   const std::string& prefix,
                                   Report report_damaged) {
  std::map<std::string, T> found;
  const auto cursor = rows.walk(t);
  for (bool more = seek_behind_sound(*cursor, t, prefix); more;
       more = cursor->next()) {
    const std::string key(cursor->key());
    if (is_sound(*cursor, t)) {
      if (key.starts_with(prefix))
        found.insert_or_assign(key, decode_row<T>(t, key, cursor->value()));
      else if (key > prefix)
        break;
    } else if (const auto original = key_before_damage(*cursor, t)) {
      if (original->starts_with(prefix))
        found.try_emplace(*original,
                          decode_row<T>(t, *original, cursor->value()));
    } else if (key.starts_with(prefix)) {
      report_damaged(key);
    }
  }
  return found;
}

class partition_loader {
public:
  partition_loader(const row_reader& rows, partition_id partition)
    : rows_(rows), partition_(partition), prefix_(partition_key(partition)) {}

  partition_snapshot run() {
    if (const auto own = read_all<partition_meta>(table::partitions);
        !own.empty()) {
      found_.meta = own.begin()->second;
    } else {
      // A key with a flipped bit may have moved the row behind those of others.
      const partition_metas all = read_partition_metas(rows_);
      const auto moved = all.find(index_of(partition_));
      if (moved == all.end())
        throw_damaged(table::partitions, prefix_, "it is missing");
      found_.meta = moved->second;
    }
    std::vector<outbox_mark> lasts;
    for (const auto& [key, last] : read_all<std::uint64_t>(table::outbox_heads))
      lasts.push_back({second_partition(key), last});
    for (const auto& [key, mark] : read_all<std::uint64_t>(table::marks))
      found_.marks.push_back({second_partition(key), mark});
    load_outbox(lasts);
    found_.windows = read_request_windows(rows_, partition_);
    walk(table::turns_due, [&](std::string_view key, std::string_view row) {
      decode_row<std::uint64_t>(table::turns_due, key, row);
      found_.turns_due.emplace_back(key.substr(prefix_.size()));
    });
    walk(table::activities, [&](std::string_view key, std::string_view row) {
      decode_row<std::uint64_t>(table::activities, key, row);
      auto parts = parse_activity_key(key);
      if (!parts)
        throw_damaged(table::activities, key, "its key is too short");
      found_.activities.emplace_back(std::move(parts->id), parts->sequence);
    });
    return std::move(found_);
  }

private:
  /// Reads the rows of the partition in a table of which none may be absent.
  template <class T>
  std::map<std::string, T> read_all(table t) const {
    return read_rows<T>(rows_, t, prefix_, [&](const std::string& key) {
      throw_damaged(t, key, "its checksum does not match");
    });
  }

  /// Calls `read`. A row that it finds damaged is noted.
  template <class Read>
  void note_damage(Read read) {
    try {
      read();
    } catch (const storage_exception& e) {
      if (e.reason().code != errc::storage_damaged)
        throw;
      found_.damage.push_back(e.reason().message);
    }
  }

  /// Calls `visit` for all rows of the partition. A row that `visit` finds
  /// damaged is noted.
  template <class Visit>
  void walk(table t, Visit visit) {
    for_each_row(rows_, t, prefix_, [&](auto key, auto row) {
      note_damage([&] { visit(key, row); });
    });
  }

  void load_outbox(const std::vector<outbox_mark>& lasts) {
    check_heads(lasts);
    found_.outbox = find_outbox_ranges(rows_, partition_, lasts);
    // Nothing depends on the numbers of these messages, so a damaged one needs
    // no replacement.
    for_each_row(rows_, table::outbox,
                 outbox_key(partition_, quarantine_partition, 0).substr(0, 4),
                 [&](std::string_view key, std::string_view row) {
                   note_damage([&] {
                     found_.quarantined.push_back(
                       decode_row<outbox_message>(table::outbox, key, row));
                   });
                 });
  }

  /// A destination with messages must have a last sequence: without it, the
  /// numbers of its messages would begin anew.
  void check_heads(const std::vector<outbox_mark>& lasts) {
    const auto cursor = rows_.walk(table::outbox);
    bool more = cursor->seek(outbox_key(partition_, partition_id(0), 0));
    while (more && cursor->key().starts_with(prefix_)) {
      if (!is_sound(*cursor, table::outbox)) {
        more = cursor->next();
        continue;
      }
      const partition_id to = second_partition(cursor->key());
      if (std::none_of(lasts.begin(), lasts.end(),
                       [&](const outbox_mark& each) { return each.to == to; }))
        throw_damaged(table::outbox_heads, pair_key(partition_, to),
                      "it is missing");
      more = cursor->seek(after_prefix(pair_key(partition_, to)));
    }
  }

  const row_reader& rows_;
  const partition_id partition_;
  const std::string prefix_;
  partition_snapshot found_;
};

} // namespace

partition_metas read_partition_metas(const row_reader& rows) {
  partition_metas found;
  for (auto& [key, meta] : read_rows<partition_meta>(
         rows, table::partitions, {}, [](const std::string&) {}))
    found[first_partition(key)] = std::move(meta);
  return found;
}

partition_snapshot load_partition(const row_reader& rows,
                                  partition_id partition) {
  return partition_loader(rows, partition).run();
}

} // namespace perdura::persistence
