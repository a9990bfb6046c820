// SPDX-License-Identifier: Apache-2.0
/// Makes the calls of the client API that block from those of `async_client`.
/// All functions are thread-safe.
#pragma once

#include "client/api/request_checks.hpp"
#include <perdura/client/api/async_client.hpp>
#include <perdura/persistence/records/time_arithmetic.hpp>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace perdura::client {

/// Whether a call may change the instance. It decides what a time-out means.
enum class effect_of_call : std::uint8_t { none, change };

/// Makes a call of the core and blocks for its result. The thread on which the
/// answer arrives only stores it and notifies this thread, which makes the
/// result. A negative time-out is refused. When the time-out has elapsed, the
/// call is cancelled, and the error is errc::unavailable if the request was
/// never sent, errc::timed_out for a read, and errc::unknown_outcome for a
/// change.
/// @param call  Receives a core and a callback. Makes the call with both and
///              returns its number.
template <class T, class Call>
result<T> wait_for_result(const async_client& core,
                          std::string_view instance_id, effect_of_call effect,
                          std::chrono::milliseconds time_out, Call call) {
  if (auto ok = check_time_out(time_out); !ok)
    return ok.error();
  // The executor shares the promise with this function, which may return while
  // the executor is still inside `set_value`.
  auto promise = std::make_shared<std::promise<std::function<void()>>>();
  auto answered = promise->get_future();
  std::optional<result<T>> received;
  const std::uint64_t number
    = call(core.on([promise](std::function<void()> make_result) {
        promise->set_value(std::move(make_result));
      }),
           [&received](result<T> made) { received = std::move(made); });
  const bool is_late = answered.wait_for(persistence::bounded_wait(time_out))
                       == std::future_status::timeout;
  // The answer is then the one that the cancellation causes, or one that
  // arrived just before the cancellation.
  if (is_late)
    core.cancel(number);
  answered.get()(); // sets `received`
  if (!is_late || received->code() != errc::cancelled)
    return std::move(*received);
  const bool may_be_done = effect == effect_of_call::change;
  return error{may_be_done ? errc::unknown_outcome : errc::timed_out,
               "There was no answer for \"" + std::string(instance_id)
                 + "\" within " + std::to_string(time_out.count()) + " ms"
                 + (may_be_done
                      ? ". The operation may have been done or not; a repeat "
                        "with the same request_id is safe."
                      : ".")};
}

} // namespace perdura::client
