/// Shows configurations: what is in force and why, and the file that explains
/// every setting.
#pragma once

#include "client/configuration/configuration_file.hpp"

#include <string>

namespace perdura::client {

struct setting;

/// Valid TOML; behind each line, as a comment, where its value came from.
/// Secrets are not in it: of keys there is the file that holds them.
std::string to_toml(const sourced_configuration& shown);

/// `{"http.port":{"value":7071,"from":"default"},…}`; in lines: an object
/// `{"name":…,"value":…,"from":…}` each.
std::string to_json(const sourced_configuration& shown);
std::string to_json_lines(const sourced_configuration& shown);

/// What configs/single-node.toml says about a setting: its help as a comment
/// of at most 80 columns, and its default, commented out.
std::string documented(const setting& shown);

} // namespace perdura::client
