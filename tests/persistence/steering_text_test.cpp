#include "persistence/records/steering_text.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

namespace perdura::tests {

using persistence::steering_size;
using persistence::without_steering;

BOOST_AUTO_TEST_SUITE(steering_text)

BOOST_AUTO_TEST_CASE(what_breaks_a_line_or_turns_it_round_is_a_question_mark) {
  BOOST_TEST(without_steering("a\nb\x1b[2J\x7f") == "a?b?[2J?");
  BOOST_TEST(without_steering(std::string("\0x", 2)) == "?x");
  BOOST_TEST(without_steering("\xC2\x9B"
                              "1\xE2\x80\xA8\xE2\x80\xAE"
                              "2\xE2\x81\xA6")
             == "?1??2?");
}

BOOST_AUTO_TEST_CASE(all_else_stays_as_it_is) {
  for (const std::string text :
       {"", "order 17", "\xC3\xA4\xC2\xA0\xE2\x82\xAC\xE2\x80\xA6",
        "\xF0\x9F\x98\x80", "\xE2\x80", "\xE2", "\xC2"})
    BOOST_TEST(without_steering(text) == text);
  BOOST_TEST(steering_size("abc", 1) == 0U);
  BOOST_TEST(steering_size("a\nc", 1) == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
