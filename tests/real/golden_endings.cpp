// SPDX-License-Identifier: Apache-2.0
#include "real/golden_endings.hpp"

#include <perdura/client/api/orchestration_client.hpp>

#include <nlohmann/json.hpp>

namespace perdura::tests {

using client::orchestration_client;
using client::runtime_status;
using nlohmann::json;

namespace {

const std::string greetings
  = R"(["Hello Tokyo!","Hello Seattle!","Hello London!"])";
const std::string granted = R"(["Hello Tokyo!","granted"])";
const std::string refused
  = R"("Orchestrator function 'Refused' failed: Activity function 'Refuse' )"
    R"(failed: access denied")";

void raise(orchestration_client& client, const std::string& id,
           const std::string& event, const std::string& data) {
  client.raise_event_json(id, event, data).value();
}

/// The ID that a child has by default.
std::string default_child_of(const json& instances, const std::string& parent) {
  return instances[parent]["record"]["execution"].get<std::string>() + ":3";
}

} // namespace

std::vector<golden_ending> endings_of_one_node(const json& instances) {
  using enum runtime_status;
  return {
    // Instances that had ended when the directory was written.
    {"greeted", completed, greetings},
    {"verbatim", completed,
     R"({"z":1,"a":12345678901234567890,"text":"na\u00efve 日本",)"
     R"("numbers":[1.50,-0.0,1e3]})"},
    {"large", completed, '"' + std::string(40'000, 'x') + '"'},
    {"übung-日本", completed, greetings},
    {"replaced", completed, greetings},
    {"receiver", completed, R"("from sender")"},
    {"sender", completed, R"("sent")"},
    {"split", completed, R"(["a in the views","b in the journal"])"},
    {"late-greeted", completed, greetings},
    {"completed-beside-activity", completed, R"("Hello leaver!")"},
    {"family-ended", completed, R"("ended from below from below")"},
    {"family-ended-child", completed, R"("ended from below")"},
    {"family-ended-child-child", completed, R"("ended")"},
    {"parent-child-2", completed, R"("two")"},
    {"rewound-and-ended", completed, granted},
    {"failed-and-kept", failed, refused},
    {"terminated", terminated, R"("no longer needed")"},
    {"terminated-late", terminated, R"("at the last moment")"},
    {"terminated-beside-activity", terminated, R"("while its activity runs")"},
    // Instances that end without a request after the directory is opened.
    {"wait-timed-out", completed, R"("timed out")"},
    {"timer-past", completed, R"("slept")"},
    {"timer-past-at", completed, R"("slept until")"},
    {"late-timer-past", completed, R"("slept")"},
    {"scheduled-past", completed, greetings},
    {"scheduled-with-event", completed, R"("before the start")"},
    {"activity-open", completed, R"("one passed")"},
    {"late-activity-open", completed, R"("late passed")"},
    {"fan-out", completed,
     R"(["Hello one!","two passed","Hello three!","four passed"])"},
    {"retry-waiting", completed, R"("attempt 2")"},
    {"retry-running", completed, R"("attempt 2")"},
    {"child-retry-waiting", completed, granted},
    {"child-of-retry", completed, granted},
    {"event-in-turn", completed, R"("in the turn")"},
    {"late-first-turn", completed, R"("begun")"},
    {"held-orchestrator", completed, R"("held data")"},
    {"held-version", completed, R"("version 1: held data")"},
    {"held-code", completed, R"("Hello before!held data")"},
    {"held-late", completed, R"("late data")"},
    // Instances that end after the requests of continue_one_node().
    {"waiting", completed, R"("now")"},
    {"late-waiting", completed, R"("now")"},
    {"late-versioned", completed, R"("version 2: now")"},
    {std::string(256, 'i'), completed, R"("now")"},
    {"custom-status", completed, R"("shown")"},
    {"timer-or-event", completed, R"("the event")"},
    {"timer-far", terminated, R"("it is too far away")"},
    {"scheduled-far", terminated, R"("it is too far away")"},
    {"scheduled-suspended", completed, greetings},
    {"counter", completed, "45"},
    {"buffered", completed, R"(["an a","first b"])"},
    {"parent", completed, R"(["one","two","three"])"},
    {"parent-child-1", completed, R"("one")"},
    {default_child_of(instances, "parent"), completed, R"("three")"},
    {"family", completed, R"("now from below from below")"},
    {"family-child", completed, R"("now from below")"},
    {"family-child-child", completed, R"("now")"},
    {"suspended-event", completed, R"("while suspended")"},
    {"suspended-result", completed, R"("two passed")"},
    {"suspended-timer", completed, R"("slept")"},
    {"failed", completed, granted},
    {"rewound-and-failed-again", completed, granted},
    {"rewound-and-waiting", completed, R"(["granted","now"])"},
    {"rewound-twice-and-waiting", completed, R"(["granted","now"])"},
    {"failed-beside-result", completed, R"(["granted","beside passed"])"},
    {"handled-then-failed", completed,
     R"(["this activity always fails","Hello instead!","granted"])"},
  };
}

void continue_one_node(orchestration_client& client, const json& instances) {
  for (const char* id : {"waiting", "late-waiting", "late-versioned",
                         "custom-status", "family-child-child",
                         "rewound-and-waiting", "rewound-twice-and-waiting"})
    raise(client, id, "Go", R"("now")");
  raise(client, std::string(256, 'i'), "Go", R"("now")");
  raise(client, "parent-child-1", "Go", R"("one")");
  raise(client, default_child_of(instances, "parent"), "Go", R"("three")");
  raise(client, "buffered", "A", R"("an a")");
  raise(client, "counter", "Add", "3");
  raise(client, "counter", "Stop", "null");
  raise(client, "timer-or-event", "Wake", "null");
  for (const char* id : {"timer-far", "scheduled-far"})
    client.terminate(id, "it is too far away").value();
  for (const char* id : {"suspended-event", "suspended-result",
                         "suspended-timer", "scheduled-suspended"})
    client.resume(id).value();
  for (const char* id : {"failed", "failed-beside-result",
                         "rewound-and-failed-again", "handled-then-failed"})
    client.rewind(id, "access was granted").value();
}

std::vector<golden_ending> endings_of_one_node_in_flush() {
  using enum runtime_status;
  std::vector<golden_ending> endings{
    {"early", completed, greetings},
    {"changed", completed, R"(["before the flush","after the flush"])"}};
  for (int i = 100; i < 200; ++i)
    endings.push_back({"waiting-" + std::to_string(i), completed, R"("now")"});
  return endings;
}

void continue_one_node_in_flush(orchestration_client& client) {
  raise(client, "changed", "B", R"("after the flush")");
  for (int i = 100; i < 200; ++i)
    raise(client, "waiting-" + std::to_string(i), "Go", R"("now")");
}

std::vector<golden_ending> endings_of_three_nodes() {
  using enum runtime_status;
  const std::string now = R"("now")";
  return {
    {"greeted-1", completed, greetings},
    {"greeted-9", completed, greetings},
    {"greeted-2", completed, greetings},
    {"timer-past-1", completed, R"("slept")"},
    {"timer-past-5", completed, R"("slept")"},
    {"timer-past-3", completed, R"("slept")"},
    {"activity-open-3", completed, R"("first passed")"},
    {"activity-open-1", completed, R"("second passed")"},
    {"activity-open-2", completed, R"("third passed")"},
    {"waiting-1", completed, now},
    {"waiting-2", completed, now},
    {"waiting-4", completed, now},
    {"late-waiting-4", completed, now},
    {"late-waiting-1", completed, now},
    {"counter-2", completed, "8"},
    {"parent-1", completed, now},
    {"child-5", completed, now},
    // Pairs of instances with a message that is still in an outbox.
    {"sender-3", completed, R"("sent")"},
    {"receiver-1", completed, R"("from sender-3")"},
    {"late-sender-2", completed, R"("sent")"},
    {"late-receiver-2", completed, R"("from late-sender-2")"},
    {"ending-child-2", completed, R"("ended while the parent was away")"},
    {"ending-parent-3", completed, R"("ended while the parent was away")"},
    {"starting-parent-5", completed, greetings},
    {"child-to-start-1", completed, greetings},
    {"terminating-parent-3", terminated, R"("the whole family")"},
    {"terminated-child-7", terminated, R"("the whole family")"},
    {"rewinding-parent-4", completed, granted},
    {"rewound-child-2", completed, granted},
    // Node 3 still has messages in its outbox that node 1 has already handled.
    {"unanswered-parent-1", completed, now},
    {"child-started-once-1", completed, now},
    {"unanswered-sender-12", completed, R"("sent")"},
    {"counting-2", completed, "1"},
  };
}

void continue_three_nodes(orchestration_client& client) {
  for (const char* id :
       {"waiting-1", "waiting-2", "waiting-4", "late-waiting-4",
        "late-waiting-1", "child-5", "child-started-once-1"})
    raise(client, id, "Go", R"("now")");
  raise(client, "counter-2", "Add", "3");
  raise(client, "counter-2", "Stop", "null");
}

} // namespace perdura::tests
