// SPDX-License-Identifier: Apache-2.0
/// Notes about the user code that runs now, in a mapped file: they survive the
/// end of the process, so that the next start knows what ran when it died.
///
/// A note costs some dozen nanoseconds and no write to the disk. A power cut
/// may lose notes; then nothing is known about that end.
#pragma once

#include <perdura/persistence/records/error.hpp>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace perdura::persistence {

enum class work_kind : std::uint8_t {
  turn = 1, ///< A turn of an orchestrator, or a message to its instance.
  activity = 2,
};

/// A piece of user code that can end the process.
struct work_id {
  work_kind kind = work_kind::turn;
  std::string instance;
  std::string name; ///< The activity's name; empty for a turn.

  bool operator==(const work_id&) const = default;

  bool operator<(const work_id& other) const {
    return std::tie(kind, instance, name)
           < std::tie(other.kind, other.instance, other.name);
  }
};

/// Work that was running when processes died.
struct work_suspect {
  work_id work;
  std::uint32_t deaths = 0; ///< Successive deaths at which it was running.
  bool held = false;        ///< It does not run until it is released.
  bool hung = false;        ///< It is held because it did not return.

  bool operator==(const work_suspect&) const = default;
};

/// A note that the dead process has left.
struct work_left {
  work_id work;
  /// How long before the last sign of life it began; never negative.
  std::chrono::nanoseconds ran{};
  /// The thread of the work received a fatal signal, or an exception of
  /// Perdura's own code left the work.
  bool marked = false;
  bool hung = false; ///< A turn that did not return for seconds.
};

/// How the process before this one ended.
struct process_end_notes {
  std::vector<work_left> running;
  bool clean = true;     ///< It was stopped, or there was none.
  bool same_boot = true; ///< The machine has not been started since.
};

/// The notes of one node. All functions except `open` are thread-safe.
class work_notes {
public:
  /// The file in the data directory.
  static constexpr const char* file_name = "running";

  /// Reads what the process before this one has left, and begins new notes with
  /// space for `slots_max` pieces of work. A file that is not valid is
  /// replaced.
  /// @error errc::storage_failed  The file cannot be created or mapped.
  static result<std::unique_ptr<work_notes>>
  open(const std::filesystem::path& directory, std::size_t slots_max);

  ~work_notes();
  work_notes(const work_notes&) = delete;
  work_notes& operator=(const work_notes&) = delete;

  const process_end_notes& previous() const {
    return previous_;
  }

  /// The suspects that the process before this one knew.
  const std::vector<work_suspect>& previous_suspects() const {
    return previous_suspects_;
  }

  /// Replaces the stored suspects, at most `suspects_max`; further ones are
  /// dropped. With `sync`, waits until they are on the disk.
  void store(const std::vector<work_suspect>& suspects, bool sync);

  static constexpr std::size_t suspects_max = 256;

  /// Notes that the process ends as it should: what still runs then is no
  /// suspect.
  void note_clean_end();

  /// Updates the last sign of life and counts the turns that do not return.
  /// Called once a second while `any_running`.
  void tick();

  bool any_running() const;

  /// A turn that has not returned for so many calls of `tick` is hung. Calls
  /// are counted, not seconds: a process that was frozen has done nothing.
  static constexpr std::uint32_t hung_ticks = 5;

  /// The turns that are hung now, and the number of ticks of each.
  std::vector<std::pair<work_id, std::uint32_t>> hung() const;

  /// A piece of work that runs on the calling thread, as long as the object
  /// exists. Work within work is not noted. Without a free slot, nothing is
  /// noted.
  class running {
  public:
    running(work_notes* notes, work_kind kind, std::string_view instance,
            std::string_view name);
    ~running();
    running(const running&) = delete;
    running& operator=(const running&) = delete;

  private:
    void* slot_ = nullptr;
    int exceptions_ = 0;
  };

  /// Notes that an exception of Perdura's own code has left the handling of a
  /// message to the instance. The process ends.
  void note_fault(std::string_view instance);

  /// Installs a handler of the fatal signals (SIGSEGV, SIGBUS, SIGFPE, SIGILL,
  /// SIGABRT), which marks the work of the thread that has received the signal
  /// and then calls the handler that was installed before. Once for a process;
  /// further calls do nothing.
  static void mark_fatal_signals();

private:
  struct layout;
  work_notes(std::filesystem::path file, int descriptor, std::size_t slots);

  std::filesystem::path file_;
  int descriptor_ = -1;
  std::size_t slots_ = 0;
  std::size_t bytes_ = 0;
  void* memory_ = nullptr;
  process_end_notes previous_;
  std::vector<work_suspect> previous_suspects_;

  friend class running;
};

} // namespace perdura::persistence
