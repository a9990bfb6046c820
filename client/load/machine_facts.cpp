// SPDX-License-Identifier: Apache-2.0
#include "client/load/machine_facts.hpp"

#include "persistence/process/build_info.hpp"
#include "persistence/records/clock.hpp"
#include <perdura/client/api/orchestration_status.hpp>

#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <sstream>

namespace perdura::client {

namespace {

/// The first model name in /proc/cpuinfo; "unknown" if there is none.
std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name") && line.find(": ") != line.npos)
      return line.substr(line.find(": ") + 2);
  return "unknown";
}

/// True if the mount point is the path itself or one of its parents.
bool holds(const std::string& mount, const std::string& path) {
  return path.starts_with(mount)
         && (mount.ends_with('/') || path.size() == mount.size()
             || path[mount.size()] == '/');
}

} // namespace

std::string file_system_of(std::string_view mountinfo,
                           const std::string& path) {
  // @source proc(5): the fifth field is the mount point; the file system type
  // follows " - ". If several mount points hold the path, the longest counts.
  // If a mount point occurs several times, its last line counts.
  std::istringstream lines{std::string(mountinfo)};
  std::string longest;
  std::string type;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string mount;
    for (int i = 0; i < 5; ++i)
      fields >> mount;
    const std::size_t at = line.find(" - ");
    if (at == line.npos || mount.size() < longest.size() || !holds(mount, path))
      continue;
    longest = mount;
    std::istringstream(line.substr(at + 3)) >> type;
  }
  return type;
}

named_facts machine_facts(const std::filesystem::path& folder) {
  named_facts facts{{"cpu", cpu_model()},
                    {"cores", std::to_string(::sysconf(_SC_NPROCESSORS_ONLN))}};
  utsname system{};
  if (::uname(&system) == 0)
    facts.emplace_back("kernel",
                       std::string(system.sysname) + ' ' + system.release);
  if (!folder.empty()) {
    std::error_code ignored;
    std::ifstream mounts("/proc/self/mountinfo");
    const std::string text(std::istreambuf_iterator<char>(mounts), {});
    facts.emplace_back(
      "file_system",
      file_system_of(text, std::filesystem::weakly_canonical(folder, ignored)));
  }
  return facts;
}

named_facts build_facts() {
  const persistence::build_info build = persistence::current_build();
  return {{"version", build.version},
          {"commit", build.commit},
          {"compiler", build.compiler},
          {"build_type", build.build_type}};
}

std::string time_of_measurement() {
  return to_iso_seconds(persistence::system_clock().now());
}

} // namespace perdura::client
