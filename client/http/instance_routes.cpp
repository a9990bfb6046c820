// SPDX-License-Identifier: Apache-2.0
#include "client/api/request_checks.hpp"
#include "client/http/api_call.hpp"
#include "persistence/records/text.hpp"

#include <algorithm>
#include <charconv>

namespace perdura::client {

namespace {

/// Whether the error means that there is no such instance. An invalid ID also
/// means this, because no instance can have it.
bool is_absent(const error& failure) {
  return failure.code == errc::not_found
         || failure.code == errc::invalid_instance_id;
}

/// The parts of the status that the query parameters select.
status_options parse_status_options(const api_call& call) {
  status_options options;
  options.show_input = call.target.flag("showInput", true);
  options.show_history = call.target.flag("showHistory", false);
  options.show_history_output = call.target.flag("showHistoryOutput", false);
  return options;
}

/// Responds with the status of an instance. The HTTP status code is 202 while
/// the instance is live, and 200 when it has ended. For a failed instance the
/// code is 500 if the caller requests it.
void answer_status(const api_call_ptr& call, orchestration_status status) {
  if (!is_finished(status.status)) {
    // A pending instance has no history to show.
    if (status.status == runtime_status::pending)
      status.has_history = false;
    call->respond_json(202, to_json(status),
                       {{"Location", call->url()}, {"Retry-After", "5"}});
    return;
  }
  // Status 500 is for callers that check the status code only.
  const bool as_error
    = status.status == runtime_status::failed
      && call->target.flag("returnInternalServerErrorOnFailure", false);
  call->respond_json(as_error ? 500 : 200, to_json(status));
}

/// Requests the status and responds with it.
/// @param wait_for_owner  Wait while the owner is unreachable.
void respond_with_status(const api_call_ptr& call, const std::string& id,
                         bool wait_for_owner = false) {
  const status_options options = parse_status_options(*call);
  // Neither a thread that runs partitions nor a thread of the server, which
  // also serves other calls, copies and formats a history of many megabytes.
  const async_client client
    = options.show_history
        ? call->client_on([call](std::function<void()> work) {
            run_blocking(call, std::move(work));
          })
        : call->client();
  client.waiting_for_owner(wait_for_owner)
    .get_status(id, options, [call](result<orchestration_status> status) {
      if (status)
        answer_status(call, std::move(*status));
      else if (is_absent(status.error()))
        call->respond_empty(404);
      else
        call->fail(status.error());
    });
}

/// For `waitSeconds`, a parameter that Durable Functions does not have:
/// responds when the instance has ended or the time-out has elapsed.
void wait_then_respond(const api_call_ptr& call, const std::string& id,
                       std::chrono::milliseconds time_out) {
  const std::shared_ptr<api_context> context = call->context;
  // Above `waits_max` the request gets 503 at once.
  if (!check_wait_limit(call))
    return;
  context->waits.fetch_add(1);
  // This callback and the one passed to `park` below may run at the same time
  // on two threads. Both respond; `api_call` sends the first response.
  const std::uint64_t number = call->client().wait_until_ended(
    id, [call, context, id](const result<orchestration_status>& ended) {
      context->waits.fetch_sub(1);
      // The status that a wait returns has no input, so the status is requested
      // again. If the owner has become unreachable in the meantime, the second
      // request waits for the owner.
      if (ended)
        respond_with_status(call, id, true);
      else if (is_absent(ended.error()))
        call->respond_empty(404);
      // If the wait was cancelled, the callback that is passed to `park` below
      // responds.
      else if (ended.code() != errc::cancelled)
        call->fail(ended.error());
    });
  call->responder().park(time_out, [call, context, id, number](park_outcome) {
    // Also called if the caller has disconnected; the response is then dropped.
    context->client.cancel(number);
    respond_with_status(call, id);
  });
}

/// Whether a Content-Type is application/json, with or without parameters such
/// as a charset.
bool is_json_media_type(std::string_view type) {
  std::string_view bare = type.substr(0, type.find(';'));
  while (bare.ends_with(' ') || bare.ends_with('\t'))
    bare.remove_suffix(1);
  return persistence::equal_ignoring_case(bare, "application/json");
}

/// Refuses an invalid event. As in Durable Functions, the response is 404 if
/// there is no such instance, 410 if the instance has ended, and otherwise the
/// response for `failure`.
void refuse_after_state(const api_call_ptr& call, const std::string& id,
                        const error& failure) {
  call->client().get_status(
    id, {.show_input = false},
    [call, failure](const result<orchestration_status>& status) {
      if (!status)
        if (is_absent(status.error()))
          call->respond_empty(404);
        else
          call->fail(status.error());
      else if (is_finished(status->status))
        call->respond_empty(410);
      else
        call->fail(failure);
    });
}

/// Responds to a terminate, suspend, resume, rewind or purge in the form that
/// Durable Functions has for each.
void answer_control(const api_call_ptr& call, control_operation what,
                    const result<void>& done) {
  using operation = control_operation;
  if (done) {
    if (what == operation::purge || what == operation::purge_by_force)
      call->respond_json(200, "{\"instancesDeleted\":1}");
    else
      call->respond_empty(202);
    return;
  }
  const error& failure = done.error();
  if (is_absent(failure)) {
    // Durable Functions sends a sentence for a rewind, and no body for the
    // other operations.
    if (what == operation::rewind)
      call->fail_as_string(404, failure.message);
    else
      call->respond_empty(404);
  } else if (failure.code == errc::already_finished) {
    call->respond_empty(410);
  } else if (failure.code == errc::not_failed
             || failure.code == errc::not_finished) {
    call->fail_as_string(412, failure.message);
  } else {
    call->fail(failure);
  }
}

} // namespace

void get_instance(const api_call_ptr& call, const std::string& id) {
  const std::string* wait = call->target.find("waitSeconds");
  if (wait == nullptr) {
    respond_with_status(call, id);
    return;
  }
  unsigned seconds = 0;
  const char* end = wait->data() + wait->size();
  // The type is unsigned, so a sign is refused.
  const auto [rest, failure] = std::from_chars(wait->data(), end, seconds);
  if (failure != std::errc() || rest != end
      || std::chrono::seconds(seconds) > wait_time_max) {
    call->fail({errc::invalid_argument,
                "waitSeconds is a whole number from 0 to 300; this is \""
                  + *wait + "\"."});
    return;
  }
  wait_then_respond(call, id, std::chrono::seconds(seconds));
}

void raise_event(const api_call_ptr& call, const std::string& id,
                 const std::string& name, std::string body) {
  // The sentence of this error is part of the contract of Durable Functions.
  if (!body.empty()
      && !is_json_media_type(call->request.header("Content-Type"))) {
    refuse_after_state(call, id,
                       {errc::invalid_argument,
                        "Only application/json request content is "
                        "supported"});
    return;
  }
  // A request without a body raises an event without data.
  std::string data = body.empty() ? "null" : std::move(body);
  // `async_client::raise_event` makes the same checks. The checks are made here
  // first, because an invalid event for a missing instance must get 404.
  auto ok = check_payload(data, "event for \"" + id + "\"");
  if (ok)
    ok = check_name(name, "event");
  if (!ok) {
    refuse_after_state(call, id, ok.error());
    return;
  }
  call->client().raise_event(id, name, std::move(data), call->request_id(),
                             [call](const result<void>& done) {
                               if (done)
                                 call->respond_empty(202);
                               else if (is_absent(done.error()))
                                 call->respond_empty(404);
                               else if (done.code() == errc::already_finished)
                                 call->respond_empty(410);
                               else
                                 call->fail(done.error());
                             });
}

void control_instance(const api_call_ptr& call, const std::string& id,
                      control_operation what) {
  call->client().control(
    what, id, call->text("reason"), call->target.flag("recursive", false),
    call->request_id(), [call, what](const result<void>& done) {
      answer_control(call, what, done);
    });
}

// A description may list thousands of tasks. Neither a thread that runs
// partitions nor a thread of the server formats it.
void describe_instance(const api_call_ptr& call, const std::string& id) {
  call
    ->client_on([call](std::function<void()> work) {
      run_blocking(call, std::move(work));
    })
    .describe(id, [call](const result<instance_description>& described) {
      if (described)
        call->respond_json(200, to_json(*described));
      else if (is_absent(described.error()))
        call->respond_empty(404);
      else
        call->fail(described.error());
    });
}

// Requests the status first, so that the response for a missing instance is 404
// and has no URLs.
void get_instance_urls(const api_call_ptr& call, const std::string& id) {
  call->client().get_status(
    id, {.show_input = false},
    [call, id](const result<orchestration_status>& status) {
      if (status)
        call->respond_json(200,
                           to_json(call->payload_of(id, status->created_time)));
      else
        call->fail(status.error());
    });
}

} // namespace perdura::client
