// SPDX-License-Identifier: Apache-2.0
#include "tests/client/contract_fixture.hpp"
#include "tests/support/test_functions.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <future>
#include <map>
#include <regex>
#include <string>
#include <vector>

// The HTTP contract of Durable Functions, section 2.3: the history, with the
// members of each type of event.

using namespace perdura::tests;
namespace actors = perdura::actors;
using nlohmann::json;

namespace {

/// The members of one type of event, in addition to EventType and Timestamp.
struct event_row {
  names required;
  /// Optional members: those of later versions, and those that showInput or
  /// showHistoryOutput adds.
  names allowed = {};
};

const std::map<std::string, event_row> event_rows{
  {"ExecutionStarted",
   {{"FunctionName"},
    {"Input", "Correlation", "ParentTraceContext", "ScheduledStartTime",
     "Generation", "GenerateNewTrace"}}},
  {"TaskScheduled", {{"Name"}, {"Input", "ParentTraceContext", "Tags"}}},
  {"TaskCompleted", {{"ScheduledTime", "FunctionName"}, {"Input", "Result"}}},
  {"TaskFailed",
   {{"ScheduledTime", "FunctionName", "Reason", "Details", "FailureDetails"},
    {"Input"}}},
  {"SubOrchestrationInstanceCreated",
   {{"Name", "InstanceId"}, {"Input", "ClientSpanId", "Tags"}}},
  {"SubOrchestrationInstanceCompleted",
   {{"ScheduledTime", "FunctionName"}, {"Input", "Result"}}},
  {"SubOrchestrationInstanceFailed",
   {{"ScheduledTime", "FunctionName", "Reason", "Details", "FailureDetails"},
    {"Input"}}},
  {"TimerCreated", {{"FireAt"}}},
  {"TimerFired", {{"FireAt"}}},
  {"EventRaised", {{"Name"}, {"Input"}}},
  {"EventSent", {{"InstanceId", "Name"}, {"Input"}}},
  {"ExecutionSuspended", {{"Reason"}}},
  {"ExecutionResumed", {{"Reason"}}},
  {"ExecutionTerminated", {{}, {"Input"}}},
  {"ExecutionRewound", {{"Reason"}, {"ParentExecutionId", "InstanceId"}}},
  {"ExecutionCompleted",
   {{"OrchestrationStatus", "FailureDetails"}, {"Result"}}},
};

const names times{"Timestamp", "ScheduledTime", "FireAt"};

void check_event(const json& event) {
  const std::string type = event.at("EventType");
  BOOST_TEST_REQUIRE(event_rows.contains(type), type);
  const event_row& row = event_rows.at(type);
  BOOST_TEST_CONTEXT(event.dump()) {
    for (const std::string& member : row.required)
      BOOST_TEST(event.contains(member), member);
    for (const std::string& member : keys_of(event))
      BOOST_TEST((member == "EventType" || member == "Timestamp"
                  || row.required.contains(member)
                  || row.allowed.contains(member)),
                 member);
    const std::regex iso(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z)");
    for (const std::string& member : times)
      if (event.contains(member))
        BOOST_TEST(std::regex_match(event.at(member).get<std::string>(), iso),
                   member);
    const json failure = event.value("FailureDetails", json());
    if (!failure.is_null())
      BOOST_TEST(keys_of(failure)
                   == (names{"ErrorType", "ErrorMessage", "StackTrace",
                             "InnerFailure", "IsNonRetriable", "Properties"}),
                 boost::test_tools::per_element());
  }
}

/// A node with the samples, the functions of the tests, and the orchestrator
/// "Held", whose activity ends when the test releases it.
struct history_fixture : contract_fixture {
  history_fixture()
    : contract_fixture([this](actors::registry& functions) {
        auto switches = std::make_shared<step_control>();
        switches->failures["broken"] = -1;
        add_test_functions(functions, switches);
        functions.add_activity("Hold", [this](int) {
          held.set_value();
          release_activity.get_future().wait();
        });
        functions.add_orchestrator(
          "Held", [](actors::orchestration_context& ctx) -> actors::task<> {
            co_await ctx.call_activity("Hold", 7);
          });
      }) {}

  ~history_fixture() {
    try {
      release_activity.set_value();
    } catch (const std::future_error&) {
    }
  }

  /// Checks every event of the history against `event_rows` and returns the
  /// history.
  json checked(const std::string& id, const char* flags = "") {
    json history = history_of(id, flags);
    for (const json& event : history)
      check_event(event);
    return history;
  }

  std::vector<std::string> types_of(const std::string& id) {
    std::vector<std::string> types;
    for (const json& event : checked(id))
      types.push_back(event.at("EventType"));
    return types;
  }

  /// Waits for an event of this type and returns it.
  json event_of(const std::string& id, const std::string& type,
                const char* flags = "") {
    for (;;)
      for (const json& event : checked(id, flags))
        if (event.at("EventType") == type)
          return event;
  }

  using list = std::vector<std::string>;

  std::promise<void> held;
  std::promise<void> release_activity;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(http_contract_history, history_fixture)

// The completion carries the name and the start time of its TaskScheduled
// event.
BOOST_AUTO_TEST_CASE(s23_task_is_merged_into_its_completion) {
  start("HelloSequence", "a");
  ended("a");
  BOOST_TEST(types_of("a")
               == (list{"ExecutionStarted", "TaskCompleted", "TaskCompleted",
                        "TaskCompleted", "ExecutionCompleted"}),
             boost::test_tools::per_element());
  const json started = event_of("a", "ExecutionStarted");
  BOOST_TEST(started.at("FunctionName") == "HelloSequence");
  const json task = event_of("a", "TaskCompleted");
  BOOST_TEST(task.at("FunctionName") == "SayHello");
  BOOST_TEST(event_of("a", "ExecutionCompleted").at("OrchestrationStatus")
             == "Completed");
}

BOOST_AUTO_TEST_CASE(s23_results_are_values_and_included_only_on_request) {
  start("HelloSequence", "a");
  ended("a");
  for (const json& event : checked("a"))
    BOOST_TEST(!event.contains("Result"));
  constexpr const char* flags = "&showHistoryOutput=true";
  BOOST_TEST(event_of("a", "TaskCompleted", flags).at("Result")
             == "Hello Tokyo!");
  BOOST_TEST(event_of("a", "ExecutionCompleted", flags).at("Result").size()
             == 3U);
}

// Inputs are strings that contain JSON; results are JSON values.
BOOST_AUTO_TEST_CASE(s23_inputs_are_serialized_text) {
  start("HelloSequence", "a", R"({"x":1})");
  ended("a");
  BOOST_TEST(event_of("a", "ExecutionStarted").at("Input") == R"({"x":1})");
  BOOST_TEST(event_of("a", "TaskCompleted").at("Input") == "\"Tokyo\"");
}

BOOST_AUTO_TEST_CASE(s23_inputs_are_left_out_on_request) {
  start("HelloSequence", "a", R"({"x":1})");
  ended("a");
  for (const json& event : checked("a", "&showInput=false"))
    BOOST_TEST(!event.contains("Input"), event.dump());
}

BOOST_AUTO_TEST_CASE(s23_pending_task_has_its_own_event) {
  start("Held", "a");
  held.get_future().wait();
  const json task = event_of("a", "TaskScheduled");
  BOOST_TEST(task.at("Name") == "Hold");
  BOOST_TEST(task.at("Input") == "7");
  release_activity.set_value();
  ended("a");
  BOOST_TEST(
    types_of("a")
      == (list{"ExecutionStarted", "TaskCompleted", "ExecutionCompleted"}),
    boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(s23_failed_task_has_its_failure) {
  start("Fails", "a");
  ended("a");
  BOOST_TEST(
    types_of("a")
      == (list{"ExecutionStarted", "TaskFailed", "ExecutionCompleted"}),
    boost::test_tools::per_element());
  const json task = event_of("a", "TaskFailed");
  BOOST_TEST(task.at("FunctionName") == "AlwaysFails");
  BOOST_TEST(task.at("Reason").get<std::string>().starts_with(
    "Activity function 'AlwaysFails' failed: kaboom"));
  const json end = event_of("a", "ExecutionCompleted");
  BOOST_TEST(end.at("OrchestrationStatus") == "Failed");
  BOOST_TEST(!end.at("FailureDetails").is_null());
}

BOOST_AUTO_TEST_CASE(s23_pending_child_has_its_own_event) {
  start("Family", "a", R"({"name":"Approval","input":null,"count":1})");
  const json child = event_of("a", "SubOrchestrationInstanceCreated");
  BOOST_TEST(child.at("Name") == "Approval");
  BOOST_TEST(child.at("InstanceId") == "a-0");
  while (
    request("POST", "/instances/a-0/raiseEvent/Approval", "1", json_body_header)
      .status
    == 404)
    continue;
  ended("a");
  BOOST_TEST(types_of("a")
               == (list{"ExecutionStarted", "SubOrchestrationInstanceCompleted",
                        "ExecutionCompleted"}),
             boost::test_tools::per_element());
  const json done = event_of("a", "SubOrchestrationInstanceCompleted",
                             "&showHistoryOutput=true");
  BOOST_TEST(done.at("FunctionName") == "Approval");
  BOOST_TEST(done.at("Result") == 1);
}

BOOST_AUTO_TEST_CASE(s23_failed_child_has_its_failure) {
  start("Family", "a", R"({"name":"Fails","input":null,"count":1})");
  ended("a");
  const json child = event_of("a", "SubOrchestrationInstanceFailed");
  BOOST_TEST(child.at("FunctionName") == "Fails");
  BOOST_TEST(child.at("Reason").get<std::string>().find("kaboom")
             != std::string::npos);
}

// The history shows both events of a timer. The two events of a task are merged
// into one.
BOOST_AUTO_TEST_CASE(s23_timer_is_not_merged) {
  start("Sleep", "a", "1");
  ended("a");
  BOOST_TEST(types_of("a")
               == (list{"ExecutionStarted", "TimerCreated", "TimerFired",
                        "ExecutionCompleted"}),
             boost::test_tools::per_element());
  BOOST_TEST(event_of("a", "TimerCreated").at("FireAt")
             == event_of("a", "TimerFired").at("FireAt"));
}

BOOST_AUTO_TEST_CASE(s23_raised_and_sent_events_are_listed) {
  start("Approval", "to");
  start("Sender", "from", R"({"to":"to","count":1})");
  ended("from");
  const json sent = event_of("from", "EventSent");
  BOOST_TEST(sent.at("InstanceId") == "to");
  BOOST_TEST(sent.at("Name") == "E");
  request("POST", "/instances/to/raiseEvent/Approval", R"({"by":"me"})",
          json_body_header);
  ended("to");
  const json history = checked("to");
  const auto raised
    = std::find_if(history.begin(), history.end(), [](const json& event) {
        return event.at("EventType") == "EventRaised"
               && event.at("Name") == "Approval";
      });
  BOOST_TEST_REQUIRE((raised != history.end()));
  BOOST_TEST(raised->at("Input") == R"({"by":"me"})");
}

// Deviation: the reason is in the history and not in the output.
BOOST_AUTO_TEST_CASE(s23_suspend_resume_terminate_are_listed_with_reasons) {
  start("Approval", "a");
  for (const char* operation : {"suspend", "resume", "terminate"})
    request("POST",
            std::string("/instances/a/") + operation + "?reason=because");
  ended("a");
  BOOST_TEST(event_of("a", "ExecutionSuspended").at("Reason") == "because");
  BOOST_TEST(event_of("a", "ExecutionResumed").at("Reason") == "because");
  BOOST_TEST(event_of("a", "ExecutionTerminated").at("Input") == "because");
}

BOOST_AUTO_TEST_CASE(s23_rewind_is_listed) {
  start("FailsOnce", "a");
  ended("a");
  request("POST", "/instances/a/rewind?reason=fixed");
  ended("a");
  BOOST_TEST(event_of("a", "ExecutionRewound").at("Reason") == "fixed");
}

BOOST_AUTO_TEST_SUITE_END()
