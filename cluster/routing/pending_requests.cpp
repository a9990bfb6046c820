// SPDX-License-Identifier: Apache-2.0
#include "cluster/routing/pending_requests.hpp"

#include "persistence/process/guarded_call.hpp"

#include <algorithm>
#include <new>
#include <utility>
#include <vector>

namespace perdura::cluster {

namespace {

/// Callbacks that are nested more deeply than this are postponed.
constexpr std::size_t nested_callbacks_max = 16;

struct postponed_callback {
  actors::instance_id id;
  actors::management_gateway::callback done;
  actors::management_answer answer;
};

/// The callbacks of one thread.
struct running_callbacks {
  std::size_t depth = 0; ///< Callbacks that have begun and not ended.
  std::vector<postponed_callback> postponed;
};

thread_local running_callbacks callbacks_here;

/// Without memory, the callback is called at once, however deep it is nested.
bool can_hold_one_more(std::vector<postponed_callback>& list) noexcept {
  if (list.size() < list.capacity())
    return true;
  try {
    list.reserve(std::max<std::size_t>(4, 2 * list.size()));
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

void call_guarded(const actors::instance_id& id,
                  actors::management_gateway::callback done,
                  actors::management_answer answer) noexcept {
  persistence::guarded_call(
    persistence::log_channel::cluster,
    [&] {
      return "The callback of a request for instance \"" + id
             + "\", which was answered,";
    },
    [&] { done(std::move(answer)); });
}

/// Without memory for the sentence, the answer has the code alone.
actors::management_answer answer_of(const actors::instance_id& id,
                                    const persistence::error& why) noexcept {
  actors::management_answer answer;
  answer.code = why.code;
  try {
    answer.message = why.message;
    answer.id = id;
  } catch (const std::bad_alloc&) {
    answer.message.clear();
  }
  return answer;
}

} // namespace

void call_back(actors::instance_id id,
               actors::management_gateway::callback done,
               actors::management_answer answer) noexcept {
  running_callbacks& here = callbacks_here;
  if (here.depth >= nested_callbacks_max && can_hold_one_more(here.postponed)) {
    here.postponed.push_back(
      {std::move(id), std::move(done), std::move(answer)});
    return;
  }
  ++here.depth;
  call_guarded(id, std::move(done), std::move(answer));
  // Only the innermost frame makes the postponed calls. They may postpone
  // further ones.
  if (here.depth == nested_callbacks_max)
    while (!here.postponed.empty())
      for (postponed_callback& one : std::exchange(here.postponed, {}))
        call_guarded(one.id, std::move(one.done), std::move(one.answer));
  --here.depth;
}

// The callback of an entry is called only after the entry has been removed
// under the mutex of its shard. An answer, a cancellation and `close` may
// therefore compete for one request, and exactly one of them calls the
// callback.
std::uint64_t pending_requests::add(actors::instance_id id, callback done,
                                    send_or_cancel_ptr token) {
  const std::uint64_t number = next_.fetch_add(1, std::memory_order_relaxed);
  shard& part = shard_of(number);
  {
    const std::lock_guard lock(part.mutex);
    if (!part.closed) {
      part.entries.emplace(
        number, entry{std::move(id), std::move(done), std::move(token)});
      return number;
    }
  }
  actors::management_answer refused = answer_of(id, closed_with_);
  call_back(std::move(id), std::move(done), std::move(refused));
  return 0;
}

std::optional<pending_requests::entry>
pending_requests::remove(std::uint64_t number) {
  shard& part = shard_of(number);
  std::unique_lock lock(part.mutex);
  auto node = part.entries.extract(number);
  lock.unlock(); // the node is freed without the lock
  if (node.empty())
    return std::nullopt;
  return std::move(node.mapped());
}

void pending_requests::answer(actors::reply_to to,
                              actors::management_answer answer) noexcept {
  if (auto answered = remove(to.correlation))
    call_back(std::move(answered->id), std::move(answered->done),
              std::move(answer));
}

// A request that is added during the call either is in a shard that is not
// closed yet, and is answered here, or is refused by `add`.
void pending_requests::close(const std::string& why, persistence::errc code) {
  {
    const std::lock_guard closing(close_mutex_);
    if (closed_)
      return;
    closed_with_ = {code, why};
    closed_ = true;
  }
  for (shard& part : shards_) {
    std::unordered_map<std::uint64_t, entry> left;
    {
      const std::lock_guard lock(part.mutex);
      part.closed = true;
      left.swap(part.entries);
    }
    for (auto& [number, one] : left) {
      actors::management_answer refused = answer_of(one.id, closed_with_);
      call_back(std::move(one.id), std::move(one.done), std::move(refused));
    }
  }
}

persistence::result<void> pending_requests::check_open() const {
  const std::lock_guard lock(close_mutex_);
  if (closed_)
    return closed_with_;
  return {};
}

} // namespace perdura::cluster
