// SPDX-License-Identifier: Apache-2.0
// Corrections to the network layer of CAF: requests to an ended broker, and the
// time limit of a handshake.
#include "cluster/transport/caf_transport.hpp"
#include "tests/support/patience.hpp"
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

cluster_config short_time_out_config() {
  cluster_config config;
  config.heartbeat_interval = milliseconds(20);
  config.silence_max = milliseconds(600);
  return config;
}

struct network_system {
  network_system() {
    BOOST_REQUIRE(prepare_network(config, short_time_out_config()));
    system = std::make_unique<caf::actor_system>(config);
  }

  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
};

} // namespace

BOOST_AUTO_TEST_SUITE(middleman_suite)

// Regression test: a request to the ended BASP broker of CAF blocked its
// thread, and the actor system never ended.
BOOST_FIXTURE_TEST_CASE(ended_broker_answers_requests_with_an_error,
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
             "the request was never answered");
}

// Regression test: the next heartbeat closed a connection that was still
// waiting for the handshake of a busy node.
BOOST_FIXTURE_TEST_CASE(connect_waits_for_the_full_silence_time_out,
                        network_system) {
  const silent_server host;
  caf_transport_config to;
  to.connect_to = {{"node-1", {"127.0.0.1", host.port()}}};
  transport_listener ignoring_listener;
  ignoring_listener.path_opened = [](path_id, const node_id&) {};
  ignoring_listener.path_closed = [](path_id) {};
  ignoring_listener.packet = [](path_id, std::string) {};
  const minimum_time connecting;
  auto opened = open_caf_transport(*system, to, ignoring_listener);
  BOOST_REQUIRE(opened);
  host.await_close_of_first_connection();
  BOOST_TEST(connecting.has_passed(milliseconds(500)));
  (*opened)->close();
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
