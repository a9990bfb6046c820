// SPDX-License-Identifier: Apache-2.0
/// The durable log of turns and the tables derived from it, as their owner
/// sees them. A node owns the LMDB implementation; tests and the simulation own
/// the in-memory implementation. All other code uses one of the roles.
#pragma once

#include "persistence/journal/journal_statistics.hpp"
#include "persistence/journal/query_source.hpp"
#include "persistence/journal/state_reader.hpp"
#include "persistence/journal/turn_log.hpp"

namespace perdura::persistence {

/// The journal of one hub: the three roles, which see the same durable turns,
/// and the functions that only the owner calls.
class journal : public turn_log, public state_reader, public query_source {
public:
  /// Identity of the hub that the journal stores; constant while it is open.
  virtual const hub_identity& hub() const = 0;

  /// The counters since the journal was opened, summed over its lanes.
  virtual journal_statistics statistics() const = 0;

  /// Commits all queued turns, flushes the views and ends the threads of the
  /// journal. No function of any role may be called afterwards; a second
  /// `close` does nothing.
  virtual void close() = 0;
};

} // namespace perdura::persistence
