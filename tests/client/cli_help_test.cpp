// SPDX-License-Identifier: Apache-2.0
// Help texts of the command line. The verbs are read from the completion
// script, which is generated from the parser, so that new verbs are tested,
// too.
#include "client/cli/command_options.hpp"
#include "client/cli/help_formatter.hpp"
#include "client/cli/verb_suggestion.hpp"
#include "persistence/records/text.hpp"
#include "tests/client/command_line_runner.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

using namespace perdura::client;
using namespace perdura::tests;
namespace persistence = perdura::persistence;

namespace {

using arguments = std::vector<std::string>;

constexpr std::size_t columns_max = 80;

/// The paths of all help texts: the empty path for the program, and one path
/// for every verb, every verb below a verb, and every alias. An example is
/// {"cluster", "up"}.
std::vector<arguments> all_verb_paths() {
  const std::string script = run_perdura({"completions", "bash"}).out;
  const std::regex entry("\n    \"([a-z -]*)\"\\) choices=");
  std::vector<arguments> paths;
  for (auto match = std::sregex_iterator(script.begin(), script.end(), entry);
       match != std::sregex_iterator(); ++match) {
    std::istringstream words((*match)[1]);
    arguments& path = paths.emplace_back();
    for (std::string word; words >> word;)
      path.push_back(word);
  }
  return paths;
}

std::string words_of(const arguments& words) {
  std::string all = "perdura";
  for (const std::string& each : words)
    all += ' ' + each;
  return all;
}

std::string help_of(arguments path) {
  path.push_back("--help");
  return run_perdura(path).out;
}

/// The number of characters in `line`, which must be well-formed UTF-8.
std::size_t width_of(const std::string& line) {
  return static_cast<std::size_t>(
    std::count_if(line.begin(), line.end(), [](char c) {
      return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
    }));
}

enum class color : std::uint8_t { red, green, blue };

} // namespace

BOOST_AUTO_TEST_SUITE(cli_help)

BOOST_AUTO_TEST_CASE(every_verb_is_found) {
  const auto paths = all_verb_paths();
  BOOST_TEST(paths.size() >= 28U);
  for (const arguments& path :
       {arguments{}, arguments{"cluster"}, arguments{"cluster", "status"},
        arguments{"config", "show"}, arguments{"get"}, arguments{"describe"},
        arguments{"bench"}, arguments{"completions"}})
    BOOST_TEST(std::count(paths.begin(), paths.end(), path) == 1,
               words_of(path));
}

// Regression: the names of output formats were printed as control characters.
BOOST_AUTO_TEST_CASE(help_holds_only_printable_characters_and_line_ends) {
  for (const arguments& path : all_verb_paths()) {
    const std::string help = help_of(path);
    BOOST_TEST(help.ends_with('\n'), words_of(path));
    std::istringstream lines(help);
    for (std::string line; std::getline(lines, line);) {
      BOOST_TEST(persistence::is_utf8(line), words_of(path) << ": " << line);
      BOOST_TEST(persistence::without_terminal_escapes(line) == line,
                 words_of(path) << ": " << line);
    }
  }
}

BOOST_AUTO_TEST_CASE(help_lines_have_at_most_80_columns) {
  for (const arguments& path : all_verb_paths()) {
    std::istringstream lines(help_of(path));
    for (std::string line; std::getline(lines, line);)
      BOOST_TEST(width_of(line) <= columns_max, words_of(path) << ": " << line);
  }
}

// The option --help can stand before, between or after the verbs. It also works
// if an argument that the verb requires is missing.
BOOST_AUTO_TEST_CASE(help_option_works_before_and_after_every_verb) {
  for (const arguments& path : all_verb_paths()) {
    const std::string help = help_of(path);
    for (const char* option : {"--help", "-h"})
      for (std::size_t at = 0; at <= path.size(); ++at) {
        arguments typed = path;
        typed.insert(typed.begin() + static_cast<std::ptrdiff_t>(at), option);
        const outcome shown = run_perdura(typed);
        BOOST_TEST(shown.code == 0, words_of(typed));
        BOOST_TEST(shown.err.empty(), words_of(typed));
        BOOST_TEST(shown.out == help, words_of(typed));
      }
  }
}

BOOST_AUTO_TEST_CASE(help_option_works_between_other_arguments) {
  const std::vector<arguments> command_lines = {
    {"get", "--help", "a"},
    {"get", "a", "--help"},
    {"list", "--help", "--top", "3"},
    {"list", "--top", "3", "--help"},
    {"start", "Echo", "--help", "--id", "a"},
    {"terminate", "--status", "Running", "--help"},
    {"bench", "hello", "--help", "--rate", "10"},
    {"--url", "http://127.0.0.1:1", "list", "--help"},
    {"--url", "http://127.0.0.1:1", "--help", "list"},
    {"list", "--help", "--url", "http://127.0.0.1:1"},
    {"-o", "json", "count", "--help"},
  };
  for (const arguments& typed : command_lines) {
    const outcome shown = run_perdura(typed);
    BOOST_TEST(shown.code == 0, words_of(typed));
    BOOST_TEST(shown.err.empty(), words_of(typed));
    BOOST_TEST(shown.out_contains("\nUsage: perdura "), words_of(typed));
  }
}

BOOST_AUTO_TEST_CASE(unknown_output_format_is_refused_with_the_allowed_ones) {
  const std::vector<arguments> command_lines = {
    {"list", "-o", "xml"},
    {"list", "--output", "xml"},
    {"list", "--output=xml"},
    {"-o", "xml", "list"},
    {"cluster", "status", "-o", "xml"},
  };
  for (const arguments& typed : command_lines) {
    const outcome refused = run_perdura(typed);
    BOOST_TEST(refused.code == 2, words_of(typed));
    BOOST_TEST(refused.out.empty(), words_of(typed));
    BOOST_TEST(refused.err_contains(
                 "--output: must be table, json or jsonl, not \"xml\""),
               words_of(typed) << ": " << refused.err);
  }
}

// Regression: "A subcommand is required".
BOOST_AUTO_TEST_CASE(missing_verb_shows_the_help) {
  for (const arguments& path :
       {arguments{}, arguments{"cluster"}, arguments{"config"},
        arguments{"tls"}, arguments{"hub"}}) {
    const outcome shown = run_perdura(path);
    BOOST_TEST(shown.code == 2, words_of(path));
    BOOST_TEST(shown.out == help_of(path), words_of(path));
    BOOST_TEST(shown.err.empty(), words_of(path));
  }
  BOOST_TEST(run_perdura({"--url", "http://127.0.0.1:1"}).out == help_of({}));
}

BOOST_AUTO_TEST_CASE(unknown_verb_is_refused_with_the_nearest_one) {
  const std::vector<std::pair<arguments, std::string>> command_lines = {
    {{"strat"}, "start"},
    {{"strat", "Echo", "--id", "a"}, "start"},
    {{"--url", "http://127.0.0.1:1", "lst"}, "list"},
    {{"--url=http://127.0.0.1:1", "lits", "--top", "3"}, "list"},
    {{"-o", "json", "desribe", "a"}, "describe"},
    {{"rase-event", "a", "Go"}, "raise-event"},
    {{"cluster", "stauts"}, "status"},
    {{"config", "valdate", "x"}, "validate"},
  };
  for (const auto& [typed, meant] : command_lines) {
    const outcome refused = run_perdura(typed);
    BOOST_TEST(refused.code == 2, words_of(typed));
    BOOST_TEST(refused.out.empty(), words_of(typed));
    BOOST_TEST(refused.err_contains("Did you mean \"" + meant + "\"?"),
               words_of(typed) << ": " << refused.err);
  }
  const outcome far = run_perdura({"xyzzy"});
  BOOST_TEST(far.err_contains("There is no verb \"xyzzy\"."));
  BOOST_TEST(!far.err_contains("Did you mean"));
}

BOOST_AUTO_TEST_CASE(output_format_may_have_capitals) {
  BOOST_TEST(run_perdura({"config", "show", "-o", "JSON"}).out
             == run_perdura({"config", "show", "-o", "json"}).out);
}

BOOST_AUTO_TEST_CASE(choice_is_replaced_by_its_number) {
  const CLI::Validator exact = one_of<color>(
    {{"red", color::red}, {"green", color::green}, {"blue", color::blue}},
    false);
  std::string text = "blue";
  BOOST_TEST(exact(text) == "");
  BOOST_TEST(text == "2");
  text = "Blue";
  BOOST_TEST(exact(text) == "must be red, green or blue, not \"Blue\"");
  BOOST_TEST(text == "Blue");
  const CLI::Validator any_case
    = one_of<color>({{"red", color::red}, {"blue", color::blue}}, true);
  BOOST_TEST(any_case(text) == "");
  BOOST_TEST(text == "2");
  text = "";
  BOOST_TEST(any_case(text) == "must be red or blue, not \"\"");
}

BOOST_AUTO_TEST_CASE(nearest_name_differs_in_few_letters) {
  const std::vector<std::string> names{"start", "list", "get", "restart"};
  for (const auto& [typed, meant] :
       std::vector<std::pair<std::string, std::string>>{{"strat", "start"},
                                                        {"tsart", "start"},
                                                        {"sart", "start"},
                                                        {"starts", "start"},
                                                        {"lust", "list"},
                                                        {"gte", "get"},
                                                        {"gt", "get"},
                                                        {"rsetart", "restart"},
                                                        {"", ""},
                                                        {"help", ""},
                                                        {"startrestart", ""}})
    BOOST_TEST(nearest_name(typed, names) == meant, typed);
  BOOST_TEST(nearest_name("start", {}) == "");
}

BOOST_AUTO_TEST_CASE(empty_text_is_refused) {
  std::string text;
  BOOST_TEST(not_empty()(text) == "must not be empty");
  text = " ";
  BOOST_TEST(not_empty()(text) == "");
}

BOOST_AUTO_TEST_CASE(text_is_wrapped_between_words) {
  BOOST_TEST(wrapped("", 10) == "");
  BOOST_TEST(wrapped("one two", 7) == "one two");
  BOOST_TEST(wrapped("one two three", 7) == "one two\nthree");
  BOOST_TEST(wrapped("one  two", 10) == "one two");
}

BOOST_AUTO_TEST_CASE(word_longer_than_the_line_stays_whole) {
  BOOST_TEST(wrapped("a /long/path b", 5) == "a\n/long/path\nb");
  BOOST_TEST(wrapped("/long/path", 5) == "/long/path");
}

BOOST_AUTO_TEST_CASE(line_ends_and_indentation_are_kept) {
  BOOST_TEST(wrapped("a\n\nb\n", 10) == "a\n\nb\n");
  BOOST_TEST(wrapped("names:\n  one: some words", 12)
             == "names:\n  one: some\n    words");
}

BOOST_AUTO_TEST_SUITE_END()
