// SPDX-License-Identifier: Apache-2.0
// The two sides of a partition: what apply makes of the writes of a turn, which
// timers are in memory, and the queue of the eviction.
#include "actors/partition/volatile_partition.hpp"

#include <boost/test/unit_test.hpp>

namespace perdura::tests {

using namespace actors;
using namespace persistence;

namespace {

constexpr timestamp sides_time{std::chrono::hours(12)};
constexpr elapsed_time sides_elapsed{std::chrono::hours(12)};

instance_write whole(const instance_id& id) {
  instance_write write;
  write.id = id;
  write.removed = true;
  write.record.emplace().name = "Order";
  return write;
}

instance_write part(const instance_id& id) {
  instance_write write;
  write.id = id;
  write.record.emplace().name = "Changed";
  return write;
}

turn_writes one(instance_write write) {
  turn_writes writes;
  writes.epoch = 2;
  writes.sequence = 5;
  writes.now = sides_time;
  writes.instances.push_back(std::move(write));
  return writes;
}

struct sides {
  durable_store store{partition_config{}};
  volatile_partition live;
};

std::vector<instance_id> order_of(idle_queue& queue, std::size_t count) {
  std::vector<instance_id> order;
  for (std::size_t i = 0; i < count; ++i) {
    order.push_back(*queue.front().instance->id);
    queue.requeue_front(sides_elapsed);
  }
  return order;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(partition_sides, sides)

BOOST_AUTO_TEST_CASE(apply_changes_the_meta_data) {
  store.apply(one(whole("a")));
  BOOST_TEST(store.get().meta.epoch == 2U);
  BOOST_TEST(store.get().meta.sequence == 5U);
  BOOST_TEST((store.get().meta.now == sides_time));
}

BOOST_AUTO_TEST_CASE(only_a_whole_write_brings_an_instance_into_memory) {
  store.apply(one(part("a")));
  BOOST_TEST(store.get().find("a") == nullptr);
  store.apply(one(whole("a")));
  BOOST_REQUIRE(store.get().find("a") != nullptr);
  store.apply(one(part("a")));
  BOOST_TEST(store.get().find("a")->record.name == "Changed");
}

BOOST_AUTO_TEST_CASE(a_purged_instance_has_no_rows) {
  store.apply(one(whole("a")));
  instance_write purge;
  purge.id = "a";
  purge.removed = true;
  store.apply(one(std::move(purge)));
  BOOST_TEST(store.get().find("a") == nullptr);
  store.apply(one(part("a"))); // a late write has no effect
  BOOST_TEST(store.get().find("a") == nullptr);
}

BOOST_AUTO_TEST_CASE(rows_of_the_journal_are_admitted_and_released) {
  stored_instance rows;
  rows.record.name = "Stored";
  store.admit("a", std::move(rows));
  BOOST_TEST(store.get().find("a")->record.name == "Stored");
  store.release("a");
  BOOST_TEST(store.get().find("a") == nullptr);
  store.release("a");
}

BOOST_AUTO_TEST_CASE(an_acknowledgement_covers_all_earlier_messages) {
  turn_writes writes;
  const partition_id to{3};
  for (std::uint64_t i = 1; i <= 4; ++i)
    writes.outbox.push_back({to, i, "b", event_send{"E", "1"}});
  store.apply(writes);
  BOOST_TEST(store.get().outbox_head(to) == 4U);
  BOOST_TEST(store.get().outbox_head(partition_id{4}) == 0U);
  turn_writes known;
  known.outbox_acknowledged.push_back({to, 3});
  store.apply(known);
  BOOST_TEST(store.get().outbox.at(to).size() == 1U);
  BOOST_TEST(store.get().outbox.at(to).kept.size() == 1U);
  BOOST_TEST(store.get().outbox.at(to).kept.contains(4));
  BOOST_TEST(store.get().outbox_bytes == store.get().outbox.at(to).kept_bytes);
  BOOST_TEST(store.get().outbox_head(to) == 4U);
}

BOOST_AUTO_TEST_CASE(marks_never_decrease) {
  turn_writes writes;
  const partition_id from{1};
  writes.marks = {{from, 7}};
  store.apply(writes);
  writes.marks = {{from, 5}};
  store.apply(writes);
  BOOST_TEST(store.get().mark(from) == 7U);
  BOOST_TEST(store.get().mark(partition_id{2}) == 0U);
}

BOOST_AUTO_TEST_CASE(a_snapshot_restores_everything_but_instances) {
  partition_snapshot snapshot;
  snapshot.meta.epoch = 4;
  snapshot.outbox.push_back({partition_id{1}, 9, 11});
  snapshot.marks.push_back({partition_id{2}, 6});
  store.restore(snapshot);
  BOOST_TEST(store.get().meta.epoch == 4U);
  BOOST_TEST(store.get().outbox.at(partition_id{1}).size() == 3U);
  BOOST_TEST(store.get().outbox.at(partition_id{1}).kept.empty());
  BOOST_TEST(store.get().outbox_head(partition_id{1}) == 11U);
  BOOST_TEST(store.get().mark(partition_id{2}) == 6U);
  BOOST_TEST(store.get().instances.empty());
}

BOOST_AUTO_TEST_CASE(timers_in_memory_are_those_up_to_the_horizon) {
  live.timers.until = sides_time;
  live.wall_timers.until = sides_time;
  instance_write write = whole("a");
  write.tasks_opened = {
    {1, {task_kind::timer, {}, sides_time, {}, 0, 1}},
    {2, {task_kind::timer, {}, sides_time + std::chrono::seconds(1), {}, 0, 1}},
    {3, {task_kind::activity, "A", {}, {}, 0, 1}},
    {4, {task_kind::scheduled_start, {}, sides_time, {}, 0, 1}},
    {5, {task_kind::timer, {}, {}, {}, 0, 1, sides_elapsed}},
    {6, {task_kind::timer, {}, sides_time, {}, 0, 1, {}, true}}};
  const turn_writes opened = one(std::move(write));
  follow_timers(live, store.get(), opened);
  store.apply(opened);
  using tasks = std::set<due_task>;
  BOOST_TEST(
    (live.timers.tasks == tasks{{sides_time, "a", 1}, {sides_time, "a", 5}}));
  BOOST_TEST((live.wall_timers.tasks
              == tasks{{sides_time, "a", 4}, {sides_time, "a", 6}}));
  BOOST_TEST(live.has_later_timers); // timer 2

  instance_write close = part("a");
  close.tasks_closed
    = {{1, task_kind::timer, sides_time}, {6, task_kind::timer, sides_time}};
  follow_timers(live, store.get(), one(std::move(close)));
  BOOST_TEST(live.timers.tasks.size() == 1U);
  BOOST_TEST(live.wall_timers.tasks.size() == 1U);

  instance_write reset = part("a");
  reset.reset = true;
  follow_timers(live, store.get(), one(std::move(reset)));
  BOOST_TEST(live.timers.tasks.empty());
  BOOST_TEST(live.wall_timers.tasks.empty());
}

BOOST_AUTO_TEST_CASE(an_instance_that_is_removed_leaves_the_idle_queue) {
  idle_queue queue;
  for (const char* id : {"a", "b", "c", "d"}) {
    live_instance& instance = live.add(id);
    queue.add(instance.idle, instance, sides_elapsed);
    queue.add(instance.idle, instance,
              sides_elapsed); // is in the queue already
  }
  live.instances.erase("b");
  const std::vector<instance_id> left{"a", "c", "d"};
  BOOST_TEST(order_of(queue, 3) == left, boost::test_tools::per_element());
  live.instances.clear();
  BOOST_TEST(queue.empty());
}

BOOST_AUTO_TEST_CASE(an_instance_is_found_with_both_sides) {
  BOOST_TEST(!find(store.get(), live, "a"));
  store.apply(one(whole("a")));
  BOOST_TEST(!find(store.get(), live, "a")); // not in memory
  live_instance& instance = live.add("a");
  BOOST_TEST(&live.add("a") == &instance);
  const loaded_instance found = find(store.get(), live, "a");
  BOOST_TEST(found.live == &instance);
  BOOST_TEST(found.durable == store.get().find("a"));
  make_runnable(live, instance);
  make_runnable(live, instance);
  BOOST_TEST(live.runnable.size() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
