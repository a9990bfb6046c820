// SPDX-License-Identifier: Apache-2.0
/// `check`: checks a data directory, or a copy of one, for damage, or makes its
/// indexes and counts anew.
#pragma once

#include "client/cli/terminal.hpp"
#include "persistence/journal/verify.hpp"

#include <string>

namespace perdura::client {

/// Makes the views of a directory anew from the rows that can be read, prints
/// what could not be restored, and then checks the directory; see
/// rebuild_views.hpp. No node may be using the directory.
/// Returns exit_ok if nothing is lost and the directory is sound,
/// exit_instance_failed (1) otherwise, and the code of the error (2 or 4) if
/// nothing could be done.
int rebuild_views_verb(const std::string& data_dir, terminal& io);

/// Reads every page, row and journal record in a child process. Damaged pages
/// are found before they are used; the child process is a second protection.
/// Returns exit_ok if the directory is sound, exit_instance_failed (1) if it is
/// damaged, and the code of the error (2 or 4) if it cannot be read, e.g.
/// because it contains no hub or may not be opened. Nothing is written, and a
/// node may be using the directory.
int check_verb(const std::string& data_dir, terminal& io);

/// Prints what a verification has found. Returns exit_ok if there is no
/// problem, else exit_instance_failed.
int print_verification(const persistence::verification& found, terminal& io);

} // namespace perdura::client
