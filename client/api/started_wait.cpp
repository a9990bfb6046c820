// SPDX-License-Identifier: Apache-2.0
#include "client/api/started_wait.hpp"

#include "persistence/process/guarded_call.hpp"

#include <new>
#include <utility>

namespace perdura::client {

started_wait::started_wait(async_client client, std::string instance_id,
                           async_client::started_wait_callback started,
                           async_client::status_callback ended)
  : client_(std::move(client)),
    instance_id_(std::move(instance_id)),
    started_(std::move(started)),
    ended_(std::move(ended)) {}

// No callback is called while the lock is held.
void started_wait::on_started(result<started_instance> answer) {
  const bool ok = static_cast<bool>(answer);
  // If the callback throws, the wait goes on: its callback is called too.
  persistence::guarded_call(
    persistence::log_channel::client,
    [&] { return "A callback for instance \"" + instance_id_ + '"'; },
    [&] {
      std::exchange(started_, nullptr)(std::move(answer), shared_from_this());
    });
  std::optional<result<orchestration_status>> early;
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    phase_ = ok ? phase::waiting : phase::over;
    early = std::move(early_);
    number = number_;
  }
  if (!ok && number != 0)
    client_.cancel(number);
  else if (ok && early)
    on_ended(std::move(*early));
}

void started_wait::on_ended(result<orchestration_status> answer) {
  {
    const std::lock_guard lock(mutex_);
    if (phase_ == phase::over)
      return;
    if (phase_ == phase::starting) {
      early_ = std::move(answer);
      return;
    }
  }
  // If a start and its wait were sent again after a disconnection, the wait may
  // have reached the owner first.
  if (!answer && answer.code() == errc::not_found
      && !std::exchange(has_waited_again_, true)) {
    try {
      wait_again();
      return;
    } catch (const std::bad_alloc&) {
      // Without memory for another wait, this answer is the last one.
    }
  }
  {
    const std::lock_guard lock(mutex_);
    phase_ = phase::over;
  }
  std::exchange(ended_, nullptr)(std::move(answer));
}

void started_wait::wait_again() {
  set_number(client_.wait_until_ended(
    instance_id_,
    [self = shared_from_this()](result<orchestration_status> answer) {
      self->on_ended(std::move(answer));
    }));
}

void started_wait::set_number(std::uint64_t number) {
  bool is_over = false;
  {
    const std::lock_guard lock(mutex_);
    number_ = number;
    is_over = phase_ == phase::over;
  }
  if (is_over && number != 0)
    client_.cancel(number);
}

void started_wait::cancel() {
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    number = number_;
  }
  if (number != 0)
    client_.cancel(number);
}

} // namespace perdura::client
