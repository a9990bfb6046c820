// SPDX-License-Identifier: Apache-2.0
#include "cluster/placement/placement.hpp"

#include "persistence/records/records.hpp"

#include <xxhash.h>

#include <algorithm>
#include <optional>

namespace perdura::cluster {

using persistence::errc;
using persistence::error;
using persistence::partition_id;
using persistence::result;

namespace {

constexpr std::size_t node_id_size_max = 64;

bool is_node_id(const node_id& id) {
  return !id.empty() && id.size() <= node_id_size_max
         && std::all_of(id.begin(), id.end(), [](char c) {
              return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')
                     || c == '-' || c == '_';
            });
}

/// Checks that all names are valid and that none occurs twice.
result<void> check_names(const std::vector<node_id>& nodes) {
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (!is_node_id(nodes[i]))
      return error{errc::invalid_argument,
                   "\"" + nodes[i]
                     + "\" is not a valid node name: use 1 to 64 characters of "
                       "a-z, 0-9, - and _."};
    if (std::find(nodes.begin(), nodes.begin() + static_cast<std::ptrdiff_t>(i),
                  nodes[i])
        != nodes.begin() + static_cast<std::ptrdiff_t>(i))
      return error{errc::invalid_argument,
                   "Node \"" + nodes[i] + "\" is in the list of nodes twice."};
  }
  return {};
}

/// The rendezvous weight of a node for a partition: XXH3-64 of the name, a zero
/// byte, and the partition number as eight bytes in big-endian order. The fixed
/// byte order makes the weight the same on every machine.
std::uint64_t weight_of(const node_id& node, std::uint32_t partition) {
  std::string text = node;
  text += '\0';
  for (int shift = 56; shift >= 0; shift -= 8)
    text += static_cast<char>(std::uint64_t{partition} >> shift & 0xFFU);
  return XXH3_64bits(text.data(), text.size());
}

/// The partition numbers for an error message, e.g. "3, 7 and 12". If there are
/// more than ten, the text has the first ten and the number of the others.
std::string listed(const std::vector<partition_id>& partitions) {
  constexpr std::size_t shown_max = 10;
  std::string text;
  for (std::size_t i = 0; i < std::min(partitions.size(), shown_max); ++i) {
    const bool is_last = i + 1 == partitions.size();
    text += i == 0 ? "" : (is_last ? " and " : ", ");
    text += std::to_string(persistence::index_of(partitions[i]));
  }
  if (partitions.size() > shown_max)
    text += " and " + std::to_string(partitions.size() - shown_max) + " more";
  return text;
}

} // namespace

const node_id& placement::owner_of(partition_id partition) const {
  return nodes[owners[persistence::index_of(partition)]];
}

std::vector<partition_id> placement::owned_by(const node_id& node) const {
  std::vector<partition_id> found;
  for (std::uint32_t i = 0; i < owners.size(); ++i)
    if (nodes[owners[i]] == node)
      found.push_back(static_cast<partition_id>(i));
  return found;
}

result<placement> place(const std::vector<node_id>& nodes,
                        std::uint32_t partition_count) {
  if (auto ok = check_names(nodes); !ok)
    return ok.error();
  if (nodes.empty() || nodes.size() > partition_count)
    return error{errc::invalid_argument,
                 "A hub of " + std::to_string(partition_count)
                   + " partitions is spread over 1 to "
                   + std::to_string(partition_count) + " nodes, not "
                   + std::to_string(nodes.size()) + "."};
  placement out;
  out.nodes = nodes;
  const std::size_t share = partition_count / nodes.size();
  // The number of nodes that may still get one partition more than `share`.
  std::size_t one_more = partition_count % nodes.size();
  std::vector<std::size_t> placed(nodes.size(), 0);
  // There is always a node below its share, because the shares of all nodes sum
  // to `partition_count`. So `best` has a value after the inner loop.
  for (std::uint32_t partition = 0; partition < partition_count; ++partition) {
    std::optional<std::size_t> best;
    std::uint64_t best_weight = 0;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const std::uint64_t weight = weight_of(nodes[i], partition);
      const bool is_below_share
        = placed[i] < share || (placed[i] == share && one_more > 0);
      if (is_below_share && (!best || weight > best_weight)) {
        best = i;
        best_weight = weight;
      }
    }
    if (++placed[*best] > share)
      --one_more;
    out.owners.push_back(static_cast<std::uint32_t>(*best));
  }
  return out;
}

result<void> check_nodes(const placement& stored,
                         const std::vector<node_id>& configured) {
  if (auto ok = check_names(configured); !ok)
    return ok;
  // Only owners matter: a node without partitions may leave the list.
  for (const node_id& node : stored.nodes) {
    const auto owned = stored.owned_by(node);
    if (owned.empty()
        || std::find(configured.begin(), configured.end(), node)
             != configured.end())
      continue;
    return error{errc::invalid_argument,
                 "Node \"" + node
                   + "\" is missing from the list of nodes, but owns partition"
                   + (owned.size() == 1 ? " " : "s ") + listed(owned)
                   + "; partitions that hold data cannot be moved. Put the "
                     "node back into the list; its address may change."};
  }
  return {};
}

placement placement_of(const persistence::hub_identity& hub) {
  if (!hub.nodes.empty())
    return {hub.nodes, hub.owners};
  // A node without a cluster has the empty name and owns every partition.
  return {{""}, std::vector<std::uint32_t>(hub.partition_count, 0)};
}

} // namespace perdura::cluster
