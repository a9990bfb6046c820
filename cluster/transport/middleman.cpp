// SPDX-License-Identifier: Apache-2.0
#include "cluster/transport/middleman.hpp"

#include <caf/all.hpp>
#include <caf/io/all.hpp>
#include <caf/io/basp_broker.hpp>
#include <caf/io/network/default_multiplexer.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <chrono>
#include <utility>

namespace perdura::cluster {

namespace {

/// CAF's broker (the actor that owns the connections) with two faults of CAF
/// 0.17.6 corrected.
class patched_broker final : public caf::io::basp_broker {
public:
  using basp_broker::basp_broker;

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
  /// Creates the entry that CAF would create only when the first message
  /// arrives.
  void track_accepted(caf::io::connection_handle connection) {
    caf::io::basp::endpoint_context made{};
    made.cstate = caf::io::basp::await_header;
    made.hdl = connection;
    made.last_seen = clock().now();
    ctx.emplace(connection, std::move(made));
  }
};

/// CAF's event loop, with TCP_USER_TIMEOUT set on each connection without TLS.
class patched_multiplexer final : public caf::io::network::default_multiplexer {
public:
  using default_multiplexer::default_multiplexer;

  caf::io::scribe_ptr new_scribe(caf::io::network::native_socket fd) override {
    set_tcp_user_timeout(system(), fd);
    return default_multiplexer::new_scribe(fd);
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

private:
  patched_multiplexer loop_;
};

} // namespace

// CAF takes ownership of the module that the factory returns.
void load_middleman(caf::actor_system_config& system) {
  system.module_factories.push_back(
    [](caf::actor_system& made_for) -> caf::actor_system::module* {
      return new patched_middleman(made_for);
    });
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
