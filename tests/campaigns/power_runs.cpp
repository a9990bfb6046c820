// SPDX-License-Identifier: Apache-2.0
#include "campaigns/power_runs.hpp"

#include "cluster/placement/peer_register.hpp"
#include "persistence/journal/verify.hpp"
#include "persistence/records/identity.hpp"

#include "campaigns/power_workload.hpp"
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <tuple>

namespace perdura::tests {

using namespace persistence;
namespace fs = std::filesystem;

namespace {

/// A sentence that begins with the name of a kind, as a finding.
std::optional<power_finding> to_finding(const std::string& sentence) {
  if (sentence.empty())
    return {};
  const auto begins
    = [&](const char* name) { return sentence.starts_with(name); };
  return power_finding{begins("lost")         ? power_failure_kind::lost
                       : begins("unopenable") ? power_failure_kind::unopenable
                       : begins("unsound")    ? power_failure_kind::unsound
                                              : power_failure_kind::wrong,
                       sentence};
}

std::string unsoundness_of(const fs::path& directory) {
  const auto checked = verify_hub(directory, testing::small_maps);
  if (!checked)
    return "unopenable: " + checked.error().message;
  return checked->problems.empty() ? ""
                                   : "unsound: " + checked->problems.front();
}

// LMDB changes its lock file through a memory map.
bool is_recorded_file(const std::string& path) {
  return !path.ends_with("lock.mdb");
}

/// Compares the replay of all operations with the files.
void check_replay(const disk_record& record, const fs::path& directory) {
  disk_replay replay(record);
  replay.run_to(record.operations.size());
  disk_content replayed = replay.written();
  disk_content real = read_content(directory);
  std::erase_if(replayed,
                [](const auto& each) { return !is_recorded_file(each.first); });
  std::erase_if(real,
                [](const auto& each) { return !is_recorded_file(each.first); });
  for (const auto& [path, bytes] : real)
    BOOST_TEST((replayed.contains(path) && replayed[path] == bytes),
               path << " differs from its replay");
  BOOST_TEST(replayed.size() == real.size());
}

/// Opens, checks and uses a directory as a node does after a power failure.
std::string check_lane(const fs::path& directory, power_workload& work,
                       const durable_progress& promised,
                       std::mt19937_64& random) {
  const fs::path hub = directory / "hub";
  if (!promised.is_created && !read_hub(hub))
    if (const std::string failed = work.create(); !failed.empty())
      return "unopenable: the creation is refused: " + failed;
  if (std::string unsound = unsoundness_of(hub); !unsound.empty())
    return unsound;
  if (std::string failed = work.open(promised); !failed.empty())
    return failed;
  work.work(2 + random() % 3);
  if (std::string difference = work.first_difference(); !difference.empty())
    return "wrong: after more turns: " + difference;
  work.close(random() % 2 == 0);
  if (std::string failed = work.open(work.moments().back()); !failed.empty())
    return "after more turns: " + failed;
  work.close(random() % 2 == 0);
  return unsoundness_of(hub);
}

/// The recorded work on a hub, as a run.
power_run to_run(std::string name, disk_record record,
                 const power_workload& work) {
  const auto check =
    [hub = work.hub(), turns = work.turns(), moments = work.moments(),
     name](const fs::path& directory, std::uint64_t moment,
           std::mt19937_64& random, std::optional<power_run>* recovery) {
      const durable_progress& promised = moments.at(moment);
      power_workload again(
        directory / "hub", hub, random(),
        {turns.begin(),
         turns.begin() + static_cast<std::ptrdiff_t>(promised.appended)},
        promised.is_created);
      std::optional<disk_recorder> recorder;
      if (recovery != nullptr) {
        recorder.emplace(directory);
        again.mark_in(&*recorder);
      }
      auto failed = to_finding(check_lane(directory, again, promised, random));
      if (!failed && recovery != nullptr)
        *recovery = to_run(name + ", recovered", recorder->stop(), again);
      return failed;
    };
  return {std::move(name), std::move(record), check};
}

/// Everything that a journal answers about its instances.
using read_state
  = std::vector<std::tuple<std::uint32_t, instance_id, stored_instance,
                           std::vector<history_event>>>;

read_state state_of(journal& j) {
  read_state all;
  for (std::uint32_t p = 0; p < j.hub().partition_count; ++p) {
    instance_query query;
    do {
      const auto page = j.query({partition_id(p)}, query).value();
      for (const instance_row& row : page.rows) {
        const partition_id partition{p};
        all.emplace_back(p, row.id, j.read(partition, row.id).value().value(),
                         j.history(partition, row.id).value());
      }
      query.token = page.token;
    } while (!query.token.empty());
  }
  return all;
}

result<std::unique_ptr<manual_journal>> open_manual(const fs::path& hub) {
  lmdb_journal_options options;
  options.directory = hub;
  options.map_bytes = testing::small_maps;
  options.disk_limits.reserve_bytes = 0;
  options.manual = true;
  return open_lmdb_journal(std::move(options));
}

/// The states of a hub after each turn of lane 0, by its position.
using states_by_position = std::map<journal_position, read_state>;

power_run to_format_run(std::string name, disk_record record,
                        std::vector<journal_position> reported,
                        std::shared_ptr<const states_by_position> states) {
  const auto check
    = [name, reported = std::move(reported), states = std::move(states)](
        const fs::path& directory, std::uint64_t moment, std::mt19937_64&,
        std::optional<power_run>* recovery) -> std::optional<power_finding> {
    const fs::path hub = directory / "hub";
    std::optional<disk_recorder> recorder;
    if (recovery != nullptr) {
      recorder.emplace(directory);
      recorder->mark(0);
    }
    if (const std::string unsound = unsoundness_of(hub); !unsound.empty())
      return to_finding(unsound);
    auto opened = open_manual(hub);
    if (!opened)
      return to_finding("unopenable: " + opened.error().message);
    const journal_position position = (*opened)->durable(partition_id(0));
    if (position < reported.at(moment))
      return to_finding("lost: the journal ends at "
                        + std::to_string(position));
    const auto expected = states->find(position);
    if (expected == states->end() || expected->second != state_of(**opened))
      return to_finding("wrong: an instance differs");
    (*opened)->flush_views(true);
    opened->reset();
    if (recovery != nullptr)
      *recovery = to_format_run(name + ", recovered", recorder->stop(),
                                {position}, states);
    return to_finding(unsoundness_of(hub));
  };
  return {std::move(name), std::move(record), check};
}

cluster::peer_hello hello_of(std::uint64_t number) {
  cluster::peer_hello hello;
  hello.node = "node-" + std::to_string(number);
  hello.directory = std::string(32, static_cast<char>('a' + number % 6));
  return hello;
}

} // namespace

/// Records the work of a node on a hub. With `from_creation`, the record begins
/// before the hub is created.
power_run record_lane(const fs::path& directory, std::uint64_t seed,
                      std::uint32_t lanes, bool from_creation) {
  fs::create_directories(directory);
  power_workload work(directory / "hub", testing::small_hub(4, lanes), seed, {},
                      false);
  if (!from_creation)
    BOOST_TEST_REQUIRE(work.create() == "");
  disk_recorder recorder(directory);
  work.mark_in(&recorder);
  if (from_creation)
    BOOST_TEST_REQUIRE(work.create() == "");
  const std::size_t sessions = from_creation ? 1 : 3;
  for (std::size_t i = 0; i < sessions; ++i) {
    BOOST_TEST_REQUIRE(work.open(work.moments().back()) == "");
    work.work(from_creation ? 3 : 10);
    work.close((seed + i) % 2 == 0);
  }
  disk_record record = recorder.stop();
  check_replay(record, directory);
  return to_run((from_creation ? "creation, " : "lane, ")
                  + std::to_string(lanes) + " lanes, seed "
                  + std::to_string(seed),
                std::move(record), work);
}

// Opening a directory of the first release raises its format.
power_run record_raised_format(const fs::path& directory,
                               const std::string& golden) {
  fs::create_directories(directory);
  const fs::path hub = directory / "hub";
  fs::copy(fs::path(std::getenv("PERDURA_SOURCE_DIR")) / "tests/golden"
             / golden,
           hub, fs::copy_options::recursive);
  auto states = std::make_shared<states_by_position>();
  std::vector<journal_position> reported;
  disk_recorder recorder(directory);
  {
    auto j = open_manual(hub).value();
    const auto note = [&] {
      recorder.mark(reported.size());
      reported.push_back(j->durable(partition_id(0)));
      (*states)[reported.back()] = state_of(*j);
    };
    // The first mark is before the operations of the opening, and promises
    // what the directory contained.
    note();
    for (std::uint64_t i = 1; i <= 4; ++i) {
      const auto meta = j->load(partition_id(0))->meta;
      j->append(testing::start_turn(partition_id(0), meta.sequence + 1,
                                    "power-" + std::to_string(i)));
      j->commit();
      note();
      if (i == 2)
        j->flush_views(true);
    }
  }
  disk_record record = recorder.stop();
  check_replay(record, directory);
  // Before the first mark, the positions of the first mark are promised, too.
  return to_format_run("raised format of " + golden, std::move(record),
                       std::move(reported), std::move(states));
}

// The file `peers`: each node that was admitted stays recorded.
power_run record_peers(const fs::path& directory) {
  fs::create_directories(directory);
  disk_recorder recorder(directory);
  recorder.mark(0);
  {
    const auto peers = cluster::peer_register::open(directory).value();
    for (std::uint64_t i = 1; i <= 8; ++i) {
      peers->admit(hello_of(i)).value();
      recorder.mark(i);
    }
    peers->record_admission().value();
    recorder.mark(9);
  }
  disk_record record = recorder.stop();
  check_replay(record, directory);
  const auto check
    = [](const fs::path& place, std::uint64_t moment, std::mt19937_64&,
         std::optional<power_run>*) -> std::optional<power_finding> {
    auto peers = cluster::peer_register::open(place);
    if (!peers)
      return to_finding("unopenable: " + peers.error().message);
    if (moment == 9 && !(*peers)->was_admitted())
      return to_finding("lost: the admission");
    for (std::uint64_t i = 1; i <= std::min<std::uint64_t>(moment, 8); ++i) {
      cluster::peer_hello other = hello_of(i);
      other.directory = std::string(32, '0');
      if ((*peers)->admit(other).code() != errc::storage_foreign)
        return to_finding("lost: the directory of " + other.node);
    }
    for (std::uint64_t i = 1; i <= 9; ++i)
      if (!(*peers)->admit(hello_of(i)))
        return to_finding("wrong: a node is refused");
    return {};
  };
  return {"peers", std::move(record), check};
}

} // namespace perdura::tests
