#include "cluster/routing/question_fan.hpp"

#include "cluster/routing/page_merge.hpp"

#include <condition_variable>
#include <mutex>
#include <optional>

namespace perdura::cluster {

using namespace persistence;

namespace {

/// "node-2, node-3 (partitions 3, 4, 7 …)": who is missing in an answer.
error missing_nodes(const std::vector<error>& reasons) {
  std::string text;
  for (const error& each : reasons)
    text += each.message + " ";
  return {errc::unavailable,
          text
            + "What they own is missing; try again, or ask for a partial "
              "answer."};
}

} // namespace

std::vector<node_answer> question_fan::ask_all(const question& asked,
                                               duration time_out) const {
  struct gathering {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::optional<result<question_answer>>> answers;
    std::size_t left = 0;
  };

  const placement owners = around_.view->owners();
  std::vector<node_id> nodes;
  for (const node_id& node : owners.nodes)
    if (!owners.owned_by(node).empty())
      nodes.push_back(node);
  auto gathered = std::make_shared<gathering>();
  gathered->answers.resize(nodes.size());
  gathered->left = nodes.size();
  const auto note = [gathered](std::size_t i, result<question_answer> answer) {
    const std::lock_guard lock(gathered->mutex);
    gathered->answers[i] = std::move(answer);
    --gathered->left;
    gathered->changed.notify_all();
  };
  // The others first: they look while this one does.
  std::optional<std::size_t> here;
  for (std::size_t i = 0; i < nodes.size(); ++i)
    if (nodes[i] == around_.self && around_.look_up)
      here = i;
    else
      around_.ask(nodes[i], asked, [note, i](result<question_answer> answer) {
        note(i, std::move(answer));
      });
  if (here)
    note(*here, around_.look_up(asked));
  std::unique_lock lock(gathered->mutex);
  gathered->changed.wait_for(lock, time_out,
                             [&] { return gathered->left == 0; });
  std::vector<node_answer> all;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (!gathered->answers[i])
      gathered->answers[i] = error{
        errc::unavailable, "Node \"" + nodes[i] + "\" did not answer in time."};
    all.push_back({nodes[i], *gathered->answers[i]});
  }
  return all;
}

result<instance_page> question_fan::query(const instance_query& query,
                                          duration time_out) const {
  const placement owners = around_.view->owners();
  if (owners.owners.empty())
    return error{errc::unavailable,
                 "No node of the cluster can be reached; try again."};
  std::vector<instance_page> pages;
  std::vector<error> away;
  std::vector<std::uint32_t> missing;
  for (node_answer& one : ask_all(query, time_out)) {
    if (one.answer && std::holds_alternative<instance_page>(*one.answer)) {
      pages.push_back(std::get<instance_page>(std::move(*one.answer)));
      continue;
    }
    if (one.answer)
      return error{errc::internal,
                   "Node \"" + one.node + "\" has answered something else."};
    // What this node itself says is no news of somebody who is away.
    if (one.node == around_.self
        || (one.answer.code() != errc::unavailable
            && one.answer.code() != errc::shutting_down))
      return one.answer.error();
    away.push_back(one.answer.error());
    for (const partition_id each : owners.owned_by(one.node))
      missing.push_back(index_of(each));
  }
  if (!away.empty() && !query.partial)
    return missing_nodes(away);
  if (pages.empty())
    return missing_nodes(away);
  instance_page merged = merge_pages(std::move(pages), query.top);
  merged.missing = std::move(missing);
  return merged;
}

result<actors::instance_counts> question_fan::count(bool partial,
                                                    duration time_out) const {
  const placement owners = around_.view->owners();
  if (owners.owners.empty())
    return error{errc::unavailable,
                 "No node of the cluster can be reached; try again."};
  actors::instance_counts sum;
  std::vector<error> away;
  for (const node_answer& one : ask_all(count_question{}, time_out)) {
    if (one.answer && std::holds_alternative<counts_answer>(*one.answer)) {
      const auto& counts = std::get<counts_answer>(*one.answer).counts;
      for (std::size_t i = 0; i < counts.size() && i < sum.counts.size(); ++i)
        sum.counts[i] += counts[i];
      continue;
    }
    if (one.answer)
      return error{errc::internal,
                   "Node \"" + one.node + "\" has answered something else."};
    if (one.node == around_.self)
      return one.answer.error();
    away.push_back(one.answer.error());
    for (const partition_id each : owners.owned_by(one.node))
      sum.missing.push_back(index_of(each));
  }
  if (!away.empty() && (!partial || away.size() == owners.nodes.size()))
    return missing_nodes(away);
  return sum;
}

std::vector<std::pair<std::string, std::string>> question_fan::stuck() const {
  std::vector<std::pair<std::string, std::string>> all;
  for (const node_answer& one :
       ask_all(report_question{}, actors::query_time_max)) {
    if (!one.answer)
      all.emplace_back("", one.answer.error().message);
    else if (const auto* report = std::get_if<node_report>(&*one.answer))
      all.insert(all.end(), report->stuck.begin(), report->stuck.end());
  }
  return all;
}

std::vector<reported_node> question_fan::reports() const {
  const placement owners = around_.view->owners();
  std::vector<reported_node> all;
  for (node_answer& one : ask_all(report_question{}, actors::query_time_max)) {
    reported_node said;
    said.node = one.node;
    for (const partition_id each : owners.owned_by(one.node))
      said.partitions.push_back(index_of(each));
    if (!one.answer)
      said.why = one.answer.error().message;
    else if (auto* report = std::get_if<node_report>(&*one.answer))
      said.report = std::move(*report);
    all.push_back(std::move(said));
  }
  return all;
}

} // namespace perdura::cluster
