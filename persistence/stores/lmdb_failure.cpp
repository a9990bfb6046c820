// SPDX-License-Identifier: Apache-2.0
#include "persistence/stores/lmdb_failure.hpp"

#include <lmdb.h>

#include <string>

namespace perdura::persistence {

void fail_lmdb(const std::filesystem::path& directory, int code,
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

storage_exception no_space(const std::filesystem::path& directory,
                           std::uint64_t bytes) {
  return storage_exception(
    {errc::storage_full,
     "the store in " + directory.string() + " needs " + bytes_text(bytes)
       + ", and the disk has no space; free space on the disk"});
}

} // namespace perdura::persistence
