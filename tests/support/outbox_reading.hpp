// SPDX-License-Identifier: Apache-2.0
/// Reads all stored messages of a partition, for tests that compare them.
#pragma once

#include "persistence/journal/state_reader.hpp"

#include <iterator>
#include <vector>

namespace perdura::tests {

/// The messages in the order of destination and sequence. Damaged ones are
/// replaced; see persistence::outbox_page.
inline std::vector<persistence::outbox_message>
read_whole_outbox(const persistence::state_reader& reader,
                  persistence::partition_id partition,
                  const persistence::partition_snapshot& snapshot) {
  std::vector<persistence::outbox_message> all;
  for (const persistence::outbox_range& range : snapshot.outbox)
    for (std::uint64_t next = range.first; next <= range.last;) {
      auto page
        = reader.outbox(partition, range.to, next, range.last, 1U << 20U)
            .value();
      next += page.messages.size();
      all.insert(all.end(), std::make_move_iterator(page.messages.begin()),
                 std::make_move_iterator(page.messages.end()));
    }
  return all;
}

} // namespace perdura::tests
