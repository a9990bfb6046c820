// SPDX-License-Identifier: Apache-2.0
#include <perdura/client/api/cluster_client.hpp>

namespace perdura::client {

result<std::unique_ptr<cluster_client>>
cluster_client::connect(const cluster_client_config& config,
                        persistence::wait_time time_out) {
  // The configuration gets no node name, so the process joins the cluster as a
  // client and owns no partitions.
  cluster::cluster_config cluster;
  cluster.nodes = config.nodes;
  cluster.certificate_file = config.certificate_file;
  cluster.key_file = config.key_file;
  cluster.ca_file = config.ca_file;
  auto opened = cluster::remote_gateway::open(cluster);
  if (!opened)
    return opened.error();
  // One reachable node is enough. Calls for instances of the other nodes fail
  // until those nodes are reachable.
  if (auto reached = (*opened)->wait_until_reachable(time_out); !reached)
    return reached.error();
  // The constructor is private, so `std::make_unique` cannot be used.
  std::unique_ptr<cluster_client> made(new cluster_client);
  made->gateway_ = std::move(*opened);
  made->calls_ = config.calls;
  return made;
}

orchestration_client cluster_client::client() const {
  // The client shares the gateway, which therefore may outlive this object.
  return orchestration_client(gateway_->gateway(), calls_);
}

result<void>
cluster_client::wait_for_all_nodes(persistence::wait_time time_out) const {
  return gateway_->wait_until_reachable(time_out, true);
}

std::vector<cluster::reported_node> cluster_client::nodes() const {
  return gateway_->reports();
}

void cluster_client::close() {
  gateway_->close();
}

} // namespace perdura::client
