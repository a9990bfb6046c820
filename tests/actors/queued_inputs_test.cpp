// SPDX-License-Identifier: Apache-2.0
// The inputs of queued activities (finding B4): the pool keeps a bounded part
// of them in memory and reads the others from the history when they run; a
// start serves before it reads them.
#include "actors/activities/activity_pool.hpp"
#include "actors/activities/stored_input.hpp"
#include "actors/authoring/registry.hpp"
#include "persistence/records/clock.hpp"
#include "tests/actors/partition_fixture.hpp"

#include <caf/all.hpp>

#include <condition_variable>
#include <latch>
#include <map>
#include <mutex>
#include <set>

namespace perdura::tests {

using namespace actors;
using namespace persistence;

namespace {

/// JSON text of 40 bytes.
std::string input_number(task_sequence number) {
  const std::string digits = std::to_string(number);
  return '"' + std::string(38 - digits.size(), '-') + digits + '"';
}

/// A pool of which the activity "One" runs one at a time, with a bound of 100
/// bytes for the inputs of queued activities. `stored` is the history.
class stored_inputs {
public:
  explicit stored_inputs(bool can_read = true) {
    functions_->add_activity("One",
                             [this](std::string input) {
                               if (input == "blocks")
                                 release_.wait();
                               return input;
                             },
                             {.concurrency_max = 1});
    activity_pool_dependencies around;
    around.clock = &persistence::system_clock();
    around.functions = functions_;
    around.deliver = [this](activity_result result) {
      const std::lock_guard lock(mutex_);
      if (const auto* done
          = std::get_if<persistence::task_completed>(&result.outcome))
        outputs_[result.sequence] = done->result;
      changed_.notify_all();
    };
    around.report_unread = [this](const activity_unread& item) {
      const std::lock_guard lock(mutex_);
      unread_.insert(item.sequence);
      changed_.notify_all();
    };
    if (can_read)
      around.read_input
        = [this](const activity_work_item& item) -> result<std::string> {
        const std::lock_guard lock(mutex_);
        ++reads_[item.sequence];
        const auto found = stored.find(item.sequence);
        if (found == stored.end())
          return error{errc::not_found, "gone"};
        if (found->second == "damaged")
          return error{errc::storage_damaged, "the row is damaged"};
        return found->second;
      };
    activity_pool_options options;
    options.queued_input_bytes_max = 100;
    pool = std::make_unique<activity_pool>(system_, options, std::move(around));
  }

  ~stored_inputs() {
    if (!released_)
      release_.count_down();
  }

  void submit(task_sequence sequence, std::string input) {
    {
      const std::lock_guard lock(mutex_);
      stored.emplace(sequence, input);
    }
    activity_work_item item;
    item.instance = "order-17";
    item.execution = "e";
    item.sequence = sequence;
    item.name = "One";
    item.input = std::move(input);
    item.scheduled_event = static_cast<event_index>(sequence + 1);
    pool->submit(std::move(item));
  }

  /// Submits one activity that runs, and those from 1 to `count` behind it.
  void queue_up(task_sequence count) {
    submit(1'000, "\"blocks\"");
    for (task_sequence i = 1; i <= count; ++i)
      submit(i, input_number(i));
  }

  void release() {
    released_ = true;
    release_.count_down();
  }

  /// Waits until so many activities have ended, or could not be read.
  void await(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock,
                  [&] { return outputs_.size() + unread_.size() >= count; });
  }

  std::string output_of(task_sequence sequence) {
    const std::lock_guard lock(mutex_);
    return outputs_[sequence];
  }

  std::map<task_sequence, int> reads() {
    const std::lock_guard lock(mutex_);
    return reads_;
  }

  std::set<task_sequence> unread() {
    const std::lock_guard lock(mutex_);
    return unread_;
  }

  void store(task_sequence sequence, const std::string& input) {
    const std::lock_guard lock(mutex_);
    stored[sequence] = input;
  }

  void remove_history() {
    const std::lock_guard lock(mutex_);
    stored.clear();
  }

private:
  caf::actor_system_config config_;
  caf::actor_system system_{config_};
  std::shared_ptr<registry> functions_ = std::make_shared<registry>();
  std::latch release_{1};
  bool released_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<task_sequence, std::string> outputs_;
  std::set<task_sequence> unread_;
  std::map<task_sequence, int> reads_;
  std::map<task_sequence, std::string> stored; ///< By sequence.

public:
  std::unique_ptr<activity_pool> pool; ///< Last: destroyed first.
};

} // namespace

BOOST_AUTO_TEST_SUITE(queued_inputs)

BOOST_AUTO_TEST_CASE(inputs_beyond_the_bound_are_read_when_they_run) {
  stored_inputs now;
  now.queue_up(50);
  BOOST_TEST(now.reads().empty());
  now.release();
  now.await(51);
  for (task_sequence i = 1; i <= 50; ++i)
    BOOST_TEST(now.output_of(i) == input_number(i));
  // Two inputs of 40 bytes are in memory, the others are read once.
  const auto reads = now.reads();
  BOOST_TEST(reads.size() == 48U);
  BOOST_TEST(!reads.contains(1));
  BOOST_TEST(!reads.contains(2));
  for (const auto& [sequence, times] : reads)
    BOOST_TEST(times == 1);
}

BOOST_AUTO_TEST_CASE(short_queue_and_short_inputs_are_never_read) {
  stored_inputs now;
  now.queue_up(2);
  for (task_sequence i = 100; i < 200; ++i)
    now.submit(i, '"' + std::to_string(i) + '"');
  now.release();
  now.await(103);
  BOOST_TEST(now.reads().empty());
}

BOOST_AUTO_TEST_CASE(pool_that_cannot_read_keeps_all_inputs) {
  stored_inputs now(false);
  now.queue_up(20);
  now.release();
  now.await(21);
  BOOST_TEST(now.output_of(20) == input_number(20));
}

BOOST_AUTO_TEST_CASE(damaged_input_does_not_keep_others_from_running) {
  stored_inputs now;
  now.queue_up(10);
  now.store(5, "damaged");
  now.release();
  now.await(11);
  BOOST_TEST(now.output_of(5).empty());
  BOOST_TEST((now.unread() == std::set<task_sequence>{5}));
  BOOST_TEST(now.output_of(10) == input_number(10));
}

BOOST_AUTO_TEST_CASE(activity_of_a_purged_instance_does_not_run) {
  stored_inputs now;
  now.queue_up(10);
  now.remove_history();
  now.release();
  now.await(3); // the first one and the two whose inputs are in memory
  now.submit(500, input_number(500));
  now.await(4);
  BOOST_TEST(now.output_of(500) == input_number(500));
  BOOST_TEST(now.output_of(3).empty());
  BOOST_TEST(now.unread().empty());
}

// As before a turn of the instance that continues as new.
BOOST_AUTO_TEST_CASE(inputs_are_kept_before_their_history_is_removed) {
  stored_inputs now;
  now.queue_up(10);
  now.pool->keep_inputs("order-16");
  now.pool->keep_inputs("order-18");
  BOOST_TEST(now.reads().empty());
  now.pool->keep_inputs("order-17");
  now.remove_history();
  now.release();
  now.await(11);
  for (task_sequence i = 1; i <= 10; ++i)
    BOOST_TEST(now.output_of(i) == input_number(i));
}

// An activity that the turn of the new execution schedules itself, or that an
// earlier turn has scheduled and that waits for its commit.
BOOST_FIXTURE_TEST_CASE(inputs_of_a_turn_that_continues_as_new_stay_in_memory,
                        partition_fixture) {
  auto functions = std::make_shared<registry>();
  add_test_functions(*functions);
  functions->add_orchestrator(
    "Leaves", [](orchestration_context& ctx, int left) -> task<int> {
      static_cast<void>(ctx.call_activity<int>("Give", left));
      if (left == 0)
        co_return 0;
      ctx.continue_as_new(left - 1);
      co_return 0;
    });
  node.set_functions(functions);
  node.crash_and_recover();
  node.holds_activity = [](const auto&) { return true; };
  node.ask(start_request("a", "Leaves", "3"));
  node.run_until_idle();
  BOOST_TEST_REQUIRE(node.activities.size() == 4U);
  for (const activity_work_item& item : node.activities)
    BOOST_TEST((item.scheduled_event > 0U) == (item.input == "0"), item.input);
}

// --- Reading an input from a history -----------------------------------------

BOOST_FIXTURE_TEST_CASE(input_of_another_execution_is_not_used,
                        partition_fixture) {
  node.holds_activity = [](const auto&) { return true; };
  node.ask(start_request("a", "Abandon", "false"));
  node.run_until_idle();
  BOOST_TEST_REQUIRE(node.activities.size() == 1U);
  activity_work_item item = node.activities.front();
  BOOST_TEST(item.scheduled_event > 0U);
  const auto read = [&] { return stored_input(node.journal(), item); };
  BOOST_TEST(read().value() == item.input);
  item.execution = "another";
  BOOST_TEST((read().code() == errc::not_found));
  item.execution = node.activities.front().execution;
  item.name = "Other";
  BOOST_TEST((read().code() == errc::not_found));
  item.name = "Give";
  ++item.scheduled_event;
  BOOST_TEST((read().code() == errc::not_found));
  --item.scheduled_event;
  item.instance = "b";
  BOOST_TEST((read().code() == errc::not_found));
  item.instance = "a";
  BOOST_TEST(read().value() == item.input);
  // The next execution has other events in the same places.
  node.ask(raise_event{"a", "Continue", "null", "r"});
  node.run_until_idle();
  BOOST_TEST((read().code() == errc::not_found));
}

// --- Activities that were open at a start ------------------------------------

// A start reads the inputs of few of many open activities before it serves.
BOOST_FIXTURE_TEST_CASE(start_serves_before_it_reads_all_inputs,
                        partition_fixture) {
  constexpr std::size_t many = 300;
  node.holds_activity = [](const auto&) { return true; };
  for (std::size_t i = 0; i < many; ++i)
    node.submit(start_request("give-" + std::to_string(i), "Give", "5"));
  node.run_until_idle();
  BOOST_TEST(node.activities.size() == many);
  node.crash_and_recover();
  BOOST_TEST(node.activities.size() == 64U);
  // Requests are answered before the others are read.
  const auto asked = node.submit(get_status{"give-7"});
  node.process_mailboxes();
  BOOST_TEST((code_of(asked) == errc::ok));
  BOOST_TEST(node.activities.size() < many);
  // The activity of an instance that ends meanwhile runs, too.
  const auto ended
    = node.submit(terminate_instance{"give-299", "reason", false, "t"});
  BOOST_TEST(node.run_until(
    [&] { return node.is_answered(ended) && node.activities.size() >= many; }));
  std::set<instance_id> ids;
  for (const activity_work_item& item : node.activities) {
    BOOST_TEST(ids.insert(item.instance).second, item.instance);
    BOOST_TEST(item.input == "5");
    BOOST_TEST(item.scheduled_event > 0U);
  }
  node.holds_activity = {};
  node.run_until_idle();
  for (std::size_t i = 0; i < many; ++i)
    BOOST_TEST((is_finished(status_of("give-" + std::to_string(i)))));
  node.check_at_rest();
}

// A paused partition reads none.
BOOST_AUTO_TEST_CASE(paused_partition_reads_no_inputs) {
  bool paused = false;
  node_options options;
  options.adjust = [&](partition_config& config) { config.paused = paused; };
  partition_fixture now(std::move(options));
  now.node.holds_activity = [](const auto&) { return true; };
  now.node.submit(partition_fixture::start_request("a", "Give", "5"));
  now.node.run_until_idle();
  paused = true;
  now.node.crash_and_recover();
  now.node.run_until_idle();
  BOOST_TEST(now.node.activities.empty());
  paused = false;
  now.node.holds_activity = {};
  now.node.crash_and_recover();
  now.node.run_until_idle();
  BOOST_TEST(now.output_of("a") == "5");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
