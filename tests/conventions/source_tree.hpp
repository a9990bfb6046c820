// SPDX-License-Identifier: Apache-2.0
/// The files of the source tree as text, for the tests that check conventions.
#pragma once

#include <cstddef>
#include <functional>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::tests {

/// The layers from the lowest to the highest.
extern const std::vector<std::string> layers;

/// A file of the source tree, or an example with which a rule is tested.
struct source_file {
  std::string path; ///< Relative to the root, e.g. "actors/partition/turn.hpp".
  std::string text;

  std::string layer() const; ///< The first folder, which may be no layer.
  std::string folder() const;
  std::string stem() const;
  bool is_header() const;
  bool is_code() const; ///< True for C++ files.
  bool is_document() const;
  bool in_layer() const;
};

/// One sentence for each place that breaks a rule: "path:line: …".
using findings = std::vector<std::string>;
using rule = std::function<findings(const source_file&)>;

/// All C++ files, sorted by path.
const std::vector<source_file>& cpp_files();

/// All files with text for people: C++, README and other documents, CMake,
/// scripts, configuration files, the OpenAPI description.
const std::vector<source_file>& text_files();

/// The headers that users may include. CMake derives the list from includes.
const std::set<std::string>& public_headers();

/// The text with its comments replaced by blanks. String literals are replaced,
/// too, unless `keep_literals` is set. Line numbers do not change.
std::string code_of(const std::string& text, bool keep_literals);

/// "path:line: " of an offset in the text of the file.
std::string place(const source_file& file, std::size_t offset);

/// One finding with the sentence for each match of the pattern in the code of
/// the file, without comments and string literals.
findings matches_in(const source_file& file, const std::regex& pattern,
                    const std::string& sentence);

/// A piece of a file that is text for people.
struct prose {
  enum class kind { comment, literal, document };
  kind from;
  std::size_t line; ///< Line of the first character, counted from 1.
  std::string text; ///< Without comment marks; line breaks are blanks.
};

/// Comments that stand on consecutive lines are one piece. In documents, each
/// paragraph, heading and table cell is one piece; code blocks are left out.
std::vector<prose> prose_of(const source_file& file);

/// Identifiers of a C++ file with the offsets where they begin.
struct identifier {
  std::size_t offset;
  std::string_view name;
};

std::vector<identifier> identifiers_of(const std::string& code);

/// Checks that the rule finds each violation, accepts each valid sample, and
/// finds nothing in `files`.
void check(const rule& obeyed, const std::vector<source_file>& violations,
           const std::vector<source_file>& valid,
           const std::vector<source_file>& files);

} // namespace perdura::tests
