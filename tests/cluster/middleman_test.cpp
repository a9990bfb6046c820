// What CAF's broker forgets.
#include "cluster/transport/caf_transport.hpp"
#include "tests/support/silent_sockets.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/all.hpp>
#include <caf/io/all.hpp>
#include <caf/io/basp_broker.hpp>

#include <chrono>
#include <memory>

namespace perdura::tests {

using namespace cluster;
using std::chrono::milliseconds;

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
