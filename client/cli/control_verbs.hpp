// SPDX-License-Identifier: Apache-2.0
/// The verbs that change instances: `raise-event`, `terminate`, `suspend`,
/// `resume`, `rewind`, `restart`, `purge`.
#pragma once

#include "client/cli/node_connection.hpp"
#include "client/cli/query_verbs.hpp"
#include "client/cli/terminal.hpp"

#include <string>

namespace perdura::client {

/// Sends an event; `data` is JSON, `@FILE`, or `-` for standard input. If
/// `data` is empty, the event has no value. Prints nothing if the node has
/// accepted the event.
int raise_event_verb(node_connection& node, const std::string& id,
                     const std::string& name, const std::string& data,
                     terminal& io);

/// The instances that a verb changes: the instance with this ID, or all
/// instances that match the filter. Exactly one of ID and filter must be given.
struct control_target {
  std::string id;
  filter_options filter;
  bool dry_run = false; ///< Print the number of instances, change nothing.
  /// Do not ask for confirmation. One instance that is named by its ID never
  /// needs a confirmation.
  bool yes = false;
  /// Only `purge` of one instance: also if its activities have not ended.
  bool force = false;
};

/// The command line of `terminate`, `suspend`, `resume` and `rewind`.
struct control_verb_options {
  std::string verb; ///< "terminate", "suspend", "resume" or "rewind".
  control_target target;
  std::string reason;     ///< Recorded in the history. Empty means none.
  bool recursive = false; ///< Terminate sub-orchestrations, too.
};

/// Terminates, suspends, resumes or rewinds instances, with one request for
/// each instance. A filter without a status selects all instances whose status
/// the verb can change. Instances that changed after they were selected are
/// counted in the output; they are not an error.
int control_verb(node_connection& node, const control_verb_options& options,
                 terminal& io);

/// Starts a new instance with the same orchestrator and input, and prints its
/// ID. With `same_id` the new instance replaces the old one; otherwise the node
/// generates a new ID.
int restart_verb(node_connection& node, const std::string& id, bool same_id,
                 output_format format, terminal& io);

/// Deletes an instance that has ended, or all such instances that match the
/// filter. With a filter, one request deletes all of them.
int purge_verb(node_connection& node, const control_target& target,
               terminal& io);

} // namespace perdura::client
