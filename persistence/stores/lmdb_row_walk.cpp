// SPDX-License-Identifier: Apache-2.0
#include "persistence/stores/lmdb_row_walk.hpp"

#include <set>
#include <vector>

namespace perdura::persistence {

namespace {

class row_walk {
public:
  row_walk(const lmdb_file &file, const lmdb_tree &tree,
           const lmdb_row_visitor &visitor)
      : file_(file), tree_(tree), visitor_(visitor) {}

  void visit(std::uint64_t number, std::uint16_t level) {
    const auto defect = [&](const std::string &text) {
      visitor_.defect("page " + std::to_string(number) + " of " +
                      file_.path().string() + " cannot be read (" + text +
                      "); its rows are lost");
    };
    // A page that is used twice could make the walk endless.
    if (number < 2 || number > file_.newest().last_page ||
        !visited_.insert(number).second)
      return defect("a branch page refers to it wrongly");
    const bool is_leaf = level == tree_.depth;
    std::string page;
    std::vector<lmdb_node> nodes;
    std::string text = "it lies beyond the end of the file";
    if (!file_.read(number, 0, file_.newest().page_size, page) ||
        !parse_lmdb_page(page, number,
                         is_leaf ? lmdb_page_kind::leaf
                                 : lmdb_page_kind::branch,
                         nodes, text))
      return defect(text);
    for (const lmdb_node &node : nodes) {
      if (!is_leaf) {
        visit(node.child, static_cast<std::uint16_t>(level + 1));
        continue;
      }
      std::string value;
      if (node.is_tree || !file_.read_value(node, value))
        defect("the value of a row cannot be read");
      else
        visitor_.row(node.key, value);
    }
  }

private:
  const lmdb_file &file_;
  const lmdb_tree &tree_;
  const lmdb_row_visitor &visitor_;
  std::set<std::uint64_t> visited_;
};

} // namespace

void walk_lmdb_rows(const lmdb_file &file, const lmdb_tree &tree,
                    const lmdb_row_visitor &visitor) {
  if (tree.root != lmdb_no_page && tree.depth > 0)
    row_walk(file, tree, visitor).visit(tree.root, 1);
}

} // namespace perdura::persistence
