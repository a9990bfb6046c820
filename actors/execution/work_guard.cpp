// SPDX-License-Identifier: Apache-2.0
#include "actors/execution/work_guard.hpp"

#include "persistence/process/logging.hpp"
#include "persistence/process/process_end.hpp"
#include "persistence/process/thread_role.hpp"

#include <algorithm>

namespace perdura::actors {

using namespace persistence;

namespace {

constexpr std::chrono::seconds tick_interval{1};

std::string text_of(const work_id& work) {
  return work.kind == work_kind::activity
           ? "activity \"" + work.name + "\" of instance \"" + work.instance
               + '"'
           : "a turn of instance \"" + work.instance + '"';
}

} // namespace

work_guard::work_guard(std::unique_ptr<work_notes> notes)
  : notes_(std::move(notes)) {
  if (!notes_)
    return;
  const auto& before = notes_->previous_suspects();
  suspects_ = suspects_after(before, notes_->previous());
  watching_ = !suspects_.empty();
  bool is_new = false;
  for (const work_suspect& each : suspects_) {
    is_new
      = is_new
        || (each.held
            && std::find(before.begin(), before.end(), each) == before.end());
    if (each.held)
      log(log_channel::actors, log_level::error,
          "instance \"" + each.work.instance
            + "\" is set aside: " + held_sentence(each));
    else if (runs_alone(each))
      log(log_channel::actors, log_level::warning,
          text_of(each.work) + " was running at " + std::to_string(each.deaths)
            + " successive ends of the process. It runs while no other such "
              "work runs; at the next end it is held.");
  }
  store(is_new);
  ticks_ = std::thread([this] {
    run_thread_body("the notes of what runs", [this] { run_ticks(); });
  });
}

work_guard::~work_guard() {
  {
    const std::lock_guard lock(ticks_mutex_);
    ending_ = true;
  }
  ticks_changed_.notify_one();
  if (ticks_.joinable())
    ticks_.join();
}

void work_guard::note_clean_end() {
  if (notes_)
    notes_->note_clean_end();
}

void work_guard::begin_ticking() {
  if (ticking_.exchange(true))
    return;
  { const std::lock_guard lock(ticks_mutex_); }
  ticks_changed_.notify_one();
}

/// The loop of the thread.
void work_guard::run_ticks() {
  enter_thread_role("notes");
  std::unique_lock lock(ticks_mutex_);
  while (!ending_) {
    ticks_changed_.wait(lock, [this] { return ending_ || ticking_.load(); });
    if (ticks_changed_.wait_for(lock, tick_interval,
                                [this] { return ending_; }))
      return;
    notes_->tick();
    if (notes_->any_running())
      continue;
    // Work that has begun since the check above either is seen by the check
    // below, or finds the new value and calls `begin_ticking`.
    ticking_ = false;
    if (notes_->any_running())
      ticking_ = true;
  }
}

/// The caller holds the mutex, or is the constructor.
void work_guard::store(bool sync) {
  notes_->store(suspects_, sync);
}

work_guard::verdict work_guard::admit(work_kind kind,
                                      const std::string& instance,
                                      const std::string& name,
                                      std::function<void()> retry,
                                      std::string& why) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(
    suspects_.begin(), suspects_.end(), [&](const work_suspect& each) {
      return each.work.kind == kind && each.work.instance == instance
             && each.work.name == name;
    });
  if (found == suspects_.end())
    return verdict::runs;
  if (found->held) {
    why = held_sentence(*found);
    return verdict::held;
  }
  if (!runs_alone(*found) || alone_ == found->work)
    return verdict::runs;
  if (alone_) {
    waiting_.push_back({found->work, std::move(retry)});
    return verdict::waits;
  }
  alone_ = found->work;
  return verdict::runs;
}

/// Takes the next waiting work; the caller holds the mutex.
std::function<void()> work_guard::next_waiting() {
  if (waiting_.empty())
    return {};
  // It counts as the one that runs, so that no other overtakes it.
  alone_ = waiting_.front().work;
  std::function<void()> retry = std::move(waiting_.front().retry);
  waiting_.pop_front();
  return retry;
}

void work_guard::leave(work_kind kind, const std::string& instance,
                       const std::string& name, bool returned) {
  std::function<void()> next;
  {
    const std::lock_guard lock(mutex_);
    const auto is_it = [&](const work_id& work) {
      return work.kind == kind && work.instance == instance
             && work.name == name;
    };
    if (returned && std::erase_if(suspects_, [&](const work_suspect& each) {
                      return is_it(each.work) && !each.held;
                    }) != 0)
      store(false);
    if (alone_ && is_it(*alone_)) {
      alone_.reset();
      next = next_waiting();
    }
    watching_ = !suspects_.empty() || alone_.has_value();
  }
  if (next)
    next();
}

void work_guard::release(const std::string& instance) {
  if (!is_watching())
    return;
  const std::lock_guard lock(mutex_);
  if (std::erase_if(suspects_,
                    [&](const work_suspect& each) {
                      return each.work.instance == instance;
                    })
      != 0)
    store(true);
}

std::vector<std::pair<std::string, std::string>>
work_guard::hung_turns() const {
  std::vector<std::pair<std::string, std::string>> found;
  if (notes_)
    for (auto& [work, ticks] : notes_->hung())
      found.emplace_back(std::move(work.instance),
                         "its orchestrator has not returned for "
                           + std::to_string(ticks)
                           + " s and occupies a thread until the node is "
                             "started again");
  return found;
}

} // namespace perdura::actors
