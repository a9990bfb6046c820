// SPDX-License-Identifier: Apache-2.0
/// The in-memory implementation of the row store and the record log, for the
/// in-memory journal. "Durable" here means: kept in the object, which
/// outlives the journals that use it.
#pragma once

#include "persistence/stores/row_store.hpp"

#include <array>
#include <functional>
#include <map>
#include <mutex>
#include <shared_mutex>

namespace perdura::persistence {

using row_map = std::map<std::string, std::string, std::less<>>;

/// One map for each table. Thread-safe: an open reader holds a shared lock
/// and an open writer an exclusive lock, so a writer waits for all readers.
class map_store : public row_store {
public:
  std::unique_ptr<row_reader> read() const override;
  std::unique_ptr<row_writer> write() override;
  std::uint64_t bytes_used() const override;

  /// The rows of a table, without a lock; for tests that damage a row.
  row_map& rows(table t) {
    return tables_[static_cast<std::size_t>(t)];
  }

private:
  class reader;
  class writer;

  mutable std::shared_mutex mutex_;
  std::array<row_map, table_count> tables_;
};

/// The records by their first position. Thread-safe.
class map_log : public record_log {
public:
  void append(const std::vector<record>& records, journal_position trim_to,
              std::size_t trim_max) override;
  std::optional<record> read(journal_position from) const override;
  std::optional<record> last() const override;
  std::uint64_t bytes_used() const override;

  /// The records, without a lock; for tests that damage or count records.
  std::map<journal_position, std::string>& records() {
    return records_;
  }

private:
  mutable std::mutex mutex_;
  std::map<journal_position, std::string> records_;
};

} // namespace perdura::persistence
