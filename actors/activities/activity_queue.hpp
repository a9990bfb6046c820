// SPDX-License-Identifier: Apache-2.0
/// The activities of a node that wait for a worker, indexed by name, so that
/// the cost of an assignment does not depend on the number of queued items.
///
/// An item is *startable* if the limit of its name allows one more run. Among
/// the startable items, the one that was queued first is taken first.
///
/// Not thread-safe: the activity_pool protects it by its mutex.
#pragma once

#include "actors/interface/work_item.hpp"
#include "persistence/records/clock.hpp"

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

namespace perdura::actors {

using persistence::boot_time;

class activity_queue {
public:
  /// Returns how many activities of the name may run at the same time; 0 means
  /// any number. Empty if no activity has the name: its items are never
  /// startable, and leave the queue only by `pop_expired`,
  /// `remove` and `clear`. It is called once for each name that is in
  /// use.
  using limit_of
    = std::function<std::optional<std::size_t>(const std::string& name)>;

  /// Inputs of queued items are kept in memory up to `input_bytes_max` bytes.
  explicit activity_queue(limit_of limit,
                          std::size_t input_bytes_max = std::size_t(-1));

  /// Queues an item. Beyond the bound of the inputs, its input is dropped if
  /// its history event is known (see activity_work_item::input_is_stored),
  /// except a short one, which takes no memory of its own. `start_by` is the
  /// time at which it must have been taken; empty means no limit.
  void push(activity_work_item item, std::optional<boot_time> start_by);

  /// Removes the first startable item; it counts against the limit of its name
  /// until `end_run`. Empty if no item is startable.
  std::optional<activity_work_item> pop_startable();

  /// An item that `pop_startable` returned does not run any more.
  void end_run(const std::string& name);

  /// As `end_run`, for an item that has not begun to run: it is queued again,
  /// in front of all others, without a limit until its start.
  void put_back(activity_work_item item);

  /// Removes and returns the items that had to be taken at `now` or earlier.
  std::vector<activity_work_item> pop_expired(boot_time now);

  /// Removes the items of an execution; with `only_unknown`, those that are
  /// never startable.
  void remove(const instance_id& instance, const execution_id& execution,
              bool only_unknown);

  /// The earliest time at which a queued item must have been taken.
  std::optional<boot_time> next_start_by() const;

  /// Number of items that `pop_startable` could return one after the other.
  std::size_t startable() const {
    return startable_;
  }

  /// Number of queued items.
  std::size_t size() const {
    return size_;
  }

  /// Size of the inputs of the queued items in memory.
  std::size_t input_bytes() const {
    return input_bytes_;
  }

  /// Number of queued items whose inputs are not in memory.
  std::size_t stored_inputs() const {
    return stored_inputs_;
  }

  /// The queued items of the instance whose inputs are not in memory. Valid
  /// until the next call of another function.
  std::vector<activity_work_item*> stored_inputs_of(const instance_id& id);

  /// Gives an item of `stored_inputs_of` its input again.
  void put_input(activity_work_item& item, std::string input);

  /// The names with queued items, and how many each has.
  std::vector<std::pair<std::string, std::size_t>> queued_by_name() const;

  void clear();

private:
  struct queued {
    std::uint64_t number = 0; ///< Numbers the items in order of arrival.
    activity_work_item item;
    std::optional<boot_time> start_by;
    bool expired = false; ///< Removed; the entry leaves with its neighbours.
  };

  /// The items of one name, in order of arrival. The first is not expired.
  struct named {
    bool is_known = true;        ///< An activity has the name.
    std::size_t running_max = 0; ///< 0 means no limit.
    std::size_t running = 0;
    std::deque<queued> items;
    std::size_t waiting = 0;   ///< Items that are not expired.
    std::size_t startable = 0; ///< Its part of `startable_`.
    std::uint64_t ready = 0;   ///< Its number in `ready_`; 0: it is not there.
  };

  named& queue_of(const std::string& name);
  void expire(named& queue, queued& one);
  void update(named& queue);
  void forget_if_unused(const std::string& name);
  void drop_input_if_full(activity_work_item& item) const;
  void count_in(const activity_work_item& item);
  void count_out(const activity_work_item& item);

  limit_of limit_;
  const std::size_t input_bytes_max_;
  std::unordered_map<std::string, named> by_name_;
  /// The number of the first item of each name with a startable item.
  std::map<std::uint64_t, named*> ready_;
  /// Time, number and name of the items with a limit until their start.
  std::set<std::tuple<boot_time, std::uint64_t, named*>> deadlines_;
  // Items are numbered from the middle of the range: upwards in `push`,
  // downwards in `put_back`.
  static constexpr std::uint64_t number_first = std::uint64_t{1} << 62U;
  std::uint64_t last_number_ = number_first;
  std::uint64_t front_number_ = number_first;
  std::size_t size_ = 0;
  std::size_t startable_ = 0;
  std::size_t input_bytes_ = 0;
  std::size_t stored_inputs_ = 0;
  std::size_t unknown_ = 0; ///< Items that are never startable.
};

} // namespace perdura::actors
