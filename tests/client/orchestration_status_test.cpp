// SPDX-License-Identifier: Apache-2.0
// The JSON form of an instance's status and history, and the parsing of times
// and status names.
#include "client/api/orchestration_status.hpp"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <string>
#include <vector>

using namespace perdura::client;
using namespace perdura::persistence;
using nlohmann::json;
using perdura::client::runtime_status;

namespace {

timestamp at(std::int64_t microseconds) {
  // 2018-02-28T05:18:49Z, the time in the documentation of Durable Functions.
  return timestamp(std::chrono::seconds(1'519'795'129))
         + std::chrono::microseconds(microseconds);
}

orchestration_status with_history(std::vector<history_event> history) {
  orchestration_status status;
  status.name = "E1_HelloSequence";
  status.instance_id = "order-17";
  status.status = runtime_status::running;
  status.has_history = true;
  status.has_history_output = true;
  status.history = std::move(history);
  return status;
}

json events_of(const orchestration_status& status) {
  return json::parse(to_json(status)).at("historyEvents");
}

std::vector<std::string> types_of(const json& events) {
  std::vector<std::string> types;
  for (const json& each : events)
    types.push_back(each.at("EventType"));
  return types;
}

/// The start of the activity "Charge".
task_scheduled scheduled(task_sequence sequence, std::string input = "1") {
  task_scheduled body;
  body.sequence = sequence;
  body.name = "Charge";
  body.input = std::move(input);
  return body;
}

} // namespace

BOOST_AUTO_TEST_SUITE(orchestration_status_json)

// The other members would be made up.
BOOST_AUTO_TEST_CASE(damaged_instance_is_an_id_and_an_error) {
  orchestration_status status;
  status.instance_id = "order-17";
  status.error = "the row \"x\" is damaged";
  const json shown = json::parse(to_json(status));
  BOOST_TEST(shown.size() == 2U);
  BOOST_TEST(shown.at("instanceId") == "order-17");
  BOOST_TEST(shown.at("error") == "the row \"x\" is damaged");
}

BOOST_AUTO_TEST_CASE(json_has_the_eight_members_of_durable_functions) {
  orchestration_status status;
  status.name = "E1_HelloSequence";
  status.instance_id = "order \"17\"";
  status.status = runtime_status::completed;
  status.created_time = at(999'999);
  status.last_updated_time = at(5'000'000);
  status.input = R"({"b": 1, "a":12345678901234567890123})";
  status.output = R"(["Hello Tokyo!"])";
  BOOST_TEST(to_json(status)
             == R"({"name":"E1_HelloSequence","instanceId":"order \"17\"",)"
                R"("runtimeStatus":"Completed",)"
                R"("input":{"b": 1, "a":12345678901234567890123},)"
                R"("customStatus":null,"output":["Hello Tokyo!"],)"
                R"("createdTime":"2018-02-28T05:18:49Z",)"
                R"("lastUpdatedTime":"2018-02-28T05:18:54Z"})");
}

// The history is absent unless it was requested.
BOOST_AUTO_TEST_CASE(absent_payloads_are_null) {
  orchestration_status status;
  status.input.clear();
  const json shown = json::parse(to_json(status));
  BOOST_TEST(shown.at("input").is_null());
  BOOST_TEST(shown.at("output").is_null());
  BOOST_TEST(!shown.contains("historyEvents"));
}

BOOST_AUTO_TEST_CASE(scheduled_task_is_merged_into_its_completion) {
  execution_started started;
  started.name = "E1_HelloSequence";
  started.input = R"({"n": 1})";
  execution_completed ended;
  ended.result = R"(["x"])";
  const json events
    = events_of(with_history({{at(0), orchestrator_started{}},
                              {at(0), started},
                              {at(1), scheduled(1)},
                              {at(1), orchestrator_completed{}},
                              {at(2), orchestrator_started{}},
                              {at(2), task_completed{1, R"({"paid":true})"}},
                              {at(3), ended}}));
  BOOST_TEST(types_of(events)
               == (std::vector<std::string>{"ExecutionStarted", "TaskCompleted",
                                            "ExecutionCompleted"}),
             boost::test_tools::per_element());
  BOOST_TEST(events[0].at("FunctionName") == "E1_HelloSequence");
  // The input is a string that holds the JSON text.
  BOOST_TEST(events[0].at("Input") == R"({"n": 1})");
  BOOST_TEST(events[1].at("FunctionName") == "Charge");
  BOOST_TEST(events[1].at("ScheduledTime") == "2018-02-28T05:18:49.000001Z");
  BOOST_TEST(events[1].at("Timestamp") == "2018-02-28T05:18:49.000002Z");
  BOOST_TEST(events[1].at("Result").at("paid") == true);
  BOOST_TEST(events[2].at("OrchestrationStatus") == "Completed");
  BOOST_TEST(events[2].at("Result") == json::parse(R"(["x"])"));
  BOOST_TEST(events[2].at("FailureDetails").is_null());
}

BOOST_AUTO_TEST_CASE(results_are_included_only_on_request) {
  orchestration_status status
    = with_history({{at(1), scheduled(1)}, {at(2), task_completed{1, "7"}}});
  status.has_history_output = false;
  BOOST_TEST(!events_of(status)[0].contains("Result"));
}

BOOST_AUTO_TEST_CASE(pending_task_is_shown_with_its_name) {
  sub_orchestration_instance_created child;
  child.sequence = 2;
  child.name = "Ship";
  child.instance = "child-1";
  const json events
    = events_of(with_history({{at(1), scheduled(1)}, {at(1), child}}));
  BOOST_TEST(events[0].at("EventType") == "TaskScheduled");
  BOOST_TEST(events[0].at("Name") == "Charge");
  BOOST_TEST(!events[0].contains("FunctionName"));
  BOOST_TEST(events[1].at("EventType") == "SubOrchestrationInstanceCreated");
  BOOST_TEST(events[1].at("InstanceId") == "child-1");
}

BOOST_AUTO_TEST_CASE(failure_names_the_function_and_its_cause) {
  const json events = events_of(with_history(
    {{at(1), scheduled(1)},
     {at(2), task_failed{1, {"std::runtime_error", "card declined"}}}}));
  BOOST_TEST(events.size() == 1U);
  BOOST_TEST(events[0].at("Reason")
             == "Activity function 'Charge' failed: card declined");
  BOOST_TEST(events[0].at("FailureDetails").at("ErrorType")
             == "std::runtime_error");
}

BOOST_AUTO_TEST_CASE(timers_are_not_merged) {
  const json events
    = events_of(with_history({{at(1), timer_created{1, at(9'500'000)}},
                              {at(2), timer_fired{1, at(9'500'000)}}}));
  BOOST_TEST(types_of(events)
               == (std::vector<std::string>{"TimerCreated", "TimerFired"}),
             boost::test_tools::per_element());
  BOOST_TEST(events[1].at("FireAt") == "2018-02-28T05:18:58.5Z");
}

BOOST_AUTO_TEST_CASE(termination_shows_its_reason_as_input) {
  const json events = events_of(
    with_history({{at(1), execution_terminated{R"("enough \"now\"")"}}}));
  BOOST_TEST(events[0].at("Input") == "enough \"now\"");
}

// A rewind gives the task a new sequence number but does not repeat its
// TaskScheduled event.
BOOST_AUTO_TEST_CASE(rerun_shows_name_and_input_of_the_first_run) {
  execution_rewound rewound;
  rewound.reason = "card fixed";
  rewound.voided = {1, 2};
  rewound.reruns = {{1, 5}};
  std::vector<history_event> history{
    {at(1), scheduled(1, R"("first")")},
    {at(2), task_failed{1, {"e", "m"}}},
    {at(3), execution_completed{completion_status::failed, R"("m")", {}}},
    {at(4), rewound}};
  const json pending = events_of(with_history(history));
  BOOST_TEST(
    types_of(pending)
      == (std::vector<std::string>{"TaskFailed", "ExecutionCompleted",
                                   "ExecutionRewound", "TaskScheduled"}),
    boost::test_tools::per_element());
  BOOST_TEST(pending[2].at("Reason") == "card fixed");
  BOOST_TEST(pending[3].at("Name") == "Charge");

  history.push_back({at(6), task_completed{5, "1"}});
  const json done = events_of(with_history(history));
  BOOST_TEST(done.size() == 4U);
  BOOST_TEST(done[3].at("EventType") == "TaskCompleted");
  BOOST_TEST(done[3].at("FunctionName") == "Charge");
  BOOST_TEST(done[3].at("Input") == R"("first")");
  BOOST_TEST(done[3].at("ScheduledTime") == "2018-02-28T05:18:49.000004Z");
}

// The rewind cancels the failure of the child. The child has no result any
// more, so its creation event is shown.
BOOST_AUTO_TEST_CASE(rewound_child_is_pending_again) {
  sub_orchestration_instance_created child;
  child.sequence = 1;
  child.name = "Ship";
  execution_rewound rewound;
  rewound.voided = {1};
  const json events = events_of(
    with_history({{at(1), child},
                  {at(2), sub_orchestration_instance_failed{1, {"e", "m"}}},
                  {at(3), rewound}}));
  BOOST_TEST(types_of(events)
               == (std::vector<std::string>{"SubOrchestrationInstanceCreated",
                                            "SubOrchestrationInstanceFailed",
                                            "ExecutionRewound"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(iso_times)

// createdTime is written in whole seconds. The times of events have as many
// decimal places as needed.
BOOST_AUTO_TEST_CASE(times_are_written_with_seconds_or_short_fractions) {
  BOOST_TEST(to_iso_seconds(at(999'999)) == "2018-02-28T05:18:49Z");
  BOOST_TEST(to_iso(at(0)) == "2018-02-28T05:18:49Z");
  BOOST_TEST(to_iso(at(120'000)) == "2018-02-28T05:18:49.12Z");
  BOOST_TEST(to_iso(timestamp(std::chrono::microseconds(-1)))
             == "1969-12-31T23:59:59.999999Z");
}

BOOST_AUTO_TEST_CASE(offsets_and_fractions_are_parsed) {
  timestamp time{};
  for (const char* text :
       {"2018-02-28T05:18:49Z", "2018-02-28t05:18:49z", "2018-02-28T05:18:49",
        "2018-02-28T05:18:49.0000000Z", "2018-02-28T06:18:49+01:00",
        "2018-02-28T06:48:49+0130", "2018-02-28 03:18:49-02"}) {
    BOOST_TEST_CONTEXT(text) {
      BOOST_TEST(parse_iso(text, time));
      BOOST_TEST((time == at(0)));
    }
  }
  BOOST_TEST(parse_iso("2018-02-28T05:18:49.1234567Z", time));
  BOOST_TEST((time == at(123'456)));
  BOOST_TEST(parse_iso("2018-02-28", time));
  BOOST_TEST(to_iso(time) == "2018-02-28T00:00:00Z");
  BOOST_TEST(parse_iso("0001-01-01T00:00:00", time));
  BOOST_TEST(parse_iso("9999-12-31T23:59:59.9999999Z", time));
}

BOOST_AUTO_TEST_CASE(invalid_times_are_refused) {
  timestamp time = at(7);
  for (const char* text :
       {"", "yesterday", "2018-02-30", "2018-13-01", "2018-2-3",
        "2018-02-28T24:00:00Z", "2018-02-28T05:60:00Z", "2018-02-28T05:18:49+",
        "2018-02-28T05:18:49.Z", "2018-02-28T05:18:49Zx", "2018-02-28T"})
    BOOST_TEST(!parse_iso(text, time), text);
  BOOST_TEST((time == at(7)));
}

BOOST_AUTO_TEST_CASE(status_names_are_case_insensitive) {
  runtime_status status{};
  BOOST_TEST(parse_runtime_status("continuedasnew", status));
  BOOST_TEST((status == runtime_status::continued_as_new));
  BOOST_TEST(parse_runtime_status("Suspended", status));
  BOOST_TEST(to_string(status) == "Suspended");
  BOOST_TEST(!parse_runtime_status("complete", status));
  BOOST_TEST(is_finished(runtime_status::terminated));
  BOOST_TEST(!is_finished(runtime_status::suspended));
}

BOOST_AUTO_TEST_SUITE_END()
