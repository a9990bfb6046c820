// SPDX-License-Identifier: Apache-2.0
// The part of lmdb_env that knows the space: used and free pages, and whether a
// transaction has what it may need.
#include "persistence/stores/lmdb_env.hpp"
#include "persistence/stores/lmdb_failure.hpp"

#include <lmdb.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <limits>

namespace perdura::persistence {

namespace {

// LMDB's handle of the table with the lists of free pages.
constexpr MDB_dbi free_table = 0;

// A transaction changes at most so many pages that do not depend on its rows:
// the path to each table's root in the main table, and the meta pages.
constexpr std::uint64_t fixed_pages = 32;

/// A read transaction that this file alone uses; aborted on destruction.
class read_only_txn {
public:
  read_only_txn(MDB_env* env, const std::filesystem::path& directory) {
    if (const int rc = mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn_))
      fail_lmdb(directory, rc, "beginning a transaction");
  }

  ~read_only_txn() {
    mdb_txn_abort(txn_);
  }

  read_only_txn(const read_only_txn&) = delete;
  read_only_txn& operator=(const read_only_txn&) = delete;

  MDB_txn* get() const {
    return txn_;
  }

private:
  MDB_txn* txn_ = nullptr;
};

/// Calls `visit` for each list of free pages, the oldest first: a count, then
/// the numbers of the pages.
template <class F>
void for_each_free_list(MDB_txn* txn, const std::filesystem::path& directory,
                        F visit) {
  MDB_cursor* cursor = nullptr;
  if (const int rc = mdb_cursor_open(txn, free_table, &cursor))
    fail_lmdb(directory, rc, "reading the free pages");
  MDB_val key{};
  MDB_val list{};
  int rc = 0;
  while ((rc = mdb_cursor_get(cursor, &key, &list, MDB_NEXT)) == 0) {
    const auto* numbers = static_cast<const std::size_t*>(list.mv_data);
    if (list.mv_size < sizeof(std::size_t)
        || numbers[0] >= list.mv_size / sizeof(std::size_t)) {
      rc = MDB_CORRUPTED;
      break;
    }
    std::size_t freed_by = 0;
    if (key.mv_size != sizeof freed_by) {
      rc = MDB_CORRUPTED;
      break;
    }
    std::memcpy(&freed_by, key.mv_data, sizeof freed_by);
    visit(freed_by, numbers);
  }
  mdb_cursor_close(cursor);
  if (rc != MDB_NOTFOUND)
    fail_lmdb(directory, rc, "reading the free pages");
}

/// The oldest snapshot that a reader of any process uses; the largest number if
/// there is none.
std::size_t oldest_snapshot(MDB_env* env) {
  std::size_t oldest = std::numeric_limits<std::size_t>::max();
  // LMDB gives the list as text: a heading, then for each reader its process,
  // its thread and the number of its snapshot, which is "-" if it has none.
  mdb_reader_list(
    env,
    [](const char* line, void* found) {
      int process = 0;
      std::size_t thread = 0;
      std::size_t snapshot = 0;
      auto& least = *static_cast<std::size_t*>(found);
      if (std::sscanf(line, "%d %zx %zu", &process, &thread, &snapshot) == 3)
        least = std::min(least, snapshot);
      return 0;
    },
    &oldest);
  return oldest;
}

} // namespace

std::uint64_t lmdb_env::bytes_used() const {
  MDB_txn* txn = nullptr;
  if (const int rc = mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn))
    fail_lmdb(directory_, rc, "beginning a transaction");
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

file_space lmdb_env::space() const {
  const read_only_txn txn(env_, directory_);
  std::uint64_t free = 0;
  for_each_free_list(txn.get(), directory_,
                     [&](std::size_t /*freed_by*/, const std::size_t* list) {
                       free += list[0];
                     });
  MDB_envinfo info{};
  mdb_env_info(env_, &info);
  mdb_filehandle_t file{};
  file_space found;
  found.used = bytes_used();
  if (mdb_env_get_fd(env_, &file) == 0)
    found.file = bytes_on_disk(file);
  // Blocks that are allocated behind the last page are free; pages without
  // blocks are not.
  const std::uint64_t end = (info.me_last_pgno + 1) * page_size_;
  const std::uint64_t total = free * page_size_ + found.file;
  found.free = total - std::min(total, end);
  return found;
}

/// Lists that a reader may still use are left out: LMDB takes only pages that a
/// transaction before the oldest snapshot in use has freed. The read
/// transaction of this function counts, too, and its snapshot is the newest.
lmdb_env::free_pages lmdb_env::reusable_pages() const {
  const read_only_txn txn(env_, directory_);
  const std::size_t oldest
    = std::min<std::size_t>(mdb_txn_id(txn.get()), oldest_snapshot(env_));
  std::vector<std::size_t> pages;
  for_each_free_list(
    txn.get(), directory_, [&](std::size_t freed_by, const std::size_t* list) {
      if (freed_by < oldest)
        pages.insert(pages.end(), list + 1, list + 1 + list[0]);
    });
  std::sort(pages.begin(), pages.end());
  free_pages found{pages.size(), pages.empty() ? 0U : 1U};
  for (std::size_t i = 1, run = 1; i < pages.size(); ++i) {
    run = pages[i] == pages[i - 1] + 1 ? run + 1 : 1;
    found.adjacent = std::max<std::uint64_t>(found.adjacent, run);
  }
  return found;
}

/// Takes from the disk what the transaction may need before it writes. If the
/// disk has no space, twice as many free pages in the file suffice.
/// @throws storage_exception  errc::storage_full
void lmdb_env::prepare_growth(MDB_txn* txn, page_demand demand) const {
  if (!growth_)
    return;
  // No more pages of the trees are changed than there are, and each list of
  // free pages may be written anew.
  MDB_stat stat{};
  std::uint64_t tree_pages = fixed_pages;
  for (const unsigned dbi : tables_)
    if (mdb_stat(txn, dbi, &stat) == 0)
      tree_pages += stat.ms_branch_pages + stat.ms_leaf_pages;
  std::uint64_t pages
    = std::min(demand.changed, tree_pages) + demand.added + fixed_pages;
  if (mdb_stat(txn, free_table, &stat) == 0)
    pages
      += 2
         * (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages);
  MDB_envinfo info{};
  mdb_env_info(env_, &info);
  if (growth_->prepare((info.me_last_pgno + 1) * page_size_,
                       pages * page_size_))
    return;
  const free_pages reusable = reusable_pages();
  // The list of the pages that the transaction frees may need several pages.
  const std::uint64_t adjacent
    = std::max(demand.adjacent, pages * sizeof(std::size_t) / page_size_ + 1);
  if (reusable.count < 2 * pages || reusable.adjacent < adjacent)
    throw no_space(directory_, pages * page_size_);
}

} // namespace perdura::persistence
