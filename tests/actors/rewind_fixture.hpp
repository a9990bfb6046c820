// SPDX-License-Identifier: Apache-2.0
/// A fixture for tests of rewind on a partition with real orchestrators.
#pragma once

#include "tests/support/deterministic_node.hpp"
#include "tests/support/history_text.hpp"
#include "tests/support/test_functions.hpp"

#include <boost/test/unit_test.hpp>

#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace perdura::tests {

using actors::get_status;
using actors::instance_id;
using actors::management_answer;
using actors::management_request;
using actors::registry;
using actors::request_id;
using actors::rewind_instance;
using actors::start_instance;
using actors::wait_instance;
using persistence::errc;
using persistence::runtime_status;

/// Runs a scenario twice: without crashes, and with a crash after every
/// request.
struct rewind_fixture {
  /// Makes the registry of the node; by default that of add_test_functions.
  std::function<std::shared_ptr<registry>(std::shared_ptr<step_control>)>
    functions = [](std::shared_ptr<step_control> shared) {
      auto made = std::make_shared<registry>();
      add_test_functions(*made, std::move(shared));
      return made;
    };

  void run_twice(const std::function<void()>& orchestration_outcome) {
    for (const bool crashes : {false, true})
      BOOST_TEST_CONTEXT((crashes ? "with crashes" : "without crashes")) {
        crashes_after_requests = crashes;
        requests = 0;
        control = std::make_shared<step_control>();
        node_options options;
        options.functions = functions(control);
        node = std::make_unique<deterministic_node>(std::move(options));
        orchestration_outcome();
        node->run_until_idle();
        for (const std::string& violation : node->violations)
          BOOST_ERROR(violation);
      }
  }

  request_id next_request_id() {
    return "request-" + std::to_string(++requests);
  }

  errc ask(management_request request) {
    const management_answer answer = node->ask(std::move(request));
    if (crashes_after_requests)
      node->crash_and_recover();
    return answer.code;
  }

  void start(const instance_id& id, const std::string& name,
             const std::string& input = "null") {
    start_instance start;
    start.id = id;
    start.name = name;
    start.input = input;
    start.request = next_request_id();
    start.execution = "execution-of-" + id;
    BOOST_REQUIRE((ask(start) == errc::ok));
  }

  errc rewind(const instance_id& id) {
    return ask(rewind_instance{id, "fixed", next_request_id()});
  }

  void expect_status(const instance_id& id, runtime_status status) {
    BOOST_REQUIRE((ask(wait_instance{id}) == errc::ok));
    const auto stored = node->stored(id);
    BOOST_REQUIRE(stored);
    if (stored->record.status != status)
      for (const std::string& line : to_text(node->history_of(id)))
        BOOST_TEST_MESSAGE(line);
    BOOST_REQUIRE_MESSAGE(stored->record.status == status,
                          id << " is " << to_text(stored->record));
  }

  void expect_failed(const instance_id& id) {
    expect_status(id, runtime_status::failed);
  }

  void expect_completed(const instance_id& id, const std::string& output) {
    expect_status(id, runtime_status::completed);
    get_status question;
    question.id = id;
    BOOST_TEST(node->ask(question).status->row.output == output);
  }

  std::unique_ptr<deterministic_node> node;
  std::shared_ptr<step_control> control;
  bool crashes_after_requests = false;
  unsigned requests = 0;
};

} // namespace perdura::tests
