/// The verbs that act on instances: `raise-event`, `terminate`, `suspend`,
/// `resume`, `rewind`, `restart`, `purge`.
#pragma once

#include "client/cli/node_connection.hpp"
#include "client/cli/query_verbs.hpp"
#include "client/cli/terminal.hpp"

#include <string>

namespace perdura::client {

int raise_event_verb(node_connection& node, const std::string& id,
                     const std::string& name, const std::string& data,
                     terminal& io);

/// What a verb acts on: one instance, or those that match.
struct control_target {
  std::string id;
  filter_options filter;
  bool dry_run = false; ///< Only says how many.
  bool yes = false;     ///< Does not ask.
};

struct control_verb_options {
  std::string word; ///< "terminate", "suspend", "resume" or "rewind".
  control_target target;
  std::string reason;
  bool recursive = false; ///< Of terminate: the children, too.
};

/// Without statuses in the filter, those that the verb can do something to.
int control_verb(node_connection& node, const control_verb_options& options,
                 terminal& io);

/// Prints the ID of the new run.
int restart_verb(node_connection& node, const std::string& id, bool same_id,
                 output_format format, terminal& io);

/// Over a filter: the finished ones that match.
int purge_verb(node_connection& node, const control_target& target,
               terminal& io);

} // namespace perdura::client
