// SPDX-License-Identifier: Apache-2.0
#include "campaigns/power_images.hpp"

#include "tests/persistence/in_child.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <new>
#include <numeric>
#include <set>

namespace perdura::tests {

namespace fs = std::filesystem;

namespace {

// One state in this many is opened under a recorder, and the power fails again
// during this work, so often.
constexpr std::uint64_t states_per_recovery = 8;
constexpr std::size_t failures_per_recovery = 4;
constexpr std::size_t failures_in_succession_max = 3;

/// The counts, in memory that the child processes share.
struct shared_counts {
  std::atomic<std::size_t> next{0}; ///< The state that is checked now.
  std::atomic<std::size_t> states{0};
  std::atomic<std::size_t> recoveries{0};
  std::array<std::atomic<std::size_t>, power_failure_kinds> failures{};
};

class shared_memory {
public:
  shared_memory()
    : place_(::mmap(nullptr, sizeof(shared_counts), PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    if (place_ == MAP_FAILED)
      throw std::bad_alloc();
    counts_ = new (place_) shared_counts;
  }

  ~shared_memory() {
    ::munmap(place_, sizeof(shared_counts));
  }

  shared_memory(const shared_memory&) = delete;
  shared_memory& operator=(const shared_memory&) = delete;

  shared_counts& operator*() const {
    return *counts_;
  }

private:
  void* place_;
  shared_counts* counts_ = nullptr;
};

/// The content of a state and the last mark before it.
struct drawn_state {
  disk_content content;
  std::uint64_t moment = 0;
};

/// Moments of power failures in a run, in order, and a state for each.
class drawn_states {
public:
  drawn_states(const power_run& run, std::size_t count, std::uint64_t seed,
               const sync_fault& fault)
    : run_(run), seed_(seed), replay_(run.record, fault) {
    std::mt19937_64 random(seed);
    const std::size_t operations = run.record.operations.size();
    for (std::size_t i = 0; i < count; ++i)
      moments_.push_back(random() % (operations + 1));
    std::sort(moments_.begin(), moments_.end());
  }

  /// The state number `i`. `i` must not decrease. Empty if an earlier call has
  /// returned the same state.
  std::optional<drawn_state> state(std::size_t i) {
    std::mt19937_64 random(seed_ * 1'000'003 + i);
    for (; executed_ < moments_[i]; ++executed_)
      if (run_.record.operations[executed_].what == disk_operation::kind::mark)
        moment_ = run_.record.operations[executed_].number;
    replay_.run_to(executed_);
    for (int attempt = 0; attempt < 4; ++attempt) {
      drawn_state drawn{replay_.after_power_failure(random), moment_};
      std::size_t hash = std::hash<std::uint64_t>()(moment_);
      for (const auto& [path, bytes] : drawn.content)
        hash = hash * 31 + std::hash<std::string>()(path) * 7
               + (bytes ? std::hash<std::string>()(*bytes) : 1);
      if (seen_.insert(hash).second)
        return drawn;
    }
    return {};
  }

private:
  const power_run& run_;
  const std::uint64_t seed_;
  disk_replay replay_;
  std::vector<std::size_t> moments_;
  std::set<std::size_t> seen_;
  std::size_t executed_ = 0;
  std::uint64_t moment_ = 0;
};

class power_checker {
public:
  power_checker(fs::path scratch, shared_counts& counts)
    : scratch_(std::move(scratch)), counts_(counts) {}

  /// An exception is a finding, too: the child process must not return into the
  /// test.
  void check_or_note(const power_run& run, const drawn_state& state,
                     std::uint64_t seed) {
    try {
      check(run, state, seed, 0);
    } catch (const std::exception& e) {
      add({power_failure_kind::crashed, e.what()}, run.name);
    }
  }

  void add(const power_finding& found, const std::string& name) {
    ++counts_.failures[static_cast<std::size_t>(found.kind)];
    std::ofstream(scratch_ / "findings", std::ios::app)
      << name << ": " << found.sentence << '\n';
  }

private:
  void check(const power_run& run, const drawn_state& state, std::uint64_t seed,
             std::size_t depth) {
    std::mt19937_64 random(seed);
    const fs::path place = scratch_ / ("state-" + std::to_string(depth));
    write_content(place, state.content);
    const bool is_recorded = depth + 1 < failures_in_succession_max
                             && random() % states_per_recovery == 0;
    std::optional<power_run> recovery;
    const auto found = run.check_state(place, state.moment, random,
                                       is_recorded ? &recovery : nullptr);
    ++counts_.states;
    counts_.recoveries += depth > 0 ? 1 : 0;
    if (found)
      return add(*found, run.name);
    if (!recovery)
      return;
    drawn_states states(*recovery, failures_per_recovery, seed, {});
    for (std::size_t i = 0; i < failures_per_recovery; ++i)
      if (const auto next = states.state(i))
        check(*recovery, *next, seed + i + 1, depth + 1);
  }

  const fs::path scratch_;
  shared_counts& counts_;
};

} // namespace

std::size_t power_counts::all_failures() const {
  return std::accumulate(failures.begin(), failures.end(), std::size_t{0});
}

power_counts check_power_failures(const power_run& run, const fs::path& scratch,
                                  std::size_t count, std::uint64_t seed,
                                  const sync_fault& fault) {
  shared_memory memory;
  shared_counts& counts = *memory;
  fs::create_directories(scratch);
  power_checker checker(scratch, counts);
  while (counts.next < count) {
    const int code = persistence::testing::in_child([&] {
      drawn_states states(run, count, seed, fault);
      for (std::size_t i = 0; i < count; ++i) {
        const auto state = states.state(i);
        if (i < counts.next)
          continue; // An earlier child process has checked it.
        if (state)
          checker.check_or_note(run, *state, seed * 7919 + i);
        ++counts.next;
      }
      return 0;
    });
    if (code != 0)
      checker.add({power_failure_kind::crashed,
                   "state " + std::to_string(counts.next++)
                     + " has ended the process with the code "
                     + std::to_string(code)},
                  run.name);
  }
  power_counts found;
  found.states = counts.states;
  found.recoveries = counts.recoveries;
  for (std::size_t i = 0; i < power_failure_kinds; ++i)
    found.failures[i] = counts.failures[i];
  std::ifstream findings(scratch / "findings");
  for (std::string line; std::getline(findings, line);)
    found.sentences.push_back(line);
  fs::remove_all(scratch);
  return found;
}

} // namespace perdura::tests
