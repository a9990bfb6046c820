// SPDX-License-Identifier: Apache-2.0
#include "cluster/routing/node_queries.hpp"

#include <string>
#include <utility>

namespace perdura::cluster {

using namespace persistence;

void node_queries::send(const node_id& node, node_query query,
                        std::uint64_t ticket, steady_time now) {
  router_peer* to = sessions_.find(node);
  if (to == nullptr || !to->link.is_up()) {
    const std::string why = to == nullptr ? "" : to->unreachable_reason();
    host_.peer_query_completed(
      ticket,
      error{errc::unavailable, "Node \"" + node + "\" cannot be reached"
                                 + (why.empty() ? "." : " (" + why + ").")});
    return;
  }
  const std::uint64_t number = ++last_number_;
  sent_[number] = {ticket, node, now};
  sessions_.send(*to, remote_query{number, std::move(query)});
}

void node_queries::complete(by_number::iterator it,
                            result<node_query_answer> answer) {
  const std::uint64_t ticket = it->second.ticket;
  sent_.erase(it);
  host_.peer_query_completed(ticket, std::move(answer));
}

void node_queries::answered(const router_peer& from,
                            remote_query_answer answer) {
  // The query may have timed out. An answer from another node is ignored.
  const auto it = sent_.find(answer.number);
  if (it == sent_.end() || it->second.node != from.name)
    return;
  if (answer.code != errc::ok)
    complete(it, error{answer.code, answer.message});
  else
    complete(it, std::move(answer.answer));
}

void node_queries::request(const peer_ptr& from, remote_query asked) {
  const std::uint64_t ticket = ++last_number_;
  local_[ticket] = {from, from->link.session(), asked.number};
  host_.run_local_query(ticket, std::move(asked.query));
}

void node_queries::complete_local(std::uint64_t ticket,
                                  result<node_query_answer> answer) {
  const auto it = local_.find(ticket);
  if (it == local_.end())
    return;
  const incoming_query query = it->second;
  local_.erase(it);
  // The answer is sent only in the session in which the query arrived. If that
  // session has ended, the other side has failed the query already.
  const peer_ptr from = query.from.lock();
  if (!from || from->link.session() != query.session)
    return;
  remote_query_answer reply;
  reply.number = query.number;
  if (answer) {
    reply.answer = std::move(*answer);
  } else {
    reply.code = answer.error().code;
    reply.message = answer.error().message;
  }
  sessions_.send(*from, reply);
}

void node_queries::session_ended(const router_peer& at) {
  for (auto it = sent_.begin(); it != sent_.end();) {
    const auto one = it++;
    if (one->second.node == at.name)
      complete(one,
               error{errc::unavailable,
                     "Node \"" + at.name + "\" was lost before it answered."});
  }
}

void node_queries::tick(steady_time now) {
  for (auto it = sent_.begin(); it != sent_.end();) {
    const auto one = it++;
    if (now - one->second.since <= config_.request_time_max)
      break; // all later queries are younger
    complete(one, error{errc::unavailable, "Node \"" + one->second.node
                                             + "\" did not answer in time."});
  }
}

} // namespace perdura::cluster
