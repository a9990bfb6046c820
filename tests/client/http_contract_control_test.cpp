// SPDX-License-Identifier: Apache-2.0
#include "tests/client/contract_fixture.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <utility>
#include <vector>

// The HTTP contract of Durable Functions, extension 3.x: events,
// terminate, suspend, resume, rewind and purge. A case name begins with the
// number of the section of the contract. README.md lists the deviations.

using namespace perdura::tests;
using nlohmann::json;

BOOST_FIXTURE_TEST_SUITE(http_contract_control, contract_fixture)

// --- §2.5 Raise event -------------------------------------------------------

BOOST_AUTO_TEST_CASE(s25_event_for_a_live_instance_is_202) {
  for_each(live_statuses, [&](const std::string& id) {
    for (const char* type :
         {"application/json", "application/json; charset=utf-8",
          "Application/JSON;charset=utf-8"})
      check_empty(request("POST", "/instances/" + id + "/raiseEvent/E",
                          R"({"a":1})",
                          std::string("Content-Type: ") + type + "\r\n"),
                  202);
  });
}

BOOST_AUTO_TEST_CASE(s25_event_checks_are_made_in_the_order_of_the_contract) {
  const auto raise
    = [&](const std::string& id, const char* body, const char* type) {
        return request("POST", "/instances/" + id + "/raiseEvent/E", body,
                       std::string("Content-Type: ") + type + "\r\n");
      };
  constexpr const char* json_type = "application/json";
  // The order: unknown instance, ended instance, media type, JSON.
  for (const char* type : {json_type, "text/plain"})
    for (const char* body : {"1", "{"}) {
      check_empty(raise("nope", body, type), 404);
      for (const std::string& status : ended_statuses)
        check_empty(raise(instance_in(status), body, type), 410);
    }
  const std::string live = instance_in("Running");
  for (const char* body : {"1", "{"}) {
    const http_answer refused = raise(live, body, "text/plain");
    check_refusal(refused, 400);
    BOOST_TEST(refused.json().at("Message")
               == "Only application/json request content is supported");
  }
  check_refusal(raise(live, "{", json_type), 400);
  // A missing media type is refused as well.
  check_refusal(request("POST", "/instances/" + live + "/raiseEvent/E", "1"),
                400);
}

// Deviation: an empty body means null, as the JavaScript client intends it.
// Version 2.x answers 400.
BOOST_AUTO_TEST_CASE(s25_empty_body_is_null) {
  for (const char* headers : {json_body_header, ""}) {
    start("Approval", "a");
    check_empty(
      request("POST", "/instances/a/raiseEvent/Approval", {}, headers), 202);
    BOOST_TEST(ended("a").at("output").is_null());
  }
}

// --- §2.6 Terminate, suspend, resume ----------------------------------------

// A body is ignored, even one that is not JSON.
BOOST_AUTO_TEST_CASE(s26_terminate_of_a_live_instance_is_202) {
  for_each(live_statuses, [&](const std::string& id) {
    check_empty(request("POST",
                        "/instances/" + id + "/terminate?reason=it+is%20time",
                        "{"),
                202);
    const json status = ended(id);
    BOOST_TEST(status.at("runtimeStatus") == "Terminated");
    BOOST_TEST(status.at("output") == "it is time");
  });
}

// Deviation: suspend and resume can be repeated. Durable Functions answers the
// repetition with 500.
BOOST_AUTO_TEST_CASE(s26_suspend_and_resume_of_a_live_instance_are_202) {
  for_each({"Running", "Suspended"}, [&](const std::string& id) {
    const std::string instance = "/instances/" + id;
    for (int i = 0; i < 2; ++i) {
      check_empty(request("POST", instance + "/suspend?reason=why"), 202);
      const json status = request("GET", instance).json();
      BOOST_TEST(status.at("runtimeStatus") == "Suspended");
      // Deviation: the reason does not become the output.
      BOOST_TEST(status.at("output").is_null());
    }
    for (int i = 0; i < 2; ++i) {
      check_empty(request("POST", instance + "/resume"), 202);
      BOOST_TEST(request("GET", instance).json().at("runtimeStatus")
                 == "Running");
    }
  });
}

BOOST_AUTO_TEST_CASE(s26_unknown_instance_is_404_and_ended_instance_is_410) {
  for (const std::string operation : {"terminate", "suspend", "resume"}) {
    check_empty(request("POST", "/instances/nope/" + operation), 404);
    for_each(ended_statuses, [&](const std::string& id) {
      check_empty(request("POST", "/instances/" + id + "/" + operation), 410);
    });
  }
}

// --- §2.7 Rewind ------------------------------------------------------------

BOOST_AUTO_TEST_CASE(s27_rewind_of_a_failed_instance_is_202) {
  start("FailsOnce", "a");
  ended("a");
  check_empty(request("POST", "/instances/a/rewind?reason=fixed"), 202);
  BOOST_TEST(ended("a").at("runtimeStatus") == "Completed");
}

BOOST_AUTO_TEST_CASE(s27_rewind_of_any_other_instance_is_412_with_a_message) {
  for_each({"Completed", "Terminated", "Running", "Pending", "Suspended"},
           [&](const std::string& id) {
             check_sentence(request("POST", "/instances/" + id + "/rewind"),
                            412);
           });
}

BOOST_AUTO_TEST_CASE(s27_rewind_of_an_unknown_instance_is_404_with_a_message) {
  check_sentence(request("POST", "/instances/nope/rewind"), 404);
}

// --- §2.8 Purge -------------------------------------------------------------

BOOST_AUTO_TEST_CASE(s28_purge_of_an_ended_instance_is_200) {
  for_each(ended_statuses, [&](const std::string& id) {
    const http_answer purged = request("DELETE", "/instances/" + id);
    BOOST_TEST(purged.status == 200);
    BOOST_TEST(purged.body == R"({"instancesDeleted":1})");
    check_empty(request("GET", "/instances/" + id), 404);
    check_empty(request("DELETE", "/instances/" + id), 404);
  });
}

// Deviation: the purge of a live instance is refused. Durable Functions (2018)
// purges it.
BOOST_AUTO_TEST_CASE(s28_purge_of_a_live_instance_is_412_with_a_message) {
  for_each(live_statuses, [&](const std::string& id) {
    check_sentence(request("DELETE", "/instances/" + id), 412);
    BOOST_TEST(request("GET", "/instances/" + id).status == 202);
  });
}

BOOST_AUTO_TEST_CASE(s28_purge_by_filter_requires_createdTimeFrom) {
  for (const char* query :
       {"", "?createdTimeTo=2099-01-01", "?runtimeStatus=Completed"}) {
    const http_answer answer
      = request("DELETE", std::string("/instances") + query);
    check_sentence(answer, 400);
    BOOST_TEST(answer.json()
               == "Please provide value for 'createdTimeFrom' parameter.");
  }
}

// Regression: a misspelt filter had the effect of none, so all was purged.
BOOST_AUTO_TEST_CASE(s28_parameter_that_is_not_known_is_400) {
  instance_in("Completed");
  for (const char* query :
       {"createdTimeFrom=2000-01-01&runtimestatuss=Failed",
        "createdTimeFrom=2000-01-01&createdTimeto_=2000-01-02",
        "createdTimeFrom=2000-01-01&instanceIDprefixes=x",
        "createdTimeFrom=2000-01-01&tops=1",
        "createdTimeFrom=2000-01-01&%74opp",
        "createdTimeFrom=2000-01-01&partial=maybe",
        "createdTimeFrom=2000-01-01&root=", "createdTimeFrom=2000-01-01&parent",
        "createdTimeFrom=2000-01-01&name=", "createdTimeFrom=2000-01-01&top=",
        "createdTimeFrom=2000-01-01&runtimeStatus=",
        "createdTimeFrom=2000-01-01&instanceIdPrefix=",
        "createdTimeFrom=2000-01-01&createdTimeTo=",
        "createdTimeFrom=2000-01-01&version=",
        "createdTimeFrom=2000-01-01&name=a&NAME=b",
        "createdTimeFrom=2000-01-01&createdTimeFrom=2099-01-01"})
    check_refusal(request("DELETE", std::string("/instances?") + query), 400);
  for (const auto& [method, path] :
       std::vector<std::pair<std::string, std::string>>{
         {"DELETE", "/instances/completed?forced=true"},
         {"DELETE", "/instances/completed?force=maybe"},
         {"DELETE", "/instances?createdTimeFrom=2000-01-01&force=true"},
         {"POST", "/instances/completed/rewind?force=true"},
         {"POST", "/instances/completed/rewind?reasons=x"},
         {"POST", "/instances/completed/restart?restartWithNewInstanceId=no"},
         {"POST", "/orchestrators/Echo/new?getorstart=2"},
         {"POST", "/orchestrators/Echo/new?scheduleStartTime=2099-01-01"},
         {"POST", "/orchestrators/Echo/new?scheduledStartTime="},
         {"POST", "/instances/completed/terminate?recursive=0&recursive=1"}})
    check_refusal(request(method, path), 400);
  check_empty(request("GET", "/instances/new"), 404);
  BOOST_TEST(request("GET", "/instances/completed").status == 200);
  // Parameters that clients add to each request are known everywhere.
  BOOST_TEST(request("DELETE", "/instances/completed?taskHub=a&connection=b"
                               "&code=&showInput=false")
               .status
             == 200);
}

BOOST_AUTO_TEST_CASE(s28_purge_by_filter_removes_at_most_top_instances) {
  for (const char* id : {"a", "b", "c"}) {
    start("Echo", id, "1");
    ended(id);
  }
  const auto purged = [&](const std::string& top) {
    return request("DELETE", "/instances?createdTimeFrom=2000-01-01" + top)
      .json()
      .at("instancesDeleted");
  };
  BOOST_TEST(purged("&top=2") == 2);
  BOOST_TEST(request("GET", "/instances").json().size() == 1U);
  BOOST_TEST(purged("&top=1000") == 1);
  check_refusal(
    request("DELETE", "/instances?createdTimeFrom=2000-01-01&top=0"), 400);
}

BOOST_AUTO_TEST_CASE(s28_purge_by_filter_removes_ended_instances_only) {
  const auto fill = [&] {
    for (const std::string& status : ended_statuses)
      instance_in(status);
  };
  for_each(live_statuses, [](const std::string&) {});
  const std::vector<std::pair<std::string, int>> rows{
    {"createdTimeFrom=2000-01-01", 3},
    {"createdTimeFrom=2000-01-01&createdTimeTo=2099-01-01", 3},
    {"createdTimeFrom=2000-01-01&runtimeStatus=Completed", 1},
    {"createdTimeFrom=2000-01-01&runtimeStatus=Completed,Failed", 2},
    {"createdTimeFrom=2000-01-01&runtimeStatus=Failed,Running", 1},
    {"createdTimeFrom=2000-01-01&runtimeStatus=Running", 0},
    {"createdTimeFrom=2000-01-01&runtimeStatus=Pending,Suspended", 0},
    {"createdTimeFrom=2000-01-01&createdTimeTo=2000-01-02", 0},
    {"createdTimeFrom=2099-01-01", 0}};
  for (const auto& [query, count] : rows)
    BOOST_TEST_CONTEXT(query) {
      fill();
      const http_answer purged = request("DELETE", "/instances/?" + query);
      if (count == 0) {
        check_empty(purged, 404);
      } else {
        BOOST_TEST(purged.status == 200);
        BOOST_TEST(purged.json()
                   == json::object({{"instancesDeleted", count}}));
      }
      for (const std::string id : {"pending", "running", "suspended"})
        BOOST_TEST(request("GET", "/instances/" + id).status == 202);
    }
  check_refusal(
    request("DELETE",
            "/instances?createdTimeFrom=2000-01-01&runtimeStatus=Runing"),
    400);
}

// --- §4 Semantics -----------------------------------------------------------

BOOST_AUTO_TEST_CASE(s4_unawaited_events_are_kept_in_order) {
  start("TwoEvents", "a?scheduledStartTime=2020-01-01");
  for (const char* each : {"b/1", "b/2", "a/3"})
    check_empty(request("POST",
                        "/instances/a/raiseEvent/" + std::string(1, each[0]),
                        std::string(each + 2), json_body_header),
                202);
  BOOST_TEST(ended("a").at("output") == json::parse("[3,1]"));
}

BOOST_AUTO_TEST_CASE(s4_continue_as_new_keeps_the_id_and_takes_a_new_input) {
  start("Counter", "a", "1");
  const json before = request("GET", "/instances/a").json();
  request("POST", "/instances/a/raiseEvent/Add", "4", json_body_header);
  request("POST", "/instances/a/raiseEvent/Stop", {}, json_body_header);
  const json after = ended("a");
  BOOST_TEST(after.at("input") == 5);
  BOOST_TEST(after.at("output") == 5);
  BOOST_TEST(after.at("customStatus") == 5);
  // Deviation: createdTime is the time of the first start and not that of the
  // last continue-as-new.
  BOOST_TEST(after.at("createdTime") == before.at("createdTime"));
}

BOOST_AUTO_TEST_CASE(s4_suspend_keeps_events_for_resume) {
  start("Approval", "a");
  request("POST", "/instances/a/suspend");
  request("POST", "/instances/a/raiseEvent/Approval", "1", json_body_header);
  BOOST_TEST(request("GET", "/instances/a").json().at("runtimeStatus")
             == "Suspended");
  request("POST", "/instances/a/resume");
  BOOST_TEST(ended("a").at("output") == 1);
}

// Only a terminate reaches a whole tree; the others must not seem to.
BOOST_AUTO_TEST_CASE(recursive_is_refused_where_it_has_no_effect) {
  for_each(live_statuses, [&](const std::string& id) {
    for (const char* operation : {"suspend", "resume", "rewind", "release"}) {
      const auto refused = request("POST", "/instances/" + id + "/" + operation
                                             + "?recursive=true");
      BOOST_TEST(refused.status == 400, operation);
      BOOST_TEST(refused.body.find("recursive") != std::string::npos);
    }
    BOOST_TEST(request("DELETE", "/instances/" + id + "?recursive=1").status
               == 400);
    BOOST_TEST(request("GET", "/instances/" + id).status != 404);
  });
  BOOST_TEST(
    request("DELETE", "/instances?recursive=true&runtimeStatus=Completed")
      .status
    == 400);
}

BOOST_AUTO_TEST_SUITE_END()
