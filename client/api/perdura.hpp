/// Everything a program needs that writes orchestrations, runs nodes and
/// manages instances: the public names in namespace perdura.
/// Include it as <perdura/perdura.hpp>.
#pragma once

#include <perdura/actors/authoring/workflow.hpp>
#include <perdura/client/api/client.hpp>
#include <perdura/client/api/node_host.hpp>
#include <perdura/cluster/node/node.hpp>
#include <perdura/cluster/node/node_config.hpp>

namespace perdura {

using client::node_host;
using client::node_host_config;
using cluster::node;
using cluster::node_config;
using cluster::node_statistics;

} // namespace perdura
