// SPDX-License-Identifier: Apache-2.0
#include "real/resource_use.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

namespace perdura::tests {

namespace {

namespace fs = std::filesystem;

/// A quantity, and how much of it the last third may add to the middle one.
struct quantity {
  const char* name;
  std::uint64_t resource_use::*value;
  std::uint64_t percent_max;
};

constexpr std::array<quantity, 4> quantities{
  {{"memory", &resource_use::memory_bytes, 5},
   {"threads", &resource_use::threads, 5},
   {"descriptors", &resource_use::descriptors, 5},
   {"files", &resource_use::file_bytes, 10}}};

/// The number after `field` in a file of lines "field: number".
std::uint64_t field_of(const fs::path& file, const std::string& field) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(field + ':'))
      return std::stoull(line.substr(field.size() + 1));
  throw std::runtime_error(file.string() + " has no field " + field);
}

/// The space that the files below a directory take on the disk. A file may
/// vanish meanwhile.
std::uint64_t allocated_bytes(const fs::path& directory) {
  std::uint64_t bytes = 0;
  for (const auto& each : fs::recursive_directory_iterator(directory)) {
    struct stat found {};

    if (::stat(each.path().c_str(), &found) == 0)
      bytes += static_cast<std::uint64_t>(found.st_blocks) * 512;
  }
  return bytes;
}

} // namespace

resource_use& resource_use::operator+=(const resource_use& other) {
  for (const quantity& each : quantities)
    this->*each.value += other.*each.value;
  return *this;
}

resource_use use_of_process(int pid, const fs::path& directory) {
  const fs::path process = fs::path("/proc") / std::to_string(pid);
  resource_use use;
  use.memory_bytes = field_of(process / "status", "VmRSS") * 1024;
  use.threads = field_of(process / "status", "Threads");
  use.descriptors = static_cast<std::uint64_t>(
    std::distance(fs::directory_iterator(process / "fd"), {}));
  use.file_bytes = allocated_bytes(directory);
  return use;
}

thirds_of_use compare_thirds(const std::vector<resource_use>& samples) {
  thirds_of_use thirds;
  const auto length = static_cast<std::ptrdiff_t>(samples.size() / 3);
  for (std::size_t i = 0; i < thirds.medians.size(); ++i)
    for (const quantity& each : quantities) {
      // Samples that do not fill a third are left out at the beginning.
      const auto end
        = samples.end() - length * static_cast<std::ptrdiff_t>(2 - i);
      std::vector<std::uint64_t> values;
      std::transform(end - length, end, std::back_inserter(values),
                     [&](const resource_use& one) { return one.*each.value; });
      const auto middle = values.begin() + length / 2;
      std::nth_element(values.begin(), middle, values.end());
      thirds.medians[i].*each.value = *middle;
    }
  return thirds;
}

std::string thirds_of_use::text() const {
  std::ostringstream out;
  for (std::size_t i = 0; i < medians.size(); ++i) {
    out << "third " << i + 1 << ':';
    for (const quantity& each : quantities)
      out << ' ' << each.name << ' ' << medians[i].*each.value;
    out << '\n';
  }
  return out.str();
}

std::string thirds_of_use::growth() const {
  for (const quantity& each : quantities)
    if (medians[2].*each.value * 100
        > medians[1].*each.value * (100 + each.percent_max))
      return each.name;
  return {};
}

} // namespace perdura::tests
