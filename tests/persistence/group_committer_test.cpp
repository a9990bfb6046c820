// SPDX-License-Identifier: Apache-2.0
// Guarantees of the group commit of one lane: positions, commits and listeners.
#include "persistence/records/codec.hpp"

#include "open_lane.hpp"
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <limits>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

namespace perdura::persistence {

using namespace testing;

BOOST_AUTO_TEST_SUITE(group_committer_suite)

// --- Positions ---------------------------------------------------------------

BOOST_AUTO_TEST_CASE(positions_are_dense_and_in_the_order_of_the_queue) {
  memory_disk disk(small_hub());
  open_lane lane(disk);
  journal_position expected = 0;
  for (int commit = 0; commit < 3; ++commit) {
    for (int i = 0; i < 4; ++i)
      for (const partition_id each :
           {third_partition, first_partition, second_partition})
        BOOST_TEST(lane.append(each) == ++expected);
    BOOST_TEST(lane.committer.commit() == 12U);
    BOOST_TEST(lane.committer.durable() == expected);
  }
  // Each record begins where the one before it ends, and holds the turns of
  // each partition in their order.
  journal_position next = 1;
  std::array<partition_sequence, 3> sequences{};
  for (const auto& [first, bytes] : disk.at(0).log.records()) {
    BOOST_TEST(first == next);
    const auto record = decode_journal_record(first, 0, bytes).value();
    next += record.count;
    for (const partition_turns& group : record.partitions)
      for (const encoded_turn& turn : group.turns)
        BOOST_TEST(decode<turn_writes>(turn.bytes).value().sequence
                   == ++sequences[index_of(group.partition)]);
  }
  BOOST_TEST(next == expected + 1);
}

// Each thread queues turns of one partition; the committer thread commits them.
BOOST_AUTO_TEST_CASE(positions_are_dense_if_many_threads_append) {
  constexpr std::size_t turns = 200;
  memory_disk disk(small_hub());
  std::array<std::vector<journal_position>, 3> positions;
  {
    open_lane lane(disk, threads::committer);
    std::vector<std::thread> callers;
    for (std::uint32_t p = 0; p < 3; ++p)
      callers.emplace_back([&, p] {
        for (std::size_t i = 0; i < turns; ++i) {
          positions[p].push_back(lane.append(partition_id(p)));
          lane.committer.request_commit(partition_id(p), i % 2 == 0);
        }
      });
    for (std::thread& caller : callers)
      caller.join();
    lane.committer.stop();
    BOOST_TEST(lane.committer.durable() == 3 * turns);
  }
  std::vector<bool> assigned(3 * turns + 1);
  for (const auto& of_partition : positions) {
    BOOST_TEST(std::is_sorted(of_partition.begin(), of_partition.end()));
    for (const journal_position each : of_partition) {
      BOOST_TEST_REQUIRE((each >= 1 && each <= 3 * turns));
      BOOST_TEST(!assigned[each]);
      assigned[each] = true;
    }
  }
}

// After turn 1, only turn 2 is accepted.
BOOST_AUTO_TEST_CASE(wrong_sequence_throws_and_queues_nothing) {
  for (const partition_sequence wrong :
       {partition_sequence{0}, partition_sequence{1}, partition_sequence{3},
        partition_sequence{1000},
        std::numeric_limits<partition_sequence>::max()}) {
    memory_disk disk(small_hub());
    open_lane lane(disk);
    lane.append(first_partition);
    BOOST_CHECK_THROW(
      lane.committer.append(start_turn(first_partition, wrong, "order-9")),
      std::logic_error);
    // The refused turn has no position, and the partition is not blocked.
    BOOST_TEST(lane.append(second_partition) == 2U);
    BOOST_TEST(lane.append(first_partition) == 3U);
    BOOST_TEST(lane.committer.commit() == 3U);
    BOOST_TEST(!lane.lane_views.read(first_partition, "order-9")->has_value());
  }
}

// --- Commits -----------------------------------------------------------------

// The sync of the first commit is held while ten more turns are queued.
BOOST_AUTO_TEST_CASE(turns_queued_during_a_commit_share_the_next_one) {
  memory_disk disk(small_hub());
  open_lane lane(disk, threads::committer);
  durable_waiter first;
  durable_waiter second;
  lane.committer.listen(first_partition, [&](auto p) { first.report(p); });
  lane.committer.listen(second_partition, [&](auto p) { second.report(p); });
  lane.log.hold();
  lane.append(first_partition);
  lane.committer.request_commit(first_partition, false);
  lane.log.wait_for_append();
  for (int i = 0; i < 5; ++i) {
    lane.append(first_partition);
    lane.append(second_partition);
    BOOST_TEST(
      !lane.committer.request_commit(first_partition, i % 2 == 0).has_value());
  }
  // Nothing is durable before the sync has returned.
  BOOST_TEST(lane.committer.durable() == 0U);
  BOOST_TEST(first.calls() == 0U);
  BOOST_TEST(!lane.has(first_partition, 1));
  lane.log.release();
  first.wait_for(11);
  second.wait_for(11);
  BOOST_TEST(lane.committer.durable() == 11U);
  BOOST_TEST(lane.committer.statistics().commits == 2U);
  BOOST_TEST(lane.committer.statistics().turns == 11U);
  BOOST_TEST(first.calls() == 2U);
  BOOST_TEST(second.calls() == 1U);
}

BOOST_AUTO_TEST_CASE(append_alone_starts_no_commit) {
  memory_disk disk(small_hub());
  open_lane lane(disk, threads::committer);
  lane.commit_on_the_spot();
  const std::uint64_t before = lane.committer.statistics().commits;
  for (int i = 0; i < 20; ++i)
    lane.append(second_partition);
  BOOST_TEST(lane.committer.statistics().commits == before);
  // The next commit of any partition includes them.
  lane.append(third_partition);
  BOOST_TEST(lane.committer.request_commit(third_partition, true).has_value());
  BOOST_TEST(lane.committer.statistics().commits == before + 1);
  BOOST_TEST(lane.has(second_partition, 20));
}

BOOST_AUTO_TEST_CASE(stop_and_destructor_commit_what_is_queued) {
  memory_disk disk(small_hub());
  {
    open_lane lane(disk, threads::committer);
    lane.append(first_partition);
    lane.committer.stop();
    BOOST_TEST(lane.committer.durable() == 1U);
  }
  {
    open_lane lane(disk, threads::committer);
    lane.append(second_partition);
  }
  BOOST_TEST(open_lane(disk).committer.durable() == 2U);
}

// --- Commits on the spot -----------------------------------------------------

// The turn of another partition is in the same commit.
BOOST_AUTO_TEST_CASE(commit_on_the_spot_returns_the_position_to_its_caller) {
  memory_disk disk(small_hub());
  open_lane lane(disk, threads::committer);
  const journal_position before = lane.commit_on_the_spot();
  std::vector<journal_position> own;
  std::vector<journal_position> other;
  std::thread::id other_thread;
  lane.committer.listen(first_partition, [&](auto p) { own.push_back(p); });
  lane.committer.listen(second_partition, [&](auto p) {
    other.push_back(p);
    other_thread = std::this_thread::get_id();
  });
  lane.append(second_partition);
  lane.append(first_partition);
  const auto reached = lane.committer.request_commit(first_partition, true);
  BOOST_TEST_REQUIRE(reached.has_value());
  BOOST_TEST(*reached == before + 2);
  BOOST_TEST(lane.committer.durable() == *reached);
  BOOST_TEST(lane.has(first_partition, lane.sequences[0]));
  BOOST_TEST(own.empty());
  BOOST_TEST(other == std::vector<journal_position>{before + 2});
  BOOST_TEST((other_thread == std::this_thread::get_id()));
  // The listener stays in place: it is called for the commits of others.
  lane.append(first_partition);
  lane.append(second_partition);
  const auto next = lane.committer.request_commit(second_partition, true);
  BOOST_TEST_REQUIRE(next.has_value());
  BOOST_TEST(own == std::vector<journal_position>{*next});
  BOOST_TEST(other.size() == 1U);
}

BOOST_AUTO_TEST_CASE(request_without_queued_turns_returns_nothing) {
  memory_disk disk(small_hub());
  open_lane lane(disk, threads::committer);
  const journal_position before = lane.commit_on_the_spot();
  BOOST_TEST(!lane.committer.request_commit(first_partition, true).has_value());
  BOOST_TEST(!lane.committer.request_commit(second_partition, true));
  BOOST_TEST(lane.committer.durable() == before);
}

// Three turns in the last commit mean that the load is not light.
BOOST_AUTO_TEST_CASE(committer_thread_commits_if_the_caller_may_not) {
  memory_disk disk(small_hub());
  open_lane lane(disk, threads::committer);
  const journal_position before = lane.commit_on_the_spot();
  durable_waiter waiter;
  std::thread::id thread;
  lane.committer.listen(first_partition, [&](auto p) {
    thread = std::this_thread::get_id();
    waiter.report(p);
  });
  for (int i = 0; i < 3; ++i)
    lane.append(first_partition);
  BOOST_TEST(!lane.committer.request_commit(first_partition, false));
  waiter.wait_for(before + 3);
  BOOST_TEST((thread != std::this_thread::get_id()));
  lane.append(first_partition);
  BOOST_TEST(!lane.committer.request_commit(first_partition, true));
  waiter.wait_for(before + 4);
  BOOST_TEST((thread != std::this_thread::get_id()));
  BOOST_TEST(waiter.calls() == 2U);
}

// A thread commits turns of the second partition on the spot; its sync is held.
BOOST_AUTO_TEST_CASE(caller_does_not_wait_for_the_commit_of_another_thread) {
  memory_disk disk(small_hub());
  open_lane lane(disk, threads::committer);
  const journal_position before = lane.commit_on_the_spot();
  durable_waiter waiter;
  lane.committer.listen(first_partition, [&](auto p) { waiter.report(p); });
  lane.log.hold();
  lane.append(second_partition);
  std::optional<journal_position> other;
  std::thread committing(
    [&] { other = lane.committer.request_commit(second_partition, true); });
  lane.log.wait_for_append();
  lane.append(first_partition);
  BOOST_TEST(!lane.committer.request_commit(first_partition, true));
  lane.log.release();
  committing.join();
  waiter.wait_for(before + 2);
  BOOST_TEST((other == before + 1));
}

// After an injected crash the caller learns nothing, even if its turn is
// durable: a process that has crashed performs no effect.
BOOST_AUTO_TEST_CASE(commit_on_the_spot_that_crashes_returns_nothing) {
  for (const crash_point where :
       {crash_point::before_commit, crash_point::after_commit}) {
    memory_disk disk(small_hub());
    journal_position before = 0;
    {
      std::atomic<bool> armed{false};
      open_lane lane(disk, threads::committer, [&](crash_point point, auto) {
        return armed && point == where;
      });
      before = lane.commit_on_the_spot();
      bool reported = false;
      lane.committer.listen(first_partition, [&](auto) { reported = true; });
      armed = true;
      lane.append(first_partition);
      BOOST_TEST(!lane.committer.request_commit(first_partition, true));
      BOOST_TEST(lane.crash->crashed());
      BOOST_TEST(!reported);
      BOOST_TEST(lane.committer.durable() == before);
    }
    BOOST_TEST(open_lane(disk).committer.durable()
               == before + (where == crash_point::after_commit ? 1 : 0));
  }
}

// --- Listeners ---------------------------------------------------------------

BOOST_AUTO_TEST_CASE(turn_is_in_the_views_before_its_listener_is_called) {
  for (const threads kind : {threads::none, threads::committer}) {
    memory_disk disk(small_hub());
    open_lane lane(disk, kind);
    durable_waiter waiter;
    bool was_readable = false;
    journal_position durable = 0;
    lane.committer.listen(second_partition, [&](journal_position p) {
      was_readable = lane.has(second_partition, 1);
      durable = lane.committer.durable();
      waiter.report(p);
    });
    lane.append(first_partition);
    lane.append(second_partition);
    lane.committer.request_commit(second_partition, false);
    if (kind == threads::none)
      lane.committer.commit();
    waiter.wait_for(2);
    BOOST_TEST(was_readable);
    BOOST_TEST(durable == 2U);
  }
}

BOOST_AUTO_TEST_CASE(replaced_and_removed_listeners_are_not_called) {
  memory_disk disk(small_hub());
  open_lane lane(disk);
  int old_calls = 0;
  int new_calls = 0;
  lane.committer.listen(first_partition, [&](auto) { ++old_calls; });
  lane.append(first_partition);
  lane.committer.listen(first_partition, [&](auto) { ++new_calls; });
  lane.committer.commit();
  BOOST_TEST(old_calls == 0);
  BOOST_TEST(new_calls == 1);
  lane.append(first_partition);
  lane.committer.listen(first_partition, {});
  lane.committer.commit();
  BOOST_TEST(new_calls == 1);
}

// The old listener runs while another thread replaces it: `listen` returns only
// when the call has ended, so the old listener may be destroyed then.
BOOST_AUTO_TEST_CASE(listen_waits_for_the_running_call_of_the_old_listener) {
  memory_disk disk(small_hub());
  open_lane lane(disk, threads::committer);
  durable_waiter entered;
  durable_waiter may_end;
  std::atomic<bool> has_ended{false};
  lane.committer.listen(first_partition, [&](journal_position p) {
    entered.report(p);
    may_end.wait_for(1);
    has_ended = true;
  });
  lane.append(first_partition);
  lane.committer.request_commit(first_partition, false);
  entered.wait_for(1);
  durable_waiter replacing;
  bool had_ended = false;
  std::thread replacer([&] {
    replacing.report(1);
    lane.committer.listen(first_partition, {});
    had_ended = has_ended;
  });
  replacing.wait_for(1);
  may_end.report(1);
  replacer.join();
  BOOST_TEST(had_ended);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::persistence
