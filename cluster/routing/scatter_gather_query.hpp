// SPDX-License-Identifier: Apache-2.0
/// Sends one query to every node that owns partitions and merges the answers.
#pragma once

#include "actors/interface/management.hpp"
#include "cluster/routing/cluster_view.hpp"
#include "cluster/transport/envelope.hpp"

#include <functional>
#include <memory>
#include <vector>

namespace perdura::cluster {

/// The answer of one node. An error means that the node could not be reached,
/// did not answer in time or could not run the query; its message says which.
struct node_answer {
  node_id node;
  persistence::result<node_query_answer> answer;
};

/// Called at most once, on any thread. If the router of this process ends
/// before it has handled the query, the callback is not called, and the
/// time-out of the query applies.
using node_query_callback
  = std::function<void(persistence::result<node_query_answer>)>;

/// The parts of the process that the query uses. The functions may be called on
/// any thread.
struct scatter_gather_dependencies {
  node_id self; ///< Empty in a client and in a node without a cluster.
  std::shared_ptr<cluster_view> view;

  /// Runs the query over the partitions of this node, on the caller's thread;
  /// may block. Null in a client.
  std::function<persistence::result<node_query_answer>(const node_query&)>
    run_local_query;

  /// Sends the query to another node; must not block. The callback may be
  /// called on any thread, also before the function returns.
  std::function<void(const node_id&, node_query, node_query_callback)>
    query_peer;
};

/// Runs queries over all nodes. Thread-safe. Every function blocks until all
/// nodes have answered or the time-out has passed. The time-out does not
/// interrupt the part of a query that runs on this node. `stuck` and `reports`
/// wait for at most actors::query_time_max.
class scatter_gather_query {
public:
  explicit scatter_gather_query(scatter_gather_dependencies dependencies)
    : dependencies_(std::move(dependencies)) {}

  /// One answer for each node that owns partitions, in the order of the
  /// placement. Empty if the placement is not known yet.
  std::vector<node_answer> query_all(const node_query& query,
                                     persistence::duration time_out) const;

  /// One page over all nodes. With `query.partial` the page lists the
  /// partitions of unreachable nodes in `missing`.
  /// @error errc::unavailable  No node answered, or a node did not answer and
  ///                           `query.partial` is false; the message names
  ///                           each node that did not answer.
  persistence::result<persistence::instance_page>
  query(const persistence::instance_query& query,
        persistence::duration time_out) const;

  /// The number of instances by runtime status over all nodes. Errors as for
  /// `query`: only an unreachable node may be missing from a partial result.
  persistence::result<actors::instance_counts>
  count(bool partial, persistence::duration time_out) const;

  /// The instances that cannot continue: the ID of each, and a sentence with
  /// the reason. An entry with an empty ID reports a node that did not answer,
  /// or partitions that have no thread to run on.
  std::vector<std::pair<std::string, std::string>> stuck() const;

  /// One entry for each node that owns partitions, with the node's report or
  /// the reason why there is none.
  std::vector<reported_node> reports() const;

private:
  scatter_gather_dependencies dependencies_;
};

} // namespace perdura::cluster
