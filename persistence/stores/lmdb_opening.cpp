// SPDX-License-Identifier: Apache-2.0
#include "persistence/stores/lmdb_opening.hpp"

#include "persistence/process/logging.hpp"
#include "persistence/stores/lmdb_page_walk.hpp"

#include <unistd.h>

#include <mutex>
#include <set>

namespace perdura::persistence {

namespace {

// A sound file may end up to this many pages before the last page in use,
// because LMDB does not write pages that were allocated and freed within one
// transaction. Before the file is mapped, it is extended to this many pages
// after the last page in use. If a damaged size makes LMDB read these pages, it
// reads zeros and does not access memory beyond the end of the file.
constexpr std::uint64_t loose_pages_max = 64;

/// The environments that this process has open. Never destroyed.
struct open_environments {
  std::mutex mutex;
  std::set<std::string> names;
};

open_environments& all_open() {
  static auto* const all = new open_environments;
  return *all;
}

} // namespace

void extend_file(const lmdb_file& file) {
  const lmdb_meta& meta = file.newest();
  const std::uint64_t length
    = (meta.last_page + 1 + loose_pages_max) * meta.page_size;
  if (file.size() < length
      && ::truncate(file.path().c_str(), static_cast<off_t>(length)) != 0)
    log(log_channel::persistence, log_level::warning,
        "the file " + file.path().string() + " could not be extended");
}

result<std::unique_ptr<lmdb_file>>
open_checked_file(const std::filesystem::path& path,
                  std::vector<std::string>* misordered) {
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
  if (misordered != nullptr)
    *misordered = walked.misordered;
  return file;
}

bool enter_open_environments(const std::string& name) {
  const std::lock_guard lock(all_open().mutex);
  return all_open().names.insert(name).second;
}

void leave_open_environments(const std::string& name) {
  const std::lock_guard lock(all_open().mutex);
  all_open().names.erase(name);
}

} // namespace perdura::persistence
