#include "cluster/transport/caf_transport.hpp"

#include "cluster/transport/middleman.hpp"
#include "cluster/transport/tls_network.hpp"

#include <caf/all.hpp>
#include <caf/io/all.hpp>
#include <caf/openssl/all.hpp>
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

// Between two attempts to reach a node. Many services wait for one that comes
// back, so the longest is short beside the two seconds they may wait.
constexpr milliseconds backoff_first{50};
constexpr milliseconds backoff_max{500};

// A host that swallows packets would hold CAF's connecting thread for two
// minutes; so it is knocked at before.
constexpr milliseconds knock_patience{1'000};

// CAF answers each attempt, unless it waits for a handshake that never comes.
constexpr std::chrono::seconds connect_patience{5};

struct dial_again {
  std::size_t which = 0;
};

struct knocked {
  std::size_t which = 0;
  bool there = false;
};

struct knock {
  std::size_t which = 0;
};

struct hang_up {};

} // namespace

} // namespace perdura::cluster

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::dial_again)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::knocked)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::knock)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::hang_up)

namespace perdura::cluster {

namespace {

/// Whether somebody accepts connections there. Blocks.
bool accepts_connections(const node_address& at) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(at.host.c_str(), std::to_string(at.port).c_str(), &hints,
                    &found)
      != 0)
    return false;
  bool there = false;
  for (const addrinfo* one = found; one != nullptr && !there;
       one = one->ai_next) {
    const int fd
      = ::socket(one->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
      continue;
    if (::connect(fd, one->ai_addr, one->ai_addrlen) == 0) {
      there = true;
    } else if (errno == EINPROGRESS) {
      pollfd wanted{fd, POLLOUT, 0};
      int failed = 0;
      socklen_t size = sizeof(failed);
      there = ::poll(&wanted, 1, static_cast<int>(knock_patience.count())) == 1
              && ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) == 0
              && failed == 0;
    }
    ::close(fd);
  }
  ::freeaddrinfo(found);
  return there;
}

/// Knocks at one door, on a thread of its own.
caf::behavior knocker(caf::event_based_actor* self, node_address door) {
  return {
    [self, door = std::move(door)](const knock& at) {
      const auto who = caf::actor_cast<caf::actor>(self->current_sender());
      const bool there = accepts_connections(door);
      self->send(who, knocked{at.which, there});
    },
  };
}

/// The others' endpoints, by their paths.
class open_ways {
public:
  void open(path_id path, caf::actor to) {
    const std::lock_guard lock(mutex_);
    ways_[path] = std::move(to);
  }

  void close(path_id path) {
    const std::lock_guard lock(mutex_);
    ways_.erase(path);
  }

  void close_all() {
    const std::lock_guard lock(mutex_);
    ways_.clear();
  }

  /// Null if it is closed.
  caf::actor find(path_id path) const {
    const std::lock_guard lock(mutex_);
    const auto found = ways_.find(path);
    return found == ways_.end() ? caf::actor() : found->second;
  }

private:
  mutable std::mutex mutex_;
  std::unordered_map<path_id, caf::actor> ways_;
};

struct endpoint_state {
  static inline const char* name = "endpoint";

  struct dialled {
    listed_node node;
    caf::actor knocker;
    milliseconds backoff = backoff_first;
    std::optional<path_id> path;
  };

  std::vector<dialled> dial;
  std::map<caf::actor_addr, path_id> paths;
  path_id last_path = 0;
};

using endpoint_actor = caf::stateful_actor<endpoint_state>;

/// The one actor that others see. Its senders are the others' endpoints.
class endpoint {
public:
  endpoint(endpoint_actor* self, caf::io::middleman_actor network,
           std::shared_ptr<open_ways> ways, transport_listener listener)
    : self_(self),
      state_(self->state),
      network_(std::move(network)),
      ways_(std::move(ways)),
      listener_(std::move(listener)) {}

  void begin(const std::vector<listed_node>& dial) {
    for (std::size_t i = 0; i < dial.size(); ++i) {
      endpoint_state::dialled one;
      one.node = dial[i];
      one.knocker
        = self_->spawn<caf::detached + caf::linked>(knocker, dial[i].address);
      state_.dial.push_back(std::move(one));
      self_->send(self_, dial_again{i});
    }
  }

  void on_packet(std::string packet) {
    const auto sender = caf::actor_cast<caf::actor>(self_->current_sender());
    if (!sender)
      return;
    const auto known = state_.paths.find(sender.address());
    listener_.packet(known != state_.paths.end() ? known->second
                                                 : open_way(sender),
                     std::move(packet));
  }

  void on_dial(std::size_t which) {
    if (!state_.dial[which].path)
      self_->send(state_.dial[which].knocker, knock{which});
  }

  void on_knocked(const knocked& x) {
    if (!x.there) {
      dial_later(x.which);
      return;
    }
    const node_address& at = state_.dial[x.which].node.address;
    self_
      ->request(network_, connect_patience, caf::connect_atom::value, at.host,
                at.port)
      .then([this, which = x.which](
              const caf::node_id&, const caf::strong_actor_ptr& there,
              const std::set<std::string>&) { connected(which, there); },
            [this, which = x.which](const caf::error&) { dial_later(which); });
  }

  void on_down(const caf::down_msg& down) {
    const auto known = state_.paths.find(down.source);
    if (known == state_.paths.end())
      return;
    const path_id path = known->second;
    state_.paths.erase(known);
    ways_->close(path);
    listener_.path_closed(path);
    for (std::size_t i = 0; i < state_.dial.size(); ++i)
      if (state_.dial[i].path == path) {
        state_.dial[i].path.reset();
        dial_later(i);
      }
  }

private:
  path_id open_way(const caf::actor& to) {
    const path_id path = ++state_.last_path;
    ways_->open(path, to);
    state_.paths[to.address()] = path;
    self_->monitor(to);
    return path;
  }

  void connected(std::size_t which, const caf::strong_actor_ptr& there) {
    const auto to = caf::actor_cast<caf::actor>(there);
    // A handle that is known is an old one, which may be dead already.
    if (!to || state_.paths.contains(to.address())) {
      dial_later(which);
      return;
    }
    endpoint_state::dialled& one = state_.dial[which];
    one.backoff = backoff_first;
    one.path = open_way(to);
    listener_.path_opened(*one.path, one.node.name);
  }

  void dial_later(std::size_t which) {
    milliseconds& backoff = state_.dial[which].backoff;
    self_->delayed_send(self_, backoff, dial_again{which});
    backoff = std::min(backoff * 2, backoff_max);
  }

  endpoint_actor* self_;
  endpoint_state& state_;
  caf::io::middleman_actor network_;
  std::shared_ptr<open_ways> ways_;
  transport_listener listener_;
};

caf::behavior endpoint_behavior(endpoint_actor* self,
                                caf::io::middleman_actor network,
                                std::shared_ptr<open_ways> ways,
                                const std::vector<listed_node>& dial,
                                transport_listener listener) {
  const auto it = std::make_shared<endpoint>(
    self, std::move(network), std::move(ways), std::move(listener));
  self->set_down_handler(
    [it](const caf::down_msg& down) { it->on_down(down); });
  // A stranger may send anything.
  self->set_default_handler(caf::drop);
  it->begin(dial);
  return {
    [it](std::string& packet) { it->on_packet(std::move(packet)); },
    [it](const dial_again& x) { it->on_dial(x.which); },
    [it](const knocked& x) { it->on_knocked(x); },
    // Not "normal", which would leave the knockers alive.
    [self](hang_up) { self->quit(caf::exit_reason::user_shutdown); },
  };
}

class caf_transport final : public transport {
public:
  caf_transport(caf::actor_system& system, caf::actor at,
                std::shared_ptr<open_ways> ways,
                caf::io::middleman_actor network, bool owns_network,
                std::uint16_t port)
    : system_(system),
      endpoint_(std::move(at)),
      ways_(std::move(ways)),
      network_(std::move(network)),
      owns_network_(owns_network),
      port_(port) {}

  ~caf_transport() override {
    close();
  }

  void send(path_id to, std::string packet) override {
    if (const caf::actor way = ways_->find(to))
      caf::send_as(endpoint_, way, std::move(packet));
  }

  void close() override {
    if (closed_)
      return;
    closed_ = true;
    caf::scoped_actor self(system_);
    if (port_ != 0)
      self->request(network_, caf::infinite, caf::close_atom::value, port_)
        .receive([] {}, [](const caf::error&) {});
    self->monitor(endpoint_);
    self->send(endpoint_, hang_up{});
    self->receive([](const caf::down_msg&) {});
    ways_->close_all();
    if (owns_network_)
      caf::anon_send_exit(network_, caf::exit_reason::kill);
    network_ = nullptr;
  }

private:
  caf::actor_system& system_;
  caf::actor endpoint_;
  std::shared_ptr<open_ways> ways_;
  caf::io::middleman_actor network_;
  bool owns_network_;
  std::uint16_t port_;
  bool closed_ = false;
};

result<void> check_readable(const std::filesystem::path& file) {
  if (::access(file.c_str(), R_OK) == 0)
    return {};
  return error{errc::invalid_argument,
               "Cannot read " + file.string() + " (cluster.tls)."};
}

} // namespace

result<void> prepare_network(caf::actor_system_config& system,
                             const cluster_config& cluster) {
  // Off by default, and without them a frozen peer is never noticed.
  system.set("middleman.heartbeat-interval",
             caf::timespan(cluster.heartbeat_interval));
  system.set("middleman.connection-timeout",
             caf::timespan(cluster.silence_max));
  // Packets are bytes: to hand one to another thread costs more than to read
  // it.
  system.set("middleman.workers", std::size_t{0});
  load_middleman(system);
  if (!cluster.has_tls())
    return {};
  for (const auto& file :
       {cluster.certificate_file, cluster.key_file, cluster.ca_file})
    if (auto ok = check_readable(file); !ok)
      return ok;
  system.openssl_certificate = cluster.certificate_file.string();
  system.openssl_key = cluster.key_file.string();
  system.openssl_cafile = cluster.ca_file.string();
  system.load<caf::openssl::manager>();
  return {};
}

result<std::unique_ptr<transport>>
open_caf_transport(caf::actor_system& system, caf_transport_config config,
                   transport_listener listener) {
  const caf::io::middleman_actor network
    = config.tls ? spawn_tls_network(system)
                 : system.middleman().actor_handle();
  const auto ways = std::make_shared<open_ways>();
  const caf::actor at = system.spawn(endpoint_behavior, network, ways,
                                     config.dial, std::move(listener));
  std::uint16_t port = 0;
  if (config.listen) {
    caf::scoped_actor self(system);
    std::string trouble;
    self
      ->request(network, caf::infinite, caf::publish_atom::value,
                config.listen->port, caf::actor_cast<caf::strong_actor_ptr>(at),
                std::set<std::string>{}, config.listen->host, true)
      .receive([&](std::uint16_t got) { port = got; },
               [&](const caf::error& why) { trouble = system.render(why); });
    if (port == 0) {
      caf::anon_send(at, hang_up{});
      if (config.tls)
        caf::anon_send_exit(network, caf::exit_reason::kill);
      return error{errc::unavailable,
                   "The cluster's port " + std::to_string(config.listen->port)
                     + " on " + config.listen->host + " cannot be had ("
                     + trouble + "). Is another node running there?"};
    }
  }
  return std::unique_ptr<transport>(std::make_unique<caf_transport>(
    system, at, ways, network, config.tls, port));
}

} // namespace perdura::cluster
