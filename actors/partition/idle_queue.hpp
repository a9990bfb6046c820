// SPDX-License-Identifier: Apache-2.0
/// The order in which a partition examines its instances for eviction.
#pragma once

#include "persistence/records/time_scales.hpp"

#include <boost/intrusive/list.hpp>

namespace perdura::actors {

struct live_instance;

/// The place of one instance in an idle_queue, a member of the instance. It
/// leaves the queue when it is destroyed, so an instance that is removed from
/// memory needs no search in the queue, and no other class keeps its place.
struct idle_entry
  : boost::intrusive::list_base_hook<
      boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
  persistence::elapsed_time since{}; ///< From when the instance counts as idle.
  live_instance* instance = nullptr;
};

/// A queue of entries that it does not own; the front is examined first.
class idle_queue {
public:
  bool empty() const {
    return entries_.empty();
  }

  idle_entry& front() {
    return entries_.front();
  }

  const idle_entry& front() const {
    return entries_.front();
  }

  /// Appends the instance's entry; does nothing if it is in the queue already.
  void add(idle_entry& entry, live_instance& instance,
           persistence::elapsed_time since) {
    if (entry.is_linked())
      return;
    entry.since = since;
    entry.instance = &instance;
    entries_.push_back(entry);
  }

  /// Moves the front to the end, with a new time.
  void requeue_front(persistence::elapsed_time since) {
    idle_entry& first = entries_.front();
    first.since = since;
    entries_.splice(entries_.end(), entries_, entries_.begin());
  }

private:
  boost::intrusive::list<idle_entry,
                         boost::intrusive::constant_time_size<false>>
    entries_;
};

} // namespace perdura::actors
