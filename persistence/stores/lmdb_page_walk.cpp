// SPDX-License-Identifier: Apache-2.0
#include "persistence/stores/lmdb_page_walk.hpp"

#include <cstring>

namespace perdura::persistence {

namespace {

// The head of the first page of a value that has pages of its own.
constexpr std::size_t value_head = 16;
constexpr std::size_t value_number_at = 0;
constexpr std::size_t value_flags_at = 10;
constexpr std::size_t value_pages_at = 12;
constexpr std::uint16_t value_page = 0x04;

// A main tree with at most this many leaf pages is always read: it may contain
// the roots of the named tables.
constexpr std::uint64_t main_leaves_read_max = 64;

/// Reads a number in the byte order of the machine.
template <class T>
T read_number(std::string_view bytes, std::size_t offset) {
  T value{};
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

/// The kinds of trees: they differ in the order and the values of their rows.
enum class tree_kind : std::uint8_t { free_pages, main, table };

class page_walk {
public:
  page_walk(const lmdb_file& file, const lmdb_meta& meta, lmdb_walk_depth depth)
    : file_(file), meta_(meta), depth_(depth) {
    taken_.resize(meta.last_page + 1);
    taken_[0] = taken_[1] = true; // the meta pages
  }

  lmdb_walk_result run() {
    walk(meta_.free_pages, tree_kind::free_pages, "the lists of free pages");
    walk(meta_.main, tree_kind::main, "the main table");
    compare_sizes();
    return std::move(found_);
  }

private:
  /// The tree that is being walked.
  struct progress {
    const lmdb_tree& tree;
    tree_kind kind;
    std::string name;
    bool reads_leaves = true;
    lmdb_tree counted{};
    bool is_misordered = false; ///< See lmdb_walk_result::misordered.
  };

  /// The keys that a page may contain: at or after `from`, and before `to`.
  /// Null means no limit.
  struct key_range {
    const std::string* from = nullptr;
    const std::string* to = nullptr;
  };

  void defect(const std::string& sentence) {
    is_sound_ = false;
    if (found_.defects.size() < lmdb_defects_max)
      found_.defects.push_back(sentence + " (" + file_.path().string() + ")");
  }

  void page_defect(std::uint64_t number, const std::string& text) {
    defect("page " + std::to_string(number) + ": " + text);
  }

  /// Marks a page as used; false if it cannot be used.
  bool take(std::uint64_t number, const std::string& by) {
    if (number < 2 || number > meta_.last_page) {
      defect(by + " refers to page " + std::to_string(number)
             + ", which does not exist");
      return false;
    }
    if (taken_[number]) {
      page_defect(number, "it is used twice, also by " + by);
      return false;
    }
    taken_[number] = true;
    return true;
  }

  /// `table_name` is the key of a named table in the main table.
  void walk(const lmdb_tree& tree, tree_kind kind, const std::string& name,
            std::string_view table_name = {}) {
    progress p{tree, kind, name,
               kind != tree_kind::table || depth_ != lmdb_walk_depth::branches};
    if (kind == tree_kind::main && depth_ == lmdb_walk_depth::branches
        && tree.leaf_pages > main_leaves_read_max)
      p.reads_leaves = false;
    if (tree.root != lmdb_no_page)
      visit(p, tree.root, 1, {});
    if (p.is_misordered)
      found_.misordered.push_back(std::string(table_name));
    const lmdb_tree& counted = p.counted;
    overflow_pages_stored_ += tree.overflow_pages;
    if (counted.branch_pages != tree.branch_pages
        || counted.leaf_pages != tree.leaf_pages
        || (p.reads_leaves
            && (counted.overflow_pages != tree.overflow_pages
                || counted.entries != tree.entries)))
      defect("the numbers of pages and rows of " + name
             + " differ from those that are stored");
  }

  /// Visits a page and those below it. The root is at level 1.
  void visit(progress& p, std::uint64_t number, std::uint16_t level,
             key_range range) {
    if (!take(number, p.name))
      return;
    ++found_.pages_used;
    const bool is_leaf = level == p.tree.depth;
    ++(is_leaf ? p.counted.leaf_pages : p.counted.branch_pages);
    if (is_leaf && !p.reads_leaves && level > 1)
      return;
    std::string page;
    if (!file_.read(number, 0, meta_.page_size, page))
      return page_defect(number, "it lies beyond the end of the file");
    std::vector<lmdb_node> rows;
    std::string text;
    if (!parse_lmdb_page(
          page, number, is_leaf ? lmdb_page_kind::leaf : lmdb_page_kind::branch,
          rows, text))
      return page_defect(number, text);
    const bool checks_order = !is_leaf || p.kind != tree_kind::table
                              || depth_ == lmdb_walk_depth::everything;
    // The first key of a branch page is not used.
    for (std::size_t i = is_leaf ? 0 : 1; i < rows.size() && checks_order; ++i)
      if (!is_in_order(p.kind, rows, i, range, is_leaf))
        return page_defect(number, "its keys are not in order");
    if (is_leaf && !checks_order && is_misplaced(p.kind, rows, range))
      return page_defect(
        number, "several of its keys do not belong to it; a page above it is "
                "damaged");
    if (is_leaf && !checks_order && !p.is_misordered)
      for (std::size_t i = 0; i < rows.size() && !p.is_misordered; ++i)
        p.is_misordered = !is_in_order(p.kind, rows, i, range, true);
    if (is_leaf)
      return visit_rows(p, number, rows);
    std::vector<std::string> keys;
    std::vector<std::uint64_t> children;
    for (const lmdb_node& row : rows) {
      keys.emplace_back(row.key);
      children.push_back(row.child);
    }
    page = {}; // Only one page of each level is needed at a time.
    for (std::size_t i = 0; i < children.size(); ++i)
      visit(p, children[i], static_cast<std::uint16_t>(level + 1),
            {i == 0 ? range.from : &keys[i],
             i + 1 == keys.size() ? range.to : &keys[i + 1]});
  }

  static bool is_less(tree_kind kind, std::string_view a, std::string_view b) {
    if (kind != tree_kind::free_pages)
      return a < b;
    return read_number<std::uint64_t>(a, 0) < read_number<std::uint64_t>(b, 0);
  }

  static bool is_in_order(tree_kind kind, const std::vector<lmdb_node>& rows,
                          std::size_t i, key_range range, bool is_leaf) {
    const std::string_view key = rows[i].key;
    if (key.empty()
        || (kind == tree_kind::free_pages
            && key.size() != sizeof(std::uint64_t)))
      return false;
    if (i > (is_leaf ? 0U : 1U) && !is_less(kind, rows[i - 1].key, key))
      return false;
    return (range.from == nullptr || !is_less(kind, key, *range.from))
           && (range.to == nullptr || is_less(kind, key, *range.to));
  }

  /// True if more than one key of a leaf page lies outside of `range`, so that
  /// the range is wrong. If it is only one, that key may be the damaged one,
  /// which concerns one row.
  static bool is_misplaced(tree_kind kind, const std::vector<lmdb_node>& rows,
                           key_range range) {
    const std::size_t n = rows.size();
    return n > 1
           && ((range.from != nullptr && is_less(kind, rows[0].key, *range.from)
                && is_less(kind, rows[1].key, *range.from))
               || (range.to != nullptr
                   && !is_less(kind, rows[n - 1].key, *range.to)
                   && !is_less(kind, rows[n - 2].key, *range.to)));
  }

  void visit_rows(progress& p, std::uint64_t number,
                  const std::vector<lmdb_node>& rows) {
    for (const lmdb_node& row : rows) {
      ++p.counted.entries;
      if (row.is_tree && p.kind != tree_kind::main) {
        page_defect(number, "a row of " + p.name + " is a table");
        continue;
      }
      if (row.is_overflow && !visit_value(p, number, row))
        continue;
      if (row.is_tree)
        visit_table(number, row);
      else if (p.kind == tree_kind::free_pages)
        visit_free_list(number, row);
    }
  }

  /// Marks the pages of a value; false if they are damaged.
  bool visit_value(progress& p, std::uint64_t number, const lmdb_node& row) {
    const auto first = read_number<std::uint64_t>(row.data, 0);
    const std::uint64_t count
      = (value_head - 1 + std::uint64_t{row.size}) / meta_.page_size + 1;
    p.counted.overflow_pages += count;
    overflow_pages_read_ += count;
    std::string head;
    if (first > meta_.last_page || count > meta_.last_page - first + 1) {
      page_defect(number, "a value lies beyond the last page");
      return false;
    }
    for (std::uint64_t i = 0; i < count; ++i) {
      if (!take(first + i, "a value in page " + std::to_string(number)))
        return false;
      ++found_.pages_used;
    }
    if (!file_.read(first, 0, value_head, head)
        || read_number<std::uint64_t>(head, value_number_at) != first
        || read_number<std::uint16_t>(head, value_flags_at) != value_page
        || read_number<std::uint32_t>(head, value_pages_at) != count
        || file_.size() < first * meta_.page_size + value_head + row.size) {
      page_defect(first, "it is not the begin of a value");
      return false;
    }
    return true;
  }

  void visit_table(std::uint64_t number, const lmdb_node& row) {
    const lmdb_tree tree = parse_lmdb_tree(row.data);
    const std::string name = "table " + std::string(row.key);
    if (tree.flags != 0 || tree.depth > 32
        || (tree.root == lmdb_no_page) != (tree.depth == 0))
      return page_defect(number, "the root of " + name + " is not valid");
    walk(tree, tree_kind::table, name, row.key);
  }

  /// Marks the pages of one list: a count, then the numbers in falling order.
  /// The row can be longer than the list.
  void visit_free_list(std::uint64_t number, const lmdb_node& row) {
    std::string list;
    const auto txnid = read_number<std::uint64_t>(row.key, 0);
    if (txnid > meta_.txnid || row.size < sizeof(std::uint64_t)
        || row.size % sizeof(std::uint64_t) != 0
        || !file_.read_value(row, list))
      return page_defect(number, "a list of free pages is not valid");
    const auto count = read_number<std::uint64_t>(list, 0);
    if (count > list.size() / sizeof(std::uint64_t) - 1)
      return page_defect(number, "the size of a list of free pages is not "
                                 "valid");
    for (std::uint64_t i = 1; i <= count; ++i) {
      const auto page = read_number<std::uint64_t>(list, i * 8);
      if (i > 1 && page >= read_number<std::uint64_t>(list, (i - 1) * 8))
        return page_defect(number, "a list of free pages is not in order");
      if (!take(page,
                "the list of free pages in page " + std::to_string(number)))
        return;
      ++found_.pages_free;
    }
  }

  /// Each page is used or free. If leaf pages were not read, only the number
  /// of pages is known.
  void compare_sizes() {
    if (!is_sound_)
      return; // The pages below a damaged page are missing.
    std::uint64_t used = 2 + found_.pages_used + found_.pages_free;
    if (depth_ == lmdb_walk_depth::branches)
      used += overflow_pages_stored_ - overflow_pages_read_;
    if (used != meta_.last_page + 1)
      defect("of " + std::to_string(meta_.last_page + 1) + " pages, "
             + std::to_string(used) + " are used or free");
  }

  const lmdb_file& file_;
  const lmdb_meta& meta_;
  const lmdb_walk_depth depth_;
  std::vector<bool> taken_; ///< By page number: used or free.
  /// Pages of values: their number in the roots of all trees, and those that
  /// were read.
  std::uint64_t overflow_pages_stored_ = 0;
  std::uint64_t overflow_pages_read_ = 0;
  bool is_sound_ = true;
  lmdb_walk_result found_;
};

} // namespace

lmdb_walk_result walk_lmdb_pages(const lmdb_file& file, const lmdb_meta& meta,
                                 lmdb_walk_depth depth) {
  return page_walk(file, meta, depth).run();
}

} // namespace perdura::persistence
