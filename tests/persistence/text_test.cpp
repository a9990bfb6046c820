// SPDX-License-Identifier: Apache-2.0
#include "persistence/records/text.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <string_view>

namespace perdura::tests {

using persistence::terminal_escape_size;
using persistence::without_terminal_escapes;

BOOST_AUTO_TEST_SUITE(text_suite)

// Control and direction characters could forge lines in a log or control a
// terminal.
BOOST_AUTO_TEST_CASE(control_and_direction_characters_become_question_marks) {
  BOOST_TEST(without_terminal_escapes("a\nb\x1b[2J\x7f") == "a?b?[2J?");
  BOOST_TEST(without_terminal_escapes(std::string("\0x", 2)) == "?x");
  BOOST_TEST(without_terminal_escapes("\xC2\x9B"
                                      "1\xE2\x80\xA8\xE2\x80\xAE"
                                      "2\xE2\x81\xA6")
             == "?1??2?");
}

// Incomplete UTF-8 sequences stay unchanged too.
BOOST_AUTO_TEST_CASE(other_text_is_unchanged) {
  for (const std::string text :
       {"", "order 17", "\xC3\xA4\xC2\xA0\xE2\x82\xAC\xE2\x80\xA6",
        "\xF0\x9F\x98\x80", "\xE2\x80", "\xE2", "\xC2"})
    BOOST_TEST(without_terminal_escapes(text) == text);
  BOOST_TEST(terminal_escape_size("abc", 1) == 0U);
  BOOST_TEST(terminal_escape_size("a\nc", 1) == 1U);
}

BOOST_AUTO_TEST_CASE(well_formed_utf8_is_decoded) {
  const auto is_first
    = [](std::string_view text, std::size_t size, char32_t point) {
        const persistence::utf8_character found
          = persistence::first_character(text);
        return found.size == size && found.code_point == point;
      };
  BOOST_TEST(is_first("ab", 1, U'a'));
  BOOST_TEST(is_first("\xC2\x80", 2, 0x80));
  BOOST_TEST(is_first("\xE0\xA0\x80", 3, 0x800));
  BOOST_TEST(is_first("\xED\x9F\xBF", 3, 0xD7FF));
  BOOST_TEST(is_first("\xF0\x90\x80\x80", 4, 0x10000));
  BOOST_TEST(is_first("\xF4\x8F\xBF\xBF", 4, 0x10FFFF));
  BOOST_TEST(persistence::is_utf8(""));
  BOOST_TEST(persistence::is_utf8("a\xC3\xA4\xF0\x9F\x98\x80"));
}

// Checks overlong forms, surrogates, code points above U+10FFFF and cut
// sequences.
BOOST_AUTO_TEST_CASE(other_bytes_are_not_utf8) {
  for (const std::string_view bytes :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80",
        "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF",
        "\xC3", "\xE2\x82", "\xF0\x9F\x98", "\xC3("}) {
    BOOST_TEST(persistence::first_character(bytes).size == 0U, bytes);
    BOOST_TEST(!persistence::is_utf8(bytes), bytes);
  }
  BOOST_TEST(persistence::first_character("").size == 0U);
}

BOOST_AUTO_TEST_CASE(letter_case_is_that_of_ascii) {
  BOOST_TEST(persistence::to_lower("AZaz09[@\xC3\x84") == "azaz09[@\xC3\x84");
  BOOST_TEST(persistence::to_upper("azAZ_{") == "AZAZ_{");
  BOOST_TEST(persistence::equal_ignoring_case("Approval", "aPPROVAL"));
  BOOST_TEST(!persistence::equal_ignoring_case("Approval", "Approvals"));
  BOOST_TEST(!persistence::equal_ignoring_case("[", "{"));
  BOOST_TEST(!persistence::equal_ignoring_case("\xC3\x84", "\xC3\xA4"));
}

BOOST_AUTO_TEST_CASE(hexadecimal_digits_are_read_back) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte)
    all += static_cast<char>(byte);
  const std::string digits = persistence::to_hex(all);
  BOOST_TEST(digits.substr(0, 8) == "00010203");
  BOOST_TEST(digits.ends_with("fdfeff"));
  BOOST_TEST((persistence::from_hex(digits) == all));
  BOOST_TEST((persistence::from_hex("") == ""));
  for (const std::string_view text : {"0", "0g", "g0", "0A", " 0", "-1"})
    BOOST_TEST(!persistence::from_hex(text), text);
  BOOST_TEST(persistence::hex_value('F') == 15);
  BOOST_TEST(persistence::hex_value('g') == -1);
  BOOST_TEST(persistence::is_hex32(digits.substr(0, 32)));
  BOOST_TEST(!persistence::is_hex32(digits.substr(0, 31)));
  BOOST_TEST(!persistence::is_hex32(std::string(32, 'A')));
}

BOOST_AUTO_TEST_CASE(names_break_one_rule_or_none) {
  using persistence::fault_of_name;
  using persistence::name_fault;
  BOOST_TEST((fault_of_name("Approval \xC3\xA4") == name_fault::none));
  BOOST_TEST((fault_of_name(std::string(256, 'x')) == name_fault::none));
  BOOST_TEST((fault_of_name("") == name_fault::empty));
  BOOST_TEST((fault_of_name(std::string(257, 'x')) == name_fault::too_long));
  BOOST_TEST((fault_of_name("a\xC3") == name_fault::not_utf8));
  for (const std::string_view name :
       {"a\n", "\x1f", "\x7f", "\xC2\x80", "\xC2\x9F"})
    BOOST_TEST((fault_of_name(name) == name_fault::control_character), name);
  BOOST_TEST((fault_of_name("\xC2\xA0") == name_fault::none));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
