// SPDX-License-Identifier: Apache-2.0
// Embeds a client gateway in a service that is not a node of the cluster. The
// service links perdura::client alone, connects to the nodes, and uses the
// client API from all of its threads.
//
//   perdura cluster up
//   embedded_gateway node-1=127.0.0.1:7171 node-2=127.0.0.1:7172
//
// `--orders N` sets the number of orders that the service places (default 5).
// To see how failures are handled, kill a node while orders are placed. If the
// killed node owns the instance of an order, this order waits until the node
// has restarted; all other orders continue. Each order is placed exactly once.
#include <perdura/client.hpp>

#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using perdura::failure_kind;
using perdura::orchestration_client;

// The longest time that a call waits for a node to restart.
constexpr auto wait_time_max = 60s;

void print(const std::string& text) {
  std::cout << text << std::endl;
}

void print_nodes(const perdura::cluster_client& cluster) {
  for (const auto& node : cluster.nodes())
    if (node.report)
      print("  " + node.node + ": up, Perdura " + node.report->version + ", "
            + std::to_string(node.report->partitions.size()) + " partitions");
    else
      print("  " + node.node + ": unreachable (" + node.why + ")");
}

/// Starts an orchestration and waits for its output. The service knows only the
/// name of the orchestrator; its code runs on the nodes.
std::string start_and_wait(orchestration_client client) {
  const std::string id = client.start_new("HelloSequence").value();
  const auto ended = client.wait_for_completion(id, wait_time_max).value();
  print("HelloSequence " + id + ": " + ended.output);
  return id;
}

/// Starts an orchestration that waits for an event, raises the event, and waits
/// for the end of the instance. If the node that owns the instance restarts,
/// the wait for the end continues.
void start_and_signal(orchestration_client client, const std::string& id) {
  perdura::start_options options;
  options.instance_id = id;
  client.start_new("Approval", nullptr, options).value();
  client.raise_event(id, "Approval", "approved by the gateway").value();
  const auto ended = client.wait_for_completion(id, wait_time_max).value();
  print("Approval " + id + ": " + ended.output);
}

/// Starts an instance exactly once, although nodes may fail at any moment.
///
/// The reaction to a failed call depends on its kind; see
/// `perdura::failure_kind`.
perdura::result<std::string> start_once(orchestration_client client,
                                        const std::string& name, int input,
                                        const std::string& id) {
  perdura::start_options options;
  options.instance_id = id;
  // All attempts have the same request ID, so that a start which has already
  // been done is not done again.
  options.request_id = "start of " + id;
  options.time_out = wait_time_max;
  perdura::call_options calls;
  for (int attempt = 1;; ++attempt) {
    const auto started = client.with(calls).start_new(name, input, options);
    if (started) {
      if (attempt > 1)
        print(id + ": placed at attempt " + std::to_string(attempt));
      return started;
    }
    const perdura::error& failure = started.error();
    switch (perdura::kind_of(failure.code)) {
    case failure_kind::not_done:
      return failure; // The request was refused; a repeat would be refused too.
    case failure_kind::unavailable:
      print(id + ": unavailable, nothing was done: " + failure.message);
      break;
    case failure_kind::unknown:
      print(id + ": outcome unknown: " + failure.message);
      break;
    }
    if (attempt == 10)
      return failure;
    calls.wait_for_owner = true; // The next attempt waits for the node.
  }
}

/// Shows a start that is refused, because no node has registered the
/// orchestrator.
void show_refusal(orchestration_client client) {
  const auto refused = start_once(std::move(client), "NoSuchFunction", 1, "x");
  print("NoSuchFunction: not done: " + refused.error().message);
}

/// Starts `count` orders, waits until all have ended, and returns the number of
/// instances in the cluster whose ID begins with `prefix`.
std::size_t place_orders(const perdura::cluster_client& cluster,
                         const std::string& prefix, int count) {
  orchestration_client client = cluster.client();
  std::vector<std::string> ids;
  for (int i = 1; i <= count; ++i) {
    const std::string id = prefix + std::to_string(i);
    ids.push_back(start_once(client, "Echo", i, id).value());
    print(id + ": placed");
    std::this_thread::sleep_for(20ms);
  }
  perdura::call_options calls;
  calls.deadline = wait_time_max;
  calls.wait_for_owner = true;
  for (const std::string& id : ids)
    client.with(calls).wait_for_completion(id, wait_time_max).value();
  // A query needs all nodes, because each one owns a part of the instances.
  cluster.wait_for_all_nodes(wait_time_max).value();
  perdura::instance_filter filter;
  filter.instance_id_prefix = prefix;
  return client.get_status_all(filter).value().size();
}

int run(const perdura::cluster_client_config& config, int orders) {
  const auto cluster = perdura::cluster_client::connect(config).value();
  cluster->wait_for_all_nodes(10s).value();
  print("Connected to:");
  print_nodes(*cluster);
  const std::string run = start_and_wait(cluster->client()).substr(0, 8);
  start_and_signal(cluster->client(), "approval-" + run);
  show_refusal(cluster->client());
  const std::size_t placed
    = place_orders(*cluster, "order-" + run + "-", orders);
  print(std::to_string(placed) + " orders, each placed once");
  print_nodes(*cluster);
  return placed == static_cast<std::size_t>(orders) ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
  perdura::cluster_client_config config;
  int orders = 5;
  for (int i = 1; i < argc; ++i)
    if (std::string(argv[i]) == "--orders" && i + 1 < argc)
      orders = std::atoi(argv[++i]);
    else
      config.nodes.emplace_back(argv[i]);
  if (config.nodes.empty()) {
    std::cerr << "usage: embedded_gateway NAME=HOST:PORT... [--orders N]\n";
    return 2;
  }
  try {
    return run(config, orders);
  } catch (const std::exception& failure) {
    std::cerr << failure.what() << "\n";
    return 1;
  }
}
