// SPDX-License-Identifier: Apache-2.0
#include "persistence/process/thread_start.hpp"

#include "persistence/process/logging.hpp"
#include "persistence/process/process_counters.hpp"

#include <condition_variable>
#include <mutex>
#include <set>
#include <system_error>
#include <thread>
#include <vector>

namespace perdura::persistence {

std::size_t available_threads(std::size_t wanted) {
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  std::vector<std::thread> threads;
  threads.reserve(wanted);
  try {
    while (threads.size() < wanted)
      threads.emplace_back([&] {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return done; });
      });
  } catch (const std::system_error&) {
    counters_of_process().thread_failures.fetch_add(1);
  }
  {
    const std::lock_guard lock(mutex);
    done = true;
  }
  changed.notify_all();
  for (std::thread& each : threads)
    each.join();
  return threads.size();
}

std::string refused_threads_sentence(const std::string& what) {
  return "The system refuses to create threads for " + what
         + ". Raise the limit of the user (ulimit -u) or of the service "
           "(TasksMax), or end other processes of the user.";
}

void note_refused_thread(const std::string& what) {
  counters_of_process().thread_failures.fetch_add(1);
  static std::mutex mutex;
  static std::set<std::string> noted;
  const std::lock_guard lock(mutex);
  if (noted.insert(what).second)
    log(log_channel::persistence, log_level::warning,
        refused_threads_sentence(what)
          + " The node goes on with the threads that it has.");
}

} // namespace perdura::persistence
