// SPDX-License-Identifier: Apache-2.0
#include "cluster/routing/partition_mail.hpp"

namespace perdura::cluster {

using namespace persistence;

void partition_mail::deliver(actors::inbound message, partition_id to) {
  if (state_.serves)
    host_.deliver(to, std::move(message));
  else if (!state_.has_served)
    before_serving_.emplace_back(to, std::move(message));
  // A node that stops drops the message. The message is not acknowledged, so
  // the sending partition repeats it after the restart.
}

// A change to `false` before the node has served keeps the messages.
void partition_mail::serving_changed() {
  for (auto& [to, message] : std::exchange(before_serving_, {}))
    deliver(std::move(message), to);
}

void partition_mail::route(actors::partition_message message, partition_id to) {
  if (owners_.owns(to)) {
    deliver(std::move(message), to);
    return;
  }
  // If the owner is not reachable, the message is dropped here. It stays in the
  // outbox of the sending partition until it is acknowledged.
  if (router_peer* owner = owners_.owner_of(to);
      owner != nullptr && owner->link.is_up())
    sessions_.send(
      *owner, remote_message{message.from, to, std::move(message.message)});
}

void partition_mail::route(actors::partition_acknowledgement note,
                           partition_id to) {
  if (owners_.owns(to)) {
    deliver(note, to);
    return;
  }
  // An acknowledgement may be lost: the partition that sent the message then
  // repeats it, and the receiver acknowledges the repetition.
  if (router_peer* owner = owners_.owner_of(to);
      owner != nullptr && owner->link.is_up())
    sessions_.send(*owner, remote_acknowledgement{note.from, to, note.sequence,
                                                  note.stated});
}

void partition_mail::received(const router_peer& from, remote_message message) {
  if (owners_.owns(message.to) && owners_.owner_of(message.from) == &from)
    deliver(actors::partition_message{message.from, std::move(message.message)},
            message.to);
}

void partition_mail::received(const router_peer& from,
                              const remote_acknowledgement& note) {
  if (!owners_.owns(note.to) || owners_.owner_of(note.from) != &from)
    return;
  actors::partition_acknowledgement local{note.from, note.sequence,
                                          note.stated};
  if (local.stated)
    local.run = from.hello.run;
  deliver(local, note.to);
}

} // namespace perdura::cluster
