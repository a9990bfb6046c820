// SPDX-License-Identifier: Apache-2.0
#include "cluster/routing/incoming_requests.hpp"

#include <utility>

namespace perdura::cluster {

using namespace persistence;
using actors::management_inbound;

// A delivered request has the gateway number `peers_gateway_number`; its
// correlation is its key in `pending_`.
void incoming_requests::request(const peer_ptr& from, remote_request asked) {
  const instance_id id = actors::instance_of(asked.request);
  const partition_id partition = owners_.partition_for(id);
  // A session with a client does not admit this node, so `is_admitted` may
  // still be false here.
  if (!owners_.owns(partition) || !state_.serves || !state_.is_admitted) {
    remote_answer no;
    no.number = asked.number;
    no.code = state_.closing ? errc::shutting_down : errc::unavailable;
    no.id = id;
    no.message = state_.is_admitted
                   ? "Node \"" + config_.self.node + "\" does not serve \"" + id
                       + "\" now; try again."
                   : state_.why_not_admitted;
    sessions_.send(*from, no);
    return;
  }
  const std::uint64_t number = ++last_number_;
  pending_[number]
    = {from, asked.number, id,
       std::holds_alternative<actors::wait_instance>(asked.request)};
  from->incoming[asked.number] = number;
  host_.deliver(partition, management_inbound{{peers_gateway_number, number},
                                              std::move(asked.request)});
}

void incoming_requests::cancel(const peer_ptr& from,
                               const remote_cancel& cancelled) {
  const auto known = from->incoming.find(cancelled.number);
  if (known == from->incoming.end())
    return; // already answered
  const std::uint64_t number = known->second;
  from->incoming.erase(known);
  drop(number);
}

/// Forgets a request whose answer is not wanted any more. A wait is cancelled
/// in its partition, because the partition would keep the wait. Other requests
/// need no cancellation, because their partitions always answer them.
void incoming_requests::drop(std::uint64_t number) {
  const auto it = pending_.find(number);
  if (it == pending_.end())
    return;
  const incoming gone = std::move(it->second);
  pending_.erase(it);
  if (gone.is_wait && state_.serves)
    host_.deliver(owners_.partition_for(gone.id),
                  management_inbound{{peers_gateway_number, number},
                                     actors::cancel_wait{gone.id}});
}

void incoming_requests::answer(std::uint64_t number,
                               const actors::management_answer& answer) {
  const auto it = pending_.find(number);
  if (it == pending_.end())
    return;
  if (const peer_ptr from = it->second.from.lock()) {
    from->incoming.erase(it->second.number);
    sessions_.send(*from, to_remote(it->second.number, answer));
  }
  pending_.erase(it);
}

void incoming_requests::session_ended(router_peer& at) {
  for (const auto& [theirs, number] : std::exchange(at.incoming, {}))
    drop(number);
}

} // namespace perdura::cluster
