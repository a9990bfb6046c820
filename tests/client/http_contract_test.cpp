// SPDX-License-Identifier: Apache-2.0
#include "tests/client/contract_fixture.hpp"

#include <boost/test/unit_test.hpp>

#include <map>
#include <regex>
#include <string>
#include <utility>
#include <vector>

// The HTTP contract of Durable Functions, extension 3.x: addresses, start,
// wait, restart and entities. A case name begins with the number of the section
// of the contract. README.md lists the deviations.

using namespace perdura::tests;
using nlohmann::json;

BOOST_FIXTURE_TEST_SUITE(http_contract, contract_fixture)

// --- §1 Addresses -----------------------------------------------------------

BOOST_AUTO_TEST_CASE(s1_prefixes_allow_any_case_and_a_final_slash) {
  start("Approval", "a");
  for (const std::string base :
       {"/runtime/webhooks/durabletask", "/RUNTIME/Webhooks/DurableTask",
        "/admin/extensions/DurableTaskExtension",
        "/ADMIN/extensions/durabletaskextension",
        "/runtime/webhooks/DurableTaskExtension"})
    for (const std::string slash : {"", "/"})
      BOOST_TEST_CONTEXT(base << slash) {
        BOOST_TEST(request_at_root("GET", base + "/instances/a" + slash).status
                   == 202);
        BOOST_TEST(request_at_root("GET", base + "/instances" + slash).status
                   == 200);
        check_accepted(
          request_at_root("POST", base + "/orchestrators/Approval" + slash));
      }
}

BOOST_AUTO_TEST_CASE(s1_path_words_and_parameters_are_case_insensitive) {
  start("Approval", "a");
  check_empty(request("POST", "/INSTANCES/a/Suspend"), 202);
  check_empty(request("POST", "/instances/a/RESUME"), 202);
  check_empty(
    request("POST", "/instances/a/raiseevent/E", "1", json_body_header), 202);
  check_accepted(request("POST", "/Orchestrators/Approval"));
  BOOST_TEST(request("GET", "/instances/a?SHOWHISTORY=True")
               .json()
               .contains("historyEvents")
             == true);
}

BOOST_AUTO_TEST_CASE(s1_hub_and_connection_parameters_are_accepted) {
  start("Approval", "a");
  for (const char* query :
       {"taskHub=perdura", "connection=Storage", "connection=Other",
        "TASKHUB=perdura&Connection=Storage", "unknown=1"})
    BOOST_TEST(request("GET", std::string("/instances/a?") + query).status
                 == 202,
               query);
}

BOOST_AUTO_TEST_CASE(s1_any_other_path_or_method_is_404_without_a_body) {
  start("Approval", "a");
  for (const auto& [method, path] :
       std::vector<std::pair<std::string, std::string>>{
         {"GET", ""},
         {"GET", "/nothing"},
         {"GET", "/orchestrators/Echo"},
         {"PUT", "/instances/a"},
         {"POST", "/instances/a"},
         {"POST", "/instances"},
         {"GET", "/instances/a/terminate"},
         {"DELETE", "/instances/a/terminate"},
         {"POST", "/instances/a/explode"},
         {"POST", "/instances/a/raiseEvent"},
         {"GET", "/instances/a/raiseEvent/E"},
         {"POST", "/instances/a/raiseEvent/E/more"},
         {"POST", "/orchestrators/Echo/a/b"}})
    BOOST_TEST_CONTEXT(method << ' ' << path) {
      check_empty(request(method, path), 404);
    }
}

BOOST_AUTO_TEST_CASE(s1_instance_id_may_equal_a_word_of_the_api) {
  // In this path the second "instances" is the instance ID, and "Terminate" is
  // the name of an event.
  start("Approval", "instances");
  check_empty(request("POST", "/instances/instances/raiseEvent/Terminate", "1",
                      json_body_header),
              202);
  BOOST_TEST(request("GET", "/instances/instances").status == 202);
}

BOOST_AUTO_TEST_CASE(s1_segments_are_decoded_after_the_path_was_split) {
  start("Approval", "a%20b");
  BOOST_TEST(request("GET", "/instances/a%20b").json().at("instanceId")
             == "a b");
  start("Approval", "a+b");
  BOOST_TEST(request("GET", "/instances/a+b").json().at("instanceId") == "a+b");
  check_empty(request("GET", "/instances/a%2Fb"), 404);
}

BOOST_AUTO_TEST_CASE(s1_makeprimary_is_200_with_any_method) {
  for (const char* method : {"POST", "GET", "PUT"})
    check_empty(request(method, "/makeprimary"), 200);
}

// --- §2.1 Start -------------------------------------------------------------

BOOST_AUTO_TEST_CASE(s21_start_is_202) {
  check_accepted(request("POST", "/orchestrators/Approval/a"), "a");
  const http_answer unnamed = request("POST", "/orchestrators/Approval");
  check_accepted(unnamed);
  BOOST_TEST(std::regex_match(unnamed.json().at("id").get<std::string>(),
                              std::regex("[0-9a-f]{32}")));
}

BOOST_AUTO_TEST_CASE(s21_body_is_the_input_whatever_its_content_type) {
  const std::vector<std::pair<std::string, json>> bodies{
    {"", nullptr},
    {"null", nullptr},
    {"\"\"", ""},
    {"7", 7},
    {"true", true},
    {"[1,{\"a\":null}]", {1, {{"a", nullptr}}}},
    {" {} ", json::object()}};
  for (const char* type :
       {"", "Content-Type: application/json\r\n",
        "Content-Type: text/plain\r\n", "Content-Type: nonsense\r\n"})
    for (const auto& [body, input] : bodies)
      BOOST_TEST_CONTEXT(type << body) {
        check_accepted(request("POST", "/orchestrators/Echo/a", body, type),
                       "a");
        BOOST_TEST(ended("a").at("input") == input);
      }
}

BOOST_AUTO_TEST_CASE(s21_trace_headers_are_accepted) {
  check_accepted(request(
    "POST", "/orchestrators/Echo", "1",
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    "\r\ntracestate: a=b\r\n"));
}

BOOST_AUTO_TEST_CASE(s21_broken_json_is_400) {
  for (const char* body : {"{", "nope", "1 2", "{\"a\":}", "\"\x01\""})
    BOOST_TEST_CONTEXT(body) {
      check_refusal(request("POST", "/orchestrators/Echo/a", body), 400);
    }
  check_empty(request("GET", "/instances/a"), 404);
}

BOOST_AUTO_TEST_CASE(s21_invalid_id_is_400) {
  for (const std::string& id :
       {std::string("@a"), std::string("a%2Fb"), std::string("a%5Cb"),
        std::string("a%23b"), std::string("a%3Fb"), std::string("a%0Ab"),
        std::string("a%7Fb"), std::string(257, 'a')})
    BOOST_TEST_CONTEXT(id) {
      check_refusal(request("POST", "/orchestrators/Echo/" + id), 400);
    }
  check_accepted(
    request("POST", "/orchestrators/Echo/" + std::string(256, 'a')));
}

// Deviation: the start is refused, as in version 2.x. Version 3.x accepts it,
// and the instance fails afterwards.
BOOST_AUTO_TEST_CASE(s21_unknown_function_is_400) {
  check_refusal(request("POST", "/orchestrators/Nope"), 400);
  check_refusal(request("POST", "/orchestrators/Echo?version=7"), 400);
}

BOOST_AUTO_TEST_CASE(s21_live_id_is_409) {
  for_each(live_statuses, [&](const std::string& id) {
    const http_answer answer = request("POST", "/orchestrators/Approval/" + id);
    check_refusal(answer, 409);
    BOOST_TEST(answer.body.find("already") != std::string::npos);
  });
}

BOOST_AUTO_TEST_CASE(s21_id_of_an_ended_instance_is_reused) {
  for_each(ended_statuses, [&](const std::string& id) {
    check_accepted(request("POST", "/orchestrators/Echo/" + id, "[9]"), id);
    BOOST_TEST(ended(id).at("output") == json::parse("[9]"));
    // The history of the old execution is removed.
    BOOST_TEST(history_of(id).size() == 2U);
  });
}

BOOST_AUTO_TEST_CASE(s21_live_id_is_409_in_a_start_binding_too) {
  start("Approval", "a");
  check_accepted(request_at_root("POST", "/orchestrators/Echo"));
  const http_answer twice = request(
    "POST", "/orchestrators", R"({"FunctionName":"Echo","InstanceId":"a"})");
  check_refusal(twice, 409);
}

// --- §2.9 The URLs ----------------------------------------------------------

BOOST_AUTO_TEST_CASE(s29_urls_follow_the_templates_of_the_contract) {
  const json body = request("POST", "/orchestrators/Approval/a%20b%26c").json();
  const std::string instance
    = "http://127.0.0.1" + std::string(webhook) + "/instances/a%20b%26c";
  const std::string query = "taskHub=perdura&connection=Storage";
  const std::map<std::string, std::string> urls{
    {"id", "a b&c"},
    {"statusQueryGetUri", instance + "?" + query},
    {"sendEventPostUri", instance + "/raiseEvent/{eventName}?" + query},
    {"terminatePostUri", instance + "/terminate?reason={text}&" + query},
    {"rewindPostUri", instance + "/rewind?reason={text}&" + query},
    {"purgeHistoryDeleteUri", instance + "?" + query},
    {"restartPostUri", instance + "/restart?" + query},
    {"suspendPostUri", instance + "/suspend?reason={text}&" + query},
    {"resumePostUri", instance + "/resume?reason={text}&" + query}};
  for (const auto& [key, url] : urls)
    BOOST_TEST(body.at(key) == url, key);
}

// --- §2.10 Wait -------------------------------------------------------------

BOOST_AUTO_TEST_CASE(s210_wait_for_a_completed_instance_returns_its_output) {
  for (const char* query :
       {"timeout=20&pollingInterval=1", "timeout=20.5&pollingInterval=0.25",
        "TIMEOUT=20&POLLINGINTERVAL=20"}) {
    const http_answer answer
      = request("POST", std::string("/orchestrators/Echo?") + query, "[1, 2]");
    BOOST_TEST(answer.status == 200);
    BOOST_TEST(answer.body == "[1, 2]");
  }
  BOOST_TEST(
    request_at_root(
      "POST", "/orchestrators/Echo/wait?timeout=20&retryInterval=0.5", "7")
      .body
    == "7");
}

BOOST_AUTO_TEST_CASE(s210_wait_for_a_failed_instance_returns_its_status) {
  const std::string path = "/orchestrators/Fails?timeout=20&pollingInterval=1";
  for (const auto& [flag, status] :
       {std::pair("", 200),
        std::pair("&returnInternalServerErrorOnFailure=true", 500)}) {
    const http_answer answer = request("POST", path + flag);
    BOOST_TEST(answer.status == status);
    BOOST_TEST(keys_of(answer.json()) == status_keys,
               boost::test_tools::per_element());
    BOOST_TEST(answer.json().at("runtimeStatus") == "Failed");
  }
}

BOOST_AUTO_TEST_CASE(s210_wait_for_a_terminated_instance_returns_its_status) {
  http_caller caller(host->http_port());
  caller.send("POST " + std::string(webhook)
              + "/orchestrators/Approval/a?timeout=20&pollingInterval=1 "
                "HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n");
  // Repeats the request until the instance exists.
  while (request("POST", "/instances/a/terminate?reason=enough").status == 404)
    continue;
  const http_answer answer = caller.receive();
  BOOST_TEST(answer.status == 200);
  BOOST_TEST(answer.json().at("runtimeStatus") == "Terminated");
}

BOOST_AUTO_TEST_CASE(s210_wait_is_202_after_its_time_out) {
  check_accepted(request(
    "POST", "/orchestrators/Approval/a?timeout=0.05&pollingInterval=0.01"));
  check_accepted(request_at_root(
    "POST", "/orchestrators/Approval/wait?timeout=0.05&retryInterval=0.01"));
}

BOOST_AUTO_TEST_CASE(s210_interval_above_the_time_out_is_400) {
  check_refusal(
    request("POST", "/orchestrators/Echo/a?timeout=1&pollingInterval=2"), 400);
  check_empty(request("GET", "/instances/a"), 404);
}

// Deviation: Durable Functions ignores a time-out that is not a number.
BOOST_AUTO_TEST_CASE(s210_time_out_that_is_not_a_number_is_400) {
  check_refusal(
    request("POST", "/orchestrators/Echo/a?timeout=soon&pollingInterval=1"),
    400);
  check_empty(request("GET", "/instances/a"), 404);
}

BOOST_AUTO_TEST_CASE(s210_request_waits_only_with_both_numbers) {
  for (const char* query : {"timeout=20", "pollingInterval=1",
                            "timeout=20&pollingInterval=", "timeout=&"})
    check_accepted(
      request("POST", std::string("/orchestrators/Approval?") + query));
}

// --- §2.12 Entities ---------------------------------------------------------

BOOST_AUTO_TEST_CASE(s212_entities_are_501_with_a_message) {
  for (const auto& [method, path] : {std::pair("GET", "/entities"),
                                     {"GET", "/entities/Counter"},
                                     {"GET", "/entities/Counter/a"},
                                     {"POST", "/entities/Counter/a?op=add"},
                                     {"DELETE", "/entities/Counter/a"}})
    BOOST_TEST_CONTEXT(method << path) {
      check_refusal(request(method, path), 501);
    }
}

// --- §3 Restart -------------------------------------------------------------

BOOST_AUTO_TEST_CASE(s3_restart_under_a_new_id_is_202) {
  for (const char* query :
       {"", "?restartWithNewInstanceId=true", "?restartWithNewInstanceId=1"})
    for (const char* status : {"Completed", "Failed", "Terminated"}) {
      const std::string id = instance_in(status);
      const json before = request("GET", "/instances/" + id).json();
      const http_answer answer
        = request("POST", "/instances/" + id + "/restart" + query);
      check_accepted(answer);
      const std::string other = answer.json().at("id");
      BOOST_TEST(other != id);
      const json after = request("GET", "/instances/" + other).json();
      BOOST_TEST(after.at("name") == before.at("name"));
      BOOST_TEST(after.at("input") == before.at("input"));
      BOOST_TEST(request("GET", "/instances/" + id).json() == before);
    }
  // A live instance can be restarted under a new ID, too.
  check_accepted(
    request("POST", "/instances/" + instance_in("Running") + "/restart"));
}

BOOST_AUTO_TEST_CASE(s3_restart_under_the_same_id) {
  const std::string restart = "/restart?restartWithNewInstanceId=false";
  for_each(ended_statuses, [&](const std::string& id) {
    check_accepted(request("POST", "/instances/" + id + restart), id);
  });
  for_each(live_statuses, [&](const std::string& id) {
    check_refusal(
      request("POST", "/instances/" + id + restart + "&showInput=1"), 409);
  });
}

BOOST_AUTO_TEST_CASE(s3_restart_of_an_unknown_instance_is_400) {
  for (const char* query : {"", "?restartWithNewInstanceId=false"})
    check_refusal(
      request("POST", std::string("/instances/nope/restart") + query), 400);
}

BOOST_AUTO_TEST_CASE(s3_restart_can_wait_for_completion) {
  const std::string restart
    = "/instances/" + instance_in("Completed") + "/restart?";
  BOOST_TEST(request("POST", restart + "timeout=20&pollingInterval=1").body
             == "1");
  check_refusal(request("POST", restart + "timeout=1&pollingInterval=2"), 400);
}

BOOST_AUTO_TEST_SUITE_END()
