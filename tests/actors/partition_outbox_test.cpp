// SPDX-License-Identifier: Apache-2.0
// Messages to another partition are sent in windows: a destination that does
// not acknowledge receives a bounded number of them.
#include "tests/actors/partition_fixture.hpp"

namespace perdura::tests {

using namespace actors;

namespace {

constexpr std::size_t window = 1'024;
constexpr std::size_t many = 5'000;

struct outbox_fixture : two_partitions {
  outbox_fixture() {
    start_and_wait(receiver, "Collect", std::to_string(many));
  }

  /// Sends events; their partition handles no message meanwhile.
  void send() {
    const std::string input
      = R"({"to":")" + receiver + R"(","count":)" + std::to_string(many) + "}";
    node.submit(start_request(id_in(p0), "Sender", input));
    run_sender();
  }

  /// Makes all steps of the sender's partition.
  void run_sender() {
    while (node.process_mailbox(p0) || node.run_turn() || node.commit()) {
    }
  }

  /// Messages, without the statements that precede messages sent again.
  std::size_t arrived() {
    return static_cast<std::size_t>(
      std::count_if(node.mailboxes[1].begin(), node.mailboxes[1].end(),
                    [](const inbound& each) {
                      return std::holds_alternative<partition_message>(each);
                    }));
  }

  bool all_received() {
    node.run_until_idle();
    return status_of(receiver) == runtime_status::completed;
  }

  const instance_id receiver = id_in(p1);
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(partition_outbox, outbox_fixture)

BOOST_AUTO_TEST_CASE(messages_are_sent_in_windows) {
  send();
  BOOST_TEST(arrived() == window);
  BOOST_TEST(all_received());
}

// An undelivered outbox is not sent at once after a start.
BOOST_AUTO_TEST_CASE(recovery_sends_one_window) {
  send();
  node.crash_and_recover();
  run_sender();
  BOOST_TEST(arrived() == window);
  BOOST_TEST(all_received());
}

BOOST_AUTO_TEST_CASE(destination_that_returns_receives_one_window) {
  send();
  node.mailboxes[1].clear(); // lost
  node.partition(p0).resend(std::vector{p1});
  BOOST_TEST(arrived() == window);
  BOOST_TEST(all_received());
}

// Repeats while the destination is away do not widen the window.
BOOST_AUTO_TEST_CASE(more_messages_wait_behind_the_window) {
  send();
  for (int i = 0; i < 3; ++i) {
    node.submit(start_request(id_in(p0, 1 + i), "Sender",
                              R"({"to":")" + receiver + R"(","count":100})"));
    run_sender();
  }
  BOOST_TEST(arrived() == window);
  BOOST_TEST(all_received());
}

BOOST_AUTO_TEST_CASE(starts_of_children_are_sent_in_windows) {
  auto functions = std::make_shared<registry>();
  add_test_functions(*functions);
  functions->add_orchestrator(
    "Starts", [](orchestration_context& ctx) -> task<int> {
      for (int i = 0; i < 6'000; ++i) {
        const auto child = ctx.call_sub_orchestration<json>("Give", i);
        static_cast<void>(child);
      }
      co_return 1;
    });
  node.set_functions(functions);
  node.crash_and_recover();
  run_sender();
  node.submit(start_request(id_in(p0), "Starts"));
  run_sender();
  BOOST_TEST(arrived() <= window);
  node.run_until_idle();
  BOOST_TEST(node.rows().size() == 6'002U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
