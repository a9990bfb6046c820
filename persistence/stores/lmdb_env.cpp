// SPDX-License-Identifier: Apache-2.0
#include "persistence/stores/lmdb_env.hpp"

#include "persistence/process/logging.hpp"
#include "persistence/process/sync_watch.hpp"
#include "persistence/stores/lmdb_failure.hpp"
#include "persistence/stores/lmdb_opening.hpp"
#include <perdura/persistence/stores/storage_space.hpp>

#include <lmdb.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>

namespace perdura::persistence {

namespace {

// Maximum number of read transactions that are open at the same time. Each uses
// a slot of 64 bytes in the lock file.
constexpr unsigned readers_max = 1022;

// The handle of a table that a file of an older format does not have.
constexpr unsigned missing_table = static_cast<unsigned>(-1);
// Size of the lock file: a head, and the slots.
constexpr std::size_t lock_file_bytes = std::size_t{64} * (readers_max + 2);

// `perdura check` reads beside a running node. If it is killed, its read
// transaction would keep pages from being reused, until the node's next start.
// Every so many write transactions, the slots of dead processes are freed.
constexpr std::uint64_t writes_per_reader_check = 256;

constexpr std::size_t page_head_size = 16; // In bytes.

// LMDB calls this function if an assertion about its page structure fails. The
// exception passes through LMDB's C functions. That is safe, because they own
// nothing that must be released, and the destructor of the transaction aborts
// the transaction.
void on_assert(MDB_env* env, const char* what) {
  const char* path = "?";
  mdb_env_get_path(env, &path);
  throw storage_exception(
    {errc::storage_damaged,
     std::string("the store in ") + path + " is damaged (" + what + ")"});
}

MDB_val to_val(std::string_view bytes) {
  return {bytes.size(), const_cast<char*>(bytes.data())};
}

std::string_view to_view(const MDB_val& value) {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}

} // namespace

// --- The environment ---------------------------------------------------------

lmdb_env::lmdb_env(const options& settings) : directory_(settings.directory) {
  const auto file = directory_ / "data.mdb";
  std::unique_ptr<lmdb_file> checked;
  if (!settings.create && !settings.read_only) {
    std::vector<std::string> misordered;
    auto sound = open_checked_file(file, &misordered);
    if (!sound)
      throw storage_exception(sound.error());
    checked = std::move(*sound);
    for (unsigned i = 0; i < settings.tables.size(); ++i)
      if (std::find(misordered.begin(), misordered.end(), settings.tables[i])
          != misordered.end())
        misordered_.push_back(i);
  }
  std::error_code ignored;
  registered_ = std::to_string(::getpid()) + ' '
                + std::filesystem::canonical(directory_, ignored).string();
  if (!enter_open_environments(registered_))
    throw storage_exception(
      {errc::storage_in_use, "the store in " + directory_.string()
                               + " is open in this process already"});
  // From here on, an error must remove the registration again.
  try {
    if (checked)
      extend_file(*checked);
    checked.reset();
    open(settings);
    if (settings.inspect)
      inspect(settings);
    open_tables(settings);
  } catch (...) {
    if (env_)
      mdb_env_close(env_);
    leave_open_environments(registered_);
    throw;
  }
}

lmdb_env::~lmdb_env() {
  mdb_env_close(env_);
  leave_open_environments(registered_);
}

void lmdb_env::open(const options& settings) {
  if (const int rc = mdb_env_create(&env_))
    fail_lmdb(directory_, rc, "creating the environment");
  mdb_env_set_assert(env_, on_assert);
  mdb_env_set_maxreaders(env_, readers_max);
  mdb_env_set_maxdbs(env_, static_cast<unsigned>(settings.tables.size()) + 1);
  if (const int rc = mdb_env_set_mapsize(env_, settings.map_bytes))
    fail_lmdb(directory_, rc, "setting the size of the memory map");
  // The durability rule forbids MDB_NOSYNC, MDB_NOMETASYNC and MDB_WRITEMAP.
  const unsigned flags = MDB_NOTLS
                         | (settings.read_only ? unsigned{MDB_RDONLY} : 0U)
                         | (settings.unlocked ? unsigned{MDB_NOLOCK} : 0U);
  if (!settings.read_only && !settings.unlocked) {
    const auto lock_file = directory_ / "lock.mdb";
    const auto allocate
      = [&] { return allocate_mapped_file(lock_file, lock_file_bytes); };
    if (!allocate()
        && !(settings.release_space && settings.release_space(lock_file_bytes)
             && allocate()))
      throw no_space(directory_, lock_file_bytes);
  }
  if (const int rc = mdb_env_open(env_, directory_.c_str(), flags, 0600))
    fail_lmdb(directory_, rc, "opening the environment");
  if (settings.read_only) {
    MDB_stat sizes{};
    mdb_env_stat(env_, &sizes);
    page_size_ = sizes.ms_psize;
    return;
  }
  // Frees the reader slots of processes that were killed. Such slots would keep
  // old pages from being reused.
  int dead = 0;
  mdb_reader_check(env_, &dead);
  if (dead > 0)
    log(log_channel::persistence, log_level::info,
        "cleared " + std::to_string(dead)
          + " reader slots of processes that ended abnormally, in "
          + directory_.string());
  MDB_stat stat{};
  mdb_env_stat(env_, &stat);
  page_size_ = stat.ms_psize;
  mdb_filehandle_t file{};
  if (mdb_env_get_fd(env_, &file) == 0)
    growth_.emplace(file, settings.release_space);
}

/// Calls `settings.inspect` within a read transaction.
void lmdb_env::inspect(const options& settings) {
  MDB_txn* txn = nullptr;
  if (const int rc = mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn))
    fail_lmdb(directory_, rc, "beginning a transaction");
  try {
    settings.inspect(mdb_txn_id(txn));
  } catch (...) {
    mdb_txn_abort(txn);
    throw;
  }
  mdb_txn_abort(txn);
}

void lmdb_env::open_tables(const options& settings) {
  MDB_txn* txn = nullptr;
  const unsigned read_only
    = settings.create || settings.adds_tables ? 0 : MDB_RDONLY;
  if (const int rc = mdb_txn_begin(env_, nullptr, read_only, &txn))
    fail_lmdb(directory_, rc, "beginning a transaction");
  const auto open_one = [&](const char* name, bool is_required) {
    MDB_dbi dbi = 0;
    unsigned flags = 0;
    const bool creates
      = settings.create || (settings.adds_tables && !is_required);
    int rc = mdb_dbi_open(txn, name, name && creates ? MDB_CREATE : 0, &dbi);
    if (rc == MDB_NOTFOUND && settings.read_only && !is_required) {
      tables_.push_back(missing_table);
      return;
    }
    // Every hub of this format has all tables, so a missing table is damage.
    if (rc == MDB_NOTFOUND)
      rc = MDB_CORRUPTED;
    if (rc == 0)
      rc = mdb_dbi_flags(txn, dbi, &flags);
    // The tables of this program have no flags. A damaged flag could make
    // LMDB search in another key order, and rows would seem to be absent.
    if (rc == 0 && flags != 0)
      rc = MDB_CORRUPTED;
    if (rc != 0) {
      mdb_txn_abort(txn);
      fail_lmdb(directory_, rc, "opening a table");
    }
    tables_.push_back(dbi);
  };
  if (settings.tables.empty())
    open_one(nullptr, true);
  for (std::size_t i = 0; i < settings.tables.size(); ++i)
    open_one(settings.tables[i].c_str(), i < settings.tables_required);
  // A read transaction is committed too: only then do the table handles stay
  // open after it.
  if (const int rc = mdb_txn_commit(txn))
    fail_lmdb(directory_, rc, "opening the tables");
}

bool lmdb_env::has_all_tables() const {
  return std::find(tables_.begin(), tables_.end(), missing_table)
         == tables_.end();
}

void lmdb_env::release_dead_readers() const {
  if (writes_.fetch_add(1, std::memory_order_relaxed) % writes_per_reader_check
      == writes_per_reader_check - 1) {
    int dead = 0;
    mdb_reader_check(env_, &dead);
  }
}

void lmdb_env::copy_compacted(const std::filesystem::path& directory) const {
  const int rc = mdb_env_copy2(env_, directory.c_str(), MDB_CP_COMPACT);
  if (rc == ENOSPC || rc == EDQUOT)
    throw storage_exception(
      {errc::storage_full, "the disk has no space for a compacted copy of "
                             + directory_.string()
                             + "; free space on the disk"});
  if (rc != 0)
    fail_lmdb(directory_, rc, "copying");
}

// --- Transactions ------------------------------------------------------------

lmdb_transaction::lmdb_transaction(const lmdb_env& env, mode m)
  : env_(env), mode_(m) {
  const unsigned flags = m == mode::read ? MDB_RDONLY : 0;
  if (m == mode::write)
    env_.release_dead_readers();
  if (const int rc = mdb_txn_begin(env_.env_, nullptr, flags, &txn_))
    fail_lmdb(env_.directory_, rc, "beginning a transaction");
}

lmdb_transaction::~lmdb_transaction() {
  if (txn_)
    mdb_txn_abort(txn_);
}

std::optional<std::string_view>
lmdb_transaction::get(unsigned table_number, std::string_view key) const {
  if (env_.tables_[table_number] == missing_table)
    return {};
  MDB_val k = to_val(key);
  MDB_val v{};
  const int rc = mdb_get(txn_, env_.tables_[table_number], &k, &v);
  if (rc == MDB_NOTFOUND)
    return {};
  if (rc != 0)
    fail_lmdb(env_.directory_, rc, "reading");
  // In a write transaction, changed pages lie outside the map, so their
  // addresses cannot be checked in this way.
  if (mode_ == mode::read && !lies_within_page(to_view(v), env_.page_size_))
    fail_lmdb(env_.directory_, MDB_CORRUPTED, "reading");
  return to_view(v);
}

void lmdb_transaction::put(unsigned table_number, std::string_view key,
                           std::string_view value) {
  count_write(key.size(), value.size());
  MDB_val k = to_val(key);
  MDB_val v = to_val(value);
  if (const int rc = mdb_put(txn_, env_.tables_[table_number], &k, &v, 0))
    fail_lmdb(env_.directory_, rc, "writing");
}

void lmdb_transaction::append(unsigned table_number, std::string_view key,
                              std::string_view value) {
  count_write(key.size(), value.size());
  MDB_val k = to_val(key);
  MDB_val v = to_val(value);
  if (const int rc
      = mdb_put(txn_, env_.tables_[table_number], &k, &v, MDB_APPEND))
    fail_lmdb(env_.directory_, rc, "appending");
}

void lmdb_transaction::erase(unsigned table_number, std::string_view key) {
  count_write(key.size(), 0);
  MDB_val k = to_val(key);
  const int rc = mdb_del(txn_, env_.tables_[table_number], &k, nullptr);
  if (rc != 0 && rc != MDB_NOTFOUND)
    fail_lmdb(env_.directory_, rc, "erasing");
}

/// Counts a row. A page has at least two rows, so a value of more than half a
/// page gets pages of its own.
void lmdb_transaction::count_write(std::size_t key_size,
                                   std::size_t value_size) {
  constexpr std::size_t row_head_size = 16; // with its entry in the page
  ++writes_;
  const std::size_t size = key_size + value_size + row_head_size;
  if (size < env_.page_size_ / 2 - page_head_size) {
    small_bytes_ += size;
    return;
  }
  const std::uint64_t pages
    = (value_size + page_head_size) / env_.page_size_ + 1;
  large_pages_ += pages;
  largest_ = std::max(largest_, pages);
}

// LMDB frees the transaction even if the commit fails, so it must not be
// aborted afterwards.
void lmdb_transaction::commit() {
  const sync_watch::running watched(sync_watch::of_process());
  // Each row changes a leaf page, and every eighth of them a branch page. A
  // page that is divided is half full.
  if (writes_ > 0)
    env_.prepare_growth(
      txn_, {writes_ + writes_ / 8,
             2 * small_bytes_ / env_.page_size_ + large_pages_, largest_});
  const std::size_t txnid = mdb_txn_id(txn_);
  const int rc = mdb_txn_commit(txn_);
  txn_ = nullptr;
  if (rc == 0)
    return;
  mdb_filehandle_t file{};
  const bool is_restored
    = mode_ == mode::read
      || (mdb_env_get_fd(env_.env_, &file) == 0
          && restore_lmdb_meta(file, env_.page_size_, txnid));
  throw storage_exception(
    {errc::storage_failed,
     "the store in " + env_.directory_.string() + " could not be synced ("
       + mdb_strerror(rc) + ")"
       + (is_restored ? "" : ", and its meta page could not be restored")});
}

// --- Cursors -----------------------------------------------------------------

lmdb_cursor::lmdb_cursor(const lmdb_transaction& txn, unsigned table_number)
  : txn_(txn) {
  if (txn.env_.tables_[table_number] == missing_table)
    return; // `move` finds no row
  if (const int rc
      = mdb_cursor_open(txn.txn_, txn.env_.tables_[table_number], &cursor_))
    fail_lmdb(txn.env_.directory_, rc, "moving a cursor");
}

lmdb_cursor::~lmdb_cursor() {
  if (cursor_ != nullptr)
    mdb_cursor_close(cursor_);
}

bool lmdb_cursor::move(int operation, std::string_view key) {
  if (cursor_ == nullptr)
    return false;
  MDB_val k = to_val(key);
  MDB_val v{};
  const int rc
    = mdb_cursor_get(cursor_, &k, &v, static_cast<MDB_cursor_op>(operation));
  if (rc == MDB_NOTFOUND)
    return false;
  if (rc != 0)
    fail_lmdb(txn_.env_.directory_, rc, "moving a cursor");
  key_ = to_view(k);
  value_ = to_view(v);
  // As in `lmdb_transaction::get`, addresses can be checked only in a read
  // transaction.
  const std::size_t page_size = txn_.env_.page_size_;
  if (key_.size() > key_size_max
      || (txn_.mode_ == lmdb_transaction::mode::read
          && (!lies_within_page(key_, page_size)
              || !lies_within_page(value_, page_size))))
    fail_lmdb(txn_.env_.directory_, MDB_CORRUPTED, "moving a cursor");
  return true;
}

// LMDB does not accept an empty key.
bool lmdb_cursor::seek(std::string_view key) {
  return key.empty() ? move(MDB_FIRST) : move(MDB_SET_RANGE, key);
}

// No key is less than the empty one. If no key is at or after `key`, the last
// row of the table is the result.
bool lmdb_cursor::seek_before(std::string_view key) {
  if (key.empty())
    return false;
  return move(MDB_SET_RANGE, key) ? move(MDB_PREV) : move(MDB_LAST);
}

bool lmdb_cursor::first() {
  return move(MDB_FIRST);
}

bool lmdb_cursor::last() {
  return move(MDB_LAST);
}

bool lmdb_cursor::next() {
  return move(MDB_NEXT);
}

void lmdb_cursor::erase() {
  if (const int rc = mdb_cursor_del(cursor_, 0))
    fail_lmdb(txn_.env_.directory_, rc, "erasing");
}

bool lmdb_cursor::previous() {
  return move(MDB_PREV);
}

} // namespace perdura::persistence
