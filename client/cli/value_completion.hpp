// SPDX-License-Identifier: Apache-2.0
/// Completes the values on a command line: IDs of instances and names of
/// orchestrators from the node, and the fixed values of options. The completion
/// scripts call it through the hidden verb `complete-values`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
} // namespace CLI

namespace perdura::client {

/// The name of the hidden verb.
inline constexpr const char* complete_values_verb = "complete-values";

/// The values that can stand in place of the last word of a command line, which
/// is empty if the line ends with a blank. They begin with the text of that
/// word.
///
/// `line` begins with the name of the program and may contain quotes and
/// backslashes as in a shell. Its options --url, --key-file and --ca select the
/// node, as they do for the verbs. Without an answer of the node within about a
/// second, there are no values; no error is printed. Blocks.
std::vector<std::string> complete_values(const CLI::App& app,
                                         std::string_view line);

/// True if the script should ask for the values of this option.
bool has_completed_values(std::string_view option);

} // namespace perdura::client
