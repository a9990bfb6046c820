#include "client/configuration/settings.hpp"

#include <algorithm>
#include <limits>
#include <type_traits>

namespace perdura::client {

namespace {

using persistence::duration;
using persistence::log_level;
using kind = setting_kind;

constexpr std::int64_t count_max = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t size_max = std::numeric_limits<std::int64_t>::max();
// A hundred years: whatever is added to a time stays a time.
constexpr duration time_max = std::chrono::hours(24 * 365 * 100);
constexpr duration millisecond = std::chrono::milliseconds(1);

constexpr std::string_view level_words[]
  = {"debug", "info", "warning", "error", "off"};

template <class T>
setting_value to_value(const T& member) {
  if constexpr (
    std::is_same_v<
      T,
      bool> || std::is_same_v<T, std::string> || std::is_same_v<T, std::vector<std::string>>)
    return member;
  else if constexpr (std::is_same_v<T, std::filesystem::path>)
    return member.string();
  else if constexpr (std::is_same_v<T, duration>)
    return static_cast<std::int64_t>(member.count());
  else if constexpr (std::is_same_v<T, log_level>)
    return std::string(level_words[static_cast<std::size_t>(member)]);
  else
    return static_cast<std::int64_t>(member);
}

template <class T>
void from_value(T& member, const setting_value& value) {
  if constexpr (
    std::is_same_v<
      T,
      bool> || std::is_same_v<T, std::string> || std::is_same_v<T, std::vector<std::string>>)
    member = std::get<T>(value);
  else if constexpr (std::is_same_v<T, std::filesystem::path>)
    member = std::get<std::string>(value);
  else if constexpr (std::is_same_v<T, duration>)
    member = duration(std::get<std::int64_t>(value));
  else if constexpr (std::is_same_v<T, log_level>)
    member = static_cast<log_level>(std::find(std::begin(level_words),
                                              std::end(level_words),
                                              std::get<std::string>(value))
                                    - std::begin(level_words));
  else
    member = static_cast<T>(std::get<std::int64_t>(value));
}

/// `place` finds the member in a configuration.
template <class F>
setting bound(setting described, F place) {
  described.get
    = [place](const configuration& from) { return to_value(place(from)); };
  described.set = [place](configuration& to, const setting_value& value) {
    from_value(place(to), value);
  };
  return described;
}

template <class T>
auto node_member(T cluster::node_config::*member) {
  return [member](auto& c) -> auto& {
    return c.host.node.*member;
  };
}

template <class T>
auto cluster_member(T cluster::cluster_config::*member) {
  return [member](auto& c) -> auto& {
    return c.host.node.cluster.*member;
  };
}

template <class T>
auto door_member(T door_config::*member) {
  return [member](auto& c) -> auto& {
    return c.host.door.*member;
  };
}

template <class T>
auto log_member(T log_config::*member) {
  return [member](auto& c) -> auto& {
    return c.log.*member;
  };
}

using node = cluster::node_config;
using door = door_config;

setting number(std::string_view path, std::int64_t min, std::int64_t max,
               std::string_view help, std::string_view alias = {}) {
  return {path, kind::count, help, alias, min, max};
}

setting time(std::string_view path, duration min, std::string_view help,
             std::string_view alias = {}) {
  return {path, kind::time, help, alias, min.count(), time_max.count()};
}

setting size(std::string_view path, std::int64_t min, std::string_view help,
             std::int64_t max = size_max) {
  return {path, kind::bytes, help, {}, min, max};
}

setting other(std::string_view path, kind what, std::string_view help,
              std::string_view alias = {}) {
  return {path, what, help, alias};
}

void add_node(std::vector<setting>& to) {
  to.push_back(bound(
    other("node.data_dir", kind::path,
          "Holds one hub: its journal and views; mode 0700, one process at a "
          "time."),
    node_member(&node::data_dir)));
  to.push_back(bound(
    number("node.scheduler_threads", 0, 4096,
           "Threads for actors; 0: two more than there are cores, so that "
           "orchestrators that never await do not stop the node at once."),
    node_member(&node::scheduler_threads)));
  to.push_back(
    bound(time("node.turn_wait_max", duration(0),
               "A message waits this long for its turn before it is made "
               "durable alone."),
          node_member(&node::turn_wait_max)));
  to.push_back(
    bound(time("node.stop_patience", duration(0),
               "How long a stop waits for activities that are running."),
          node_member(&node::stop_patience)));
}

void add_hub(std::vector<setting>& to) {
  to.push_back(bound(
    other("hub.create", kind::flag,
          "Make a hub if the data directory is missing or empty; otherwise "
          "that is refused.",
          "create_hub"),
    node_member(&node::create_hub)));
  to.push_back(bound(
    other("hub.id", kind::text,
          "32 hex digits. When the hub is made: its ID, which all nodes of a "
          "cluster are given (empty: a random one, for a node alone). Later: "
          "the only one that is opened (empty: any).",
          "hub_id"),
    node_member(&node::hub_id)));
  to.push_back(
    bound(other("hub.task_hub", kind::text,
                "The hub's name, which stands in URLs as taskHub; only used "
                "when the hub is made, and fixed then."),
          node_member(&node::task_hub)));
  to.push_back(bound(
    number("hub.partitions", 1, 4096,
           "Logical shards; only used when the hub is made, and fixed then.",
           "partition_count"),
    node_member(&node::partition_count)));
}

void add_cluster(std::vector<setting>& to) {
  to.push_back(
    bound(other("cluster.node", kind::text,
                "This node's name among cluster.nodes, e.g. node-1; empty: a "
                "node alone. Fixed when the hub is made."),
          cluster_member(&cluster::cluster_config::node)));
  to.push_back(
    bound(other("cluster.nodes", kind::list,
                "All nodes of the hub, this one too, each NAME=HOST:PORT, e.g. "
                "node-1=127.0.0.1:7171. Names are fixed when the hub is made, "
                "addresses are not."),
          cluster_member(&cluster::cluster_config::nodes)));
  to.push_back(
    bound(other("cluster.listen", kind::text,
                "Where this node listens for the others, ADDRESS:PORT, the "
                "address numeric; empty: as its own entry says."),
          cluster_member(&cluster::cluster_config::listen)));
  to.push_back(
    bound(time("cluster.heartbeat_interval", millisecond,
               "A node tells the others this often that it is "
               "there."),
          cluster_member(&cluster::cluster_config::heartbeat_interval)));
  to.push_back(
    bound(time("cluster.silence_max", millisecond,
               "One that is silent for longer is taken for down; at least "
               "twice heartbeat_interval."),
          cluster_member(&cluster::cluster_config::silence_max)));
  to.push_back(
    bound(time("cluster.request_time_max", millisecond,
               "A request to another node that is not answered by then has "
               "an unknown outcome; waits for a completion are not limited."),
          cluster_member(&cluster::cluster_config::request_time_max)));
  to.push_back(bound(
    other("cluster.tls.certificate_file", kind::path,
          "PEM: the node's certificate with its chain, which it shows as "
          "server and as client; all three files or none, and without them "
          "only loopback is allowed."),
    cluster_member(&cluster::cluster_config::certificate_file)));
  to.push_back(
    bound(other("cluster.tls.key_file", kind::path,
                "PEM: the certificate's key, not readable for others."),
          cluster_member(&cluster::cluster_config::key_file)));
  to.push_back(
    bound(other("cluster.tls.ca_file", kind::path,
                "PEM: the authority whose certificates are trusted; `perdura "
                "tls init` makes one."),
          cluster_member(&cluster::cluster_config::ca_file)));
}

void add_orchestrations(std::vector<setting>& to) {
  to.push_back(bound(
    other("orchestrations.compat_seed", kind::flag,
          "Durable Functions' documentation of 2018 to the letter, where the "
          "default differs (see the table in the README)."),
    node_member(&node::compat_seed)));
  to.push_back(bound(
    other("orchestrations.external_events_discard", kind::flag,
          "Events that nobody waits for are dropped instead of kept; on with "
          "compat_seed, and an orchestrator's own policy goes first."),
    node_member(&node::external_events_discard)));
  to.push_back(
    bound(other("orchestrations.nondeterminism_fails", kind::flag,
                "Code that does not fit its history fails the instance "
                "instead of holding it until code that fits returns."),
          node_member(&node::nondeterminism_fails)));
  to.push_back(
    bound(time("orchestrations.retention", duration(0),
               "Finished instances are purged this long after their end, 0 s: "
               "never; an orchestrator's own retention goes first."),
          node_member(&node::retention)));
  to.push_back(bound(time("orchestrations.retention_interval", millisecond,
                          "How often expired instances are looked for."),
                     node_member(&node::retention_interval)));
}

void add_http(std::vector<setting>& to) {
  to.push_back(bound(other("http.address", kind::text,
                           "Where the door listens: numeric, IPv4 or IPv6."),
                     door_member(&door::address)));
  to.push_back(bound(
    number("http.port", 0, 65535, "Where it listens there; 0: a free one."),
    door_member(&door::port)));
  to.push_back(
    bound(number("http.threads", 1, 1024,
                 "Connections are spread over them and stay with theirs."),
          door_member(&door::threads)));
  to.push_back(bound(
    other("http.hosts", kind::list,
          "Names that the Host header may have, besides loopback's and the "
          "address."),
    door_member(&door::hosts)));
  to.push_back(
    bound(other("http.public_url", kind::text,
                "Where the links that are given out begin, e.g. "
                "https://ship.example; empty: at the address that the caller "
                "used."),
          door_member(&door::public_url)));
  to.push_back(bound(
    other("http.forwarded_headers", kind::flag,
          "Believe X-Forwarded-Proto and X-Forwarded-Host, for those links; "
          "only behind a proxy that sets them."),
    door_member(&door::forwarded_headers)));
  to.push_back(bound(
    other("http.keys_file", kind::path,
          "A line each: `manage KEY` or `read KEY`, # begins a comment, mode "
          "0600; the environment's PERDURA_KEYS and PERDURA_KEYS_READ "
          "(separated by commas) are added to them."),
    door_member(&door::keys_file)));
  to.push_back(bound(
    other("http.insecure", kind::flag,
          "Allow another address than loopback without keys or without TLS."),
    door_member(&door::insecure)));
  to.push_back(bound(
    time("http.token_lifetime", std::chrono::seconds(1),
         "How long the tokens in management URLs are good, which stand there "
         "in a key's place."),
    door_member(&door::token_lifetime)));
  to.push_back(bound(time("http.stop_patience", duration(0),
                          "How long a stop waits for answers that are under "
                          "way."),
                     door_member(&door::stop_patience)));
  to.push_back(
    bound(other("http.tls.certificate_file", kind::path,
                "PEM: the certificate with its chain; with key_file or not at "
                "all.",
                "tls_certificate_file"),
          door_member(&door::tls_certificate_file)));
  to.push_back(
    bound(other("http.tls.key_file", kind::path,
                "PEM: the certificate's key, not readable for others.",
                "tls_key_file"),
          door_member(&door::tls_key_file)));
}

void add_limits(std::vector<setting>& to) {
  to.push_back(
    bound(number("limits.activities_max", 1, count_max, "Activities at once."),
          node_member(&node::activities_max)));
  to.push_back(
    bound(number("limits.idle_instances_max", 0, count_max,
                 "Idle instances kept in memory, over all partitions."),
          node_member(&node::idle_instances_max)));
  to.push_back(bound(time("limits.idle_instance_time_max", duration(0),
                          "Idle instances leave memory after this."),
                     node_member(&node::idle_instance_time_max)));
  to.push_back(
    bound(size("limits.storage_bytes_max", 0,
               "New starts and events are refused beyond it; 0 B: only the "
               "free disk counts."),
          node_member(&node::storage_bytes_max)));
  to.push_back(bound(
    // Beast holds no field of 64 KiB.
    size("limits.header_bytes_max", 256, "An HTTP request's head; 431 beyond.",
         std::int64_t{60} * 1024),
    door_member(&door::header_bytes_max)));
  to.push_back(bound(number("limits.header_fields_max", 1, count_max,
                            "Fields in that head; 431 beyond."),
                     door_member(&door::header_fields_max)));
  to.push_back(bound(size("limits.uri_bytes_max", 64,
                          "The path and query of a request; 414 beyond."),
                     door_member(&door::uri_bytes_max)));
  to.push_back(
    bound(size("limits.body_bytes_max", 1, "A request's body; 413 beyond."),
          door_member(&door::body_bytes_max)));
  to.push_back(bound(time("limits.header_time_max", millisecond,
                          "A request's head must be there this long after "
                          "its first byte; else 408."),
                     door_member(&door::header_time_max)));
  to.push_back(
    bound(time("limits.idle_time_max", millisecond,
               "How long a caller may be silent: between requests (then the "
               "connection is closed), in a body (408), over an answer."),
          door_member(&door::idle_time_max)));
  to.push_back(
    bound(number("limits.connections_max", 1, count_max,
                 "Connections at once; when full, the one that has been idle "
                 "longest is closed."),
          door_member(&door::connections_max)));
  to.push_back(
    bound(number("limits.requests_max", 1, count_max,
                 "Requests under way that do not wait for a completion; 503 "
                 "beyond."),
          door_member(&door::requests_max)));
  to.push_back(bound(number("limits.waits_max", 0, count_max,
                            "Callers that wait for a completion; 503 "
                            "beyond."),
                     door_member(&door::waits_max)));
}

void add_log(std::vector<setting>& to) {
  setting level
    = other("log.level", kind::choice,
            "What is logged to stderr: debug, info, warning, error or off.");
  level.words.assign(std::begin(level_words), std::end(level_words));
  to.push_back(bound(std::move(level), log_member(&log_config::level)));
  to.push_back(
    bound(other("log.audit_file", kind::path,
                "Where audit lines are appended; empty: to stderr, with the "
                "others."),
          log_member(&log_config::audit_file)));
}

} // namespace

const std::vector<setting>& settings() {
  static const std::vector<setting> all = [] {
    std::vector<setting> made;
    add_node(made);
    add_hub(made);
    add_cluster(made);
    add_orchestrations(made);
    add_http(made);
    add_limits(made);
    add_log(made);
    return made;
  }();
  return all;
}

} // namespace perdura::client
