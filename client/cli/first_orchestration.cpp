// SPDX-License-Identifier: Apache-2.0
#include "client/cli/first_orchestration.hpp"

#include "client/cli/json_view.hpp"
#include "client/cli/node_connection.hpp"
#include "client/http/access_keys.hpp"

#include <chrono>
#include <cstdlib>
#include <ostream>
#include <string>
#include <string_view>

namespace perdura::client {

using std::chrono::steady_clock;

namespace {

/// The first access key of this process's own HTTP API. Empty if the API needs
/// no key.
std::string first_key() {
  const char* keys = std::getenv("PERDURA_KEYS");
  std::string_view all = keys == nullptr ? "" : keys;
  return std::string(next_key(all));
}

} // namespace

int run_first_orchestration(node_host& host, terminal& io) {
  const auto began = steady_clock::now();
  auto url = parse_url(host.url());
  if (!url)
    return fail(io, url.error());
  node_connection node(*url, {first_key(), {}});
  auto started = node.call_api("POST", "/orchestrators/HelloSequence");
  if (!started)
    return fail(io, started.error());
  const std::string id = json_unquoted(json_member(started->body, "id"));
  auto status = node.wait_for_end(id, std::chrono::seconds(30));
  if (!status)
    return fail(io, status.error());
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
    steady_clock::now() - began);
  const std::string state
    = json_unquoted(json_member(*status, "runtimeStatus"));
  io.out << "HelloSequence " << id << ": " << state << " in " << took.count()
         << " ms\n"
         << json_compact(json_member(*status, "output").value_or("null"))
         << std::endl;
  return state == "Completed" ? exit_ok : exit_instance_failed;
}

} // namespace perdura::client
