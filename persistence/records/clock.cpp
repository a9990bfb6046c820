// SPDX-License-Identifier: Apache-2.0
#include "persistence/records/clock.hpp"

#include <time.h>
#include <unistd.h>

#include <array>
#include <fstream>

namespace perdura::persistence {

namespace {

/// Returns the ID that the kernel gave to this boot, followed by the name of
/// the time namespace: a container may have a boot clock of its own.
/// @source random(4), boot_id; time_namespaces(7).
std::string read_boot_id() {
  std::string id;
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  if (!(file >> id) || id.size() > 40)
    return {};
  std::array<char, 32> name{};
  const ssize_t size
    = ::readlink("/proc/self/ns/time", name.data(), name.size());
  if (size > 0)
    id.append("/").append(name.data(), static_cast<std::size_t>(size));
  return id;
}

class machine_clock : public clock {
public:
  timestamp now() const override {
    return std::chrono::time_point_cast<duration>(
      std::chrono::system_clock::now());
  }

  boot_time since_boot() const override {
    timespec time{};
    ::clock_gettime(CLOCK_BOOTTIME, &time);
    return boot_time(std::chrono::seconds(time.tv_sec)
                     + std::chrono::duration_cast<duration>(
                       std::chrono::nanoseconds(time.tv_nsec)));
  }

  const std::string& boot_id() const override {
    return boot_id_;
  }

private:
  const std::string boot_id_ = read_boot_id();
};

} // namespace

const clock& system_clock() {
  // Never destroyed: a thread of a node that was left to user code may read it
  // while the process ends.
  static const auto* const instance = new machine_clock();
  return *instance;
}

} // namespace perdura::persistence
