/// Asks all nodes the same and makes one answer of theirs.
#pragma once

#include "actors/interface/management.hpp"
#include "cluster/node/cluster_view.hpp"

#include <functional>
#include <memory>
#include <vector>

namespace perdura::cluster {

/// Null answer: it could not be asked, or did not answer; why, as a sentence.
struct node_answer {
  node_id node;
  persistence::result<question_answer> answer;
};

class question_fan {
public:
  using answer_callback
    = std::function<void(persistence::result<question_answer>)>;

  struct surroundings {
    node_id self; ///< Empty: a client.
    std::shared_ptr<cluster_view> view;
    /// Of this node; may block. Unused by a client.
    std::function<persistence::result<question_answer>(const question&)>
      look_up;
    /// Asks another node; answers once, on any thread.
    std::function<void(const node_id&, question, answer_callback)> ask;
  };

  explicit question_fan(surroundings around) : around_(std::move(around)) {}

  /// Every node that owns partitions, in the placement's order. Blocks.
  std::vector<node_answer> ask_all(const question& asked,
                                   persistence::duration time_out) const;

  /// @error errc::unavailable  A node is away, and `query.partial` is not set.
  persistence::result<persistence::instance_page>
  query(const persistence::instance_query& query,
        persistence::duration time_out) const;

  /// @error errc::unavailable  A node is away, and not `partial`.
  persistence::result<actors::instance_counts>
  count(bool partial, persistence::duration time_out) const;

  std::vector<std::pair<std::string, std::string>> stuck() const;

  std::vector<reported_node> reports() const;

private:
  surroundings around_;
};

} // namespace perdura::cluster
