/// The verbs that stay and look on: `get --watch`, `list --watch`,
/// `history --follow`, `start --follow`. Ctrl-C ends them with
/// `exit_interrupted`; a reader of the output that leaves ends them, too.
#pragma once

#include "client/cli/node_connection.hpp"
#include "client/cli/query_verbs.hpp"
#include "client/cli/signal_watch.hpp"
#include "client/cli/terminal.hpp"

#include <string>

namespace perdura::client {

/// A screen is drawn again, elsewhere each change is a line. Ends with the
/// instance: 0 if it has completed, 1 if it ended in any other way.
int watch_instance_verb(node_connection& node, const std::string& id,
                        output_format format, terminal& io);

/// Likewise, without an end of its own.
int watch_list_verb(node_connection& node, const list_verb_options& options,
                    output_format format, terminal& io);

/// Prints the events there are, and each new one. Ends with the instance, as
/// `watch_instance_verb`.
int follow_history_verb(node_connection& node, const std::string& id,
                        output_format format, terminal& io);

} // namespace perdura::client
