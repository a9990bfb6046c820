// SPDX-License-Identifier: Apache-2.0
// The HTTP API of a node: one case for each behaviour that a client relies on.
// The row-by-row comparison with Durable Functions is in
// http_contract_test.cpp.
#include "tests/client/http_fixture.hpp"

#include <boost/test/unit_test.hpp>

#include <set>
#include <string>

using namespace perdura::tests;
using nlohmann::json;

BOOST_FIXTURE_TEST_SUITE(http_api, http_fixture)

// --- Start ------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(start_returns_the_management_urls) {
  const http_answer answer
    = request("POST", "/orchestrators/Approval/order-17");
  BOOST_TEST(answer.status == 202);
  BOOST_TEST(answer.header("retry-after") == "10");
  BOOST_TEST(answer.header("content-type")
             == "application/json; charset=utf-8");
  const json body = answer.json();
  const std::string instance
    = "http://127.0.0.1" + std::string(webhook) + "/instances/order-17";
  const std::string query = "taskHub=perdura&connection=Storage";
  BOOST_TEST(body.at("id") == "order-17");
  BOOST_TEST(body.at("statusQueryGetUri") == instance + "?" + query);
  BOOST_TEST(answer.header("location") == body.at("statusQueryGetUri"));
  BOOST_TEST(body.at("sendEventPostUri")
             == instance + "/raiseEvent/{eventName}?" + query);
  for (const char* operation : {"terminate", "rewind", "suspend", "resume"})
    BOOST_TEST(body.at(std::string(operation) + "PostUri")
               == instance + "/" + operation + "?reason={text}&" + query);
  BOOST_TEST(body.at("restartPostUri") == instance + "/restart?" + query);
  BOOST_TEST(body.at("purgeHistoryDeleteUri") == instance + "?" + query);
}

BOOST_AUTO_TEST_CASE(generated_id_has_32_hex_digits) {
  const std::string id
    = request("POST", "/orchestrators/Approval").json().at("id");
  BOOST_TEST(id.size() == 32U);
  BOOST_TEST(id.find_first_not_of("0123456789abcdef") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(prefixes_are_case_insensitive) {
  start("Approval", "a");
  for (const char* prefix :
       {"/runtime/webhooks/durabletask", "/RunTime/WebHooks/DurableTask",
        "/admin/extensions/DurableTaskExtension",
        "/runtime/webhooks/DurableTaskExtension"}) {
    const http_answer answer
      = request_at_root("GET", prefix + std::string("/instances/a/"));
    BOOST_TEST(answer.status == 202, prefix);
    // Links contain the prefix that the request used.
    const http_answer restarted
      = request_at_root("POST", prefix + std::string("/Instances/a/Restart"));
    BOOST_TEST(restarted.header("location").find(prefix) != std::string::npos);
  }
  BOOST_TEST(request_at_root("GET", "/runtime/instances/a").status == 404);
}

// A client behind port forwarding must be able to follow the links.
BOOST_AUTO_TEST_CASE(links_use_the_host_of_the_request) {
  http_caller caller(host->http_port());
  caller.send("POST /orchestrators/Approval HTTP/1.1\r\n"
              "Host: localhost:8080\r\nContent-Length: 0\r\n\r\n");
  BOOST_TEST(caller.receive()
               .header("location")
               .starts_with("http://localhost:8080/runtime/"));
}

BOOST_AUTO_TEST_CASE(invalid_starts_have_distinct_error_codes) {
  const auto code_of = [&](const std::string& path, std::string_view body) {
    const http_answer answer = request("POST", path, body);
    const json shown = answer.json();
    BOOST_TEST(!shown.at("Message").get<std::string>().empty());
    return std::to_string(answer.status) + " "
           + shown.at("Code").get<std::string>();
  };
  BOOST_TEST(code_of("/orchestrators/Nope", "") == "400 unknown_orchestrator");
  BOOST_TEST(code_of("/orchestrators/Echo", "{") == "400 invalid_json");
  BOOST_TEST(
    code_of("/orchestrators/Echo", std::string(65, '[') + std::string(65, ']'))
    == "400 json_too_deep");
  BOOST_TEST(code_of("/orchestrators/Echo/@a", "")
             == "400 invalid_instance_id");
  BOOST_TEST(code_of("/orchestrators/Echo/a%0d%0aEvil:%20b", "")
             == "400 invalid_instance_id");
  BOOST_TEST(code_of("/orchestrators/Echo/a%2fb", "")
             == "400 invalid_instance_id");
  BOOST_TEST(code_of("/orchestrators/Echo/" + std::string(257, 'a'), "")
             == "400 invalid_instance_id");
  BOOST_TEST(code_of("/orchestrators/Echo/a%zz", "") == "400 invalid_argument");
  start("Approval", "a");
  BOOST_TEST(code_of("/orchestrators/Approval/a", "") == "409 already_exists");
}

BOOST_AUTO_TEST_CASE(finished_instance_is_replaced) {
  start("Echo", "a", "1");
  ended("a");
  start("Echo", "a", "2");
  BOOST_TEST(ended("a").at("output") == 2);
}

BOOST_AUTO_TEST_CASE(payloads_are_returned_byte_for_byte) {
  const std::string input = R"({"z": 1,"a":1e400,"d":"2018-02-28T05:18:49Z"})";
  start("Echo", "a", input);
  const std::string body = request("GET", "/instances/a?waitSeconds=20").body;
  BOOST_TEST(body.find("\"input\":" + input) != std::string::npos);
  BOOST_TEST(body.find("\"output\":" + input) != std::string::npos);
  // The JavaScript client sends "" if there is no input.
  start("Echo", "b", "\"\"");
  BOOST_TEST(ended("b").at("input") == "");
}

BOOST_AUTO_TEST_CASE(start_bindings_start_their_functions) {
  const http_answer one
    = request("POST", "/orchestrators",
              R"({"FunctionName":"Echo","Input":{"n":1},"InstanceId":"one"})");
  BOOST_TEST(one.status == 202);
  BOOST_TEST(one.json().at("id") == "one");
  const http_answer many
    = request("POST", "/orchestrators",
              R"([{"FunctionName":"Echo"},{"FunctionName":"Approval"}])");
  BOOST_TEST(many.status == 202);
  BOOST_TEST(many.json().size() == 2U);
  BOOST_TEST(request("POST", "/orchestrators", R"({"Input":1})").status == 400);
  BOOST_TEST(request("POST", "/orchestrators").status == 400);
}

// The header Idempotency-Key makes a request repeatable. The third request has
// no such header, so it is a second start of an instance that has not ended.
BOOST_AUTO_TEST_CASE(repeated_request_gets_the_first_answer) {
  constexpr const char* key = "Idempotency-Key: 17\r\n";
  BOOST_TEST(request("POST", "/orchestrators/Approval/a", {}, key).status
             == 202);
  BOOST_TEST(request("POST", "/orchestrators/Approval/a", {}, key).status
             == 202);
  BOOST_TEST(request("POST", "/orchestrators/Approval/a").status == 409);
}

// --- Wait -------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(wait_returns_the_bare_output) {
  const http_answer answer = request_at_root(
    "POST", "/orchestrators/E1_HelloSequence/wait?timeout=20&retryInterval=1");
  BOOST_TEST(answer.status == 200);
  BOOST_TEST(answer.body
             == R"(["Hello Tokyo!","Hello Seattle!","Hello London!"])");
  BOOST_TEST(
    request("POST", "/orchestrators/Echo?timeout=20&pollingInterval=0.5", "7")
      .body
    == "7");
}

BOOST_AUTO_TEST_CASE(timed_out_wait_returns_the_management_urls) {
  const http_answer answer = request_at_root(
    "POST", "/orchestrators/Approval/wait?timeout=0.05&retryInterval=0.01");
  BOOST_TEST(answer.status == 202);
  BOOST_TEST(answer.header("retry-after") == "10");
  BOOST_TEST(answer.json().contains("statusQueryGetUri"));
}

BOOST_AUTO_TEST_CASE(wait_for_a_failed_instance_returns_its_status) {
  const http_answer answer
    = request("POST", "/orchestrators/Fails?timeout=20&pollingInterval=1");
  BOOST_TEST(answer.status == 200);
  BOOST_TEST(answer.json().at("runtimeStatus") == "Failed");
  BOOST_TEST(request("POST", "/orchestrators/Fails?timeout=20&pollingInterval=1"
                             "&returnInternalServerErrorOnFailure=true")
               .status
             == 500);
}

BOOST_AUTO_TEST_CASE(contradictory_waits_are_refused) {
  for (const char* query :
       {"timeout=1&pollingInterval=2", "timeout=301&pollingInterval=1",
        "timeout=-1&pollingInterval=-2", "timeout=nan&pollingInterval=1",
        "timeout=x&pollingInterval=1", "timeout=1e308&pollingInterval=1",
        "timeout=0x10&pollingInterval=1", "timeout=99999999999", "timeout=301",
        "timeout=-1", "pollingInterval=soon", "timeout=2s"})
    BOOST_TEST(
      request("POST", std::string("/orchestrators/Echo?") + query).status
        == 400,
      query);
  for (const char* time :
       {"x", "nan", "inf", "1e308", "0x10", "301", "-1", "99999999999"})
    BOOST_TEST(
      request_at_root("POST",
                      std::string("/orchestrators/Echo/wait?timeout=") + time)
          .status
        == 400,
      time);
  BOOST_TEST(request("GET", "/instances").json().empty());
}

BOOST_AUTO_TEST_CASE(many_waits_for_one_instance_are_answered) {
  start("Approval", "a");
  std::vector<std::unique_ptr<http_caller>> waiting;
  for (int i = 0; i < 20; ++i) {
    waiting.push_back(std::make_unique<http_caller>(host->http_port()));
    waiting.back()->send("GET " + std::string(webhook)
                         + "/instances/a?waitSeconds=60 HTTP/1.1\r\n"
                           "Host: localhost\r\n\r\n");
  }
  request("POST", "/instances/a/raiseEvent/Approval", "true", json_body_header);
  for (auto& each : waiting)
    BOOST_TEST(each->receive().json().at("output") == true);
}

// --- Status -----------------------------------------------------------------

BOOST_AUTO_TEST_CASE(live_instance_is_202_with_retry_after) {
  start("SetStatus", "a", R"({"x":1})");
  const std::string path = std::string(webhook) + "/instances/a?showInput=True";
  const http_answer answer = request_at_root("GET", path);
  BOOST_TEST(answer.status == 202);
  BOOST_TEST(answer.header("location") == "http://127.0.0.1" + path);
  BOOST_TEST(answer.header("retry-after") == "5");
  const json body = answer.json();
  std::set<std::string> keys;
  for (const auto& [key, value] : body.items())
    keys.insert(key);
  BOOST_TEST(keys
               == (std::set<std::string>{"name", "instanceId", "runtimeStatus",
                                         "input", "customStatus", "output",
                                         "createdTime", "lastUpdatedTime"}),
             boost::test_tools::per_element());
  BOOST_TEST(body.at("customStatus").at("stage") == "one");
  BOOST_TEST(body.at("input").at("x") == 1);
  BOOST_TEST(request("GET", "/instances/a?showInput=false")
               .json()
               .at("input")
               .is_null());
}

// Some of these IDs can never exist.
BOOST_AUTO_TEST_CASE(unknown_instance_is_404_without_a_body) {
  for (const char* id : {"nope", "@a", "a%00b", "..%2f"}) {
    const http_answer answer = request("GET", std::string("/instances/") + id);
    BOOST_TEST(answer.status == 404, id);
    BOOST_TEST(answer.body.empty());
  }
}

BOOST_AUTO_TEST_CASE(failure_is_500_only_on_request) {
  start("Fails", "a");
  const json status = ended("a");
  BOOST_TEST(status.at("runtimeStatus") == "Failed");
  BOOST_TEST(status.at("output").get<std::string>().find("kaboom")
             != std::string::npos);
  BOOST_TEST(request("GET", "/instances/a").status == 200);
  BOOST_TEST(
    request("GET", "/instances/a?returnInternalServerErrorOnFailure=true")
      .status
    == 500);
}

BOOST_AUTO_TEST_CASE(history_contains_results_only_on_request) {
  start("HelloSequence", "a");
  ended("a");
  BOOST_TEST(!request("GET", "/instances/a").json().contains("historyEvents"));
  const json bare = request("GET", "/instances/a?showHistory=true")
                      .json()
                      .at("historyEvents");
  const json full = request("GET", "/instances/a?showHistory=true"
                                   "&showHistoryOutput=true")
                      .json()
                      .at("historyEvents");
  BOOST_TEST(bare.size() == 5U);
  BOOST_TEST(bare[1].at("FunctionName") == "SayHello");
  BOOST_TEST(!bare[1].contains("Result"));
  BOOST_TEST(full[1].at("Result") == "Hello Tokyo!");
  BOOST_TEST(full[4].at("OrchestrationStatus") == "Completed");
}

// --- Events and control -----------------------------------------------------

BOOST_AUTO_TEST_CASE(event_reaches_its_instance) {
  start("Approval", "a");
  const http_answer raised
    = request("POST", "/instances/a/raiseEvent/approval", R"({"ok":true})",
              "Content-Type: application/json; "
              "charset=utf-8\r\n");
  BOOST_TEST(raised.status == 202);
  BOOST_TEST(raised.body.empty());
  BOOST_TEST(ended("a").at("output").at("ok") == true);
}

BOOST_AUTO_TEST_CASE(event_without_a_body_is_null) {
  start("Approval", "a");
  BOOST_TEST(
    request("POST", "/instances/a/raiseEvent/Approval", {}, json_body_header)
      .status
    == 202);
  BOOST_TEST(ended("a").at("output").is_null());
}

// The order is: unknown instance, ended instance, media type, JSON.
BOOST_AUTO_TEST_CASE(event_checks_are_made_in_the_order_of_the_contract) {
  start("Approval", "a");
  start("Echo", "done");
  ended("done");
  const auto raise = [&](const char* id, const char* body,
                         const char* headers) {
    return request("POST", "/instances/" + std::string(id) + "/raiseEvent/E",
                   body, headers)
      .status;
  };
  constexpr const char* as_form = "Content-Type: text/plain\r\n";
  BOOST_TEST(raise("nope", "{", as_form) == 404);
  BOOST_TEST(raise("nope", "1", json_body_header) == 404);
  BOOST_TEST(raise("done", "{", as_form) == 410);
  BOOST_TEST(raise("done", "1", json_body_header) == 410);
  BOOST_TEST(raise("a", "1", as_form) == 400);
  BOOST_TEST(raise("a", "{", json_body_header) == 400);
  BOOST_TEST(request("POST", "/instances/a/raiseEvent/E", "1", as_form)
               .json()
               .at("Message")
             == "Only application/json request content is supported");
}

BOOST_AUTO_TEST_CASE(terminate_makes_the_reason_the_output) {
  start("Approval", "a");
  const http_answer answer
    = request("POST", "/instances/a/terminate?reason=enough+of%20%22it%22");
  BOOST_TEST(answer.status == 202);
  BOOST_TEST(answer.body.empty());
  const json status = ended("a");
  BOOST_TEST(status.at("runtimeStatus") == "Terminated");
  BOOST_TEST(status.at("output") == "enough of \"it\"");
  BOOST_TEST(request("POST", "/instances/a/terminate").status == 410);
  BOOST_TEST(request("POST", "/instances/nope/terminate").status == 404);
  BOOST_TEST(
    request("POST", "/instances/a/terminate?reason=" + std::string(1025, 'x'))
      .status
    == 400);
}

BOOST_AUTO_TEST_CASE(suspend_and_resume_may_be_repeated) {
  start("Approval", "a");
  for (const char* operation : {"suspend", "suspend"})
    BOOST_TEST(request("POST", std::string("/instances/a/") + operation).status
               == 202);
  BOOST_TEST(request("GET", "/instances/a").json().at("runtimeStatus")
             == "Suspended");
  request("POST", "/instances/a/raiseEvent/Approval", "1", json_body_header);
  for (const char* operation : {"resume", "RESUME"})
    BOOST_TEST(request("POST", std::string("/instances/a/") + operation).status
               != 404);
  BOOST_TEST(ended("a").at("output") == 1);
  BOOST_TEST(request("POST", "/instances/a/suspend").status == 410);
  BOOST_TEST(request("POST", "/instances/nope/resume").status == 404);
}

BOOST_AUTO_TEST_CASE(rewind_repeats_the_failed_work) {
  start("FailsOnce", "a");
  ended("a");
  const http_answer rewound
    = request("POST", "/instances/a/rewind?reason=fixed");
  BOOST_TEST(rewound.status == 202);
  BOOST_TEST(rewound.body.empty());
  BOOST_TEST(ended("a").at("output")
             == json::parse(R"(["Hello Tokyo!","recovered"])"));
  const http_answer again = request("POST", "/instances/a/rewind");
  BOOST_TEST(again.status == 412);
  BOOST_TEST(again.json().is_string());
  start("Approval", "b");
  BOOST_TEST(request("POST", "/instances/b/rewind").status == 412);
  BOOST_TEST(request("POST", "/instances/nope/rewind").status == 404);
}

BOOST_AUTO_TEST_CASE(restart_starts_again_with_the_same_input) {
  start("Echo", "a", "[7]");
  ended("a");
  const http_answer other = request("POST", "/instances/a/restart");
  BOOST_TEST(other.status == 202);
  const std::string id = other.json().at("id");
  BOOST_TEST(id != "a");
  BOOST_TEST(ended(id).at("output") == json::parse("[7]"));
  BOOST_TEST(
    request("POST", "/instances/a/restart?restartWithNewInstanceId=false")
      .json()
      .at("id")
    == "a");
  start("Approval", "b");
  BOOST_TEST(
    request("POST", "/instances/b/restart?restartWithNewInstanceId=false")
      .status
    == 409);
  BOOST_TEST(request("POST", "/instances/nope/restart").status == 400);
}

// --- Queries ----------------------------------------------------------------

// The list ends with the page that has no continuation token.
BOOST_AUTO_TEST_CASE(continuation_token_leads_through_all_pages) {
  for (int i = 0; i < 5; ++i)
    start("Echo", "page-" + std::to_string(i));
  start("Approval", "other");
  std::set<std::string> seen;
  std::string token;
  int pages = 0;
  do {
    const http_answer page = request(
      "GET", "/instances/?instanceIdPrefix=page-&top=2", {},
      token.empty() ? "" : "x-ms-continuation-token: " + token + "\r\n");
    BOOST_TEST(page.status == 200);
    BOOST_TEST(page.json().size() <= 2U);
    for (const json& each : page.json())
      seen.insert(each.at("instanceId"));
    token = page.header("x-ms-continuation-token");
  } while (!token.empty() && ++pages < 10);
  BOOST_TEST(seen.size() == 5U);
}

BOOST_AUTO_TEST_CASE(filters_are_combined_with_and) {
  start("Echo", "a");
  start("Approval", "b");
  ended("a");
  const auto count = [&](const char* query) {
    return request("GET", std::string("/instances?") + query).json().size();
  };
  BOOST_TEST(count("") == 2U);
  BOOST_TEST(count("runtimeStatus=completed") == 1U);
  BOOST_TEST(count("runtimeStatus=Running,Completed") == 2U);
  BOOST_TEST(count("runtimeStatus=Running&runtimeStatus=Failed") == 1U);
  BOOST_TEST(count("name=Approval") == 1U);
  BOOST_TEST(count("createdTimeFrom=2018-03-10T10:01:00Z") == 2U);
  BOOST_TEST(count("createdTimeFrom=2018-03-10T10:01:00+01:00") == 2U);
  BOOST_TEST(count("createdTimeTo=2018-03-10T10:23:59Z") == 0U);
  BOOST_TEST(count("createdTimeFrom=0001-01-01T00:00:00&name=Echo") == 1U);
}

BOOST_AUTO_TEST_CASE(filters_that_cannot_be_parsed_are_refused) {
  for (const char* query :
       {"runtimeStatus=complete", "createdTimeFrom=yesterday", "top=0",
        "top=1001", "top=x",
        "createdTimeFrom=2020-01-02&createdTimeTo="
        "2020-01-01"})
    BOOST_TEST(request("GET", std::string("/instances?") + query).status == 400,
               query);
  BOOST_TEST(
    request("GET", "/instances", {}, "x-ms-continuation-token: abc\r\n").status
    == 400);
}

// --- Purge ------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(purge_removes_finished_instances_only) {
  start("Approval", "a");
  BOOST_TEST(request("DELETE", "/instances/a").status == 412);
  request("POST", "/instances/a/terminate");
  const http_answer purged = request("DELETE", "/instances/a");
  BOOST_TEST(purged.status == 200);
  BOOST_TEST(purged.body == R"({"instancesDeleted":1})");
  BOOST_TEST(request("DELETE", "/instances/a").status == 404);
}

// The contract of Durable Functions defines the error message.
BOOST_AUTO_TEST_CASE(purge_by_filter_requires_createdTimeFrom) {
  start("Echo", "a");
  start("Echo", "b");
  start("Approval", "live");
  ended("a");
  ended("b");
  const http_answer without = request("DELETE", "/instances");
  BOOST_TEST(without.status == 400);
  BOOST_TEST(without.json()
             == "Please provide value for 'createdTimeFrom' parameter.");
  BOOST_TEST(request("DELETE", "/instances?createdTimeFrom=2020-01-01"
                               "&runtimeStatus=Running")
               .status
             == 404);
  const http_answer purged
    = request("DELETE", "/instances/?createdTimeFrom=2020-01-01");
  BOOST_TEST(purged.status == 200);
  BOOST_TEST(purged.json().at("instancesDeleted") == 2);
  const http_answer again
    = request("DELETE", "/instances?createdTimeFrom=2020-01-01");
  BOOST_TEST(again.status == 404);
  BOOST_TEST(again.body.empty());
}

// --- Other routes ------------------------------------------------------------

BOOST_AUTO_TEST_CASE(unknown_routes_and_methods_are_404_without_a_body) {
  for (const auto& [method, path] : {std::pair("GET", "/"),
                                     {"GET", "/orchestrators/Echo"},
                                     {"PUT", "/instances/a"},
                                     {"POST", "/instances/a"},
                                     {"POST", "/instances/a/explode"},
                                     {"GET", "/instances/a/terminate"},
                                     {"POST", "/instances//terminate"},
                                     {"POST", "/instances/a/raiseEvent"},
                                     {"POST", "/orchestrators/a/b/c"}}) {
    const http_answer answer = request(method, path);
    BOOST_TEST(answer.status == 404, method << path);
    BOOST_TEST(answer.body.empty());
  }
}

BOOST_AUTO_TEST_CASE(health_readiness_and_counts_are_reported) {
  BOOST_TEST(request_at_root("GET", "/healthz").status == 200);
  BOOST_TEST(request_at_root("GET", "/readyz").status == 200);
  BOOST_TEST(request("GET", "/entities/Counter/a").status == 501);
  BOOST_TEST(request("POST", "/makeprimary").status == 200);
  start("Approval", "a");
  BOOST_TEST(request_at_root("GET", "/perdura/count").json().at("Running")
             == 1);
  BOOST_TEST(request_at_root("GET", "/perdura/stuck").json().empty());
  BOOST_TEST(request_at_root("GET", "/perdura/instances/a/urls").json().at("id")
             == "a");
  BOOST_TEST(request_at_root("GET", "/perdura/instances/b/urls").status == 404);
}

BOOST_AUTO_TEST_CASE(management_payload_has_the_urls_of_the_node) {
  const auto payload = host->client().create_http_management_payload("a b");
  BOOST_TEST(payload.status_query_get_uri
             == host->url() + webhook
                  + "/instances/a%20b?taskHub=perdura&connection=Storage");
}

BOOST_AUTO_TEST_CASE(stop_answers_pending_waits) {
  http_caller caller(host->http_port());
  caller.send(
    "POST /orchestrators/Approval/wait HTTP/1.1\r\nHost: localhost\r\n"
    "Content-Length: 0\r\n\r\n");
  // The instance appears in the count as soon as its start is durable.
  while (request_at_root("GET", "/perdura/count").json().at("Running") == 0)
    continue;
  BOOST_TEST(host->stop().empty());
  BOOST_TEST(caller.receive().status == 202);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(node_host_suite)

// A failed start must not leave a new hub behind.
BOOST_AUTO_TEST_CASE(port_is_checked_before_the_directory_is_created) {
  http_fixture first;
  temp_directory other;
  perdura::client::node_host_config config;
  config.node.data_dir = other.path() / "hub";
  config.node.create_hub = true;
  config.http.port = first.host->http_port();
  auto functions = std::make_shared<perdura::actors::registry>();
  const auto second = perdura::client::node_host::start(config, functions);
  BOOST_TEST((second.code() == perdura::persistence::errc::unavailable));
  BOOST_TEST(second.error().message.find("--http") != std::string::npos);
  BOOST_TEST(!std::filesystem::exists(config.node.data_dir));
}

// Without keys and TLS a node listens on loopback only.
BOOST_AUTO_TEST_CASE(listening_on_all_addresses_is_refused) {
  perdura::client::node_host_config config;
  config.http.address = "0.0.0.0";
  config.http.port = 0;
  const auto open = perdura::client::node_host::start(
    config, std::make_shared<perdura::actors::registry>());
  BOOST_TEST((open.code() == perdura::persistence::errc::invalid_argument));
}

BOOST_AUTO_TEST_CASE(node_without_http_api_is_used_in_process) {
  temp_directory directory;
  auto functions = std::make_shared<perdura::actors::registry>();
  perdura::examples::add_samples(*functions);
  perdura::client::node_host_config config;
  config.node.data_dir = directory.path() / "hub";
  config.node.create_hub = true;
  config.http_enabled = false;
  auto host = perdura::client::node_host::start(config, functions);
  BOOST_TEST((*host)->http_port() == 0);
  auto client = (*host)->client();
  const std::string id = client.start_new("Echo", "hello").value();
  BOOST_TEST(client.wait_for_completion(id, std::chrono::seconds(20))->output
             == "\"hello\"");
  BOOST_TEST(
    client.create_http_management_payload(id).status_query_get_uri.empty());
}

BOOST_AUTO_TEST_SUITE_END()
