// SPDX-License-Identifier: Apache-2.0
/// One search for expired instances: finds them page by page and submits their
/// purges, a bounded number at a time.
///
/// Uses no CAF, thread or clock. Not thread-safe.
#pragma once

#include "cluster/node/retention_rules.hpp"
#include "persistence/views/queries.hpp"

#include <chrono>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace perdura::cluster {

/// Maximum number of purges of a search that have been submitted and not
/// answered. The limit keeps the memory and the work of the partitions bounded
/// after a long stop, when many instances have expired.
inline constexpr std::size_t purges_in_flight_max = 256;

/// An ended instance whose activities have not all ended is purged only this
/// long after its end, so that an activity that never ends does not keep its
/// instance for ever.
inline constexpr std::chrono::hours orphan_task_max{24};

/// Returns one page of the instances that this node owns; blocks. Each node
/// purges only its own instances.
using local_instance_query
  = std::function<persistence::result<persistence::instance_page>(
    const persistence::instance_query&)>;

class purge_search {
public:
  /// Submits the purge of an instance; `force` as in purge_instance.
  using purge_function
    = std::function<void(const persistence::instance_id&, bool force)>;

  /// The answer of each purge that is submitted, whether a success or not, is
  /// reported by `receive_answer`. `rules` must outlive the search.
  purge_search(const retention_rules& rules, local_instance_query query,
               purge_function submit);

  /// Begins a search for the instances that have expired at `now`. Only valid
  /// if the search is not running.
  void begin(persistence::timestamp now);

  /// A purge was answered. A purge that failed is repeated by the next search.
  void receive_answer();

  /// True from `begin` until all purges have been answered.
  bool is_running() const {
    return !queries_.empty() || !rows_.empty() || in_flight_ > 0;
  }

  /// Number of purges that this search has submitted.
  std::size_t submitted() const {
    return submitted_;
  }

private:
  void add_query(const std::string& name, persistence::timestamp ended_before);
  void advance();
  void load_page();

  const retention_rules& rules_;
  local_instance_query query_;
  purge_function submit_;
  persistence::timestamp now_{}; ///< The time of the search.
  /// The queries that are not finished; the front is at its next page.
  std::deque<persistence::instance_query> queries_;

  struct found {
    persistence::instance_id id;
    bool force = false;
  };

  std::deque<found> rows_; ///< Found, not submitted.
  std::size_t in_flight_ = 0;
  std::size_t submitted_ = 0;
  bool advances_ = false; ///< Set while `advance` runs.
};

} // namespace perdura::cluster
