// SPDX-License-Identifier: Apache-2.0
// The partitions of a node without the node: with a journal in memory that
// commits when the test asks for it, and without a router. No test sends
// messages between partitions.
#include "actors/interface/answer_sink.hpp"
#include "cluster/node/node_process.hpp"
#include "cluster/node/partition_set.hpp"
#include "persistence/journal/memory_journal.hpp"
#include "tests/support/contains.hpp"
#include "tests/support/patience.hpp"
#include "tests/support/test_functions.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

namespace perdura::tests {

using namespace persistence;

namespace {

constexpr partition_id owned_first{0};
constexpr partition_id not_owned{1};
constexpr partition_id owned_second{2};

/// The answers of the partitions, by the number of the request.
class answer_box : public actors::answer_sink {
public:
  void answer(actors::reply_to to,
              actors::management_answer answer) noexcept override {
    const std::lock_guard lock(mutex_);
    codes_[to.correlation] = answer.code;
  }

  std::optional<errc> code_of(std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    const auto found = codes_.find(number);
    return found == codes_.end() ? std::nullopt : std::optional(found->second);
  }

private:
  std::mutex mutex_;
  std::map<std::uint64_t, errc> codes_;
};

/// Counts how often the time was read: a partition reads it when it recovers.
struct counting_clock : clock {
  timestamp now() const override {
    ++reads;
    return system_clock().now();
  }

  persistence::boot_time since_boot() const override {
    return system_clock().since_boot();
  }

  const std::string& boot_id() const override {
    return system_clock().boot_id();
  }

  mutable std::atomic<int> reads{0};
};

/// The node owns the first and the third of the three partitions of a hub.
struct set_fixture {
  set_fixture() {
    add_test_functions(*functions);
    actors::activity_pool_dependencies work;
    work.functions = functions;
    work.deliver = [this](actors::activity_result result) {
      set.deliver(std::move(result));
    };
    process.open_activities({}, std::move(work));
  }

  ~set_fixture() {
    process.end_activities(patience);
    set.end();
    process.end_turns(patience);
    set.release();
    process.end();
  }

  void spawn() {
    actors::partition_config config;
    config.partition_count = 3;
    config.partition_of
      = [](const instance_id&, std::uint32_t) { return owned_first; };
    config.resolve = [](const std::string&,
                        const std::string& version) -> result<std::string> {
      return version;
    };
    config.discards_events = [](const std::string&) { return false; };
    actors::partition_dependencies dependencies;
    process.provide(dependencies);
    dependencies.clock = &time;
    dependencies.journal = journal.get();
    dependencies.reader = journal.get();
    dependencies.functions = functions;
    dependencies.local_answers = answers;
    dependencies.local_gateway_number = 1;
    set.spawn(process.system(), config, dependencies);
  }

  /// Calls `recover` on another thread.
  void begin_recovery() {
    recovery = std::thread([this] {
      outcome = set.recover();
      recovered = true;
    });
  }

  /// Returns when at least one partition has begun to recover. None becomes
  /// ready before the journal commits.
  void spawn_and_begin_recovery() {
    spawn();
    set.figures(); // an actor that answers reads the time next to recover
    const int before = time.reads;
    begin_recovery();
    BOOST_TEST_REQUIRE(eventually([&] { return time.reads > before; }));
  }

  /// Commits until the condition holds.
  template <class F>
  bool commit_until(F holds) {
    return eventually([&] {
      journal->commit();
      return holds();
    });
  }

  void recover() {
    spawn();
    begin_recovery();
    BOOST_TEST_REQUIRE(commit_until([&] { return recovered.load(); }));
    recovery.join();
  }

  /// Sends a start. Returns the number of the request.
  std::uint64_t send_start(partition_id at, const instance_id& id,
                           const std::string& name) {
    actors::start_instance start;
    start.id = id;
    start.name = name;
    start.input = "1";
    start.execution = "execution-" + id;
    const std::uint64_t number = ++requests;
    caf::anon_send(set.by_id()[index_of(at)],
                   actors::management_inbound{{1, number}, std::move(start)});
    return number;
  }

  /// Starts an instance. Returns the code of the answer.
  errc start(partition_id at, const instance_id& id, const std::string& name) {
    const std::uint64_t number = send_start(at, id, name);
    BOOST_TEST_REQUIRE(
      commit_until([&] { return answers->code_of(number).has_value(); }));
    return *answers->code_of(number);
  }

  std::optional<runtime_status> status_of(partition_id at,
                                          const instance_id& id) {
    const auto stored = journal->read(at, id);
    if (!stored || !*stored)
      return std::nullopt;
    return (*stored)->record.status;
  }

  /// Damages the row without which the partition cannot recover.
  void damage(partition_id id) {
    auto& rows = disk->at(0).rows.rows(table::partitions);
    std::next(rows.begin(), static_cast<std::ptrdiff_t>(index_of(id)))->second
      = "damaged";
  }

  std::shared_ptr<memory_disk> disk = make_memory_disk(3);
  std::unique_ptr<manual_journal> journal
    = std::move(open_memory_journal(disk).value());
  std::shared_ptr<actors::registry> functions
    = std::make_shared<actors::registry>();
  std::shared_ptr<answer_box> answers = std::make_shared<answer_box>();
  counting_clock time;
  std::uint64_t requests = 0;
  cluster::partition_set set{{owned_first, owned_second}, 3};
  cluster::node_process process{2,
                                std::make_unique<caf::actor_system_config>()};
  result<void> outcome;
  std::atomic<bool> recovered{false};
  std::thread recovery;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(partition_set_suite, set_fixture)

BOOST_AUTO_TEST_CASE(every_owned_partition_serves_after_recovery) {
  recover();
  BOOST_TEST(static_cast<bool>(outcome));
  BOOST_TEST_REQUIRE(set.by_id().size() == 3);
  BOOST_TEST(!set.by_id()[index_of(not_owned)]);
  BOOST_TEST((start(owned_first, "order-1", "Waits") == errc::ok));
  BOOST_TEST((start(owned_second, "order-2", "Waits") == errc::ok));
}

BOOST_AUTO_TEST_CASE(recovery_waits_until_the_epoch_of_each_is_durable) {
  spawn_and_begin_recovery();
  BOOST_TEST(!recovered);
  BOOST_TEST(commit_until([&] { return recovered.load(); }));
  recovery.join();
  BOOST_TEST(static_cast<bool>(outcome));
}

// `recover` returns only when all have reported, so the second one serves.
BOOST_AUTO_TEST_CASE(
  a_partition_that_cannot_recover_leaves_the_others_serving) {
  damage(owned_first);
  recover();
  BOOST_TEST(static_cast<bool>(outcome));
  BOOST_TEST((start(owned_second, "order-2", "Waits") == errc::ok));
  // It refuses every request, and is reported.
  BOOST_TEST((start(owned_first, "order-1", "Waits") == errc::storage_damaged));
  BOOST_TEST((start(owned_first, "order-1", "Waits") == errc::storage_damaged));
  BOOST_TEST_REQUIRE(set.damaged().size() == 1U);
  BOOST_TEST(
    contains(set.damaged().at(owned_first).message, "of table partitions"));
  const auto stuck = set.stuck();
  BOOST_TEST_REQUIRE(stuck.size() == 1U);
  BOOST_TEST(stuck[0].first.empty());
  BOOST_TEST(contains(stuck[0].second, "Partition 0 cannot be used"));
  BOOST_TEST(set.figures().stuck == 1U);
}

// Recovery waits for the second partition, although the first one has failed.
BOOST_AUTO_TEST_CASE(damage_does_not_end_the_wait_for_the_others) {
  damage(owned_first);
  spawn_and_begin_recovery();
  set.figures(); // the first one answers after it has reported its error
  BOOST_TEST(!recovered);
  BOOST_TEST_REQUIRE(commit_until([&] { return recovered.load(); }));
  recovery.join();
  BOOST_TEST(static_cast<bool>(outcome));
  BOOST_TEST(set.damaged().contains(owned_first));
}

BOOST_AUTO_TEST_CASE(damage_of_the_last_partition_is_reported_as_well) {
  damage(owned_second);
  recover();
  BOOST_TEST(static_cast<bool>(outcome));
  BOOST_TEST(set.damaged().contains(owned_second));
  BOOST_TEST((start(owned_first, "order-1", "Waits") == errc::ok));
}

// Requests that arrive before the recovery are refused, too.
BOOST_AUTO_TEST_CASE(damaged_partition_refuses_requests_that_arrived_before) {
  damage(owned_first);
  spawn();
  const std::uint64_t early = send_start(owned_first, "order-1", "Waits");
  begin_recovery();
  BOOST_TEST_REQUIRE(commit_until([&] { return recovered.load(); }));
  recovery.join();
  BOOST_TEST_REQUIRE(
    eventually([&] { return answers->code_of(early).has_value(); }));
  BOOST_TEST((answers->code_of(early) == errc::storage_damaged));
}

BOOST_AUTO_TEST_CASE(recovery_returns_if_no_partition_can_recover) {
  damage(owned_first);
  damage(owned_second);
  recover();
  BOOST_TEST((outcome.code() == errc::storage_damaged));
}

BOOST_AUTO_TEST_CASE(a_stop_ends_a_recovery_that_is_not_durable_yet) {
  spawn_and_begin_recovery();
  set.end();
  recovery.join();
  BOOST_TEST((outcome.code() == errc::shutting_down));
}

BOOST_AUTO_TEST_CASE(a_stop_before_the_recovery_ends_it_at_once) {
  spawn();
  set.end();
  BOOST_TEST((set.recover().code() == errc::shutting_down));
}

BOOST_AUTO_TEST_CASE(a_set_without_partitions_is_ready_at_once) {
  cluster::partition_set empty({}, 3);
  empty.spawn(process.system(), {}, {});
  BOOST_TEST(static_cast<bool>(empty.recover()));
  BOOST_TEST(empty.stuck().empty());
  BOOST_TEST(empty.figures().live == 0);
}

// The program has no orchestrator with this name, so both instances are held.
BOOST_AUTO_TEST_CASE(stuck_instances_of_all_partitions_are_listed) {
  recover();
  start(owned_first, "order-1", "Missing");
  start(owned_second, "order-2", "Missing");
  start(owned_second, "order-3", "Waits");
  std::vector<std::string> ids;
  BOOST_TEST(commit_until([&] {
    ids.clear();
    for (const auto& [id, reason] : set.stuck())
      ids.push_back(id);
    return ids.size() >= 2;
  }));
  std::sort(ids.begin(), ids.end());
  const std::vector<std::string> expected{"order-1", "order-2"};
  BOOST_TEST(ids == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(figures_are_summed_over_all_partitions) {
  recover();
  start(owned_first, "order-1", "Waits");
  start(owned_second, "order-2", "Waits");
  BOOST_TEST(set.figures().live == 2);
}

BOOST_AUTO_TEST_CASE(surveys_leave_out_partitions_that_were_released) {
  recover();
  set.end();
  set.release();
  BOOST_TEST(set.by_id().empty());
  BOOST_TEST(set.figures().live == 0);
  BOOST_TEST(set.stuck().empty()); // otherwise a time-out is listed
}

// The second owned partition is the third of the hub.
BOOST_AUTO_TEST_CASE(an_activity_result_reaches_its_partition) {
  recover();
  start(owned_second, "order-2", "Give");
  BOOST_TEST(commit_until([&] {
    return status_of(owned_second, "order-2") == runtime_status::completed;
  }));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
