/// The row store and the record log in memory: what "durable" means to the
/// twin of the journal.
#pragma once

#include "persistence/stores/row_store.hpp"

#include <array>
#include <functional>
#include <map>
#include <mutex>
#include <shared_mutex>

namespace perdura::persistence {

using row_map = std::map<std::string, std::string, std::less<>>;

class map_store : public row_store {
public:
  std::unique_ptr<row_reader> read() const override;
  std::unique_ptr<row_writer> write() override;
  std::uint64_t bytes_used() const override;

  /// For tests that damage a row.
  row_map& rows(table t) {
    return tables_[static_cast<std::size_t>(t)];
  }

private:
  class reader;
  class writer;

  mutable std::shared_mutex mutex_;
  std::array<row_map, table_count> tables_;
};

class map_log : public record_log {
public:
  void append(const std::vector<record>& records, journal_position trim_to,
              std::size_t trim_max) override;
  std::optional<record> read(journal_position from) const override;
  std::optional<record> last() const override;
  std::uint64_t bytes_used() const override;

  /// For tests that damage a record or count them.
  std::map<journal_position, std::string>& records() {
    return records_;
  }

private:
  mutable std::mutex mutex_;
  std::map<journal_position, std::string> records_;
};

} // namespace perdura::persistence
