// SPDX-License-Identifier: Apache-2.0
#include "cluster/transport/middleman.hpp"

#include "actors/interface/actor_faults.hpp"
#include "cluster/transport/connection_guard.hpp"
#include "cluster/transport/port_rules.hpp"
#include "persistence/process/logging.hpp"
#include "persistence/process/process_counters.hpp"

#include <caf/all.hpp>
#include <caf/io/all.hpp>
#include <caf/io/basp_broker.hpp>
#include <caf/io/network/default_multiplexer.hpp>
#include <caf/io/network/scribe_impl.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <chrono>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

namespace perdura::cluster {

namespace {

/// The number of refused connections that are logged. Further ones are only
/// counted: a peer that is not authenticated can cause any number.
constexpr std::uint64_t refused_lines_max = 100;

/// The certificates of the connected processes, by the number that CAF has
/// given to the process. Written by the broker, read by any thread.
class certificate_table {
public:
  void set(const caf::node_id& process,
           std::optional<peer_certificate> certificate) {
    const std::lock_guard lock(mutex_);
    certificates_.erase(process);
    if (certificate)
      certificates_.emplace(process, std::move(*certificate));
  }

  std::optional<peer_certificate> find(const caf::node_id& process) const {
    const std::lock_guard lock(mutex_);
    const auto found = certificates_.find(process);
    if (found == certificates_.end())
      return std::nullopt;
    return found->second;
  }

private:
  mutable std::mutex mutex_;
  std::unordered_map<caf::node_id, peer_certificate> certificates_;
};

class patched_middleman;
certificate_table& certificates_of(caf::actor_system& system);

/// CAF's broker (the actor that owns the connections) with two faults of CAF
/// 0.17.6 corrected, and with the checks of the cluster port.
class patched_broker final : public caf::io::basp_broker,
                             public connection_guard {
public:
  explicit patched_broker(caf::actor_config& config)
    : basp_broker(config), rules_(system()) {
    actors::guard_actor(this, "the broker of the network");
  }

  /// Checks what arrives before CAF allocates or decodes it.
  bool accepts(caf::io::connection_handle from, const char* bytes,
               std::size_t size) override {
    const auto found = ctx.find(from);
    // Without an entry CAF expects a header.
    const bool is_payload
      = found != ctx.end()
        && found->second.cstate == caf::io::basp::await_payload;
    const auto why
      = is_payload ? rules_.check_payload(found->second.hdr, bytes, size)
        : size != caf::io::basp::header_size
          ? std::string("its header is not valid")
          : rules_.check_header(
            bytes, static_cast<bool>(instance.tbl().lookup_direct(from)));
    if (!why)
      return true;
    log_refusal(from, *why);
    // The connection cannot be closed here, because CAF is reading from it.
    system().middleman().backend().post(
      [this, from, self = caf::strong_actor_ptr(ctrl())] {
        if (getf(is_terminated_flag))
          return;
        connection_cleanup(from, caf::sec::malformed_basp_message);
        close(from);
      });
    return false;
  }

  /// Notes the certificate of a process that has introduced itself.
  void learned_new_node_directly(const caf::node_id& process,
                                 bool was_known) override {
    if (this_context != nullptr)
      if (auto connection = by_id(this_context->hdl))
        if (const auto* certified
            = dynamic_cast<certified_connection*>(&*connection))
          certificates_of(system()).set(process, certified->certificate());
    basp_broker::learned_new_node_directly(process, was_known);
  }

  void purge_state(const caf::node_id& process) override {
    certificates_of(system()).set(process, std::nullopt);
    basp_broker::purge_state(process);
  }

  /// Closes the mailbox when the broker ends. CAF leaves it open: a message
  /// that arrives later stays in the mailbox for ever, with everything that it
  /// refers to. If the message is a request to connect, it is never answered
  /// and its socket stays open. The shutdown of the actor system then blocks
  /// for ever, because it waits for the thread of the actor that requested the
  /// connection. If the message refers to the broker itself, neither the
  /// message nor the broker is ever released.
  bool cleanup(caf::error&& reason, caf::execution_unit* host) override {
    close_all();
    return caf::scheduled_actor::cleanup(std::move(reason), host);
  }

  /// Makes the silence time-out apply to new connections. When CAF opens a
  /// connection, it records no time of last contact; the next heartbeat would
  /// therefore close the connection as silent for too long. When CAF accepts a
  /// connection, it does not track the connection until the first message
  /// arrives; a peer that sends nothing could therefore stay connected for
  /// ever. The broker calls `flush` when it sends the first message on a
  /// connection of either kind; from then on the time-out applies.
  void flush(caf::io::connection_handle to) override {
    constexpr caf::actor_clock::time_point never{};
    const auto found = ctx.find(to);
    if (found == ctx.end()) {
      if (valid(to))
        track_accepted(to);
    } else if (found->second.last_seen == never) {
      found->second.last_seen = clock().now();
    }
    basp_broker::flush(to);
  }

private:
  void log_refusal(caf::io::connection_handle from, const std::string& why) {
    auto& refused
      = persistence::counters_of_process().refused_cluster_connections;
    if (refused.fetch_add(1) >= refused_lines_max)
      return;
    persistence::log(persistence::log_channel::cluster,
                     persistence::log_level::warning,
                     "The cluster port has closed a connection from "
                       + remote_addr(from) + ": " + why + ".");
  }

  /// Creates the entry that CAF would create only when the first message
  /// arrives.
  void track_accepted(caf::io::connection_handle connection) {
    caf::io::basp::endpoint_context made{};
    made.cstate = caf::io::basp::await_header;
    made.hdl = connection;
    made.last_seen = clock().now();
    ctx.emplace(connection, std::move(made));
  }

  port_rules rules_;
};

/// CAF's event loop. Each connection without TLS has TCP_USER_TIMEOUT set, and
/// passes what arrives to the checks of the broker.
class patched_multiplexer final : public caf::io::network::default_multiplexer {
public:
  using default_multiplexer::default_multiplexer;

  /// The body of the network's thread. If the rule of the system does not end
  /// the process, the loop goes on, so that its connections can be closed.
  void run() override {
    for (;;) {
      try {
        return default_multiplexer::run();
      } catch (...) {
        actors::report_fault(system(), "the thread of the network",
                             std::current_exception());
      }
    }
  }

  caf::io::scribe_ptr new_scribe(caf::io::network::native_socket fd) override {
    set_tcp_user_timeout(system(), fd);
    return caf::make_counted<guarded_scribe<caf::io::network::scribe_impl>>(
      *this, fd);
  }
};

/// CAF's network module, with the two classes above in place of CAF's own.
class patched_middleman final : public caf::io::middleman {
public:
  explicit patched_middleman(caf::actor_system& system)
    : middleman(system), loop_(&system) {}

  caf::io::network::multiplexer& backend() override {
    return loop_;
  }

  /// Spawns the corrected broker under CAF's name for it ("BASP"), so that CAF
  /// finds it and creates none of its own.
  void start() override {
    named_broker<patched_broker>(caf::atom("BASP"));
    middleman::start();
  }

  certificate_table certificates;

private:
  patched_multiplexer loop_;
};

/// `load_middleman` was called for every system that this file sees.
certificate_table& certificates_of(caf::actor_system& system) {
  return static_cast<patched_middleman&>(system.middleman()).certificates;
}

} // namespace

// CAF takes ownership of the module that the factory returns.
void load_middleman(caf::actor_system_config& system) {
  system.module_factories.push_back(
    [](caf::actor_system& made_for) -> caf::actor_system::module* {
      return new patched_middleman(made_for);
    });
}

std::optional<peer_certificate>
certificate_of_process(caf::actor_system& system, const caf::node_id& process) {
  return certificates_of(system).find(process);
}

void set_tcp_user_timeout(const caf::actor_system& system, int socket) {
  const auto silence_max = caf::get_if<caf::timespan>(
    &system.config(), "middleman.connection-timeout");
  if (!silence_max)
    return;
  const auto wanted = static_cast<unsigned>(
    std::chrono::ceil<std::chrono::milliseconds>(*silence_max).count());
  // If the kernel refuses the option, the kernel's own limit applies. That
  // limit is longer, but finite.
  static_cast<void>(::setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &wanted,
                                 sizeof(wanted)));
}

} // namespace perdura::cluster
