// SPDX-License-Identifier: Apache-2.0
/// The requests of one gateway that wait for their answers.
#pragma once

#include "actors/interface/answer_sink.hpp"
#include "cluster/routing/send_or_cancel_token.hpp"
#include "persistence/records/error.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

namespace perdura::cluster {

/// Calls the callback of a request. If the callback throws, the exception is
/// logged with the instance and counted, and does not reach the caller.
///
/// A callback may submit another request that is answered at once, whose
/// callback submits another one, and so on. Such calls are nested up to a fixed
/// depth. A deeper one is made when the callbacks of this thread have returned
/// to that depth, so the stack stays small.
void call_back(actors::instance_id id,
               actors::management_gateway::callback done,
               actors::management_answer answer) noexcept;

/// The callbacks of the requests that are not answered yet, by request number.
/// Thread-safe. A callback is called without a lock, on the thread that brings
/// the answer: that of a partition, of the router, or of the caller of a
/// function below.
class pending_requests final : public actors::answer_sink {
public:
  using callback = actors::management_gateway::callback;

  /// Adds a request and returns its new number, never 0. After `close`, adds
  /// nothing, calls `done` with the error of `close` and returns 0.
  std::uint64_t add(actors::instance_id id, callback done,
                    send_or_cancel_ptr token = nullptr);

  /// A request that is not answered yet.
  struct entry {
    actors::instance_id id;
    callback done;

    /// Null if the request does not wait for the owner of its instance.
    send_or_cancel_ptr token;
  };

  /// Removes and returns an entry. Empty if the request was answered or
  /// cancelled before. The removal ensures that each callback is called only
  /// once.
  std::optional<entry> remove(std::uint64_t number);

  /// Calls the callback of the request. No entry is left for a request that was
  /// cancelled: its answer is dropped.
  void answer(actors::reply_to to,
              actors::management_answer answer) noexcept override;

  /// Answers all pending requests, and all later ones, with the code and the
  /// sentence `why`. A second call has no effect. Only the copy of `why` may
  /// throw: then nothing has changed.
  void close(const std::string& why,
             persistence::errc code = persistence::errc::shutting_down);

  /// @error the error of `close`, if it was called
  persistence::result<void> check_open() const;

private:
  /// A part of the requests. Callers and partitions use different shards most
  /// of the time, so they seldom wait for each other.
  struct alignas(64) shard {
    std::mutex mutex;
    bool closed = false;
    std::unordered_map<std::uint64_t, entry> entries;
  };

  static constexpr std::size_t shard_count = 16;

  shard& shard_of(std::uint64_t number) {
    return shards_[number % shard_count];
  }

  std::atomic<std::uint64_t> next_{1}; ///< The number of the next request.
  mutable std::mutex close_mutex_;     ///< Guards `closed_`.
  bool closed_ = false;                ///< `close` was called.

  /// The arguments of `close`. Written once, before the first shard is closed,
  /// so a thread that has seen a closed shard may read them without a lock.
  persistence::error closed_with_;
  std::array<shard, shard_count> shards_;
};

} // namespace perdura::cluster
