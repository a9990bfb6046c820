/// The row store and the record log on LMDB, one environment each.
#pragma once

#include "persistence/stores/lmdb_env.hpp"

#include <atomic>

namespace perdura::persistence {

// Sparse: what is not used costs address space only.
inline constexpr std::uint64_t views_map_bytes = 1ULL << 40U;
inline constexpr std::uint64_t journal_map_bytes = 256ULL << 30U;

class lmdb_rows : public row_store {
public:
  lmdb_rows(const std::filesystem::path& directory, bool create,
            std::uint64_t map_bytes = views_map_bytes);

  std::unique_ptr<row_reader> read() const override;

  /// Reads within it see the rows as they were when it began.
  std::unique_ptr<row_writer> write() override;
  std::uint64_t bytes_used() const override;

private:
  lmdb_env env_;
};

class lmdb_log : public record_log {
public:
  lmdb_log(const std::filesystem::path& directory, bool create,
           std::uint64_t map_bytes = journal_map_bytes);

  void append(const std::vector<record>& records, journal_position trim_to,
              std::size_t trim_max) override;
  std::optional<record> read(journal_position from) const override;
  std::optional<record> last() const override;
  std::uint64_t bytes_used() const override;

private:
  bool trim(lmdb_transaction& txn, journal_position trim_to,
            std::size_t trim_max) const;

  lmdb_env env_;
  journal_position trimmed_to_ = 0; ///< Nothing more to drop up to here.
};

} // namespace perdura::persistence
