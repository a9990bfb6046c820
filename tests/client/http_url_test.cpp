// SPDX-License-Identifier: Apache-2.0
// Parsing of request targets and of base URLs.
#include "client/http/http_client.hpp"
#include "client/http/url.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

using namespace perdura::client;
using perdura::persistence::errc;

BOOST_AUTO_TEST_SUITE(url)

// An escaped slash is part of a segment and does not separate segments.
BOOST_AUTO_TEST_CASE(segments_are_decoded_after_the_path_was_split) {
  const auto target = parse_target("/instances/a%2Fb+c%20d/?x=1+2&X=3&y&=z");
  BOOST_REQUIRE(target.has_value());
  BOOST_TEST(target->segments
               == (std::vector<std::string>{"instances", "a/b+c d"}),
             boost::test_tools::per_element());
  BOOST_TEST(*target->find("X") == "1 2");
  BOOST_TEST(*target->find("y") == "");
  BOOST_TEST((target->find("z") == nullptr));
}

BOOST_AUTO_TEST_CASE(broken_escapes_in_a_path_are_refused) {
  for (const char* target : {"/%", "/%4", "/%zz", "/a%", "/a%2/b?c=1"})
    BOOST_TEST(!parse_target(target).has_value(), target);
}

// Regression: a reason "50% of it", as the JavaScript client sends it, was
// refused.
BOOST_AUTO_TEST_CASE(broken_escapes_in_a_query_are_taken_as_they_are) {
  for (const auto& [query, expected] :
       std::vector<std::pair<std::string, std::string>>{
         {"50% of it", "50% of it"},
         {"50%+of+it", "50% of it"},
         {"%", "%"},
         {"%4", "%4"},
         {"%zz%41", "%zzA"},
         {"%%41", "%A"},
         {"100%25", "100%"}}) {
    const auto target = parse_target("/a?reason=" + query + "&x=1");
    BOOST_REQUIRE(target.has_value());
    BOOST_TEST(*target->find("reason") == expected);
    BOOST_TEST(*target->find("x") == "1");
  }
  BOOST_TEST(*parse_target("/a?%x=1")->find("%x") == "1");
}

// An ID may be ".."; routes do not refer to files.
BOOST_AUTO_TEST_CASE(dot_segments_are_not_resolved) {
  const auto target = parse_target("/instances/%2e%2e%2f..");
  BOOST_TEST(target->segments.back() == "../..");
}

BOOST_AUTO_TEST_CASE(absolute_urls_and_empty_segments_are_split) {
  BOOST_TEST(parse_target("http://host:1/a/b?c=d")->segments.size() == 2U);
  BOOST_TEST(parse_target("/")->segments.empty());
  BOOST_TEST(parse_target("*")->segments.size() == 1U);
  BOOST_TEST(parse_target("/a//b")->segments.size() == 3U);
  BOOST_TEST(parse_target("/a//")->segments.size() == 2U);
  BOOST_TEST(parse_target("//")->segments.size() == 1U);
}

BOOST_AUTO_TEST_CASE(flags_have_defaults) {
  const auto target = parse_target("/?a=TRUE&b=false&c=yes&e=1&f=0");
  BOOST_TEST(target->flag("e", false));
  BOOST_TEST(!target->flag("f", true));
  BOOST_TEST(target->flag("a", false));
  BOOST_TEST(!target->flag("b", true));
  BOOST_TEST(target->flag("c", true));
  BOOST_TEST(!target->flag("d", false));
}

BOOST_AUTO_TEST_CASE(base_url_has_host_port_and_path) {
  const auto url = parse_url("http://localhost:7071/x/");
  BOOST_TEST(url->host == "localhost");
  BOOST_TEST(url->port == 7071);
  BOOST_TEST(url->path == "/x");
  BOOST_TEST(parse_url("[::1]:80")->authority() == "[::1]:80");
  for (const char* bad : {"", "ftp://a", "http://", "http://a:0", "http://a:x",
                          "http://a b", "http://a:70000", "http://[::1"})
    BOOST_TEST((parse_url(bad).code() == errc::invalid_argument), bad);
}

BOOST_AUTO_TEST_SUITE_END()
