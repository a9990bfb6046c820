// SPDX-License-Identifier: Apache-2.0
#include "client/configuration/settings.hpp"

#include "client/configuration/edit_distance.hpp"
#include "cluster/placement/node_list.hpp"
#include "persistence/records/text.hpp"

#include <arpa/inet.h>

#include <algorithm>

namespace perdura::client {

namespace {

/// The setting whose value makes `cluster::listen_address_of` fail.
std::string_view listen_setting(const cluster::cluster_config& of,
                                const std::vector<cluster::node_id>& names) {
  // Repeats the checks of `cluster::listen_address_of`, whose error does not
  // name the setting.
  if (std::find(names.begin(), names.end(), of.node) == names.end())
    return "cluster.node";
  if (!of.listen.empty() && !cluster::parse_node_address(of.listen))
    return "cluster.listen";
  // TLS needs all three files. The problem is reported at the first setting
  // that has a value, because the others may be missing in the configuration.
  const std::pair<const std::filesystem::path&, std::string_view> files[]
    = {{of.certificate_file, "cluster.tls.certificate_file"},
       {of.key_file, "cluster.tls.key_file"},
       {of.ca_file, "cluster.tls.ca_file"}};
  const auto is_there = [](const auto& file) { return !file.first.empty(); };
  const auto* given
    = std::find_if(std::begin(files), std::end(files), is_there);
  if (given != std::end(files)
      && !std::all_of(std::begin(files), std::end(files), is_there))
    return given->second;
  // Two causes of a failure remain: the address is not numeric, or it is not a
  // loopback address and TLS is not configured.
  return of.listen.empty() ? "cluster.nodes" : "cluster.listen";
}

/// Adds the inconsistencies between the settings of a cluster. If the node list
/// or the listen address has several problems, only the first one is added,
/// because the later checks need a valid list.
void find_cluster_inconsistencies(const cluster::node_config& node,
                                  std::vector<inconsistency>& found) {
  const cluster::cluster_config& own = node.cluster;
  if (own.silence_max < 2 * own.heartbeat_interval)
    found.push_back({"cluster.silence_max",
                     "cluster.silence_max must be at least twice "
                     "cluster.heartbeat_interval, "
                       + time_text(2 * own.heartbeat_interval.count())
                       + ", not " + time_text(own.silence_max.count()) + '.'});
  // The list and the name of this node belong together: neither is valid
  // without the other.
  if (own.is_alone()) {
    if (!own.nodes.empty())
      found.push_back({"cluster.nodes",
                       "cluster.nodes requires cluster.node, the name of this "
                       "node in the list."});
    return;
  }
  if (own.nodes.empty()) {
    found.push_back({"cluster.node",
                     "cluster.node requires cluster.nodes, the list of all "
                     "nodes, including this one."});
    return;
  }
  const auto nodes = cluster::parse_nodes(own.nodes);
  if (!nodes) {
    found.push_back({"cluster.nodes", nodes.error().message});
    return;
  }
  const auto names = cluster::names_of(*nodes);
  if (auto good = cluster::check_nodes({}, names); !good) {
    found.push_back({"cluster.nodes", good.error().message});
    return;
  }
  if (auto address = cluster::listen_address_of(own); !address)
    found.push_back({listen_setting(own, names), address.error().message});
}

} // namespace

// A linear search suffices: a file has few settings, and is read once.
const setting* find_setting(std::string_view path) {
  for (const setting& each : settings())
    if (each.path == path)
      return &each;
  return nullptr;
}

std::string_view nearest_setting(std::string_view path) {
  // A name that is longer than `path_max` is not a misspelt setting, and the
  // time of a comparison grows with the length of the name.
  constexpr std::size_t path_max = 100;
  if (path.size() > path_max)
    return {};
  const std::string_view key = path.substr(path.rfind('.') + 1);
  std::string_view best;
  // A known name counts as similar if its distance is at most a quarter of the
  // length of `key`; a distance of up to 2 is always accepted.
  std::size_t best_distance = std::max<std::size_t>(2, key.size() / 4) + 1;
  // If several names are equally similar, the first one in the table is
  // returned.
  const auto offer = [&](std::string_view name, std::size_t away) {
    if (away < best_distance) {
      best = name;
      best_distance = away;
    }
  };
  for (const setting& each : settings()) {
    offer(each.section(), edit_distance(path, each.section()));
    offer(each.path, edit_distance(path, each.path));
    // The right key in the wrong section counts like one wrong character.
    offer(each.path, edit_distance(key, each.key()) + 1);
    if (!each.alias.empty())
      offer(each.path, edit_distance(key, each.alias) + 1);
  }
  return best;
}

std::string setting::expected_values() const {
  const auto range = [](const std::string& from, const std::string& to) {
    return " from " + from + " to " + to;
  };
  switch (kind) {
  case setting_kind::text:
    return "a string";
  case setting_kind::path:
    return "a path";
  case setting_kind::flag:
    return "true or false";
  case setting_kind::count:
    return "a whole number" + range(std::to_string(min), std::to_string(max));
  case setting_kind::time:
    return "a time" + range(time_text(min), time_text(max));
  // Only the minimum is named, because most sizes have no maximum that a user
  // could reach.
  case setting_kind::bytes:
    return min == 0 ? "a size" : "a size of at least " + bytes_text(min);
  case setting_kind::list:
    return "a list of strings";
  case setting_kind::choice:
    break;
  }
  std::string all;
  for (std::size_t i = 0; i < choices.size(); ++i)
    // Lists the choices in the form "a, b or c".
    all += (i == 0                    ? ""
            : i + 1 == choices.size() ? " or "
                                      : ", ")
           + std::string(choices[i]);
  return all;
}

std::string setting::problem_with(const setting_value& value) const {
  // Values are printed in logs and in `config show`, one line each, so they
  // must not contain line breaks or terminal escapes.
  bool fits = true;
  if (const auto* text = std::get_if<std::string>(&value);
      text != nullptr
      && std::any_of(text->begin(), text->end(), persistence::is_control))
    return std::string(path) + " holds a control character.";
  // Counts, times and sizes are all integers.
  if (const auto* given = std::get_if<std::int64_t>(&value))
    fits = *given >= min && *given <= max;
  else if (kind == setting_kind::choice) {
    const auto& text = std::get<std::string>(value);
    fits = std::find(choices.begin(), choices.end(), text) != choices.end()
           || (choice_of != nullptr && !choice_of(text).empty());
  }
  if (fits)
    return {};
  return std::string(path) + " must be " + expected_values() + ", not "
         + as_toml(kind, value) + '.';
}

std::vector<inconsistency> find_inconsistencies(const configuration& values) {
  std::vector<inconsistency> found;
  const http_api_config& http = values.host.http;
  // The problem is reported at the setting that has a value.
  if (http.tls_certificate_file.empty() != http.tls_key_file.empty()) {
    const bool lacks_key = http.tls_key_file.empty();
    found.push_back(
      {lacks_key ? "http.tls.certificate_file" : "http.tls.key_file",
       std::string(lacks_key ? "http.tls.certificate_file"
                             : "http.tls.key_file")
         + " requires "
         + (lacks_key ? "http.tls.key_file" : "http.tls.certificate_file")
         + "."});
  }
  // Host names are not accepted, because they could resolve to several
  // addresses.
  unsigned char numeric[sizeof(in6_addr)];
  if (::inet_pton(AF_INET, http.address.c_str(), numeric) != 1
      && ::inet_pton(AF_INET6, http.address.c_str(), numeric) != 1)
    found.push_back(
      {"http.address",
       "http.address must be a numeric address, such as 127.0.0.1 "
       "or ::1, not "
         + as_toml(setting_kind::text, http.address) + '.'});
  if (values.host.node.task_hub.empty())
    found.push_back({"hub.task_hub", "hub.task_hub may not be empty."});
  if (const std::string& id = values.host.node.hub_id;
      !id.empty() && !persistence::is_hex32(id))
    found.push_back({"hub.id", "hub.id must be 32 hex digits (0-9, a-f), not "
                                 + as_toml(setting_kind::text, id) + '.'});
  find_cluster_inconsistencies(values.host.node, found);
  return found;
}

} // namespace perdura::client
