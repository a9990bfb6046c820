// SPDX-License-Identifier: Apache-2.0
#include "persistence/records/clock.hpp"

namespace perdura::persistence {

namespace {

class machine_clock : public clock {
public:
  timestamp now() const override {
    return std::chrono::time_point_cast<duration>(
      std::chrono::system_clock::now());
  }
};

} // namespace

const clock& system_clock() {
  static const machine_clock instance;
  return instance;
}

} // namespace perdura::persistence
