// SPDX-License-Identifier: Apache-2.0
// Tables on a terminal and in a pipe: width, colours, order, ages, and the
// titles of watched lists.
#include "client/cli/instance_search.hpp"
#include "client/cli/since_time.hpp"
#include "client/cli/table.hpp"
#include "client/cli/text_width.hpp"
#include "tests/client/cli_fixture.hpp"
#include <perdura/client/api/orchestration_status.hpp>

#include <boost/test/unit_test.hpp>

#include <regex>
#include <sstream>

using namespace perdura::client;
using namespace perdura::tests;
using nlohmann::json;
using perdura::persistence::timestamp;

namespace {

std::vector<std::string> screen_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    lines.push_back(line);
  return lines;
}

std::string without_colors(const std::string& text) {
  return std::regex_replace(text, std::regex("\x1b\\[[0-9]*m"), "");
}

/// The first words of the lines below the titles.
std::vector<std::string> ids_in(const std::string& table) {
  std::vector<std::string> ids;
  for (const std::string& line : screen_lines(without_colors(table)))
    ids.push_back(line.substr(0, line.find(' ')));
  ids.erase(ids.begin());
  return ids;
}

/// The time that --since stands for, at one day after the epoch.
std::string since(const std::string& text) {
  const timestamp now{std::chrono::hours(24)};
  const auto found = parse_since(text, now);
  return found ? *found : "error";
}

} // namespace

BOOST_AUTO_TEST_SUITE(cli_text_width)

BOOST_AUTO_TEST_CASE(wide_and_combining_characters_have_their_columns) {
  BOOST_TEST(display_width("abc") == 3U);
  BOOST_TEST(display_width("é") == 1U);
  BOOST_TEST(display_width("e\u0301") == 1U);
  BOOST_TEST(display_width("東京") == 4U);
  BOOST_TEST(display_width("한국") == 4U);
  BOOST_TEST(display_width("\u1112\u1161\u11ab")
             == 2U); // One syllable in parts.
  BOOST_TEST(display_width("🚀") == 2U);
  BOOST_TEST(display_width("ｆｕｌｌ") == 8U);
  BOOST_TEST(display_width("a\u200bb") == 2U);
  BOOST_TEST(display_width("\xff\xfe") == 2U);
  BOOST_TEST(display_width("") == 0U);
}

BOOST_AUTO_TEST_CASE(a_text_is_cut_to_columns) {
  BOOST_TEST(shortened("東京都", 6) == "東京都");
  BOOST_TEST(shortened("東京都", 5) == "東京…");
  BOOST_TEST(shortened("東京都", 4) == "東…");
  BOOST_TEST(shortened("東京都", 1) == "…");
  BOOST_TEST(shortened("東京都", 0) == "");
  BOOST_TEST(shortened("e\u0301e\u0301e\u0301", 2) == "e\u0301…");
}

BOOST_AUTO_TEST_CASE(columns_are_aligned_by_the_width_of_their_characters) {
  std::ostringstream out;
  print_table(out, {{"ID", "NAME"}, {"東京", "a"}, {"e\u0301", "b"}});
  BOOST_TEST(out.str() == "ID    NAME\n東京  a\ne\u0301     b\n");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(cli_tables, cli_fixture)

BOOST_AUTO_TEST_CASE(a_table_fits_the_terminal_and_is_complete_in_a_pipe) {
  const std::string id = "order-" + std::string(100, 'x') + "東京";
  start("Approval", id);
  start("HelloSequence", "a");
  const std::string piped = perdura({"list"}).out;
  BOOST_TEST(piped.find(id) != std::string::npos);
  BOOST_TEST(piped.find('\x1b') == std::string::npos);
  for (const std::size_t columns : {200U, 120U, 80U, 40U, 20U, 5U}) {
    const std::string shown = perdura_on_screen({"list"}, {columns, 24}).out;
    BOOST_TEST(screen_lines(shown).size() == 3U);
    for (const std::string& line : screen_lines(without_colors(shown)))
      BOOST_TEST(display_width(line) <= columns, line);
    if (columns <= 120)
      BOOST_TEST(shown.find("…") != std::string::npos);
  }
  const std::string usual = perdura_on_screen({"list"}, {80, 24}).out;
  for (const char* text : {"ID", "NAME", "STATUS", "CREATED", "Running"})
    BOOST_TEST(usual.find(text) != std::string::npos, text);
}

BOOST_AUTO_TEST_CASE(other_tables_fit_the_terminal_too) {
  start("Echo", "a", '"' + std::string(300, 'x') + '"');
  ended("a");
  BOOST_TEST(perdura({"history", "a"}).out.find(std::string(300, 'x'))
             != std::string::npos);
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"history", "a"},
        {"history", "a", "--follow"},
        {"list", "--stuck"},
        {"cluster", "status"},
        {"paused"}}) {
    const std::string shown = perdura_on_screen(arguments, {60, 24}).out;
    for (const std::string& line : screen_lines(without_colors(shown)))
      BOOST_TEST(display_width(line) <= 60U, line);
  }
  // An output that a caller asks for by its ID is complete.
  BOOST_TEST(perdura_on_screen({"get", "a"}, {60, 24})
               .out_contains(std::string(300, 'x')));
}

BOOST_AUTO_TEST_CASE(a_status_has_its_colour_on_a_terminal_only) {
  perdura({"run", "Echo", "--id", "a"});
  perdura({"run", "Fails", "--id", "b"});
  const outcome shown = perdura_on_screen({"list"}, {100, 24});
  BOOST_TEST(shown.out_contains("\x1b[32mCompleted\x1b[0m"));
  BOOST_TEST(shown.out_contains("\x1b[31mFailed\x1b[0m"));
  BOOST_TEST(perdura_on_screen({"get", "b"}, {100, 24})
               .out_contains("Status   \x1b[31mFailed\x1b[0m\n"));
  BOOST_TEST(perdura_on_screen({"cluster", "status"}, {100, 24})
               .out_contains("\x1b[32mup\x1b[0m"));
  for (const char* format : {"json", "jsonl"})
    BOOST_TEST(!perdura_on_screen({"list", "-o", format}, {100, 24})
                  .out_contains("\x1b"));
  // An ID that equals a status has no colour.
  start("Echo", "Failed");
  const std::string row
    = perdura_on_screen({"list", "--prefix", "Failed"}, {100, 24}).out;
  BOOST_TEST(row.find("\nFailed  ") != std::string::npos);
}

// The other formats have the order of the HTTP API.
BOOST_AUTO_TEST_CASE(a_table_begins_with_the_newest_instance) {
  for (const char* id : {"b", "c", "a"})
    start("Approval", id);
  const std::vector<std::string> newest{"a", "c", "b"};
  BOOST_TEST(ids_in(perdura({"list"}).out) == newest,
             boost::test_tools::per_element());
  const outcome two = perdura({"list", "--top", "2"});
  BOOST_TEST(ids_in(two.out) == (std::vector<std::string>{"a", "c"}),
             boost::test_tools::per_element());
  BOOST_TEST(two.err_contains("There are more and older instances"));
  BOOST_TEST(perdura({"list", "--top", "3"}).err.empty());
  BOOST_TEST(ids_in(perdura({"list", "--top", "0"}).out) == newest,
             boost::test_tools::per_element());
  const json oldest
    = json::parse(perdura({"list", "--top", "2", "-o", "json"}).out);
  BOOST_TEST(oldest.at(0).at("instanceId") == "b");
  BOOST_TEST(oldest.at(1).at("instanceId") == "c");
}

// The HTTP API returns pages of at most 1,000 instances, the oldest first.
BOOST_AUTO_TEST_CASE(a_table_has_the_newest_of_several_pages) {
  std::string bindings = "[";
  for (int i = 0; i < 1000; ++i)
    bindings += std::string(i == 0 ? "" : ",")
                + R"({"FunctionName":"Approval","InstanceId":"old-)"
                + std::to_string(i) + R"("})";
  for (const char* prefix : {"", "er-"}) {
    std::string all = std::regex_replace(bindings, std::regex("old-"),
                                         std::string("old-") + prefix);
    BOOST_TEST(request("POST", "/orchestrators", all + ']').status == 202);
  }
  for (const char* id : {"x", "y", "z"})
    start("Approval", id);
  const outcome three = perdura({"list", "--top", "3"});
  BOOST_TEST(ids_in(three.out) == (std::vector<std::string>{"z", "y", "x"}),
             boost::test_tools::per_element());
  BOOST_TEST(three.err_contains("more and older"));
  BOOST_TEST(ids_in(perdura({"list"}).out).size() == 100U);
  const auto many = ids_in(perdura({"list", "--top", "1500"}).out);
  BOOST_TEST(many.size() == 1500U);
  BOOST_TEST(many.front() == "z");
  BOOST_TEST(ids_in(perdura({"list", "--top", "0"}).out).size() == 2003U);
  BOOST_TEST(ids_in(perdura({"list", "--top", "2003"}).out).size() == 2003U);
  BOOST_TEST(perdura({"count", "--prefix", "old-er-"}).out
             == "Running  1000\nTotal    1000\n");
}

BOOST_AUTO_TEST_CASE(an_age_or_a_time_restricts_the_time_of_creation) {
  start("Approval", "a");
  for (const char* age : {"1h", "30m", "2d", "90s", "1h30m", "1w", "1H"})
    BOOST_TEST(perdura({"list", "--since", age}).out_contains("a   Approval"),
               age);
  BOOST_TEST(!perdura({"list", "--since", "0s"}).out_contains("a   Approval"));
  BOOST_TEST(
    !perdura({"list", "--since", "2999-01-01"}).out_contains("a   Approval"));
  BOOST_TEST(perdura({"count", "--since", "1h"}).out
             == "Running  1\nTotal    1\n");
  BOOST_TEST(perdura({"count", "--since", "2999-01-01T00:00:00Z"}).out
             == "Total  0\n");
  BOOST_TEST(
    json::parse(
      perdura({"count", "--since", "1h", "--partial", "-o", "json"}).out)
    == json::parse(perdura({"count", "--partial", "-o", "json"}).out));
  BOOST_TEST(
    perdura({"terminate", "--since", "2999-01-01", "--yes"}).out_contains("0"));
  BOOST_TEST(perdura({"terminate", "--since", "1h", "--yes"}).out
             == "1 instance terminated.\n");
  ended("a");
  BOOST_TEST(perdura({"purge", "--since", "1h", "--yes"}).out
             == "1 instance purged.\n");
  for (const char* bad : {"", "1", "h", "1x", "-1h", "yesterday", "1h30"})
    BOOST_TEST(perdura({"list", "--since", bad}).code == 2, bad);
  BOOST_TEST(
    perdura({"list", "--since", "1h", "--created-from", "2020-01-01"}).code
    == 2);
}

BOOST_AUTO_TEST_CASE(ages_are_exact_and_end_at_the_epoch) {
  BOOST_TEST(since("1h") == "1970-01-01T23:00:00Z");
  BOOST_TEST(since("1h30m") == "1970-01-01T22:30:00Z");
  BOOST_TEST(since("90min") == "1970-01-01T22:30:00Z");
  BOOST_TEST(since("1d") == "1970-01-01T00:00:00Z");
  BOOST_TEST(since("99999999999999999999w") == "1970-01-01T00:00:00Z");
  BOOST_TEST(since("2026-11-30T10:00:00+01:00") == "2026-11-30T10:00:00+01:00");
  BOOST_TEST(since("1.5h") == "error");
}

BOOST_AUTO_TEST_SUITE_END()
