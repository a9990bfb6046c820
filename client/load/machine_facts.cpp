#include "client/load/machine_facts.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <sstream>

namespace perdura::client {

namespace {

std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name") && line.find(": ") != line.npos)
      return line.substr(line.find(": ") + 2);
  return "unknown";
}

/// A mount point is the path itself, or stands above it.
bool holds(const std::string& mount, const std::string& path) {
  return path.starts_with(mount)
         && (mount.ends_with('/') || path.size() == mount.size()
             || path[mount.size()] == '/');
}

} // namespace

std::string file_system_of(std::string_view mountinfo,
                           const std::string& path) {
  // proc(5): the fifth word is the mount point; behind " - " stands the type.
  std::istringstream lines{std::string(mountinfo)};
  std::string longest;
  std::string type;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string mount;
    for (int i = 0; i < 5; ++i)
      words >> mount;
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
  return {{"version", PERDURA_VERSION},
          {"commit", PERDURA_COMMIT},
          {"compiler",
#if defined(__clang__)
           __VERSION__
#else
           "g++ " __VERSION__
#endif
          },
          {"build_type", PERDURA_BUILD_TYPE}};
}

} // namespace perdura::client
