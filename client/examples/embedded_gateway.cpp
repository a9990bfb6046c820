// A service that is no node of the cluster: it links perdura::client alone,
// knows the nodes, and has the whole client API from each of its threads.
//
//   perdura cluster up
//   embedded_gateway node-1=127.0.0.1:7171 node-2=127.0.0.1:7172
//
// `--orders N` says how many orders it places. While it does, kill a node:
// those that the node owns wait for its return, the others go on, and each is
// placed once.
#include <perdura/client/api/cluster_client.hpp>

#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using perdura::client::call_options;
using perdura::client::cluster_client;
using perdura::client::cluster_client_config;
using perdura::client::error;
using perdura::client::failure_kind;
using perdura::client::instance_filter;
using perdura::client::kind_of;
using perdura::client::orchestration_client;
using perdura::client::result;
using perdura::client::start_options;

// For a node to come back.
constexpr auto patience = 60s;

void say(const std::string& text) {
  std::cout << text << std::endl;
}

void show_nodes(const cluster_client& cluster) {
  for (const auto& one : cluster.nodes())
    if (one.report)
      say("  " + one.node + ": up, Perdura " + one.report->version + ", "
          + std::to_string(one.report->partitions.size()) + " partitions");
    else
      say("  " + one.node + ": away (" + one.why + ")");
}

/// By name: the code of an orchestration is on the nodes, not here.
std::string start_and_wait(orchestration_client client) {
  const std::string id = client.start_new("HelloSequence").value();
  const auto ended = client.wait_for_completion(id, patience).value();
  say("HelloSequence " + id + ": " + ended.output);
  return id;
}

/// A wait costs no thread on either side, and it outlives its node's restart.
void signal_one(orchestration_client client, const std::string& id) {
  start_options options;
  options.instance_id = id;
  client.start_new("Approval", nullptr, options).value();
  client.raise_event(id, "Approval", "the gateway's").value();
  const auto ended = client.wait_for_completion(id, patience).value();
  say("Approval " + id + ": " + ended.output);
}

/// Starts it once, whatever happens on the way. Three kinds of failure want
/// three answers.
result<std::string> start_once(orchestration_client client,
                               const std::string& name, int input,
                               const std::string& id) {
  start_options options;
  options.instance_id = id;
  // The same for each attempt: it makes a repeat safe.
  options.request_id = "start of " + id;
  options.time_out = patience;
  call_options calls;
  for (int attempt = 1;; ++attempt) {
    const auto started = client.with(calls).start_new(name, input, options);
    if (started) {
      if (attempt > 1)
        say(id + ": placed at attempt " + std::to_string(attempt));
      return started;
    }
    const error& why = started.error();
    switch (kind_of(why.code)) {
    case failure_kind::not_done:
      return why; // It was looked at and refused; so it would be again.
    case failure_kind::unavailable:
      say(id + ": unavailable, nothing was done: " + why.message);
      calls.wait_for_owner = true; // The next attempt waits for the node.
      break;
    case failure_kind::unknown:
      say(id + ": done or not: " + why.message);
      calls.wait_for_owner = true;
      break;
    }
    if (attempt == 10)
      return why;
  }
}

void be_refused(orchestration_client client) {
  const auto refused = start_once(std::move(client), "NoSuchFunction", 1, "x");
  say("NoSuchFunction: not done: " + refused.error().message);
}

/// @return How many there are in the cluster, once each.
std::size_t place_orders(const cluster_client& cluster,
                         const std::string& prefix, int count) {
  orchestration_client client = cluster.client();
  std::vector<std::string> ids;
  for (int i = 1; i <= count; ++i) {
    const std::string id = prefix + std::to_string(i);
    ids.push_back(start_once(client, "Echo", i, id).value());
    say(id + ": placed");
    std::this_thread::sleep_for(20ms); // As orders come in.
  }
  call_options calls;
  calls.deadline = patience;
  calls.wait_for_owner = true;
  for (const std::string& id : ids)
    client.with(calls).wait_for_completion(id, patience).value();
  cluster.wait_for_all_nodes(patience).value();
  instance_filter filter;
  filter.instance_id_prefix = prefix;
  return client.get_status_all(filter).value().size();
}

int run(const cluster_client_config& config, int orders) {
  const auto cluster = cluster_client::connect(config).value();
  cluster->wait_for_all_nodes(10s).value();
  say("Connected to:");
  show_nodes(*cluster);
  const std::string run = start_and_wait(cluster->client()).substr(0, 8);
  signal_one(cluster->client(), "approval-" + run);
  be_refused(cluster->client());
  const std::size_t placed
    = place_orders(*cluster, "order-" + run + "-", orders);
  say(std::to_string(placed) + " orders, each placed once");
  show_nodes(*cluster);
  return placed == static_cast<std::size_t>(orders) ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
  cluster_client_config config;
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
