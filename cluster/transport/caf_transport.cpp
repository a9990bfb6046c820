// SPDX-License-Identifier: Apache-2.0
#include "cluster/transport/caf_transport.hpp"

#include "actors/interface/actor_faults.hpp"
#include "cluster/transport/middleman.hpp"
#include "cluster/transport/tls_network.hpp"
#include <perdura/persistence/records/time_arithmetic.hpp>

#include <caf/all.hpp>
#include <caf/io/all.hpp>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace perdura::cluster {

using persistence::errc;
using persistence::error;
using persistence::result;
using std::chrono::milliseconds;

namespace {

// The time between two attempts to connect to a node. It doubles after each
// failure, up to the maximum. Many client services wait for a restarting node
// for only two seconds, so the maximum is well below two seconds.
constexpr milliseconds backoff_first{50};
constexpr milliseconds backoff_max{500};

// How long a probe waits for a TCP connection. CAF connects on a single thread.
// If a host drops packets silently, that thread waits for two minutes and can
// connect to no other node in that time. Each address is therefore probed on a
// thread of its own before CAF connects to it.
constexpr milliseconds probe_timeout{1'000};

// How long an attempt of CAF to connect may take. Without this limit CAF would
// never answer if the other side does not complete the handshake.
constexpr std::chrono::seconds connect_timeout{5};

// The messages of the endpoint actor and of its probers. `index` is a position
// in `endpoint_state::outgoing`.

/// Sent by the endpoint to itself: try to connect to this node now.
struct reconnect {
  std::size_t index = 0;
};

/// The answer of a prober to the endpoint.
struct probe_result {
  std::size_t index = 0;
  bool reachable = false;
};

/// Asks a prober to probe its address.
struct probe {
  std::size_t index = 0;
};

/// Ends the endpoint actor and its probers.
struct close_endpoint {};

} // namespace

} // namespace perdura::cluster

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::reconnect)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::probe_result)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::probe)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::close_endpoint)

namespace perdura::cluster {

namespace {

/// Returns true if a TCP connection to the address succeeds within
/// `probe_timeout`. The connection is closed at once. A host name is resolved,
/// and each of its addresses is tried until one succeeds. Blocks.
bool accepts_connections(const node_address& at) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(at.host.c_str(), std::to_string(at.port).c_str(), &hints,
                    &found)
      != 0)
    return false;
  bool reachable = false;
  for (const addrinfo* one = found; one != nullptr && !reachable;
       one = one->ai_next) {
    const int fd
      = ::socket(one->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
      continue;
    if (::connect(fd, one->ai_addr, one->ai_addrlen) == 0) {
      reachable = true;
    } else if (errno == EINPROGRESS) {
      // The socket becomes writable when the attempt succeeds or fails;
      // SO_ERROR tells which.
      pollfd wanted{fd, POLLOUT, 0};
      int failed = 0;
      socklen_t size = sizeof(failed);
      reachable
        = ::poll(&wanted, 1, static_cast<int>(probe_timeout.count())) == 1
          && ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) == 0
          && failed == 0;
    }
    ::close(fd);
  }
  ::freeaddrinfo(found);
  return reachable;
}

/// An actor that probes one address. It blocks, so it is spawned detached.
caf::behavior prober(caf::event_based_actor* self, node_address address) {
  actors::guard_actor(self, "the probe of an address");
  return {
    [self, address = std::move(address)](const probe& x) {
      const auto asker = caf::actor_cast<caf::actor>(self->current_sender());
      const bool reachable = accepts_connections(address);
      self->send(asker, probe_result{x.index, reachable});
    },
  };
}

/// The endpoint actors of other processes, by path. Thread-safe: the local
/// endpoint actor writes, and any thread that sends a packet reads.
class connection_table {
public:
  void open(path_id path, caf::actor to) {
    const std::lock_guard lock(mutex_);
    connections_[path] = std::move(to);
  }

  void close(path_id path) {
    const std::lock_guard lock(mutex_);
    connections_.erase(path);
  }

  void close_all() {
    const std::lock_guard lock(mutex_);
    connections_.clear();
  }

  /// Null if the path is closed.
  caf::actor find(path_id path) const {
    const std::lock_guard lock(mutex_);
    const auto found = connections_.find(path);
    return found == connections_.end() ? caf::actor() : found->second;
  }

private:
  mutable std::mutex mutex_;
  std::unordered_map<path_id, caf::actor> connections_;
};

/// The state of the endpoint actor. Only the actor itself uses it.
struct endpoint_state {
  static inline const char* name = "endpoint";

  /// A node to which this process keeps a connection.
  struct outgoing_connection {
    listed_node node;
    caf::actor prober;                    ///< Probes the node's address.
    milliseconds backoff = backoff_first; ///< The wait before the next attempt.
    std::optional<path_id> path;          ///< Set while connected.
  };

  std::vector<outgoing_connection> outgoing; ///< Fixed after `begin`.
  std::map<caf::actor_addr, path_id> paths;  ///< By remote endpoint actor.
  path_id last_path = 0;                     ///< The newest path.
};

using endpoint_actor = caf::stateful_actor<endpoint_state>;

/// The behavior of the only actor that other processes can send to. Packets
/// come from the endpoint actors of other processes, and each of these actors
/// is one path. Runs on the endpoint actor's thread.
class endpoint {
public:
  endpoint(endpoint_actor* self, caf::io::middleman_actor network,
           std::shared_ptr<connection_table> connections,
           transport_listener listener, bool tls)
    : self_(self),
      state_(self->state),
      network_(std::move(network)),
      connections_(std::move(connections)),
      listener_(std::move(listener)),
      tls_(tls) {}

  /// Spawns one prober for each node and starts the first attempts. The probers
  /// are linked, so they end with this actor.
  void begin(const std::vector<listed_node>& nodes) {
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      endpoint_state::outgoing_connection one;
      one.node = nodes[i];
      one.prober
        = self_->spawn<caf::detached + caf::linked>(prober, nodes[i].address);
      state_.outgoing.push_back(std::move(one));
      self_->send(self_, reconnect{i});
    }
  }

  /// Passes a packet to the listener. The first packet of an unknown sender
  /// opens a path: the other side has connected to this process.
  void handle_packet(std::string packet) {
    const auto sender = caf::actor_cast<caf::actor>(self_->current_sender());
    if (!sender)
      return;
    const auto known = state_.paths.find(sender.address());
    const path_id path
      = known != state_.paths.end() ? known->second : add_path(sender);
    // Each hello is judged by the certificate of the connection that has
    // brought it. Without a connection there is no certificate any more, and an
    // empty one belongs to no node.
    if (tls_ && is_hello(packet))
      listener_.path_certified(
        path, certificate_of_process(self_->system(), sender.node())
                .value_or(peer_certificate{}));
    listener_.packet(path, std::move(packet));
  }

  /// The first step of an attempt to connect. Does nothing if the node is
  /// connected.
  void start_probe(std::size_t index) {
    if (!state_.outgoing[index].path)
      self_->send(state_.outgoing[index].prober, probe{index});
  }

  /// The second step of an attempt to connect: if the address answers, CAF
  /// connects to it.
  void handle_probe_result(const probe_result& x) {
    if (!x.reachable) {
      schedule_reconnect(x.index);
      return;
    }
    const node_address& at = state_.outgoing[x.index].node.address;
    self_
      ->request(network_, connect_timeout, caf::connect_atom::value, at.host,
                at.port)
      .then([this, index = x.index](
              const caf::node_id&, const caf::strong_actor_ptr& remote,
              const std::set<std::string>&) { connected(index, remote); },
            [this, index = x.index](const caf::error&) {
              schedule_reconnect(index);
            });
  }

  /// Closes the path of a remote endpoint. CAF reports the endpoint as down
  /// when its connection is lost.
  void handle_down(const caf::down_msg& down) {
    const auto known = state_.paths.find(down.source);
    if (known == state_.paths.end())
      return;
    const path_id path = known->second;
    state_.paths.erase(known);
    connections_->close(path);
    listener_.path_closed(path);
    for (std::size_t i = 0; i < state_.outgoing.size(); ++i)
      if (state_.outgoing[i].path == path) {
        state_.outgoing[i].path.reset();
        schedule_reconnect(i);
      }
  }

private:
  /// Opens a path to a remote endpoint and watches for its end.
  path_id add_path(const caf::actor& to) {
    const path_id path = ++state_.last_path;
    connections_->open(path, to);
    state_.paths[to.address()] = path;
    self_->monitor(to);
    return path;
  }

  /// The last step of an attempt to connect: CAF has connected and passes the
  /// handle of the remote endpoint.
  void connected(std::size_t index, const caf::strong_actor_ptr& remote) {
    const auto to = caf::actor_cast<caf::actor>(remote);
    // If the handle already has a path, CAF has returned an earlier connection,
    // which may be broken. Try again later, when CAF has reported that
    // connection as down.
    if (!to || state_.paths.contains(to.address())) {
      schedule_reconnect(index);
      return;
    }
    endpoint_state::outgoing_connection& one = state_.outgoing[index];
    one.backoff = backoff_first;
    one.path = add_path(to);
    listener_.path_opened(*one.path, one.node.name);
  }

  /// Schedules the next attempt after the current back-off, and doubles the
  /// back-off.
  void schedule_reconnect(std::size_t index) {
    milliseconds& backoff = state_.outgoing[index].backoff;
    self_->delayed_send(self_, backoff, reconnect{index});
    backoff = std::min(backoff * 2, backoff_max);
  }

  endpoint_actor* self_;
  endpoint_state& state_;
  caf::io::middleman_actor network_;
  std::shared_ptr<connection_table> connections_;
  transport_listener listener_;
  bool tls_;
};

caf::behavior endpoint_behavior(endpoint_actor* self,
                                caf::io::middleman_actor network,
                                std::shared_ptr<connection_table> connections,
                                const std::vector<listed_node>& nodes,
                                transport_listener listener, bool tls) {
  actors::guard_actor(self, "the endpoint of the network");
  const auto it = std::make_shared<endpoint>(
    self, std::move(network), std::move(connections), std::move(listener), tls);
  self->set_down_handler(
    [it](const caf::down_msg& down) { it->handle_down(down); });
  // Without TLS the peer is not authenticated, so messages of types that are
  // not handled below are dropped.
  self->set_default_handler(caf::drop);
  it->begin(nodes);
  return {
    [it](std::string& packet) { it->handle_packet(std::move(packet)); },
    [it](const reconnect& x) { it->start_probe(x.index); },
    [it](const probe_result& x) { it->handle_probe_result(x); },
    // The reason must not be `normal`: with that reason CAF would leave the
    // linked probers running.
    [self](close_endpoint) { self->quit(caf::exit_reason::user_shutdown); },
  };
}

/// The transport that the caller gets. `send` may be called on any thread.
/// `close` and the destructor must not run on two threads at once.
class caf_transport final : public transport {
public:
  caf_transport(caf::actor_system& system, caf::actor at,
                std::shared_ptr<connection_table> connections,
                caf::io::middleman_actor network, bool owns_network,
                std::uint16_t port)
    : system_(system),
      endpoint_(std::move(at)),
      connections_(std::move(connections)),
      network_(std::move(network)),
      owns_network_(owns_network),
      port_(port) {}

  ~caf_transport() override {
    close();
  }

  void send(path_id to, std::string packet) override {
    // The packet does not pass through the mailbox of the local endpoint actor.
    // That actor is still its sender, because the receiver identifies the path
    // by the sender.
    if (const caf::actor remote = connections_->find(to))
      caf::send_as(endpoint_, remote, std::move(packet));
  }

  void close() override {
    if (closed_)
      return;
    closed_ = true;
    // The port is closed first, so that no new connection is accepted.
    caf::scoped_actor self(system_);
    if (port_ != 0)
      self->request(network_, caf::infinite, caf::close_atom::value, port_)
        .receive([] {}, [](const caf::error&) {});
    // Wait until the endpoint actor has ended. It does not call the listener
    // after that.
    self->monitor(endpoint_);
    self->send(endpoint_, close_endpoint{});
    self->receive([](const caf::down_msg&) {});
    connections_->close_all();
    if (owns_network_)
      caf::anon_send_exit(network_, caf::exit_reason::kill);
    network_ = nullptr;
  }

private:
  caf::actor_system& system_;
  caf::actor endpoint_;
  std::shared_ptr<connection_table> connections_;
  caf::io::middleman_actor network_;
  bool owns_network_;
  std::uint16_t port_;
  bool closed_ = false;
};

/// Checks that a certificate or key file can be read. CAF would report a
/// missing file only at the first connection.
result<void> check_readable(const std::filesystem::path& file) {
  if (::access(file.c_str(), R_OK) == 0)
    return {};
  return error{errc::invalid_argument,
               "Cannot read " + file.string() + " (cluster.tls)."};
}

} // namespace

result<void> prepare_network(caf::actor_system_config& system,
                             const cluster_config& cluster) {
  // CAF's heartbeats are off by default. Without heartbeats CAF never notices
  // that the process of a peer is frozen.
  system.set(
    "middleman.heartbeat-interval",
    caf::timespan(persistence::bounded_wait(cluster.heartbeat_interval)));
  system.set("middleman.connection-timeout",
             caf::timespan(persistence::bounded_wait(cluster.silence_max)));
  // With 0 workers CAF decodes messages on the thread that reads its sockets. A
  // packet is only bytes, so it costs more to pass it to another thread than to
  // decode it.
  system.set("middleman.workers", std::size_t{0});
  load_middleman(system);
  if (!cluster.has_tls())
    return {};
  for (const auto& file :
       {cluster.certificate_file, cluster.key_file, cluster.ca_file})
    if (auto ok = check_readable(file); !ok)
      return ok;
  if (auto own = check_own_certificate(cluster); !own)
    return own;
  system.openssl_certificate = cluster.certificate_file.string();
  system.openssl_key = cluster.key_file.string();
  system.openssl_cafile = cluster.ca_file.string();
  return {};
}

result<std::unique_ptr<transport>>
open_caf_transport(caf::actor_system& system, caf_transport_config config,
                   transport_listener listener) {
  const caf::io::middleman_actor network
    = config.tls ? spawn_tls_network(system)
                 : system.middleman().actor_handle();
  const auto connections = std::make_shared<connection_table>();
  const caf::actor at
    = system.spawn(endpoint_behavior, network, connections, config.connect_to,
                   std::move(listener), config.tls);
  std::uint16_t port = 0;
  if (config.listen) {
    caf::scoped_actor self(system);
    std::string trouble;
    // `true` reuses the address: a node that restarts can bind its port while
    // connections of the previous process are still in TIME_WAIT.
    self
      ->request(network, caf::infinite, caf::publish_atom::value,
                config.listen->port, caf::actor_cast<caf::strong_actor_ptr>(at),
                std::set<std::string>{}, config.listen->host, true)
      .receive([&](std::uint16_t got) { port = got; },
               [&](const caf::error& why) { trouble = system.render(why); });
    if (port == 0) {
      caf::anon_send(at, close_endpoint{});
      if (config.tls)
        caf::anon_send_exit(network, caf::exit_reason::kill);
      return error{errc::unavailable, "Cannot listen on the cluster port "
                                        + std::to_string(config.listen->port)
                                        + " on " + config.listen->host + " ("
                                        + trouble
                                        + "). Is another process using it?"};
    }
  }
  return std::unique_ptr<transport>(std::make_unique<caf_transport>(
    system, at, connections, network, config.tls, port));
}

} // namespace perdura::cluster
