// SPDX-License-Identifier: Apache-2.0
/// Copies the golden directories, so that a test can open them, and describes
/// their content as JSON, to compare it with the written description.
#pragma once

#include "persistence/records/history_event.hpp"
#include "tests/support/temp_directory.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace perdura::tests {

/// A copy of a directory below tests/golden, with the file permissions of a
/// data directory. The destructor removes the copy.
class golden_copy {
public:
  /// The name is, for example, "one_node" or "three_nodes/node-1".
  explicit golden_copy(const std::string& name);

  const std::filesystem::path& path() const {
    return path_;
  }

private:
  temp_directory home_;
  std::filesystem::path path_;
};

/// The bytes of a file below tests/golden.
/// @throws std::runtime_error  The file cannot be read.
std::string read_golden_file(const std::string& name);

/// The data files and the descriptions below tests/golden, sorted by name.
std::vector<std::string> golden_files();

/// The description in NAME.json, which the first release wrote.
nlohmann::json golden_description(const std::string& name);

/// Describes a directory in the same format, with the present code. The
/// directory is opened and its views are flushed, but no instance runs.
/// @throws persistence::error_exception  The directory cannot be read.
nlohmann::json describe_directory(const std::filesystem::path& directory);

/// An event in the format of a description.
nlohmann::json describe_event(const persistence::history_event& event);

/// One sentence for each value of `written` that is missing or different in
/// `read`. Additional members in `read` are allowed, because later formats add
/// fields.
std::vector<std::string> differences(const nlohmann::json& written,
                                     const nlohmann::json& read);

} // namespace perdura::tests
