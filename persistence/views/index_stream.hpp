// SPDX-License-Identifier: Apache-2.0
/// The sound rows of one range of an index, in order, and the damaged rows
/// between them.
#pragma once

#include "persistence/views/queries.hpp"
#include "persistence/views/rows.hpp"

#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace perdura::persistence {

/// A cursor over one range of an index: the instances of a partition, or those
/// of a partition in one status, in the order of (created_at, id).
struct index_stream {
  partition_id partition{};
  table t = table::by_created;
  std::string end; ///< First key after the range; empty means no limit.
  std::unique_ptr<row_cursor> cursor;
  created_key_parts at; ///< Parts of the current row's key.
  std::string name;     ///< The orchestrator's name in the current row.
  /// The damaged rows directly before the current row, or at the end.
  std::vector<instance_row> damaged;

  /// Moves to the first sound row at or after `begin`, or, with `skip`, after
  /// it; false if there is none.
  bool seek(const std::string& begin, bool skip) {
    for (bool more = seek_behind_sound(*cursor, t, begin); more && load();
         more = cursor->next())
      if (cursor->key() > begin || (!skip && cursor->key() == begin))
        return true;
    return false;
  }

  /// Reads the cursor's row or the next sound one; false if there is none in
  /// the range. Sets `damaged`.
  bool load() {
    damaged.clear();
    for (bool more = true; more; more = cursor->next()) {
      const std::string_view key = cursor->key();
      try {
        name = decode_row<std::string>(t, key, cursor->value());
        // The end of the range is believed only if the row is sound.
        if (!end.empty() && key >= end)
          return false;
        auto parts = parse_created_key(key, t == table::by_status);
        if (!parts)
          throw_damaged(t, key, "its key is too short");
        at = std::move(*parts);
        return true;
      } catch (const storage_exception& e) {
        if (e.reason().code != errc::storage_damaged)
          throw;
        instance_row& row = damaged.emplace_back();
        if (const auto parts = parse_created_key(key, t == table::by_status))
          row.id = parts->id;
        row.error = e.reason().message;
      }
    }
    return false;
  }
};

/// The order of the priority queue: the stream with the earliest row is first.
struct later_stream {
  bool operator()(const index_stream* a, const index_stream* b) const {
    return std::tie(a->at.created_at, a->at.id)
           > std::tie(b->at.created_at, b->at.id);
  }
};

} // namespace perdura::persistence
