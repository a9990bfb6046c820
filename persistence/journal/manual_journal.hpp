// SPDX-License-Identifier: Apache-2.0
/// A journal that commits and flushes only when the caller asks for it. Tests
/// run the same cases with it on the in-memory implementation and on LMDB,
/// without threads.
#pragma once

#include "persistence/journal/journal.hpp"

namespace perdura::persistence {

/// Adds manual control to `journal`. Both implementations derive from it; the
/// functions are meant for a journal that was opened in manual mode, where no
/// thread commits or flushes by itself.
class manual_journal : public journal {
public:
  /// Commits all turns that are queued now, normally in one commit for each
  /// lane, and calls the listeners on the calling thread. A lane without
  /// queued turns makes no commit.
  /// @return The number of turns committed.
  virtual std::size_t commit() = 0;

  /// Flushes all durable turns to the views. If `trim` is true, also deletes
  /// all journal records whose turns the views contain. If `trim` is false,
  /// later commits delete these records, a bounded number in each commit.
  virtual void flush_views(bool trim) = 0;

  /// True once the crash hook has returned true. The journal writes nothing
  /// any more.
  virtual bool crashed() const = 0;
};

} // namespace perdura::persistence
