// SPDX-License-Identifier: Apache-2.0
/// Rules of a partition that concern many instances: orchestrators that are
/// paused by name, and trees of sub-orchestrations that were terminated. Each
/// partition stores its own copy and learns of changes through the outbox.
///
/// Since format 3. New fields are appended, existing ones keep their order.
#pragma once

#include "persistence/records/ids.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace perdura::persistence {

/// The place of an instance in a tree of sub-orchestrations. An instance keeps
/// it when it continues as new.
struct tree_place {
  /// The instance at the top of the tree. Empty if the instance has no parent,
  /// or was started by a program that did not record the place.
  instance_id root;
  /// When the start of the root was accepted. With the ID it names one root:
  /// an instance that is started again under the ID has another time.
  timestamp root_created_at{};
  std::uint32_t depth = 0; ///< Number of ancestors.
  /// `tree_key` of each ancestor below the root, from the top down. An ancestor
  /// that is not known, because a program of format 2 has started it, is 0; so
  /// is each one that is missing at the end. Since format 3.
  std::vector<std::uint64_t> path;

  bool operator==(const tree_place&) const = default;
};

template <class I>
auto inspect(I& f, tree_place& x) {
  return f(x.root, x.root_created_at, x.depth, x.path);
}

/// One instance of a tree, together with everything below it.
struct tree_top {
  instance_id root;            ///< The root of the tree.
  timestamp root_created_at{}; ///< See tree_place.
  std::uint32_t depth = 0;     ///< Depth of the instance; 0 for the root.
  std::uint64_t key = 0;       ///< Its `tree_key`; 0 for the root.

  bool operator==(const tree_top&) const = default;
};

template <class I>
auto inspect(I& f, tree_top& x) {
  return f(x.root, x.root_created_at, x.depth, x.key);
}

/// An orchestrator is paused, or runs again: no turn of an instance of that
/// name begins while it is paused.
struct name_pause {
  std::string name;
  bool is_paused = false;
  /// When it was requested. The later one of two requests for one name holds,
  /// so partitions that receive them in another order agree.
  timestamp since{};
  std::string reason; ///< Plain text of the request; may be empty.

  bool operator==(const name_pause&) const = default;
};

template <class I>
auto inspect(I& f, name_pause& x) {
  return f(x.name, x.is_paused, x.since, x.reason);
}

/// A tree that was terminated. The partition terminates all instances below
/// `top`, and refuses to start further ones.
struct ended_tree {
  tree_top top;
  partition_id home{}; ///< The partition of the instance `top`.
  std::string reason;  ///< Plain text; the output of the instances.
  timestamp since{};
  /// Nothing below `top` runs in this partition, and no message that could
  /// start anything is on its way from here; `home` has been notified.
  bool is_reported = false;
  /// At `home` only: the partitions that have not reported yet.
  std::vector<std::uint32_t> waits_for;

  bool operator==(const ended_tree&) const = default;
};

template <class I>
auto inspect(I& f, ended_tree& x) {
  return f(x.top, x.home, x.reason, x.since, x.is_reported, x.waits_for);
}

/// A tree that every partition has reported. Nothing can start below it any
/// more, so the rule is removed.
struct forgotten_tree {
  tree_top top;

  bool operator==(const forgotten_tree&) const = default;
};

template <class I>
auto inspect(I& f, forgotten_tree& x) {
  return f(x.top);
}

/// A change of the rules. The index of a type is stored on disk: append, never
/// reorder.
using rule_change = std::variant<name_pause, ended_tree, forgotten_tree>;

/// Reports to `home` that nothing of the tree is left in the sender.
struct tree_left {
  tree_top top;

  bool operator==(const tree_left&) const = default;
};

template <class I>
auto inspect(I& f, tree_left& x) {
  return f(x.top);
}

/// A message to another partition about a rule. In an `ended_tree` only `top`
/// and `reason` are used; the sender is its home.
struct rule_notice {
  std::variant<name_pause, ended_tree, forgotten_tree, tree_left> what;

  bool operator==(const rule_notice&) const = default;
};

template <class I>
auto inspect(I& f, rule_notice& x) {
  return f(x.what);
}

/// All rules of a partition.
struct partition_rules {
  /// In order of name. An orchestrator that runs again keeps its entry, as far
  /// as `name_pauses_kept_max` permits.
  std::vector<name_pause> pauses;
  std::vector<ended_tree> trees; ///< In order of arrival.

  bool operator==(const partition_rules&) const = default;
};

template <class I>
auto inspect(I& f, partition_rules& x) {
  return f(x.pauses, x.trees);
}

/// Maximum number of orchestrators that are paused at the same time.
inline constexpr std::size_t paused_names_max = 256;

/// Entries of `partition_rules::pauses` beyond which those that run again are
/// dropped, the oldest first.
inline constexpr std::size_t name_pauses_kept_max = 2 * paused_names_max;

/// Maximum number of trees of one partition that are being terminated at the
/// same time.
inline constexpr std::size_t ended_trees_max = 64;

// All functions below are pure and thread-safe.

/// Applies a change. Applying the same changes again, in order, has the same
/// result.
void apply(partition_rules& rules, const rule_change& change);

/// True if the rule holds instead of the known one for the same name: the later
/// one, or of two of the same time the one that pauses.
bool replaces(const name_pause& rule, const name_pause& known);

/// Identifies an instance within its tree; never 0.
std::uint64_t tree_key(const instance_id& id, timestamp created_at);

/// The rule for the name; null if there is none.
const name_pause* find_pause(const partition_rules& rules,
                             std::string_view name);

/// True if no turn of an orchestrator of that name may begin.
bool is_paused(const partition_rules& rules, std::string_view name);

/// True if an instance with that place is below `top`.
bool is_below(const tree_place& place, const tree_top& top);

/// The terminated tree with that top; null if there is none.
const ended_tree* find_tree(const partition_rules& rules, const tree_top& top);

/// The terminated tree that an instance with that place belongs to; null if
/// there is none.
const ended_tree* find_tree_above(const partition_rules& rules,
                                  const tree_place& place);

} // namespace perdura::persistence
