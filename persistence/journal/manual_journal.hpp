/// A journal whose commits a test drives by hand: one harness for the twin in
/// memory and for LMDB without threads.
#pragma once

#include "persistence/journal/journal.hpp"

namespace perdura::persistence {

class manual_journal : public journal {
public:
  /// Commits everything queued now, in one commit a lane, and calls the
  /// listeners on this thread; returns the number of turns. With nothing
  /// queued there is no commit.
  virtual std::size_t commit() = 0;

  /// Brings the views up to date. `trim` also drops the journal's prefix
  /// behind them at once, which otherwise rides along with later commits.
  virtual void flush_views(bool trim) = 0;

  /// The crash hook has struck: nothing is written any more.
  virtual bool crashed() const = 0;
};

} // namespace perdura::persistence
