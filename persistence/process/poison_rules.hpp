// SPDX-License-Identifier: Apache-2.0
/// Which user code ends the process again and again. Pure: the notes of the
/// last end and what was known before decide.
///
/// Most code that was running when a process died did not cause the death. Work
/// that has received a fatal signal did. Without such a mark (the kernel has
/// killed the process), work is suspected that was running at successive
/// deaths, soon after its own begin. A return of the code acquits it.
#pragma once

#include "persistence/process/work_notes.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace perdura::persistence {

/// Work is held after so many successive deaths.
inline constexpr std::uint32_t deaths_held = 3;

/// Work that was running at so many successive deaths runs only while no other
/// such work runs.
inline constexpr std::uint32_t deaths_alone = deaths_held - 1;

/// Without a mark, work that had run for longer before the death is not
/// suspected.
inline constexpr std::chrono::seconds suspected_run_max{60};

/// The suspects after the end of a process, those that are held first.
std::vector<work_suspect>
suspects_after(const std::vector<work_suspect>& before,
               const process_end_notes& end);

/// True if the work must run while no other such work runs.
inline bool runs_alone(const work_suspect& suspect) {
  return !suspect.held && suspect.deaths >= deaths_alone;
}

/// Why the work of a suspect is held, and what an operator can do.
std::string held_sentence(const work_suspect& suspect);

} // namespace perdura::persistence
