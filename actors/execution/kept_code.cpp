// SPDX-License-Identifier: Apache-2.0
#include "actors/execution/kept_code.hpp"

#include <mutex>
#include <utility>
#include <vector>

namespace perdura::actors {

void keep_forever(std::unique_ptr<detail::root_task> code,
                  std::unique_ptr<orchestration_context> context) {
  struct kept_code {
    std::unique_ptr<detail::root_task> code;
    std::unique_ptr<orchestration_context> context;
  };

  static std::mutex mutex;
  static auto& all = *new std::vector<kept_code>; // never destroyed
  const std::lock_guard lock(mutex);
  all.push_back({std::move(code), std::move(context)});
}

} // namespace perdura::actors
