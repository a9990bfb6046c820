/// One call of the HTTP API under way, and how such calls are answered. For
/// the routes' sources.
#pragma once

#include "client/http/blocking_calls.hpp"
#include "client/http/door_metrics.hpp"
#include "client/http/gatekeeper.hpp"
#include "client/http/http_message.hpp"
#include "client/http/json.hpp"
#include "client/http/management_api.hpp"
#include "client/http/url.hpp"
#include "cluster/node/management_urls.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace perdura::client {

/// What all calls share.
struct api_context {
  api_context(orchestration_client asked, management_api_config settings)
    : client(std::move(asked)),
      config(std::move(settings)),
      keeper(config.gatekeeper) {}

  orchestration_client client;
  management_api_config config;
  gatekeeper keeper;
  door_metrics metrics;
  std::atomic<std::size_t> waits{0};
  blocking_calls blocking{4};
};

class api_call {
public:
  api_call(std::shared_ptr<api_context> around, http_request asked,
           request_target where, route_match taken, caller who_asks,
           http_responder answer_to);

  /// Sends the answer, counts it, and writes the audit line. Only the first
  /// one counts.
  void respond(http_response response) const;
  void empty(int status) const;
  void json(int status, std::string body,
            std::vector<http_header> headers = {}) const;
  void fail(const persistence::error& failure) const;
  /// For those cases in which the contract has a JSON string.
  void fail_as_string(int status, std::string_view sentence) const;

  /// 202 with the management URLs, Location, Retry-After.
  void accepted(const std::string& id) const;

  /// What links have in common that lead where this caller came in. Made
  /// anew: most answers have none.
  cluster::management_base links() const;
  actors::management_payload payload_of(const std::string& id) const;
  /// The URL that was asked for, whole.
  std::string url() const;
  std::string text(std::string_view parameter) const;
  /// Names this request for repeats: the header Idempotency-Key.
  std::string request_id() const;

  /// What the audit line shall tell besides, e.g. the ID that was made.
  void note(std::string_view name, std::string_view value) const;

  const http_responder& responder() const {
    return responder_;
  }

  std::shared_ptr<api_context> context;
  http_request request;
  request_target target;
  route_match route;
  caller who;

private:
  void account_for(int status) const;

  http_responder responder_;
  std::chrono::steady_clock::time_point began_;
  mutable std::atomic<bool> answered_{false};
  mutable std::mutex notes_mutex_;
  mutable std::string notes_;
};

using api_call_ptr = std::shared_ptr<const api_call>;

/// What the links have in common that are handed to a caller who asked about
/// that instance. He gets no more by them than he may do already.
cluster::management_base links_for(const std::shared_ptr<api_context>& context,
                                   const caller& who,
                                   const std::string& asked = {});

/// One that was answered before it could become a call.
void account_for(api_context& context, const http_request& request,
                 const route_match& route, const caller& who, int status,
                 std::uint64_t time_us, std::string_view notes);

/// Runs on another thread; the call is refused if too many wait.
void run_blocking(const api_call_ptr& call, std::function<void()> work);

// --- The routes -------------------------------------------------------------

/// `timeout` and the interval, in seconds with decimals.
struct wait_times {
  std::chrono::milliseconds time_out{0};
  std::chrono::milliseconds interval{0};
};

/// The webhook's rule: waits only if both are numbers.
result<std::optional<wait_times>> parse_wait(const api_call& call);

void start_orchestration(const api_call_ptr& call, const std::string& name,
                         const std::string& id);
/// Waits, too, whatever was asked for; 30 s and 1 s by default.
void start_and_wait(const api_call_ptr& call, const std::string& name);
void start_bindings(const api_call_ptr& call);
void restart_orchestration(const api_call_ptr& call, const std::string& id);

/// Those who wait are counted before anything is started for them. False: the
/// call is refused.
bool may_wait(const api_call_ptr& call);

/// The outcome when there is one, the management URLs when time is over.
void wait_for_outcome(const api_call_ptr& call, const std::string& id,
                      std::chrono::milliseconds time_out);

void get_instance(const api_call_ptr& call, const std::string& id);
void raise_event(const api_call_ptr& call, const std::string& id,
                 const std::string& name);
void control_instance(const api_call_ptr& call, const std::string& id,
                      orchestration_client::operation what);
void get_instance_urls(const api_call_ptr& call, const std::string& id);

void list_instances(const api_call_ptr& call);
void purge_instances(const api_call_ptr& call);
void count_instances(const api_call_ptr& call);
void list_stuck(const api_call_ptr& call);

void get_client_binding(const api_call_ptr& call);
void get_metrics(const api_call_ptr& call);
void get_cluster(const api_call_ptr& call);

} // namespace perdura::client
