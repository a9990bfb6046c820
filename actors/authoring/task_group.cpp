// SPDX-License-Identifier: Apache-2.0
#include "actors/authoring/task_group.hpp"

#include "actors/execution/orchestration_engine.hpp"

#include <stdexcept>
#include <utility>

namespace perdura::actors::detail {

void task_group::check() const {
  if (engine_ != nullptr)
    throw std::logic_error("a when_all or when_any of tasks can be awaited "
                           "once");
  for (const member& one : members_)
    if (one.id == no_slot
        && (one.task == nullptr || one.task->engine != nullptr))
      throw std::logic_error("a task<T> can be awaited once");
}

bool task_group::start(promise_base& awaiting) {
  engine_ = awaiting.engine;
  engine_->begin_wait(awaiting);
  std::vector<slot_id> ids;
  ids.reserve(members_.size());
  for (member& one : members_) {
    if (one.task != nullptr) {
      one.id = engine_->start_task(*one.task);
      // The task has stopped at an await that g++ 12 has compiled wrongly; the
      // instance is held.
      if (!engine_->is_waiting())
        return true;
    }
    ids.push_back(one.id);
    if (when_ == completion::any && engine_->is_done(one.id))
      break;
  }
  id_ = when_ == completion::all ? engine_->gather_all(ids)
                                 : engine_->gather_any(ids);
  return engine_->finish_wait(id_, awaiting);
}

void task_group::clear() noexcept {
  for (member& one : members_) {
    if (one.task == nullptr)
      continue;
    std::exchange(one.task, nullptr)->self.destroy();
    if (one.id != no_slot)
      engine_->abandon_task(one.id);
  }
}

} // namespace perdura::actors::detail
