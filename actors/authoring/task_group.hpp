// SPDX-License-Identifier: Apache-2.0
/// The members of a when_all or when_any that contains tasks. For
/// when_tasks.hpp only.
#pragma once

#include <perdura/actors/authoring/task.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace perdura::actors::detail {

/// Owns the coroutines of its tasks: each frame is destroyed once, by `clear`
/// or by the destructor. A group is an object of the heap that a coroutine
/// frame owns, so that a coroutine that is destroyed destroys the tasks that it
/// waits for, at any suspension. Not thread-safe.
class task_group {
public:
  enum class completion : std::uint8_t {
    all, ///< When all members are completed.
    any, ///< When one member is completed.
  };

  explicit task_group(completion when) : when_(when) {}

  ~task_group() {
    clear();
  }

  task_group(const task_group&) = delete;
  task_group& operator=(const task_group&) = delete;

  /// Adds a task, which was released by its owner. Null stands for a task that
  /// was moved from.
  void add(promise_base* task) {
    members_.push_back({task, no_slot});
  }

  /// Adds a request.
  void add(slot_id request) {
    members_.push_back({nullptr, request});
  }

  /// @throws std::logic_error  A task was moved from or has started, or the
  ///                           group has started.
  void check() const;

  /// Starts the tasks in order; each runs until it is suspended or ends. Once a
  /// member of an `any` group is completed, no further task starts.
  /// @return true if the awaiting coroutine must stay suspended.
  bool start(promise_base& awaiting);

  /// Destroys the coroutines of all tasks, in order. The timers and the waits
  /// for events that a destroyed task has requested are cancelled if the task
  /// had not ended.
  void clear() noexcept;

  std::size_t size() const {
    return members_.size();
  }

  /// The promise of the task at `index`.
  promise_base& task(std::size_t index) const {
    return *members_[index].task;
  }

  /// The slot of the member at `index`.
  slot_id slot(std::size_t index) const {
    return members_[index].id;
  }

  /// The engine and the slot of a group that has started.
  orchestration_engine& engine() const {
    return *engine_;
  }

  slot_id id() const {
    return id_;
  }

private:
  struct member {
    promise_base* task = nullptr; ///< Null for a request.
    slot_id id = no_slot;         ///< no_slot for a task that has not started.
  };

  completion when_;
  orchestration_engine* engine_ = nullptr; ///< Set by `start`.
  slot_id id_ = no_slot;
  std::vector<member> members_;
};

} // namespace perdura::actors::detail
