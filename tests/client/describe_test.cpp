// SPDX-License-Identifier: Apache-2.0
// The description of an instance: HTTP API, C++ client and command line.
#include "client/api/instance_description.hpp"
#include "cluster/node/management_urls.hpp"
#include "tests/client/cluster_fixture.hpp"
#include "tests/client/command_line_runner.hpp"
#include "tests/client/http_fixture.hpp"
#include "tests/client/recording_gateway.hpp"
#include "tests/support/patience.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <vector>

namespace perdura::tests {

namespace {

using actors::orchestration_context;
using actors::task;
using nlohmann::json;
using std::chrono::hours;

/// Waits for one task of each kind, and for two events.
task<> waits_for_everything(orchestration_context& ctx, std::string child) {
  ctx.set_custom_status(json{{"stage", 1}});
  auto activity = ctx.call_activity("BlocksUntilOpen");
  [[maybe_unused]] auto timer = ctx.create_timer(hours(1));
  [[maybe_unused]] auto sub = ctx.call_sub_orchestration<json>(
    "Approval", nullptr, {.instance_id = child});
  [[maybe_unused]] auto timed = ctx.wait_for_external_event("Soon", hours(2));
  co_await ctx.wait_for_external_event("Go");
  co_await activity;
}

/// Ends while its activity runs.
task<> leaves_an_activity(orchestration_context& ctx) {
  [[maybe_unused]] auto activity = ctx.call_activity("BlocksUntilOpen");
  co_return;
}

/// Continues as new while its activity runs.
task<> continues_without_an_activity(orchestration_context& ctx, long left) {
  if (left == 0) {
    co_await ctx.wait_for_external_event("Go");
    co_return;
  }
  [[maybe_unused]] auto activity = ctx.call_activity("BlocksUntilOpen");
  ctx.continue_as_new(left - 1);
}

task<> calls_missing_activity(orchestration_context& ctx) {
  co_await ctx.call_activity("NotRegistered");
}

/// Opens the activities when the test ends, before the node stops.
struct activity_opener {
  std::promise<void> opens;
  std::shared_future<void> opened = opens.get_future().share();

  void add_functions(actors::registry& to) const {
    to.add_orchestrator("WaitsForEverything", waits_for_everything)
      .add_orchestrator("LeavesAnActivity", leaves_an_activity)
      .add_orchestrator("ContinuesWithout", continues_without_an_activity)
      .add_orchestrator("CallsMissing", calls_missing_activity);
    to.add_activity("BlocksUntilOpen", [gate = opened] { gate.wait(); });
  }
};

struct describe_fixture : activity_opener, http_fixture {
  describe_fixture()
    : http_fixture([this](actors::registry& to) { add_functions(to); }) {}

  ~describe_fixture() {
    opens.set_value();
  }

  static std::string path_of(const std::string& id) {
    return "/perdura/instances/" + cluster::encode_url_part(id);
  }

  json described(const std::string& id) {
    const http_answer answer = request_at_root("GET", path_of(id));
    BOOST_TEST_REQUIRE(answer.status == 200, answer.body);
    return answer.json();
  }

  outcome perdura(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--url", host->url()});
    return run_perdura(std::move(arguments));
  }

  void raise(const std::string& id, const char* event) {
    BOOST_TEST(request("POST", "/instances/" + cluster::encode_url_part(id)
                                 + "/raiseEvent/" + event)
                 .status
               == 202);
  }
};

/// The item of the array whose member has this value; null if there is none.
json item_with(const json& array, const char* member, const json& value) {
  for (const json& each : array)
    if (each.at(member) == value)
      return each;
  return nullptr;
}

persistence::timestamp time_in(const json& text) {
  persistence::timestamp parsed{};
  if (!text.is_string() || !client::parse_iso(text.get<std::string>(), parsed))
    BOOST_ERROR("not a time: " << text);
  return parsed;
}

/// True if `since` is between the creation and the last change of the instance,
/// which are stated in whole seconds.
bool is_in_lifetime(const json& since, const json& description) {
  const auto time = time_in(since);
  return time >= time_in(description.at("createdTime"))
         && time < time_in(description.at("lastUpdatedTime"))
                     + std::chrono::seconds(1);
}

} // namespace

BOOST_AUTO_TEST_SUITE(instance_descriptions)

BOOST_FIXTURE_TEST_CASE(open_tasks_waits_and_unread_events_are_described,
                        describe_fixture) {
  start("WaitsForEverything", "a", R"("a-child")");
  raise("a", "Later");
  raise("a", "later");
  raise("a", "Other");
  const json shown = described("a");
  BOOST_TEST_CONTEXT(shown.dump(1)) {
    const json status = request("GET", "/instances/a").json();
    for (const char* same :
         {"name", "instanceId", "runtimeStatus", "createdTime", "customStatus"})
      BOOST_TEST(shown.at(same) == status.at(same), same);
    BOOST_TEST(shown.at("executionId").get<std::string>().size() == 32U);
    for (const char* none :
         {"version", "held", "paused", "parentInstanceId", "rootInstanceId"})
      BOOST_TEST(shown.at(none).is_null(), none);
    BOOST_TEST(shown.at("isTurnDue") == false);
    BOOST_TEST(shown.at("isTurnRunning") == false);
    BOOST_TEST(shown.at("node") == "");
    BOOST_TEST(shown.at("partition").get<int>() < 4);

    // The time-out of the second wait is a timer, too.
    const json& tasks = shown.at("openTasks");
    BOOST_TEST(tasks.size() == 4U);
    BOOST_TEST(shown.at("openTaskCount") == 4);
    const json activity = item_with(tasks, "kind", "Activity");
    BOOST_TEST(activity.at("name") == "BlocksUntilOpen");
    BOOST_TEST(activity.at("attempt") == 1);
    BOOST_TEST(activity.at("isLeft") == false);
    BOOST_TEST(activity.at("firesAt").is_null());
    const json timer = item_with(tasks, "kind", "Timer");
    BOOST_TEST(!timer.at("firesAt").is_null());
    BOOST_TEST(timer.at("attempt").is_null());
    const json child = item_with(tasks, "kind", "SubOrchestration");
    BOOST_TEST(child.at("name") == "Approval");
    BOOST_TEST(child.at("instanceId") == "a-child");
    for (const json& each : tasks)
      BOOST_TEST(is_in_lifetime(each.at("since"), shown), each);
    BOOST_TEST(shown.at("children") == json({"a-child"}));

    const json& waits = shown.at("waits");
    BOOST_TEST(waits.size() == 2U);
    BOOST_TEST(shown.at("waitCount") == 2);
    for (const char* name : {"Go", "Soon"})
      BOOST_TEST(
        is_in_lifetime(item_with(waits, "name", name).at("since"), shown),
        name);
    BOOST_TEST(shown.at("unreadEvents")
               == json::parse(R"([{"name":"Later","count":2},
                                  {"name":"Other","count":1}])"));
  }
  const auto found = host->client().describe("a").value();
  BOOST_TEST_REQUIRE(found.has_value());
  BOOST_TEST(json::parse(to_json(*found)) == shown);
}

BOOST_FIXTURE_TEST_CASE(place_in_the_tree_is_described, describe_fixture) {
  start("WaitsForEverything", "a", R"("a-child")");
  BOOST_TEST_REQUIRE(eventually(
    [&] { return request("GET", "/instances/a-child").status != 404; }));
  const json child = described("a-child");
  BOOST_TEST(child.at("parentInstanceId") == "a");
  BOOST_TEST(child.at("rootInstanceId") == "a");
  BOOST_TEST(child.at("depth") == 1);
}

BOOST_FIXTURE_TEST_CASE(missing_instance_has_no_description, describe_fixture) {
  for (const std::string id : {"nope", "@invalid"}) {
    const http_answer answer = request_at_root("GET", path_of(id));
    BOOST_TEST(answer.status == 404);
    BOOST_TEST(answer.body.empty());
  }
  BOOST_TEST(request_at_root("HEAD", path_of("nope")).status == 404);
  BOOST_TEST(!host->client().describe("nope").value().has_value());
  const outcome missing = perdura({"describe", "nope"});
  BOOST_TEST(missing.code == 3);
  BOOST_TEST(missing.err == "perdura: There is no instance \"nope\".\n");
}

BOOST_FIXTURE_TEST_CASE(id_with_special_characters_is_described,
                        describe_fixture) {
  const std::string id = "order 1 \xc3\xa4&%25+=;'";
  client::start_options options;
  options.instance_id = id;
  BOOST_TEST(host->client().start_json("Approval", "null", options).value()
             == id);
  BOOST_TEST(described(id).at("instanceId") == id);
  const outcome shown = perdura({"describe", id, "-o", "jsonl"});
  BOOST_TEST(shown.code == 0, shown.err);
  BOOST_TEST(json::parse(shown.out).at("instanceId") == id);
}

BOOST_FIXTURE_TEST_CASE(held_instance_states_why, describe_fixture) {
  start("CallsMissing", "a");
  const json shown = described("a");
  BOOST_TEST(shown.at("held").get<std::string>().find("NotRegistered")
             != std::string::npos);
  BOOST_TEST(
    item_with(shown.at("openTasks"), "name", "NotRegistered").at("attempt")
    == 1);
  BOOST_TEST(perdura({"describe", "a"}).out_contains("\nHeld"));
}

BOOST_FIXTURE_TEST_CASE(ended_instance_lists_only_activities_that_run,
                        describe_fixture) {
  start("Echo", "done", "1");
  ended("done");
  const json done = described("done");
  for (const char* none : {"openTasks", "waits", "unreadEvents", "children"})
    BOOST_TEST(done.at(none).empty(), none);
  BOOST_TEST(done.at("isTurnDue") == false);

  start("LeavesAnActivity", "left");
  ended("left");
  const json left = described("left");
  BOOST_TEST(left.at("runtimeStatus") == "Completed");
  BOOST_TEST_REQUIRE(left.at("openTasks").size() == 1U);
  BOOST_TEST(left.at("openTasks").at(0).at("isLeft") == true);
  BOOST_TEST(is_in_lifetime(left.at("openTasks").at(0).at("since"), left));
  BOOST_TEST(perdura({"describe", "left"}).out_contains("Activity (left)"));
}

// The history that has the time of the activity is gone.
BOOST_FIXTURE_TEST_CASE(activity_of_an_earlier_execution_is_listed,
                        describe_fixture) {
  start("ContinuesWithout", "a", "1");
  BOOST_TEST_REQUIRE(
    eventually([&] { return !described("a").at("waits").empty(); }));
  const json shown = described("a");
  BOOST_TEST_REQUIRE(shown.at("openTasks").size() == 1U);
  const json& activity = shown.at("openTasks").at(0);
  BOOST_TEST(activity.at("name") == "BlocksUntilOpen");
  BOOST_TEST(activity.at("isLeft") == true);
  BOOST_TEST(activity.at("since").is_null());
}

BOOST_FIXTURE_TEST_CASE(pending_instances_are_described, describe_fixture) {
  start("Approval", "later?scheduledStartTime=2099-01-01T00:00:00Z");
  const json later = described("later");
  BOOST_TEST(later.at("isTurnDue") == false);
  const json task = item_with(later.at("openTasks"), "kind", "ScheduledStart");
  BOOST_TEST(task.at("firesAt") == "2099-01-01T00:00:00Z");
  BOOST_TEST(is_in_lifetime(task.at("since"), later));

  BOOST_TEST(perdura({"pause", "Echo", "--reason", "the carrier is down"}).code
             == 0);
  start("Echo", "paused", "1");
  const json paused = described("paused");
  BOOST_TEST(paused.at("paused").get<std::string>().find("the carrier is down")
             != std::string::npos);
  BOOST_TEST(paused.at("isTurnDue") == true);
  BOOST_TEST(described("later").at("paused").is_null());
  BOOST_TEST(described("later").at("treeLeftIn") == json::array());
}

BOOST_FIXTURE_TEST_CASE(command_line_has_a_section_for_each_kind,
                        describe_fixture) {
  start("WaitsForEverything", "a", R"("a-child")");
  raise("a", "Later");
  const outcome shown = perdura({"describe", "a"});
  BOOST_TEST(shown.code == 0, shown.err);
  for (const char* part :
       {"Name           WaitsForEverything\n", "\nTurn           none\n",
        "\nCustom status  {\"stage\":1}\n", "\n\nOpen tasks\nKIND",
        "BlocksUntilOpen", "a-child", "\n\nWaits\nEVENT", "\n\nUnread events\n",
        "\n\nChildren\nID\na-child\n"})
    BOOST_TEST(shown.out_contains(part), part << " in:\n" << shown.out);
  start("Echo", "done", "1");
  ended("done");
  BOOST_TEST(
    perdura({"describe", "done"}).out_contains("\nOpen tasks: none\n"));
  BOOST_TEST(json::parse(perdura({"describe", "a", "-o", "json"}).out)
             == described("a"));
}

BOOST_AUTO_TEST_CASE(answer_of_an_older_owner_is_an_error) {
  const auto gateway = std::make_shared<recording_gateway>();
  gateway->answer.status = std::make_shared<const actors::instance_status>();
  const auto refused = client::orchestration_client(gateway).describe("a");
  BOOST_TEST((refused.code() == persistence::errc::unsupported));
  BOOST_TEST(refused.error().message.find("older version")
             != std::string::npos);
}

BOOST_AUTO_TEST_CASE(long_lists_are_cut_and_counted) {
  constexpr std::size_t events = 3;
  const auto gateway = std::make_shared<recording_gateway>();
  auto status = std::make_shared<actors::instance_status>();
  status->unread_events.assign(events, "E");
  status->details.emplace().task_count = 5'000;
  status->details->tasks.resize(actors::tasks_shown_max);
  gateway->answer.status = status;
  const auto found
    = client::orchestration_client(gateway).describe("a").value().value();
  BOOST_TEST(found.open_tasks.size() == 1'000U);
  BOOST_TEST(found.open_task_count == 5'000U);
  BOOST_TEST_REQUIRE(found.unread_events.size() == 1U);
  BOOST_TEST(found.unread_events.front().count == events);
}

BOOST_AUTO_TEST_CASE(every_node_describes_every_instance) {
  activity_opener opener;
  cluster_options options;
  options.add_functions
    = [&](std::size_t, actors::registry& to) { opener.add_functions(to); };
  {
    cluster_fixture cluster(options);
    for (std::size_t owner = 0; owner < 3; ++owner) {
      const std::string id = cluster.id_on(owner, "order");
      const std::size_t other = (owner + 1) % 3;
      client::start_options start;
      start.instance_id = id;
      cluster.host(other)
        .client()
        .start_json("WaitsForEverything", '"' + id + "-child\"", start)
        .value();
      const http_answer answer
        = cluster.request_at_root(other, "GET", "/perdura/instances/" + id);
      BOOST_TEST_REQUIRE(answer.status == 200, answer.body);
      const json shown = answer.json();
      BOOST_TEST(shown.at("node") == cluster_fixture::name_of(owner));
      BOOST_TEST(shown.at("partition").get<unsigned>() < 9U);
      BOOST_TEST(shown.at("openTasks").size() == 4U);
      BOOST_TEST(shown.at("waits").size() == 2U);
      BOOST_TEST(cluster.perdura(other, {"describe", id})
                   .out_contains(cluster_fixture::name_of(owner)));
    }
    const auto link = cluster.connect();
    BOOST_TEST(
      link->client().describe(cluster.id_on(2, "order")).value().value().node
      == "node-3");
    opener.opens.set_value();
  }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
