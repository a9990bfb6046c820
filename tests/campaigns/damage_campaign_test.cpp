// SPDX-License-Identifier: Apache-2.0
// Damaged data directories: a node on one answers right or with an error, never
// ends by a signal, and damage to one instance concerns only that instance.
//
// The long form is ./dev campaign damage. PERDURA_DAMAGE_FLIPS is the number of
// flipped bits, PERDURA_DAMAGE_TRUNCATIONS that of truncated files,
// PERDURA_DAMAGE_SEED the first seed; with --log_level=message the figures are
// printed.
#include "tests/persistence/storage_kinds.hpp"

#include "campaigns/damaged_node.hpp"
#include "campaigns/page_regions.hpp"
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iomanip>
#include <map>
#include <random>
#include <sstream>

namespace perdura::tests {

using persistence::testing::temporary_directory;

namespace {

const std::string journal_file = "lane-0/journal/data.mdb";
const std::string views_file = "lane-0/views/data.mdb";

std::size_t count_in(const char* name, std::size_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoul(text, nullptr, 10);
}

/// True if the effect may happen when bytes of this role are damaged. An error
/// may always happen, a wrong answer or the end of the process never.
bool may_happen(page_role role, damage_effect effect) {
  switch (effect) {
  case damage_effect::error_answer:
    return true;
  // The damage concerns more than one instance.
  case damage_effect::refused_start:
  case damage_effect::refused_restart:
  case damage_effect::spread:
    return role != page_role::instance_row && role != page_role::instance_value
           && role != page_role::index_row && role != page_role::unused;
  default:
    return false;
  }
}

/// A role for which the rule does not hold yet, and the reason. A line is
/// removed with the fault; then each effect that may not happen is a failure.
struct open_fault {
  page_role role;
  std::string_view reason;
};

constexpr std::array open_faults{
  open_fault{page_role::index_row,
             "a damaged key can hide a row of a list (1 of 100 flips)"},
  open_fault{page_role::instance_row,
             "an instance can be called absent (1 of 100 flips)"},
};

bool has_open_fault(page_role role) {
  return std::any_of(open_faults.begin(), open_faults.end(),
                     [&](const open_fault& each) { return each.role == role; });
}

/// Counts the effects by the damaged role.
class damage_counts {
public:
  void add(page_role role, const std::string& what,
           const damage_result& result) {
    ++trials_[role];
    bool is_right = true;
    for (std::size_t i = 0; i < damage_effects; ++i) {
      const auto effect = static_cast<damage_effect>(i);
      if (!result.has(effect))
        continue;
      is_right = false;
      ++effects_[{role, effect}];
      if (may_happen(role, effect))
        continue;
      const std::string sentence = std::string(name_of(role)) + ", " + what
                                   + ": " + std::string(name_of(effect)) + ": "
                                   + result.sentence;
      if (has_open_fault(role) && effect != damage_effect::crashed)
        BOOST_TEST_MESSAGE("open fault: " << sentence);
      else
        BOOST_ERROR(sentence);
    }
    right_[role] += is_right ? 1 : 0;
  }

  /// The number of roles that were damaged.
  std::size_t roles() const {
    return trials_.size();
  }

  /// A table with a line for each role.
  std::string table() const {
    std::ostringstream text;
    text << std::left << std::setw(26) << "damaged" << std::right
         << std::setw(7) << "trials" << std::setw(7) << "right";
    for (std::size_t i = 0; i < damage_effects; ++i)
      text << std::setw(17) << name_of(static_cast<damage_effect>(i));
    for (const auto& [role, count] : trials_) {
      text << '\n'
           << std::left << std::setw(26) << name_of(role) << std::right
           << std::setw(7) << count << std::setw(7) << right_.at(role);
      for (std::size_t i = 0; i < damage_effects; ++i) {
        const auto found = effects_.find({role, static_cast<damage_effect>(i)});
        text << std::setw(17) << (found == effects_.end() ? 0 : found->second);
      }
    }
    return text.str();
  }

private:
  std::map<page_role, std::size_t> trials_;
  std::map<page_role, std::size_t> right_;
  std::map<std::pair<page_role, damage_effect>, std::size_t> effects_;
};

/// A directory, and the regions of its files by role.
struct damage_ground {
  explicit damage_ground(bool is_killed) : subject(place.path(), is_killed) {
    regions[page_role::hub_file].push_back(
      {"hub", {page_role::hub_file, 0, subject.bytes_of("hub").size()}});
    for (const std::string& file : {journal_file, views_file})
      for (const page_region& each :
           regions_of(subject.directory() / file, file == journal_file)) {
        regions[each.role].emplace_back(file, each);
        used_bytes[file] = std::max(used_bytes[file], each.offset + each.size);
      }
  }

  /// Flips one bit in bytes of a role.
  void flip(page_role role, std::mt19937_64& random, damage_counts& counts) {
    const auto found = regions.find(role);
    if (found == regions.end())
      return;
    std::uint64_t all = 0;
    for (const auto& [file, region] : found->second)
      all += region.size;
    std::uint64_t at = random() % all;
    const unsigned bit = random() % 8;
    for (const auto& [file, region] : found->second) {
      if (at >= region.size) {
        at -= region.size;
        continue;
      }
      std::string bytes = subject.bytes_of(file);
      char& byte = bytes.at(region.offset + at);
      byte = static_cast<char>(byte ^ (1 << bit));
      return counts.add(role,
                        file + " byte " + std::to_string(region.offset + at)
                          + " bit " + std::to_string(bit),
                        subject.with_file(file, bytes));
    }
  }

  void truncate(std::mt19937_64& random, damage_counts& counts) {
    const std::string file
      = random() % 8 == 0 ? "hub"
                          : (random() % 2 == 0 ? journal_file : views_file);
    std::string bytes = subject.bytes_of(file);
    // The pages at the end of a data file are not used.
    const std::size_t used = file == "hub" ? bytes.size() : used_bytes.at(file);
    std::size_t size = random() % used;
    if (random() % 2 == 0)
      size = size / 4096 * 4096;
    bytes.resize(size);
    counts.add(page_role::meta, file + " truncated to " + std::to_string(size),
               subject.with_file(file, bytes));
  }

  temporary_directory place;
  damage_subject subject;
  std::map<page_role, std::vector<std::pair<std::string, page_region>>> regions;
  std::map<std::string, std::uint64_t> used_bytes; ///< For each data file.
};

} // namespace

BOOST_AUTO_TEST_SUITE(damage_campaign)

// The flips are spread evenly over the roles, so that each is hit often.
BOOST_AUTO_TEST_CASE(flipped_bits_and_truncations_never_give_wrong_answers) {
  const std::size_t flips = count_in("PERDURA_DAMAGE_FLIPS", 120);
  const std::size_t truncations
    = count_in("PERDURA_DAMAGE_TRUNCATIONS", flips * 3 / 20);
  const std::size_t seed = count_in("PERDURA_DAMAGE_SEED", 1);
  std::mt19937_64 random(seed);
  damage_ground grounds[]{damage_ground(false), damage_ground(true)};
  damage_counts flipped;
  damage_counts truncated;
  for (std::size_t i = 0; i < flips; ++i)
    grounds[i / page_roles % 2].flip(static_cast<page_role>(i % page_roles),
                                     random, flipped);
  for (std::size_t i = 0; i < truncations; ++i)
    grounds[i % 2].truncate(random, truncated);
  BOOST_TEST(flipped.roles() == std::min(flips, page_roles));
  BOOST_TEST_MESSAGE(flips << " flipped bits, seed " << seed << ":\n"
                           << flipped.table());
  BOOST_TEST_MESSAGE(truncations << " truncated files:\n" << truncated.table());
}

// Without damage nothing happens.
BOOST_AUTO_TEST_CASE(sound_directory_has_no_effect) {
  for (const bool is_killed : {false, true}) {
    damage_ground ground(is_killed);
    const auto result = ground.subject.with_file(
      views_file, ground.subject.bytes_of(views_file));
    BOOST_TEST((result.seen == std::array<bool, damage_effects>{}),
               result.sentence);
  }
}

// The planted fault: files of the same hub at an earlier time, which are sound.
// The node answers as if the later instances had never been there.
BOOST_AUTO_TEST_CASE(answers_of_an_older_state_are_noticed) {
  temporary_directory place;
  std::filesystem::create_directory(place.path() / "a");
  damage_subject subject(place.path() / "a", false);
  BOOST_TEST(subject.with_older_files().has(damage_effect::wrong_answer));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
