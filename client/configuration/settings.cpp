#include "client/configuration/settings.hpp"

#include "cluster/placement/node_list.hpp"

#include <arpa/inet.h>

#include <algorithm>

namespace perdura::client {

namespace {

/// How many letters must be changed, put in, left out or swapped.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(
    a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i)
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = i + j;
        continue;
      }
      const std::size_t same = a[i - 1] == b[j - 1] ? 0 : 1;
      cost[i][j] = std::min(
        {cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + same});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  return cost[a.size()][b.size()];
}

bool is_hub_id(std::string_view text) {
  return text.size() == 32
         && text.find_first_not_of("0123456789abcdef") == text.npos;
}

/// The setting that is to blame if a node cannot listen.
std::string_view listen_setting(const cluster::cluster_config& of,
                                const std::vector<cluster::node_id>& names) {
  if (std::find(names.begin(), names.end(), of.node) == names.end())
    return "cluster.node";
  if (!of.listen.empty() && !cluster::parse_node_address(of.listen))
    return "cluster.listen";
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
  return of.listen.empty() ? "cluster.nodes" : "cluster.listen";
}

/// The list is looked at first: without it no other sentence would be right.
void find_cluster_discords(const cluster::node_config& node,
                           std::vector<discord>& found) {
  const cluster::cluster_config& own = node.cluster;
  if (own.silence_max < 2 * own.heartbeat_interval)
    found.push_back({"cluster.silence_max",
                     "cluster.silence_max wants at least twice "
                     "cluster.heartbeat_interval, "
                       + time_text(2 * own.heartbeat_interval.count())
                       + ", not " + time_text(own.silence_max.count()) + '.'});
  if (own.is_alone()) {
    if (!own.nodes.empty())
      found.push_back({"cluster.nodes",
                       "cluster.nodes needs cluster.node beside it: which of "
                       "them this one is."});
    return;
  }
  if (own.nodes.empty()) {
    found.push_back({"cluster.node",
                     "cluster.node needs cluster.nodes beside it: all nodes, "
                     "this one too."});
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

const setting* find_setting(std::string_view path) {
  for (const setting& each : settings())
    if (each.path == path)
      return &each;
  return nullptr;
}

std::string_view nearest_setting(std::string_view path) {
  // Nobody mistypes that much; and the comparison costs its length.
  constexpr std::size_t path_max = 100;
  if (path.size() > path_max)
    return {};
  const std::string_view key = path.substr(path.rfind('.') + 1);
  std::string_view best;
  std::size_t best_distance = std::max<std::size_t>(2, key.size() / 4) + 1;
  const auto offer = [&](std::string_view name, std::size_t away) {
    if (away < best_distance) {
      best = name;
      best_distance = away;
    }
  };
  for (const setting& each : settings()) {
    offer(each.section(), distance(path, each.section()));
    offer(each.path, distance(path, each.path));
    // The right word in the wrong section is as near as one wrong letter.
    offer(each.path, distance(key, each.key()) + 1);
    if (!each.alias.empty())
      offer(each.path, distance(key, each.alias) + 1);
  }
  return best;
}

std::string setting::wanted() const {
  const auto range = [](const std::string& from, const std::string& to) {
    return " from " + from + " to " + to;
  };
  switch (kind) {
  case setting_kind::text:
    return "a text";
  case setting_kind::path:
    return "a path";
  case setting_kind::flag:
    return "true or false";
  case setting_kind::count:
    return "a whole number" + range(std::to_string(min), std::to_string(max));
  case setting_kind::time:
    return "a time" + range(time_text(min), time_text(max));
  case setting_kind::bytes:
    return min == 0 ? "a size" : "a size of at least " + bytes_text(min);
  case setting_kind::list:
    return "a list of texts";
  case setting_kind::choice:
    break;
  }
  std::string all;
  for (std::size_t i = 0; i < words.size(); ++i)
    all += (i == 0                  ? ""
            : i + 1 == words.size() ? " or "
                                    : ", ")
           + std::string(words[i]);
  return all;
}

std::string setting::objection(const setting_value& value) const {
  const auto steers
    = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  bool fits = true;
  if (const auto* text = std::get_if<std::string>(&value);
      text != nullptr && std::any_of(text->begin(), text->end(), steers))
    return std::string(path) + " holds a control character.";
  if (const auto* given = std::get_if<std::int64_t>(&value))
    fits = *given >= min && *given <= max;
  else if (kind == setting_kind::choice)
    fits = std::find(words.begin(), words.end(), std::get<std::string>(value))
           != words.end();
  if (fits)
    return {};
  return std::string(path) + " wants " + wanted() + ", not "
         + as_toml(kind, value) + '.';
}

std::vector<discord> find_discords(const configuration& values) {
  std::vector<discord> found;
  const door_config& http = values.host.door;
  if (http.tls_certificate_file.empty() != http.tls_key_file.empty()) {
    const bool lacks_key = http.tls_key_file.empty();
    found.push_back(
      {lacks_key ? "http.tls.certificate_file" : "http.tls.key_file",
       std::string(lacks_key ? "http.tls.certificate_file"
                             : "http.tls.key_file")
         + " needs "
         + (lacks_key ? "http.tls.key_file" : "http.tls.certificate_file")
         + " beside it."});
  }
  unsigned char numeric[sizeof(in6_addr)];
  if (::inet_pton(AF_INET, http.address.c_str(), numeric) != 1
      && ::inet_pton(AF_INET6, http.address.c_str(), numeric) != 1)
    found.push_back({"http.address",
                     "http.address wants a numeric address, such as 127.0.0.1 "
                     "or ::1, not "
                       + as_toml(setting_kind::text, http.address) + '.'});
  if (values.host.node.task_hub.empty())
    found.push_back({"hub.task_hub", "hub.task_hub may not be empty."});
  if (const std::string& id = values.host.node.hub_id;
      !id.empty() && !is_hub_id(id))
    found.push_back({"hub.id", "hub.id wants 32 hex digits (0-9, a-f), not "
                                 + as_toml(setting_kind::text, id) + '.'});
  find_cluster_discords(values.host.node, found);
  return found;
}

} // namespace perdura::client
