// What CAF's broker forgets.
#include "cluster/caf_transport.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/all.hpp>
#include <caf/io/all.hpp>
#include <caf/io/basp_broker.hpp>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>

namespace perdura::tests {

using namespace cluster;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr std::chrono::seconds patience{20};

cluster_config impatient_config() {
  cluster_config config;
  config.heartbeat_interval = milliseconds(20);
  config.silence_max = milliseconds(600);
  return config;
}

struct network_system {
  network_system() {
    BOOST_REQUIRE(prepare_network(config, impatient_config()));
    system = std::make_unique<caf::actor_system>(config);
  }

  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
};

/// A port of loopback where whoever comes is let in and told nothing.
class silent_host {
public:
  silent_host() : door_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(at);
    auto* address = reinterpret_cast<sockaddr*>(&at);
    BOOST_REQUIRE_EQUAL(::bind(door_, address, size), 0);
    BOOST_REQUIRE_EQUAL(::listen(door_, 8), 0);
    BOOST_REQUIRE_EQUAL(::getsockname(door_, address, &size), 0);
    port_ = ntohs(at.sin_port);
  }

  ~silent_host() {
    ::close(door_);
  }

  silent_host(const silent_host&) = delete;
  silent_host& operator=(const silent_host&) = delete;

  std::uint16_t port() const {
    return port_;
  }

  /// How long the first that said something stayed after its first word.
  steady_clock::duration stay_of_first() const {
    for (;;) {
      wait_for(door_);
      const int guest = ::accept4(door_, nullptr, nullptr, SOCK_CLOEXEC);
      BOOST_REQUIRE_GE(guest, 0);
      std::optional<steady_clock::time_point> since;
      std::array<char, 4096> words{};
      for (;;) {
        wait_for(guest);
        if (::recv(guest, words.data(), words.size(), 0) <= 0)
          break;
        if (!since)
          since = steady_clock::now();
      }
      ::close(guest);
      if (since)
        return steady_clock::now() - *since;
    }
  }

private:
  static void wait_for(int socket) {
    pollfd wanted{socket, POLLIN, 0};
    BOOST_REQUIRE_EQUAL(
      ::poll(&wanted, 1, static_cast<int>(milliseconds(patience).count())), 1);
  }

  int door_;
  std::uint16_t port_ = 0;
};

} // namespace

BOOST_AUTO_TEST_SUITE(middlemen)

// Whoever asked it held its thread, and so the end of the system, for good.
BOOST_FIXTURE_TEST_CASE(a_broker_that_ended_refuses_what_comes,
                        network_system) {
  const caf::actor broker
    = system->middleman().named_broker<caf::io::basp_broker>(caf::atom("BASP"));
  caf::scoped_actor self(*system);
  self->monitor(broker);
  self->send_exit(broker, caf::exit_reason::kill);
  self->receive([](const caf::down_msg&) {});
  caf::error got;
  self->request(broker, patience, caf::close_atom::value, std::uint16_t{1})
    .receive([] {}, [&](const caf::error& why) { got = why; });
  BOOST_TEST(static_cast<bool>(got));
  BOOST_TEST((got != caf::make_error(caf::sec::request_timeout)),
             "it was never answered");
}

// The next heartbeat closed it, so that a busy node was hard to reach.
BOOST_FIXTURE_TEST_CASE(who_dials_waits_as_long_as_for_any_silence,
                        network_system) {
  const silent_host host;
  caf_transport_config to;
  to.dial = {{"node-1", {"127.0.0.1", host.port()}}};
  transport_listener nobody;
  nobody.path_opened = [](path_id, const node_id&) {};
  nobody.path_closed = [](path_id) {};
  nobody.packet = [](path_id, std::string) {};
  auto opened = open_caf_transport(*system, to, nobody);
  BOOST_REQUIRE(opened);
  BOOST_TEST((host.stay_of_first() >= milliseconds(500)));
  (*opened)->close();
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
