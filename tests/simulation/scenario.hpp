// SPDX-License-Identifier: Apache-2.0
/// Scenarios: fixed sequences of client requests. Each scenario runs on a
/// deterministic node without a crash and with crashes at chosen points, and
/// the outcomes are compared.
#pragma once

#include "tests/support/deterministic_node.hpp"

#include <functional>
#include <string>
#include <vector>

namespace perdura::tests {

using persistence::request_id;

/// The client of a scenario. Each request has a request ID, so that it can be
/// repeated after a crash. All IDs are the same in every run.
class scenario_client {
public:
  explicit scenario_client(deterministic_node& host) : node(host) {}

  // These two send a request and do not wait for the answer.
  deterministic_node::ticket submit_start(const instance_id& id,
                                          const std::string& name,
                                          const std::string& input = "null",
                                          duration later = {});
  deterministic_node::ticket submit_raise(const instance_id& id,
                                          const std::string& name,
                                          const std::string& data);

  // These send a request, wait for the answer, and record a refusal.

  void start(const instance_id& id, const std::string& name,
             const std::string& input = "null", duration later = {});
  void raise(const instance_id& id, const std::string& name,
             const std::string& data = "null");
  void terminate(const instance_id& id, bool recursive = false);
  /// Pauses an orchestrator by name, or lets it run again.
  void pause(const std::string& name, bool is_paused);
  void suspend(const instance_id& id);
  void resume(const instance_id& id);
  void rewind(const instance_id& id);
  void purge(const instance_id& id);
  void await_answer(deterministic_node::ticket number, const char* what);

  /// Waits until the instance has ended.
  void await_end(const instance_id& id);

  void advance_time(duration time) {
    node.advance_time(time);
  }

  deterministic_node& node;

  /// The refused requests with their error codes, in the order of the requests.
  std::vector<std::string> refusals;

private:
  request_id next_request();
  void record_refusal(const std::string& what, const management_answer& answer);

  unsigned requests_ = 0;
};

struct scenario {
  std::string name;
  std::function<void(scenario_client&)> steps;
  /// True if several events of the scenario happen at the same time in any
  /// order. Histories are then compared without their order.
  bool ignores_order = false;
};

/// All scenarios.
const std::vector<scenario>& scenarios();

/// Returns the scenario with this name.
/// @throws std::invalid_argument  There is no such scenario.
const scenario& find_scenario(const std::string& name);

/// The functions of the examples and those of test_functions.hpp.
std::shared_ptr<const registry> sample_functions();

/// State of the node after a scenario.
struct scenario_outcome {
  /// The description of each instance, then the refusals of the client. Times
  /// are left out.
  std::vector<std::string> lines;
  std::vector<std::string> violations;
  std::map<crash_point, unsigned> points; ///< How often each point was reached.
  unsigned starts = 0; ///< Number of node starts; 1 means no crash.
};

/// The crashes of a run. The first crash happens when `point` is reached for
/// the n-th time. After it, the node crashes `recovery_crashes` more times
/// during recovery: in the i-th recovery when it reaches the i-th point.
struct crash_plan {
  crash_point point = crash_point::before_commit;
  unsigned n = 0; ///< 0 means no crash.
  unsigned recovery_crashes = 0;

  /// Describes the plan in a failure message.
  std::string text() const;
};

scenario_outcome run_scenario(const scenario& what, crash_plan plan = {},
                              node_options options = {});

/// Compares two outcomes. The list contains one sentence about the first
/// difference, or is empty if the outcomes are equal.
std::vector<std::string> differences(const scenario_outcome& wanted,
                                     const scenario_outcome& got);

} // namespace perdura::tests
