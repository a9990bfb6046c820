// SPDX-License-Identifier: Apache-2.0
#include "client/api/orchestration_client.hpp"

#include "actors/interface/management.hpp"
#include "client/api/blocking_call.hpp"
#include "client/api/management_answers.hpp"
#include "client/api/management_requests.hpp"
#include "client/api/request_checks.hpp"
#include "persistence/records/identity.hpp"
#include <perdura/persistence/records/time_arithmetic.hpp>

#include <algorithm>
#include <future>
#include <optional>
#include <utility>

namespace perdura::client {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// The result of a read, in which a missing instance is no value.
template <class T>
result<std::optional<T>> absent_as_empty(result<T> read) {
  if (read.code() == errc::not_found)
    return std::optional<T>();
  if (!read)
    return read.error();
  return std::optional(std::move(*read));
}

/// The part of a time-out that is left after the time since `began`; negative
/// if the time-out has elapsed.
milliseconds time_left(steady_clock::time_point began, milliseconds time_out) {
  return time_out
         - std::chrono::duration_cast<milliseconds>(steady_clock::now()
                                                    - began);
}

/// As `wait_for_result`, for `async_client::control`.
result<void> wait_for_control(const async_client& core, control_operation kind,
                              std::string_view instance_id,
                              std::string_view reason, bool recursive,
                              const std::string& request_id,
                              milliseconds time_out) {
  return wait_for_result<void>(
    core, instance_id, effect_of_call::change, time_out,
    [&](const async_client& each, async_client::done_callback done) {
      return each.control(kind, instance_id, reason, recursive, request_id,
                          std::move(done));
    });
}

/// Waits until the instance, whose start is durable, has begun to run.
result<void> wait_until_begun(const async_client& core, const std::string& id,
                              steady_clock::time_point began,
                              milliseconds time_out) {
  const milliseconds left = time_left(began, time_out);
  auto running = wait_for_result<void>(
    core, id, effect_of_call::none, std::max(left, milliseconds(1)),
    [&id](const async_client& each, async_client::done_callback done) {
      return each.wait_until_running(id, std::move(done));
    });
  if (running.code() == errc::timed_out)
    return error{errc::timed_out,
                 "Instance \"" + id + "\" did not begin to run within "
                   + std::to_string(time_out.count())
                   + " ms. Its start is durable; it will run."};
  // errc::not_found means that the instance has run, ended and been purged
  // since the first request.
  if (running.code() == errc::not_found)
    return {};
  return running;
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
  query.version = filter.version;
  query.parent = filter.parent;
  if (!filter.root.empty())
    query.roots.push_back(filter.root);
  query.top = filter.top;
  query.token = token;
  query.partial = filter.partial;
  return query;
}

} // namespace

orchestration_client::orchestration_client(
  std::shared_ptr<actors::management_gateway> gateway, call_options options)
  : core_(std::move(gateway)), options_(options) {}

async_client orchestration_client::waiting_core() const {
  return core_.waiting_for_owner(options_.wait_for_owner)
    .for_created_at(options_.created_at);
}

// --- Starting ---------------------------------------------------------------

result<std::string>
orchestration_client::start_json(std::string_view name, std::string input,
                                 const start_options& options) {
  // The ID is chosen here, because the errors below name it.
  start_options chosen = options;
  chosen.instance_id = instance_id_of(options);
  const std::string& id = chosen.instance_id;
  // The time-out covers the whole call, so the second request gets only the
  // time that remains after the first request.
  const auto began = steady_clock::now();
  const async_client core = waiting_core();
  const milliseconds time_out
    = std::min(options.time_out.value(), options_.deadline.value());
  const auto started = wait_for_result<started_instance>(
    core, id, effect_of_call::change, time_out,
    [&](const async_client& each, async_client::started_callback done) {
      return each.start(name, std::move(input), chosen, std::move(done));
    });
  if (started.code() == errc::unknown_outcome)
    return error{errc::unknown_outcome,
                 "It is unknown whether the start of \"" + id
                   + "\" is durable; ask for its status, or repeat it with "
                     "the same request_id."};
  if (!started)
    return started.error();
  // A scheduled instance may begin to run much later, so its call returns as
  // soon as the start is durable.
  const bool scheduled = options.scheduled_at != timestamp{};
  if (!options.until_running || started->has_run || scheduled)
    return id;
  if (auto running = wait_until_begun(core, id, began, time_out); !running)
    return running.error();
  return id;
}

result<started_instance> orchestration_client::start_or_raise_json(
  std::string_view name, std::string_view instance_id,
  std::string_view event_name, std::string input, std::string data,
  const start_options& options) {
  const auto began = steady_clock::now();
  const async_client core = waiting_core();
  const milliseconds time_out
    = std::min(options.time_out.value(), options_.deadline.value());
  auto started = wait_for_result<started_instance>(
    core, instance_id, effect_of_call::change, time_out,
    [&](const async_client& each, async_client::started_callback done) {
      return each.start_or_raise(name, instance_id, event_name,
                                 std::move(input), std::move(data), options,
                                 std::move(done));
    });
  // The instance that was live already may be a scheduled one.
  if (!started || !started->is_new || !options.until_running
      || started->has_run)
    return started;
  if (auto running
      = wait_until_begun(core, started->instance_id, began, time_out);
      !running)
    return running.error();
  started->has_run = true;
  return started;
}

result<std::string>
orchestration_client::start_new(std::string_view name, json_text&& input,
                                const start_options& options) {
  auto text = text_of(std::move(input));
  if (!text)
    return text.error();
  return start_json(name, std::move(*text), options);
}

result<std::string> orchestration_client::start_new(start_binding binding) {
  start_options options;
  options.instance_id = std::move(binding.instance_id);
  return start_json(binding.function_name, std::move(binding.input).text(),
                    options);
}

// --- Queries ----------------------------------------------------------------

result<std::optional<orchestration_status>>
orchestration_client::get_status(std::string_view instance_id,
                                 const status_options& options) {
  auto status = wait_for_result<orchestration_status>(
    waiting_core(), instance_id, effect_of_call::none,
    options_.deadline.value(),
    [&](const async_client& each, async_client::status_callback done) {
      return each.get_status(instance_id, options, std::move(done));
    });
  return absent_as_empty(std::move(status));
}

result<std::optional<instance_description>>
orchestration_client::describe(std::string_view instance_id) {
  return absent_as_empty(wait_for_result<instance_description>(
    waiting_core(), instance_id, effect_of_call::none,
    options_.deadline.value(),
    [&](const async_client& each, async_client::description_callback done) {
      return each.describe(instance_id, std::move(done));
    }));
}

result<status_page>
orchestration_client::list_instances(const instance_filter& filter,
                                     const std::string& token) {
  if (auto ok = check_filter(filter); !ok)
    return ok.error();
  if (auto ok = check_time_out(options_.deadline); !ok)
    return ok.error();
  // The query includes all durable turns, so the page shows every change that
  // was acknowledged before the call.
  auto page = gateway()->query(to_query(filter, token), options_.deadline);
  if (!page)
    return page.error();
  // In seed-compatible mode an instance has no status before its first turn, so
  // pending rows are skipped; the page may then have fewer than `top` rows.
  status_page out;
  out.continuation_token = std::move(page->token);
  out.missing_partitions = std::move(page->missing);
  out.instances.reserve(page->rows.size());
  for (persistence::instance_row& row : page->rows) {
    if (gateway()->is_seed_compatible() && row.error.empty()
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
  if (auto ok = check_time_out(options_.deadline); !ok)
    return ok.error();
  auto counted = gateway()->count(false, options_.deadline);
  if (!counted)
    return counted.error();
  return counted->counts;
}

result<counted_instances> orchestration_client::count_reachable_instances() {
  if (auto ok = check_time_out(options_.deadline); !ok)
    return ok.error();
  auto counted = gateway()->count(true, options_.deadline);
  if (!counted)
    return counted.error();
  return counted_instances{counted->counts, std::move(counted->missing)};
}

// --- Control ----------------------------------------------------------------

result<void> orchestration_client::raise_event_json(
  std::string_view instance_id, std::string_view event_name, std::string data,
  const std::string& request_id) {
  return wait_for_result<void>(
    waiting_core(), instance_id, effect_of_call::change,
    options_.deadline.value(),
    [&](const async_client& each, async_client::done_callback done) {
      return each.raise_event(instance_id, event_name, std::move(data),
                              request_id, std::move(done));
    });
}

result<void> orchestration_client::terminate(std::string_view instance_id,
                                             std::string_view reason,
                                             bool recursive,
                                             const std::string& request_id) {
  return wait_for_control(waiting_core(), operation::terminate, instance_id,
                          reason, recursive, request_id, options_.deadline);
}

result<void> orchestration_client::suspend(std::string_view instance_id,
                                           std::string_view reason,
                                           const std::string& request_id) {
  return wait_for_control(waiting_core(), operation::suspend, instance_id,
                          reason, false, request_id, options_.deadline);
}

result<void> orchestration_client::resume(std::string_view instance_id,
                                          std::string_view reason,
                                          const std::string& request_id) {
  return wait_for_control(waiting_core(), operation::resume, instance_id,
                          reason, false, request_id, options_.deadline);
}

result<void> orchestration_client::rewind(std::string_view instance_id,
                                          std::string_view reason,
                                          const std::string& request_id) {
  return wait_for_control(waiting_core(), operation::rewind, instance_id,
                          reason, false, request_id, options_.deadline);
}

result<void> orchestration_client::release(std::string_view instance_id,
                                           const std::string& request_id) {
  return wait_for_control(waiting_core(), operation::release, instance_id, {},
                          false, request_id, options_.deadline);
}

result<void> orchestration_client::pause_orchestrator(std::string_view name,
                                                      std::string_view reason) {
  return wait_for_result<void>(
    waiting_core(), name, effect_of_call::change, options_.deadline.value(),
    [&](const async_client& each, async_client::done_callback done) {
      return each.pause_orchestrator(name, true, reason, std::move(done));
    });
}

result<void>
orchestration_client::unpause_orchestrator(std::string_view name,
                                           std::string_view reason) {
  return wait_for_result<void>(
    waiting_core(), name, effect_of_call::change, options_.deadline.value(),
    [&](const async_client& each, async_client::done_callback done) {
      return each.pause_orchestrator(name, false, reason, std::move(done));
    });
}

result<std::string>
orchestration_client::restart(std::string_view instance_id,
                              bool new_instance_id,
                              const std::string& request_id) {
  // The deadline covers all requests of the call.
  const auto began = steady_clock::now();
  start_options options;
  options.is_restart = true;
  // The restart returns when the start is durable.
  options.until_running = false;
  options.request_id = request_id;
  if (!new_instance_id)
    options.instance_id = instance_id;
  else if (!request_id.empty())
    // A repeat must find the new instance of the first request.
    options.instance_id = persistence::hash_hex32(
      "restart/" + std::string(instance_id) + '/' + request_id);
  // Sends two requests; the instance may change between them. `start_json`
  // refuses the start if the ID is kept and the instance is live.
  auto status = get_status(instance_id);
  if (!status)
    return status.error();
  const milliseconds left = time_left(began, options_.deadline.value());
  if (left <= milliseconds(0))
    return error{errc::timed_out,
                 "The status of \"" + std::string(instance_id)
                   + "\" was not read within "
                   + std::to_string(options_.deadline.value().count())
                   + " ms; nothing was started."};
  options.time_out = left;
  if (!*status) {
    // A repeat gets the first answer, although the old instance is gone. A new
    // request is refused, because no orchestrator has an empty name.
    if (!request_id.empty())
      if (auto repeated = start_json("", "null", options);
          repeated.code() != errc::unknown_orchestrator)
        return repeated;
    return error{errc::not_found, "There is no instance \""
                                    + std::string(instance_id)
                                    + "\" to start again."};
  }
  options.version = (*status)->version;
  return start_json((*status)->name, std::move((*status)->input), options);
}

result<void> orchestration_client::purge(std::string_view instance_id,
                                         const std::string& request_id) {
  return wait_for_control(waiting_core(), operation::purge, instance_id, {},
                          false, request_id, options_.deadline);
}

result<void>
orchestration_client::purge_by_force(std::string_view instance_id,
                                     const std::string& request_id) {
  return wait_for_control(waiting_core(), operation::purge_by_force,
                          instance_id, {}, false, request_id,
                          options_.deadline);
}

result<std::size_t>
orchestration_client::purge_all(const instance_filter& filter,
                                std::stop_token stop, std::size_t most) {
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
                         runtime_status::terminated, runtime_status::canceled};
  // Purges one instance after the other. The owner refuses to purge a live
  // instance, so an instance that has been started again under the same ID
  // after the query is not deleted.
  std::size_t purged = 0;
  std::optional<error> failed;
  auto walked = for_each_instance(
    finished,
    [&](const orchestration_status& status) {
      if (!status.error.empty())
        return true; // It is not known whether the filter applies to it.
      auto done = purge(status.instance_id);
      if (done)
        ++purged;
      // errc::not_found and errc::not_finished mean that the instance was
      // purged or started again after the query. The loop then continues with
      // the next instance.
      else if (done.code() != errc::not_found
               && done.code() != errc::not_finished)
        failed = done.error();
      return !failed && purged < most && !stop.stop_requested();
    },
    stop);
  if (failed)
    return *failed;
  if (!walked)
    return walked.error();
  return purged;
}

namespace {

// A wait whose time is over asks for the reason of a hold at most this long.
constexpr std::chrono::milliseconds held_time_max{250};

/// Why the instance is held; empty if it is not, or if that is not known soon.
std::string held_text(const async_client& core, std::string_view instance_id) {
  auto status = wait_for_result<orchestration_status>(
    core, instance_id, effect_of_call::none, held_time_max,
    [&](const async_client& each, async_client::status_callback done) {
      return each.get_status(instance_id, {.show_input = false},
                             std::move(done));
    });
  return status ? std::move(status->held) : std::string();
}

} // namespace

// --- Waiting ----------------------------------------------------------------

result<orchestration_status>
orchestration_client::wait_for_completion(std::string_view instance_id,
                                          wait_time time_out) {
  auto ended = wait_for_result<orchestration_status>(
    waiting_core(), instance_id, effect_of_call::none, time_out.value(),
    [&](const async_client& each, async_client::status_callback done) {
      return each.wait_until_ended(instance_id, std::move(done));
    });
  if (ended.code() != errc::timed_out)
    return ended;
  std::string text
    = "Instance \"" + std::string(instance_id) + "\" did not end within "
      + std::to_string(time_out.count()) + " ms; the instance is still live.";
  if (const std::string held = held_text(waiting_core(), instance_id);
      !held.empty())
    text += " It is held: " + held + ".";
  return error{errc::timed_out, std::move(text)};
}

result<completion_or_check_status>
orchestration_client::wait_for_completion_or_create_check_status(
  std::string_view instance_id, wait_time time_out, wait_time retry_interval) {
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
  return gateway()->payload_of(std::string(instance_id));
}

// --- Calls that do not block ------------------------------------------------

void orchestration_client::start_async(std::string_view name, std::string input,
                                       const start_options& options,
                                       started_callback done) {
  core_.start(name, std::move(input), options,
              [done = std::move(done)](result<started_instance> started) {
                if (started)
                  done(std::move(started->instance_id));
                else
                  done(started.error());
              });
}

void orchestration_client::get_status_async(std::string_view instance_id,
                                            const status_options& options,
                                            status_callback done) {
  waiting_core().get_status(instance_id, options, std::move(done));
}

std::uint64_t orchestration_client::wait_async(std::string_view instance_id,
                                               status_callback done) {
  return core_.wait_until_ended(instance_id, std::move(done));
}

void orchestration_client::cancel_wait(std::uint64_t number) {
  core_.cancel(number);
}

void orchestration_client::raise_event_async(std::string_view instance_id,
                                             std::string_view event_name,
                                             std::string data,
                                             const std::string& request_id,
                                             done_callback done) {
  core_.raise_event(instance_id, event_name, std::move(data), request_id,
                    std::move(done));
}

void orchestration_client::control_async(
  operation kind, std::string_view instance_id, std::string_view reason,
  bool recursive, const std::string& request_id, done_callback done) {
  core_.control(kind, instance_id, reason, recursive, request_id,
                std::move(done));
}

} // namespace perdura::client
