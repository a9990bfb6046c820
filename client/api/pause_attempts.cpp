// SPDX-License-Identifier: Apache-2.0
#include "client/api/pause_attempts.hpp"

#include <map>
#include <string>
#include <utility>

namespace perdura::client {

namespace {

// The partitions of this many IDs belong to several nodes.
constexpr unsigned partitions_max = 16;

/// True if another partition may accept the request. A request that two
/// partitions accept has the effect of one.
bool may_help(persistence::errc code) {
  switch (code) {
  case persistence::errc::unavailable:
  case persistence::errc::overloaded:
  case persistence::errc::storage_damaged:
  case persistence::errc::unknown_outcome:
    return true;
  default:
    return false;
  }
}

/// The calls that are under way, by the gateway and the number that the caller
/// has. A gateway knows only the numbers of single requests.
struct call_register {
  std::mutex mutex;
  std::map<std::pair<const actors::management_gateway*, std::uint64_t>,
           std::weak_ptr<pause_attempts>>
    calls;
};

call_register& registered() {
  static call_register all;
  return all;
}

} // namespace

pause_attempts::pause_attempts(
  std::shared_ptr<actors::management_gateway> gateway,
  actors::pause_orchestrator request, answer_callback done)
  : gateway_(std::move(gateway)),
    request_(std::move(request)),
    done_(std::move(done)) {}

pause_attempts::~pause_attempts() {
  if (number_ == 0)
    return;
  const std::lock_guard lock(registered().mutex);
  registered().calls.erase({gateway_.get(), number_});
}

std::uint64_t pause_attempts::start() {
  const std::uint64_t number = send();
  if (number == 0)
    return 0;
  {
    const std::lock_guard lock(mutex_);
    number_ = number;
  }
  const std::lock_guard lock(registered().mutex);
  registered().calls[{gateway_.get(), number}] = weak_from_this();
  return number;
}

std::uint64_t pause_attempts::send() {
  auto next = request_;
  unsigned attempt = 0;
  {
    const std::lock_guard lock(mutex_);
    attempt = ++sent_;
    next.id = "@pause/" + std::to_string(attempt - 1);
  }
  const std::uint64_t number = gateway_->submit(
    std::move(next),
    [self = shared_from_this()](actors::management_answer answer) {
      self->on_answer(std::move(answer));
    });
  bool is_cancelled = false;
  {
    const std::lock_guard lock(mutex_);
    // The answer may have caused a later request before `submit` returned.
    if (attempt == sent_)
      under_way_ = number;
    is_cancelled = is_cancelled_;
  }
  if (is_cancelled && number != 0)
    gateway_->cancel(number);
  return number;
}

void pause_attempts::on_answer(actors::management_answer answer) {
  if (!sends_again(answer.code))
    done_(std::move(answer));
}

bool pause_attempts::sends_again(persistence::errc code) noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (!may_help(code) || is_cancelled_ || sent_ >= partitions_max)
      return false;
  }
  try {
    send();
    return true;
  } catch (...) {
    // Without memory for another attempt, this answer is the last one.
    return false;
  }
}

void pause_attempts::cancel() {
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    is_cancelled_ = true;
    number = under_way_;
  }
  if (number != 0)
    gateway_->cancel(number);
}

bool pause_attempts::cancel(const actors::management_gateway& gateway,
                            std::uint64_t number) {
  std::shared_ptr<pause_attempts> found;
  {
    const std::lock_guard lock(registered().mutex);
    const auto known = registered().calls.find({&gateway, number});
    if (known == registered().calls.end())
      return false;
    found = known->second.lock();
  }
  if (found)
    found->cancel();
  return found != nullptr;
}

} // namespace perdura::client
