// SPDX-License-Identifier: Apache-2.0
#include "client/api/orchestration_client.hpp"

#include "actors/interface/management.hpp"
#include "client/api/management_requests.hpp"
#include "client/api/request_checks.hpp"
#include "persistence/records/clock.hpp"
#include "persistence/records/identity.hpp"

#include <algorithm>
#include <future>

namespace perdura::client {

namespace {

using actors::management_answer;

error error_of(const management_answer& answer) {
  return {answer.code, answer.message};
}

/// Makes a status from a row of the views. The history and the names of unread
/// events stay empty, because a row does not contain them.
orchestration_status to_status(const persistence::instance_row& row) {
  const persistence::instance_record& record = row.record;
  orchestration_status status;
  status.name = record.name;
  status.version = record.version;
  status.instance_id = row.id;
  status.execution_id = record.execution;
  status.created_time = record.created_at;
  status.last_updated_time = record.last_updated_at;
  // The input is empty if it was not requested.
  status.input = row.input.empty() ? "null" : row.input;
  status.custom_status = row.custom_status;
  status.output = row.output;
  status.status = record.status;
  status.held = record.held;
  return status;
}

/// The status in the answer to a get_status or wait_instance request, with the
/// parts that `options` select.
result<orchestration_status> to_status(const management_answer& answer,
                                       const status_options& options) {
  if (answer.code != errc::ok)
    return error_of(answer);
  if (!answer.status)
    return error{errc::internal,
                 "The answer for \"" + answer.id + "\" holds no status."};
  orchestration_status status = to_status(answer.status->row);
  status.unread_events = answer.status->unread_events;
  status.has_history = options.show_history;
  status.has_history_input = options.show_input;
  status.has_history_output = options.show_history_output;
  if (options.show_history)
    status.history = answer.status->history;
  return status;
}

/// The result of a request whose answer carries no value.
result<void> to_result(const management_answer& answer) {
  if (answer.code != errc::ok)
    return error_of(answer);
  return {};
}

/// Whether the request may change an instance.
bool is_change(const actors::management_request& request) {
  return !std::holds_alternative<actors::get_status>(request)
         && !std::holds_alternative<actors::wait_instance>(request);
}

/// Sends the request and blocks for its answer. When the time-out has elapsed,
/// the request is cancelled, and the answer is errc::unavailable if the
/// request was never sent, errc::timed_out for a read, and
/// errc::unknown_outcome for a change.
management_answer send_and_wait(actors::management_gateway& gateway,
                                actors::management_request request,
                                bool wait_for_owner,
                                std::chrono::milliseconds time_out) {
  const bool may_be_done = is_change(request);
  // The callback shares the promise with this function, which may return while
  // the callback is still inside `set_value`.
  auto promise = std::make_shared<std::promise<management_answer>>();
  auto future = promise->get_future();
  const std::uint64_t number = gateway.submit(
    std::move(request),
    [promise](management_answer answer) {
      promise->set_value(std::move(answer));
    },
    wait_for_owner ? actors::if_owner_unavailable::wait
                   : actors::if_owner_unavailable::refuse);
  if (future.wait_for(time_out) == std::future_status::timeout) {
    gateway.cancel(number);
    // The answer is the one that the cancellation causes, or one that arrived
    // just before the cancellation.
    management_answer answer = future.get();
    if (answer.code != errc::cancelled)
      return answer;
    answer.code = may_be_done ? errc::unknown_outcome : errc::timed_out;
    answer.message
      = "There was no answer for \"" + answer.id + "\" within "
        + std::to_string(time_out.count()) + " ms"
        + (may_be_done ? ". The operation may have been done or not; a repeat "
                         "with the same request_id is safe."
                       : ".");
    return answer;
  }
  return future.get();
}

/// The query for one page. `show_input` is not a part of a query;
/// `list_instances` removes the inputs.
persistence::instance_query to_query(const instance_filter& filter,
                                     const std::string& token) {
  persistence::instance_query query;
  query.created_from = filter.created_from;
  query.created_to = filter.created_to;
  query.statuses = filter.statuses;
  query.id_prefix = filter.instance_id_prefix;
  query.name = filter.name;
  query.top = filter.top;
  query.token = token;
  query.partial = filter.partial;
  return query;
}

} // namespace

// A code that is not listed means a refusal: the request failed a check before
// it was sent, or the owner refused it, and nothing was done. Every code that
// leaves the outcome open must be listed.
failure_kind kind_of(errc code) {
  switch (code) {
  case errc::unavailable:
  case errc::overloaded:
    return failure_kind::unavailable;
  case errc::unknown_outcome:
  case errc::shutting_down: // The request may already have been sent.
  case errc::timed_out:
  case errc::cancelled:
  case errc::internal:
    return failure_kind::unknown;
  default:
    return failure_kind::not_done;
  }
}

orchestration_client::orchestration_client(
  std::shared_ptr<actors::management_gateway> gateway, call_options options)
  : gateway_(std::move(gateway)), options_(options) {}

// --- Starting ---------------------------------------------------------------

// Does not wait for an unreachable owner: the HTTP API responds with 503 at
// once, and its caller decides whether to repeat the request.
void orchestration_client::start_async(std::string_view name, std::string input,
                                       const start_options& options,
                                       started_callback done) {
  auto request = start_request(name, std::move(input), options);
  if (!request) {
    done(request.error());
    return;
  }
  gateway_->submit(std::move(*request),
                   [done = std::move(done)](management_answer answer) {
                     if (answer.code != errc::ok)
                       done(error_of(answer));
                     else
                       done(std::move(answer.id));
                   });
}

result<std::string>
orchestration_client::start_json(std::string_view name, std::string input,
                                 const start_options& options) {
  auto request = start_request(name, std::move(input), options);
  if (!request)
    return request.error();
  // The request is moved into the first call, but its ID is needed afterwards.
  const std::string id = request->id;
  // The time-out covers the whole call, so the second request gets only the
  // time that remains after the first request.
  const timestamp began = persistence::system_clock().now();
  const bool scheduled = request->scheduled_at != timestamp{};
  management_answer answer = send_and_wait(
    *gateway_, std::move(*request), options_.wait_for_owner, options.time_out);
  if (answer.code == errc::unknown_outcome)
    return error{errc::unknown_outcome,
                 "It is unknown whether the start of \"" + id
                   + "\" is durable; ask for its status, or repeat it with "
                     "the same request_id."};
  if (answer.code != errc::ok)
    return error_of(answer);
  // `answer.started` means that the instance has already run. A scheduled
  // instance may begin to run much later, so its call returns as soon as the
  // start is durable.
  if (!options.until_running || answer.started || scheduled)
    return id;
  const auto left = options.time_out
                    - std::chrono::duration_cast<std::chrono::milliseconds>(
                      persistence::system_clock().now() - began);
  answer = send_and_wait(
    *gateway_, actors::wait_instance{id, actors::wait_for::started},
    options_.wait_for_owner, std::max(left, std::chrono::milliseconds(1)));
  if (answer.code == errc::timed_out)
    return error{errc::timed_out,
                 "Instance \"" + id + "\" did not begin to run within "
                   + std::to_string(options.time_out.count())
                   + " ms. Its start is durable; it will run."};
  // errc::not_found means that the instance has run, ended and been purged
  // since the first request.
  if (answer.code != errc::ok && answer.code != errc::not_found)
    return error_of(answer);
  return id;
}

result<std::string>
orchestration_client::start_new(const start_binding& binding) {
  start_options options;
  options.instance_id = binding.instance_id;
  return start_json(binding.function_name, binding.input.text(), options);
}

// --- Queries ----------------------------------------------------------------

void orchestration_client::get_status_async(std::string_view instance_id,
                                            const status_options& options,
                                            status_callback done) {
  actors::get_status request;
  request.id = instance_id;
  request.show_input = options.show_input;
  request.show_history = options.show_history;
  // The callback may run after this object has been destroyed, so it captures
  // copies and not `this`.
  const bool seed = gateway_->is_seed_compatible();
  gateway_->submit(
    std::move(request),
    [=, done = std::move(done)](management_answer answer) {
      auto status = to_status(answer, options);
      if (seed && status && status->status == runtime_status::pending)
        status = error{errc::not_found, "Instance \"" + answer.id
                                          + "\" has not yet started running."};
      done(std::move(status));
    },
    options_.wait_for_owner ? actors::if_owner_unavailable::wait
                            : actors::if_owner_unavailable::refuse);
}

result<std::optional<orchestration_status>>
orchestration_client::get_status(std::string_view instance_id,
                                 const status_options& options) {
  const management_answer answer = send_and_wait(
    *gateway_,
    actors::get_status{std::string(instance_id), options.show_input,
                       options.show_history},
    options_.wait_for_owner, options_.deadline);
  if (answer.code == errc::not_found)
    return std::optional<orchestration_status>();
  auto status = to_status(answer, options);
  if (!status)
    return status.error();
  if (gateway_->is_seed_compatible()
      && status->status == runtime_status::pending)
    // With `compat_seed`, an instance has no status until it has run.
    return std::optional<orchestration_status>();
  return std::optional(std::move(*status));
}

result<status_page>
orchestration_client::list_instances(const instance_filter& filter,
                                     const std::string& token) {
  if (auto ok = check_filter(filter); !ok)
    return ok.error();
  // The query waits until the views have caught up with the journal, so the
  // page shows every change that was acknowledged before the call.
  auto page = gateway_->query(to_query(filter, token), options_.deadline);
  if (!page)
    return page.error();
  // In seed-compatible mode an instance has no status before its first turn, so
  // pending rows are skipped; the page may then have fewer than `top` rows.
  status_page out;
  out.continuation_token = std::move(page->token);
  out.missing_partitions = std::move(page->missing);
  out.instances.reserve(page->rows.size());
  for (persistence::instance_row& row : page->rows) {
    if (gateway_->is_seed_compatible()
        && row.record.status == persistence::runtime_status::pending)
      continue;
    if (!filter.show_input)
      row.input.clear();
    out.instances.push_back(to_status(row));
  }
  return out;
}

result<void> orchestration_client::for_each_instance(
  const instance_filter& filter,
  const std::function<bool(const orchestration_status&)>& visit,
  std::stop_token stop) {
  // Pages are requested one after the other, so only one page is in memory.
  // `stop` is checked once for each page.
  std::string token;
  do {
    if (stop.stop_requested())
      return error{errc::cancelled,
                   "The query over all instances was cancelled."};
    auto page = list_instances(filter, token);
    if (!page)
      return page.error();
    for (const orchestration_status& status : page->instances)
      if (!visit(status))
        return {};
    token = std::move(page->continuation_token);
  } while (!token.empty());
  return {};
}

result<std::vector<orchestration_status>>
orchestration_client::get_status_all(const instance_filter& filter,
                                     std::stop_token stop) {
  std::vector<orchestration_status> all;
  auto walked = for_each_instance(
    filter,
    [&](const orchestration_status& status) {
      all.push_back(status);
      return true;
    },
    std::move(stop));
  if (!walked)
    return walked.error();
  return all;
}

result<std::array<std::uint64_t, 8>> orchestration_client::count_instances() {
  auto counted = gateway_->count(false, options_.deadline);
  if (!counted)
    return counted.error();
  return counted->counts;
}

result<counted_instances> orchestration_client::count_reachable_instances() {
  auto counted = gateway_->count(true, options_.deadline);
  if (!counted)
    return counted.error();
  return counted_instances{counted->counts, std::move(counted->missing)};
}

// --- Control ----------------------------------------------------------------

namespace {

/// Sends the request; calls `done` with the answer, or at once with the error
/// if the request failed its checks.
void submit(actors::management_gateway& gateway,
            result<actors::management_request> request,
            orchestration_client::done_callback done) {
  if (!request) {
    done(request.error());
    return;
  }
  gateway.submit(std::move(*request),
                 [done = std::move(done)](management_answer answer) {
                   done(to_result(answer));
                 });
}

/// As `submit`, but blocks for the answer.
result<void> submit_and_wait(actors::management_gateway& gateway,
                             result<actors::management_request> request,
                             const call_options& options) {
  if (!request)
    return request.error();
  return to_result(send_and_wait(gateway, std::move(*request),
                                 options.wait_for_owner, options.deadline));
}

} // namespace

// The functions with a callback and the blocking functions below make the same
// requests; they differ only in how the answer arrives.
void orchestration_client::raise_event_async(std::string_view instance_id,
                                             std::string_view event_name,
                                             std::string data,
                                             const std::string& request_id,
                                             done_callback done) {
  submit(*gateway_,
         event_request(instance_id, event_name, std::move(data), request_id),
         std::move(done));
}

void orchestration_client::control_async(
  operation kind, std::string_view instance_id, std::string_view reason,
  bool recursive, const std::string& request_id, done_callback done) {
  submit(*gateway_,
         control_request(kind, instance_id, reason, recursive, request_id),
         std::move(done));
}

result<void> orchestration_client::raise_event_json(
  std::string_view instance_id, std::string_view event_name, std::string data,
  const std::string& request_id) {
  return submit_and_wait(
    *gateway_,
    event_request(instance_id, event_name, std::move(data), request_id),
    options_);
}

result<void> orchestration_client::terminate(std::string_view instance_id,
                                             std::string_view reason,
                                             bool recursive,
                                             const std::string& request_id) {
  return submit_and_wait(*gateway_,
                         control_request(operation::terminate, instance_id,
                                         reason, recursive, request_id),
                         options_);
}

result<void> orchestration_client::suspend(std::string_view instance_id,
                                           std::string_view reason,
                                           const std::string& request_id) {
  return submit_and_wait(
    *gateway_,
    control_request(operation::suspend, instance_id, reason, false, request_id),
    options_);
}

result<void> orchestration_client::resume(std::string_view instance_id,
                                          std::string_view reason,
                                          const std::string& request_id) {
  return submit_and_wait(
    *gateway_,
    control_request(operation::resume, instance_id, reason, false, request_id),
    options_);
}

result<void> orchestration_client::rewind(std::string_view instance_id,
                                          std::string_view reason,
                                          const std::string& request_id) {
  return submit_and_wait(
    *gateway_,
    control_request(operation::rewind, instance_id, reason, false, request_id),
    options_);
}

result<std::string> orchestration_client::restart(std::string_view instance_id,
                                                  bool new_instance_id) {
  // Sends two requests; the instance may change between them. `start_json`
  // refuses the start if the ID is kept and the instance is live.
  auto status = get_status(instance_id);
  if (!status)
    return status.error();
  if (!*status)
    return error{errc::not_found, "There is no instance \""
                                    + std::string(instance_id)
                                    + "\" to start again."};
  start_options options;
  options.version = (*status)->version;
  // The restart returns when the start is durable.
  options.until_running = false;
  if (!new_instance_id)
    options.instance_id = instance_id;
  return start_json((*status)->name, (*status)->input, options);
}

result<void> orchestration_client::purge(std::string_view instance_id) {
  return submit_and_wait(
    *gateway_, control_request(operation::purge, instance_id, {}, false, {}),
    options_);
}

result<std::size_t>
orchestration_client::purge_all(const instance_filter& filter,
                                std::stop_token stop) {
  instance_filter finished = filter;
  // Only the IDs are used, so the pages are as large as possible and contain no
  // inputs.
  finished.top = persistence::page_rows_max;
  finished.show_input = false;
  std::erase_if(finished.statuses, [](runtime_status status) {
    return !client::is_finished(status);
  });
  // If the filter selects only statuses of live instances, there is nothing to
  // purge.
  if (finished.statuses.empty() && !filter.statuses.empty())
    return std::size_t{0};
  if (finished.statuses.empty())
    finished.statuses = {runtime_status::completed, runtime_status::failed,
                         runtime_status::terminated};
  // Purges one instance after the other. The owner refuses to purge a live
  // instance, so an instance that has been started again under the same ID
  // after the query is not deleted.
  std::size_t purged = 0;
  std::optional<error> failed;
  auto walked = for_each_instance(
    finished,
    [&](const orchestration_status& status) {
      auto done = purge(status.instance_id);
      if (done)
        ++purged;
      // errc::not_found and errc::not_finished mean that the instance was
      // purged or started again after the query. The loop then continues with
      // the next instance.
      else if (done.code() != errc::not_found
               && done.code() != errc::not_finished)
        failed = done.error();
      return !failed && !stop.stop_requested();
    },
    stop);
  if (failed)
    return *failed;
  if (!walked)
    return walked.error();
  return purged;
}

// --- Waiting ----------------------------------------------------------------

// The wait has no time-out. The caller can end the wait with `cancel_wait`.
std::uint64_t orchestration_client::wait_async(std::string_view instance_id,
                                               status_callback done) {
  return gateway_->submit(
    actors::wait_instance{std::string(instance_id), actors::wait_for::finished},
    [done = std::move(done)](management_answer answer) {
      done(to_status(answer, {}));
    });
}

void orchestration_client::cancel_wait(std::uint64_t number) {
  gateway_->cancel(number);
}

result<orchestration_status>
orchestration_client::wait_for_completion(std::string_view instance_id,
                                          std::chrono::milliseconds time_out) {
  management_answer answer = send_and_wait(
    *gateway_,
    actors::wait_instance{std::string(instance_id), actors::wait_for::finished},
    options_.wait_for_owner, time_out);
  if (answer.code == errc::timed_out)
    return error{errc::timed_out, "Instance \"" + std::string(instance_id)
                                    + "\" did not end within "
                                    + std::to_string(time_out.count())
                                    + " ms; the instance is still live."};
  return to_status(answer, {});
}

result<completion_or_check_status>
orchestration_client::wait_for_completion_or_create_check_status(
  std::string_view instance_id, std::chrono::milliseconds time_out,
  std::chrono::milliseconds retry_interval) {
  // The parameters of the HTTP API are checked by the same rule.
  if (auto ok = check_wait(time_out, retry_interval); !ok)
    return ok.error();
  auto status = wait_for_completion(instance_id, time_out);
  // A time-out is a valid outcome here: the caller gets the management URLs,
  // with which it can request the status later.
  if (!status && status.code() != errc::timed_out)
    return status.error();
  completion_or_check_status out;
  out.payload = create_http_management_payload(instance_id);
  if ((out.completed = static_cast<bool>(status)))
    out.status = std::move(*status);
  return out;
}

management_payload orchestration_client::create_http_management_payload(
  std::string_view instance_id) const {
  return gateway_->payload_of(std::string(instance_id));
}

} // namespace perdura::client
