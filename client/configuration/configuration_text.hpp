// SPDX-License-Identifier: Apache-2.0
/// Formats configurations for `perdura config show`, and the documentation of
/// each setting for configs/single-node.toml.
#pragma once

#include "client/configuration/configuration_file.hpp"

#include <string>

namespace perdura::client {

struct setting;

/// All settings as valid TOML, each line with the origin of its value as a
/// comment. Access keys are not shown, only the name of their file.
std::string to_toml(const sourced_configuration& shown);

/// All settings as one JSON object:
/// `{"http.port":{"value":7071,"from":"default"},…}`.
std::string to_json(const sourced_configuration& shown);

/// All settings as JSON lines: `{"name":…,"value":…,"from":…}`.
std::string to_json_lines(const sourced_configuration& shown);

/// The documentation of a setting as in configs/single-node.toml: its help as
/// comment lines of at most 80 columns, and its default, commented out.
std::string documentation_of(const setting& shown);

} // namespace perdura::client
