// SPDX-License-Identifier: Apache-2.0
#include "tests/conventions/source_tree.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace perdura::tests {

namespace fs = std::filesystem;

const std::vector<std::string> layers
  = {"persistence", "actors", "cluster", "client"};

namespace {

const fs::path root = PERDURA_SOURCE_DIR;

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool has_text(const fs::path& path) {
  static const std::set<std::string> endings
    = {".cpp", ".hpp",  ".md",      ".txt",  ".cmake", ".in",
       ".mjs", ".toml", ".service", ".json", ".supp"};
  static const std::set<std::string> names
    = {"dev", "run", "Containerfile", ".clang-tidy", ".clang-format"};
  const std::string name = path.filename().string();
  if (name == "package-lock.json" || name == "baseline.json")
    return false; // written by programs
  return endings.contains(path.extension().string()) || names.contains(name);
}

void add_files(const fs::path& path, std::vector<source_file>& to) {
  if (fs::is_regular_file(path) && has_text(path))
    to.push_back(
      {path.lexically_relative(root).generic_string(), read_file(path)});
}

std::vector<source_file> read_tree() {
  std::vector<source_file> found;
  for (const char* top :
       {"persistence", "actors", "cluster", "client", "benchmarks", "tests",
        "configs", "cmake", ".ci", ".github"})
    for (const auto& entry : fs::recursive_directory_iterator(root / top)) {
      const std::string path = entry.path().generic_string();
      // Inputs of fuzzers and stored data are not text for people.
      if (path.find("/corpus/") == path.npos
          && path.find("/tests/golden/") == path.npos)
        add_files(entry.path(), found);
    }
  for (const char* name : {"README.md", "CMakeLists.txt", "CMakePresets.json",
                           "dev", ".clang-tidy", ".clang-format"})
    add_files(root / name, found);
  add_files(root / "tests/golden/README.md", found);
  std::sort(
    found.begin(), found.end(),
    [](const source_file& a, const source_file& b) { return a.path < b.path; });
  return found;
}

std::size_t line_of(std::string_view text, std::size_t offset) {
  return 1
         + static_cast<std::size_t>(std::count(
           text.begin(), text.begin() + static_cast<std::ptrdiff_t>(offset),
           '\n'));
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty()
         && std::isspace(static_cast<unsigned char>(text.front())))
    text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())))
    text.remove_suffix(1);
  return text;
}

/// Calls `visit` with each line and its number.
template <class Visit>
void for_each_line(std::string_view text, Visit visit) {
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    visit(++number, text.substr(0, end));
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
}

/// Collects lines into pieces; an empty line ends a piece.
class piece_builder {
public:
  piece_builder(prose::kind from, std::vector<prose>& to)
    : from_(from), to_(to) {}

  void add(std::size_t line, std::string_view text) {
    text = trimmed(text);
    if (text.empty()) {
      end();
      return;
    }
    if (piece_.empty())
      line_ = line;
    else
      piece_ += ' ';
    piece_ += text;
  }

  void end() {
    if (!piece_.empty())
      to_.push_back({from_, line_, piece_});
    piece_.clear();
  }

private:
  prose::kind from_;
  std::vector<prose>& to_;
  std::string piece_;
  std::size_t line_ = 0;
};

enum class token_kind { comment, literal };

/// Calls `visit(kind, from, to)` for each comment, and for the text between the
/// quotes of each literal, in C++ or JSON.
template <class Visit>
void for_each_token(const std::string& text, Visit visit) {
  const auto end_of = [&](std::string_view mark, std::size_t from) {
    const std::size_t at = text.find(mark, from);
    return at == text.npos ? text.size() : at + mark.size();
  };
  const auto follows_a_name = [&](std::size_t at) {
    return at > 0
           && std::isalnum(static_cast<unsigned char>(text[at - 1])) != 0;
  };
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i + 1;
    if (text.compare(i, 2, "//") == 0) {
      end = std::min(text.find('\n', i), text.size());
      visit(token_kind::comment, i, end);
    } else if (text.compare(i, 2, "/*") == 0) {
      end = end_of("*/", i + 2);
      visit(token_kind::comment, i, end);
    } else if (text.compare(i, 2, "R\"") == 0 && !follows_a_name(i)
               && text.find('(', i) != text.npos) {
      const std::size_t open = text.find('(', i);
      end = end_of(")" + text.substr(i + 2, open - i - 2) + "\"", open);
      visit(token_kind::literal, i + 2, end - 1);
    } else if (text[i] == '"' || (text[i] == '\'' && !follows_a_name(i))) {
      while (end < text.size() && text[end] != text[i] && text[end] != '\n')
        end += text[end] == '\\' ? 2 : 1;
      end = std::min(end, text.size());
      visit(token_kind::literal, i + 1, end);
      ++end;
    }
    i = end;
  }
}

/// Where the comment of a line begins, or npos. `code` is the same line without
/// comments.
std::size_t comment_begin(std::string_view line, std::string_view code,
                          std::string_view mark) {
  for (std::size_t at = line.find(mark); at != line.npos;
       at = line.find(mark, at + 1))
    if (code.substr(std::min(at, code.size()), mark.size()) != mark
        && (at == 0 || line[at - 1] == ' '))
      return at;
  return line.npos;
}

/// `code` is the text of the file without comments. If `code` is empty, every
/// `mark` at the beginning of a word begins a comment. A line that holds
/// nothing but a comment continues the comment of the line before.
void add_comments(const source_file& file, std::string_view code,
                  std::string_view mark, std::vector<prose>& to) {
  piece_builder builder(prose::kind::comment, to);
  std::size_t offset = 0;
  for_each_line(file.text, [&](std::size_t number, std::string_view line) {
    const std::size_t at = comment_begin(
      line, code.substr(std::min(offset, code.size()), line.size()), mark);
    offset += line.size() + 1;
    if (at == line.npos || !trimmed(line.substr(0, at)).empty())
      builder.end();
    if (at == line.npos)
      return;
    std::string_view text = line.substr(at);
    while (!text.empty()
           && (text.front() == mark.front() || text.front() == '<'))
      text.remove_prefix(1);
    builder.add(number, text);
  });
  builder.end();
}

/// Literals with nothing but white space between them are one text. Texts
/// without a blank are names, not prose.
void add_literals(const source_file& file, std::vector<prose>& to) {
  const std::string& text = file.text;
  std::string joined;
  std::size_t begin = 0;
  std::size_t end = 0;
  const auto finish = [&] {
    if (joined.find(' ') != joined.npos)
      to.push_back({prose::kind::literal, line_of(text, begin), joined});
    joined.clear();
  };
  for_each_token(text,
                 [&](token_kind kind, std::size_t from, std::size_t past) {
                   if (kind == token_kind::comment)
                     return;
                   const std::string between = text.substr(end, from - end);
                   if (between.find_first_not_of("\" \n") != between.npos)
                     finish();
                   if (joined.empty())
                     begin = from;
                   joined += text.substr(from, past - from);
                   end = past;
                 });
  finish();
}

void add_paragraphs(const source_file& file, std::vector<prose>& to) {
  piece_builder builder(prose::kind::document, to);
  bool is_code_block = false;
  for_each_line(file.text, [&](std::size_t number, std::string_view line) {
    const std::string_view text = trimmed(line);
    if (text.starts_with("```")) {
      is_code_block = !is_code_block;
      builder.end();
      return;
    }
    if (is_code_block)
      return;
    if (text.starts_with('#') || text.starts_with("- ")
        || text.starts_with("* "))
      builder.end();
    if (!text.starts_with('|')) {
      builder.add(number, text);
      if (text.starts_with('#'))
        builder.end();
      return;
    }
    std::string_view row = text;
    while (!row.empty()) {
      row.remove_prefix(1);
      const std::size_t bar = row.find('|');
      builder.add(number, row.substr(0, bar));
      builder.end();
      row.remove_prefix(bar == row.npos ? row.size() : bar);
    }
  });
  builder.end();
}

} // namespace

std::string source_file::layer() const {
  return path.substr(0, path.find('/'));
}

std::string source_file::folder() const {
  return fs::path(path).parent_path().generic_string();
}

std::string source_file::stem() const {
  return fs::path(path).stem().string();
}

bool source_file::is_header() const {
  return path.ends_with(".hpp");
}

bool source_file::is_code() const {
  return path.ends_with(".cpp") || is_header();
}

bool source_file::is_document() const {
  return path.ends_with(".md");
}

bool source_file::in_layer() const {
  return std::find(layers.begin(), layers.end(), layer()) != layers.end();
}

const std::vector<source_file>& text_files() {
  static const std::vector<source_file> all = read_tree();
  return all;
}

const std::vector<source_file>& cpp_files() {
  static const std::vector<source_file> all = [] {
    std::vector<source_file> found;
    std::copy_if(text_files().begin(), text_files().end(),
                 std::back_inserter(found),
                 [](const source_file& file) { return file.is_code(); });
    return found;
  }();
  return all;
}

const std::set<std::string>& public_headers() {
  static const std::set<std::string> all = [] {
    std::ifstream list(PERDURA_PUBLIC_HEADERS);
    std::set<std::string> found;
    for (std::string line; std::getline(list, line);)
      if (!line.empty())
        found.insert(line);
    return found;
  }();
  return all;
}

std::string code_of(const std::string& text, bool keep_literals) {
  std::string code = text;
  for_each_token(text, [&](token_kind kind, std::size_t from, std::size_t to) {
    if (kind == token_kind::comment || !keep_literals)
      for (std::size_t i = from; i < to; ++i)
        if (code[i] != '\n')
          code[i] = ' ';
  });
  return code;
}

std::string place(const source_file& file, std::size_t offset) {
  return file.path + ":" + std::to_string(line_of(file.text, offset)) + ": ";
}

findings matches_in(const source_file& file, const std::regex& pattern,
                    const std::string& sentence) {
  const std::string code = code_of(file.text, false);
  findings found;
  for (auto match = std::sregex_iterator(code.begin(), code.end(), pattern);
       match != std::sregex_iterator(); ++match)
    found.push_back(place(file, static_cast<std::size_t>(match->position()))
                    + sentence);
  return found;
}

std::vector<prose> prose_of(const source_file& file) {
  std::vector<prose> found;
  if (file.is_code()) {
    add_comments(file, code_of(file.text, true), "//", found);
    add_literals(file, found);
  } else if (file.is_document()) {
    add_paragraphs(file, found);
  } else if (file.path.ends_with(".json")) {
    add_literals(file, found);
  } else if (file.path.ends_with(".mjs")) {
    add_comments(file, code_of(file.text, true), "//", found);
  } else {
    add_comments(file, {}, "#", found);
  }
  return found;
}

std::vector<identifier> identifiers_of(const std::string& code) {
  std::vector<identifier> found;
  const auto is_part = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
  };
  for (std::size_t i = 0; i < code.size();) {
    if (!is_part(code[i])) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < code.size() && is_part(code[end]))
      ++end;
    if (std::isdigit(static_cast<unsigned char>(code[i])) == 0)
      found.push_back({i, std::string_view(code).substr(i, end - i)});
    i = end;
  }
  return found;
}

void check(const rule& obeyed, const std::vector<source_file>& violations,
           const std::vector<source_file>& valid,
           const std::vector<source_file>& files) {
  for (const source_file& file : violations)
    BOOST_TEST(!obeyed(file).empty(),
               "not found: " << file.path << ": " << file.text);
  for (const source_file& file : valid)
    BOOST_TEST(obeyed(file).empty(),
               "wrongly found: " << file.path << ": " << file.text);
  for (const source_file& file : files)
    for (const std::string& finding : obeyed(file))
      BOOST_ERROR(finding);
}

} // namespace perdura::tests
