#include "tests/client/contract_fixture.hpp"

#include <boost/test/unit_test.hpp>

#include <map>
#include <regex>
#include <string>
#include <vector>

// The wire contract of Durable Functions' HTTP API, extension 3.x, row by row
// under the numbers of its sections; §2.3 is in http_contract_history_test.cpp.
// What the deviations are, README.md says.

using namespace perdura::tests;
using nlohmann::json;

namespace {

/// A refusal: a sentence, a code, and no insides.
void check_refusal(const http_answer& answer, int status) {
  BOOST_TEST(answer.status == status, answer.body);
  BOOST_TEST(answer.header("content-type")
             == "application/json; charset=utf-8");
  const json body = answer.json();
  BOOST_TEST(!body.at("Message").get<std::string>().empty());
  BOOST_TEST(!body.contains("StackTrace"));
}

void check_empty(const http_answer& answer, int status) {
  BOOST_TEST(answer.status == status, answer.body);
  BOOST_TEST(answer.body.empty(), answer.body);
}

void check_sentence(const http_answer& answer, int status) {
  BOOST_TEST(answer.status == status, answer.body);
  BOOST_TEST(answer.json().is_string(), answer.body);
}

const names payload_keys{"id",
                         "statusQueryGetUri",
                         "sendEventPostUri",
                         "terminatePostUri",
                         "rewindPostUri",
                         "purgeHistoryDeleteUri",
                         "restartPostUri",
                         "suspendPostUri",
                         "resumePostUri"};

const names status_keys{"name",        "instanceId",     "runtimeStatus",
                        "input",       "output",         "customStatus",
                        "createdTime", "lastUpdatedTime"};

/// 202 with the management URLs, where to ask and when.
void check_accepted(const http_answer& answer, const std::string& id = {}) {
  BOOST_TEST_REQUIRE(answer.status == 202, answer.body);
  const json body = answer.json();
  BOOST_TEST(keys_of(body) == payload_keys, boost::test_tools::per_element());
  if (!id.empty())
    BOOST_TEST(body.at("id") == id);
  BOOST_TEST(answer.header("location") == body.at("statusQueryGetUri"));
  BOOST_TEST(answer.header("retry-after") == "10");
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(http_contract, contract_fixture)

// --- §1 Addresses -----------------------------------------------------------

BOOST_AUTO_TEST_CASE(s1_each_base_in_any_case_with_or_without_a_slash) {
  start("Approval", "a");
  for (const std::string base :
       {"/runtime/webhooks/durabletask", "/RUNTIME/Webhooks/DurableTask",
        "/admin/extensions/DurableTaskExtension",
        "/ADMIN/extensions/durabletaskextension",
        "/runtime/webhooks/DurableTaskExtension"})
    for (const std::string slash : {"", "/"})
      BOOST_TEST_CONTEXT(base << slash) {
        BOOST_TEST(ask_site("GET", base + "/instances/a" + slash).status
                   == 202);
        BOOST_TEST(ask_site("GET", base + "/instances" + slash).status == 200);
        check_accepted(
          ask_site("POST", base + "/orchestrators/Approval" + slash));
      }
}

BOOST_AUTO_TEST_CASE(s1_words_and_parameters_in_any_case) {
  start("Approval", "a");
  check_empty(ask("POST", "/INSTANCES/a/Suspend"), 202);
  check_empty(ask("POST", "/instances/a/RESUME"), 202);
  check_empty(ask("POST", "/instances/a/raiseevent/E", "1", as_json), 202);
  check_accepted(ask("POST", "/Orchestrators/Approval"));
  BOOST_TEST(
    ask("GET", "/instances/a?SHOWHISTORY=True").json().contains("historyEvents")
    == true);
}

BOOST_AUTO_TEST_CASE(s1_hub_and_connection_may_be_named) {
  start("Approval", "a");
  for (const char* query :
       {"taskHub=perdura", "connection=Storage", "connection=Other",
        "TASKHUB=perdura&Connection=Storage", "unknown=1"})
    BOOST_TEST(ask("GET", std::string("/instances/a?") + query).status == 202,
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
      check_empty(ask(method, path), 404);
    }
}

BOOST_AUTO_TEST_CASE(s1_an_operation_comes_before_an_event) {
  // "raiseEvent" is no operation; an ID may be a word of the API.
  start("Approval", "instances");
  check_empty(
    ask("POST", "/instances/instances/raiseEvent/Terminate", "1", as_json),
    202);
  BOOST_TEST(ask("GET", "/instances/instances").status == 202);
}

BOOST_AUTO_TEST_CASE(s1_a_segment_is_decoded_after_it_was_split_off) {
  start("Approval", "a%20b");
  BOOST_TEST(ask("GET", "/instances/a%20b").json().at("instanceId") == "a b");
  start("Approval", "a+b");
  BOOST_TEST(ask("GET", "/instances/a+b").json().at("instanceId") == "a+b");
  check_empty(ask("GET", "/instances/a%2Fb"), 404);
}

BOOST_AUTO_TEST_CASE(s1_makeprimary_is_200_with_any_method) {
  for (const char* method : {"POST", "GET", "PUT"})
    check_empty(ask(method, "/makeprimary"), 200);
}

// --- §2.1 Start -------------------------------------------------------------

BOOST_AUTO_TEST_CASE(s21_a_start_is_202) {
  check_accepted(ask("POST", "/orchestrators/Approval/a"), "a");
  const http_answer unnamed = ask("POST", "/orchestrators/Approval");
  check_accepted(unnamed);
  BOOST_TEST(std::regex_match(unnamed.json().at("id").get<std::string>(),
                              std::regex("[0-9a-f]{32}")));
}

BOOST_AUTO_TEST_CASE(s21_the_body_is_the_input_whatever_its_type) {
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
        check_accepted(ask("POST", "/orchestrators/Echo/a", body, type), "a");
        BOOST_TEST(ended("a").at("input") == input);
      }
}

BOOST_AUTO_TEST_CASE(s21_trace_headers_are_accepted) {
  check_accepted(
    ask("POST", "/orchestrators/Echo", "1",
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        "\r\ntracestate: a=b\r\n"));
}

BOOST_AUTO_TEST_CASE(s21_broken_json_is_400) {
  for (const char* body : {"{", "nope", "1 2", "{\"a\":}", "\"\x01\""})
    BOOST_TEST_CONTEXT(body) {
      check_refusal(ask("POST", "/orchestrators/Echo/a", body), 400);
    }
  check_empty(ask("GET", "/instances/a"), 404);
}

BOOST_AUTO_TEST_CASE(s21_an_impossible_id_is_400) {
  for (const std::string& id :
       {std::string("@a"), std::string("a%2Fb"), std::string("a%5Cb"),
        std::string("a%23b"), std::string("a%3Fb"), std::string("a%0Ab"),
        std::string("a%7Fb"), std::string(257, 'a')})
    BOOST_TEST_CONTEXT(id) {
      check_refusal(ask("POST", "/orchestrators/Echo/" + id), 400);
    }
  check_accepted(ask("POST", "/orchestrators/Echo/" + std::string(256, 'a')));
}

// Deviation: refused (as in 2.x), rather than accepted and failed later.
BOOST_AUTO_TEST_CASE(s21_an_unknown_function_is_400) {
  check_refusal(ask("POST", "/orchestrators/Nope"), 400);
  check_refusal(ask("POST", "/orchestrators/Echo?version=7"), 400);
}

BOOST_AUTO_TEST_CASE(s21_a_live_id_is_409) {
  for_each(live_statuses, [&](const std::string& id) {
    const http_answer answer = ask("POST", "/orchestrators/Approval/" + id);
    check_refusal(answer, 409);
    BOOST_TEST(answer.body.find("already") != std::string::npos);
  });
}

BOOST_AUTO_TEST_CASE(s21_an_ended_id_is_taken_over) {
  for_each(ended_statuses, [&](const std::string& id) {
    check_accepted(ask("POST", "/orchestrators/Echo/" + id, "[9]"), id);
    BOOST_TEST(ended(id).at("output") == json::parse("[9]"));
    // The old history goes.
    BOOST_TEST(history_of(id).size() == 2U);
  });
}

BOOST_AUTO_TEST_CASE(s21_a_live_id_is_not_replaced_by_a_sample_either) {
  start("Approval", "a");
  check_accepted(ask_site("POST", "/orchestrators/Echo"));
  const http_answer twice = ask("POST", "/orchestrators",
                                R"({"FunctionName":"Echo","InstanceId":"a"})");
  check_refusal(twice, 409);
}

// --- §2.2 Status ------------------------------------------------------------

BOOST_AUTO_TEST_CASE(s22_a_live_instance_is_202) {
  for_each(live_statuses, [&](const std::string& id) {
    const std::string target = "/instances/" + id + "?showInput=true&code=x";
    const http_answer answer = ask("GET", target);
    BOOST_TEST(answer.status == 202);
    BOOST_TEST(answer.header("location")
               == "http://127.0.0.1" + std::string(webhook) + target);
    BOOST_TEST(answer.header("retry-after") == "5");
    BOOST_TEST(keys_of(answer.json()) == status_keys,
               boost::test_tools::per_element());
    BOOST_TEST(answer.json().at("output").is_null());
  });
}

BOOST_AUTO_TEST_CASE(s22_an_ended_instance_is_200) {
  for_each(ended_statuses, [&](const std::string& id) {
    for (const char* query : {"", "?returnInternalServerErrorOnFailure=false",
                              "?returnInternalServerErrorOnFailure=1"}) {
      const http_answer answer = ask("GET", "/instances/" + id + query);
      BOOST_TEST(answer.status == 200);
      BOOST_TEST(!answer.has("location"));
      BOOST_TEST(!answer.has("retry-after"));
      BOOST_TEST(keys_of(answer.json()) == status_keys,
                 boost::test_tools::per_element());
    }
  });
}

BOOST_AUTO_TEST_CASE(s22_a_failure_alone_is_500_and_only_if_asked_for) {
  for_each(ended_statuses, [&](const std::string& id) {
    const http_answer answer = ask(
      "GET", "/instances/" + id + "?returnInternalServerErrorOnFailure=TRUE");
    BOOST_TEST(answer.status == (id == "failed" ? 500 : 200));
    BOOST_TEST(keys_of(answer.json()) == status_keys,
               boost::test_tools::per_element());
  });
}

BOOST_AUTO_TEST_CASE(s22_no_such_instance_is_404_without_a_body) {
  for (const char* id : {"nope", "@counter@a", "a%5Cb"})
    check_empty(ask("GET", std::string("/instances/") + id), 404);
}

BOOST_AUTO_TEST_CASE(s22_times_are_whole_seconds_of_utc) {
  const std::regex whole_seconds(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)");
  for_each({"Pending", "Running", "Completed"}, [&](const std::string& id) {
    const json status = ask("GET", "/instances/" + id).json();
    for (const char* key : {"createdTime", "lastUpdatedTime"})
      BOOST_TEST(
        std::regex_match(status.at(key).get<std::string>(), whole_seconds));
  });
}

BOOST_AUTO_TEST_CASE(s22_values_are_json_and_plain_text_becomes_a_string) {
  start("Echo", "json", R"({"at":"2018-02-28T05:18:49Z"})");
  BOOST_TEST(ended("json").at("output").at("at") == "2018-02-28T05:18:49Z");
  instance_in("Terminated");
  BOOST_TEST(ended("terminated").at("output") == "enough");
  start("Approval", "silent");
  ask("POST", "/instances/silent/terminate");
  BOOST_TEST(ended("silent").at("output") == "");
  instance_in("Failed");
  BOOST_TEST(ended("failed").at("output").get<std::string>().starts_with(
    "Orchestrator function 'Fails' failed: "));
}

// A deviation: Durable Functions would show the number 5.
BOOST_AUTO_TEST_CASE(s22_a_reason_is_text_whatever_it_looks_like) {
  start("Approval", "a");
  ask("POST", "/instances/a/terminate?reason=5");
  BOOST_TEST(ended("a").at("output") == "5");
}

BOOST_AUTO_TEST_CASE(s22_flags_that_are_no_booleans_mean_the_default) {
  start("Echo", "a", "[1]");
  ended("a");
  const auto shown = [&](const std::string& query) {
    return ask("GET", "/instances/a?" + query).json();
  };
  for (const char* value : {"false", "FALSE", "False"})
    BOOST_TEST(shown(std::string("showInput=") + value).at("input").is_null(),
               value);
  for (const char* value : {"true", "0", "no", "", "%20false", "falsee"})
    BOOST_TEST(shown(std::string("showInput=") + value).at("input")
                 == json::parse("[1]"),
               value);
  for (const char* value : {"true", "TRUE", "True"})
    BOOST_TEST(
      shown(std::string("showHistory=") + value).contains("historyEvents"),
      value);
  for (const char* value : {"false", "1", "yes", "", "truee"})
    BOOST_TEST(
      !shown(std::string("showHistory=") + value).contains("historyEvents"),
      value);
  for (const char* value : {"false", "1", ""})
    BOOST_TEST(
      !history_of("a", (std::string("&showHistoryOutput=") + value).c_str())
         .back()
         .contains("Result"),
      value);
}

BOOST_AUTO_TEST_CASE(s22_a_pending_instance_has_no_history) {
  const std::string id = instance_in("Pending");
  BOOST_TEST(!ask("GET", "/instances/" + id + "?showHistory=true")
                .json()
                .contains("historyEvents"));
}

// --- §2.4 Query -------------------------------------------------------------

BOOST_AUTO_TEST_CASE(s24_a_query_shows_statuses_without_history) {
  for (const char* status : {"Pending", "Running", "Failed"})
    instance_in(status);
  for (const char* query : {"", "/", "?showHistory=true"}) {
    const http_answer answer = ask("GET", std::string("/instances") + query);
    BOOST_TEST(answer.status == 200);
    BOOST_TEST(answer.header("x-ms-continuation-token").empty());
    const json all = answer.json();
    BOOST_TEST_REQUIRE(all.size() == 3U);
    for (const json& each : all)
      BOOST_TEST(keys_of(each) == status_keys,
                 boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(s24_each_filter_by_itself_and_joined_by_and) {
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
    BOOST_TEST(ask("GET", "/instances?" + query).json().size() == count, query);
}

BOOST_AUTO_TEST_CASE(s24_both_ends_of_a_time_belong_to_it) {
  start("Approval", "a");
  const std::string event_time
    = history_of("a").at(0).at("Timestamp").get<std::string>();
  for (const char* side : {"createdTimeFrom=", "createdTimeTo="})
    BOOST_TEST(ask("GET", "/instances?" + (side + event_time)).json().size()
                 == 1U,
               side);
}

BOOST_AUTO_TEST_CASE(s24_inputs_can_be_left_out) {
  start("SetStatus", "a", "[1]");
  const auto input = [&](const char* query) {
    return ask("GET", std::string("/instances?") + query)
      .json()
      .at(0)
      .at("input");
  };
  BOOST_TEST(input("") == json::parse("[1]"));
  BOOST_TEST(input("showInput=true") == json::parse("[1]"));
  BOOST_TEST(input("showInput=false").is_null());
}

BOOST_AUTO_TEST_CASE(s24_a_page_has_a_hundred_and_a_token_to_the_next) {
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
      const http_answer page = ask("GET", "/instances/" + query, {}, header);
      BOOST_TEST_REQUIRE(page.status == 200);
      for (const json& each : page.json())
        BOOST_TEST(seen.insert(each.at("instanceId")).second);
      token = page.header("x-ms-continuation-token");
      if (token.empty())
        break;
    }
  };
  BOOST_TEST(ask("GET", "/instances").json().size() == 100U);
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

// Deviation: refused, where Durable Functions drops the filter.
BOOST_AUTO_TEST_CASE(s24_a_filter_that_cannot_be_read_is_400) {
  for (const char* query :
       {"createdTimeFrom=yesterday", "createdTimeTo=2020-13-01",
        "runtimeStatus=Runing", "runtimeStatus=8", "top=none", "top=-1"})
    BOOST_TEST_CONTEXT(query) {
      check_refusal(ask("GET", std::string("/instances?") + query), 400);
    }
  check_refusal(
    ask("GET", "/instances", {}, "x-ms-continuation-token: nonsense\r\n"), 400);
}

// --- §2.5 Raise event -------------------------------------------------------

BOOST_AUTO_TEST_CASE(s25_an_event_for_a_live_instance_is_202) {
  for_each(live_statuses, [&](const std::string& id) {
    for (const char* type :
         {"application/json", "application/json; charset=utf-8",
          "Application/JSON;charset=utf-8"})
      check_empty(ask("POST", "/instances/" + id + "/raiseEvent/E",
                      R"({"a":1})",
                      std::string("Content-Type: ") + type + "\r\n"),
                  202);
  });
}

BOOST_AUTO_TEST_CASE(s25_it_is_refused_in_the_order_of_the_contract) {
  const auto raise
    = [&](const std::string& id, const char* body, const char* type) {
        return ask("POST", "/instances/" + id + "/raiseEvent/E", body,
                   std::string("Content-Type: ") + type + "\r\n");
      };
  constexpr const char* json_type = "application/json";
  // Existence, then the end, then the media type, then the JSON.
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
  // No type at all is not JSON's.
  check_refusal(ask("POST", "/instances/" + live + "/raiseEvent/E", "1"), 400);
}

// Deviation: null, as the client for JavaScript means it; 2.x answers 400.
BOOST_AUTO_TEST_CASE(s25_an_empty_body_is_null) {
  for (const char* headers : {as_json, ""}) {
    start("Approval", "a");
    check_empty(ask("POST", "/instances/a/raiseEvent/Approval", {}, headers),
                202);
    BOOST_TEST(ended("a").at("output").is_null());
  }
}

// --- §2.6 Terminate, suspend, resume ----------------------------------------

BOOST_AUTO_TEST_CASE(s26_terminate_of_a_live_instance_is_202) {
  for_each(live_statuses, [&](const std::string& id) {
    check_empty(
      ask("POST", "/instances/" + id + "/terminate?reason=it+is%20time", "{"),
      202);
    const json status = ended(id);
    BOOST_TEST(status.at("runtimeStatus") == "Terminated");
    BOOST_TEST(status.at("output") == "it is time");
  });
}

// Deviation: may be repeated, where Durable Functions answers 500.
BOOST_AUTO_TEST_CASE(s26_suspend_and_resume_of_a_live_instance_are_202) {
  for_each({"Running", "Suspended"}, [&](const std::string& id) {
    const std::string instance = "/instances/" + id;
    for (int i = 0; i < 2; ++i) {
      check_empty(ask("POST", instance + "/suspend?reason=why"), 202);
      const json status = ask("GET", instance).json();
      BOOST_TEST(status.at("runtimeStatus") == "Suspended");
      // Deviation: the reason is not the output.
      BOOST_TEST(status.at("output").is_null());
    }
    for (int i = 0; i < 2; ++i) {
      check_empty(ask("POST", instance + "/resume"), 202);
      BOOST_TEST(ask("GET", instance).json().at("runtimeStatus") == "Running");
    }
  });
}

BOOST_AUTO_TEST_CASE(s26_of_none_404_and_of_an_ended_one_410) {
  for (const std::string operation : {"terminate", "suspend", "resume"}) {
    check_empty(ask("POST", "/instances/nope/" + operation), 404);
    for_each(ended_statuses, [&](const std::string& id) {
      check_empty(ask("POST", "/instances/" + id + "/" + operation), 410);
    });
  }
}

// --- §2.7 Rewind ------------------------------------------------------------

BOOST_AUTO_TEST_CASE(s27_rewind_of_a_failed_instance_is_202) {
  start("FailsOnce", "a");
  ended("a");
  check_empty(ask("POST", "/instances/a/rewind?reason=mended"), 202);
  BOOST_TEST(ended("a").at("runtimeStatus") == "Completed");
}

BOOST_AUTO_TEST_CASE(s27_rewind_of_any_other_is_412_with_a_sentence) {
  for_each({"Completed", "Terminated", "Running", "Pending", "Suspended"},
           [&](const std::string& id) {
             check_sentence(ask("POST", "/instances/" + id + "/rewind"), 412);
           });
}

BOOST_AUTO_TEST_CASE(s27_rewind_of_none_is_404_with_a_sentence) {
  check_sentence(ask("POST", "/instances/nope/rewind"), 404);
}

// --- §2.8 Purge -------------------------------------------------------------

BOOST_AUTO_TEST_CASE(s28_purge_of_an_ended_instance_is_200) {
  for_each(ended_statuses, [&](const std::string& id) {
    const http_answer purged = ask("DELETE", "/instances/" + id);
    BOOST_TEST(purged.status == 200);
    BOOST_TEST(purged.body == R"({"instancesDeleted":1})");
    check_empty(ask("GET", "/instances/" + id), 404);
    check_empty(ask("DELETE", "/instances/" + id), 404);
  });
}

// Also deviation: 2.x purges it without a word.
BOOST_AUTO_TEST_CASE(s28_purge_of_a_live_instance_is_412_with_a_sentence) {
  for_each(live_statuses, [&](const std::string& id) {
    check_sentence(ask("DELETE", "/instances/" + id), 412);
    BOOST_TEST(ask("GET", "/instances/" + id).status == 202);
  });
}

BOOST_AUTO_TEST_CASE(s28_purge_by_filter_wants_createdTimeFrom) {
  for (const char* query :
       {"", "?createdTimeTo=2099-01-01", "?runtimeStatus=Completed"}) {
    const http_answer answer = ask("DELETE", std::string("/instances") + query);
    check_sentence(answer, 400);
    BOOST_TEST(answer.json()
               == "Please provide value for 'createdTimeFrom' parameter.");
  }
}

BOOST_AUTO_TEST_CASE(s28_purge_by_filter_takes_ended_instances_only) {
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
      const http_answer purged = ask("DELETE", "/instances/?" + query);
      if (count == 0) {
        check_empty(purged, 404);
      } else {
        BOOST_TEST(purged.status == 200);
        BOOST_TEST(purged.json()
                   == json::object({{"instancesDeleted", count}}));
      }
      for (const std::string id : {"pending", "running", "suspended"})
        BOOST_TEST(ask("GET", "/instances/" + id).status == 202);
    }
  check_refusal(
    ask("DELETE", "/instances?createdTimeFrom=2000-01-01&runtimeStatus=Runing"),
    400);
}

// --- §2.9 The URLs ----------------------------------------------------------

BOOST_AUTO_TEST_CASE(s29_the_urls_have_the_templates_of_the_contract) {
  const json body = ask("POST", "/orchestrators/Approval/a%20b%26c").json();
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

BOOST_AUTO_TEST_CASE(s210_a_completed_one_is_its_bare_output) {
  for (const char* query :
       {"timeout=20&pollingInterval=1", "timeout=20.5&pollingInterval=0.25",
        "TIMEOUT=20&POLLINGINTERVAL=20"}) {
    const http_answer answer
      = ask("POST", std::string("/orchestrators/Echo?") + query, "[1, 2]");
    BOOST_TEST(answer.status == 200);
    BOOST_TEST(answer.body == "[1, 2]");
  }
  BOOST_TEST(ask_site("POST",
                      "/orchestrators/Echo/wait?timeout=20&retryInterval=0.5",
                      "7")
               .body
             == "7");
}

BOOST_AUTO_TEST_CASE(s210_a_failed_one_is_its_status) {
  const std::string path = "/orchestrators/Fails?timeout=20&pollingInterval=1";
  for (const auto& [flag, status] :
       {std::pair("", 200),
        std::pair("&returnInternalServerErrorOnFailure=true", 500)}) {
    const http_answer answer = ask("POST", path + flag);
    BOOST_TEST(answer.status == status);
    BOOST_TEST(keys_of(answer.json()) == status_keys,
               boost::test_tools::per_element());
    BOOST_TEST(answer.json().at("runtimeStatus") == "Failed");
  }
}

BOOST_AUTO_TEST_CASE(s210_a_terminated_one_is_its_status) {
  http_caller caller(host->http_port());
  caller.send("POST " + std::string(webhook)
              + "/orchestrators/Approval/a?timeout=20&pollingInterval=1 "
                "HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n");
  // Until it is there.
  while (ask("POST", "/instances/a/terminate?reason=enough").status == 404)
    continue;
  const http_answer answer = caller.receive();
  BOOST_TEST(answer.status == 200);
  BOOST_TEST(answer.json().at("runtimeStatus") == "Terminated");
}

BOOST_AUTO_TEST_CASE(s210_when_time_is_over_it_is_202) {
  check_accepted(
    ask("POST", "/orchestrators/Approval/a?timeout=0.05&pollingInterval=0.01"));
  check_accepted(ask_site(
    "POST", "/orchestrators/Approval/wait?timeout=0.05&retryInterval=0.01"));
}

BOOST_AUTO_TEST_CASE(s210_an_interval_beyond_the_time_out_is_400) {
  check_refusal(
    ask("POST", "/orchestrators/Echo/a?timeout=1&pollingInterval=2"), 400);
  check_empty(ask("GET", "/instances/a"), 404);
}

BOOST_AUTO_TEST_CASE(s210_without_both_numbers_nobody_waits) {
  for (const char* query :
       {"timeout=20", "pollingInterval=1", "timeout=soon&pollingInterval=1",
        "timeout=20&pollingInterval=", "timeout=&"})
    check_accepted(
      ask("POST", std::string("/orchestrators/Approval?") + query));
}

// --- §2.12 Entities ---------------------------------------------------------

BOOST_AUTO_TEST_CASE(s212_entities_are_501_with_a_sentence) {
  for (const auto& [method, path] : {std::pair("GET", "/entities"),
                                     {"GET", "/entities/Counter"},
                                     {"GET", "/entities/Counter/a"},
                                     {"POST", "/entities/Counter/a?op=add"},
                                     {"DELETE", "/entities/Counter/a"}})
    BOOST_TEST_CONTEXT(method << path) {
      check_refusal(ask(method, path), 501);
    }
}

// --- §3 Restart -------------------------------------------------------------

BOOST_AUTO_TEST_CASE(s3_restart_under_a_new_id_is_202) {
  for (const char* query :
       {"", "?restartWithNewInstanceId=true", "?restartWithNewInstanceId=x"})
    for (const char* status : {"Completed", "Failed", "Terminated"}) {
      const std::string id = instance_in(status);
      const json before = ask("GET", "/instances/" + id).json();
      const http_answer answer
        = ask("POST", "/instances/" + id + "/restart" + query);
      check_accepted(answer);
      const std::string other = answer.json().at("id");
      BOOST_TEST(other != id);
      const json after = ask("GET", "/instances/" + other).json();
      BOOST_TEST(after.at("name") == before.at("name"));
      BOOST_TEST(after.at("input") == before.at("input"));
      BOOST_TEST(ask("GET", "/instances/" + id).json() == before);
    }
  // A live one is no obstacle.
  check_accepted(
    ask("POST", "/instances/" + instance_in("Running") + "/restart"));
}

BOOST_AUTO_TEST_CASE(s3_restart_under_the_same_id) {
  const std::string restart = "/restart?restartWithNewInstanceId=false";
  for_each(ended_statuses, [&](const std::string& id) {
    check_accepted(ask("POST", "/instances/" + id + restart), id);
  });
  for_each(live_statuses, [&](const std::string& id) {
    check_refusal(ask("POST", "/instances/" + id + restart + "&a=1"), 409);
  });
}

BOOST_AUTO_TEST_CASE(s3_restart_of_none_is_400) {
  for (const char* query : {"", "?restartWithNewInstanceId=false"})
    check_refusal(ask("POST", std::string("/instances/nope/restart") + query),
                  400);
}

BOOST_AUTO_TEST_CASE(s3_restart_can_wait_too) {
  const std::string restart
    = "/instances/" + instance_in("Completed") + "/restart?";
  BOOST_TEST(ask("POST", restart + "timeout=20&pollingInterval=1").body == "1");
  check_refusal(ask("POST", restart + "timeout=1&pollingInterval=2"), 400);
}

// --- §4 What the words mean -------------------------------------------------

BOOST_AUTO_TEST_CASE(s4_an_event_nobody_waits_for_is_kept_in_order) {
  start("TwoEvents", "a?scheduledStartTime=2020-01-01");
  for (const char* each : {"b/1", "b/2", "a/3"})
    check_empty(ask("POST",
                    "/instances/a/raiseEvent/" + std::string(1, each[0]),
                    std::string(each + 2), as_json),
                202);
  BOOST_TEST(ended("a").at("output") == json::parse("[3,1]"));
}

BOOST_AUTO_TEST_CASE(s4_continue_as_new_keeps_the_id_and_takes_a_new_input) {
  start("Counter", "a", "1");
  const json before = ask("GET", "/instances/a").json();
  ask("POST", "/instances/a/raiseEvent/Add", "4", as_json);
  ask("POST", "/instances/a/raiseEvent/Stop", {}, as_json);
  const json after = ended("a");
  BOOST_TEST(after.at("input") == 5);
  BOOST_TEST(after.at("output") == 5);
  BOOST_TEST(after.at("customStatus") == 5);
  // Deviation: the time of the start, not of the restart.
  BOOST_TEST(after.at("createdTime") == before.at("createdTime"));
}

BOOST_AUTO_TEST_CASE(s4_suspend_keeps_events_for_resume) {
  start("Approval", "a");
  ask("POST", "/instances/a/suspend");
  ask("POST", "/instances/a/raiseEvent/Approval", "1", as_json);
  BOOST_TEST(ask("GET", "/instances/a").json().at("runtimeStatus")
             == "Suspended");
  ask("POST", "/instances/a/resume");
  BOOST_TEST(ended("a").at("output") == 1);
}

BOOST_AUTO_TEST_SUITE_END()
