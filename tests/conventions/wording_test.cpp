// SPDX-License-Identifier: Apache-2.0
// Refuses words that the project has retired, in identifiers, comments, string
// literals and documents, and sentences whose first word hides their subject.
#include "tests/conventions/source_tree.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::tests {

namespace {

/// Returns the words of the text in lower case, with one blank before and after
/// each word.
std::string as_words(std::string_view text) {
  std::string words = " ";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '\'' || c == '_')
      words += static_cast<char>(std::tolower(byte));
    else if (words.back() != ' ')
      words += ' ';
  }
  if (words.back() != ' ')
    words += ' ';
  return words;
}

bool has_words(const std::string& words, std::string_view phrase) {
  return words.find(' ' + std::string(phrase) + ' ') != std::string::npos;
}

/// A word or phrase that prose must not use, and its replacement.
struct retired_phrase {
  std::string_view phrase; ///< Lower case.
  std::string_view instead;
  /// Phrases in which `phrase` has its ordinary meaning.
  std::vector<std::string_view> allowed = {};
};

const std::vector<retired_phrase>& retired_phrases() {
  static const std::vector<retired_phrase> all = {
    {"house", "source tree, project"},
    {"room", "layer; for storage: space"},
    {"rooms", "layers"},
    {"door", "HTTP API, HTTP server, client API, endpoint"},
    {"doors", "HTTP API, HTTP server, client API, endpoint"},
    {"guest", "client, caller, unauthenticated peer"},
    {"guests", "clients, callers, unauthenticated peers"},
    {"stranger", "client, caller, unauthenticated peer"},
    {"strangers", "clients, callers, unauthenticated peers"},
    {"judge", "checker"},
    {"judges", "checks"},
    {"the law", "the durability rule"},
    {"downstairs", "lower layer"},
    {"upstairs", "higher layer"},
    {"desk", "volatile state"},
    {"desks", "volatile state"},
    {"whoever", "the caller, the client, the node that …"},
    {"nobody", "no caller, no node, no …"},
    {"somebody", "a caller, a client, a node"},
    {"knock", "probe"},
    {"knocks", "probes"},
    {"hang up", "close"},
    {"hangs up", "closes"},
    {"dial", "connect"},
    {"dials", "connects"},
    {"dialled", "connected"},
    {"twin", "in-memory implementation"},
    {"dearer", "more expensive"},
    {"moods", "run-to-run variance"},
    {"shown out", "closed, disconnected"},
    {"let in", "admitted"},
    {"lets in", "admits"},
    {"told", "notified, configured, informed", {}},
    {"in its right mind", "name the rule"},
    {"in his right mind", "name the rule"},
    {"innocent", "valid"},
    {"innocents", "valid samples"},
    {"bringing up", "flush"},
    {"goes on where it was", "continues where it was"},
    {"by itself gone", "name the rule"},
  };
  return all;
}

/// A part of an identifier, between underscores, that must not be used, and its
/// replacement.
struct retired_name {
  std::string_view part;
  std::string_view instead;
};

constexpr std::array retired_names{
  retired_name{"desk", "volatile_…"},
  retired_name{"hired", "workers"},
  retired_name{"hands", "assignments"},
  retired_name{"sit_down", "begin_run"},
  retired_name{"get_up", "end_run"},
  retired_name{"rouse", "wake"},
  retired_name{"is_near", "runs_inline"},
  retired_name{"seat", "worker"},
  retired_name{"seats", "workers"},
  retired_name{"sparing", "coalescing"},
  retired_name{"bringing_up", "views_flush"},
  retired_name{"bring_up", "flush, apply"},
  retired_name{"come_back", "recover"},
  retired_name{"settle", "persist"},
  retired_name{"sweep", "drop"},
  retired_name{"go_on", "continue"},
  retired_name{"take_over", "resume"},
  retired_name{"dial", "connect"},
  retired_name{"dial_again", "reconnect"},
  retired_name{"knock", "probe"},
  retired_name{"hang_up", "close"},
  retired_name{"open_ways", "connection_table"},
  retired_name{"not_yet", "awaiting_admission"},
  retired_name{"patient", "deferrable, handshake_aware"},
  retired_name{"claim", "token"},
  retired_name{"mended", "patched"},
  retired_name{"clean_session", "error_clearing_session"},
  retired_name{"question_fan", "scatter_gather_query"},
  retired_name{"ask_all", "query_all"},
  retired_name{"look_up", "find"},
  retired_name{"surroundings", "dependencies"},
  retired_name{"ledger", "journal"},
  retired_name{"twin", "in_memory"},
  retired_name{"steering", "terminal_escape"},
  retired_name{"house", "tree"},
  retired_name{"room", "layer"},
  retired_name{"rooms", "layers"},
  retired_name{"floor", "layer"},
  retired_name{"door", "http, endpoint"},
  retired_name{"doors", "http, endpoints"},
  retired_name{"guest", "client"},
  retired_name{"stranger", "unauthenticated_client"},
  retired_name{"judge", "checker"},
  retired_name{"law", "rule"},
  retired_name{"nobody", "no_…"},
  retired_name{"whoever", "caller"},
};

/// Identifiers that are allowed although they contain a retired part.
bool is_foreign_name(std::string_view name) {
  static const std::array<std::string_view, 2> allowed{
    "floor",       // std::floor
    "door_config", // exported until the next release
  };
  return std::find(allowed.begin(), allowed.end(), name) != allowed.end();
}

/// The words with which no sentence begins: they hide its subject.
constexpr std::array<std::string_view, 9> first_words{
  "Who",    "Whoever",  "Whose", "Whom", "Whatever",
  "Nobody", "Somebody", "Of",    "What"};

bool begins_with_word(std::string_view text, std::string_view word) {
  return text.starts_with(word)
         && (text.size() == word.size()
             || std::isalnum(static_cast<unsigned char>(text[word.size()]))
                  == 0);
}

/// A question may begin with such a word.
bool is_question(std::string_view sentence) {
  const std::size_t end = sentence.find_first_of(".?;:");
  return end != sentence.npos && sentence[end] == '?';
}

/// The sentences of a text. Each result begins with a sentence and extends to
/// the end of the text.
std::vector<std::string_view> sentences_of(std::string_view text) {
  std::vector<std::string_view> found;
  // Skips the marks of headings, lists and emphasis.
  const auto skip_marks = [](std::string_view from) {
    while (!from.empty()
           && std::string_view("#-*_`\"( ").find(from.front()) != from.npos)
      from.remove_prefix(1);
    return from;
  };
  found.push_back(skip_marks(text));
  for (std::size_t at = text.find_first_of(".!?"); at != text.npos;
       at = text.find_first_of(".!?", at + 1))
    if (at + 1 < text.size() && text[at + 1] == ' ')
      found.push_back(skip_marks(text.substr(at + 2)));
  return found;
}

/// The tests of the conventions contain the retired words themselves.
bool may_use_retired_words(const source_file& file) {
  return file.path.starts_with("tests/conventions/");
}

std::string at_line(const source_file& file, std::size_t line) {
  return file.path + ":" + std::to_string(line) + ": ";
}

findings prose_uses_no_retired_words(const source_file& file) {
  findings found;
  for (const prose& piece : prose_of(file)) {
    std::string words = as_words(piece.text);
    for (const retired_phrase& each : retired_phrases()) {
      std::string rest = words;
      for (const std::string_view allowed : each.allowed)
        for (std::size_t at; (at = rest.find(allowed)) != rest.npos;)
          rest.erase(at, allowed.size());
      if (has_words(rest, each.phrase))
        found.push_back(at_line(file, piece.line) + "\""
                        + std::string(each.phrase) + "\": write "
                        + std::string(each.instead) + " ["
                        + piece.text.substr(0, 120) + "]");
    }
  }
  return found;
}

findings sentences_name_their_subject(const source_file& file) {
  findings found;
  for (const prose& piece : prose_of(file)) {
    if (piece.from == prose::kind::literal)
      continue;
    for (const std::string_view sentence : sentences_of(piece.text))
      for (const std::string_view word : first_words)
        if (begins_with_word(sentence, word) && !is_question(sentence))
          found.push_back(at_line(file, piece.line)
                          + "a sentence begins with \"" + std::string(word)
                          + "\": " + std::string(sentence.substr(0, 70)));
  }
  return found;
}

findings identifiers_use_no_retired_names(const source_file& file) {
  findings found;
  if (!file.is_code())
    return found;
  const std::string code = code_of(file.text, false);
  for (const identifier& each : identifiers_of(code)) {
    if (is_foreign_name(each.name))
      continue;
    const std::string name = '_' + std::string(each.name) + '_';
    for (const retired_name& retired : retired_names)
      if (name.find('_' + std::string(retired.part) + '_') != name.npos)
        found.push_back(place(file, each.offset) + std::string(each.name)
                        + ": write " + std::string(retired.instead));
  }
  return found;
}

/// Files whose words are checked.
std::vector<source_file> checked_files() {
  std::vector<source_file> files;
  std::copy_if(
    text_files().begin(), text_files().end(), std::back_inserter(files),
    [](const source_file& file) { return !may_use_retired_words(file); });
  return files;
}

} // namespace

BOOST_AUTO_TEST_SUITE(wording)

BOOST_AUTO_TEST_CASE(prose_is_found_in_comments_literals_and_documents) {
  const source_file code{"actors/a.cpp",
                         "/// One line,\n/// and two.\nint a; ///< A comment\n"
                         "       ///< that goes on.\nauto b = \"a text\"\n"
                         "  \" in two parts\"; // no code\n"};
  std::vector<std::string> texts;
  for (const prose& piece : prose_of(code))
    texts.push_back(std::to_string(piece.line) + " " + piece.text);
  BOOST_TEST((texts
              == std::vector<std::string>{
                "1 One line, and two.", "3 A comment that goes on.",
                "6 no code", "5 a text in two parts"}));
  const source_file document{
    "README.md", "# A heading\nA text\nof two lines.\n\n```sh\na # b\n```\n"
                 "| a cell | another |\n- an item\n"};
  texts.clear();
  for (const prose& piece : prose_of(document))
    texts.push_back(std::to_string(piece.line) + " " + piece.text);
  BOOST_TEST(
    (texts
     == std::vector<std::string>{"1 # A heading", "2 A text of two lines.",
                                 "8 a cell", "8 another", "9 - an item"}));
}

BOOST_AUTO_TEST_CASE(prose_avoids_retired_words) {
  check(prose_uses_no_retired_words,
        {{"actors/a.hpp", "/// What the doors take.\n"},
         {"actors/a.cpp", "// A guest is\n// shown out.\n"},
         {"actors/a.cpp", "throw error(\"the stranger has no key\");\n"},
         {"README.md", "The house of four rooms.\n"},
         {"dev", "x=1 # nobody reads it\n"},
         {"client/http/openapi.json", "{\"description\": \"For all doors.\"}"}},
        {{"actors/a.cpp", "auto x = std::floor(y); // rounds down\n"},
         {"actors/a.cpp", "int rooms = 1;\n"},
         {"README.md", "```sh\nnobody\n```\n"}},
        checked_files());
}

BOOST_AUTO_TEST_CASE(sentences_begin_with_their_subject) {
  check(sentences_name_their_subject,
        {{"actors/a.hpp", "/// What a node does.\n"},
         {"actors/a.hpp", "/// It waits. Whoever comes is answered.\n"},
         {"README.md", "## Who may come in\n"},
         {"README.md", "| Of one request | 1 |\n"}},
        {{"actors/a.hpp", "/// The node runs. It stops.\n"},
         {"README.md", "What does an instance wait for? The timer.\n"},
         {"actors/a.cpp", "auto x = \"Who\";\n"}},
        checked_files());
}

BOOST_AUTO_TEST_CASE(identifiers_avoid_retired_names) {
  check(identifiers_use_no_retired_names,
        {{"actors/a.cpp", "int desk_ = 0;\n"},
         {"actors/a.cpp", "void dial_again();\n"},
         {"actors/a.hpp", "struct door_options;\n"}},
        {{"actors/a.cpp", "auto x = std::floor(y);\n"},
         {"actors/a.cpp", "int indoor = fanout + clearly;\n"}},
        checked_files());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
