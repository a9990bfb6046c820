// SPDX-License-Identifier: Apache-2.0
/// A node on a data directory that was damaged: whether it starts, and what it
/// answers. Everything runs in child processes, because a node has threads and
/// damage can end the process.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::tests {

/// An effect of damage. Several of them can happen.
enum class damage_effect : std::uint8_t {
  error_answer,    ///< A request about an instance is answered with an error.
  refused_start,   ///< The node does not start, and says why.
  refused_restart, ///< It starts once and not again.
  spread, ///< More than two instances are concerned, or new ones are refused.
          ///< A damaged key can be one of another instance.
  check_sound,  ///< `verify_hub` finds nothing, but something else happens.
  wrong_answer, ///< An answer is wrong, without an error.
  ended,        ///< The node ends by itself while it serves.
  hung,         ///< A request is not answered, or the node does not end.
  crashed,      ///< A signal ends it.
};

inline constexpr std::size_t damage_effects = 9;

std::string_view name_of(damage_effect effect);

/// The effects that were seen, and a sentence about the first of them.
struct damage_result {
  std::array<bool, damage_effects> seen{};
  std::string sentence;

  bool has(damage_effect effect) const {
    return seen[static_cast<std::size_t>(effect)];
  }
};

/// A directory with finished, running, waiting, suspended and failed instances,
/// and the answers that a node gives about them.
class damage_subject {
public:
  /// Creates the directory below `place`, which may contain nothing else.
  /// @param is_killed  The node was killed, so that the journal has turns that
  ///                   the views do not contain. Else it was stopped.
  damage_subject(std::filesystem::path place, bool is_killed);

  /// The data directory. Its content is the same before each trial.
  const std::filesystem::path& directory() const {
    return directory_;
  }

  /// Replaces one file by `bytes`, and starts a node on the directory.
  damage_result with_file(const std::string& file, const std::string& bytes);

  /// Starts a node on the files as they were before the node's last life, for
  /// the check of this check.
  damage_result with_older_files();

  /// The sound content of a file, e.g. "lane-0/views/data.mdb".
  const std::string& bytes_of(const std::string& file) const {
    return files_.at(file);
  }

private:
  friend class damaged_node;

  struct answers {
    std::map<std::string, std::string> instances; ///< JSON text by ID.
    std::map<std::string, std::string> list;      ///< JSON text by ID.
    std::array<std::uint64_t, 8> counts{};
  };

  void write_files() const;
  void read_answers();
  damage_result run_trial();

  const std::filesystem::path place_;
  const std::filesystem::path directory_;
  std::map<std::string, std::string> files_;
  answers expected_;
};

} // namespace perdura::tests
