// SPDX-License-Identifier: Apache-2.0
#include "tests/client/cluster_fixture.hpp"

#include "cluster/placement/partition_map.hpp"
#include "cluster/placement/placement.hpp"
#include "tests/support/patience.hpp"

#include <algorithm>

namespace perdura::tests {

cluster_fixture::cluster_fixture(cluster_options options)
  : options_(std::move(options)), ports_(2 * options_.nodes) {
  const std::size_t count = options_.nodes;
  std::vector<std::string> entries;
  for (std::size_t i = 0; i < count; ++i)
    entries.push_back(name_of(i)
                      + "=127.0.0.1:" + std::to_string(ports_.at(i)));
  for (std::size_t i = 0; i < count; ++i) {
    client::node_host_config& config = configs_.emplace_back();
    config.node.data_dir = directory.path() / name_of(i);
    config.node.create_hub = true;
    config.node.hub_id = std::string(32, 'a');
    config.node.partition_count = options_.partitions;
    config.node.scheduler_threads = 2;
    config.node.cluster.node = name_of(i);
    config.node.cluster.nodes = entries;
    config.http.port = ports_.at(count + i);
    if (options_.change)
      options_.change(config);
  }
  hosts_.resize(count);
  for (std::size_t i = 0; i < count; ++i)
    start(i);
  // Each request is answered as soon as its owner can be reached, so every node
  // is connected to all others after the loop.
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t j = 0; j < count; ++j)
      host(i)
        .client()
        .with({patience, true})
        .get_status(id_on(j, "unknown"))
        .value();
}

cluster_fixture::~cluster_fixture() {
  for (std::size_t i = 0; i < hosts_.size(); ++i)
    stop(i);
}

void cluster_fixture::stop(std::size_t i) {
  if (hosts_[i])
    static_cast<void>(hosts_[i]->stop());
  hosts_[i].reset();
}

void cluster_fixture::start(std::size_t i) {
  auto functions = std::make_shared<actors::registry>();
  examples::add_samples(*functions);
  if (options_.add_functions)
    options_.add_functions(i, *functions);
  hosts_[i] = client::node_host::start(configs_[i], functions).value();
}

// Computes the placement as a new hub does.
std::size_t cluster_fixture::owner_of(const std::string& id) const {
  std::vector<cluster::node_id> names;
  for (std::size_t i = 0; i < configs_.size(); ++i)
    names.push_back(name_of(i));
  const auto owners = cluster::place(names, options_.partitions).value();
  const auto& owner
    = owners.owner_of(cluster::partition_of(id, options_.partitions));
  return static_cast<std::size_t>(std::find(names.begin(), names.end(), owner)
                                  - names.begin());
}

std::string cluster_fixture::id_on(std::size_t i, const std::string& prefix,
                                   std::size_t from) const {
  std::string id;
  do
    id = prefix + '-' + std::to_string(from++);
  while (owner_of(id) != i);
  return id;
}

client::cluster_client_config cluster_fixture::client_config() const {
  client::cluster_client_config config;
  config.nodes = entries();
  return config;
}

std::unique_ptr<client::cluster_client>
cluster_fixture::connect(client::call_options calls) const {
  client::cluster_client_config config = client_config();
  config.calls = calls;
  auto connected = client::cluster_client::connect(config, patience).value();
  connected->wait_for_all_nodes(patience).value();
  return connected;
}

outcome cluster_fixture::perdura(std::size_t i,
                                 std::vector<std::string> arguments) const {
  arguments.insert(arguments.end(), {"--url", hosts_.at(i)->url()});
  return run_perdura(std::move(arguments));
}

} // namespace perdura::tests
