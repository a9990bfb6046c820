// SPDX-License-Identifier: Apache-2.0
/// One call of the HTTP API: its request, its route and its caller, and the
/// functions by which a route answers it. Internal to the HTTP API.
#pragma once

#include "client/http/access_control.hpp"
#include "client/http/blocking_call_pool.hpp"
#include "client/http/http_message.hpp"
#include "client/http/http_metrics.hpp"
#include "client/http/json.hpp"
#include "client/http/management_api.hpp"
#include "client/http/url.hpp"
#include "cluster/node/management_urls.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace perdura::client {

/// The state that all calls of one HTTP API share.
struct api_context {
  api_context(const orchestration_client& node_client,
              management_api_config settings)
    : client(node_client.async()),
      blocking_client(node_client),
      config(std::move(settings)),
      access_rules(config.access_control) {}

  /// Makes results where answers arrive; see `api_call::client`.
  async_client client;
  /// For the threads of `blocking_calls` only.
  orchestration_client blocking_client;
  management_api_config config;
  access_control access_rules;
  http_metrics metrics;
  /// Requests that wait for the end of an instance.
  std::atomic<std::size_t> waits{0};
  /// For queries over all nodes and for large responses.
  blocking_call_pool blocking_calls{4};
  /// For /metrics, and for the reports of all nodes: an operator must see what
  /// a node does also while callers occupy `blocking_calls`. A report waits for
  /// nodes that do not answer, so it must not delay the metrics.
  blocking_call_pool metrics_calls{1, 16};
  blocking_call_pool report_calls{1, 16};
};

/// One call in progress. Routes hold it by a shared pointer until they have
/// answered it, perhaps on another thread.
///
/// Thread-safe. The first response is sent; later ones are dropped. The request
/// has no body: the functions of routes that need the body get it as an
/// argument.
class api_call {
public:
  api_call(std::shared_ptr<api_context> api, http_request received,
           request_target parsed_target, route_match matched_route,
           caller admitted, http_responder responder);

  /// Sends the response, counts it, and writes the audit line.
  void respond(http_response response) const;
  /// Responds without a body.
  void respond_empty(int status) const;
  /// Responds with a body of JSON text.
  void respond_json(int status, std::string body,
                    std::vector<http_header> headers = {}) const;
  /// Responds with the status code and the JSON object of an error.
  void fail(const persistence::error& failure) const;
  /// Responds with a sentence as a JSON string. For errors that Durable
  /// Functions sends as a string instead of an object.
  void fail_as_string(int status, std::string_view sentence) const;

  /// Responds with 202, the management URLs of the instance, and the headers
  /// Location and Retry-After. `created_at` is that of `payload_of`; use
  /// `accept` if it may be unknown. `started` is a member of the body if it has
  /// a value: whether the request has started the instance.
  void respond_accepted(const std::string& id, timestamp created_at,
                        std::optional<bool> started = std::nullopt) const;

  /// The common part of the URLs in the response: the origin and the prefix by
  /// which the caller has reached this node. Computed only when needed, because
  /// most responses hold no URLs. See `payload_of` for `created_at`.
  cluster::management_base link_base(timestamp created_at = {}) const;
  /// The management URLs of an instance, with the tokens that this caller may
  /// receive. The tokens are valid for the instance that was created at this
  /// time; if it is the epoch, the URLs have none.
  actors::management_payload payload_of(const std::string& id,
                                        timestamp created_at) const;
  /// The requested URL with scheme and authority.
  std::string url() const;
  /// The value of a query parameter; empty if it is missing.
  std::string text(std::string_view parameter) const;
  /// The header Idempotency-Key, which is used as the request ID.
  std::string request_id() const;

  /// Adds a field to the audit line, e.g. the generated instance ID. Must be
  /// called before the response, which writes the line.
  void add_audit_field(std::string_view name, std::string_view value) const;

  const http_responder& responder() const {
    return responder_;
  }

  /// The client API for this call. Its callbacks run on the server's thread of
  /// the connection, so that a thread that runs partitions neither formats a
  /// response nor signs its URLs.
  async_client client() const {
    return client_on([responder = responder_](std::function<void()> work) {
      responder.run(std::move(work));
    });
  }

  /// As `client`, with another executor. If the caller has sent a token, the
  /// client refuses all instances but that of the token.
  async_client client_on(call_executor executor) const {
    return context->client.on(std::move(executor))
      .for_created_at(requester.created_at);
  }

  /// The same restriction for calls that block.
  orchestration_client blocking_client() const {
    return context->blocking_client.with({.created_at = requester.created_at});
  }

  std::shared_ptr<api_context> context;
  http_request request;
  request_target target;
  route_match route;
  caller requester;

private:
  void record_response(int status) const;

  http_responder responder_;
  std::chrono::steady_clock::time_point began_;
  mutable std::atomic<bool> answered_{false};
  mutable std::mutex audit_mutex_;
  mutable std::string audit_fields_; ///< Guarded by `audit_mutex_`.
};

using api_call_ptr = std::shared_ptr<const api_call>;

/// The common part of the URLs that a caller may receive. A URL holds a token
/// only for operations that the caller itself may do.
/// @param created_at  The tokens are valid for the instance that was created at
///                    this time; the epoch means any instance.
cluster::management_base
link_base_for(const std::shared_ptr<api_context>& context,
              const caller& requester, timestamp created_at);

/// Calls `next` with the time at which the instance was created, now or later:
/// with `known` unless it is the epoch and the response needs tokens. The epoch
/// again if the status of the instance cannot be read.
void with_created_time(const api_call_ptr& call, const std::string& id,
                       timestamp known, std::function<void(timestamp)> next);

/// Responds with 202 and the URLs of the instance, see
/// `api_call::respond_accepted`.
void accept(const api_call_ptr& call, const std::string& id,
            timestamp created_at = {});

/// Counts a response and writes the debug line and, for an audited route, the
/// audit line. Used by `api_call`, and for requests that are refused before
/// there is an `api_call`.
void record_response(api_context& context, const http_request& request,
                     const route_match& route, const caller& requester,
                     int status, std::uint64_t time_us,
                     std::string_view audit_fields);

/// Runs `work` on a thread of the pool. If the queue of the pool is full, the
/// call fails with errc::overloaded instead.
void run_blocking(const api_call_ptr& call, std::function<void()> work);
void run_blocking(blocking_call_pool& pool, const api_call_ptr& call,
                  std::function<void()> work);

// --- The routes -------------------------------------------------------------

// Each function answers `call`, now or later, and does not block.

/// The query parameters `timeout` and `pollingInterval` (or `retryInterval`),
/// which are seconds with decimals.
struct wait_times {
  std::chrono::milliseconds time_out{0};
  std::chrono::milliseconds interval{0};
};

/// The wait times of a webhook route. Returns no value, which means that the
/// call does not wait, unless both parameters are numbers.
/// @error errc::invalid_argument  A time is out of range; see `check_wait`.
result<std::optional<wait_times>> parse_wait(const api_call& call);

/// @param body  The input as JSON text; empty means null.
void start_orchestration(const api_call_ptr& call, const std::string& name,
                         const std::string& id, std::string body);
/// Starts an instance and waits for its end. By default the time-out is 30 s
/// and the interval 1 s.
void start_and_wait(const api_call_ptr& call, const std::string& name,
                    std::string body);
void start_bindings(const api_call_ptr& call, const std::string& body);
/// Sends an event to an instance, which is started if it is not live.
/// @param body  See `parse_start_or_raise`.
void start_or_raise(const api_call_ptr& call, const std::string& name,
                    const std::string& id, const std::string& event,
                    const std::string& body);
void restart_orchestration(const api_call_ptr& call, const std::string& id);

/// Whether another request may wait. If not, fails the call with
/// errc::overloaded. Must be called before an instance is started for the
/// request, so that a refused request has no effect.
bool check_wait_limit(const api_call_ptr& call);

/// Responds with the outcome of the instance, or with its management URLs when
/// the time-out has elapsed.
void wait_for_outcome(const api_call_ptr& call, const std::string& id,
                      std::chrono::milliseconds time_out);

void get_instance(const api_call_ptr& call, const std::string& id);
void raise_event(const api_call_ptr& call, const std::string& id,
                 const std::string& name, std::string body);
void control_instance(const api_call_ptr& call, const std::string& id,
                      control_operation what);
void describe_instance(const api_call_ptr& call, const std::string& id);
void get_instance_urls(const api_call_ptr& call, const std::string& id);

/// Pauses an orchestrator by name, or lets it run again.
void pause_orchestrator(const api_call_ptr& call, const std::string& name,
                        bool is_paused);
void list_paused(const api_call_ptr& call);

void list_instances(const api_call_ptr& call);
void purge_instances(const api_call_ptr& call);
void count_instances(const api_call_ptr& call);
void list_stuck(const api_call_ptr& call);

void get_client_binding(const api_call_ptr& call);
void get_metrics(const api_call_ptr& call);
void get_cluster(const api_call_ptr& call);

} // namespace perdura::client
