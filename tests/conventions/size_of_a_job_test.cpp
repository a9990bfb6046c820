// SPDX-License-Identifier: Apache-2.0
// A file of the product with many project includes, or a class with many data
// members, has more than one job. The exceptions are listed in tests/README.md.
#include "tests/conventions/source_tree.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::tests {

namespace {

constexpr std::size_t project_includes_max = 10;
constexpr std::size_t data_members_max = 15;
constexpr std::size_t exceptions_max = 8;
constexpr std::string_view list_heading
  = "## Files with more than 10 project includes or 15 members";

/// The headers of Perdura that the file includes. The header of the same name,
/// which a source must include, does not count.
std::size_t project_includes(const source_file& file) {
  static const std::regex include(
    "#include [<\"](?:perdura/)?((?:persistence|actors|cluster|client)/"
    "[^>\"]+)[>\"]");
  const std::string own = file.folder() + '/' + file.stem() + ".hpp";
  std::size_t count = 0;
  for (auto match
       = std::sregex_iterator(file.text.begin(), file.text.end(), include);
       match != std::sregex_iterator(); ++match)
    count += (*match)[1] != own ? 1U : 0U;
  return count;
}

/// A class and its data members whose names end in an underscore. Structs are
/// exempt: their fields are data for others, and the convention of the
/// underscore is one of private members.
struct counted_class {
  std::string name;
  std::size_t offset = 0;
  std::size_t data_members = 0;
};

/// Whether a declaration, without its initializer, declares a data member.
bool declares_member(const std::string& declaration) {
  static const std::regex other(
    R"(^\s*(?:(?:public|private|protected)\s*:\s*)*)"
    R"((?:using|friend|typedef|static|template|class|struct|enum)\b)");
  static const std::regex member(R"(\w_\s*(?:\[\w*\]\s*)?$)");
  return std::regex_search(declaration, member)
         && !std::regex_search(declaration, other);
}

/// Counts the members of the class whose body begins at `at` in the code, which
/// has neither comments nor literals.
std::size_t members_of_class(const std::string& code, std::size_t at) {
  std::size_t count = 0;
  std::string declaration; ///< Outside braces and before an initializer.
  bool is_initializer = false;
  int depth = 1;
  for (; at < code.size() && depth > 0; ++at) {
    const char c = code[at];
    if (c == '{') {
      ++depth;
    } else if (c == '}') {
      --depth;
      // The end of a function or of a nested class begins a declaration; the
      // end of an initializer does not.
      const std::size_t next = code.find_first_not_of(" \n", at + 1);
      if (depth == 1 && next != code.npos && code[next] != ';') {
        declaration.clear();
        is_initializer = false;
      }
    } else if (depth == 1 && c == ';') {
      count += declares_member(declaration) ? 1U : 0U;
      declaration.clear();
      is_initializer = false;
    } else if (depth == 1 && c == '=') {
      is_initializer = true;
    } else if (depth == 1 && !is_initializer) {
      declaration += c;
    }
  }
  return count;
}

std::vector<counted_class> classes_of(const source_file& file) {
  static const std::regex head(
    R"((enum\s+)?\bclass\s+(?:\[\[\w+\]\]\s*)?([\w:]+)(?:\s+final)?\s*(?::[^;{]*)?\{)");
  const std::string code = code_of(file.text, false);
  std::vector<counted_class> found;
  for (auto match = std::sregex_iterator(code.begin(), code.end(), head);
       match != std::sregex_iterator(); ++match) {
    if ((*match)[1].matched)
      continue;
    const auto begin = static_cast<std::size_t>(match->position());
    found.push_back(
      {(*match)[2], begin,
       members_of_class(code,
                        begin + static_cast<std::size_t>(match->length()))});
  }
  return found;
}

/// What makes the file larger than one job.
findings excesses_of(const source_file& file) {
  findings found;
  if (!file.is_code() || !file.in_layer())
    return found;
  if (const std::size_t count = project_includes(file);
      count > project_includes_max)
    found.push_back(file.path + ": " + std::to_string(count)
                    + " project includes");
  for (const counted_class& each : classes_of(file))
    if (each.data_members > data_members_max)
      found.push_back(place(file, each.offset) + each.name + " has "
                      + std::to_string(each.data_members) + " members");
  return found;
}

/// The first words of a file, up to its first include.
std::string head_of(const source_file& file) {
  std::string head = file.text.substr(0, file.text.find("\n#"));
  std::replace(head.begin(), head.end(), '\n', ' ');
  return std::regex_replace(head, std::regex(" */// *| *// *"), " ");
}

bool states_its_reason(const source_file& file) {
  return head_of(file).find("more than 10 project includes or 15 members")
         != std::string::npos;
}

/// The files in the table below the heading.
std::set<std::string> listed_files() {
  static const std::regex row(R"(\n\| `([^`]+)` \|)");
  std::set<std::string> listed;
  for (const source_file& file : text_files()) {
    if (file.path != "tests/README.md")
      continue;
    const std::size_t begin = file.text.find(list_heading);
    if (begin == file.text.npos)
      continue;
    const std::string table
      = file.text.substr(begin, file.text.find("\n## ", begin + 1) - begin);
    for (auto match = std::sregex_iterator(table.begin(), table.end(), row);
         match != std::sregex_iterator(); ++match)
      listed.insert((*match)[1]);
  }
  return listed;
}

findings files_have_one_job(const source_file& file) {
  static const std::set<std::string> listed = listed_files();
  return listed.contains(file.path) ? findings() : excesses_of(file);
}

std::string includes_of(std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i)
    text += "#include \"actors/a/b" + std::to_string(i) + ".hpp\"\n";
  return text;
}

std::string class_with(std::size_t count) {
  std::string text
    = "class a {\npublic:\n  int size() const {\n    return 1; }\n"
      "private:\n";
  for (std::size_t i = 0; i < count; ++i)
    text += "  int m" + std::to_string(i)
            + (i % 3 == 0   ? "_;\n"
               : i % 3 == 1 ? "_ = f(1);\n"
                            : "_{1, 2};\n");
  return text + "};\n";
}

} // namespace

BOOST_AUTO_TEST_SUITE(size_of_a_job)

BOOST_AUTO_TEST_CASE(files_and_classes_have_one_job) {
  check(
    files_have_one_job,
    {{"actors/a/c.cpp", includes_of(11)}, {"actors/a/c.hpp", class_with(16)}},
    {{"actors/a/c.cpp", "#include \"actors/a/c.hpp\"\n" + includes_of(10)},
     {"actors/a/c.hpp", class_with(15)},
     {"tests/a/c.cpp", includes_of(11)}},
    cpp_files());
}

BOOST_AUTO_TEST_CASE(the_exceptions_are_few_needed_and_explained) {
  const std::set<std::string> listed = listed_files();
  BOOST_TEST(!listed.empty());
  BOOST_TEST(listed.size() <= exceptions_max);
  std::set<std::string> seen;
  for (const source_file& file : cpp_files()) {
    if (!listed.contains(file.path))
      continue;
    seen.insert(file.path);
    BOOST_TEST(!excesses_of(file).empty(),
               file.path << " is listed, but has one job");
    BOOST_TEST(
      states_its_reason(file),
      file.path << ": its first comment does not say why it keeps more "
                   "than 10 project includes or 15 members");
  }
  BOOST_TEST(seen == listed, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
