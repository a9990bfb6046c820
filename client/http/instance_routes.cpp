#include "client/api/request_checks.hpp"
#include "client/http/api_call.hpp"

#include <algorithm>
#include <charconv>

namespace perdura::client {

namespace {

/// No instance can have an ID that none may have.
bool is_absent(const error& failure) {
  return failure.code == errc::not_found
         || failure.code == errc::invalid_instance_id;
}

status_options parse_status_options(const api_call& call) {
  status_options options;
  options.show_input = call.target.flag("showInput", true);
  options.show_history = call.target.flag("showHistory", false);
  options.show_history_output = call.target.flag("showHistoryOutput", false);
  return options;
}

void answer_status(const api_call_ptr& call, orchestration_status status) {
  if (!is_finished(status.status)) {
    // A pending instance has no history to show.
    if (status.status == runtime_status::pending)
      status.has_history = false;
    call->json(202, to_json(status),
               {{"Location", call->url()}, {"Retry-After", "5"}});
    return;
  }
  const bool as_error
    = status.status == runtime_status::failed
      && call->target.flag("returnInternalServerErrorOnFailure", false);
  call->json(as_error ? 500 : 200, to_json(status));
}

void ask_status(const api_call_ptr& call, const std::string& id,
                const call_options& patience = {}) {
  const status_options options = parse_status_options(*call);
  call->context->client.with(patience).get_status_async(
    id, options, [call, options](result<orchestration_status> status) {
      if (!status) {
        if (is_absent(status.error()))
          call->empty(404);
        else
          call->fail(status.error());
        return;
      }
      if (!options.show_history) {
        answer_status(call, std::move(*status));
        return;
      }
      // A history may have many megabytes; this thread answers others.
      auto shared = std::make_shared<orchestration_status>(std::move(*status));
      run_blocking(call,
                   [call, shared] { answer_status(call, std::move(*shared)); });
    });
}

/// Perdura's own: `waitSeconds` holds the answer back until the instance has
/// ended, or so long.
void wait_then_ask(const api_call_ptr& call, const std::string& id,
                   std::chrono::milliseconds time_out) {
  const std::shared_ptr<api_context> context = call->context;
  if (!may_wait(call))
    return;
  context->waits.fetch_add(1);
  const std::uint64_t number = context->client.wait_async(
    id, [call, context, id](const result<orchestration_status>& ended) {
      context->waits.fetch_sub(1);
      // Its owner may be lost between the two answers; who waits waits on.
      if (ended)
        ask_status(call, id, {.wait_for_owner = true});
      else if (is_absent(ended.error()))
        call->empty(404);
      else if (ended.code() != errc::cancelled)
        call->fail(ended.error());
    });
  call->responder().park(time_out, [call, context, id, number](park_end) {
    context->client.cancel_wait(number);
    ask_status(call, id);
  });
}

bool is_json_media_type(std::string_view type) {
  std::string_view bare = type.substr(0, type.find(';'));
  while (bare.ends_with(' ') || bare.ends_with('\t'))
    bare.remove_suffix(1);
  return same_letters(bare, "application/json");
}

/// The contract's order: no such instance, finished, then what is wrong with
/// the request.
void refuse_after_state(const api_call_ptr& call, const std::string& id,
                        const error& failure) {
  call->context->client.get_status_async(
    id, {.show_input = false},
    [call, failure](const result<orchestration_status>& status) {
      if (!status)
        if (is_absent(status.error()))
          call->empty(404);
        else
          call->fail(status.error());
      else if (is_finished(status->status))
        call->empty(410);
      else
        call->fail(failure);
    });
}

void answer_control(const api_call_ptr& call,
                    orchestration_client::operation what,
                    const result<void>& done) {
  using operation = orchestration_client::operation;
  if (done) {
    if (what == operation::purge)
      call->json(200, "{\"instancesDeleted\":1}");
    else
      call->empty(202);
    return;
  }
  const error& failure = done.error();
  if (is_absent(failure)) {
    if (what == operation::rewind)
      call->fail_as_string(404, failure.message);
    else
      call->empty(404);
  } else if (failure.code == errc::already_finished) {
    call->empty(410);
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
    ask_status(call, id);
    return;
  }
  unsigned seconds = 0;
  const char* end = wait->data() + wait->size();
  const auto [rest, failure] = std::from_chars(wait->data(), end, seconds);
  if (failure != std::errc() || rest != end
      || std::chrono::seconds(seconds) > wait_time_max) {
    call->fail({errc::invalid_argument,
                "waitSeconds is a whole number from 0 to 300; this is \""
                  + *wait + "\"."});
    return;
  }
  wait_then_ask(call, id, std::chrono::seconds(seconds));
}

void raise_event(const api_call_ptr& call, const std::string& id,
                 const std::string& name) {
  // No body is null: clients send just that for an event without data.
  std::string data = "null";
  if (!call->request.body.empty()) {
    data = call->request.body;
    if (!is_json_media_type(call->request.header("Content-Type"))) {
      refuse_after_state(call, id,
                         {errc::invalid_argument,
                          "Only application/json request content is "
                          "supported"});
      return;
    }
  }
  auto ok = check_payload(data, "event for \"" + id + "\"");
  if (ok)
    ok = check_name(name, "event");
  if (!ok) {
    refuse_after_state(call, id, ok.error());
    return;
  }
  call->context->client.raise_event_async(
    id, name, std::move(data), call->request_id(),
    [call](const result<void>& done) {
      if (done)
        call->empty(202);
      else if (is_absent(done.error()))
        call->empty(404);
      else if (done.code() == errc::already_finished)
        call->empty(410);
      else
        call->fail(done.error());
    });
}

void control_instance(const api_call_ptr& call, const std::string& id,
                      orchestration_client::operation what) {
  call->context->client.control_async(
    what, id, call->text("reason"), call->target.flag("recursive", false),
    call->request_id(), [call, what](const result<void>& done) {
      answer_control(call, what, done);
    });
}

void get_instance_urls(const api_call_ptr& call, const std::string& id) {
  call->context->client.get_status_async(
    id, {.show_input = false},
    [call, id](const result<orchestration_status>& status) {
      if (status)
        call->json(200, to_json(call->payload_of(id)));
      else
        call->fail(status.error());
    });
}

} // namespace perdura::client
