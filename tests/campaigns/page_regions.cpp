// SPDX-License-Identifier: Apache-2.0
#include "campaigns/page_regions.hpp"

#include "persistence/stores/lmdb_file.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

namespace perdura::tests {

using namespace persistence;

namespace {

constexpr std::size_t overflow_head_size = 16;
constexpr std::size_t meta_size = 152;

class region_walk {
public:
  region_walk(const lmdb_file& file, bool is_journal)
    : file_(file), page_size_(file.newest().page_size) {
    const lmdb_meta& meta = file.newest();
    used_.resize(meta.last_page + 1);
    used_[0] = used_[1] = true;
    for (const std::uint64_t begin : {std::uint64_t{0}, page_size_}) {
      add(page_role::meta, begin, meta_size);
      add(page_role::unused, begin + meta_size, page_size_ - meta_size);
    }
    walk(meta.free_pages, page_role::free_list, page_role::free_list);
    walk(meta.main,
         is_journal ? page_role::journal_record : page_role::leaf_structure,
         page_role::journal_record);
    for (std::uint64_t page = 2; page < used_.size(); ++page)
      if (!used_[page])
        add(page_role::unused, page * page_size_, page_size_);
  }

  std::vector<page_region> take() {
    return std::move(regions_);
  }

private:
  void add(page_role role, std::uint64_t offset, std::uint64_t size) {
    if (size > 0)
      regions_.push_back({role, offset, size});
  }

  void walk(const lmdb_tree& tree, page_role row, page_role value) {
    if (tree.root != lmdb_no_page)
      visit(tree, tree.root, 1, row, value);
  }

  void visit(const lmdb_tree& tree, std::uint64_t number, unsigned level,
             page_role row, page_role value) {
    std::string page;
    std::vector<lmdb_node> nodes;
    std::string defect;
    const bool is_leaf = level == tree.depth;
    used_.at(number) = true;
    if (!file_.read(number, 0, page_size_, page)
        || !parse_lmdb_page(
          page, number, is_leaf ? lmdb_page_kind::leaf : lmdb_page_kind::branch,
          nodes, defect))
      throw std::runtime_error("a sound page is damaged: " + defect);
    const std::uint64_t begin = number * page_size_;
    if (!is_leaf) {
      add_used(page_role::branch, page, begin, begin, begin + page_size_);
      for (const lmdb_node& node : nodes)
        visit(tree, node.child, level + 1, row, value);
      return;
    }
    // The bytes of rows; what lies between them is structure.
    std::vector<page_region> parts;
    for (const lmdb_node& node : nodes) {
      const auto part = [&](std::string_view bytes, page_role role) {
        if (!bytes.empty())
          parts.push_back(
            {role,
             begin + static_cast<std::uint64_t>(bytes.data() - page.data()),
             bytes.size()});
      };
      part(node.key, row);
      if (node.is_overflow) {
        visit_value(node, value);
      } else if (node.is_tree) {
        visit_table(node);
      } else {
        part(node.data, row);
      }
    }
    std::sort(parts.begin(), parts.end(),
              [](const auto& a, const auto& b) { return a.offset < b.offset; });
    std::uint64_t reached = begin;
    for (const page_region& each : parts) {
      add_used(page_role::leaf_structure, page, begin, reached, each.offset);
      regions_.push_back(each);
      reached = each.offset + each.size;
    }
    add_used(page_role::leaf_structure, page, begin, reached,
             begin + page_size_);
  }

  /// Adds the bytes of a page from `from` to `to`. The gap between the offsets
  /// and the rows is not used.
  void add_used(page_role role, const std::string& page, std::uint64_t begin,
                std::uint64_t from, std::uint64_t to) {
    std::uint16_t lower = 0;
    std::uint16_t upper = 0;
    std::memcpy(&lower, page.data() + 12, sizeof lower);
    std::memcpy(&upper, page.data() + 14, sizeof upper);
    if (from >= begin + upper || to <= begin + lower)
      return add(role, from, to - from);
    add(role, from, begin + lower - from);
    add(page_role::unused, begin + lower, std::uint64_t{upper} - lower);
    add(role, begin + upper, to - begin - upper);
  }

  void visit_value(const lmdb_node& node, page_role role) {
    std::uint64_t first = 0;
    std::memcpy(&first, node.data.data(), sizeof first);
    const std::uint64_t pages
      = (overflow_head_size - 1 + node.size) / page_size_ + 1;
    for (std::uint64_t i = 0; i < pages; ++i)
      used_.at(first + i) = true;
    const std::uint64_t begin = first * page_size_;
    add(page_role::overflow_head, begin, overflow_head_size);
    add(role, begin + overflow_head_size, node.size);
    add(page_role::unused, begin + overflow_head_size + node.size,
        pages * page_size_ - overflow_head_size - node.size);
  }

  void visit_table(const lmdb_node& node) {
    const std::string_view name = node.key;
    page_role row = page_role::hub_row;
    if (name == "instances")
      row = page_role::instance_row;
    else if (name == "due" || name == "activities" || name == "turns_due"
             || name == "by_created" || name == "by_status")
      row = page_role::index_row;
    walk(parse_lmdb_tree(node.data), row,
         row == page_role::instance_row ? page_role::instance_value : row);
  }

  const lmdb_file& file_;
  const std::uint64_t page_size_;
  std::vector<bool> used_;
  std::vector<page_region> regions_;
};

} // namespace

std::string_view name_of(page_role role) {
  static constexpr std::array<std::string_view, page_roles> names{
    "meta pages",      "branch pages",    "structure of leaf pages",
    "instance rows",   "index rows",      "hub and partition rows",
    "journal records", "heads of values", "large values of instances",
    "free lists",      "unused bytes",    "the file hub",
  };
  return names[static_cast<std::size_t>(role)];
}

std::vector<page_region> regions_of(const std::filesystem::path& file,
                                    bool is_journal) {
  const auto opened = lmdb_file::open(file).value();
  return region_walk(*opened, is_journal).take();
}

} // namespace perdura::tests
