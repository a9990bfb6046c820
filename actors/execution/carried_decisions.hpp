// SPDX-License-Identifier: Apache-2.0
/// The decisions of turns that a rewind has made void, until the code requests
/// them again.
#pragma once

#include "actors/execution/decision.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace perdura::actors {

using persistence::rewind_rule;

/// A turn that a rewind has made void. The pointers refer to the history.
struct void_turn {
  timestamp now{};
  elapsed_time elapsed{};
  std::vector<const history_event*> messages; ///< Without the void ones.
  std::vector<const history_event*> decisions;
};

/// The void turns that the turn after a rewind repeats.
struct rewound_turn {
  rewind_rule rule = rewind_rule::last_turn; ///< That of the last rewind.
  /// In order. If the turn after a rewind failed and was rewound too, the list
  /// contains the turns of both rewinds.
  std::vector<void_turn> turns;
  /// Tasks that run again; their retry policies begin with attempt 1.
  std::vector<task_sequence> renewed;
  task_sequence next_sequence = 0; ///< First sequence that is not in use.
  bool repeats_failures = false;   ///< As in execution_rewound.
  std::vector<task_sequence> dropped;
};

/// Gives the decision the sequence. If `child_by_number`, the ID of the child
/// is derived from the sequence.
void set_sequence(decision& asked, task_sequence sequence, bool child_by_number,
                  const execution_id& execution);

/// Returns the sequence of a decision or of a task's result, or 0 if the type
/// has none.
task_sequence sequence_of(const history_body& body);

/// Finds the void decision whose place a new decision takes. The new decision
/// is then not recorded again, and gets the sequence and the task of the void
/// one. A result of a void decision that the code has not requested yet is kept
/// until it does.
///
/// Decisions match if kind, name and input are equal and, for an activity, the
/// number of the attempt, for a sub-orchestration and a sent event the instance
/// ID, for a timer its time. If several match, the one with the lowest sequence
/// is taken: as long as the code repeats itself, that is the decision it made
/// at the same place.
///
/// With rewind_rule::last_turn, new decisions are compared in order instead, by
/// is_same_request, and none matches after the first difference.
class carried_decisions {
public:
  struct match {
    task_sequence sequence = 0;
    std::optional<history_event> result; ///< The kept result, if there is one.
    /// Counts for decisions_per_turn_max. Only with rewind_rule::last_turn: the
    /// number of void decisions is limited, and they are not recorded again.
    bool counts = false;
  };

  explicit carried_decisions(execution_id execution)
    : execution_(std::move(execution)) {}

  /// Adds the decisions of the void turns. For rewind_rule::last_turn, the
  /// history must exist until `end_turn` is called.
  void add(const rewound_turn& rewound);

  /// Removes and returns the decision whose place `asked` takes. Empty if there
  /// is none. Sets the sequence of `asked`.
  std::optional<match> take(decision& asked, bool child_by_number);

  /// True if the code has not requested the decision again.
  bool contains(task_sequence sequence) const {
    return open_.contains(sequence);
  }

  /// Keeps the result of a decision that `contains` knows.
  void keep_result(task_sequence sequence, history_event result);

  /// Ends the turn that repeats the void turns: removes the decisions that no
  /// later turn may request again. These are all, unless failures run again;
  /// otherwise timers with a delay, whose time later turns cannot ask for.
  void end_turn();

  /// Returns the decisions that were removed without a match since the last
  /// call, in the order of their removal.
  std::vector<task_sequence> take_orphans();

private:
  struct entry {
    std::string key;
    bool is_delay = false; ///< A timer that was requested with a delay.
    std::optional<history_event> result;
  };

  using in_order = std::deque<const history_event*>;

  std::string key_of(const decision& one, bool child_by_number) const;
  bool is_child_by_number(const decision& one) const;
  void insert(const decision& one);
  void remove(std::map<task_sequence, entry>::iterator at);
  std::optional<match> take_in_order(decision& asked, bool child_by_number);
  void release_first_list();

  execution_id execution_;
  std::map<task_sequence, entry> open_;
  std::unordered_map<std::string, std::set<task_sequence>> by_key_;
  bool repeats_failures_ = false;
  std::vector<task_sequence> orphans_;
  /// For rewind_rule::last_turn: one list for each void turn. A decision is
  /// removed when the code makes the same one again.
  std::deque<in_order> lists_;
};

} // namespace perdura::actors
