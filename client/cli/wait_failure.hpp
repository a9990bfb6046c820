// SPDX-License-Identifier: Apache-2.0
/// The errors of verbs that wait for the end of an instance.
#pragma once

#include <perdura/persistence/records/error.hpp>

#include <string>

namespace perdura::client {

/// The command that waits for the end of the instance, in backquotes, with the
/// ID quoted for a shell where that is needed: "`perdura get order-7 --watch`".
std::string wait_command(const std::string& id);

/// The error of a wait that has failed, e.g. because the node has ended: adds
/// to the sentence which instance was waited for, and the command that waits
/// for it again. An error that says that there is no such instance is returned
/// as it is.
/// @param was_started  The verb has started the instance. "Unavailable" then
///                     becomes errc::unknown_outcome, because something was
///                     done, and its outcome is not known.
persistence::error wait_failure(const std::string& id,
                                persistence::error failure, bool was_started);

/// The error of a start whose request has failed. If the node has received the
/// request, but has not answered, adds to the sentence how to find the
/// instance. `id` is empty if the node was to generate it.
persistence::error start_failure(const std::string& id,
                                 persistence::error failure);

} // namespace perdura::client
