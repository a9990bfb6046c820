// SPDX-License-Identifier: Apache-2.0
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

bool accepted(std::string_view text) {
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

/// True if the parser accepts the text. This function and the next one return
/// nullopt if a number is beyond the range of a double, because the parsers
/// stop at such a number.
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

// The check accepts objects, arrays, strings with escapes, numbers and
// literals, with white space around them.
BOOST_AUTO_TEST_CASE(complete_values_of_every_kind_are_accepted) {
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
    BOOST_TEST(accepted(text),
               text << ": " << check_json(text).error().message);
}

// The check refuses incomplete values, trailing bytes, and extensions of JSON
// such as comments.
BOOST_AUTO_TEST_CASE(text_that_is_not_one_complete_value_is_refused) {
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

// Bytes are counted from 0.
BOOST_AUTO_TEST_CASE(error_names_the_byte_and_the_expected_token) {
  BOOST_TEST(check_json(R"({"a" 1})").error().message
             == "invalid JSON at byte 5: expected ':'");
  BOOST_TEST(check_json("[1, 2").error().message
             == "invalid JSON at byte 5: expected ',' or ']'");
  BOOST_TEST(check_json("\"ab\xFF\"").error().message
             == "invalid JSON at byte 3: expected UTF-8");
}

// Payloads are stored as text and no number is converted.
BOOST_AUTO_TEST_CASE(numbers_of_any_size_are_accepted) {
  BOOST_TEST(accepted("123456789012345678901234567890"));
  BOOST_TEST(accepted("-18446744073709551616"));
  BOOST_TEST(accepted("1e400"));
  BOOST_TEST(accepted("1e-99999"));
  BOOST_TEST(accepted("0." + std::string(5000, '3')));
}

// The check does not compare the member names of an object.
BOOST_AUTO_TEST_CASE(duplicate_member_names_are_accepted) {
  BOOST_TEST(accepted(R"({"a":1,"a":2})"));
}

BOOST_AUTO_TEST_CASE(unpaired_surrogate_is_refused) {
  BOOST_TEST(!accepted(R"("\ud83d")"));
  BOOST_TEST(!accepted(R"("\ude00")"));
  BOOST_TEST(!accepted(R"("\ud83d\u0041")"));
  BOOST_TEST(!accepted(R"("\ud83dx")"));
}

// The check refuses overlong forms, surrogates, truncated sequences and a byte
// order mark.
BOOST_AUTO_TEST_CASE(invalid_utf8_is_refused) {
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
  BOOST_TEST(!accepted("\xEF\xBB\xBF{}")); // a byte order mark
}

// The limit is 64 levels. A deep text must not overflow the stack.
BOOST_AUTO_TEST_CASE(nesting_beyond_the_limit_is_refused) {
  BOOST_TEST(accepted(nested(64)));
  BOOST_TEST((check_json(nested(65)).code() == errc::json_too_deep));
  BOOST_TEST(
    (check_json(std::string(100'000, '[')).code() == errc::json_too_deep));
  BOOST_TEST(
    (check_json("[[1]]", json_bytes_max, 1).code() == errc::json_too_deep));
  BOOST_TEST(accepted("[" + std::string(1000, ' ') + "[],[],[[]]]"));
}

BOOST_AUTO_TEST_CASE(text_beyond_the_size_limit_is_refused) {
  const std::string at_limit = '"' + std::string(json_bytes_max - 2, 'x') + '"';
  BOOST_TEST(accepted(at_limit));
  BOOST_TEST((check_json(at_limit + " ").code() == errc::payload_too_large));
  BOOST_TEST((check_json("123", 2).code() == errc::payload_too_large));
}

// Damages a valid text at random. The check and two JSON parsers must agree
// whether the result is valid, except for numbers beyond the range of a double,
// which those parsers refuse.
BOOST_AUTO_TEST_CASE(check_agrees_with_nlohmann_and_simdjson) {
  const std::string whole
    = R"({"id":"order-17","n":[1,-2.5e3,0,true,null],"s":"\u00e9\n\ud83d\ude00",)"
      "\"deep\":{\"a\":[[],{}]},\"t\":\"gr\xC3\xBC\xC3\x9F\"}";
  const std::string bytes = "{}[]:,\"\\ 0-.eEtfnu19d8\x7F\x80\xC3\n";
  std::mt19937 random(17);
  simdjson::dom::parser parser;
  std::size_t accepted_count = 0;
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
    const bool ours = accepted(text);
    BOOST_REQUIRE_MESSAGE(nlohmann_reads(text).value_or(ours) == ours, text);
    BOOST_REQUIRE_MESSAGE(simdjson_reads(parser, text).value_or(ours) == ours,
                          text);
    accepted_count += ours ? 1 : 0;
  }
  BOOST_TEST(accepted_count > 5'000U);
  BOOST_TEST(accepted_count < 15'000U);
}

// Bytes that are not UTF-8 become U+FFFD.
BOOST_AUTO_TEST_CASE(json_string_quotes_any_text) {
  BOOST_TEST(json_string("") == R"("")");
  BOOST_TEST(json_string("a\"b\\c/\b\f\n\r\t") == R"("a\"b\\c/\b\f\n\r\t")");
  BOOST_TEST(json_string(std::string_view("\0\x1F", 2)) == R"("\u0000\u001f")");
  BOOST_TEST(json_string("gr\xC3\xBC\xC3\x9F") == "\"gr\xC3\xBC\xC3\x9F\"");
  BOOST_TEST(json_string("a\xFFz") == "\"a\xEF\xBF\xBDz\"");
  BOOST_TEST(json_string("\xE2\x82") == "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

// Random bytes are quoted; bytes that are not UTF-8 are replaced, so only valid
// UTF-8 parses back to the same text.
BOOST_AUTO_TEST_CASE(quoted_text_is_valid_json_and_parses_back) {
  std::mt19937 random(23);
  for (int i = 0; i < 2'000; ++i) {
    std::string text(random() % 12, '\0');
    for (char& byte : text)
      byte = static_cast<char>(random() % 256);
    const std::string quoted = json_string(text);
    BOOST_REQUIRE(accepted(quoted));
    if (simdjson::validate_utf8(text.data(), text.size()))
      BOOST_REQUIRE(nlohmann::json::parse(quoted).get<std::string>() == text);
  }
}

BOOST_AUTO_TEST_SUITE_END()
