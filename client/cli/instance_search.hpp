// SPDX-License-Identifier: Apache-2.0
/// Fetches instances from a node, page by page.
#pragma once

#include "client/cli/node_connection.hpp"
#include <perdura/persistence/records/ids.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace perdura::client {

/// Selects instances. An empty member does not restrict the selection.
struct filter_options {
  /// E.g. "Running". An instance matches if it has one of them.
  std::vector<std::string> statuses;
  std::string created_from; ///< ISO 8601, inclusive.
  std::string created_to;   ///< ISO 8601, inclusive.
  std::string prefix;       ///< The text with which the ID begins.
  std::string name;         ///< The name of the orchestrator.
  std::string version;      ///< Version of the orchestrator. Empty means all.
  std::string parent;       ///< ID of the parent. Empty means all.
  std::string root;         ///< ID of the root of the tree. Empty means all.

  /// True if all instances are selected.
  bool empty() const;
  /// The parameters of the HTTP API's query.
  query_parameters to_parameters() const;
};

/// The command line of `list`.
struct list_verb_options {
  filter_options filter;
  std::size_t top = 100; ///< Maximum number of instances; 0 means all.
  bool stuck = false;    ///< List the instances that cannot make progress.
  /// Omit the instances of nodes that cannot be reached, instead of failing.
  bool partial = false;
};

/// Instances as JSON objects of the HTTP API.
struct found_instances {
  std::vector<std::string> instances;
  bool more = false; ///< More instances match than were requested.
  /// The partitions that could not be read, e.g. "3,7". Empty if all were read.
  std::string missing;
};

/// Fetches at most `options.top` of the instances that match, in the order of
/// the HTTP API: the oldest first. If `show_input` is false, the node omits the
/// inputs, which can be large.
persistence::result<found_instances>
fetch_instances(node_connection& node, const list_verb_options& options,
                bool show_input);

/// Fetches the newest `options.top` of the instances that match, the newest
/// first, without inputs.
///
/// The HTTP API returns the oldest first. If not all instances are on its first
/// page, this function asks for the instances that were created in a short time
/// before now, and makes that time longer or shorter until it holds enough
/// instances, but not many more.
/// @param last_span  If a call that is repeated passes the same variable, which
///                begins with 0, the time that the last search has found is
///                tried first. May be null.
persistence::result<found_instances>
fetch_newest(node_connection& node, const list_verb_options& options,
             persistence::duration* last_span = nullptr);

} // namespace perdura::client
