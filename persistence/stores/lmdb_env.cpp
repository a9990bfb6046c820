#include "persistence/stores/lmdb_env.hpp"

#include "persistence/process/logging.hpp"

#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <set>

namespace perdura::persistence {

namespace {

// LMDB's slots for readers; each costs 64 bytes of the lock file.
constexpr unsigned readers_max = 1022;

// The file may end this many pages before the last one in use: LMDB does not
// write pages that were taken and given back within one transaction. The file
// is made longer by as many before it is mapped, so that a damaged size leads
// into zeros and not beyond its end.
constexpr std::uint64_t loose_pages_max = 64;

// Layout of a page's head, and of a meta page behind it.
constexpr std::size_t page_head_size = 16;
constexpr std::size_t page_flags_at = 10;
constexpr std::size_t page_count_at = 12; // Overflow pages only.
constexpr std::uint16_t overflow_flag = 0x04;
constexpr std::uint16_t meta_flag = 0x08;
constexpr std::uint32_t meta_magic = 0xBEEFC0DE;
constexpr std::size_t magic_at = 16;
constexpr std::size_t version_at = 20;
constexpr std::size_t page_size_at = 40;
constexpr std::size_t last_page_at = 136;
constexpr std::size_t txnid_at = 144;
constexpr std::size_t meta_end = 152;

template <class T>
T read_at(const char* bytes, std::size_t place) {
  T value{};
  std::memcpy(&value, bytes + place, sizeof(T));
  return value;
}

error damaged(const std::filesystem::path& file, const std::string& how) {
  return {errc::storage_damaged,
          "the file " + file.string() + " is damaged (" + how
            + "); nothing was changed; keep a copy and restore it from a "
              "backup"};
}

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

// LMDB asserts where its pages make no sense. Its frames hold nothing that
// must be unwound, and a transaction that fails so is aborted.
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

/// Opening one environment twice in a process goes unnoticed by LMDB and
/// breaks its locks.
class open_registry {
public:
  static open_registry& instance() {
    static open_registry registry;
    return registry;
  }

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

/// A data size or place that was damaged must not lead beyond the mapped
/// file, which would end the process.
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

struct file_closer {
  int fd = -1;

  ~file_closer() {
    if (fd >= 0)
      ::close(fd);
  }
};

struct meta_page {
  std::uint64_t page_size = 0;
  std::uint64_t last_page = 0;
  std::uint64_t txnid = 0;
};

result<meta_page> read_meta(const std::filesystem::path& file, int fd,
                            std::uint64_t place) {
  std::array<char, meta_end> head{};
  if (::pread(fd, head.data(), head.size(), static_cast<off_t>(place))
      != static_cast<ssize_t>(head.size()))
    return damaged(file, "it is too short for its meta pages");
  if (read_at<std::uint32_t>(head.data(), magic_at) != meta_magic
      || (read_at<std::uint16_t>(head.data(), page_flags_at) & meta_flag) == 0)
    return damaged(file, "a meta page is not one of LMDB");
  const auto version = read_at<std::uint32_t>(head.data(), version_at);
  if (version != 1)
    return damaged(file, "its LMDB version is " + std::to_string(version)
                           + ", not 1");
  meta_page meta;
  meta.page_size = read_at<std::uint32_t>(head.data(), page_size_at);
  meta.last_page = read_at<std::uint64_t>(head.data(), last_page_at);
  meta.txnid = read_at<std::uint64_t>(head.data(), txnid_at);
  return meta;
}

/// The newest meta page, once both have been found sound.
result<meta_page> newest_meta(const std::filesystem::path& file, int fd) {
  const auto first = read_meta(file, fd, 0);
  if (!first)
    return first.error();
  if (first->page_size < 512 || first->page_size > 65536
      || (first->page_size & (first->page_size - 1)) != 0)
    return damaged(file, "its page size makes no sense");
  const auto second = read_meta(file, fd, first->page_size);
  if (!second)
    return second.error();
  const meta_page& newest = second->txnid > first->txnid ? *second : *first;
  if (second->page_size != first->page_size)
    return damaged(file, "its meta pages differ in page size");
  // Far beyond any map of ours: 16 TiB of 4 KiB pages.
  if (newest.last_page > (std::uint64_t{1} << 32U) || newest.last_page < 1)
    return damaged(file, "its number of pages makes no sense");
  return newest;
}

std::uint64_t file_size(int fd) {
  struct stat status {};

  return ::fstat(fd, &status) == 0 ? static_cast<std::uint64_t>(status.st_size)
                                   : 0;
}

/// See `loose_pages_max`.
void lengthen(const std::filesystem::path& file) {
  const file_closer closer{::open(file.c_str(), O_RDWR | O_CLOEXEC)};
  if (closer.fd < 0)
    return;
  const auto meta = newest_meta(file, closer.fd);
  if (!meta)
    return;
  const std::uint64_t length
    = (meta->last_page + 1 + loose_pages_max) * meta->page_size;
  if (file_size(closer.fd) < length
      && ::ftruncate(closer.fd, static_cast<off_t>(length)) != 0)
    log(log_room::persistence, log_level::warning,
        "the file " + file.string() + " could not be made longer");
}

} // namespace

result<void> check_lmdb_file(const std::filesystem::path& file) {
  const file_closer closer{::open(file.c_str(), O_RDONLY | O_CLOEXEC)};
  if (closer.fd < 0)
    return damaged(file,
                   errno == ENOENT ? "it is missing" : std::strerror(errno));
  const auto meta = newest_meta(file, closer.fd);
  if (!meta)
    return meta.error();
  const std::uint64_t pages = file_size(closer.fd) / meta->page_size;
  if (pages + loose_pages_max < meta->last_page + 1)
    return damaged(file, "it has " + std::to_string(pages)
                           + " pages and should have "
                           + std::to_string(meta->last_page + 1));
  return {};
}

// --- The environment ---------------------------------------------------------

lmdb_env::lmdb_env(const options& how) : directory_(how.directory) {
  const auto file = directory_ / "data.mdb";
  if (!how.create)
    if (const auto sound = check_lmdb_file(file); !sound)
      throw storage_exception(sound.error());
  std::error_code ignored;
  registered_ = std::filesystem::canonical(directory_, ignored).string();
  if (!open_registry::instance().enter(registered_))
    throw storage_exception(
      {errc::storage_in_use, "the store in " + directory_.string()
                               + " is open in this process already"});
  try {
    if (!how.create)
      lengthen(file);
    open(how);
    open_tables(how);
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

void lmdb_env::open(const options& how) {
  if (const int rc = mdb_env_create(&env_))
    fail(directory_, rc, "creating");
  mdb_env_set_assert(env_, on_assert);
  mdb_env_set_maxreaders(env_, readers_max);
  mdb_env_set_maxdbs(env_, static_cast<unsigned>(how.tables.size()) + 1);
  if (const int rc = mdb_env_set_mapsize(env_, how.map_bytes))
    fail(directory_, rc, "setting the map's size");
  // Never MDB_NOSYNC, MDB_NOMETASYNC or MDB_WRITEMAP.
  if (const int rc = mdb_env_open(env_, directory_.c_str(), MDB_NOTLS, 0600))
    fail(directory_, rc, "opening");
  int dead = 0;
  mdb_reader_check(env_, &dead);
  if (dead > 0)
    log(log_room::persistence, log_level::info,
        "cleared " + std::to_string(dead)
          + " readers that ended without a "
            "word from "
          + directory_.string());
  MDB_stat stat{};
  mdb_env_stat(env_, &stat);
  page_size_ = stat.ms_psize;
}

void lmdb_env::open_tables(const options& how) {
  MDB_txn* txn = nullptr;
  const unsigned read_only = how.create ? 0 : MDB_RDONLY;
  if (const int rc = mdb_txn_begin(env_, nullptr, read_only, &txn))
    fail(directory_, rc, "beginning");
  const auto open_one = [&](const char* name) {
    MDB_dbi dbi = 0;
    unsigned flags = 0;
    int rc = mdb_dbi_open(txn, name, name && how.create ? MDB_CREATE : 0, &dbi);
    if (rc == MDB_NOTFOUND)
      rc = MDB_CORRUPTED;
    if (rc == 0)
      rc = mdb_dbi_flags(txn, dbi, &flags);
    // None of ours has flags: another order of keys would hide rows.
    if (rc == 0 && flags != 0)
      rc = MDB_CORRUPTED;
    if (rc != 0) {
      mdb_txn_abort(txn);
      fail(directory_, rc, "opening a table");
    }
    tables_.push_back(dbi);
  };
  if (how.tables.empty())
    open_one(nullptr);
  for (const std::string& name : how.tables)
    open_one(name.c_str());
  // Also when reading: only so do the tables stay open.
  if (const int rc = mdb_txn_commit(txn))
    fail(directory_, rc, "opening the tables");
}

std::uint64_t lmdb_env::bytes_used() const {
  MDB_txn* txn = nullptr;
  if (const int rc = mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn))
    fail(directory_, rc, "beginning");
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
  if (const int rc = mdb_txn_begin(env_.env_, nullptr, flags, &txn_))
    fail(env_.directory_, rc, "beginning");
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
  // A writer's pages lie elsewhere, and hold what it has just put.
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

void lmdb_transaction::commit() {
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
    fail(txn.env_.directory_, rc, "walking");
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
    fail(txn_.env_.directory_, rc, "walking");
  key_ = to_view(k);
  value_ = to_view(v);
  const std::size_t page_size = txn_.env_.page_size_;
  if (key_.size() > key_size_max
      || (txn_.mode_ == lmdb_transaction::mode::read
          && (!lies_within_page(key_, page_size)
              || !lies_within_page(value_, page_size))))
    fail(txn_.env_.directory_, MDB_CORRUPTED, "walking");
  return true;
}

bool lmdb_cursor::seek(std::string_view key) {
  return key.empty() ? move(MDB_FIRST) : move(MDB_SET_RANGE, key);
}

bool lmdb_cursor::seek_before(std::string_view key) {
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
