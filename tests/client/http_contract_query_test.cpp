// SPDX-License-Identifier: Apache-2.0
#include "tests/client/contract_fixture.hpp"

#include <boost/test/unit_test.hpp>

#include <map>
#include <regex>
#include <string>

// The HTTP contract of Durable Functions, extension 3.x: status and
// query. A case name begins with the number of the section of the contract.
// README.md lists the deviations.

using namespace perdura::tests;
using nlohmann::json;

BOOST_FIXTURE_TEST_SUITE(http_contract_query, contract_fixture)

// --- §2.2 Status ------------------------------------------------------------

BOOST_AUTO_TEST_CASE(s22_live_instance_is_202) {
  for_each(live_statuses, [&](const std::string& id) {
    const std::string target = "/instances/" + id + "?showInput=true&code=x";
    const http_answer answer = request("GET", target);
    BOOST_TEST(answer.status == 202);
    BOOST_TEST(answer.header("location")
               == "http://127.0.0.1" + std::string(webhook) + target);
    BOOST_TEST(answer.header("retry-after") == "5");
    BOOST_TEST(keys_of(answer.json()) == status_keys,
               boost::test_tools::per_element());
    BOOST_TEST(answer.json().at("output").is_null());
  });
}

BOOST_AUTO_TEST_CASE(s22_ended_instance_is_200) {
  for_each(ended_statuses, [&](const std::string& id) {
    for (const char* query : {"", "?returnInternalServerErrorOnFailure=false",
                              "?returnInternalServerErrorOnFailure=0",
                              "?returnInternalServerErrorOnFailure=yes"}) {
      const http_answer answer = request("GET", "/instances/" + id + query);
      BOOST_TEST(answer.status == 200);
      BOOST_TEST(!answer.has("location"));
      BOOST_TEST(!answer.has("retry-after"));
      BOOST_TEST(keys_of(answer.json()) == status_keys,
                 boost::test_tools::per_element());
    }
  });
}

// The HTTP status is 500 only if the instance has failed and the request has
// returnInternalServerErrorOnFailure=true.
BOOST_AUTO_TEST_CASE(s22_only_a_failed_instance_is_500_and_only_on_request) {
  for_each(ended_statuses, [&](const std::string& id) {
    const http_answer answer = request(
      "GET", "/instances/" + id + "?returnInternalServerErrorOnFailure=TRUE");
    BOOST_TEST(answer.status == (id == "failed" ? 500 : 200));
    BOOST_TEST(keys_of(answer.json()) == status_keys,
               boost::test_tools::per_element());
  });
}

BOOST_AUTO_TEST_CASE(s22_unknown_instance_is_404_without_a_body) {
  for (const char* id : {"nope", "@counter@a", "a%5Cb"})
    check_empty(request("GET", std::string("/instances/") + id), 404);
}

BOOST_AUTO_TEST_CASE(s22_times_are_whole_seconds_in_utc) {
  const std::regex whole_seconds(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)");
  for_each({"Pending", "Running", "Completed"}, [&](const std::string& id) {
    const json status = request("GET", "/instances/" + id).json();
    for (const char* key : {"createdTime", "lastUpdatedTime"})
      BOOST_TEST(
        std::regex_match(status.at(key).get<std::string>(), whole_seconds));
  });
}

// Text that looks like a time is not changed.
BOOST_AUTO_TEST_CASE(s22_values_are_json_and_plain_text_becomes_a_string) {
  start("Echo", "json", R"({"at":"2018-02-28T05:18:49Z"})");
  BOOST_TEST(ended("json").at("output").at("at") == "2018-02-28T05:18:49Z");
  instance_in("Terminated");
  BOOST_TEST(ended("terminated").at("output") == "enough");
  start("Approval", "silent");
  request("POST", "/instances/silent/terminate");
  BOOST_TEST(ended("silent").at("output") == "");
  instance_in("Failed");
  BOOST_TEST(ended("failed").at("output").get<std::string>().starts_with(
    "Orchestrator function 'Fails' failed: "));
}

// Deviation: Durable Functions shows the reason as the number 5.
BOOST_AUTO_TEST_CASE(s22_reason_is_always_a_string) {
  start("Approval", "a");
  request("POST", "/instances/a/terminate?reason=5");
  BOOST_TEST(ended("a").at("output") == "5");
}

BOOST_AUTO_TEST_CASE(s22_flags_that_are_not_booleans_mean_the_default) {
  start("Echo", "a", "[1]");
  ended("a");
  const auto shown = [&](const std::string& query) {
    return request("GET", "/instances/a?" + query).json();
  };
  for (const char* value : {"false", "FALSE", "False", "0"})
    BOOST_TEST(shown(std::string("showInput=") + value).at("input").is_null(),
               value);
  for (const char* value : {"true", "1", "no", "", "%20false", "falsee"})
    BOOST_TEST(shown(std::string("showInput=") + value).at("input")
                 == json::parse("[1]"),
               value);
  for (const char* value : {"true", "TRUE", "True", "1"}) {
    const json status = shown(std::string("showHistory=") + value);
    BOOST_TEST(status.contains("historyEvents"), value);
    // The Durable Functions client of npm reads this name.
    BOOST_TEST(status.at("history") == status.at("historyEvents"));
  }
  for (const char* value : {"false", "0", "yes", "", "truee"})
    BOOST_TEST(
      !shown(std::string("showHistory=") + value).contains("historyEvents"),
      value);
  for (const char* value : {"false", "0", ""})
    BOOST_TEST(
      !history_of("a", (std::string("&showHistoryOutput=") + value).c_str())
         .back()
         .contains("Result"),
      value);
}

BOOST_AUTO_TEST_CASE(s22_pending_instance_has_no_history) {
  const std::string id = instance_in("Pending");
  BOOST_TEST(!request("GET", "/instances/" + id + "?showHistory=true")
                .json()
                .contains("historyEvents"));
}

// --- §2.4 Query -------------------------------------------------------------

BOOST_AUTO_TEST_CASE(s24_query_returns_statuses_without_history) {
  for (const char* status : {"Pending", "Running", "Failed"})
    instance_in(status);
  for (const char* query : {"", "/", "?showHistory=true"}) {
    const http_answer answer
      = request("GET", std::string("/instances") + query);
    BOOST_TEST(answer.status == 200);
    BOOST_TEST(answer.header("x-ms-continuation-token").empty());
    const json all = answer.json();
    BOOST_TEST_REQUIRE(all.size() == 3U);
    for (const json& each : all)
      BOOST_TEST(keys_of(each) == status_keys,
                 boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(s24_filters_alone_and_combined_with_and) {
  for_each(live_statuses, [](const std::string&) {});
  for_each(ended_statuses, [](const std::string&) {});
  const std::map<std::string, std::size_t> counts{
    {"", 6},
    {"runtimeStatus=Running", 1},
    {"runtimeStatus=Pending", 1},
    {"runtimeStatus=Suspended", 1},
    {"runtimeStatus=Completed", 1},
    {"runtimeStatus=Failed", 1},
    {"runtimeStatus=Terminated", 1},
    {"runtimeStatus=Canceled", 0},
    {"runtimeStatus=ContinuedAsNew", 0},
    {"runtimeStatus=fAILED", 1},
    {"runtimeStatus=1", 1},
    {"runtimeStatus=Failed,Running", 2},
    {"runtimeStatus=Failed&runtimeStatus=Running", 2},
    {"runtimeStatus=Failed,Running&runtimeStatus=Pending", 3},
    {"runtimeStatus=", 6},
    {"instanceIdPrefix=s", 1},
    {"instanceIdPrefix=none", 0},
    {"createdTimeFrom=2000-01-01T00:00:00Z", 6},
    {"createdTimeFrom=2099-01-01T00:00:00Z", 0},
    {"createdTimeTo=2000-01-01T00:00:00Z", 0},
    {"createdTimeTo=2099-01-01T00:00:00Z", 6},
    {"createdTimeFrom=2000-01-01&createdTimeTo=2099-01-01", 6},
    {"instanceIdPrefix=p&runtimeStatus=Pending", 1},
    {"instanceIdPrefix=p&runtimeStatus=Failed", 0},
    {"createdTimeFrom=2099-01-01&runtimeStatus=Failed", 0}};
  for (const auto& [query, count] : counts)
    BOOST_TEST(request("GET", "/instances?" + query).json().size() == count,
               query);
}

BOOST_AUTO_TEST_CASE(s24_time_ranges_include_both_ends) {
  start("Approval", "a");
  const std::string event_time
    = history_of("a").at(0).at("Timestamp").get<std::string>();
  for (const char* side : {"createdTimeFrom=", "createdTimeTo="})
    BOOST_TEST(request("GET", "/instances?" + (side + event_time)).json().size()
                 == 1U,
               side);
}

// Regression: a range from and to the time that a status shows found nothing,
// because the shown time is the begin of its second.
BOOST_AUTO_TEST_CASE(s24_range_of_one_second_finds_its_instances) {
  start("Approval", "a");
  const std::string shown
    = request("GET", "/instances/a").json().at("createdTime");
  const std::string bare = shown.substr(0, shown.size() - 1);
  for (const std::string& time :
       {shown, bare + "%2B00:00", bare + "+00:00", bare + "-00:00", bare})
    BOOST_TEST(request("GET", "/instances?createdTimeFrom=" + time
                                + "&createdTimeTo=" + time)
                   .json()
                   .size()
                 == 1U,
               time);
  BOOST_TEST(request("GET", "/instances?createdTimeFrom=" + shown
                              + "&createdTimeTo=" + bare + ".0Z")
               .json()
               .empty());
}

BOOST_AUTO_TEST_CASE(s24_inputs_can_be_left_out) {
  start("SetStatus", "a", "[1]");
  const auto input = [&](const char* query) {
    return request("GET", std::string("/instances?") + query)
      .json()
      .at(0)
      .at("input");
  };
  BOOST_TEST(input("") == json::parse("[1]"));
  BOOST_TEST(input("showInput=true") == json::parse("[1]"));
  BOOST_TEST(input("showInput=false").is_null());
}

BOOST_AUTO_TEST_CASE(s24_page_has_100_instances_and_a_continuation_token) {
  constexpr std::size_t all = 103;
  for (std::size_t i = 0; i < all; ++i)
    start("Approval", "p" + std::to_string(i));
  names seen;
  std::size_t pages = 0;
  const auto read_pages = [&](const std::string& query) {
    std::string token;
    seen.clear();
    for (pages = 0; pages < 2 * all; ++pages) {
      const std::string header
        = token.empty() ? "" : "X-MS-Continuation-Token: " + token + "\r\n";
      const http_answer page
        = request("GET", "/instances/" + query, {}, header);
      BOOST_TEST_REQUIRE(page.status == 200);
      for (const json& each : page.json())
        BOOST_TEST(seen.insert(each.at("instanceId")).second);
      token = page.header("x-ms-continuation-token");
      if (token.empty())
        break;
    }
  };
  BOOST_TEST(request("GET", "/instances").json().size() == 100U);
  read_pages("");
  BOOST_TEST(seen.size() == all);
  BOOST_TEST(pages == 1U);
  read_pages("?top=20");
  BOOST_TEST(seen.size() == all);
  BOOST_TEST(pages >= 5U);
  read_pages("?top=1000");
  BOOST_TEST(seen.size() == all);
  BOOST_TEST(pages == 0U);
}

// Deviation: the query is refused. Durable Functions ignores a filter that it
// cannot parse.
BOOST_AUTO_TEST_CASE(s24_filter_that_cannot_be_parsed_is_400) {
  for (const char* query :
       {"createdTimeFrom=yesterday", "createdTimeTo=2020-13-01",
        "runtimeStatus=Runing", "runtimeStatus=8", "top=none", "top=-1"})
    BOOST_TEST_CONTEXT(query) {
      check_refusal(request("GET", std::string("/instances?") + query), 400);
    }
  check_refusal(
    request("GET", "/instances", {}, "x-ms-continuation-token: nonsense\r\n"),
    400);
}

BOOST_AUTO_TEST_SUITE_END()
