// SPDX-License-Identifier: Apache-2.0
#include "client/api/async_client.hpp"

#include "actors/interface/management.hpp"
#include "client/api/management_answers.hpp"
#include "client/api/management_requests.hpp"
#include "client/api/pause_attempts.hpp"
#include "client/api/started_wait.hpp"
#include "persistence/process/guarded_call.hpp"

#include <memory>
#include <utility>

namespace perdura::client {

namespace {

using actors::management_answer;

std::string callback_of(const std::string& id) {
  return "The callback of a call for instance \"" + id + '"';
}

/// Without memory for the sentence, the error has the code alone.
persistence::error unreadable_answer(const std::string& id,
                                     const char* why) noexcept {
  try {
    return {errc::internal, "The answer for instance \"" + id
                              + "\" could not be passed on: " + why + '.'};
  } catch (...) {
    return {errc::internal, {}};
  }
}

/// Calls the callback of a call. Its exception must not reach the gateway's
/// threads, nor the caller, which gets a result only through the callback.
template <class Done, class Result>
void call_done(const std::string& id, const Done& done, Result made) noexcept {
  persistence::guarded_call(
    persistence::log_channel::client, [&] { return callback_of(id); },
    [&] { done(std::move(made)); });
}

/// The result of an answer. If it cannot be made, for example without memory,
/// the error is errc::internal: the request has been answered, and its outcome
/// is not known here.
template <class Convert>
auto result_of(const Convert& convert, const management_answer& answer) noexcept
  -> decltype(convert(answer)) {
  try {
    return convert(answer);
  } catch (const std::exception& failure) {
    return unreadable_answer(answer.id, failure.what());
  } catch (...) {
    return unreadable_answer(answer.id, "an exception of an unknown type");
  }
}

/// A request that has been submitted, and what its caller gets.
template <class Convert, class Done>
struct answered_call {
  answered_call(Convert to_result, Done to_caller)
    : convert(std::move(to_result)), done(std::move(to_caller)) {}

  /// Calls the callback. Called once, after `answer` was set.
  void finish() noexcept {
    call_done(answer.id, done, result_of(convert, answer));
  }

  Convert convert;
  Done done;
  management_answer answer;
};

/// Submits requests with the executor and the policy of one client.
struct request_submitter {
  actors::management_gateway& gateway;
  const call_executor& executor;
  bool wait_for_owner;

  /// Submits the request. `convert` makes the result that `done` receives from
  /// the answer. A request that has failed its checks is not submitted; `done`
  /// receives the error.
  template <class Request, class Convert, class Done>
  std::uint64_t submit(result<Request> request, const std::string& id,
                       Convert convert, Done done) {
    if (!request) {
      run(executor, id, [id, why = request.error(), done = std::move(done)] {
        call_done(id, done, why);
      });
      return 0;
    }
    // All memory for passing the answer on is allocated here, with the request.
    // The caller thus gets the answer also if no memory is left by then.
    auto call = std::make_shared<answered_call<Convert, Done>>(
      std::move(convert), std::move(done));
    std::function<void()> work; // for the executor, if there is one
    if (executor)
      work = [call] { call->finish(); };
    auto answered = [on = executor, call,
                     work = std::move(work)](management_answer answer) mutable {
      call->answer = std::move(answer);
      if (work)
        run(on, call->answer.id, std::move(work));
      else
        call->finish();
    };
    return gateway.submit(std::move(*request), std::move(answered),
                          wait_for_owner
                            ? actors::if_owner_unavailable::wait
                            : actors::if_owner_unavailable::refuse);
  }

  /// Passes the work to the executor, or does it at once without one.
  static void run(const call_executor& on, const std::string& id,
                  std::function<void()> work) {
    if (!on) {
      work();
      return;
    }
    persistence::guarded_call(
      persistence::log_channel::client,
      [&] { return "The executor of a call for instance \"" + id + '"'; },
      [&] { on(std::move(work)); });
  }
};

/// The status of an answer, if it is that of the instance that the caller
/// means; see `for_created_at`.
result<orchestration_status> status_of_meant(const management_answer& answer,
                                             const status_options& options,
                                             timestamp meant) {
  auto status = to_status(answer, options);
  if (status && meant != timestamp{} && status->created_time != meant)
    return actors::other_instance_error(answer.id);
  return status;
}

/// In seed-compatible mode an instance has no status until it has run.
error absent_while_pending(const management_answer& answer) {
  return {errc::not_found,
          "Instance \"" + answer.id + "\" has not yet started running."};
}

/// The request for the instance that the caller means; the owner checks it.
result<actors::management_request>
for_meant(result<actors::management_request> request, timestamp meant) {
  if (request)
    std::visit(
      [meant](auto& x) {
        if constexpr (requires {
                        x.request;
                        x.created_at;
                      })
          x.created_at = meant;
      },
      *request);
  return request;
}

} // namespace

async_client::async_client(std::shared_ptr<actors::management_gateway> gateway)
  : gateway_(std::move(gateway)) {}

async_client async_client::on(call_executor executor) const {
  async_client other(gateway_);
  other.executor_ = std::move(executor);
  other.wait_for_owner_ = wait_for_owner_;
  other.created_at_ = created_at_;
  return other;
}

async_client async_client::waiting_for_owner(bool wait) const {
  async_client other(*this);
  other.wait_for_owner_ = wait;
  return other;
}

async_client async_client::for_created_at(timestamp created_at) const {
  async_client other(*this);
  other.created_at_ = created_at;
  return other;
}

std::uint64_t async_client::start(std::string_view name, std::string input,
                                  const start_options& options,
                                  started_callback done) const {
  return request_submitter{*gateway_, executor_, wait_for_owner_}.submit(
    start_request(name, std::move(input), options), options.instance_id,
    [](const management_answer& answer) { return to_started(answer); },
    std::move(done));
}

void async_client::start_and_wait(std::string_view name, std::string input,
                                  const start_options& options,
                                  started_wait_callback started,
                                  status_callback ended) const {
  auto request = start_request(name, std::move(input), options);
  const bool is_sent = static_cast<bool>(request);
  const std::string id = is_sent ? request->id : std::string();
  auto both = std::make_shared<started_wait>(*this, id, std::move(started),
                                             std::move(ended));
  request_submitter{*gateway_, executor_, wait_for_owner_}.submit(
    std::move(request), id,
    [](const management_answer& answer) { return to_started(answer); },
    [both](result<started_instance> answer) {
      both->on_started(std::move(answer));
    });
  if (is_sent)
    both->set_number(
      wait_until_ended(id, [both](result<orchestration_status> answer) {
        both->on_ended(std::move(answer));
      }));
}

std::uint64_t async_client::get_status(std::string_view instance_id,
                                       const status_options& options,
                                       status_callback done) const {
  actors::get_status request;
  request.id = instance_id;
  request.show_input = options.show_input;
  request.show_history = options.show_history;
  // The answer may arrive after this object has been destroyed, so `convert`
  // captures copies and not `this`.
  auto convert = [options, seed = gateway_->is_seed_compatible(),
                  meant = created_at_](const management_answer& answer) {
    auto status = status_of_meant(answer, options, meant);
    if (seed && status && status->status == runtime_status::pending)
      status = absent_while_pending(answer);
    return status;
  };
  return request_submitter{*gateway_, executor_, wait_for_owner_}.submit(
    result<actors::get_status>(std::move(request)), std::string(instance_id),
    std::move(convert), std::move(done));
}

std::uint64_t async_client::describe(std::string_view instance_id,
                                     description_callback done) const {
  actors::get_status request;
  request.id = instance_id;
  request.show_input = false;
  request.show_details = true;
  auto convert
    = [seed = gateway_->is_seed_compatible(), meant = created_at_](
        const management_answer& answer) -> result<instance_description> {
    auto described = to_description(answer);
    if (!described)
      return described;
    const orchestration_status& status = described->status;
    if (meant != timestamp{} && status.created_time != meant)
      return actors::other_instance_error(answer.id);
    if (seed && status.status == runtime_status::pending)
      return absent_while_pending(answer);
    return described;
  };
  return request_submitter{*gateway_, executor_, wait_for_owner_}.submit(
    result<actors::get_status>(std::move(request)), std::string(instance_id),
    std::move(convert), std::move(done));
}

std::uint64_t async_client::wait_until_running(std::string_view instance_id,
                                               done_callback done) const {
  return request_submitter{*gateway_, executor_, wait_for_owner_}.submit(
    result<actors::wait_instance>(
      {std::string(instance_id), actors::wait_for::started}),
    std::string(instance_id),
    [](const management_answer& answer) { return to_done(answer); },
    std::move(done));
}

std::uint64_t async_client::wait_until_ended(std::string_view instance_id,
                                             status_callback done) const {
  return request_submitter{*gateway_, executor_, wait_for_owner_}.submit(
    result<actors::wait_instance>(
      {std::string(instance_id), actors::wait_for::finished}),
    std::string(instance_id),
    [meant = created_at_](const management_answer& answer) {
      return status_of_meant(answer, {}, meant);
    },
    std::move(done));
}

std::uint64_t async_client::raise_event(std::string_view instance_id,
                                        std::string_view event_name,
                                        std::string data,
                                        const std::string& request_id,
                                        done_callback done) const {
  return request_submitter{*gateway_, executor_, wait_for_owner_}.submit(
    for_meant(
      event_request(instance_id, event_name, std::move(data), request_id),
      created_at_),
    std::string(instance_id),
    [](const management_answer& answer) { return to_done(answer); },
    std::move(done));
}

std::uint64_t async_client::start_or_raise(std::string_view name,
                                           std::string_view instance_id,
                                           std::string_view event_name,
                                           std::string input, std::string data,
                                           const start_options& options,
                                           started_callback done) const {
  return request_submitter{*gateway_, executor_, wait_for_owner_}.submit(
    start_or_raise_request(name, instance_id, event_name, std::move(input),
                           std::move(data), options),
    std::string(instance_id),
    [](const management_answer& answer) { return to_started(answer); },
    std::move(done));
}

std::uint64_t async_client::control(control_operation kind,
                                    std::string_view instance_id,
                                    std::string_view reason, bool recursive,
                                    const std::string& request_id,
                                    done_callback done) const {
  return request_submitter{*gateway_, executor_, wait_for_owner_}.submit(
    for_meant(control_request(kind, instance_id, reason, recursive, request_id),
              created_at_),
    std::string(instance_id),
    [](const management_answer& answer) { return to_done(answer); },
    std::move(done));
}

std::uint64_t async_client::pause_orchestrator(std::string_view name,
                                               bool is_paused,
                                               std::string_view reason,
                                               done_callback done) const {
  auto request = pause_request(name, is_paused, reason);
  if (!request)
    return request_submitter{*gateway_, executor_, false}.submit(
      result<actors::management_request>(request.error()), std::string(name),
      [](const management_answer& answer) { return to_done(answer); },
      std::move(done));
  // Allocated here, as in `request_submitter::submit`.
  auto call = std::make_shared<
    answered_call<result<void> (*)(const management_answer&), done_callback>>(
    to_done, std::move(done));
  std::function<void()> finish = [call] { call->finish(); };
  const auto attempts = std::make_shared<pause_attempts>(
    gateway_, std::move(*request),
    [on = executor_, call,
     finish = std::move(finish)](management_answer answer) mutable {
      call->answer = std::move(answer);
      request_submitter::run(on, call->answer.id, std::move(finish));
    });
  return attempts->start();
}

void async_client::cancel(std::uint64_t number) const {
  if (!pause_attempts::cancel(*gateway_, number))
    gateway_->cancel(number);
}

} // namespace perdura::client
