// SPDX-License-Identifier: Apache-2.0
#include "real/fault_worker.hpp"

#include "client/examples/samples.hpp"
#include "persistence/process/process_end.hpp"
#include "tests/support/patience.hpp"
#include <perdura/perdura.hpp>

#include "real/failing_allocations.hpp"

#include <iostream>
#include <memory>
#include <stdexcept>

namespace perdura::tests {

namespace {

using client::orchestration_client;

/// Starts and awaits orchestrations until the allocation has failed or all have
/// ended. Their outcomes do not matter.
void run_load(orchestration_client& client) {
  for (int i = 0; i < 40; ++i) {
    auto started = client.start_json("HelloSequence", "null");
    if (started)
      static_cast<void>(
        client.wait_for_completion(*started, std::chrono::seconds(5)));
    static_cast<void>(client.list_instances({}));
    if (end_failing_allocations())
      return;
  }
}

void expect(bool holds, const std::string& what) {
  if (!holds)
    throw std::runtime_error(what);
}

void expect_sound(orchestration_client& client) {
  const auto id = client.start_json("HelloSequence", "null");
  expect(static_cast<bool>(id),
         "a start after the failure: " + (id ? "" : id.error().message));
  const auto ended = client.wait_for_completion(*id, patience);
  expect(ended && ended->output.find("Tokyo") != std::string::npos,
         "an orchestration after the failure does not end");
}

int run_node(const std::vector<std::string>& arguments) {
  auto functions = std::make_shared<actors::registry>();
  perdura::examples::add_samples(*functions);
  client::node_host_config config;
  config.node.data_dir = arguments.at(3);
  config.node.create_hub = true;
  config.node.partition_count = 4;
  config.http.port = 0;
  config.on_fatal = [](const std::string& sentence) {
    std::cout << "fatal " << sentence << std::endl;
  };
  persistence::end_after_fault_on_terminate();
  auto host = client::node_host::start(config, functions);
  expect(static_cast<bool>(host), "the node does not start");
  orchestration_client client = (*host)->client();
  client.list_instances({}).value();
  fail_allocation_of(arguments.at(1), std::stoull(arguments.at(2)));
  run_load(client);
  end_failing_allocations();
  expect_sound(client);
  expect((*host)->stop().empty(), "the node does not stop");
  return 0;
}

int run_client(const std::vector<std::string>& arguments) {
  client::cluster_client_config config;
  config.nodes.assign(arguments.begin() + 3, arguments.end());
  auto link = client::cluster_client::connect(config, patience);
  expect(static_cast<bool>(link), "no connection");
  orchestration_client client = (*link)->client();
  fail_allocation_of(arguments.at(1), std::stoull(arguments.at(2)));
  // A query that is under way at the failure ends with its time-out.
  orchestration_client impatient
    = client.with({.deadline = std::chrono::seconds(2)});
  run_load(impatient);
  end_failing_allocations();
  const auto got = client.start_json("HelloSequence", "null");
  if (!got && got.code() == persistence::errc::internal) {
    std::cout << "failed" << std::endl;
    using persistence::errc;
    expect(client.get_status("a").code() == errc::internal, "get_status");
    expect(client.list_instances({}).code() == errc::internal, "list");
    expect(client.terminate("a", "b").code() == errc::internal, "terminate");
    expect(client.wait_for_completion("a", patience).code() == errc::internal,
           "wait_for_completion");
    expect((*link)->wait_for_all_nodes(patience).code() == errc::internal,
           "wait_for_all_nodes");
  }
  (*link)->close();
  link = client::cluster_client::connect(config, patience);
  expect(static_cast<bool>(link), "no second connection");
  expect((*link)->wait_for_all_nodes(patience).code() == persistence::errc::ok,
         "the nodes of the second connection");
  client = (*link)->client();
  expect_sound(client);
  return 0;
}

} // namespace

int run_fault_worker(const std::vector<std::string>& arguments) try {
  const int code
    = arguments.at(0) == "node" ? run_node(arguments) : run_client(arguments);
  std::cout << "sound" << std::endl;
  return code;

} catch (const std::exception& failure) {

  std::cout << "unexpected " << failure.what() << std::endl;
  return 1;
}

} // namespace perdura::tests
