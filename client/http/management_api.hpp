/// The Durable Functions HTTP API: which route does what, and what it answers.
/// Knows orchestrations, but no sockets.
#pragma once

#include "client/http/gatekeeper.hpp"
#include "client/http/http_message.hpp"
#include <perdura/client/api/orchestration_client.hpp>
#include <perdura/cluster/node/node.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace perdura::client {

struct management_api_config {
  /// Where the door really is: "http://127.0.0.1:7071".
  std::string origin = "http://127.0.0.1:7071";
  /// Where links begin instead; empty: at the address that the caller used,
  /// if it is this door's for sure.
  std::string public_url;
  bool forwarded_headers = false; ///< Believe X-Forwarded-*, for links.
  gatekeeper_config gatekeeper;
  persistence::duration token_lifetime = std::chrono::hours(24 * 30);
  std::string task_hub = "perdura";
  std::function<bool()> is_ready; ///< For /readyz; none: always.
  /// For /metrics.
  std::function<cluster::node_statistics()> statistics;
  std::function<std::size_t()> connections;
  /// Of this node alone, for /metrics; none: of all.
  std::function<persistence::result<std::array<std::uint64_t, 8>>()> own_counts;
  /// For /perdura/cluster; none: there is no such page.
  std::function<std::vector<cluster::reported_node>()> reports;
  /// Callers that wait for a completion; 503 beyond.
  std::size_t waits_max = 10'000;
};

struct api_context;

class management_api {
public:
  management_api(orchestration_client client, management_api_config config);
  ~management_api();

  management_api(const management_api&) = delete;
  management_api& operator=(const management_api&) = delete;

  /// Answers through the responder, now or later; never blocks.
  void handle(http_request request, http_responder responder);

  /// Refused by the door itself, before there was a whole request.
  void count_refused(int status);

  /// The URLs of an instance at this door.
  actors::management_payload payload_of(const std::string& id) const;

private:
  std::shared_ptr<api_context> context_;
};

} // namespace perdura::client
