/// What a client does with a node, told once and played on many: whole, or
/// crashed at any point.
#pragma once

#include "tests/support/deterministic_node.hpp"

#include <functional>
#include <string>
#include <vector>

namespace perdura::tests {

/// A client that tells a story: each request has an ID, so that it can be
/// repeated, and everything it names is the same in each telling.
class storyteller {
public:
  explicit storyteller(deterministic_node& host) : node(host) {}

  /// Not answered yet.
  deterministic_node::ticket ask_to_start(const instance_id& id,
                                          const std::string& name,
                                          const std::string& input = "null",
                                          duration later = {});
  deterministic_node::ticket ask_to_raise(const instance_id& id,
                                          const std::string& name,
                                          const std::string& data);

  void start(const instance_id& id, const std::string& name,
             const std::string& input = "null", duration later = {});
  void raise(const instance_id& id, const std::string& name,
             const std::string& data = "null");
  void terminate(const instance_id& id, bool recursive = false);
  void suspend(const instance_id& id);
  void resume(const instance_id& id);
  void rewind(const instance_id& id);
  void purge(const instance_id& id);
  void await_answer(deterministic_node::ticket number, const char* what);

  /// Waits for the end.
  void await_end(const instance_id& id);

  void pass(duration time) {
    node.pass(time);
  }

  deterministic_node& node;

  /// What was refused, in order.
  std::vector<std::string> notes;

private:
  request_id next_request();
  void note(const std::string& what, const management_answer& answer);

  unsigned requests_ = 0;
};

struct scenario {
  std::string name;
  std::function<void(storyteller&)> tell;
  /// Several things happen at once: histories compare as sets of events.
  bool as_sets = false;
};

const std::vector<scenario>& scenarios();

/// By name; an assertion if there is none.
const scenario& find_scenario(const std::string& name);

/// The samples, and those of test_functions.hpp.
std::shared_ptr<const registry> sample_functions();

/// How a telling ended.
struct ending {
  std::vector<std::string> lines; ///< All instances, without times.
  std::vector<std::string> complaints;
  std::map<crash_point, unsigned> points; ///< How often each was passed.
  unsigned lives = 0;
};

/// Where to crash: at the n-th passing of a point; then, while the node comes
/// back for the i-th time, at the i-th point it passes, `again` times.
struct crash_plan {
  crash_point point = crash_point::before_commit;
  unsigned n = 0; ///< 0: not at all.
  unsigned again = 0;

  std::string text() const;
};

ending play(const scenario& what, crash_plan plan = {}, node_options how = {});

/// Sentences about what `got` has otherwise than `wanted`.
std::vector<std::string> differences(const ending& wanted, const ending& got);

} // namespace perdura::tests
