// SPDX-License-Identifier: Apache-2.0
#include "persistence/stores/lmdb_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace perdura::persistence {

namespace {

// Byte offsets in the head of a page, which is `page_head` bytes long.
constexpr std::size_t page_head = 16;
constexpr std::size_t number_at = 0;
constexpr std::size_t flags_at = 10;
constexpr std::size_t lower_at = 12; // End of the list of nodes.
constexpr std::size_t upper_at = 14; // Begin of the nodes.

// Values of the flags of a page. On disk, a page has exactly one of them.
constexpr std::uint16_t branch_page = 0x01;
constexpr std::uint16_t leaf_page = 0x02;
constexpr std::uint16_t meta_page = 0x08;

// The head of a node: the size of the value or the number of the child page
// (32 bits), flags (16 bits; in a branch page the upper bits of the number),
// and the size of the key (16 bits).
constexpr std::size_t node_head = 8;
constexpr std::uint16_t overflow_node = 0x01;
constexpr std::uint16_t tree_node = 0x02;

// Byte offsets in a meta page.
constexpr std::size_t magic_at = 16;
constexpr std::size_t version_at = 20;
constexpr std::size_t page_size_at = 40;
constexpr std::size_t free_tree_at = 40;
constexpr std::size_t main_tree_at = 88;
constexpr std::size_t last_page_at = 136;
constexpr std::size_t txnid_at = 144;
constexpr std::size_t meta_end = 152;
constexpr std::uint32_t meta_magic = 0xBEEFC0DE;

// Beside a node that commits, the meta pages are read at most so many times
// more.
constexpr int meta_reads_max = 1'000;
constexpr std::uint32_t lmdb_version = 1;
constexpr std::uint16_t free_tree_flags = 0x08; // Keys are integers.

// LMDB's limit for the depth of a tree (CURSOR_STACK).
constexpr std::uint16_t depth_max = 32;

// 2^32 pages of 4 KiB are 16 TiB, more than any map that this program sets.
constexpr std::uint64_t page_number_max = std::uint64_t{1} << 32U;

/// Reads a number in the byte order of the machine, as LMDB stores it.
template <class T>
T number_in(std::string_view bytes, std::size_t offset) {
  T value{};
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

/// Nodes begin at even offsets.
constexpr std::size_t even(std::size_t size) {
  return (size + 1) & ~std::size_t{1};
}

/// Returns a defect of the tree in a meta page; empty if it is plausible.
std::string defect_of(const lmdb_tree& tree, std::uint64_t last_page) {
  const bool is_empty = tree.root == lmdb_no_page;
  if (is_empty != (tree.depth == 0) || tree.depth > depth_max)
    return "the depth of a tree is not valid";
  if (!is_empty && (tree.root < 2 || tree.root > last_page))
    return "the root of a tree is not valid";
  const std::uint64_t pages
    = tree.branch_pages | tree.leaf_pages | tree.overflow_pages;
  if (pages > last_page || (is_empty && (pages | tree.entries) != 0))
    return "the size of a tree is not valid";
  return {};
}

} // namespace

lmdb_tree parse_lmdb_tree(std::string_view bytes) {
  lmdb_tree tree;
  tree.flags = number_in<std::uint16_t>(bytes, 4);
  tree.depth = number_in<std::uint16_t>(bytes, 6);
  tree.branch_pages = number_in<std::uint64_t>(bytes, 8);
  tree.leaf_pages = number_in<std::uint64_t>(bytes, 16);
  tree.overflow_pages = number_in<std::uint64_t>(bytes, 24);
  tree.entries = number_in<std::uint64_t>(bytes, 32);
  tree.root = number_in<std::uint64_t>(bytes, 40);
  return tree;
}

bool parse_lmdb_page(std::string_view page, std::uint64_t number,
                     lmdb_page_kind kind, std::vector<lmdb_node>& nodes,
                     std::string& defect) {
  nodes.clear();
  const auto fail = [&](const char* text) {
    defect = text;
    return false;
  };
  if (number_in<std::uint64_t>(page, number_at) != number)
    return fail("it has the number of another page");
  const bool is_branch = kind == lmdb_page_kind::branch;
  if (number_in<std::uint16_t>(page, flags_at)
      != (is_branch ? branch_page : leaf_page))
    return fail(is_branch ? "it is not a branch page" : "it is not a leaf");
  const std::size_t lower = number_in<std::uint16_t>(page, lower_at);
  const std::size_t upper = number_in<std::uint16_t>(page, upper_at);
  if (lower < page_head || lower % 2 != 0 || lower > upper
      || upper > page.size())
    return fail("the limits of its rows are not valid");
  // The nodes fill the space between `upper` and the end of the page, without
  // gaps and without overlaps.
  std::vector<std::pair<std::size_t, std::size_t>> places;
  for (std::size_t at = page_head; at < lower; at += 2) {
    const std::size_t begin = number_in<std::uint16_t>(page, at);
    if (begin < upper || begin % 2 != 0 || begin + node_head > page.size())
      return fail("the place of a row is not valid");
    const std::size_t key_size = number_in<std::uint16_t>(page, begin + 6);
    lmdb_node node;
    const std::uint64_t low = number_in<std::uint32_t>(page, begin);
    const std::uint64_t flags = number_in<std::uint16_t>(page, begin + 4);
    std::size_t data_size = 0;
    if (is_branch) {
      node.child = low | flags << 32U;
    } else {
      if ((flags & ~std::uint64_t{overflow_node | tree_node}) != 0
          || flags == (overflow_node | tree_node))
        return fail("the flags of a row are not valid");
      node.is_overflow = flags == overflow_node;
      node.is_tree = flags == tree_node;
      node.size = static_cast<std::uint32_t>(low);
      data_size = node.is_overflow ? sizeof(std::uint64_t) : node.size;
      if (node.is_tree && node.size != lmdb_tree_size)
        return fail("the size of a table's root is not valid");
    }
    const std::size_t size = even(node_head + key_size + data_size);
    if (begin + size > page.size())
      return fail("a row ends beyond the page");
    node.key = page.substr(begin + node_head, key_size);
    node.data = page.substr(begin + node_head + key_size, data_size);
    nodes.push_back(node);
    places.emplace_back(begin, begin + size);
  }
  std::sort(places.begin(), places.end());
  std::size_t reached = upper;
  for (const auto& [begin, end] : places) {
    if (begin != reached)
      return fail("its rows overlap or have gaps");
    reached = end;
  }
  if (reached != page.size())
    return fail("its rows overlap or have gaps");
  if (nodes.empty() || (is_branch && nodes.size() < 2))
    return fail("it has too few rows");
  return true;
}

// --- The file ----------------------------------------------------------------

result<std::unique_ptr<lmdb_file>>
lmdb_file::open(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const int code = errno;
  std::unique_ptr<lmdb_file> file(new lmdb_file(path, fd));
  if (fd < 0 && code == ENOENT)
    return file->damaged("it is missing");
  if (fd < 0)
    return error{errc::storage_failed,
                 "opening " + path.string() + ": " + std::strerror(code)};
  if (const auto read = file->read_metas(); !read)
    return read.error();
  return file;
}

lmdb_file::~lmdb_file() {
  if (fd_ >= 0)
    ::close(fd_);
}

error lmdb_file::damaged(const std::string& defect) const {
  return {errc::storage_damaged,
          "the file " + path_.string() + " is damaged (" + defect
            + "); nothing was changed; keep a copy, run `perdura check`, and "
              "restore it from a backup"};
}

std::uint64_t lmdb_file::size() const {
  struct stat status {};

  return ::fstat(fd_, &status) == 0 ? static_cast<std::uint64_t>(status.st_size)
                                    : 0;
}

bool lmdb_file::read(std::uint64_t page, std::uint64_t offset,
                     std::size_t count, std::string& bytes) const {
  bytes.resize(count);
  const std::uint64_t begin = page * newest_.page_size + offset;
  std::size_t done = 0;
  while (done < count) {
    const ssize_t n = ::pread(fd_, bytes.data() + done, count - done,
                              static_cast<off_t>(begin + done));
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return false;
    done += static_cast<std::size_t>(n);
  }
  return true;
}

bool lmdb_file::read_value(const lmdb_node& row, std::string& value) const {
  if (row.is_overflow)
    return read(number_in<std::uint64_t>(row.data, 0), page_head, row.size,
                value);
  value = row.data;
  return true;
}

/// Reads the meta page with the number `number`. `page_size` is 0 if it is not
/// known yet.
result<lmdb_meta> lmdb_file::read_meta(std::uint64_t number,
                                       std::uint64_t page_size) const {
  const std::string place = "meta page " + std::to_string(number) + ": ";
  std::string head(meta_end, '\0');
  if (::pread(fd_, head.data(), head.size(),
              static_cast<off_t>(number * page_size))
      != static_cast<ssize_t>(head.size()))
    return damaged("it is too short for its meta pages");
  if (number_in<std::uint32_t>(head, magic_at) != meta_magic
      || number_in<std::uint16_t>(head, flags_at) != meta_page
      || number_in<std::uint64_t>(head, number_at) != number)
    return damaged(place + "it does not have LMDB's format");
  const auto version = number_in<std::uint32_t>(head, version_at);
  if (version != lmdb_version)
    return damaged(place + "its LMDB version is " + std::to_string(version)
                   + ", not " + std::to_string(lmdb_version));
  lmdb_meta meta;
  meta.page_size = number_in<std::uint32_t>(head, page_size_at);
  meta.last_page = number_in<std::uint64_t>(head, last_page_at);
  meta.txnid = number_in<std::uint64_t>(head, txnid_at);
  const std::string_view bytes(head);
  meta.free_pages = parse_lmdb_tree(bytes.substr(free_tree_at, lmdb_tree_size));
  meta.main = parse_lmdb_tree(bytes.substr(main_tree_at, lmdb_tree_size));
  if (meta.page_size < 512 || meta.page_size > 65536
      || (meta.page_size & (meta.page_size - 1)) != 0
      || (page_size != 0 && meta.page_size != page_size))
    return damaged(place + "its page size is not valid");
  if (meta.last_page > page_number_max || meta.last_page < 1)
    return damaged(place + "its number of pages is not valid");
  if (meta.free_pages.flags != free_tree_flags || meta.main.flags != 0)
    return damaged(place + "the flags of a tree are not valid");
  for (const lmdb_tree* tree : {&meta.free_pages, &meta.main})
    if (const std::string defect = defect_of(*tree, meta.last_page);
        !defect.empty())
      return damaged(place + defect);
  return meta;
}

/// Returns the LMDB version of the file if both meta pages name the same one.
/// Otherwise returns the version that this program reads; `read_meta` then
/// reports the damage.
std::uint32_t lmdb_file::version_of_both() const {
  std::array<std::string, 2> heads;
  std::uint64_t at = 0;
  for (std::string& head : heads) {
    head.assign(meta_end, '\0');
    if (::pread(fd_, head.data(), head.size(), static_cast<off_t>(at))
          != static_cast<ssize_t>(head.size())
        || number_in<std::uint32_t>(head, magic_at) != meta_magic)
      return lmdb_version;
    at = number_in<std::uint32_t>(head, page_size_at);
  }
  const auto first = number_in<std::uint32_t>(heads[0], version_at);
  return first == number_in<std::uint32_t>(heads[1], version_at) ? first
                                                                 : lmdb_version;
}

/// Reads both meta pages. LMDB writes them alternately: transaction n writes
/// page n mod 2. Their numbers therefore differ by one; both are 0 in a new
/// file.
result<void> lmdb_file::read_both_metas() {
  const auto first = read_meta(0, 0);
  if (!first)
    return first.error();
  const auto second = read_meta(1, first->page_size);
  if (!second)
    return second.error();
  const bool is_second = second->txnid > first->txnid;
  newest_ = is_second ? *second : *first;
  older_ = is_second ? *first : *second;
  const bool is_new = newest_.txnid == 0;
  if (!is_new
      && (first->txnid % 2 != 0 || second->txnid % 2 != 1
          || newest_.txnid - older_.txnid != 1))
    return damaged("the transaction numbers of its meta pages, "
                   + std::to_string(first->txnid) + " and "
                   + std::to_string(second->txnid) + ", are not consecutive");
  return {};
}

/// A node that uses the file may commit between the reads of the two pages.
/// Pages that do not fit together are therefore damaged only if the same is
/// read twice.
result<void> lmdb_file::read_metas() {
  if (const std::uint32_t version = version_of_both(); version != lmdb_version)
    return error{errc::storage_format,
                 "the file " + path_.string()
                   + " was written by another version of LMDB (data format "
                   + std::to_string(version) + "; this program reads "
                   + std::to_string(lmdb_version) + ")"};
  result<void> read = read_both_metas();
  for (int again = 0; !read && again < meta_reads_max; ++again) {
    const std::string before = read.error().message;
    read = read_both_metas();
    if (!read && read.error().message == before)
      break;
  }
  return read;
}

/// Descends from the root to the leaf that contains `key` or, if `key` is
/// null, to the last leaf. `rows` point into `page`, and are empty if the tree
/// is empty.
result<void> lmdb_file::descend(const lmdb_tree& tree,
                                const std::string_view* key, std::string& page,
                                std::vector<lmdb_node>& rows) const {
  rows.clear();
  std::uint64_t number = tree.root;
  for (std::uint16_t level = 1; level <= tree.depth; ++level) {
    const bool is_leaf = level == tree.depth;
    std::string defect;
    if (!read(number, 0, newest_.page_size, page))
      defect = "it lies beyond the end of the file";
    else
      parse_lmdb_page(page, number,
                      is_leaf ? lmdb_page_kind::leaf : lmdb_page_kind::branch,
                      rows, defect);
    if (!defect.empty())
      return damaged("page " + std::to_string(number) + ": " + defect);
    if (is_leaf)
      break;
    // The first key of a branch page stands for all keys before the second.
    std::size_t next = rows.size() - 1;
    while (key != nullptr && next > 0 && rows[next].key > *key)
      --next;
    number = rows[next].child;
    if (number < 2 || number > newest_.last_page)
      return damaged("a branch page refers to page " + std::to_string(number));
  }
  return {};
}

result<std::optional<std::string>> lmdb_file::find(const lmdb_tree& tree,
                                                   std::string_view key) const {
  std::string page;
  std::vector<lmdb_node> rows;
  if (const auto found = descend(tree, &key, page, rows); !found)
    return found.error();
  for (const lmdb_node& row : rows)
    if (row.key == key) {
      std::string value;
      if (!read_value(row, value))
        return damaged("a value lies beyond the end of the file");
      return std::optional<std::string>(std::move(value));
    }
  return std::optional<std::string>();
}

result<std::optional<std::string>>
lmdb_file::last_key(const lmdb_tree& tree) const {
  std::string page;
  std::vector<lmdb_node> rows;
  if (const auto found = descend(tree, nullptr, page, rows); !found)
    return found.error();
  return rows.empty()
           ? std::optional<std::string>()
           : std::optional<std::string>(std::string(rows.back().key));
}

bool is_unused_lmdb_file(const std::filesystem::path& path,
                         std::uint64_t txnid_max) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return errno == ENOENT;
  bool is_unused = true;
  // The page size is a power of two, and a damaged one is not trusted.
  for (std::uint64_t at = 0; at <= 65536; at = at == 0 ? 512 : 2 * at) {
    std::array<char, meta_end> head{};
    if (::pread(fd, head.data(), head.size(), static_cast<off_t>(at))
        != static_cast<ssize_t>(head.size()))
      break;
    const std::string_view bytes(head.data(), head.size());
    if (number_in<std::uint32_t>(bytes, magic_at) == meta_magic
        && number_in<std::uint64_t>(bytes, txnid_at) > txnid_max)
      is_unused = false;
  }
  ::close(fd);
  return is_unused;
}

// The next commit writes the same page, so the copy is the older state only
// until then. Two metas of a new file have the number 0.
bool restore_lmdb_meta(int file, std::uint64_t page_size, std::uint64_t txnid) {
  const std::uint64_t durable = txnid - 1;
  std::array<char, meta_end> head{};
  if (::pread(file, head.data(), head.size(),
              static_cast<off_t>(durable % 2 * page_size))
      != static_cast<ssize_t>(head.size()))
    return false;
  const std::string_view bytes(head.data(), head.size());
  if (number_in<std::uint32_t>(bytes, magic_at) != meta_magic
      || number_in<std::uint64_t>(bytes, txnid_at) != durable)
    return true;
  const std::uint64_t number = txnid % 2;
  const std::uint64_t before = durable == 0 ? 0 : durable - 1;
  std::memcpy(head.data() + number_at, &number, sizeof number);
  std::memcpy(head.data() + txnid_at, &before, sizeof before);
  return ::pwrite(file, head.data(), head.size(),
                  static_cast<off_t>(number * page_size))
           == static_cast<ssize_t>(head.size())
         && ::fdatasync(file) == 0;
}

bool lies_within_page(std::string_view bytes, std::size_t page_size) {
  // Byte offsets and values of the fields in the head of a page.
  constexpr std::size_t head_size = 16;
  constexpr std::size_t flags_at = 10;
  constexpr std::size_t count_at = 12; // Only in overflow pages.
  constexpr std::uint16_t overflow_flag = 0x04;
  const auto address = reinterpret_cast<std::uintptr_t>(bytes.data());
  const std::uintptr_t offset = address % page_size;
  if (offset + bytes.size() <= page_size)
    return true;
  const std::string_view page(bytes.data() - offset, head_size);
  return offset == head_size
         && number_in<std::uint16_t>(page, flags_at) == overflow_flag
         && bytes.size() + head_size
              <= std::size_t{number_in<std::uint32_t>(page, count_at)}
                   * page_size;
}

} // namespace perdura::persistence
