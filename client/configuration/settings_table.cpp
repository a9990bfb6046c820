// SPDX-License-Identifier: Apache-2.0
#include "client/configuration/settings.hpp"
#include "persistence/records/text.hpp"

#include <algorithm>
#include <limits>
#include <type_traits>

namespace perdura::client {

namespace {

using persistence::duration;
using persistence::log_level;
using kind = setting_kind;

// The largest count, which fits in every member that holds a count.
constexpr std::int64_t count_max = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t size_max = std::numeric_limits<std::int64_t>::max();
// A hundred years: any sum of such a time and a timestamp stays in range.
constexpr duration time_max = std::chrono::hours(24 * 365 * 100);
// The least value of an interval; with 0, a loop would run without a pause.
constexpr duration millisecond = std::chrono::milliseconds(1);

/// Types that a `setting_value` holds without conversion. A member of any other
/// type is converted by `to_value` and `from_value`.
template <class T>
constexpr bool is_value_type
  = std::disjunction_v<std::is_same<T, bool>, std::is_same<T, std::string>,
                       std::is_same<T, std::vector<std::string>>>;

/// The name of the log level that a spelling means, in any letter case; empty
/// if it means none. A level that this program does not have is the nearest one
/// that logs no less.
std::string_view log_level_name(std::string_view spelling) {
  static constexpr std::pair<std::string_view, log_level> spellings[]
    = {{"trace", log_level::debug},    {"debug", log_level::debug},
       {"info", log_level::info},      {"information", log_level::info},
       {"warn", log_level::warning},   {"warning", log_level::warning},
       {"err", log_level::error},      {"error", log_level::error},
       {"critical", log_level::error}, {"fatal", log_level::error},
       {"off", log_level::off},        {"none", log_level::off}};
  for (const auto& [name, level] : spellings)
    if (persistence::equal_ignoring_case(name, spelling))
      return to_string(level);
  return {};
}

/// The value of a member, in the type that `setting_value` has for it. Times
/// are in microseconds.
template <class T>
setting_value to_value(const T& member) {
  if constexpr (is_value_type<T>)
    return member;
  else if constexpr (std::is_same_v<T, std::filesystem::path>)
    return member.string();
  else if constexpr (std::is_same_v<T, duration>)
    return static_cast<std::int64_t>(member.count());
  else if constexpr (std::is_same_v<T, log_level>)
    return std::string(to_string(member));
  else
    return static_cast<std::int64_t>(member);
}

/// Sets a member. The value must have been made by `to_value` or checked by
/// `setting::problem_with`.
template <class T>
void from_value(T& member, const setting_value& value) {
  if constexpr (is_value_type<T>)
    member = std::get<T>(value);
  else if constexpr (std::is_same_v<T, std::filesystem::path>)
    member = std::get<std::string>(value);
  else if constexpr (std::is_same_v<T, duration>)
    member = duration(std::get<std::int64_t>(value));
  else if constexpr (std::is_same_v<T, log_level>)
    // The number of a level is the index of its name in `log_level_names`.
    member = static_cast<log_level>(
      std::find(std::begin(persistence::log_level_names),
                std::end(persistence::log_level_names),
                log_level_name(std::get<std::string>(value)))
      - std::begin(persistence::log_level_names));
  else
    member = static_cast<T>(std::get<std::int64_t>(value));
}

/// Adds `get` and `set` to a setting. `member_of` returns a reference to the
/// member of a configuration that holds the value.
template <class F>
setting bind_member(setting described, F member_of) {
  // One function for both directions, so that `get` and `set` cannot refer to
  // different members.
  described.get = [member_of](const configuration& from) {
    return to_value(member_of(from));
  };
  described.set = [member_of](configuration& to, const setting_value& value) {
    from_value(member_of(to), value);
  };
  return described;
}

// The functions below find a member in a const or mutable configuration.

// These functions return generic lambdas, because the same function must return
// a const reference for `get` and a mutable one for `set`.
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
auto http_member(T http_api_config::*member) {
  return [member](auto& c) -> auto& {
    return c.host.http.*member;
  };
}

template <class T>
auto log_member(T log_config::*member) {
  return [member](auto& c) -> auto& {
    return c.log.*member;
  };
}

using node = cluster::node_config;

// The functions below make settings of one kind. A time is at most 100 years; a
// size is at most 2^63 - 1 bytes unless `max` is given.

/// A count from `min` to `max`, both included.
setting number(std::string_view path, std::int64_t min, std::int64_t max,
               std::string_view help, std::string_view alias = {}) {
  return {path, kind::count, help, alias, min, max};
}

/// A time of at least `min`.
setting time(std::string_view path, duration min, std::string_view help,
             std::string_view alias = {}) {
  return {path, kind::time, help, alias, min.count(), time_max.count()};
}

/// A size in bytes from `min` to `max`, both included.
setting size(std::string_view path, std::int64_t min, std::string_view help,
             std::int64_t max = size_max) {
  return {path, kind::bytes, help, {}, min, max};
}

/// A setting without a range: a text, a path, a flag, a choice or a list.
setting plain(std::string_view path, kind what, std::string_view help,
              std::string_view alias = {}) {
  return {path, what, help, alias};
}

/// Section [node]: the data directory and the process.
void add_node(std::vector<setting>& to) {
  to.push_back(bind_member(
    plain("node.data_dir", kind::path,
          "Directory of one hub, with its journal and its views. Created with "
          "mode 0700; only one process may use it at a time."),
    node_member(&node::data_dir)));
  to.push_back(bind_member(
    number("node.scheduler_threads", 0, 4096,
           "Orchestrators that run at the same time, each on a thread. 0 "
           "means two more than there are CPU cores. An orchestrator that "
           "never awaits occupies a thread; while all are occupied, no "
           "orchestrator makes progress. Requests are answered by further "
           "threads."),
    node_member(&node::scheduler_threads)));
  to.push_back(
    bind_member(time("node.turn_wait_max", duration(0),
                     "How long a message to an instance waits for the turn "
                     "that it causes, so that both are committed together. "
                     "After this time the message is committed alone."),
                node_member(&node::turn_wait_max)));
  to.push_back(bind_member(
    time("node.stop_patience", duration(0),
         "How long a stop of the node waits for running activities before it "
         "requests their cancellation."),
    node_member(&node::stop_patience)));
}

/// Section [hub]: the values with which a hub is created.
void add_hub(std::vector<setting>& to) {
  to.push_back(
    bind_member(plain("hub.create", kind::flag,
                      "Create a hub if the data directory is missing or empty. "
                      "If false, such a directory is refused.",
                      "create_hub"),
                node_member(&node::create_hub)));
  to.push_back(bind_member(
    plain("hub.id", kind::text,
          "ID of the hub, 32 hex digits. A new hub gets this ID. All "
          "nodes of a cluster must have the same value here. For a "
          "single node the value may be empty: a new hub then gets a "
          "random ID. An existing hub is opened only if it has this ID, "
          "or if the value is empty.",
          "hub_id"),
    node_member(&node::hub_id)));
  to.push_back(bind_member(
    plain("hub.task_hub", kind::text,
          "Name of the hub, shown as taskHub in URLs. Used only when "
          "the hub is created; it cannot be changed later."),
    node_member(&node::task_hub)));
  to.push_back(bind_member(
    number("hub.partitions", 1, 4096,
           "Number of partitions over which the instances are "
           "distributed. Used only when the hub is created; it cannot be "
           "changed later.",
           "partition_count"),
    node_member(&node::partition_count)));
}

/// Sections [cluster] and [cluster.tls]. `find_inconsistencies` checks the node
/// names and addresses, which are plain texts here.
void add_cluster(std::vector<setting>& to) {
  to.push_back(bind_member(
    plain("cluster.node", kind::text,
          "Name of this node, one of the names in cluster.nodes, e.g. node-1. "
          "Empty for a node without a cluster. Fixed when the hub is created."),
    cluster_member(&cluster::cluster_config::node)));
  to.push_back(bind_member(
    plain("cluster.nodes", kind::list,
          "All nodes of the hub, including this one, each as NAME=HOST:PORT, "
          "e.g. node-1=127.0.0.1:7171. The names are fixed when the hub is "
          "created; the addresses may change."),
    cluster_member(&cluster::cluster_config::nodes)));
  to.push_back(
    bind_member(plain("cluster.listen", kind::text,
                      "Where this node listens for the other nodes, as "
                      "ADDRESS:PORT with a numeric address. Empty means the "
                      "address of its entry in cluster.nodes."),
                cluster_member(&cluster::cluster_config::listen)));
  to.push_back(bind_member(
    time("cluster.heartbeat_interval", millisecond,
         "How often this node sends a heartbeat to each other node."),
    cluster_member(&cluster::cluster_config::heartbeat_interval)));
  to.push_back(bind_member(
    time("cluster.silence_max", millisecond,
         "A node from which nothing has been received for this long counts as "
         "unreachable. At least twice heartbeat_interval."),
    cluster_member(&cluster::cluster_config::silence_max)));
  to.push_back(
    bind_member(time("cluster.request_time_max", millisecond,
                     "A request to another node fails if it has not been "
                     "answered after this time; the outcome of a change is "
                     "then unknown. Waits for a completion are not limited."),
                cluster_member(&cluster::cluster_config::request_time_max)));
  to.push_back(bind_member(
    plain("cluster.tls.certificate_file", kind::path,
          "PEM file with the node's certificate and its chain. The node "
          "uses the certificate both as a server and as a client of "
          "other nodes. Set all three TLS files or none; without them, "
          "a node may listen only on a loopback address."),
    cluster_member(&cluster::cluster_config::certificate_file)));
  to.push_back(
    bind_member(plain("cluster.tls.key_file", kind::path,
                      "PEM file with the private key of the certificate. Other "
                      "users must not be able to read it."),
                cluster_member(&cluster::cluster_config::key_file)));
  to.push_back(bind_member(
    plain("cluster.tls.ca_file", kind::path,
          "PEM file with the certificate authority that signs the certificates "
          "of the nodes. `perdura tls init` creates one."),
    cluster_member(&cluster::cluster_config::ca_file)));
}

/// Section [orchestrations]: defaults that apply to all orchestrators.
void add_orchestrations(std::vector<setting>& to) {
  to.push_back(bind_member(
    plain(
      "orchestrations.compat_seed", kind::flag,
      "Follow the Durable Functions documentation of 2018 where the default "
      "behaviour differs from it. README.md lists these differences."),
    node_member(&node::compat_seed)));
  to.push_back(bind_member(
    plain("orchestrations.external_events_discard", kind::flag,
          "Drop external events for which no orchestrator is waiting, instead "
          "of storing them. Implied by compat_seed. An orchestrator's own "
          "policy takes precedence."),
    node_member(&node::external_events_discard)));
  to.push_back(
    bind_member(plain("orchestrations.nondeterminism_fails", kind::flag,
                      "If an orchestrator's code does not match the history of "
                      "an instance, fail the instance. If false, the instance "
                      "is held until matching code is registered."),
                node_member(&node::nondeterminism_fails)));
  to.push_back(
    bind_member(plain("orchestrations.missing_activities_fail", kind::flag,
                      "If the program does not have an activity, fail its "
                      "calls. If false, they wait until a program that has the "
                      "activity is started, and the instances are listed as "
                      "held."),
                node_member(&node::missing_activities_fail)));
  to.push_back(bind_member(
    time(
      "orchestrations.retention", duration(0),
      "How long finished instances are kept before they are purged; 0 s keeps "
      "them forever. An orchestrator's own retention takes precedence."),
    node_member(&node::retention)));
  to.push_back(bind_member(
    time("orchestrations.retention_interval", millisecond,
         "How often the node looks for finished instances to purge."),
    node_member(&node::retention_interval)));
  to.push_back(bind_member(
    time(
      "orchestrations.retention_step_delay", duration(0),
      "If the wall clock is set by more than 5 s, or the machine has started "
      "again, purging follows the new time only after it has lasted this "
      "long."),
    node_member(&node::retention_step_delay)));
}

/// Sections [http] and [http.tls]. Access keys are not settings: only the name
/// of their file is, so that no key is printed.
void add_http(std::vector<setting>& to) {
  to.push_back(bind_member(
    plain("http.address", kind::text,
          "Address on which the HTTP API listens: numeric, IPv4 or IPv6."),
    http_member(&http_api_config::address)));
  to.push_back(bind_member(number("http.port", 0, 65535,
                                  "Port on which the HTTP API listens. 0 lets "
                                  "the system choose a free port."),
                           http_member(&http_api_config::port)));
  to.push_back(bind_member(number("http.threads", 1, 1024,
                                  "Threads that serve HTTP connections. Each "
                                  "connection stays on one thread."),
                           http_member(&http_api_config::threads)));
  to.push_back(bind_member(
    plain("http.hosts", kind::list,
          "Host names that are accepted in the Host header, besides loopback "
          "addresses, http.address and the host of http.public_url."),
    http_member(&http_api_config::hosts)));
  to.push_back(bind_member(
    plain(
      "http.public_url", kind::text,
      "Scheme and host of the URLs in responses, e.g. https://ship.example. "
      "Empty means the address to which the caller sent its request."),
    http_member(&http_api_config::public_url)));
  to.push_back(
    bind_member(plain("http.forwarded_headers", kind::flag,
                      "Take the scheme and host of the URLs in responses from "
                      "X-Forwarded-Proto and X-Forwarded-Host. Set it only "
                      "behind a proxy that always sets both headers."),
                http_member(&http_api_config::forwarded_headers)));
  to.push_back(bind_member(
    plain(
      "http.keys_file", kind::path,
      "File of access keys, mode 0600. Each line is `manage KEY` or `read "
      "KEY`; # begins a comment. The environment variables PERDURA_KEYS and "
      "PERDURA_KEYS_READ (keys separated by commas) add to these keys."),
    http_member(&http_api_config::keys_file)));
  to.push_back(bind_member(
    plain("http.insecure", kind::flag,
          "Allow an address that is not loopback even if keys or TLS "
          "are missing."),
    http_member(&http_api_config::insecure)));
  to.push_back(bind_member(
    time("http.token_lifetime", std::chrono::seconds(1),
         "How long the tokens in management URLs are valid. If keys are "
         "required, a management URL holds a token in place of a key."),
    http_member(&http_api_config::token_lifetime)));
  to.push_back(bind_member(time("http.stop_patience", duration(0),
                                "How long a stop of the node waits for the "
                                "responses of HTTP requests in progress."),
                           http_member(&http_api_config::stop_patience)));
  to.push_back(
    bind_member(plain("http.tls.certificate_file", kind::path,
                      "PEM file with the server's certificate and its chain. "
                      "Set it together with http.tls.key_file.",
                      "tls_certificate_file"),
                http_member(&http_api_config::tls_certificate_file)));
  to.push_back(
    bind_member(plain("http.tls.key_file", kind::path,
                      "PEM file with the private key of the certificate. Other "
                      "users must not be able to read it.",
                      "tls_key_file"),
                http_member(&http_api_config::tls_key_file)));
}

/// Section [limits]: the bounds of the node and of its HTTP server.
void add_limits(std::vector<setting>& to) {
  to.push_back(bind_member(
    number(
      "limits.activities_max", 1, count_max,
      "Activities that run at the same time on this node. Further ones wait."),
    node_member(&node::activities_max)));
  to.push_back(bind_member(
    number("limits.idle_instances_max", 0, count_max,
           "Idle instances that are kept in memory, over all partitions."),
    node_member(&node::idle_instances_max)));
  to.push_back(bind_member(
    size("limits.idle_instance_bytes_max", 0,
         "Size of the unread events, results, open tasks and custom statuses "
         "of the instances in memory, over all partitions. Above it, large "
         "idle instances leave memory. Idle instances take at most twice this "
         "size."),
    node_member(&node::idle_instance_bytes_max)));
  to.push_back(bind_member(time("limits.idle_instance_time_max", duration(0),
                                "How long an idle instance is kept in memory."),
                           node_member(&node::idle_instance_time_max)));
  to.push_back(bind_member(
    number("limits.request_keys_max", 0, count_max,
           "Answers that each partition records for requests with an "
           "Idempotency-Key (request_id), for 10 to 15 minutes. At the limit, "
           "requests with a new key get 503; requests without one do not."),
    node_member(&node::request_keys_max)));
  to.push_back(bind_member(
    size("limits.request_key_bytes_max", 0,
         "Size on disk of the answers that request_keys_max counts, in each "
         "partition. At the limit, requests with a new key get 503."),
    node_member(&node::request_key_bytes_max)));
  to.push_back(bind_member(
    number("limits.outbox_messages_max", 1, count_max,
           "Messages from one partition to another that are stored before "
           "turns that would add more wait, e.g. while a node is away."),
    node_member(&node::outbox_messages_max)));
  to.push_back(bind_member(
    size("limits.storage_bytes_max", 0,
         "Size of the stored data above which new instances and events are "
         "refused. 0 B means that only the free disk space limits them."),
    node_member(&node::storage_bytes_max)));
  to.push_back(bind_member(
    size("limits.disk_reserve", 0,
         "Space on the disk that is kept for results and purges: when less is "
         "left, new instances and events are refused. At most a sixteenth of "
         "the disk, which counts as at least 8 MiB. 0 B means that the free "
         "disk space is not checked."),
    node_member(&node::disk_reserve)));
  to.push_back(bind_member(
    time("limits.disk_stall_time", millisecond,
         "A write to the disk that takes longer is logged, and the node is not "
         "ready until it has ended."),
    node_member(&node::disk_stall_time)));
  to.push_back(bind_member(
    number("limits.scrub_percent", 0, 100,
           "Share of one core, in percent, for the slow check of all stored "
           "rows. 0 means no check."),
    node_member(&node::scrub_percent)));
  to.push_back(bind_member(
    // The maximum is 60 KiB, because Beast throws an exception for fields of
    // 64 KiB and more.
    size("limits.header_bytes_max", 256,
         "Size of the header of an HTTP request, including the request line. A "
         "larger header gets 431.",
         std::int64_t{60} * 1024),
    http_member(&http_api_config::header_bytes_max)));
  to.push_back(bind_member(number("limits.header_fields_max", 1, count_max,
                                  "Header fields of an HTTP request. A "
                                  "request with more fields gets 431."),
                           http_member(&http_api_config::header_fields_max)));
  to.push_back(bind_member(
    size("limits.uri_bytes_max", 64,
         "Size of path and query of an HTTP request. A longer URI gets 414."),
    http_member(&http_api_config::uri_bytes_max)));
  to.push_back(bind_member(
    size("limits.body_bytes_max", 1,
         "Size of the body of an HTTP request. A larger body gets 413."),
    http_member(&http_api_config::body_bytes_max)));
  to.push_back(
    bind_member(time("limits.header_time_max", millisecond,
                     "Time from the first byte of an HTTP request to the end "
                     "of its header. A slower request gets 408."),
                http_member(&http_api_config::header_time_max)));
  to.push_back(bind_member(
    time("limits.idle_time_max", millisecond,
         "An HTTP connection that is idle between two requests for "
         "longer than this is closed. A request whose body takes "
         "longer gets 408. A connection whose caller takes longer to "
         "read a response is closed; this limit is one second longer "
         "for each 256 KiB of the response."),
    http_member(&http_api_config::idle_time_max)));
  to.push_back(
    bind_member(number("limits.connections_max", 1, count_max,
                       "Open HTTP connections. At the limit, the connection "
                       "that has been idle for the longest time is closed; if "
                       "none is idle, the new connection gets 503."),
                http_member(&http_api_config::connections_max)));
  to.push_back(
    bind_member(number("limits.requests_max", 1, count_max,
                       "HTTP requests in progress that do not wait for a "
                       "completion. Further requests get 503."),
                http_member(&http_api_config::requests_max)));
  to.push_back(bind_member(
    number("limits.waits_max", 0, count_max,
           "HTTP requests that wait for a completion. Further ones get 503."),
    http_member(&http_api_config::waits_max)));
  to.push_back(bind_member(
    size(
      "limits.buffered_bytes_max", std::int64_t{64} * 1024,
      "Memory for HTTP bodies that are received or handled and for answers "
      "that callers have not read, over all connections. A request "
      "that does not fit gets 503; answers of up to 16 KiB are always sent."),
    http_member(&http_api_config::buffered_bytes_max)));
  to.push_back(bind_member(
    number("limits.headers_pending_max", 1, count_max,
           "HTTP connections that have not sent a complete header. At the "
           "limit, the one that has waited for the longest time is closed."),
    http_member(&http_api_config::headers_pending_max)));
  to.push_back(bind_member(
    number("limits.bodies_pending_max", 1, count_max,
           "HTTP requests whose body is being received. Further ones get 503."),
    http_member(&http_api_config::bodies_pending_max)));
  to.push_back(bind_member(
    number("limits.answers_pending_max", 1, count_max,
           "HTTP connections whose callers have not read an answer for a "
           "second. Above the limit, those that have waited for the longest "
           "time are closed."),
    http_member(&http_api_config::answers_pending_max)));
}

/// Section [log].
void add_log(std::vector<setting>& to) {
  // The choices are the names that the logger itself uses.
  setting level = plain("log.level", kind::choice,
                        "Lowest level that is logged to stderr: debug, info, "
                        "warning, error or off.");
  level.choices.assign(std::begin(persistence::log_level_names),
                       std::end(persistence::log_level_names));
  level.choice_of = log_level_name;
  to.push_back(bind_member(std::move(level), log_member(&log_config::level)));
  to.push_back(
    bind_member(plain("log.audit_file", kind::path,
                      "File to which audit lines are appended. Empty means "
                      "stderr, together with the other lines."),
                log_member(&log_config::audit_file)));
}

} // namespace

const std::vector<setting>& settings() {
  // Made at the first call and never changed, so references to settings stay
  // valid. The order is that of configs/single-node.toml.
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
