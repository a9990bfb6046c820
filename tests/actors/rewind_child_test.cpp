// SPDX-License-Identifier: Apache-2.0
#include "tests/actors/rewind_fixture.hpp"

// Rewind of a parent whose failed child has been replaced, purged or changed
// since. Only an instance that the parent's task has started counts as the
// child; any other instance with its ID is not touched.

namespace perdura::tests {

using namespace actors;
using namespace persistence;

namespace {

/// A parent "i" with the child "i-0"; both have failed.
struct failed_family : rewind_fixture {
  void fail_family() {
    control->failures = {{"a", 1}};
    start("i", "Family", R"({"name":"Steps","input":["a"],"count":1})");
    expect_failed("i");
    expect_failed("i-0");
  }

  /// Rewinds the parent, which must fail again because its child is gone.
  void expect_child_gone() {
    BOOST_TEST((rewind("i") == errc::ok));
    expect_failed("i");
    get_status question;
    question.id = "i";
    const std::string output = node->ask(question).status->row.output;
    BOOST_TEST(output.find("was replaced by another instance")
                 != std::string::npos,
               output);
    node->check_at_rest();
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(rewind_child, failed_family)

BOOST_AUTO_TEST_CASE(running_instance_does_not_block_the_parent) {
  run_twice([&] {
    fail_family();
    start("i-0", "Waits");
    expect_child_gone();
    BOOST_TEST((node->stored("i-0")->record.status == runtime_status::running));
    // The other instance reports nothing to the parent when it ends.
    const auto before = to_text(node->history_of("i"));
    BOOST_TEST(
      (ask(raise_event{"i-0", "Go", "1", next_request_id()}) == errc::ok));
    expect_completed("i-0", "1");
    BOOST_TEST(to_text(node->history_of("i")) == before,
               boost::test_tools::per_element());
  });
}

// The result of another instance is not the result of the child.
BOOST_AUTO_TEST_CASE(finished_replacement_is_not_the_child) {
  run_twice([&] {
    fail_family();
    start("i-0", "Give", "7");
    expect_completed("i-0", "7");
    expect_child_gone();
  });
}

// A failed replacement is not rewound, and does not become a child.
BOOST_AUTO_TEST_CASE(failed_replacement_is_not_rewound) {
  run_twice([&] {
    fail_family();
    control->failures = {{"b", 1}};
    start("i-0", "Steps", R"(["b"])");
    expect_failed("i-0");
    expect_child_gone();
    expect_failed("i-0");
    BOOST_TEST(node->stored("i-0")->record.parent.instance == "");
    BOOST_TEST(control->calls["b"] == 1);
  });
}

// The child has failed again, on its own, before the parent is rewound.
BOOST_AUTO_TEST_CASE(child_that_failed_again_is_rewound) {
  run_twice([&] {
    fail_family();
    control->failures = {{"a", 1}};
    BOOST_TEST((rewind("i-0") == errc::ok));
    expect_failed("i-0");
    BOOST_TEST((rewind("i") == errc::ok));
    expect_completed("i", R"([["a"]])");
    BOOST_TEST(control->calls["a"] == 3);
    node->check_at_rest();
  });
}

BOOST_AUTO_TEST_CASE(child_in_progress_is_waited_for) {
  run_twice([&] {
    fail_family();
    node->holds_activity = [](const activity_work_item&) { return true; };
    BOOST_TEST((rewind("i-0") == errc::ok)); // runs; its activity is held
    BOOST_TEST((rewind("i") == errc::ok));
    node->run_until_idle();
    BOOST_TEST((node->stored("i")->record.status == runtime_status::running));
    node->holds_activity = nullptr;
    expect_completed("i", R"([["a"]])");
    node->check_at_rest();
  });
}

// Regression: the parent's failure had the reason as JSON, with quotes.
BOOST_AUTO_TEST_CASE(reason_of_a_terminated_child_is_plain_text) {
  run_twice([&] {
    fail_family();
    node->holds_activity = [](const activity_work_item&) { return true; };
    BOOST_TEST((rewind("i-0") == errc::ok));
    node->run_until_idle();
    BOOST_TEST(
      (ask(terminate_instance{"i-0", "no \"more\"\\", false, next_request_id()})
       == errc::ok));
    node->holds_activity = nullptr;
    node->run_until_idle();
    BOOST_TEST((rewind("i") == errc::ok));
    expect_failed("i");
    get_status question;
    question.id = "i";
    const std::string output = node->ask(question).status->row.output;
    BOOST_TEST(output.find(R"(was terminated: no \"more\"\\)")
                 != std::string::npos,
               output);
    BOOST_TEST(output.find(R"(: \"no)") == std::string::npos, output);
  });
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
