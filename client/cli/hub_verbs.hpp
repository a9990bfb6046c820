// SPDX-License-Identifier: Apache-2.0
/// The verb `hub create`, and the checks of a data directory that it shares
/// with the verbs that run a node.
#pragma once

#include "client/cli/config_verbs.hpp"
#include "client/cli/terminal.hpp"
#include "client/configuration/configuration.hpp"

#include <string>

namespace perdura::client {

/// Creates a task hub in the data directory, and prints its identity.
int hub_create_verb(const configuration_flags& flags, terminal& io);

/// Adopts a data directory; see persistence::adopt_hub. Without `accepts_loss`
/// only explains what would happen.
int hub_adopt_verb(const std::string& data_dir, bool accepts_loss,
                   terminal& io);

/// @error errc::invalid_argument  There is something else under this name, e.g.
///                                a file.
persistence::result<void> check_is_directory(const std::string& data_dir);

/// Checks that this process may use the data directory. Without this check, a
/// directory that the process may not read would be reported as a directory
/// without a task hub.
/// @error errc::storage_failed    Permission is denied.
/// @error errc::invalid_argument  As `check_is_directory`.
persistence::result<void> check_access(const std::string& data_dir);

/// As `check_access`, for the configured data directory.
/// @param verb  Names the verb in the error sentence.
/// @error errc::invalid_argument  No data directory is configured.
persistence::result<void> check_data_dir(const configuration& values,
                                         const std::string& verb);

} // namespace perdura::client
