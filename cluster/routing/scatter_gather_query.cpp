// SPDX-License-Identifier: Apache-2.0
#include "cluster/routing/scatter_gather_query.hpp"

#include "cluster/routing/page_merge.hpp"
#include <perdura/persistence/records/time_arithmetic.hpp>

#include <condition_variable>
#include <mutex>
#include <optional>

namespace perdura::cluster {

using namespace persistence;

namespace {

/// The error of a query that some nodes did not answer. The message contains
/// the error messages in `reasons`, followed by advice.
error missing_nodes(const std::vector<error>& reasons) {
  std::string text;
  for (const error& each : reasons)
    text += each.message + " ";
  return {errc::unavailable,
          text
            + "The instances on these nodes are missing; try again, or ask for "
              "a partial answer."};
}

/// True if the answer may be left out of a partial result. Only an unreachable
/// node may. An error of this node, and any error that does not mean
/// "unreachable", fails the query.
bool is_unreachable(const node_answer& one, const node_id& self) {
  return !one.answer && one.node != self
         && (one.answer.code() == errc::unavailable
             || one.answer.code() == errc::shutting_down);
}

} // namespace

std::vector<node_answer>
scatter_gather_query::query_all(const node_query& query,
                                duration time_out) const {
  // The answers so far. The callbacks share this object, because an answer may
  // arrive after the time-out.
  struct collection {
    std::mutex mutex;
    std::condition_variable changed;
    /// One element for each queried node; empty until the node has answered.
    std::vector<std::optional<result<node_query_answer>>> answers;
    std::size_t left = 0; ///< Nodes that have not answered.
  };

  const placement owners = dependencies_.view->owners();
  std::vector<node_id> nodes;
  for (const node_id& node : owners.nodes)
    if (!owners.owned_by(node).empty())
      nodes.push_back(node);
  auto collected = std::make_shared<collection>();
  collected->answers.resize(nodes.size());
  collected->left = nodes.size();
  const auto record_answer
    = [collected](std::size_t i, result<node_query_answer> answer) {
        const std::lock_guard lock(collected->mutex);
        collected->answers[i] = std::move(answer);
        --collected->left;
        collected->changed.notify_all();
      };
  // The query is sent to the other nodes first, so that they run it while this
  // node runs it, too.
  std::optional<std::size_t> local;
  for (std::size_t i = 0; i < nodes.size(); ++i)
    if (nodes[i] == dependencies_.self && dependencies_.run_local_query)
      local = i;
    else
      dependencies_.query_peer(
        nodes[i], query, [record_answer, i](result<node_query_answer> answer) {
          record_answer(i, std::move(answer));
        });
  if (local)
    record_answer(*local, dependencies_.run_local_query(query));
  // The lock is held to the end of the function, so that a late answer cannot
  // change `answers` while the result is copied.
  std::unique_lock lock(collected->mutex);
  collected->changed.wait_for(lock, bounded_wait(time_out),
                              [&] { return collected->left == 0; });
  std::vector<node_answer> all;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (!collected->answers[i])
      collected->answers[i] = error{
        errc::unavailable, "Node \"" + nodes[i] + "\" did not answer in time."};
    all.push_back({nodes[i], *collected->answers[i]});
  }
  return all;
}

result<instance_page> scatter_gather_query::query(const instance_query& query,
                                                  duration time_out) const {
  const placement owners = dependencies_.view->owners();
  if (owners.owners.empty())
    return error{errc::unavailable,
                 "No node of the cluster can be reached; try again."};
  std::vector<instance_page> pages;
  std::vector<error> unreachable;
  std::vector<std::uint32_t> missing;
  for (node_answer& one : query_all(query, time_out)) {
    if (one.answer && std::holds_alternative<instance_page>(*one.answer)) {
      pages.push_back(std::get<instance_page>(std::move(*one.answer)));
      continue;
    }
    if (one.answer)
      return error{errc::internal,
                   "Node \"" + one.node + "\" gave an answer of another type."};
    if (!is_unreachable(one, dependencies_.self))
      return one.answer.error();
    unreachable.push_back(one.answer.error());
    for (const partition_id each : owners.owned_by(one.node))
      missing.push_back(index_of(each));
  }
  if (!unreachable.empty() && !query.partial)
    return missing_nodes(unreachable);
  // A partial answer needs at least one node that has answered.
  if (pages.empty())
    return missing_nodes(unreachable);
  instance_page merged = merge_pages(std::move(pages), query.top);
  merged.missing = std::move(missing);
  return merged;
}

result<actors::instance_counts>
scatter_gather_query::count(bool partial, duration time_out) const {
  const placement owners = dependencies_.view->owners();
  if (owners.owners.empty())
    return error{errc::unavailable,
                 "No node of the cluster can be reached; try again."};
  actors::instance_counts sum;
  std::size_t answered = 0;
  std::vector<error> unreachable;
  for (const node_answer& one : query_all(count_query{}, time_out)) {
    if (one.answer && std::holds_alternative<counts_answer>(*one.answer)) {
      const auto& counts = std::get<counts_answer>(*one.answer).counts;
      for (std::size_t i = 0; i < counts.size() && i < sum.counts.size(); ++i)
        sum.counts[i] += counts[i];
      ++answered;
      continue;
    }
    if (one.answer)
      return error{errc::internal,
                   "Node \"" + one.node + "\" gave an answer of another type."};
    if (!is_unreachable(one, dependencies_.self))
      return one.answer.error();
    unreachable.push_back(one.answer.error());
    for (const partition_id each : owners.owned_by(one.node))
      sum.missing.push_back(index_of(each));
  }
  // As in `query`, a partial answer needs at least one node that has answered.
  if (!unreachable.empty() && (!partial || answered == 0))
    return missing_nodes(unreachable);
  return sum;
}

std::vector<std::pair<std::string, std::string>>
scatter_gather_query::stuck() const {
  std::vector<std::pair<std::string, std::string>> all;
  for (const node_answer& one :
       query_all(report_query{}, actors::query_time_max)) {
    // A node that did not answer gets an entry of its own, because its
    // instances may be stuck, too.
    if (!one.answer)
      all.emplace_back("", one.answer.error().message);
    else if (const auto* report = std::get_if<node_report>(&*one.answer))
      all.insert(all.end(), report->stuck.begin(), report->stuck.end());
  }
  return all;
}

std::vector<reported_node> scatter_gather_query::reports() const {
  const placement owners = dependencies_.view->owners();
  std::vector<reported_node> all;
  for (node_answer& one : query_all(report_query{}, actors::query_time_max)) {
    reported_node reported;
    reported.node = one.node;
    for (const partition_id each : owners.owned_by(one.node))
      reported.partitions.push_back(index_of(each));
    if (!one.answer)
      reported.why = one.answer.error().message;
    else if (auto* report = std::get_if<node_report>(&*one.answer))
      reported.report = std::move(*report);
    all.push_back(std::move(reported));
  }
  return all;
}

} // namespace perdura::cluster
