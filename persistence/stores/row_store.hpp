/// Tables of rows in transactions: what the views need of a store. LMDB and a
/// map in memory stand behind it, so the views are written once.
#pragma once

#include "persistence/records/error.hpp"
#include "persistence/records/keys.hpp"

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::persistence {

/// Thrown below the views and caught at their door, where it becomes a
/// result: a walk over rows would otherwise be nothing but tests.
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

/// Walks one table in key order. Key and value live until the next move, or
/// the next change made in the transaction.
class row_cursor {
public:
  virtual ~row_cursor() = default;

  /// To the first row at or after `key`; false if there is none.
  virtual bool seek(std::string_view key) = 0;

  /// To the last row before `key`.
  virtual bool seek_before(std::string_view key) = 0;

  virtual bool next() = 0;
  virtual std::string_view key() const = 0;
  virtual std::string_view value() const = 0;
};

/// One moment of the store.
class row_reader {
public:
  virtual ~row_reader() = default;
  virtual std::optional<std::string_view> get(table t,
                                              std::string_view key) const = 0;
  virtual std::unique_ptr<row_cursor> walk(table t) const = 0;
};

/// Changes that happen together, at `commit`, or not at all.
class row_writer : public row_reader {
public:
  virtual void put(table t, std::string_view key, std::string_view value) = 0;
  virtual void erase(table t, std::string_view key) = 0;

  /// Returns when all is durable.
  virtual void commit() = 0;
};

class row_store {
public:
  virtual ~row_store() = default;
  virtual std::unique_ptr<row_reader> read() const = 0;

  /// One writer at a time; it begins and ends on one thread.
  virtual std::unique_ptr<row_writer> write() = 0;

  /// Bytes in use, without free pages.
  virtual std::uint64_t bytes_used() const = 0;
};

/// The journal's records in order of position. One thread appends.
class record_log {
public:
  virtual ~record_log() = default;

  struct record {
    journal_position first = 0;
    std::string bytes;
  };

  /// Appends all, forgets at most `trim_max` records that end at or before
  /// `trim_to`, and returns when this is durable.
  virtual void append(const std::vector<record>& records,
                      journal_position trim_to, std::size_t trim_max)
    = 0;

  /// The first record at or after `from`; empty at the end.
  virtual std::optional<record> read(journal_position from) const = 0;

  /// The newest record. It is never trimmed, so only a journal that never
  /// had a commit has none.
  virtual std::optional<record> last() const = 0;

  virtual std::uint64_t bytes_used() const = 0;
};

} // namespace perdura::persistence
