// SPDX-License-Identifier: Apache-2.0
// Every sample of the Durable Functions document "Manage instances", in C++.
//
//   manage_instances            runs all samples, in the order of the document
//   manage_instances rewind     runs one sample
//
// Each function in the part "The samples" is one sample. The samples run on a
// node in this process; to run them on a cluster, only `run` must change.

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
  // The result is journaled before the next statement runs.
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

/// Asks two people for approval and then stores a document. Storing fails until
/// the connection string of the document store is valid.
task<std::string> approve_and_store(orchestration_context& ctx) {
  for (const char* person : {"first", "second"}) {
    co_await ctx.call_activity("AskForApproval", person);
    co_await ctx.wait_for_external_event(std::string(person) + "-approval");
  }
  std::string stored = co_await ctx.call_activity<std::string>("Store");
  co_return stored;
}

/// The services that the activities use: a mailbox, a document store, and the
/// store's connection string, which an administrator has set wrongly.
struct external_services {
  std::atomic<int> approvals_asked{0};
  std::atomic<bool> connection_string_valid{false};
  std::atomic<int> documents{0};
};

// Registers everything that the samples start. Activities are lambdas that
// share the services.
std::shared_ptr<perdura::registry>
make_functions(const std::shared_ptr<external_services>& services) {
  auto functions = std::make_shared<perdura::registry>();
  functions->add_orchestrator("HelloWorld", hello_world)
    .add_orchestrator("E1_HelloSequence", hello_sequence)
    .add_orchestrator("WaitForMyEvent", wait_for_my_event)
    .add_orchestrator("InstanceInfo", send_instance_info)
    .add_orchestrator("ApproveAndStore", approve_and_store);
  functions
    ->add_activity("SayHello",
                   [](std::string name) { return "Hello " + name + "!"; })
    // An activity of the sample "Retrieving HTTP management webhook URLs".
    .add_activity("SendInstanceInfo",
                  [services](perdura::activity_context& ctx) {
                    const perdura::management_payload payload
                      = ctx.management_payload();
                    std::cout << "document for " << payload.id << ": "
                              << payload.send_event_post_uri << "\n";
                    ++services->documents;
                  })
    // Counts the requests, so that `rewind` can show that none is repeated.
    .add_activity("AskForApproval",
                  [services](std::string) { ++services->approvals_asked; })
    .add_activity("Store", [services] {
      if (!services->connection_string_valid)
        // The exception fails the activity, and with it the instance.
        throw std::runtime_error("invalid connection string");
      return std::string("stored");
    });
  return functions;
}

// --- The samples ------------------------------------------------------------

// Each comment names the section of the document "Manage instances", in quotes,
// and the sample of that section that the function corresponds to.

/// The objects that every sample uses.
struct sample_context {
  orchestration_client client;
  std::shared_ptr<external_services> services;
};

/// "Starting instances": HelloWorldManualStart.
void start(sample_context& sample) {
  const std::string id
    = sample.client.start_new("HelloWorld", std::string("Perdura")).value();
  std::cout << "Started orchestration with ID = '" << id << "'.\n";
  const auto ended = sample.client.wait_for_completion(id, seconds(10)).value();
  std::cout << ended.output << "\n";
}

/// "Starting instances": starts by an output binding, as clients of other
/// languages do.
void start_by_binding(sample_context& sample) {
  const auto bindings = perdura::parse_start_bindings(
                          R"([{"FunctionName": "HelloWorld", "Input": "binding",
             "InstanceId": "from-a-binding"}])")
                          .value();
  for (const perdura::start_binding& binding : bindings) {
    const std::string id = sample.client.start_new(binding).value();
    const auto ended
      = sample.client.wait_for_completion(id, seconds(10)).value();
    std::cout << id << ": " << ended.output << "\n";
  }
}

/// "Querying instances": GetStatus, with the history and its outputs.
void get_status(sample_context& sample) {
  const std::string id
    = sample.client.start_new("HelloWorld", std::string("status")).value();
  static_cast<void>(sample.client.wait_for_completion(id, seconds(10)).value());
  perdura::status_options options;
  options.show_history = true;
  options.show_history_output = true;
  const auto status = sample.client.get_status(id, options).value();
  std::cout << to_json(*status) << "\n";
  // If an instance does not exist, the result is an empty optional, not an
  // error.
  const auto none = sample.client.get_status("never-started").value();
  std::cout << "never-started: " << (none ? "there" : "null") << "\n";
}

/// "Querying all instances": GetAllStatus, and how to cancel it.
void get_all_status(sample_context& sample) {
  std::stop_source stop;
  const auto instances
    = sample.client.get_status_all({}, stop.get_token()).value();
  std::cout << (instances.empty() ? "no" : "some") << " instances\n";
  // A query that is stopped returns errc::cancelled.
  stop.request_stop();
  const auto cancelled = sample.client.get_status_all({}, stop.get_token());
  std::cout << "cancelled: " << to_string(cancelled.code()) << "\n";
}

/// "Querying instances with filters": QueryStatus.
void query_status(sample_context& sample) {
  const std::string id
    = sample.client.start_new("HelloWorld", std::string("query")).value();
  const auto ended = sample.client.wait_for_completion(id, seconds(10)).value();
  perdura::instance_filter filter;
  filter.created_from = ended.created_time;
  // Times, statuses and prefixes can be combined; an instance must match all.
  filter.created_to = ended.created_time + seconds(1);
  filter.statuses
    = {perdura::runtime_status::completed, perdura::runtime_status::running};
  bool found = false;
  for (const auto& instance : sample.client.get_status_all(filter).value())
    found = found || instance.instance_id == id;
  std::cout << "found: " << (found ? "yes" : "no") << "\n";
}

/// "Terminating instances": TerminateInstance.
void terminate(sample_context& sample) {
  const std::string id = sample.client.start_new("WaitForMyEvent").value();
  sample.client.terminate(id, "It was time to be done.").value();
  const auto status = sample.client.get_status(id).value();
  std::cout << to_string(status->status) << ": " << status->output << "\n";
}

/// "Sending events to instances": RaiseEvent.
void raise_event(sample_context& sample) {
  const std::string id = sample.client.start_new("WaitForMyEvent").value();
  const std::vector<int> event_data{1, 2, 3};
  sample.client.raise_event(id, "MyEvent", event_data).value();
  const auto ended = sample.client.wait_for_completion(id, seconds(10)).value();
  std::cout << ended.output << "\n";
  // A failed call returns an error as a value. Only `.value()` would throw an
  // exception.
  const auto missing
    = sample.client.raise_event("no-such-instance", "MyEvent", event_data);
  std::cout << "no-such-instance: " << to_string(missing.code()) << "\n";
}

/// "Wait for orchestration completion": HttpSyncStart with a time-out of 2 s
/// and a retry interval of 0.5 s.
void wait_for_completion(sample_context& sample) {
  using std::chrono::milliseconds;
  const std::string done = sample.client.start_new("E1_HelloSequence").value();
  // The instance ends before the time-out, so the result is its status.
  const auto in_time = sample.client
                         .wait_for_completion_or_create_check_status(
                           done, milliseconds(2000), milliseconds(500))
                         .value();
  std::cout << in_time.status.output << "\n";
  const std::string waits = sample.client.start_new("WaitForMyEvent").value();
  // This instance waits for an event, so the result is its management URLs.
  const auto unfinished = sample.client
                            .wait_for_completion_or_create_check_status(
                              waits, milliseconds(200), milliseconds(50))
                            .value();
  std::cout << "check later: "
            << (unfinished.payload.status_query_get_uri.empty() ? "no URL"
                                                                : "status URL")
            << "\n";
  sample.client.terminate(waits, "the sample ends").value();
}

/// "Retrieving HTTP Management Webhook URLs": SendInstanceInfo.
void management_payload(sample_context& sample) {
  const std::string id = sample.client.start_new("InstanceInfo").value();
  // The URLs contain the port that the system has chosen.
  const auto payload = sample.client.create_http_management_payload(id);
  std::cout << payload.status_query_get_uri << "\n"
            << payload.send_event_post_uri << "\n"
            << payload.terminate_post_uri << "\n"
            << payload.rewind_post_uri << "\n";
  sample.client.raise_event(id, "Done").value();
  static_cast<void>(sample.client.wait_for_completion(id, seconds(10)).value());
  std::cout << "documents: " << sample.services->documents << "\n";
}

/// "Rewinding instances": RewindInstance. As in the scenario of the document,
/// the instance does not ask for the approvals a second time.
void rewind(sample_context& sample) {
  sample.services->connection_string_valid = false;
  const std::string id = sample.client.start_new("ApproveAndStore").value();
  sample.client.raise_event(id, "first-approval").value();
  sample.client.raise_event(id, "second-approval").value();
  const auto failed
    = sample.client.wait_for_completion(id, seconds(10)).value();
  std::cout << to_string(failed.status) << ": " << failed.output << "\n";
  // The administrator corrects the connection string.
  sample.services->connection_string_valid = true;
  sample.client.rewind(id, "Orchestrator failed and needs to be revived.")
    .value();
  const auto ended = sample.client.wait_for_completion(id, seconds(10)).value();
  std::cout << to_string(ended.status) << ": " << ended.output << ", "
            << sample.services->approvals_asked
            << " approvals were asked for\n";
}

const std::vector<std::pair<std::string, void (*)(sample_context&)>> samples{
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
  auto services = std::make_shared<external_services>();
  perdura::node_host_config config;
  config.node.data_dir = directory;
  config.node.create_hub = true; // The directory does not exist yet.
  config.http.port = 0;          // The system chooses a free port.
  auto host
    = perdura::node_host::start(config, make_functions(services)).value();
  // The client reaches the node in this process, without HTTP.
  sample_context context{host->client(), services};
  bool found = false;
  for (const auto& [name, run_sample] : samples) {
    if (!wanted.empty() && wanted != name)
      continue;
    std::cout << "-- " << name << "\n";
    run_sample(context);
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
    std::cerr << "No temporary directory could be created.\n";
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
