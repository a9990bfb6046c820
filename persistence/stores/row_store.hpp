// SPDX-License-Identifier: Apache-2.0
/// The two interfaces between the journal and a storage engine: tables of
/// rows in transactions, which the views use, and a log of records. LMDB
/// (lmdb_store.hpp) and an in-memory map (map_store.hpp) implement both.
///
/// All functions report errors of the store as `storage_exception`; a damaged
/// or unreadable row is never reported as an absent row.
#pragma once

#include "persistence/records/error.hpp"
#include "persistence/records/keys.hpp"

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::persistence {

/// The space of one store's file, in bytes.
struct file_space {
  std::uint64_t used = 0; ///< In the pages of all tables.
  std::uint64_t file = 0; ///< Taken from the disk.
  /// Pages of the file that the store may write without taking more from the
  /// disk.
  std::uint64_t free = 0;
  bool takes_pending = false; ///< The store is one of the views.
};

/// An error of the store. It is thrown only below the public functions of
/// `views` and `journal`, which catch it and return a `result`. With
/// exceptions, code that reads many rows needs no check after each row.
class storage_exception : public std::exception {
public:
  explicit storage_exception(error reason) : reason_(std::move(reason)) {}

  const char* what() const noexcept override {
    return reason_.message.c_str();
  }

  const error& reason() const {
    return reason_;
  }

private:
  error reason_;
};

/// Iterates over one table in key order. The cursor must not outlive the
/// transaction that created it.
class row_cursor {
public:
  virtual ~row_cursor() = default;

  /// Moves to the first row whose key is equal to or greater than `key`.
  /// @return False if there is no such row. `key` and `value` must then not
  ///         be called. `seek_before` and `next` return the same.
  virtual bool seek(std::string_view key) = 0;

  /// Moves to the last row whose key is less than `key`.
  virtual bool seek_before(std::string_view key) = 0;

  /// Moves to the row after the current one.
  virtual bool next() = 0;

  /// Moves to the row before the current one. Unlike `seek_before`, it compares
  /// no keys.
  virtual bool previous() = 0;

  /// Key and value of the current row. Both stay valid until the next move or
  /// the next change in the same transaction.
  virtual std::string_view key() const = 0;
  virtual std::string_view value() const = 0;
};

/// A read transaction: sees the store as it was when the transaction began,
/// and ends with the object.
class row_reader {
public:
  virtual ~row_reader() = default;

  /// The value of a row; empty if the table has no such key. The value stays
  /// valid until the transaction ends; in a write transaction, only until the
  /// next change.
  virtual std::optional<std::string_view> get(table t,
                                              std::string_view key) const = 0;

  /// Creates a cursor over a table. It has no current row until its first move.
  virtual std::unique_ptr<row_cursor> walk(table t) const = 0;
};

/// A write transaction. Its changes become visible and durable together, at
/// `commit`; if the object is destroyed without `commit`, nothing changes.
/// Callers must not rely on reading their own changes: the LMDB
/// implementation reads the rows as they were when the transaction began.
class row_writer : public row_reader {
public:
  /// Writes a row and replaces an existing one.
  virtual void put(table t, std::string_view key, std::string_view value) = 0;

  /// Removes a row if it exists.
  virtual void erase(table t, std::string_view key) = 0;

  /// Returns the right key of a row; empty if it has it already.
  using key_correction
    = std::function<std::optional<std::string>(const row_cursor&)>;

  /// Calls the function for each row of a table, and moves the rows with a
  /// wrong key to their places, where they replace none.
  /// A store that keeps its keys in order by construction moves none.
  /// @return The number of rows that were moved.
  virtual std::size_t correct_keys(table /*t*/,
                                   const key_correction& /*right_key*/) {
    return 0;
  }

  /// Makes the changes durable; returns after the sync. The object must not
  /// be used afterwards.
  virtual void commit() = 0;
};

/// The tables of one lane.
class row_store {
public:
  virtual ~row_store() = default;

  /// Begins a read transaction. Many may be open at a time, in any threads.
  virtual std::unique_ptr<row_reader> read() const = 0;

  /// Begins a write transaction. Only one is open at a time: a second call
  /// blocks until the first transaction has ended. A transaction begins and
  /// ends on the same thread.
  virtual std::unique_ptr<row_writer> write() = 0;

  /// The tables whose keys were not in order when the store was opened: keys in
  /// them are damaged, and a search can miss rows.
  virtual std::vector<table> misordered() const {
    return {};
  }

  /// Bytes in use; free pages inside the store's file do not count.
  virtual std::uint64_t bytes_used() const = 0;

  /// The space of the store's file. A store without a file has no free pages.
  virtual file_space space() const {
    return {bytes_used(), 0, 0, true};
  }
};

/// The records of one lane's journal, in the order of their positions. One
/// thread at a time appends; any thread may read.
class record_log {
public:
  virtual ~record_log() = default;

  struct record {
    journal_position first = 0; ///< Position of the first turn in the record.
    std::string bytes;
  };

  /// Appends `records`, deletes at most `trim_max` of the oldest records that
  /// end at or before `trim_to`, and returns after one sync has made both
  /// durable. The newest record is never deleted.
  virtual void append(const std::vector<record>& records,
                      journal_position trim_to, std::size_t trim_max)
    = 0;

  /// The first record that begins at or after `from`; empty if there is none.
  virtual std::optional<record> read(journal_position from) const = 0;

  /// The newest record; empty only if nothing was ever appended.
  virtual std::optional<record> last() const = 0;

  /// Bytes in use; free pages inside the store's file do not count.
  virtual std::uint64_t bytes_used() const = 0;

  /// As `row_store::space`.
  virtual file_space space() const {
    return {bytes_used(), 0, 0, false};
  }
};

} // namespace perdura::persistence
