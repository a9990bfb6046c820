// SPDX-License-Identifier: Apache-2.0
/// Fixtures for tests of a partition: a deterministic node that makes single
/// steps, so that a test can force one order of events.
#pragma once

#include "tests/support/deterministic_node.hpp"
#include "tests/support/history_text.hpp"
#include "tests/support/test_functions.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace perdura::tests {

using actors::get_status;
using actors::partition_counters;
using actors::start_instance;
using persistence::errc;
using persistence::runtime_status;

inline constexpr partition_id p0{0};
inline constexpr partition_id p1{1};

/// A node with one partition that makes single steps. Violated invariants fail
/// the test at the end.
struct partition_fixture {
  partition_fixture() : partition_fixture(node_options{}) {}

  explicit partition_fixture(node_options options)
    : node(with_functions(std::move(options))) {}

  ~partition_fixture() {
    for (const std::string& violation : node.violations)
      BOOST_ERROR(violation);
  }

  static node_options with_functions(node_options options) {
    if (options.partitions == 4)
      options.partitions = 1;
    auto functions = std::make_shared<registry>();
    add_test_functions(*functions);
    options.functions = std::move(functions);
    return options;
  }

  using ticket = deterministic_node::ticket;

  static start_instance start_request(const instance_id& id,
                                      const std::string& name,
                                      const std::string& input = "null") {
    static unsigned executions = 0;
    start_instance start;
    start.id = id;
    start.name = name;
    start.input = input;
    start.execution = "execution-" + std::to_string(++executions);
    start.request = "start-" + start.execution;
    return start;
  }

  /// Starts an instance and waits until its first turn is durable.
  void start_and_wait(const instance_id& id, const std::string& name,
                      const std::string& input = "null") {
    BOOST_REQUIRE((node.ask(start_request(id, name, input)).code == errc::ok));
  }

  /// Processes all waiting messages. Turns and activities that they cause stay
  /// pending.
  void process_messages() {
    node.process_mailboxes();
  }

  /// Runs the oldest pending turn and processes its outcome.
  void finish_turn() {
    BOOST_REQUIRE(node.run_turn());
    node.process_mailboxes();
  }

  /// Runs the oldest pending activity and processes its result.
  void deliver_result() {
    BOOST_REQUIRE(node.run_activity());
    node.process_mailboxes();
  }

  errc code_of(ticket number) {
    const management_answer* answer = node.answer_to(number);
    BOOST_REQUIRE_MESSAGE(answer != nullptr, "not answered");
    return answer->code;
  }

  runtime_status status_of(const instance_id& id) {
    const auto stored = node.stored(id);
    BOOST_REQUIRE_MESSAGE(stored, id << " is not there");
    return stored->record.status;
  }

  std::string output_of(const instance_id& id) {
    get_status ask;
    ask.id = id;
    const management_answer answer = node.ask(ask);
    return answer.status ? answer.status->row.output : "no such instance";
  }

  std::vector<std::string> history_of(const instance_id& id) {
    return to_text(node.history_of(id));
  }

  std::size_t count(const instance_id& id, const std::string& prefix) {
    const auto lines = history_of(id);
    return static_cast<std::size_t>(
      std::count_if(lines.begin(), lines.end(), [&](const auto& line) {
        return line.starts_with(prefix);
      }));
  }

  const partition_counters& counters(partition_id id = p0) {
    return node.partition(id).live().counters;
  }

  deterministic_node node;
};

/// A node with two partitions.
struct two_partitions : partition_fixture {
  two_partitions() : partition_fixture(two_partition_options()) {}

  static node_options two_partition_options() {
    node_options options;
    options.partitions = 2;
    return options;
  }

  /// Returns an ID that belongs to the partition. Each value of `which`, from
  /// 0, gives another ID.
  instance_id id_in(partition_id partition, int which = 0) {
    for (int i = 0;; ++i) {
      const instance_id id = "id-" + std::to_string(i);
      if (node.partition_of(id) == partition && which-- == 0)
        return id;
    }
  }
};

/// A node with one partition that evicts every idle instance at once.
struct evicting_partition : partition_fixture {
  evicting_partition() : partition_fixture(evicting_options()) {}

  static node_options evicting_options() {
    node_options options;
    options.adjust
      = [](partition_config& config) { config.idle_instances_max = 0; };
    return options;
  }
};

} // namespace perdura::tests
