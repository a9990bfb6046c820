// Every sample of Durable Functions' "Manage instances", in C++.
//
//   manage_instances            runs them all, in the document's order
//   manage_instances rewind     runs one of them
//
// Each function below is one sample of the document. They run against a node
// in this process; against a node elsewhere only `main` would differ.

#include <perdura/perdura.hpp>

#include <stdlib.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using perdura::orchestration_client;
using perdura::orchestration_context;
using perdura::task;
using std::chrono::seconds;

// --- The orchestrations that are managed ------------------------------------

task<std::string> hello_world(orchestration_context& ctx, std::string name) {
  std::string greeting
    = co_await ctx.call_activity<std::string>("SayHello", name);
  co_return greeting;
}

task<std::vector<std::string>> hello_sequence(orchestration_context& ctx) {
  std::vector<std::string> out;
  for (const char* city : {"Tokyo", "Seattle", "London"})
    out.push_back(co_await ctx.call_activity<std::string>("SayHello", city));
  co_return out;
}

task<std::vector<int>> wait_for_my_event(orchestration_context& ctx) {
  std::vector<int> data
    = co_await ctx.wait_for_external_event<std::vector<int>>("MyEvent");
  co_return data;
}

task<> send_instance_info(orchestration_context& ctx) {
  co_await ctx.call_activity("SendInstanceInfo");
  co_await ctx.wait_for_external_event("Done");
}

/// Two people approve, then the database is used, which is misconfigured.
task<std::string> approve_and_store(orchestration_context& ctx) {
  for (const char* person : {"first", "second"}) {
    co_await ctx.call_activity("AskForApproval", person);
    co_await ctx.wait_for_external_event(std::string(person) + "-approval");
  }
  std::string stored = co_await ctx.call_activity<std::string>("Store");
  co_return stored;
}

/// What the activities reach outside: a mailbox, a document store and the
/// setting that an administrator gets wrong.
struct outside_world {
  std::atomic<int> approvals_asked{0};
  std::atomic<bool> connection_string_valid{false};
  std::atomic<int> documents{0};
};

std::shared_ptr<perdura::registry>
make_functions(const std::shared_ptr<outside_world>& world) {
  auto functions = std::make_shared<perdura::registry>();
  functions->add_orchestrator("HelloWorld", hello_world)
    .add_orchestrator("E1_HelloSequence", hello_sequence)
    .add_orchestrator("WaitForMyEvent", wait_for_my_event)
    .add_orchestrator("InstanceInfo", send_instance_info)
    .add_orchestrator("ApproveAndStore", approve_and_store);
  functions
    ->add_activity("SayHello",
                   [](std::string name) { return "Hello " + name + "!"; })
    // "Retrieving HTTP Management Webhook URLs", from inside an activity.
    .add_activity("SendInstanceInfo",
                  [world](perdura::activity_context& ctx) {
                    const perdura::management_payload payload
                      = ctx.management_payload();
                    std::cout << "document for " << payload.id << ": "
                              << payload.send_event_post_uri << "\n";
                    ++world->documents;
                  })
    .add_activity("AskForApproval",
                  [world](std::string) { ++world->approvals_asked; })
    .add_activity("Store", [world] {
      if (!world->connection_string_valid)
        throw std::runtime_error("invalid connection string");
      return std::string("stored");
    });
  return functions;
}

// --- The samples ------------------------------------------------------------

struct stage {
  orchestration_client client;
  std::shared_ptr<outside_world> world;
};

/// "Starting instances": HelloWorldManualStart.
void start(stage& on) {
  const std::string id
    = on.client.start_new("HelloWorld", std::string("Perdura")).value();
  std::cout << "Started orchestration with ID = '" << id << "'.\n";
  const auto ended = on.client.wait_for_completion(id, seconds(10)).value();
  std::cout << ended.output << "\n";
}

/// "Starting instances", the output binding of other languages.
void start_by_binding(stage& on) {
  const auto bindings = perdura::parse_start_bindings(
                          R"([{"FunctionName": "HelloWorld", "Input": "binding",
             "InstanceId": "from-a-binding"}])")
                          .value();
  for (const perdura::start_binding& binding : bindings) {
    const std::string id = on.client.start_new(binding).value();
    const auto ended = on.client.wait_for_completion(id, seconds(10)).value();
    std::cout << id << ": " << ended.output << "\n";
  }
}

/// "Querying instances": GetStatus, with the history and its outputs.
void get_status(stage& on) {
  const std::string id
    = on.client.start_new("HelloWorld", std::string("status")).value();
  static_cast<void>(on.client.wait_for_completion(id, seconds(10)).value());
  perdura::status_options options;
  options.show_history = true;
  options.show_history_output = true;
  const auto status = on.client.get_status(id, options).value();
  std::cout << to_json(*status) << "\n";
  const auto none = on.client.get_status("never-started").value();
  std::cout << "never-started: " << (none ? "there" : "null") << "\n";
}

/// "Querying all instances": GetAllStatus, with something to cancel it by.
void get_all_status(stage& on) {
  std::stop_source stop;
  const auto instances = on.client.get_status_all({}, stop.get_token()).value();
  std::cout << (instances.empty() ? "no" : "some") << " instances\n";
  stop.request_stop();
  const auto cancelled = on.client.get_status_all({}, stop.get_token());
  std::cout << "cancelled: " << to_string(cancelled.code()) << "\n";
}

/// "Querying instances with filters": QueryStatus.
void query_status(stage& on) {
  const std::string id
    = on.client.start_new("HelloWorld", std::string("query")).value();
  const auto ended = on.client.wait_for_completion(id, seconds(10)).value();
  perdura::instance_filter filter;
  filter.created_from = ended.created_time;
  filter.created_to = ended.created_time + seconds(1);
  filter.statuses
    = {perdura::runtime_status::completed, perdura::runtime_status::running};
  bool found = false;
  for (const auto& instance : on.client.get_status_all(filter).value())
    found = found || instance.instance_id == id;
  std::cout << "found: " << (found ? "yes" : "no") << "\n";
}

/// "Terminating instances": TerminateInstance.
void terminate(stage& on) {
  const std::string id = on.client.start_new("WaitForMyEvent").value();
  on.client.terminate(id, "It was time to be done.").value();
  const auto status = on.client.get_status(id).value();
  std::cout << to_string(status->status) << ": " << status->output << "\n";
}

/// "Sending events to instances": RaiseEvent.
void raise_event(stage& on) {
  const std::string id = on.client.start_new("WaitForMyEvent").value();
  const std::vector<int> event_data{1, 2, 3};
  on.client.raise_event(id, "MyEvent", event_data).value();
  const auto ended = on.client.wait_for_completion(id, seconds(10)).value();
  std::cout << ended.output << "\n";
  const auto nobody
    = on.client.raise_event("no-such-instance", "MyEvent", event_data);
  std::cout << "no-such-instance: " << to_string(nobody.code()) << "\n";
}

/// "Wait for orchestration completion": HttpSyncStart with 2 s and 0.5 s.
void wait_for_completion(stage& on) {
  using std::chrono::milliseconds;
  const std::string done = on.client.start_new("E1_HelloSequence").value();
  const auto in_time = on.client
                         .wait_for_completion_or_create_check_status(
                           done, milliseconds(2000), milliseconds(500))
                         .value();
  std::cout << in_time.status.output << "\n";
  const std::string waits = on.client.start_new("WaitForMyEvent").value();
  const auto not_yet = on.client
                         .wait_for_completion_or_create_check_status(
                           waits, milliseconds(200), milliseconds(50))
                         .value();
  std::cout << "check later: "
            << (not_yet.payload.status_query_get_uri.empty() ? "nowhere"
                                                             : "its URL")
            << "\n";
  on.client.terminate(waits, "the sample ends").value();
}

/// "Retrieving HTTP Management Webhook URLs": SendInstanceInfo.
void management_payload(stage& on) {
  const std::string id = on.client.start_new("InstanceInfo").value();
  const auto payload = on.client.create_http_management_payload(id);
  std::cout << payload.status_query_get_uri << "\n"
            << payload.send_event_post_uri << "\n"
            << payload.terminate_post_uri << "\n"
            << payload.rewind_post_uri << "\n";
  on.client.raise_event(id, "Done").value();
  static_cast<void>(on.client.wait_for_completion(id, seconds(10)).value());
  std::cout << "documents: " << on.world->documents << "\n";
}

/// "Rewinding instances": RewindInstance, and the document's story: what the
/// people approved need not be approved again.
void rewind(stage& on) {
  on.world->connection_string_valid = false;
  const std::string id = on.client.start_new("ApproveAndStore").value();
  on.client.raise_event(id, "first-approval").value();
  on.client.raise_event(id, "second-approval").value();
  const auto failed = on.client.wait_for_completion(id, seconds(10)).value();
  std::cout << to_string(failed.status) << ": " << failed.output << "\n";
  on.world->connection_string_valid = true; // the administrator mends it
  on.client.rewind(id, "Orchestrator failed and needs to be revived.").value();
  const auto ended = on.client.wait_for_completion(id, seconds(10)).value();
  std::cout << to_string(ended.status) << ": " << ended.output << ", "
            << on.world->approvals_asked << " approvals were asked for\n";
}

const std::vector<std::pair<std::string, void (*)(stage&)>> samples{
  {"start", start},
  {"start_by_binding", start_by_binding},
  {"get_status", get_status},
  {"get_all_status", get_all_status},
  {"query_status", query_status},
  {"terminate", terminate},
  {"raise_event", raise_event},
  {"wait_for_completion", wait_for_completion},
  {"management_payload", management_payload},
  {"rewind", rewind},
};

int run(const std::string& directory, const std::string& wanted) {
  auto world = std::make_shared<outside_world>();
  perdura::node_host_config config;
  config.node.data_dir = directory;
  config.node.create_hub = true;
  config.door.port = 0; // any free one: the URLs below lead to it
  auto host = perdura::node_host::start(config, make_functions(world)).value();
  stage on{host->client(), world};
  bool found = false;
  for (const auto& [name, sample] : samples) {
    if (!wanted.empty() && wanted != name)
      continue;
    std::cout << "-- " << name << "\n";
    sample(on);
    found = true;
  }
  static_cast<void>(host->stop());
  if (!found)
    std::cerr << "There is no sample \"" << wanted << "\".\n";
  return found ? 0 : 2;
}

} // namespace

int main(int argc, char** argv) {
  std::string pattern
    = std::filesystem::temp_directory_path() / "perdura-example-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) {
    std::cerr << "There is no temporary directory to be had.\n";
    return 1;
  }
  int status = 1;
  try {
    status = run(pattern + "/hub", argc > 1 ? argv[1] : "");
  } catch (const std::exception& failure) {
    std::cerr << failure.what() << "\n";
  }
  std::filesystem::remove_all(pattern);
  return status;
}
