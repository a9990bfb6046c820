// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/pair_numbers.hpp"

#include <algorithm>

namespace perdura::actors {

using namespace persistence;

pair_numbers numbers_of(const durable_partition& durable, partition_id other) {
  pair_numbers own;
  own.newest = durable.outbox_head(other);
  const auto box = durable.outbox.find(other);
  own.oldest = box == durable.outbox.end() ? 1 : box->second.first;
  own.mark = durable.mark(other);
  return own;
}

bool has_agreed(const durable_partition& durable, partition_id other) {
  const auto& unmatched = durable.meta.unmatched;
  return unmatched.empty()
         || std::find(unmatched.begin(), unmatched.end(), other)
              == unmatched.end();
}

pair_verdict compare_numbers(const pair_numbers& own,
                             const pair_numbers& theirs) {
  if (theirs.newest < own.mark || theirs.mark + 1 < own.oldest)
    return pair_verdict::other_is_older;
  if (own.newest < theirs.mark || own.mark + 1 < theirs.oldest)
    return pair_verdict::this_is_older;
  return pair_verdict::consistent;
}

std::string describe_fault(partition_id own_id, const pair_numbers& own,
                           partition_id other, const pair_numbers& theirs) {
  const auto one_way
    = [](partition_id from, const pair_numbers& sender, partition_id to,
         const pair_numbers& receiver) -> std::string {
    const std::string between = "partition " + std::to_string(index_of(from))
                                + " has sent partition "
                                + std::to_string(index_of(to)) + " messages ";
    if (sender.newest < receiver.mark)
      return between + "up to " + std::to_string(sender.newest)
             + " as far as it knows, but message "
             + std::to_string(receiver.mark) + " was accepted";
    if (receiver.mark + 1 < sender.oldest)
      return between + "up to " + std::to_string(sender.oldest - 1)
             + " that were acknowledged, but the newest that it has accepted "
               "is "
             + std::to_string(receiver.mark);
    return {};
  };
  const std::string there = one_way(own_id, own, other, theirs);
  return there.empty() ? one_way(other, theirs, own_id, own) : there;
}

turn step_agree(const durable_partition& durable, partition_id other,
                const pair_numbers& theirs) {
  const pair_numbers own = numbers_of(durable, other);
  turn next;
  next.writes.marks.push_back({other, std::max(own.mark, theirs.oldest - 1)});
  if (theirs.mark > 0)
    next.writes.outbox_acknowledged.push_back({other, theirs.mark});
  return next;
}

} // namespace perdura::actors
