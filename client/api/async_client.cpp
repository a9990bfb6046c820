// SPDX-License-Identifier: Apache-2.0
#include "client/api/async_client.hpp"

#include "actors/interface/management.hpp"
#include "client/api/management_answers.hpp"
#include "client/api/management_requests.hpp"
#include "client/api/started_wait.hpp"

#include <utility>

namespace perdura::client {

namespace {

using actors::management_answer;

/// Submits requests with the executor and the policy of one client.
struct request_submitter {
  actors::management_gateway& gateway;
  const call_executor& executor;
  bool wait_for_owner;

  /// Submits the request. `convert` makes the result that `done` receives from
  /// the answer. A request that has failed its checks is not submitted; `done`
  /// receives the error.
  template <class Request, class Convert, class Done>
  std::uint64_t submit(result<Request> request, Convert convert, Done done) {
    if (!request) {
      fail(request.error(), std::move(done));
      return 0;
    }
    auto answered = [run = executor, convert,
                     done = std::move(done)](management_answer answer) mutable {
      if (!run) {
        done(convert(answer));
        return;
      }
      run([convert = std::move(convert), done = std::move(done),
           answer = std::move(answer)] { done(convert(answer)); });
    };
    return gateway.submit(std::move(*request), std::move(answered),
                          wait_for_owner
                            ? actors::if_owner_unavailable::wait
                            : actors::if_owner_unavailable::refuse);
  }

private:
  template <class Done>
  void fail(const error& why, Done done) {
    if (executor)
      executor([why, done = std::move(done)] { done(why); });
    else
      done(why);
  }
};

} // namespace

async_client::async_client(std::shared_ptr<actors::management_gateway> gateway)
  : gateway_(std::move(gateway)) {}

async_client async_client::on(call_executor executor) const {
  async_client other(gateway_);
  other.executor_ = std::move(executor);
  other.wait_for_owner_ = wait_for_owner_;
  return other;
}

async_client async_client::waiting_for_owner(bool wait) const {
  async_client other(*this);
  other.wait_for_owner_ = wait;
  return other;
}

std::uint64_t async_client::start(std::string_view name, std::string input,
                                  const start_options& options,
                                  started_callback done) const {
  return request_submitter{*gateway_, executor_, wait_for_owner_}.submit(
    start_request(name, std::move(input), options),
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
    std::move(request),
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
  auto convert = [options, seed = gateway_->is_seed_compatible()](
                   const management_answer& answer) {
    auto status = to_status(answer, options);
    // In seed-compatible mode an instance has no status until it has run.
    if (seed && status && status->status == runtime_status::pending)
      status = error{errc::not_found, "Instance \"" + answer.id
                                        + "\" has not yet started running."};
    return status;
  };
  return request_submitter{*gateway_, executor_, wait_for_owner_}.submit(
    result<actors::get_status>(std::move(request)), std::move(convert),
    std::move(done));
}

std::uint64_t async_client::wait_until_running(std::string_view instance_id,
                                               done_callback done) const {
  return request_submitter{*gateway_, executor_, wait_for_owner_}.submit(
    result<actors::wait_instance>(
      {std::string(instance_id), actors::wait_for::started}),
    [](const management_answer& answer) { return to_done(answer); },
    std::move(done));
}

std::uint64_t async_client::wait_until_ended(std::string_view instance_id,
                                             status_callback done) const {
  return request_submitter{*gateway_, executor_, wait_for_owner_}.submit(
    result<actors::wait_instance>(
      {std::string(instance_id), actors::wait_for::finished}),
    [](const management_answer& answer) { return to_status(answer, {}); },
    std::move(done));
}

std::uint64_t async_client::raise_event(std::string_view instance_id,
                                        std::string_view event_name,
                                        std::string data,
                                        const std::string& request_id,
                                        done_callback done) const {
  return request_submitter{*gateway_, executor_, wait_for_owner_}.submit(
    event_request(instance_id, event_name, std::move(data), request_id),
    [](const management_answer& answer) { return to_done(answer); },
    std::move(done));
}

std::uint64_t async_client::control(control_operation kind,
                                    std::string_view instance_id,
                                    std::string_view reason, bool recursive,
                                    const std::string& request_id,
                                    done_callback done) const {
  return request_submitter{*gateway_, executor_, wait_for_owner_}.submit(
    control_request(kind, instance_id, reason, recursive, request_id),
    [](const management_answer& answer) { return to_done(answer); },
    std::move(done));
}

void async_client::cancel(std::uint64_t number) const {
  gateway_->cancel(number);
}

} // namespace perdura::client
