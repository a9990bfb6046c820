// SPDX-License-Identifier: Apache-2.0
/// The LMDB implementation of the row store and the record log. Each uses an
/// LMDB environment of its own, so that a commit of one does not wait for a
/// write transaction of the other.
#pragma once

#include "persistence/stores/lmdb_env.hpp"

#include <atomic>

namespace perdura::persistence {

// Default sizes of the memory maps. The files are sparse: the unused part of
// a map costs address space only.
inline constexpr std::uint64_t views_map_bytes = 1ULL << 40U;
inline constexpr std::uint64_t journal_map_bytes = 256ULL << 30U;

/// Sizes of the memory maps of a lane, in bytes. A map limits the size of its
/// file. Smaller maps are for processes with little address space, such as
/// those that ThreadSanitizer instruments.
struct lmdb_map_sizes {
  std::uint64_t journal = journal_map_bytes;
  std::uint64_t views = views_map_bytes;
};

/// Releases space on the disk for a store that finds none; see
/// `lmdb_env::options::release_space`.
using space_release = std::function<bool(std::uint64_t bytes)>;

/// Opens an environment for reading only: nothing in the directory is written,
/// and nothing is checked except what `inspect` checks.
struct lmdb_reading {
  /// If true, a node may be using the environment; its lock file gets an entry
  /// for the reader. If false, no process may write to the environment.
  bool is_shared = false;
  /// See `lmdb_env::options::inspect`.
  std::function<void(std::uint64_t txnid)> inspect;
};

/// The tables of a lane, one LMDB table each.
class lmdb_rows : public row_store {
public:
  /// @throws storage_exception  As the constructor of `lmdb_env`.
  lmdb_rows(const std::filesystem::path& directory, bool create,
            std::uint64_t map_bytes = views_map_bytes,
            space_release release = {});
  lmdb_rows(const std::filesystem::path& directory, lmdb_reading reading,
            std::uint64_t map_bytes);

  /// Opens a file of an older format and creates the tables that it lacks.
  /// @throws storage_exception  As the constructor of `lmdb_env`.
  static std::unique_ptr<lmdb_rows>
  open_older(const std::filesystem::path& directory, std::uint64_t map_bytes,
             space_release release);

  /// False if a table is missing, as in a file of an older format that was
  /// opened for reading.
  bool has_all_tables() const {
    return env_.has_all_tables();
  }

  std::unique_ptr<row_reader> read() const override;

  /// Reads in this transaction see the rows as they were when it began.
  std::unique_ptr<row_writer> write() override;
  std::vector<table> misordered() const override;
  std::uint64_t bytes_used() const override;
  file_space space() const override;

  /// See `lmdb_env::copy_compacted`.
  void copy_compacted(const std::filesystem::path& directory) const {
    env_.copy_compacted(directory);
  }

private:
  explicit lmdb_rows(const lmdb_env::options& settings) : env_(settings) {}

  lmdb_env env_;
};

/// The record log of a lane: one unnamed LMDB table, whose keys are the
/// positions of the records as 64-bit big-endian numbers. Positions begin at 1;
/// the row at position 0 is the header, which states to which hub and lane the
/// log belongs. The log does not interpret it.
class lmdb_log : public record_log {
public:
  /// @throws storage_exception  As the constructor of `lmdb_env`.
  lmdb_log(const std::filesystem::path& directory, bool create,
           std::uint64_t map_bytes = journal_map_bytes,
           space_release release = {});
  lmdb_log(const std::filesystem::path& directory, lmdb_reading reading,
           std::uint64_t map_bytes);

  /// Reads from now on see the log as it is at this moment, also while another
  /// process writes to it.
  void freeze();

  /// The header; empty if the log has none.
  std::optional<std::string> header() const;

  /// Writes the header and syncs. To be called before any other thread uses
  /// the log.
  void write_header(const std::string& bytes);

  void append(const std::vector<record>& records, journal_position trim_to,
              std::size_t trim_max) override;
  std::optional<record> read(journal_position from) const override;
  std::optional<record> last() const override;
  std::uint64_t bytes_used() const override;
  file_space space() const override;

  /// See `lmdb_env::copy_compacted`.
  void copy_compacted(const std::filesystem::path& directory) const {
    env_.copy_compacted(directory);
  }

private:
  bool trim(lmdb_transaction& txn, journal_position trim_to,
            std::size_t trim_max) const;
  template <class Read>
  auto reading(Read read) const;

  lmdb_env env_;
  /// All records that end at or before this position have been deleted, except
  /// possibly the newest record. Used only by the thread that appends.
  journal_position trimmed_to_ = 0;
  std::unique_ptr<lmdb_transaction> frozen_; ///< See `freeze`.
};

} // namespace perdura::persistence
