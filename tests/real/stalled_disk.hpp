// SPDX-License-Identifier: Apache-2.0
/// `perdura` in a process in which syncs of files hang while a file exists.
#pragma once

namespace perdura::tests {

/// The main function of the process: runs the command line `argv[2]`… of
/// `perdura`. While the file `argv[1]` exists, fsync and fdatasync do not
/// return.
int run_with_stalled_disk(int argc, char** argv);

} // namespace perdura::tests
