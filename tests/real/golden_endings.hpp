// SPDX-License-Identifier: Apache-2.0
/// The expected ending of each instance in tests/golden, and the requests that
/// the instances wait for. tests/golden/README.md lists the state of each
/// instance.
#pragma once

#include <perdura/client/api/orchestration_status.hpp>

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

namespace perdura::client {
class orchestration_client;
} // namespace perdura::client

namespace perdura::tests {

struct golden_ending {
  std::string id;
  client::runtime_status status = client::runtime_status::completed;
  std::string output; ///< JSON text.
};

/// Returns all instances that exist at the end, in any order. `instances` are
/// the instances in the description of the directory.
std::vector<golden_ending> endings_of_one_node(const nlohmann::json& instances);
std::vector<golden_ending> endings_of_one_node_in_flush();
std::vector<golden_ending> endings_of_three_nodes();

/// Raises events and resumes, rewinds or terminates instances, so that each
/// instance can end. continue_three_nodes() leaves out counting-2, because the
/// test itself raises the event Stop of that instance.
/// @throws persistence::error_exception  A request is refused.
void continue_one_node(client::orchestration_client& client,
                       const nlohmann::json& instances);
void continue_one_node_in_flush(client::orchestration_client& client);
void continue_three_nodes(client::orchestration_client& client);

} // namespace perdura::tests
