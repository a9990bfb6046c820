// SPDX-License-Identifier: Apache-2.0
// Reading and formatting JSON text without a parser that changes numbers, and
// tables for the terminal.
#include "client/cli/json_view.hpp"
#include "client/cli/table.hpp"
#include "client/cli/text_width.hpp"

#include <boost/test/unit_test.hpp>

#include <sstream>
#include <string>

using namespace perdura::client;

BOOST_AUTO_TEST_SUITE(json_view)

BOOST_AUTO_TEST_CASE(members_and_items_keep_their_original_text) {
  const std::string text
    = R"({"a,b": [1, {"x": "}]"}], "n": 123456789012345678901, "s": "q\"\u00e9"})";
  BOOST_TEST(*json_member(text, "n") == "123456789012345678901");
  BOOST_TEST(*json_member(text, "a,b") == R"([1, {"x": "}]"}])");
  BOOST_TEST(!json_member(text, "x").has_value());
  BOOST_TEST(!json_member("[1]", "x").has_value());
  BOOST_TEST(json_unquoted(json_member(text, "s")) == "q\"é");
  const auto items = json_items(*json_member(text, "a,b"));
  BOOST_TEST(items.size() == 2U);
  BOOST_TEST(items[1] == R"({"x": "}]"})");
  BOOST_TEST(json_items("[]").empty());
  BOOST_TEST(json_items("{}").empty());
}

BOOST_AUTO_TEST_CASE(formatting_changes_only_white_space) {
  const std::string text = R"( { "b" : [ ] ,"a":[1,"x y"], "c": {} } )";
  BOOST_TEST(json_compact(text) == R"({"b":[],"a":[1,"x y"],"c":{}})");
  BOOST_TEST(json_pretty(text)
             == "{\n  \"b\": [],\n  \"a\": [\n    1,\n    \"x y\"\n  ],\n"
                "  \"c\": {}\n}");
  BOOST_TEST(json_pretty("7") == "7");
}

// Regression: text that is not JSON ended the process.
BOOST_AUTO_TEST_CASE(incomplete_json_is_not_an_error) {
  BOOST_TEST(json_member("{\"Running\":", "Running").value_or("") == "");
  BOOST_TEST(json_items("[}").size() <= 1U);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(terminal_tables)

// Control characters are replaced by "?".
BOOST_AUTO_TEST_CASE(columns_are_aligned_by_characters_not_bytes) {
  std::ostringstream out;
  print_table(out, {{"ID", "NAME"}, {"é", "a"}, {"three", "b\x1b[31m"}});
  BOOST_TEST(out.str() == "ID     NAME\né      a\nthree  b?[31m\n");
}

BOOST_AUTO_TEST_CASE(long_text_is_cut_between_characters) {
  BOOST_TEST(shortened("ééé", 3) == "ééé");
  BOOST_TEST(shortened("éééé", 3) == "éé…");
}

BOOST_AUTO_TEST_SUITE_END()
