// SPDX-License-Identifier: Apache-2.0
#include "persistence/stores/lmdb_env.hpp"

#include "persistence/process/logging.hpp"
#include "persistence/process/sync_watch.hpp"
#include "persistence/stores/lmdb_page_walk.hpp"

#include <lmdb.h>
#include <unistd.h>

#include <cstring>
#include <mutex>
#include <set>

namespace perdura::persistence {

namespace {

// Maximum number of read transactions that are open at the same time. Each uses
// a slot of 64 bytes in the lock file.
constexpr unsigned readers_max = 1022;

// `perdura check` reads beside a running node. If it is killed, its read
// transaction would keep pages from being reused, until the node's next start.
// Every so many write transactions, the slots of dead processes are freed.
constexpr std::uint64_t writes_per_reader_check = 256;

// A sound file may end up to this many pages before the last page in use,
// because LMDB does not write pages that were allocated and freed within one
// transaction. Before the file is mapped, it is extended to this many pages
// after the last page in use. If a damaged size makes LMDB read these pages, it
// reads zeros and does not access memory beyond the end of the file.
constexpr std::uint64_t loose_pages_max = 64;

// Sizes, byte offsets and values of the fields in the head of a page.
constexpr std::size_t page_head_size = 16;
constexpr std::size_t page_flags_at = 10;
constexpr std::size_t page_count_at = 12; // Only in overflow pages.
constexpr std::uint16_t overflow_flag = 0x04;

/// Reads a number in the byte order of the machine, as LMDB stores it.
template <class T>
T read_at(const char* bytes, std::size_t offset) {
  T value{};
  std::memcpy(&value, bytes + offset, sizeof(T));
  return value;
}

/// Throws the storage_exception for an error code of LMDB. `doing` names the
/// operation that failed.
[[noreturn]] void fail(const std::filesystem::path& directory, int code,
                       const char* doing) {
  const std::string place = "the store in " + directory.string();
  switch (code) {
  case MDB_CORRUPTED:
  case MDB_PAGE_NOTFOUND:
  case MDB_PANIC:
  case MDB_INVALID:
  case MDB_CURSOR_FULL:
  case MDB_BAD_TXN:
  case MDB_INCOMPATIBLE:
    throw storage_exception(
      {errc::storage_damaged,
       place + " is damaged (" + doing + ": " + mdb_strerror(code)
         + "); stop the node, keep a copy of the data directory, run "
           "`perdura check`, and restore it from a backup"});
  case MDB_VERSION_MISMATCH:
    throw storage_exception(
      {errc::storage_format,
       place + " was written by another version of LMDB"});
  default:
    throw storage_exception(
      {errc::storage_failed,
       place + " cannot be used (" + doing + ": " + mdb_strerror(code) + ")"});
  }
}

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

/// The environments that this process has open, by process ID and canonical
/// path: a child process has its parent's list, but not its locks. LMDB does
/// not detect that one process opens an environment twice, and closing one of
/// the two would release the file locks of both.
class open_registry {
public:
  static open_registry& instance() {
    static open_registry registry;
    return registry;
  }

  /// Adds an environment. Returns false if it is registered already.
  bool enter(const std::string& name) {
    std::lock_guard lock(mutex_);
    return names_.insert(name).second;
  }

  void leave(const std::string& name) {
    std::lock_guard lock(mutex_);
    names_.erase(name);
  }

private:
  std::mutex mutex_;
  std::set<std::string> names_;
};

/// True if `bytes` lie within one page or one sequence of overflow pages. A
/// damaged size or offset in a page could point beyond the mapped file, and
/// reading there would end the process.
bool lies_within_page(std::string_view bytes, std::size_t page_size) {
  const auto address = reinterpret_cast<std::uintptr_t>(bytes.data());
  const std::uintptr_t offset = address % page_size;
  if (offset + bytes.size() <= page_size)
    return true;
  const char* page = bytes.data() - offset;
  return offset == page_head_size
         && read_at<std::uint16_t>(page, page_flags_at) == overflow_flag
         && bytes.size() + page_head_size
              <= std::size_t{read_at<std::uint32_t>(page, page_count_at)}
                   * page_size;
}

/// Extends the file as described at `loose_pages_max`.
void extend_file(const lmdb_file& file) {
  const lmdb_meta& meta = file.newest();
  const std::uint64_t length
    = (meta.last_page + 1 + loose_pages_max) * meta.page_size;
  if (file.size() < length
      && ::truncate(file.path().c_str(), static_cast<off_t>(length)) != 0)
    log(log_channel::persistence, log_level::warning,
        "the file " + file.path().string() + " could not be extended");
}

/// Opens a data file for the checks before LMDB maps it.
result<std::unique_ptr<lmdb_file>>
open_checked(const std::filesystem::path& path) {
  auto file = lmdb_file::open(path);
  if (!file)
    return file;
  const lmdb_meta& meta = (*file)->newest();
  const std::uint64_t pages = (*file)->size() / meta.page_size;
  if (pages + loose_pages_max < meta.last_page + 1)
    return (*file)->damaged("it has " + std::to_string(pages)
                            + " pages and should have "
                            + std::to_string(meta.last_page + 1));
  const auto walked = walk_lmdb_pages(
    **file, meta,
    meta.last_page < lmdb_pages_read_at_open_max ? lmdb_walk_depth::pages
                                                 : lmdb_walk_depth::branches);
  if (!walked.defects.empty())
    return (*file)->damaged(walked.defects.front());
  return file;
}

} // namespace

// --- The environment ---------------------------------------------------------

lmdb_env::lmdb_env(const options& settings) : directory_(settings.directory) {
  const auto file = directory_ / "data.mdb";
  std::unique_ptr<lmdb_file> checked;
  if (!settings.create && !settings.read_only) {
    auto sound = open_checked(file);
    if (!sound)
      throw storage_exception(sound.error());
    checked = std::move(*sound);
  }
  std::error_code ignored;
  registered_ = std::to_string(::getpid()) + ' '
                + std::filesystem::canonical(directory_, ignored).string();
  if (!open_registry::instance().enter(registered_))
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
    open_registry::instance().leave(registered_);
    throw;
  }
}

lmdb_env::~lmdb_env() {
  mdb_env_close(env_);
  open_registry::instance().leave(registered_);
}

void lmdb_env::open(const options& settings) {
  if (const int rc = mdb_env_create(&env_))
    fail(directory_, rc, "creating the environment");
  mdb_env_set_assert(env_, on_assert);
  mdb_env_set_maxreaders(env_, readers_max);
  mdb_env_set_maxdbs(env_, static_cast<unsigned>(settings.tables.size()) + 1);
  if (const int rc = mdb_env_set_mapsize(env_, settings.map_bytes))
    fail(directory_, rc, "setting the size of the memory map");
  // The durability rule forbids MDB_NOSYNC, MDB_NOMETASYNC and MDB_WRITEMAP.
  const unsigned flags = MDB_NOTLS
                         | (settings.read_only ? unsigned{MDB_RDONLY} : 0U)
                         | (settings.unlocked ? unsigned{MDB_NOLOCK} : 0U);
  if (const int rc = mdb_env_open(env_, directory_.c_str(), flags, 0600))
    fail(directory_, rc, "opening the environment");
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
}

/// Calls `settings.inspect` within a read transaction.
void lmdb_env::inspect(const options& settings) {
  MDB_txn* txn = nullptr;
  if (const int rc = mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn))
    fail(directory_, rc, "beginning a transaction");
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
  const unsigned read_only = settings.create ? 0 : MDB_RDONLY;
  if (const int rc = mdb_txn_begin(env_, nullptr, read_only, &txn))
    fail(directory_, rc, "beginning a transaction");
  const auto open_one = [&](const char* name) {
    MDB_dbi dbi = 0;
    unsigned flags = 0;
    int rc
      = mdb_dbi_open(txn, name, name && settings.create ? MDB_CREATE : 0, &dbi);
    // Every hub has all tables, so a missing table is damage.
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
      fail(directory_, rc, "opening a table");
    }
    tables_.push_back(dbi);
  };
  if (settings.tables.empty())
    open_one(nullptr);
  for (const std::string& name : settings.tables)
    open_one(name.c_str());
  // A read transaction is committed too: only then do the table handles stay
  // open after it.
  if (const int rc = mdb_txn_commit(txn))
    fail(directory_, rc, "opening the tables");
}

void lmdb_env::release_dead_readers() const {
  if (writes_.fetch_add(1, std::memory_order_relaxed) % writes_per_reader_check
      == writes_per_reader_check - 1) {
    int dead = 0;
    mdb_reader_check(env_, &dead);
  }
}

std::uint64_t lmdb_env::bytes_used() const {
  MDB_txn* txn = nullptr;
  if (const int rc = mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn))
    fail(directory_, rc, "beginning a transaction");
  std::uint64_t pages = 0;
  for (unsigned dbi : tables_) {
    MDB_stat stat{};
    if (mdb_stat(txn, dbi, &stat) == 0)
      pages
        += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
  }
  mdb_txn_abort(txn);
  return pages * page_size_;
}

// --- Transactions ------------------------------------------------------------

lmdb_transaction::lmdb_transaction(const lmdb_env& env, mode m)
  : env_(env), mode_(m) {
  const unsigned flags = m == mode::read ? MDB_RDONLY : 0;
  if (m == mode::write)
    env_.release_dead_readers();
  if (const int rc = mdb_txn_begin(env_.env_, nullptr, flags, &txn_))
    fail(env_.directory_, rc, "beginning a transaction");
}

lmdb_transaction::~lmdb_transaction() {
  if (txn_)
    mdb_txn_abort(txn_);
}

std::optional<std::string_view>
lmdb_transaction::get(unsigned table_number, std::string_view key) const {
  MDB_val k = to_val(key);
  MDB_val v{};
  const int rc = mdb_get(txn_, env_.tables_[table_number], &k, &v);
  if (rc == MDB_NOTFOUND)
    return {};
  if (rc != 0)
    fail(env_.directory_, rc, "reading");
  // In a write transaction, changed pages lie outside the map, so their
  // addresses cannot be checked in this way.
  if (mode_ == mode::read && !lies_within_page(to_view(v), env_.page_size_))
    fail(env_.directory_, MDB_CORRUPTED, "reading");
  return to_view(v);
}

void lmdb_transaction::put(unsigned table_number, std::string_view key,
                           std::string_view value) {
  MDB_val k = to_val(key);
  MDB_val v = to_val(value);
  if (const int rc = mdb_put(txn_, env_.tables_[table_number], &k, &v, 0))
    fail(env_.directory_, rc, "writing");
}

void lmdb_transaction::append(unsigned table_number, std::string_view key,
                              std::string_view value) {
  MDB_val k = to_val(key);
  MDB_val v = to_val(value);
  if (const int rc
      = mdb_put(txn_, env_.tables_[table_number], &k, &v, MDB_APPEND))
    fail(env_.directory_, rc, "appending");
}

void lmdb_transaction::erase(unsigned table_number, std::string_view key) {
  MDB_val k = to_val(key);
  const int rc = mdb_del(txn_, env_.tables_[table_number], &k, nullptr);
  if (rc != 0 && rc != MDB_NOTFOUND)
    fail(env_.directory_, rc, "erasing");
}

// LMDB frees the transaction even if the commit fails, so it must not be
// aborted afterwards.
void lmdb_transaction::commit() {
  const sync_watch::running watched(sync_watch::of_process());
  const int rc = mdb_txn_commit(txn_);
  txn_ = nullptr;
  if (rc != 0)
    throw storage_exception({errc::storage_failed, "the store in "
                                                     + env_.directory_.string()
                                                     + " could not be synced ("
                                                     + mdb_strerror(rc) + ")"});
}

// --- Cursors -----------------------------------------------------------------

lmdb_cursor::lmdb_cursor(const lmdb_transaction& txn, unsigned table_number)
  : txn_(txn) {
  if (const int rc
      = mdb_cursor_open(txn.txn_, txn.env_.tables_[table_number], &cursor_))
    fail(txn.env_.directory_, rc, "moving a cursor");
}

lmdb_cursor::~lmdb_cursor() {
  mdb_cursor_close(cursor_);
}

bool lmdb_cursor::move(int operation, std::string_view key) {
  MDB_val k = to_val(key);
  MDB_val v{};
  const int rc
    = mdb_cursor_get(cursor_, &k, &v, static_cast<MDB_cursor_op>(operation));
  if (rc == MDB_NOTFOUND)
    return false;
  if (rc != 0)
    fail(txn_.env_.directory_, rc, "moving a cursor");
  key_ = to_view(k);
  value_ = to_view(v);
  // As in `lmdb_transaction::get`, addresses can be checked only in a read
  // transaction.
  const std::size_t page_size = txn_.env_.page_size_;
  if (key_.size() > key_size_max
      || (txn_.mode_ == lmdb_transaction::mode::read
          && (!lies_within_page(key_, page_size)
              || !lies_within_page(value_, page_size))))
    fail(txn_.env_.directory_, MDB_CORRUPTED, "moving a cursor");
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

} // namespace perdura::persistence
