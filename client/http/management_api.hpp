/// The Durable Functions HTTP API: which route does what, and what it answers.
/// Knows orchestrations, but no sockets.
#pragma once

#include "client/http/http_message.hpp"
#include <perdura/client/orchestration_client.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace perdura::client {

struct management_api_config {
  /// Where links point to when the Host header cannot be trusted.
  std::string origin = "http://127.0.0.1:7071";
  std::string bind_address = "127.0.0.1";
  std::string task_hub = "perdura";
  std::function<bool()> is_ready; ///< For /readyz; none: always.
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

  /// The URLs of an instance at this door.
  actors::management_payload payload_of(const std::string& id) const;

private:
  std::shared_ptr<api_context> context_;
};

} // namespace perdura::client
