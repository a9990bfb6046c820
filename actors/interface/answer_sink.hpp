// SPDX-License-Identifier: Apache-2.0
/// The destination of answers to the management requests of this process.
#pragma once

#include "actors/interface/management.hpp"

namespace perdura::actors {

/// Accepts answers. Thread-safe: partitions and the router call it on their own
/// threads, so no message to another actor is needed for an answer.
class answer_sink {
public:
  virtual ~answer_sink() = default;

  /// Accepts the answer to the request `to.correlation`. An answer is ignored
  /// if the request was answered or cancelled before. Does not block, unless
  /// the callback of the request blocks, which it must not.
  virtual void answer(reply_to to, management_answer answer) noexcept = 0;
};

} // namespace perdura::actors
