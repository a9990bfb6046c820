// SPDX-License-Identifier: Apache-2.0
#include "real/cluster_harness.hpp"

#include "cluster/placement/partition_map.hpp"
#include "cluster/placement/placement.hpp"
#include "persistence/records/identity.hpp"

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <thread>

namespace perdura::tests {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr std::size_t node_count = 3;
constexpr milliseconds retry_interval{5};

/// The placement that a new hub with these nodes has.
cluster::placement placement_of(const std::vector<std::string>& entries,
                                std::uint32_t partition_count) {
  std::vector<std::string> names;
  for (const std::string& each : entries)
    names.push_back(each.substr(0, each.find('=')));
  return cluster::place(names, partition_count).value();
}

} // namespace

in_namespace::in_namespace(const std::string& name) {
  if (name.empty())
    return;
  previous_ = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  const int there
    = ::open(("/run/netns/" + name).c_str(), O_RDONLY | O_CLOEXEC);
  const bool is_there = there >= 0 && ::setns(there, CLONE_NEWNET) == 0;
  const int why = errno;
  ::close(there);
  if (!is_there)
    throw std::system_error(why, std::generic_category(), name);
}

in_namespace::~in_namespace() {
  if (previous_ < 0)
    return;
  // If this call fails, later requests of the thread would use the wrong
  // network, so the test ends.
  if (::setns(previous_, CLONE_NEWNET) != 0)
    std::abort();
  ::close(previous_);
}

// --- A node ------------------------------------------------------------------

cluster_node::cluster_node(cluster_worker_options options, std::string netns)
  : options_(std::move(options)), netns_(std::move(netns)) {}

void cluster_node::spawn() {
  std::vector<std::string> command;
  if (!netns_.empty())
    command = {"ip", "netns", "exec", netns_};
  command.push_back(std::filesystem::read_symlink("/proc/self/exe"));
  command.emplace_back("--cluster-worker");
  for (std::string& each : to_arguments(options_))
    command.push_back(std::move(each));
  process_ = std::make_unique<child_process>(command);
}

std::string cluster_node::next_line(milliseconds time_out) {
  return process_->receive(time_out).value_or("");
}

void cluster_node::start() {
  spawn();
  expect_ready();
}

void cluster_node::expect_ready() {
  const std::string line = next_line();
  if (!line.starts_with("ready "))
    throw std::runtime_error(name() + " does not serve; its output is \"" + line
                             + "\"; its log:\n" + log());
}

void cluster_node::kill() {
  process_.reset();
}

void cluster_node::pause() {
  ::kill(process_->pid(), SIGSTOP);
  ::waitpid(process_->pid(), nullptr, WUNTRACED);
}

void cluster_node::resume() {
  ::kill(process_->pid(), SIGCONT);
}

int cluster_node::stop() {
  process_->interrupt();
  return wait();
}

int cluster_node::wait() {
  const int code = process_->wait();
  process_.reset();
  return code;
}

std::string cluster_node::log() const {
  std::ostringstream text;
  text << std::ifstream(log_of(options_.data_dir)).rdbuf();
  return text.str();
}

void wait_until_connected(const std::vector<cluster_node*>& nodes) {
  // A report lists all nodes, and for each node its connections to its peers.
  const auto sees_all = [](const client::http_reply& reply) {
    const auto said = nlohmann::json::parse(reply.body, nullptr, false);
    if (reply.status != 200 || said.is_discarded())
      return false;
    for (const auto& node : said["nodes"]) {
      if (!node["isUp"].get<bool>())
        return false;
      for (const auto& peer : node["peers"])
        if (!peer["isUp"].get<bool>())
          return false;
    }
    return true;
  };
  for (const cluster_node* each : nodes)
    if (!request_until(each->endpoint(), {.target = "/perdura/cluster"},
                       sees_all))
      throw std::runtime_error(
        each->name() + " is not connected to all others:\n" + each->log());
}

// --- Three nodes -------------------------------------------------------------

local_cluster::local_cluster() {
  const std::string hub_id = persistence::random_hex32();
  for (std::size_t i = 0; i < node_count; ++i)
    entries_.push_back("node-" + std::to_string(i + 1)
                       + "=127.0.0.1:" + std::to_string(ports_.at(i)));
  for (std::size_t i = 0; i < node_count; ++i) {
    cluster_worker_options options;
    options.node = "node-" + std::to_string(i + 1);
    options.data_dir = home_.path() / options.node;
    options.hub_id = hub_id;
    options.nodes = entries_;
    options.http_port = ports_.at(node_count + i);
    nodes_.push_back(std::make_unique<cluster_node>(std::move(options)));
  }
}

void local_cluster::start() {
  for (const auto& each : nodes_)
    each->spawn();
  for (const auto& each : nodes_)
    each->expect_ready();
  wait_until_connected();
}

std::vector<http_endpoint> local_cluster::endpoints() const {
  std::vector<http_endpoint> all;
  for (const auto& each : nodes_)
    all.push_back(each->endpoint());
  return all;
}

std::vector<cluster_node*> local_cluster::nodes() const {
  std::vector<cluster_node*> all;
  for (const auto& each : nodes_)
    all.push_back(each.get());
  return all;
}

std::size_t local_cluster::owner_of(const std::string& id) const {
  const std::uint32_t count = nodes_.front()->options().partition_count;
  const cluster::placement owners = placement_of(entries_, count);
  return owners.owners[persistence::index_of(cluster::partition_of(id, count))];
}

std::string local_cluster::id_on(std::size_t node,
                                 const std::string& prefix) const {
  for (int i = 0;; ++i)
    if (std::string id = prefix + '-' + std::to_string(i); owner_of(id) == node)
      return id;
}

std::string local_cluster::partitions_of(std::size_t node) const {
  std::string all;
  const cluster::placement owners
    = placement_of(entries_, nodes_.front()->options().partition_count);
  for (const persistence::partition_id each :
       owners.owned_by(nodes_.at(node)->name()))
    all
      += (all.empty() ? "" : ",") + std::to_string(persistence::index_of(each));
  return all;
}

// --- Requests ----------------------------------------------------------------

std::optional<client::http_reply> send_request(const http_endpoint& endpoint,
                                               const endpoint_request& wanted) {
  client::http_request request;
  request.method = wanted.method;
  const bool is_at_root = wanted.target.starts_with("/perdura/")
                          || wanted.target == "/readyz"
                          || wanted.target == "/metrics";
  request.target
    = (is_at_root ? "" : "/runtime/webhooks/durabletask") + wanted.target;
  request.body = wanted.body;
  if (!wanted.body.empty())
    request.headers.push_back({"Content-Type", "application/json"});
  if (!wanted.key.empty())
    request.headers.push_back({"Idempotency-Key", wanted.key});
  if (!wanted.continuation.empty())
    request.headers.push_back({"x-ms-continuation-token", wanted.continuation});
  const in_namespace inside(endpoint.netns);
  auto reply = client::send_http_request(
    client::parse_url(endpoint.url).value(), request, wanted.time_out);
  if (!reply)
    return std::nullopt;
  return std::move(*reply);
}

bool request_until(const http_endpoint& endpoint,
                   const endpoint_request& request,
                   const std::function<bool(const client::http_reply&)>& wanted,
                   milliseconds time_out) {
  const auto until = steady_clock::now() + time_out;
  do {
    if (const auto reply = send_request(endpoint, request);
        reply && wanted(*reply))
      return true;
    std::this_thread::sleep_for(retry_interval);
  } while (steady_clock::now() < until);
  return false;
}

} // namespace perdura::tests
