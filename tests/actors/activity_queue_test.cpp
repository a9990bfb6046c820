// SPDX-License-Identifier: Apache-2.0
// The queue of activities: order, limits by name, and items that expire.
#include "actors/activities/activity_queue.hpp"

#include <boost/test/unit_test.hpp>

namespace perdura::tests {

using namespace actors;
using persistence::task_sequence;

namespace {

constexpr boot_time noon{std::chrono::hours(12)};

struct queue_fixture {
  void push(const std::string& name, task_sequence sequence,
            std::optional<boot_time> start_by = {}) {
    activity_work_item item;
    item.name = name;
    item.sequence = sequence;
    queue.push(std::move(item), start_by);
  }

  /// The sequence of the item; 0 if no item is startable.
  task_sequence pop() {
    const auto item = queue.pop_startable();
    return item ? item->sequence : 0;
  }

  std::map<std::string, std::size_t> limits{{"One", 1}, {"Two", 2}};
  std::size_t limits_asked = 0;
  activity_queue queue{
    [this](const std::string& name) -> std::optional<std::size_t> {
      ++limits_asked;
      if (name == "Unknown")
        return std::nullopt;
      const auto found = limits.find(name);
      return found == limits.end() ? 0 : found->second;
    }};
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(activity_queue_suite, queue_fixture)

BOOST_AUTO_TEST_CASE(items_are_taken_in_order_of_arrival) {
  push("A", 1);
  push("B", 2);
  push("A", 3);
  push("Two", 4);
  push("B", 5);
  for (task_sequence i = 1; i <= 5; ++i)
    BOOST_TEST(pop() == i);
  BOOST_TEST(pop() == 0U);
  BOOST_TEST(queue.size() == 0U);
}

// No activity has the name.
BOOST_AUTO_TEST_CASE(items_of_an_unknown_name_are_never_startable) {
  push("Unknown", 1);
  push("A", 2);
  push("Unknown", 3, noon);
  BOOST_TEST(queue.startable() == 1U);
  BOOST_TEST(pop() == 2U);
  BOOST_TEST(pop() == 0U);
  BOOST_TEST(queue.size() == 2U);
  const auto expired = queue.pop_expired(noon);
  BOOST_TEST_REQUIRE(expired.size() == 1U);
  BOOST_TEST(expired[0].sequence == 3U);
  queue.remove("", "other", true);
  BOOST_TEST(queue.size() == 1U);
  queue.remove("", "", true);
  BOOST_TEST(queue.size() == 0U);
  BOOST_TEST(queue.queued_by_name().empty());
}

// A forced purge drops all items of the execution.
BOOST_AUTO_TEST_CASE(items_of_known_names_are_removed_too) {
  push("One", 1);
  push("Two", 2, noon);
  push("Unknown", 3);
  queue.remove("", "", true);
  BOOST_TEST(queue.size() == 2U);
  queue.remove("", "other", false);
  BOOST_TEST(queue.startable() == 2U);
  queue.remove("", "", false);
  BOOST_TEST(queue.size() == 0U);
  BOOST_TEST(queue.startable() == 0U);
  BOOST_TEST(!queue.next_start_by());
  push("One", 4);
  BOOST_TEST(pop() == 4U);
}

BOOST_AUTO_TEST_CASE(removed_items_expire_no_more) {
  push("Unknown", 1, noon);
  push("Unknown", 2, noon);
  push("One", 3, noon);
  queue.remove("", "", true);
  const auto expired = queue.pop_expired(noon);
  BOOST_TEST_REQUIRE(expired.size() == 1U);
  BOOST_TEST(expired[0].sequence == 3U);
  BOOST_TEST(!queue.next_start_by());
}

// A worker could not be created for the item.
BOOST_AUTO_TEST_CASE(item_that_is_put_back_is_the_first_again) {
  for (task_sequence i = 1; i <= 3; ++i)
    push("One", i);
  push("A", 4);
  for (int round = 0; round < 3; ++round) {
    auto item = queue.pop_startable();
    BOOST_TEST_REQUIRE(item.has_value());
    BOOST_TEST(item->sequence == 1U);
    BOOST_TEST(queue.startable() == 1U); // "A"
    queue.put_back(std::move(*item));
    BOOST_TEST(queue.startable() == 2U);
    BOOST_TEST(queue.size() == 4U);
  }
  BOOST_TEST(pop() == 1U);
  BOOST_TEST(pop() == 4U);
  queue.end_run("One");
  BOOST_TEST(pop() == 2U);
}

// The queue knows without a search that no item may start.
BOOST_AUTO_TEST_CASE(limited_name_has_as_many_startable_items_as_its_limit) {
  for (task_sequence i = 1; i <= 8'000; ++i)
    push("One", i);
  BOOST_TEST(queue.startable() == 1U);
  for (task_sequence i = 1; i <= 8'000; ++i) {
    BOOST_REQUIRE(pop() == i);
    BOOST_REQUIRE(queue.startable() == 0U);
    BOOST_REQUIRE(pop() == 0U);
    queue.end_run("One");
  }
  BOOST_TEST(queue.size() == 0U);
  BOOST_TEST(limits_asked == 1U);
}

BOOST_AUTO_TEST_CASE(name_at_its_limit_is_passed_over) {
  for (task_sequence i = 1; i <= 4; ++i)
    push("Two", i);
  push("A", 5);
  BOOST_TEST(queue.startable() == 3U);
  BOOST_TEST(pop() == 1U);
  BOOST_TEST(pop() == 2U);
  BOOST_TEST(pop() == 5U);
  BOOST_TEST(pop() == 0U);
  queue.end_run("A");
  BOOST_TEST(pop() == 0U);
  queue.end_run("Two");
  BOOST_TEST(pop() == 3U);
}

// When the name may run again, its oldest item comes first.
BOOST_AUTO_TEST_CASE(released_name_keeps_its_place) {
  push("One", 1);
  push("One", 2);
  BOOST_TEST(pop() == 1U);
  push("A", 3);
  queue.end_run("One");
  BOOST_TEST(pop() == 2U);
  BOOST_TEST(pop() == 3U);
}

BOOST_AUTO_TEST_CASE(expired_items_are_removed_in_order_of_their_time) {
  push("One", 1);
  push("One", 2, noon + std::chrono::seconds(2));
  push("A", 3, noon + std::chrono::seconds(1));
  push("One", 4, noon + std::chrono::seconds(3));
  push("One", 5);
  BOOST_TEST((queue.next_start_by() == noon + std::chrono::seconds(1)));
  BOOST_TEST(queue.pop_expired(noon).empty());
  const auto expired = queue.pop_expired(noon + std::chrono::seconds(2));
  BOOST_REQUIRE(expired.size() == 2U);
  BOOST_TEST(expired[0].sequence == 3U);
  BOOST_TEST(expired[1].sequence == 2U);
  BOOST_TEST(queue.size() == 3U);
  BOOST_TEST(queue.startable() == 1U);
  for (const task_sequence left : {1U, 4U, 5U}) {
    BOOST_TEST(pop() == left);
    queue.end_run("One");
  }
  BOOST_TEST(!queue.next_start_by());
}

// An item in front that never starts does not keep those that have expired.
BOOST_AUTO_TEST_CASE(expired_item_at_the_front_is_skipped) {
  push("One", 1, noon);
  push("One", 2);
  BOOST_TEST(queue.pop_expired(noon).size() == 1U);
  BOOST_TEST(pop() == 2U);
}

BOOST_AUTO_TEST_CASE(many_items_may_expire_behind_one_that_waits) {
  push("One", 1);
  BOOST_TEST(pop() == 1U);
  push("One", 2);
  for (task_sequence i = 0; i < 10'000; ++i) {
    push("One", 10 + i, noon);
    BOOST_REQUIRE(queue.pop_expired(noon).size() == 1U);
  }
  BOOST_TEST(queue.size() == 1U);
  queue.end_run("One");
  BOOST_TEST(pop() == 2U);
}

// Code may ask for any number of names that no program has registered.
BOOST_AUTO_TEST_CASE(names_that_are_not_in_use_are_forgotten) {
  for (task_sequence i = 1; i <= 5'000; ++i) {
    const std::string name = "Unknown-" + std::to_string(i);
    push(name, i);
    BOOST_REQUIRE(pop() == i);
    queue.end_run(name);
  }
  const std::size_t asked = limits_asked;
  push("Unknown-5000", 1); // forgotten, so its limit is asked again
  BOOST_TEST(limits_asked == asked + 1);
}

BOOST_AUTO_TEST_CASE(cleared_queue_is_empty_and_can_be_used_again) {
  push("One", 1, noon);
  push("A", 2);
  queue.clear();
  BOOST_TEST(queue.size() == 0U);
  BOOST_TEST(queue.startable() == 0U);
  BOOST_TEST(!queue.next_start_by());
  push("One", 3);
  BOOST_TEST(pop() == 3U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
