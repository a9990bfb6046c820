// SPDX-License-Identifier: Apache-2.0
/// LMDB environments, transactions and cursors as C++ objects that close
/// themselves. `lmdb_env.cpp` is the only file that includes lmdb.h. All
/// functions report errors of LMDB as `storage_exception`.
#pragma once

#include "persistence/stores/file_growth.hpp"
#include "persistence/stores/row_store.hpp"

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct MDB_env;
struct MDB_txn;
struct MDB_cursor;

namespace perdura::persistence {

/// One open LMDB environment and its tables. Transactions may be begun from
/// any thread and must not outlive the environment.
class lmdb_env {
public:
  struct options {
    /// Contains the files data.mdb and lock.mdb. The directory must exist.
    std::filesystem::path directory;
    /// Size of the memory map and so the largest size of the data file. It is
    /// set once, to a large value: the file is sparse, and changing the size
    /// while a reader is active would unmap the reader's pages.
    std::uint64_t map_bytes = 0;
    /// Names of the tables; table number i is tables[i]. Empty means one
    /// unnamed table with the number 0.
    std::vector<std::string> tables;
    /// If true, the data file and the tables are created if they do not exist.
    /// If false, a missing file or table is an error.
    bool create = false;
    /// The tables from this number on may be missing in a file of an older
    /// format. If `adds_tables` is set, they are created; if `read_only` is
    /// set, they are read as empty tables.
    std::size_t tables_required = static_cast<std::size_t>(-1);
    bool adds_tables = false;
    /// If true, nothing is written or checked, and the file is not extended.
    /// The caller checks the pages in `inspect`.
    bool read_only = false;
    /// If true, LMDB's lock file is neither used nor created. No other process
    /// may write to the environment.
    bool unlocked = false;
    /// Called before the tables are opened, within a read transaction whose
    /// number it gets. If it throws, the environment is not opened.
    std::function<void(std::uint64_t txnid)> inspect = {};
    /// Called with the number of missing bytes if the disk has no space for a
    /// commit or for the lock file. Returns true if it has released some; the
    /// attempt is then repeated. May be empty.
    std::function<bool(std::uint64_t bytes)> release_space = {};
  };

  /// Opens the environment with LMDB's default sync flags, so that a commit
  /// is durable when it returns, and with MDB_NOTLS, so that a read
  /// transaction may move between threads.
  /// @throws storage_exception  errc::storage_in_use if this process has the
  ///                            environment open already: LMDB does not
  ///                            detect a second opening, and closing one
  ///                            object would release the locks of both.
  ///                            errc::storage_damaged if a page of the file
  ///                            is damaged (see lmdb_page_walk.hpp), the file
  ///                            is too short, or a table is missing.
  ///                            errc::storage_format if another LMDB version
  ///                            wrote the file.
  ///                            errc::storage_full if the disk has no space
  ///                            for the lock file.
  ///                            errc::storage_failed for other errors.
  explicit lmdb_env(const options& settings);
  ~lmdb_env();

  lmdb_env(const lmdb_env&) = delete;
  lmdb_env& operator=(const lmdb_env&) = delete;

  /// False if a table is missing; see `options::tables_required`.
  bool has_all_tables() const;

  /// The tables with keys that were not in order when the environment was
  /// opened; see lmdb_walk_result::misordered.
  const std::vector<unsigned>& misordered() const {
    return misordered_;
  }

  /// Bytes in the pages of all tables. Free pages do not count.
  std::uint64_t bytes_used() const;

  /// The space of the data file. `takes_pending` is false.
  file_space space() const;

  /// Copies the tables without the free pages into a new environment in
  /// `directory`, which must exist and be empty. The copy is not synced.
  /// @throws storage_exception  errc::storage_full or errc::storage_failed.
  void copy_compacted(const std::filesystem::path& directory) const;

private:
  friend class lmdb_transaction;
  friend class lmdb_cursor;

  /// Upper limit of the pages that a write transaction takes from the file.
  struct page_demand {
    std::uint64_t changed = 0;  ///< Copies of pages that exist.
    std::uint64_t added = 0;    ///< Further pages.
    std::uint64_t adjacent = 0; ///< Pages of the largest value.
  };

  /// Pages that a write transaction may use again.
  struct free_pages {
    std::uint64_t count = 0;
    std::uint64_t adjacent = 0; ///< The longest sequence of them.
  };

  void open(const options& settings);
  void prepare_growth(MDB_txn* txn, page_demand demand) const;
  free_pages reusable_pages() const;
  void inspect(const options& settings);
  void release_dead_readers() const;
  void open_tables(const options& settings);

  std::filesystem::path directory_;
  std::string registered_; ///< Name under which this object is registered.
  MDB_env* env_ = nullptr;
  std::size_t page_size_ = 4096;
  std::vector<unsigned> misordered_; ///< Table numbers.
  std::vector<unsigned> tables_;     ///< LMDB's handles, by table number.
  mutable std::atomic<std::uint64_t> writes_{0}; ///< Write transactions.
  /// Used within write transactions only. Empty if the file is read only.
  mutable std::optional<file_growth> growth_;
};

class lmdb_cursor;

/// A read or write transaction; aborted on destruction unless committed. A
/// write transaction begins and ends on one thread; a read transaction may
/// move between threads.
class lmdb_transaction {
public:
  enum class mode { read, write };

  lmdb_transaction(const lmdb_env& env, mode m);
  ~lmdb_transaction();

  lmdb_transaction(const lmdb_transaction&) = delete;
  lmdb_transaction& operator=(const lmdb_transaction&) = delete;

  /// The value of a key; empty if the key does not exist. The value points
  /// into a page. It is valid until the transaction ends; in a write
  /// transaction, only until the next change.
  std::optional<std::string_view> get(unsigned table_number,
                                      std::string_view key) const;
  void put(unsigned table_number, std::string_view key, std::string_view value);

  /// Writes a row whose key is greater than all keys of the table
  /// (MDB_APPEND). LMDB then does not search for the place of the key, and it
  /// fills pages completely.
  void append(unsigned table_number, std::string_view key,
              std::string_view value);

  /// Removes a key if it exists.
  void erase(unsigned table_number, std::string_view key);

  /// Commits and syncs; returns when all changes are durable.
  /// @throws storage_exception  errc::storage_full if the disk has no space.
  ///                            Nothing was written; a new transaction may be
  ///                            tried later.
  ///                            errc::storage_failed otherwise. The caller must
  ///                            end the process: a failed sync cannot be
  ///                            repeated.
  void commit();

private:
  friend class lmdb_cursor;

  void count_write(std::size_t key_size, std::size_t value_size);

  const lmdb_env& env_;
  const mode mode_;
  MDB_txn* txn_ = nullptr;

  // The writes so far; see `lmdb_env::prepare_growth`.
  std::uint64_t writes_ = 0;      ///< Calls of put, append and erase.
  std::uint64_t small_bytes_ = 0; ///< Rows that share pages.
  std::uint64_t large_pages_ = 0; ///< Pages of values that have their own.
  std::uint64_t largest_ = 0;     ///< Pages of the largest of them.
};

/// A cursor over one table. It must not outlive its transaction.
class lmdb_cursor : public row_cursor {
public:
  lmdb_cursor(const lmdb_transaction& txn, unsigned table_number);
  ~lmdb_cursor() override;

  lmdb_cursor(const lmdb_cursor&) = delete;
  lmdb_cursor& operator=(const lmdb_cursor&) = delete;

  bool seek(std::string_view key) override;
  bool seek_before(std::string_view key) override;
  bool first();
  bool last();
  bool next() override;
  bool previous() override;

  /// Removes the current row; in a write transaction. `next` then moves to the
  /// row after it.
  void erase();

  std::string_view key() const override {
    return key_;
  }

  std::string_view value() const override {
    return value_;
  }

private:
  /// Performs an MDB_cursor_op, passed as int because lmdb.h is not included
  /// here, and checks that the row lies within the mapped file.
  bool move(int operation, std::string_view key = {});

  const lmdb_transaction& txn_;
  MDB_cursor* cursor_ = nullptr;
  std::string_view key_;
  std::string_view value_;
};

} // namespace perdura::persistence
