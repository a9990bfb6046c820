// SPDX-License-Identifier: Apache-2.0
#include "client/api/management_requests.hpp"
#include "client/api/request_checks.hpp"
#include "client/api/started_wait.hpp"
#include "client/http/api_call.hpp"
#include "client/http/query_parameters.hpp"

namespace perdura::client {

namespace {

using std::chrono::milliseconds;

/// The options of a start from its query parameters and the Idempotency-Key.
/// @error errc::invalid_argument  scheduledStartTime is not a time.
result<start_options> parse_start_options(const api_call& call,
                                          const std::string& id) {
  start_options options;
  options.instance_id = id;
  options.version = call.text("version");
  options.get_or_start = call.target.flag("getOrStart", false);
  // The start returns as soon as it is durable; this is what the response 202
  // promises.
  options.until_running = false;
  options.request_id = call.request_id();
  const auto at = parse_time(call.target, "scheduledStartTime");
  if (!at)
    return at.error();
  options.scheduled_at = at->value_or(options.scheduled_at);
  return options;
}

/// Responds with the outcome of an ended instance: its output if it has
/// completed, otherwise its status object.
void answer_outcome(const api_call_ptr& call,
                    const orchestration_status& ended) {
  if (ended.status == runtime_status::completed) {
    call->respond_json(200, ended.output);
    return;
  }
  // The status that a wait returns has no input, but the response must show the
  // input. So the status is requested again. If the owner has become
  // unreachable in the meantime, the second request waits for the owner.
  // After a restart by a token, it is that of a new instance, which the token
  // does not mean.
  call->client().for_created_at({}).waiting_for_owner().get_status(
    ended.instance_id, {}, [call](result<orchestration_status> status) {
      if (!status) {
        call->fail(status.error());
        return;
      }
      // A failed instance is shown with status 500 only on request, because
      // the query itself has succeeded.
      const bool as_error
        = status->status == runtime_status::failed
          && call->target.flag("returnInternalServerErrorOnFailure", false);
      call->respond_json(as_error ? 500 : 200, to_json(*status));
    });
}

/// Responds to a caller who waited for the end of an instance.
void answer_end(const api_call_ptr& call,
                const result<orchestration_status>& ended) {
  if (ended)
    answer_outcome(call, *ended);
  else if (ended.code() == errc::not_found)
    call->respond_empty(404); // The instance was purged during the wait.
  else
    // If the wait was cancelled, this response is dropped.
    call->fail(ended.error());
}

/// Starts an instance and responds with its outcome, or with its management
/// URLs when the time is over. The wait counts towards `waits_max` until its
/// callback, or the callback of a start that has failed.
void start_and_park(const api_call_ptr& call, const std::string& name,
                    std::string body, const start_options& options,
                    milliseconds time_out) {
  const std::shared_ptr<api_context> context = call->context;
  context->waits.fetch_add(1);
  call->client().start_and_wait(
    name, std::move(body), options,
    [call, context, time_out](const result<started_instance>& started,
                              const std::shared_ptr<started_wait>& wait) {
      if (!started) {
        context->waits.fetch_sub(1);
        call->fail(started.error());
        return;
      }
      // The audit line contains the instance ID of the path. A generated ID is
      // added here; `respond_accepted` adds it for the other responses.
      const std::string& id = started->instance_id;
      if (call->route.instance.empty())
        call->add_audit_field("instance", id);
      // The response is sent before the wait is cancelled. The cancellation
      // calls the callback below, whose response is then dropped.
      const timestamp created = started->created_time;
      call->responder().park(time_out, [call, id, created, wait](park_outcome) {
        accept(call, id, created);
        wait->cancel();
      });
    },
    [call, context](const result<orchestration_status>& ended) {
      context->waits.fetch_sub(1);
      answer_end(call, ended);
    });
}

/// Starts an instance with the body as input. Responds with its management
/// URLs, or with its outcome if `wait` is set.
void start(const api_call_ptr& call, const std::string& name,
           const std::string& id, std::string body,
           const std::optional<wait_times>& wait) {
  auto options = parse_start_options(*call, id);
  if (!options) {
    call->fail(options.error());
    return;
  }
  // The limit is checked before the start, so that a request that is refused
  // with 503 has no effect.
  if (wait && !check_wait_limit(call))
    return;
  if (body.empty())
    body = "null";
  if (wait) {
    start_and_park(call, name, std::move(body), *options, wait->time_out);
    return;
  }
  call->client().start(name, std::move(body), *options,
                       [call](const result<started_instance>& started) {
                         if (started)
                           accept(call, started->instance_id,
                                  started->created_time);
                         else
                           call->fail(started.error());
                       });
}

/// The bindings of one request. The start of a binding is sent when the start
/// of the previous binding is durable.
struct binding_series {
  std::vector<start_binding> bindings;
  bool is_array = false;
  std::vector<started_instance> started; ///< In order.
};

/// Starts the next binding of a series, or responds if all are started. Each
/// callback calls this function again, so the bindings start in order.
void start_next(const api_call_ptr& call,
                const std::shared_ptr<binding_series>& series) {
  const std::size_t next = series->started.size();
  if (next == series->bindings.size()) {
    // A single object gets the response of a single start.
    if (!series->is_array) {
      accept(call, series->started.front().instance_id,
             series->started.front().created_time);
      return;
    }
    std::string body = "[";
    for (const started_instance& each : series->started)
      body += (body.size() > 1 ? "," : "")
              + to_json(call->payload_of(each.instance_id, each.created_time));
    call->respond_json(202, body + ']');
    return;
  }
  start_binding& binding = series->bindings[next];
  start_options options;
  options.instance_id = std::move(binding.instance_id);
  options.until_running = false;
  // Each binding has a request ID of its own, so that a repeat of the whole
  // request does not repeat any start.
  if (const std::string key = call->request_id(); !key.empty())
    options.request_id = key + '/' + std::to_string(next);
  call->client().start(
    binding.function_name, std::move(binding.input).text(), options,
    [call, series](result<started_instance> started) {
      if (!started) {
        error failure = started.error();
        if (series->is_array)
          // The instances of the bindings before this one continue to run,
          // because a series is not a transaction.
          failure.message = "Binding "
                            + std::to_string(series->started.size() + 1)
                            + " of " + std::to_string(series->bindings.size())
                            + " failed; the bindings before it are started. "
                            + failure.message;
        call->fail(failure);
        return;
      }
      if (series->is_array)
        call->add_audit_field("instance", started->instance_id);
      // The tokens of an array need the time of each instance.
      const std::string id = started->instance_id;
      with_created_time(call, id, started->created_time,
                        [call, series, id](timestamp created) {
                          series->started.push_back({id, false, created});
                          start_next(call, series);
                        });
    });
}

} // namespace

bool check_wait_limit(const api_call_ptr& call) {
  if (call->context->waits.load() < call->context->config.waits_max)
    return true;
  call->fail({errc::overloaded,
              "More than " + std::to_string(call->context->config.waits_max)
                + " callers wait for a completion (waits_max); send the "
                  "request without a wait, or try again."});
  return false;
}

result<std::optional<wait_times>> parse_wait(const api_call& call) {
  const auto time_out = parse_seconds(call.target, "timeout");
  if (!time_out)
    return time_out.error();
  const auto interval = parse_seconds(call.target, "pollingInterval");
  if (!interval)
    return interval.error();
  // As in Durable Functions, a wait needs both parameters. One alone has no
  // effect, but its range is checked.
  const bool waits = *time_out && *interval;
  const milliseconds longest = time_out->value_or(wait_time_max);
  if (auto ok = check_wait(longest, interval->value_or(milliseconds(0))); !ok)
    return ok.error();
  return waits ? std::optional(wait_times{**time_out, **interval})
               : std::optional<wait_times>();
}

void start_orchestration(const api_call_ptr& call, const std::string& name,
                         const std::string& id, std::string body) {
  auto wait = parse_wait(*call);
  if (!wait) {
    call->fail(wait.error());
    return;
  }
  start(call, name, id, std::move(body), *wait);
}

void start_and_wait(const api_call_ptr& call, const std::string& name,
                    std::string body) {
  // The default values are those of the sample HttpSyncStart of Durable
  // Functions.
  wait_times wait{std::chrono::seconds(30), std::chrono::seconds(1)};
  for (auto [parameter, time] : {std::pair("timeout", &wait.time_out),
                                 std::pair("retryInterval", &wait.interval)}) {
    const auto parsed = parse_seconds(call->target, parameter);
    if (!parsed) {
      call->fail(parsed.error());
      return;
    }
    *time = parsed->value_or(*time);
  }
  // A time-out that is shorter than the default interval is valid.
  if (call->target.find("retryInterval") == nullptr)
    wait.interval = std::min(wait.interval, wait.time_out);
  if (auto ok = check_wait(wait.time_out, wait.interval); !ok) {
    call->fail(ok.error());
    return;
  }
  start(call, name, {}, std::move(body), wait);
}

void start_bindings(const api_call_ptr& call, const std::string& body) {
  auto bindings = parse_start_bindings(body);
  if (!bindings) {
    call->fail(bindings.error());
    return;
  }
  auto series = std::make_shared<binding_series>();
  series->bindings = std::move(*bindings);
  // The form of the response follows that of the body: the response to an array
  // of one binding is an array.
  const std::size_t first = body.find_first_not_of(" \t\r\n");
  series->is_array = first != std::string::npos && body[first] == '[';
  start_next(call, series);
}

void start_or_raise(const api_call_ptr& call, const std::string& name,
                    const std::string& id, const std::string& event,
                    const std::string& body) {
  const auto options = parse_start_options(*call, id);
  if (!options) {
    call->fail(options.error());
    return;
  }
  auto given = parse_start_or_raise(body);
  if (!given) {
    call->fail(given.error());
    return;
  }
  call->client().start_or_raise(
    name, id, event, std::move(given->input), std::move(given->data), *options,
    [call](const result<started_instance>& done) {
      if (!done) {
        call->fail(done.error());
        return;
      }
      with_created_time(call, done->instance_id, done->created_time,
                        [call, id = done->instance_id,
                         is_new = done->is_new](timestamp created) {
                          call->respond_accepted(id, created, is_new);
                        });
    });
}

void restart_orchestration(const api_call_ptr& call, const std::string& id) {
  auto wait = parse_wait(*call);
  if (!wait) {
    call->fail(wait.error());
    return;
  }
  // The limit is checked before the start, as in `start`.
  if (*wait && !check_wait_limit(call))
    return;
  // `restart` sends two requests and blocks for both.
  run_blocking(call, [call, id, times = *wait] {
    auto started = call->blocking_client().restart(
      id, call->target.flag("restartWithNewInstanceId", true),
      call->request_id());
    if (!started && started.code() == errc::not_found)
      call->respond_json(400,
                         to_json(started.error())); // As in Durable Functions.
    else if (!started)
      call->fail(started.error());
    else if (times) {
      if (*started != id)
        call->add_audit_field("new_instance", *started);
      wait_for_outcome(call, *started, times->time_out);
    } else
      accept(call, *started);
  });
}

void wait_for_outcome(const api_call_ptr& call, const std::string& id,
                      milliseconds time_out) {
  const std::shared_ptr<api_context> context = call->context;
  // The wait counts towards `waits_max` until the callback is called. The
  // callback is called exactly once.
  context->waits.fetch_add(1);
  // The instance may be a new one, which a token does not mean.
  const std::uint64_t number
    = call->client().for_created_at({}).wait_until_ended(
      id, [call, context](result<orchestration_status> ended) {
        context->waits.fetch_sub(1);
        answer_end(call, ended);
      });
  // The response is sent before the wait is cancelled. The cancellation calls
  // the callback above, whose response is then dropped.
  call->responder().park(time_out, [call, context, id, number](park_outcome) {
    accept(call, id);
    context->client.cancel(number);
  });
}

} // namespace perdura::client
