// SPDX-License-Identifier: Apache-2.0
// What a draft reports equals the stored state with its write applied.
#include "actors/partition/instance_draft.hpp"

#include <boost/test/unit_test.hpp>

#include <random>
#include <set>

namespace perdura::tests {

using namespace actors;
using namespace persistence;

namespace {

constexpr timestamp draft_time{std::chrono::hours(12)};

stored_instance instance_with_tasks() {
  stored_instance stored;
  stored.record.name = "Order";
  stored.record.execution = "e1";
  stored.record.status = runtime_status::running;
  stored.record.history_count = 7;
  stored.record.history_bytes = 700;
  stored.record.next_inbox = 3;
  stored.tasks[1] = {task_kind::activity, "Charge", {}, {}, 2, 1};
  stored.tasks[2] = {task_kind::timer, {}, draft_time, {}, 3, 1};
  stored.tasks[wait_sequence_first]
    = {task_kind::event_wait, "Approval", {}, {}, 0, 1};
  stored.inbox[1] = {{draft_time, event_raised{"Other", "1"}}};
  stored.inbox[2] = {{draft_time, task_completed{1, "2"}}};
  return stored;
}

/// The stored state after the draft's write.
std::optional<stored_instance> after(const stored_instance& base,
                                     instance_draft&& draft) {
  std::optional<stored_instance> state = base;
  persistence::apply(state, std::move(draft).finish(draft_time));
  return state;
}

/// Makes one random change to the draft.
void change(instance_draft& draft, std::mt19937& random) {
  const auto pick = [&](std::uint32_t count) { return random() % count; };
  const std::string names[] = {"Approval", "Other", "Third"};
  std::uint32_t wait = 0;
  switch (pick(8)) {
  case 0:
    draft.open(task_sequence(1 + pick(4)),
               {task_kind::activity, "A", {}, {}, 1, 1});
    break;
  case 1:
    // The engine gives each wait a sequence of its own.
    wait = pick(3);
    draft.open(wait_sequence_first + wait,
               {task_kind::event_wait, names[wait], {}, {}, 0, 1});
    break;
  case 2:
    draft.close(task_sequence(1 + pick(4)));
    break;
  case 3:
    draft.close(wait_sequence_first + pick(3));
    break;
  case 4:
    draft.put_inbox(draft.record().next_inbox,
                    {draft_time, event_raised{names[pick(3)], "1"}});
    break;
  case 5:
    draft.remove_from_inbox(1 + pick(5));
    break;
  case 6:
    draft.append(draft_time, timer_fired{2, draft_time});
    break;
  default:
    if (pick(10) == 0)
      draft.close_all_but_activities();
  }
}

} // namespace

BOOST_AUTO_TEST_SUITE(instance_drafts)

BOOST_AUTO_TEST_CASE(a_draft_reads_as_the_state_after_its_write) {
  for (std::uint32_t seed = 1; seed <= 2'000; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      std::mt19937 random(seed);
      const stored_instance base = instance_with_tasks();
      instance_draft draft("i", base);
      for (std::uint32_t i = 0, changes = random() % 12; i < changes; ++i)
        change(draft, random);
      std::set<task_sequence> open;
      for (const task_sequence sequence :
           {1U, 2U, 3U, 4U, wait_sequence_first, wait_sequence_first + 1,
            wait_sequence_first + 2})
        if (draft.is_open(sequence))
          open.insert(sequence);
      const bool approval = draft.awaits_event("approval");
      const bool third = draft.awaits_event("third");
      const bool deliverable = draft.has_deliverable();
      std::map<inbox_sequence, history_event> inbox;
      for (auto& [sequence, event] : draft.inbox())
        inbox[sequence] = event;

      const auto state = after(base, std::move(draft));
      BOOST_REQUIRE(state.has_value());
      std::set<task_sequence> stored_open;
      for (const auto& [sequence, task] : state->tasks)
        stored_open.insert(sequence);
      BOOST_TEST(open == stored_open, boost::test_tools::per_element());
      BOOST_TEST(approval == awaits_event(*state, "Approval"));
      BOOST_TEST(third == awaits_event(*state, "Third"));
      bool any = false;
      for (const auto& [sequence, message] : state->inbox)
        any = any || is_deliverable(*state, message.event);
      BOOST_TEST(deliverable == any);
      BOOST_TEST(inbox.size() == state->inbox.size());
      for (const auto& [sequence, message] : state->inbox)
        BOOST_TEST((inbox[sequence] == message.event));
    }
  }
}

BOOST_AUTO_TEST_CASE(appended_events_get_the_next_indexes) {
  const stored_instance base = instance_with_tasks();
  instance_draft draft("i", base);
  BOOST_TEST(draft.append(draft_time, orchestrator_started{}) == 7U);
  BOOST_TEST(draft.append(draft_time, event_raised{"E", "12"}) == 8U);
  BOOST_TEST(draft.record().history_count == 9U);
  BOOST_TEST(draft.record().history_bytes
             == 700U + payload_bytes_of(orchestrator_started{})
                  + payload_bytes_of(event_raised{"E", "12"}));
  const instance_write write = std::move(draft).finish(draft_time);
  BOOST_TEST(write.history_first == 7U);
  BOOST_TEST(write.history.size() == 2U);
  BOOST_TEST((write.record->last_updated_at == draft_time));
}

BOOST_AUTO_TEST_CASE(a_task_opened_and_closed_by_one_draft_is_not_written) {
  const stored_instance base = instance_with_tasks();
  instance_draft draft("i", base);
  draft.open(3, {task_kind::activity, "A", {}, {}, 1, 1});
  draft.close(3);
  draft.close(99); // was never open
  const instance_write write = std::move(draft).finish(draft_time);
  BOOST_TEST(write.tasks_opened.empty());
  BOOST_TEST(write.tasks_closed.empty());
}

BOOST_AUTO_TEST_CASE(a_closed_timer_is_written_with_its_time_and_once) {
  const stored_instance base = instance_with_tasks();
  instance_draft draft("i", base);
  draft.close(2);
  draft.close(2);
  draft.close_all_but_activities();
  const instance_write write = std::move(draft).finish(draft_time);
  BOOST_TEST(write.tasks_closed.size() == 2U); // all but the activity
  BOOST_TEST(std::count(write.tasks_closed.begin(), write.tasks_closed.end(),
                        task_closed{2, task_kind::timer, draft_time})
             == 1);
}

BOOST_AUTO_TEST_CASE(a_start_replaces_the_instance) {
  arrived_start start;
  execution_started started;
  started.name = "Order";
  started.version = "2";
  started.execution = "e2";
  start.started = {draft_time, started};
  start.accepted_at = draft_time;
  instance_draft draft("i", start);
  const auto state = after(instance_with_tasks(), std::move(draft));
  BOOST_REQUIRE(state.has_value());
  BOOST_TEST(state->record.version == "2");
  BOOST_TEST((state->record.status == runtime_status::pending));
  BOOST_TEST(state->record.history_count == 1U);
  BOOST_TEST(state->tasks.empty());
  BOOST_TEST(state->inbox.empty());
}

BOOST_AUTO_TEST_CASE(a_new_execution_keeps_the_inbox_and_no_task) {
  const stored_instance base = instance_with_tasks();
  instance_draft draft("i", base);
  draft.open(5, {task_kind::activity, "A", {}, {}, 1, 1});
  draft.close(1);
  execution_started next;
  next.execution = "e2";
  next.generation = 1;
  draft.begin_execution({draft_time, next});
  BOOST_TEST(!draft.awaits_event("Approval"));
  BOOST_TEST(!draft.is_open(2));
  draft.open(1, {task_kind::activity, "B", {}, {}, 1, 1});
  const auto state = after(base, std::move(draft));
  BOOST_REQUIRE(state.has_value());
  BOOST_TEST(state->record.execution == "e2");
  BOOST_TEST(state->record.history_count == 1U);
  BOOST_TEST(state->tasks.size() == 1U);
  BOOST_TEST(state->tasks.at(1).name == "B");
  BOOST_TEST(state->inbox.size() == 2U);
}

BOOST_AUTO_TEST_CASE(next_inbox_stays_above_every_message) {
  const stored_instance base = instance_with_tasks();
  instance_draft draft("i", base);
  draft.put_inbox(9, {draft_time, event_raised{"E", "1"}});
  draft.put_inbox(4, {draft_time, event_raised{"E", "2"}});
  BOOST_TEST(draft.record().next_inbox == 10U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
