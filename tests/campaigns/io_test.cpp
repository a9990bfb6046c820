// SPDX-License-Identifier: Apache-2.0
// One write, sync or allocation of the journal or the views fails, or hangs
// until the process is killed. The process ends with exit code 74, or waits for
// space; what was reported is never lost, and the directory opens again.
//
// The long form is ./dev campaign io. PERDURA_IO_FAULTS is the number of
// faults, PERDURA_IO_SEED the first seed; with --log_level=message the figures
// are printed.
#include "persistence/journal/verify.hpp"
#include "persistence/process/process_end.hpp"
#include "persistence/records/codec.hpp"
#include "tests/persistence/in_child.hpp"
#include "tests/persistence/storage_kinds.hpp"

#include "campaigns/disk_fault.hpp"
#include "campaigns/power_workload.hpp"
#include <boost/test/unit_test.hpp>
#include <signal.h>
#include <sys/mman.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <new>
#include <random>

namespace perdura::tests {

using namespace persistence;
using persistence::testing::temporary_directory;
namespace fs = std::filesystem;

namespace {

constexpr std::uint32_t io_lanes_max = 2;

// The exit codes of the child that are no failures of the product.
constexpr int refused_to_open = 4;
constexpr int killed = 128 + SIGKILL;

/// The child's report while it works, in memory that both processes share.
struct io_progress {
  fault_progress faults;
  std::array<std::atomic<journal_position>, io_lanes_max> reported{};
};

class shared_progress {
public:
  shared_progress()
    : memory_(::mmap(nullptr, sizeof(io_progress), PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    if (memory_ == MAP_FAILED)
      throw std::bad_alloc();
    new (memory_) io_progress();
  }

  ~shared_progress() {
    ::munmap(memory_, sizeof(io_progress));
  }

  shared_progress(const shared_progress&) = delete;
  shared_progress& operator=(const shared_progress&) = delete;

  io_progress& get() const {
    return *static_cast<io_progress*>(memory_);
  }

private:
  void* memory_;
};

/// Writes the turns of a workload to a file outside of its directory, so that
/// they are known after the child has died.
class turn_file {
public:
  explicit turn_file(const fs::path& path)
    : out_(path, std::ios::binary | std::ios::trunc) {}

  void add_new(const std::vector<turn_writes>& turns) {
    for (; written_ < turns.size(); ++written_) {
      std::string bytes;
      encode_to(bytes, turns[written_]);
      out_ << big_endian(bytes.size()) << bytes;
    }
    out_.flush();
  }

  static std::vector<turn_writes> read(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    const std::string all{std::istreambuf_iterator<char>(in), {}};
    std::vector<turn_writes> turns;
    for (std::size_t at = 0; at + 8 <= all.size();) {
      const std::string_view rest = std::string_view(all).substr(at);
      const auto size = parse_big_endian(rest.substr(0, 8)).value();
      turns.push_back(decode<turn_writes>(rest.substr(8, size)).value());
      at += 8 + size;
    }
    return turns;
  }

private:
  std::ofstream out_;
  std::size_t written_ = 0;
};

/// The work of the child: opens the hub, commits and flushes, and closes it.
int work_with_fault(const fs::path& directory, const hub_identity& hub,
                    std::uint64_t seed, const disk_fault& fault,
                    io_progress& progress) {
  power_workload work(directory / "hub", hub, seed, {}, true);
  turn_file turns(directory / "turns");
  work.on_moment([&](const durable_progress& now) {
    turns.add_new(work.turns());
    for (std::size_t lane = 0; lane < now.reported.size(); ++lane)
      progress.reported.at(lane) = now.reported[lane];
  });
  set_disk_fault(&fault, &progress.faults);
  if (!work.open(work.moments().back()).empty())
    return refused_to_open;
  work.work(8);
  work.close(seed % 2 == 0);
  set_disk_fault(nullptr, nullptr);
  return 0;
}

/// Opens the directory after the fault, compares, works and checks.
std::string difference_after(const fs::path& directory, const hub_identity& hub,
                             std::uint64_t seed, const io_progress& progress) {
  durable_progress least;
  least.is_created = true;
  for (std::uint32_t lane = 0; lane < hub.lane_count; ++lane)
    least.reported.push_back(progress.reported.at(lane));
  power_workload again(directory / "hub", hub, seed + 1,
                       turn_file::read(directory / "turns"), true);
  if (std::string failed = again.open(least); !failed.empty())
    return failed;
  again.work(3);
  if (std::string difference = again.first_difference(); !difference.empty())
    return "wrong: after more turns: " + difference;
  again.close(true);
  const auto checked = verify_hub(directory / "hub", testing::small_maps);
  if (!checked)
    return "unopenable: " + checked.error().message;
  return checked->problems.empty() ? ""
                                   : "unsound: " + checked->problems.front();
}

/// The figures of a campaign.
struct io_counts {
  std::uint64_t faults = 0;
  std::uint64_t hit = 0;
  std::map<int, std::uint64_t> exit_codes;
  std::vector<std::string> failures;
};

constexpr std::array all_kinds{fault_kind::no_space,    fault_kind::io_error,
                               fault_kind::short_write, fault_kind::late_error,
                               fault_kind::kill_before, fault_kind::kill_after,
                               fault_kind::no_blocks};

/// True if a child may end like this after a fault of this kind.
bool is_expected(fault_kind kind, bool is_hit, int code) {
  if (!is_hit)
    return code == 0;
  switch (kind) {
  case fault_kind::kill_before:
  case fault_kind::kill_after:
    return code == killed;
  case fault_kind::no_blocks:
    return code == 0;
  case fault_kind::dropped:
    return true;
  default:
    // A failure while the directory is opened is an error of the opening.
    return code == exit_code_storage || code == refused_to_open;
  }
}

/// One hub with a number of faults, each on a copy of the directory.
class io_run {
public:
  io_run(std::uint64_t seed, std::uint32_t lanes)
    : seed_(seed), random_(seed), hub_(testing::small_hub(4, lanes)) {
    const fs::path hub = place_.path() / "base" / "hub";
    fs::create_directories(place_.path() / "base");
    create_hub(hub, hub_, testing::small_maps).value();
    shared_progress counted;
    run(fault_kind::none, 0, 1, counted.get());
    calls_ = counted.get().faults.calls;
    allocations_ = counted.get().faults.allocations;
  }

  void add_fault(fault_kind kind, io_counts& counts) {
    const std::uint64_t most
      = kind == fault_kind::no_blocks ? allocations_ : calls_;
    const std::uint64_t at = 1 + random_() % most;
    shared_progress progress;
    const int code = run(kind, at, 1 + random_() % 12, progress.get());
    const bool is_hit = progress.get().faults.is_hit;
    ++counts.faults;
    counts.hit += is_hit ? 1 : 0;
    ++counts.exit_codes[code];
    std::string failed;
    if (!is_expected(kind, is_hit, code))
      failed = "exit code " + std::to_string(code);
    else
      failed
        = difference_after(place_.path() / "copy", hub_, seed_, progress.get());
    if (!failed.empty())
      counts.failures.push_back(
        failed + " (kind " + std::to_string(static_cast<int>(kind))
        + " at call " + std::to_string(at) + " of " + std::to_string(most)
        + ", seed " + std::to_string(seed_) + ", exit code "
        + std::to_string(code) + ')');
  }

private:
  int run(fault_kind kind, std::uint64_t at, std::uint64_t repeats,
          io_progress& progress) {
    const fs::path copy = place_.path() / "copy";
    fs::remove_all(copy);
    fs::copy(place_.path() / "base", copy, fs::copy_options::recursive);
    const disk_fault fault{copy / "hub", at, kind, repeats};
    return testing::in_child(
      [&] { return work_with_fault(copy, hub_, seed_, fault, progress); });
  }

  const temporary_directory place_;
  const std::uint64_t seed_;
  std::mt19937_64 random_;
  const hub_identity hub_;
  std::uint64_t calls_ = 0;
  std::uint64_t allocations_ = 0;
};

std::uint64_t io_number(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

} // namespace

BOOST_AUTO_TEST_SUITE(io)

BOOST_AUTO_TEST_CASE(no_failure_of_the_disk_loses_a_reported_turn) {
  const std::uint64_t wanted = io_number("PERDURA_IO_FAULTS", 140);
  const std::uint64_t seed = io_number("PERDURA_IO_SEED", 1);
  constexpr std::uint64_t faults_per_run = 35;
  io_counts counts;
  for (std::uint64_t i = 0; counts.faults < wanted; ++i) {
    io_run run(seed * 10'000 + i, 1 + static_cast<std::uint32_t>(i % 2));
    for (std::uint64_t n = 0; n < faults_per_run && counts.faults < wanted; ++n)
      run.add_fault(all_kinds.at(n % all_kinds.size()), counts);
  }
  for (const std::string& each : counts.failures)
    BOOST_ERROR(each);
  BOOST_TEST(counts.hit == counts.faults);
  for (const auto& [code, count] : counts.exit_codes)
    BOOST_TEST_MESSAGE(count << " children ended with " << code);
  BOOST_TEST_MESSAGE(counts.faults << " faults, " << counts.failures.size()
                                   << " failures, seed " << seed);
}

// --- Planted fault -----------------------------------------------------------

// A disk that reports writes which it has not done.
BOOST_AUTO_TEST_CASE(dropped_writes_are_found) {
  io_counts counts;
  io_run run(1, 1);
  for (int i = 0; i < 40; ++i)
    run.add_fault(fault_kind::dropped, counts);
  BOOST_TEST(counts.failures.size() > 0U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
