// SPDX-License-Identifier: Apache-2.0
#include "cluster/node/node_admission.hpp"

#include "cluster/placement/start_number.hpp"
#include "persistence/process/logging.hpp"
#include <perdura/persistence/records/time_arithmetic.hpp>

#include <utility>

namespace perdura::cluster {

using persistence::result;

namespace {

/// How long a node that was admitted in an earlier start waits for another node
/// before it serves, in units of `silence_max`. A node that runs answers within
/// one.
constexpr int admission_silences = 2;

} // namespace

result<std::unique_ptr<node_admission>>
node_admission::open(const std::filesystem::path& directory,
                     router_config& config) {
  auto peers = peer_register::open(directory);
  if (!peers)
    return peers.error();
  auto start = begin_start(directory);
  if (!start)
    return start.error();
  std::unique_ptr<node_admission> made(new node_admission(std::move(*peers)));
  config.self.start_number = start->number;
  config.self.run = std::move(start->run);
  config.admit = [known = made->peers_.get()](const peer_hello& hello) {
    return known->admit(hello);
  };
  if (config.peers.empty()) {
    made->is_admitted_ = true;
    return made;
  }
  config.must_be_admitted = !made->peers_->was_admitted();
  config.admission_wait = admission_silences * config.times.silence_max;
  made->why_not_
    = config.must_be_admitted ? new_directory_sentence : restarted_sentence;
  if (!config.must_be_admitted)
    made->restart_wait_ = config.admission_wait;
  return made;
}

void node_admission::accept() {
  if (auto noted = peers_->record_admission(); !noted)
    persistence::log(persistence::log_channel::cluster,
                     persistence::log_level::error, noted.error().message);
  assume();
}

void node_admission::assume() {
  {
    const std::lock_guard lock(mutex_);
    is_admitted_ = true;
  }
  changed_.notify_all();
}

void node_admission::refuse(const std::string& why) {
  {
    const std::lock_guard lock(mutex_);
    why_not_ = why;
    is_refused_ = true;
  }
  changed_.notify_all();
}

std::string node_admission::why_not() const {
  const std::lock_guard lock(mutex_);
  return why_not_;
}

bool node_admission::wait(persistence::duration time_out) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, persistence::bounded_wait(time_out),
                           [this] { return is_admitted_.load(); });
}

// The router ends the wait. The time-out is for a router that has no network,
// because the cluster port could not be opened.
void node_admission::wait_for_first_answer() const {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, 2 * restart_wait_,
                    [this] { return is_admitted_ || is_refused_; });
}

} // namespace perdura::cluster
