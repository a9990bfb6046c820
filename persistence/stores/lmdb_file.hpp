// SPDX-License-Identifier: Apache-2.0
/// Reads the pages of an LMDB data file without LMDB. LMDB follows every page
/// number and offset in a file without checking it, so a damaged page can end
/// the process with a signal. The functions here check each number before they
/// use it, read with pread, and report damage as an error.
/// @source LMDB 0.9.24 mdb.c, struct MDB_page, MDB_node, MDB_db and MDB_meta.
#pragma once

#include "persistence/records/error.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::persistence {

/// The root of a tree of pages (LMDB's MDB_db).
struct lmdb_tree {
  std::uint16_t flags = 0;
  std::uint16_t depth = 0; ///< Levels of pages; 0 means that it is empty.
  std::uint64_t branch_pages = 0;
  std::uint64_t leaf_pages = 0;
  std::uint64_t overflow_pages = 0;
  std::uint64_t entries = 0;
  std::uint64_t root = 0; ///< Page number; `lmdb_no_page` if it is empty.
};

inline constexpr std::uint64_t lmdb_no_page = ~std::uint64_t{0};

/// Size in bytes of a stored `lmdb_tree`.
inline constexpr std::size_t lmdb_tree_size = 48;

/// Reads a tree that is stored in `lmdb_tree_size` bytes.
lmdb_tree parse_lmdb_tree(std::string_view bytes);

/// The content of a meta page: the state of the file after a transaction.
struct lmdb_meta {
  std::uint64_t page_size = 0; ///< In bytes.
  std::uint64_t last_page = 0; ///< Number of the last page in use.
  std::uint64_t txnid = 0;     ///< The transaction that wrote the meta page.
  lmdb_tree free_pages;        ///< Lists of free pages, by transaction.
  lmdb_tree main; ///< The unnamed table, or the roots of the named tables.
};

/// One row of a leaf page, or one child of a branch page.
struct lmdb_node {
  std::string_view key;
  std::uint64_t child = 0; ///< Branch pages: the number of the child page.
  // Leaf pages:
  bool is_tree = false;     ///< `data` is a stored `lmdb_tree`.
  bool is_overflow = false; ///< `data` is the number of an overflow page.
  std::uint32_t size = 0;   ///< Size of the value in bytes.
  std::string_view data;
};

enum class lmdb_page_kind : std::uint8_t { branch, leaf };

/// Parses a page and checks that all offsets lie within it.
/// @param defect  Is set to the defect if the result is false.
bool parse_lmdb_page(std::string_view page, std::uint64_t number,
                     lmdb_page_kind kind, std::vector<lmdb_node>& nodes,
                     std::string& defect);

/// A data file that is open for reading.
class lmdb_file {
public:
  /// Opens the file and reads both meta pages.
  /// @error errc::storage_damaged  The file is missing or a meta page is not
  ///                               plausible. The message names the page.
  /// @error errc::storage_format   Both meta pages name the same other version
  /// of
  ///                               LMDB's data format.
  /// @error errc::storage_failed   The file cannot be opened.
  static result<std::unique_ptr<lmdb_file>>
  open(const std::filesystem::path& path);

  ~lmdb_file();

  lmdb_file(const lmdb_file&) = delete;
  lmdb_file& operator=(const lmdb_file&) = delete;

  /// The state that LMDB uses: that of the higher transaction number.
  const lmdb_meta& newest() const {
    return newest_;
  }

  /// The state one transaction before; without trees in a new file and in a
  /// compacted copy.
  const lmdb_meta& older() const {
    return older_;
  }

  const std::filesystem::path& path() const {
    return path_;
  }

  /// Size of the file in bytes; 0 if it cannot be determined.
  std::uint64_t size() const;

  /// Reads `count` bytes from the byte `offset` of a page on; false if the file
  /// is too short.
  bool read(std::uint64_t page, std::uint64_t offset, std::size_t count,
            std::string& bytes) const;

  /// Reads the value of a row in a leaf page; false if it cannot be read.
  bool read_value(const lmdb_node& row, std::string& value) const;

  /// Finds a row of a tree, and the last key of a tree, by descending from the
  /// root. Only the pages on the way are read.
  /// @return Empty if there is no such row, or the tree is empty.
  /// @error errc::storage_damaged  A page on the way is damaged.
  result<std::optional<std::string>> find(const lmdb_tree& tree,
                                          std::string_view key) const;
  result<std::optional<std::string>> last_key(const lmdb_tree& tree) const;

  /// Returns errc::storage_damaged with a sentence that names the file.
  error damaged(const std::string& defect) const;

private:
  lmdb_file(std::filesystem::path path, int fd)
    : path_(std::move(path)), fd_(fd) {}

  std::uint32_t version_of_both() const;
  result<void> read_metas();
  result<void> read_both_metas();
  result<lmdb_meta> read_meta(std::uint64_t number,
                              std::uint64_t page_size) const;
  result<void> descend(const lmdb_tree& tree, const std::string_view* key,
                       std::string& page, std::vector<lmdb_node>& rows) const;

  std::filesystem::path path_;
  int fd_ = -1;
  lmdb_meta newest_;
  lmdb_meta older_;
};

/// True if the file cannot contain anything but what the creation of an
/// environment writes: it is shorter than its meta pages, or no meta page
/// belongs to a later transaction than `txnid_max`.
bool is_unused_lmdb_file(const std::filesystem::path& path,
                         std::uint64_t txnid_max);

/// Makes a data file usable after the commit of transaction `txnid` has failed
/// in this process. LMDB then leaves a meta page that mixes two states. It gets
/// the state of the transaction before, which is durable, with the number of
/// the one before that. Does nothing if the other meta page does not have this
/// state.
/// @param file  A descriptor that may be written to.
/// @return False if a write or the sync has failed.
bool restore_lmdb_meta(int file, std::uint64_t page_size, std::uint64_t txnid);

/// True if `bytes`, which LMDB has mapped, lie within one page or one sequence
/// of overflow pages. A damaged size or offset in a page could point beyond the
/// mapped file, and reading there would end the process.
bool lies_within_page(std::string_view bytes, std::size_t page_size);

} // namespace perdura::persistence
