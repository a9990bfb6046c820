// SPDX-License-Identifier: Apache-2.0
#include "persistence/stores/lmdb_store.hpp"

#include <algorithm>

namespace perdura::persistence {

namespace {

/// The names of all tables, in the order of the table numbers.
std::vector<std::string> lmdb_table_names() {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < table_count; ++i)
    names.emplace_back(name_of(static_cast<table>(i)));
  return names;
}

unsigned number_of_table(table t) {
  return static_cast<unsigned>(t);
}

/// A read transaction of the tables.
class lmdb_reader : public row_reader {
public:
  explicit lmdb_reader(const lmdb_env& env)
    : txn_(env, lmdb_transaction::mode::read) {}

  std::optional<std::string_view> get(table t,
                                      std::string_view key) const override {
    return txn_.get(number_of_table(t), key);
  }

  std::unique_ptr<row_cursor> walk(table t) const override {
    return std::make_unique<lmdb_cursor>(txn_, number_of_table(t));
  }

private:
  lmdb_transaction txn_;
};

/// A write transaction of the tables. Reads go through a separate read
/// transaction, because the address of a row can be checked only in a read
/// transaction (see `lmdb_transaction::get`). Reads therefore do not see the
/// changes of this transaction. This is sufficient for the only user, a flush:
/// no slice of a flush reads a row that the same slice has written.
class lmdb_writer : public row_writer {
public:
  explicit lmdb_writer(const lmdb_env& env)
    : before_(env), txn_(env, lmdb_transaction::mode::write) {}

  std::optional<std::string_view> get(table t,
                                      std::string_view key) const override {
    return before_.get(t, key);
  }

  std::unique_ptr<row_cursor> walk(table t) const override {
    return before_.walk(t);
  }

  void put(table t, std::string_view key, std::string_view value) override {
    txn_.put(number_of_table(t), key, value);
  }

  void erase(table t, std::string_view key) override {
    txn_.erase(number_of_table(t), key);
  }

  std::size_t correct_keys(table t, const key_correction& right_key) override {
    // The rows are removed at the cursor: a search for a damaged key would miss
    // them, and a row is put only when no damaged key is left.
    std::vector<std::pair<std::string, std::string>> moved;
    {
      lmdb_cursor cursor(txn_, number_of_table(t));
      for (bool more = cursor.first(); more; more = cursor.next())
        if (auto key = right_key(cursor)) {
          moved.emplace_back(std::move(*key), cursor.value());
          cursor.erase();
        }
    }
    for (const auto& [key, value] : moved)
      if (!txn_.get(number_of_table(t), key))
        txn_.put(number_of_table(t), key, value);
    return moved.size();
  }

  void commit() override {
    txn_.commit();
  }

private:
  lmdb_reader before_;
  lmdb_transaction txn_;
};

/// Returns the position of the cursor's record.
/// @throws storage_exception  The key is not a position.
journal_position position_of(const lmdb_cursor& cursor) {
  const auto position = parse_big_endian(cursor.key());
  if (!position)
    throw storage_exception(
      {errc::storage_damaged,
       "a key of the journal is not a position: " + readable(cursor.key())});
  return *position;
}

} // namespace

lmdb_rows::lmdb_rows(const std::filesystem::path& directory, bool create,
                     std::uint64_t map_bytes, space_release release)
  : env_({.directory = directory,
          .map_bytes = map_bytes,
          .tables = lmdb_table_names(),
          .create = create,
          .release_space = std::move(release)}) {}

lmdb_rows::lmdb_rows(const std::filesystem::path& directory,
                     lmdb_reading reading, std::uint64_t map_bytes)
  : env_({.directory = directory,
          .map_bytes = map_bytes,
          .tables = lmdb_table_names(),
          .tables_required = table_count_oldest,
          .read_only = true,
          .unlocked = !reading.is_shared,
          .inspect = std::move(reading.inspect)}) {}

std::unique_ptr<lmdb_rows>
lmdb_rows::open_older(const std::filesystem::path& directory,
                      std::uint64_t map_bytes, space_release release) {
  lmdb_env::options settings;
  settings.directory = directory;
  settings.map_bytes = map_bytes;
  settings.tables = lmdb_table_names();
  settings.tables_required = table_count_oldest;
  settings.adds_tables = true;
  settings.release_space = std::move(release);
  return std::unique_ptr<lmdb_rows>(new lmdb_rows(settings));
}

std::unique_ptr<row_reader> lmdb_rows::read() const {
  return std::make_unique<lmdb_reader>(env_);
}

std::unique_ptr<row_writer> lmdb_rows::write() {
  return std::make_unique<lmdb_writer>(env_);
}

std::vector<table> lmdb_rows::misordered() const {
  std::vector<table> found;
  for (const unsigned each : env_.misordered())
    found.push_back(static_cast<table>(each));
  return found;
}

std::uint64_t lmdb_rows::bytes_used() const {
  return env_.bytes_used();
}

file_space lmdb_rows::space() const {
  file_space found = env_.space();
  found.takes_pending = true;
  return found;
}

lmdb_log::lmdb_log(const std::filesystem::path& directory, bool create,
                   std::uint64_t map_bytes, space_release release)
  : env_({.directory = directory,
          .map_bytes = map_bytes,
          .tables = {},
          .create = create,
          .release_space = std::move(release)}) {}

lmdb_log::lmdb_log(const std::filesystem::path& directory, lmdb_reading reading,
                   std::uint64_t map_bytes)
  : env_({.directory = directory,
          .map_bytes = map_bytes,
          .tables = {},
          .read_only = true,
          .unlocked = !reading.is_shared,
          .inspect = std::move(reading.inspect)}) {}

void lmdb_log::freeze() {
  frozen_
    = std::make_unique<lmdb_transaction>(env_, lmdb_transaction::mode::read);
}

/// Calls `read` with a read transaction: the frozen one, or a new one.
template <class Read>
auto lmdb_log::reading(Read read) const {
  if (frozen_)
    return read(*frozen_);
  const lmdb_transaction txn(env_, lmdb_transaction::mode::read);
  return read(txn);
}

std::optional<std::string> lmdb_log::header() const {
  return reading([](const lmdb_transaction& txn) {
    const auto bytes = txn.get(0, big_endian(0));
    return bytes ? std::optional<std::string>(*bytes) : std::nullopt;
  });
}

void lmdb_log::write_header(const std::string& bytes) {
  lmdb_transaction txn(env_, lmdb_transaction::mode::write);
  txn.put(0, big_endian(0), bytes);
  txn.commit();
}

void lmdb_log::append(const std::vector<record>& records,
                      journal_position trim_to, std::size_t trim_max) {
  // The new records are written and old records are deleted in one transaction,
  // so that only one sync is necessary.
  lmdb_transaction txn(env_, lmdb_transaction::mode::write);
  for (const record& r : records)
    txn.append(0, big_endian(r.first), r.bytes);
  // The beginning of the log is searched only if it may contain records that
  // end at or before `trim_to`.
  const bool done = trim_to > trimmed_to_ && trim(txn, trim_to, trim_max);
  txn.commit();
  if (done)
    trimmed_to_ = trim_to;
}

/// Deletes up to `trim_max` records that end at or before `trim_to`.
/// @return True if no such record is left.
bool lmdb_log::trim(lmdb_transaction& txn, journal_position trim_to,
                    std::size_t trim_max) const {
  // The keys are collected before any record is deleted, because a deletion
  // would invalidate the cursor.
  std::vector<std::string> keys;
  bool done = true;
  {
    lmdb_cursor cursor(txn, 0);
    bool more = cursor.seek(big_endian(1)); // not the header
    while (more) {
      std::string key(cursor.key());
      // A record ends where the next one begins. The newest record is kept.
      more = cursor.next();
      if (!more || position_of(cursor) > trim_to + 1)
        break;
      if (keys.size() == trim_max) {
        done = false;
        break;
      }
      keys.push_back(std::move(key));
    }
  }
  for (const std::string& key : keys)
    txn.erase(0, key);
  return done;
}

std::optional<record_log::record> lmdb_log::read(journal_position from) const {
  return reading([&](const lmdb_transaction& txn) -> std::optional<record> {
    lmdb_cursor cursor(txn, 0);
    if (!cursor.seek(big_endian(std::max<journal_position>(from, 1))))
      return {};
    return record{position_of(cursor), std::string(cursor.value())};
  });
}

std::optional<record_log::record> lmdb_log::last() const {
  return reading([](const lmdb_transaction& txn) -> std::optional<record> {
    lmdb_cursor cursor(txn, 0);
    if (!cursor.last() || position_of(cursor) == 0)
      return {};
    return record{position_of(cursor), std::string(cursor.value())};
  });
}

std::uint64_t lmdb_log::bytes_used() const {
  return env_.bytes_used();
}

file_space lmdb_log::space() const {
  return env_.space();
}

} // namespace perdura::persistence
