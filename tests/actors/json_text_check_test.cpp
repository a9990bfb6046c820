#include "actors/authoring/json_text_check.hpp"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <simdjson.h>

#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

using perdura::actors::check_json;
using perdura::actors::json_bytes_max;
using perdura::actors::json_string;
using perdura::persistence::errc;

bool taken(std::string_view text) {
  return static_cast<bool>(check_json(text));
}

std::string nested(std::size_t levels) {
  std::string text;
  for (std::size_t i = 0; i < levels; ++i)
    text += i % 2 == 0 ? "[" : R"({"a":)";
  text += "1";
  for (std::size_t i = levels; i-- > 0;)
    text += i % 2 == 0 ? "]" : "}";
  return text;
}

/// No verdict if a number is beyond a double: both stop reading there.
std::optional<bool> nlohmann_reads(const std::string& text) {
  try {
    return !nlohmann::json::parse(text).is_discarded();
  } catch (const nlohmann::json::parse_error&) {
    return false;
  } catch (const nlohmann::json::out_of_range&) {
    return std::nullopt;
  }
}

std::optional<bool> simdjson_reads(simdjson::dom::parser& parser,
                                   const std::string& text) {
  const auto verdict = parser.parse(text).error();
  if (verdict == simdjson::NUMBER_ERROR)
    return std::nullopt;
  return verdict == simdjson::SUCCESS;
}

} // namespace

BOOST_AUTO_TEST_SUITE(json_text_check)

BOOST_AUTO_TEST_CASE(whole_values_of_every_kind_are_taken) {
  const std::vector<std::string> texts
    = {"null",
       "true",
       "false",
       "0",
       "-0",
       "7",
       "-1.5e+10",
       "0e1",
       "1E-2",
       R"("")",
       R"("a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00")",
       "\"\x7F\"",
       "\"gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80\"",
       "[]",
       "{}",
       " \t\r\n[ 1 , [ ] , { } ] \n",
       R"({"a":{"b":[1,2,{"c":null}]}})",
       R"({"":0})"};
  for (const std::string& text : texts)
    BOOST_TEST(taken(text), text << ": " << check_json(text).error().message);
}

BOOST_AUTO_TEST_CASE(what_is_not_one_whole_value_is_refused) {
  const std::vector<std::string> texts = {"",
                                          " ",
                                          "nul",
                                          "nulll",
                                          "True",
                                          "NaN",
                                          "Infinity",
                                          "-",
                                          "+1",
                                          "01",
                                          "-01",
                                          "1.",
                                          ".5",
                                          "1e",
                                          "1e+",
                                          "0x1",
                                          "1 2",
                                          "\"",
                                          "\"a",
                                          "'a'",
                                          "\"\\x\"",
                                          "\"\\",
                                          "\"\\u12g4\"",
                                          "\"\\u12\"",
                                          "\"a\nb\"",
                                          "[",
                                          "]",
                                          "[1",
                                          "[1,",
                                          "[1,]",
                                          "[,1]",
                                          "[1 2]",
                                          "{",
                                          "}",
                                          "{\"a\"}",
                                          "{\"a\":}",
                                          "{\"a\":1,}",
                                          "{\"a\":1 \"b\":2}",
                                          "{a:1}",
                                          "{1:1}",
                                          "[}",
                                          "{]",
                                          "[1}",
                                          "{\"a\":1]",
                                          "[]]",
                                          "{}{}",
                                          "// c\n1",
                                          "1 // c",
                                          std::string("1\0", 2),
                                          std::string("\0", 1),
                                          std::string("[1\0]", 4)};
  for (const std::string& text : texts)
    BOOST_TEST((check_json(text).code() == errc::invalid_json), text);
}

BOOST_AUTO_TEST_CASE(the_refusal_names_the_place_and_what_was_expected) {
  BOOST_TEST(check_json(R"({"a" 1})").error().message
             == "invalid JSON at byte 5: expected ':'");
  BOOST_TEST(check_json("[1, 2").error().message
             == "invalid JSON at byte 5: expected ',' or ']'");
  BOOST_TEST(check_json("\"ab\xFF\"").error().message
             == "invalid JSON at byte 3: expected UTF-8");
}

// Payloads are kept verbatim: nobody here computes with them.
BOOST_AUTO_TEST_CASE(numbers_of_any_size_are_taken) {
  BOOST_TEST(taken("123456789012345678901234567890"));
  BOOST_TEST(taken("-18446744073709551616"));
  BOOST_TEST(taken("1e400"));
  BOOST_TEST(taken("1e-99999"));
  BOOST_TEST(taken("0." + std::string(5000, '3')));
}

BOOST_AUTO_TEST_CASE(names_may_repeat) {
  BOOST_TEST(taken(R"({"a":1,"a":2})"));
}

BOOST_AUTO_TEST_CASE(half_of_a_surrogate_pair_is_refused) {
  BOOST_TEST(!taken(R"("\ud83d")"));
  BOOST_TEST(!taken(R"("\ude00")"));
  BOOST_TEST(!taken(R"("\ud83d\u0041")"));
  BOOST_TEST(!taken(R"("\ud83dx")"));
}

BOOST_AUTO_TEST_CASE(bytes_that_are_not_utf8_are_refused) {
  const std::vector<std::string> sequences = {"\x80",
                                              "\xC3",
                                              "\xC0\xAF",
                                              "\xE0\x80\x80",
                                              "\xED\xA0\x80",
                                              "\xF0\x80\x80\x80",
                                              "\xF4\x90\x80\x80",
                                              "\xFF",
                                              "\xE2\x82"};
  for (const std::string& sequence : sequences)
    BOOST_TEST((check_json('"' + sequence + '"').code() == errc::invalid_json));
  BOOST_TEST(!taken("\xEF\xBB\xBF{}")); // a byte order mark
}

BOOST_AUTO_TEST_CASE(nesting_ends_at_the_limit) {
  BOOST_TEST(taken(nested(64)));
  BOOST_TEST((check_json(nested(65)).code() == errc::json_too_deep));
  BOOST_TEST(
    (check_json(std::string(100'000, '[')).code() == errc::json_too_deep));
  BOOST_TEST(
    (check_json("[[1]]", json_bytes_max, 1).code() == errc::json_too_deep));
  BOOST_TEST(taken("[" + std::string(1000, ' ') + "[],[],[[]]]"));
}

BOOST_AUTO_TEST_CASE(size_ends_at_the_limit) {
  const std::string at_limit = '"' + std::string(json_bytes_max - 2, 'x') + '"';
  BOOST_TEST(taken(at_limit));
  BOOST_TEST((check_json(at_limit + " ").code() == errc::payload_too_large));
  BOOST_TEST((check_json("123", 2).code() == errc::payload_too_large));
}

// Where no number is beyond a double, all three readers are of one mind.
BOOST_AUTO_TEST_CASE(two_parsers_agree_on_damaged_texts) {
  const std::string whole
    = R"({"id":"order-17","n":[1,-2.5e3,0,true,null],"s":"\u00e9\n\ud83d\ude00",)"
      "\"deep\":{\"a\":[[],{}]},\"t\":\"gr\xC3\xBC\xC3\x9F\"}";
  const std::string bytes = "{}[]:,\"\\ 0-.eEtfnu19d8\x7F\x80\xC3\n";
  std::mt19937 random(17);
  simdjson::dom::parser parser;
  std::size_t taken_count = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string text = whole;
    for (unsigned n = random() % 3; n-- > 0;) {
      const std::size_t at = random() % text.size();
      const char byte = bytes[random() % bytes.size()];
      switch (random() % 3) {
      case 0:
        text[at] = byte;
        break;
      case 1:
        text.erase(at, 1 + random() % 3);
        break;
      default:
        text.insert(at, 1, byte);
      }
    }
    const bool ours = taken(text);
    BOOST_REQUIRE_MESSAGE(nlohmann_reads(text).value_or(ours) == ours, text);
    BOOST_REQUIRE_MESSAGE(simdjson_reads(parser, text).value_or(ours) == ours,
                          text);
    taken_count += ours ? 1 : 0;
  }
  BOOST_TEST(taken_count > 5'000U);
  BOOST_TEST(taken_count < 15'000U);
}

BOOST_AUTO_TEST_CASE(any_text_becomes_a_json_string) {
  BOOST_TEST(json_string("") == R"("")");
  BOOST_TEST(json_string("a\"b\\c/\b\f\n\r\t") == R"("a\"b\\c/\b\f\n\r\t")");
  BOOST_TEST(json_string(std::string_view("\0\x1F", 2)) == R"("\u0000\u001f")");
  BOOST_TEST(json_string("gr\xC3\xBC\xC3\x9F") == "\"gr\xC3\xBC\xC3\x9F\"");
  BOOST_TEST(json_string("a\xFFz") == "\"a\xEF\xBF\xBDz\"");
  BOOST_TEST(json_string("\xE2\x82") == "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

BOOST_AUTO_TEST_CASE(a_quoted_text_is_taken_and_reads_back) {
  std::mt19937 random(23);
  for (int i = 0; i < 2'000; ++i) {
    std::string text(random() % 12, '\0');
    for (char& byte : text)
      byte = static_cast<char>(random() % 256);
    const std::string quoted = json_string(text);
    BOOST_REQUIRE(taken(quoted));
    if (simdjson::validate_utf8(text.data(), text.size()))
      BOOST_REQUIRE(nlohmann::json::parse(quoted).get<std::string>() == text);
  }
}

BOOST_AUTO_TEST_SUITE_END()
