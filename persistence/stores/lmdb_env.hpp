/// LMDB as values that close themselves. `lmdb_env.cpp` is the only file that
/// includes lmdb.h; everything here throws `storage_exception`.
#pragma once

#include "persistence/stores/row_store.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct MDB_env;
struct MDB_txn;
struct MDB_cursor;

namespace perdura::persistence {

/// Looks at a data file before LMDB maps it: a truncated one would end the
/// process with SIGBUS, not with an error.
/// @error errc::storage_damaged  Header, meta pages or length do not fit.
/// @source LMDB 0.9.24 mdb.c, struct MDB_page and struct MDB_meta.
result<void> check_lmdb_file(const std::filesystem::path& file);

class lmdb_env {
public:
  struct options {
    std::filesystem::path directory; ///< Holds data.mdb and lock.mdb.
    /// Set once, large and sparse: resizing under a reader unmaps its pages.
    std::uint64_t map_bytes = 0;
    std::vector<std::string> tables; ///< Empty: one unnamed table.
    bool create = false;             ///< Otherwise it must be there.
  };

  /// Default flags, so a commit is durable when it returns; MDB_NOTLS,
  /// because readers may move between threads.
  /// @throws storage_exception  storage_in_use if this process has it open:
  ///                            LMDB would not notice, and lose its locks.
  explicit lmdb_env(const options& how);
  ~lmdb_env();

  lmdb_env(const lmdb_env&) = delete;
  lmdb_env& operator=(const lmdb_env&) = delete;

  /// Bytes in pages that hold something.
  std::uint64_t bytes_used() const;

private:
  friend class lmdb_transaction;
  friend class lmdb_cursor;

  void open(const options& how);
  void open_tables(const options& how);

  std::filesystem::path directory_;
  std::string registered_;
  MDB_env* env_ = nullptr;
  std::size_t page_size_ = 4096;
  std::vector<unsigned> tables_;
};

class lmdb_cursor;

/// A write transaction begins and ends on one thread; a reader may move.
class lmdb_transaction {
public:
  enum class mode { read, write };

  lmdb_transaction(const lmdb_env& env, mode m);
  ~lmdb_transaction();

  lmdb_transaction(const lmdb_transaction&) = delete;
  lmdb_transaction& operator=(const lmdb_transaction&) = delete;

  std::optional<std::string_view> get(unsigned table_number,
                                      std::string_view key) const;
  void put(unsigned table_number, std::string_view key, std::string_view value);

  /// The key must lie behind all others: no search, and full pages.
  void append(unsigned table_number, std::string_view key,
              std::string_view value);

  /// What is not there is not missed.
  void erase(unsigned table_number, std::string_view key);

  /// Returns when all is on disk.
  /// @throws storage_exception  storage_failed. The caller must end the
  ///                            process: a failed sync cannot be repeated.
  void commit();

private:
  friend class lmdb_cursor;

  const lmdb_env& env_;
  const mode mode_;
  MDB_txn* txn_ = nullptr;
};

/// Lives no longer than its transaction.
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

  std::string_view key() const override {
    return key_;
  }

  std::string_view value() const override {
    return value_;
  }

private:
  bool move(int operation, std::string_view key = {});

  const lmdb_transaction& txn_;
  MDB_cursor* cursor_ = nullptr;
  std::string_view key_;
  std::string_view value_;
};

} // namespace perdura::persistence
