// SPDX-License-Identifier: Apache-2.0
#include "actors/execution/history_size.hpp"

namespace perdura::actors {

namespace {

// Size of one number in a list of a history event; the greatest one that
// msgpack writes for it.
constexpr std::uint64_t list_entry_bytes = 9;

} // namespace

// Counts the text fields and the lists of all types of history events.
std::uint64_t payload_bytes_of(const history_body& body) {
  return std::visit(
    [](const auto& x) -> std::uint64_t {
      std::uint64_t bytes = 32; // overhead of one event on disk, estimated
      if constexpr (requires { x.input; })
        bytes += x.input.size();
      if constexpr (requires { x.result; })
        bytes += x.result.size();
      if constexpr (requires { x.name; })
        bytes += x.name.size();
      if constexpr (requires { x.reason; })
        bytes += x.reason.size();
      if constexpr (requires { x.failure; })
        bytes += x.failure.message.size() + x.failure.type.size();
      if constexpr (requires { x.voided; })
        bytes += list_entry_bytes
                 * (x.voided.size() + 2 * x.reruns.size() + x.dropped.size());
      if constexpr (requires { x.causes; }) {
        bytes += list_entry_bytes * x.causes.tasks.size();
        for (const unreadable_event& one : x.causes.events)
          bytes += list_entry_bytes + one.name.size();
      }
      if constexpr (requires { x.failures_received; })
        bytes += list_entry_bytes * x.failures_received.size();
      return bytes;
    },
    body);
}

} // namespace perdura::actors
