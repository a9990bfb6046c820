// SPDX-License-Identifier: Apache-2.0
/// Includes all of Perdura's public API and exports its names to namespace
/// perdura. A program uses this API to write orchestrations and activities, to
/// run a node in its process, and to manage instances. Include this header as
/// <perdura/perdura.hpp>.
///
///   auto functions = std::make_shared<perdura::registry>();
///   functions->add_orchestrator("Hello", hello)
///     .add_activity("SayHello", say_hello);
///   perdura::node_host_config config;
///   config.node.data_dir = "hub";
///   config.node.create_hub = true;
///   auto host = perdura::node_host::start(config, functions).value();
///   std::string id = host->client().start_new("Hello", "Tokyo").value();
///
/// A program that only writes orchestrations can include <perdura/workflow.hpp>
/// instead, and a program that only manages the instances of a running cluster
/// can include <perdura/client.hpp>.
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
