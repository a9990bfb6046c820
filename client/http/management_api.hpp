// SPDX-License-Identifier: Apache-2.0
/// The Durable Functions HTTP API: authorizes each request, finds its route,
/// and answers it. Independent of sockets.
#pragma once

#include "client/http/access_control.hpp"
#include "client/http/http_message.hpp"
#include <perdura/client/api/orchestration_client.hpp>
#include <perdura/cluster/node/node.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace perdura::client {

/// The settings of the HTTP API, and the functions by which it reads the state
/// of its node. The functions are called on any thread.
struct management_api_config {
  /// Where the HTTP server listens.
  std::string origin = "http://127.0.0.1:7071";
  /// Scheme and authority of the URLs in responses. If empty, the URLs use the
  /// address to which the caller sent its request, or `origin` if that is not
  /// an address of this node.
  std::string public_url;
  /// Take the origin of the URLs from X-Forwarded-Proto and X-Forwarded-Host.
  bool forwarded_headers = false;
  access_control_config access_control;
  persistence::duration token_lifetime = std::chrono::hours(24 * 30);
  std::string task_hub = "perdura";
  /// For /readyz: see `node::unready_reasons`. If empty, the node is always
  /// ready.
  std::function<std::vector<cluster::unready_reason>()> unready_reasons;
  /// For /metrics. If empty, the numbers are 0.
  std::function<cluster::node_statistics()> statistics;
  std::function<std::size_t()> connections;
  std::function<std::size_t()> buffered_bytes;
  /// For /metrics: the instances of this node alone. If empty, the instances
  /// of all nodes are counted.
  std::function<persistence::result<std::array<std::uint64_t, 8>>()> own_counts;
  /// For /perdura/cluster. If empty, that route answers 501.
  std::function<std::vector<cluster::reported_node>()> reports;
  /// Largest number of requests that wait for a completion. Further ones get
  /// 503.
  std::size_t waits_max = 10'000;
};

struct api_context;

/// Serves the HTTP API. Thread-safe. Must be destroyed after the HTTP server
/// that calls it has stopped.
class management_api {
public:
  management_api(const orchestration_client& client,
                 management_api_config config);
  ~management_api();

  management_api(const management_api&) = delete;
  management_api& operator=(const management_api&) = delete;

  /// Answers through the responder, now or later. Does not block.
  void handle(http_request request, http_responder responder);

  /// Authorizes a request whose body has not been read. Returns the response
  /// that refuses it, which is counted and logged, or no value.
  std::optional<http_response> admit(const http_request& request) const;

  /// Counts a response that the HTTP server sent by itself, without a call of
  /// `handle`.
  void count_refused(int status);

  /// The management URLs of an instance, which lead to this node, for a caller
  /// that may manage. If keys are configured, the call blocks for the answer of
  /// the owner, at most 3 s; without an answer the URLs have no tokens. Tokens
  /// for an ID without an instance are valid for any instance with this ID.
  actors::management_payload payload_of(const std::string& id) const;

private:
  std::shared_ptr<api_context> context_;
};

/// The response while the node recovers: it is alive, and serves nothing else.
http_response starting_response(const http_request& request);

} // namespace perdura::client
