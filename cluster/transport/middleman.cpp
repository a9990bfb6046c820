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

/// What is mended of CAF 0.17.6's own.
class mended_broker final : public caf::io::basp_broker {
public:
  using basp_broker::basp_broker;

  /// CAF leaves the mailbox of a broker that has ended open: what comes later
  /// stays there with everything it holds. An attempt to connect is never
  /// answered then, its socket stays open, and whoever ends the system waits
  /// without end for the thread of the actor that asked; a message that holds
  /// the broker itself keeps both for good.
  bool cleanup(caf::error&& reason, caf::execution_unit* host) override {
    close_all();
    return caf::scheduled_actor::cleanup(std::move(reason), host);
  }

  /// CAF does not note when it has dialled, so that the next heartbeat would
  /// close the connection as one that was silent for too long; and not at all
  /// when it has let somebody in, who may be silent for ever. This comes with
  /// the first words to either.
  void flush(caf::io::connection_handle to) override {
    constexpr caf::actor_clock::time_point never{};
    const auto found = ctx.find(to);
    if (found == ctx.end()) {
      if (valid(to))
        begin_waiting_for(to);
    } else if (found->second.last_seen == never) {
      found->second.last_seen = clock().now();
    }
    basp_broker::flush(to);
  }

private:
  /// As CAF does it when it has heard the first word.
  void begin_waiting_for(caf::io::connection_handle guest) {
    caf::io::basp::endpoint_context made{};
    made.cstate = caf::io::basp::await_header;
    made.hdl = guest;
    made.last_seen = clock().now();
    ctx.emplace(guest, std::move(made));
  }
};

class mended_loop final : public caf::io::network::default_multiplexer {
public:
  using default_multiplexer::default_multiplexer;

  caf::io::scribe_ptr new_scribe(caf::io::network::native_socket fd) override {
    limit_silence(system(), fd);
    return default_multiplexer::new_scribe(fd);
  }
};

class mended_middleman final : public caf::io::middleman {
public:
  explicit mended_middleman(caf::actor_system& system)
    : middleman(system), loop_(&system) {}

  caf::io::network::multiplexer& backend() override {
    return loop_;
  }

  /// CAF takes the broker that has this name already.
  void start() override {
    named_broker<mended_broker>(caf::atom("BASP"));
    middleman::start();
  }

private:
  mended_loop loop_;
};

} // namespace

void load_middleman(caf::actor_system_config& system) {
  system.module_factories.push_back(
    [](caf::actor_system& made_for) -> caf::actor_system::module* {
      return new mended_middleman(made_for);
    });
}

void limit_silence(const caf::actor_system& system, int socket) {
  const auto silence_max = caf::get_if<caf::timespan>(
    &system.config(), "middleman.connection-timeout");
  if (!silence_max)
    return;
  const auto wanted = static_cast<unsigned>(
    std::chrono::ceil<std::chrono::milliseconds>(*silence_max).count());
  // Refused, the kernel's own patience stays, which ends as well.
  static_cast<void>(::setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &wanted,
                                 sizeof(wanted)));
}

} // namespace perdura::cluster
