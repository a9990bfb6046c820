// SPDX-License-Identifier: Apache-2.0
// Each state of a proxy forwards exactly what its name says.
#include "tests/support/loopback_peer.hpp"
#include "tests/support/patience.hpp"

#include "real/link_proxy.hpp"
#include <boost/test/unit_test.hpp>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>

namespace perdura::tests {

namespace {

/// A server on loopback with one connection.
class one_server {
public:
  one_server() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    auto* address = reinterpret_cast<sockaddr*>(&at);
    BOOST_TEST_REQUIRE((::bind(listener_, address, size) == 0
                        && ::listen(listener_, 1) == 0
                        && ::getsockname(listener_, address, &size) == 0));
    port_ = ntohs(at.sin_port);
  }

  ~one_server() {
    ::close(listener_);
    ::close(socket_);
  }

  one_server(const one_server&) = delete;
  one_server& operator=(const one_server&) = delete;

  std::uint16_t port() const {
    return port_;
  }

  void accept() {
    socket_ = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    BOOST_TEST_REQUIRE(socket_ >= 0);
  }

  int socket() const {
    return socket_;
  }

private:
  int listener_;
  int socket_ = -1;
  std::uint16_t port_ = 0;
};

bool is_readable(int socket, std::chrono::milliseconds within) {
  pollfd wait{socket, POLLIN, 0};
  return ::poll(&wait, 1, static_cast<int>(within.count())) == 1;
}

std::string receive_from(int socket) {
  if (!is_readable(socket, patience))
    return "(nothing)";
  std::string bytes(64, '\0');
  const ssize_t size = ::recv(socket, bytes.data(), bytes.size(), 0);
  return size > 0 ? bytes.substr(0, static_cast<std::size_t>(size))
                  : "(closed)";
}

/// Nothing arrives. The time is a part of the assertion only in the sense that
/// a fault is found if it shows within it.
bool stays_silent(int socket) {
  return !is_readable(socket, std::chrono::milliseconds(50));
}

struct proxied {
  one_server server;
  link_proxy proxy{server.port()};
  loopback_peer peer{proxy.port()};

  proxied() {
    server.accept();
  }

  void say(const char* to_server, const char* to_peer) const {
    BOOST_TEST(peer.send(to_server));
    BOOST_TEST(::send(server.socket(), to_peer, std::string(to_peer).size(),
                      MSG_NOSIGNAL)
               > 0);
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(link_proxy_suite)

BOOST_AUTO_TEST_CASE(open_link_forwards_both_directions_and_the_end) {
  auto all = std::make_unique<proxied>();
  all->say("ping", "pong");
  BOOST_TEST(receive_from(all->server.socket()) == "ping");
  BOOST_TEST(receive_from(all->peer.native()) == "pong");
  ::shutdown(all->peer.native(), SHUT_WR);
  BOOST_TEST(receive_from(all->server.socket()) == "(closed)");
}

BOOST_AUTO_TEST_CASE(stalled_link_forwards_later) {
  proxied all;
  all.proxy.set(link_state::stalled);
  all.say("ping", "pong");
  ::shutdown(all.peer.native(), SHUT_WR);
  BOOST_TEST(stays_silent(all.server.socket()));
  BOOST_TEST(stays_silent(all.peer.native()));
  all.proxy.set(link_state::open);
  BOOST_TEST(receive_from(all.server.socket()) == "ping");
  BOOST_TEST(receive_from(all.peer.native()) == "pong");
  BOOST_TEST(receive_from(all.server.socket()) == "(closed)");
}

BOOST_AUTO_TEST_CASE(one_direction_can_be_stalled) {
  proxied all;
  all.proxy.set(link_state::one_way);
  all.say("ping", "pong");
  BOOST_TEST(receive_from(all.server.socket()) == "ping");
  BOOST_TEST(stays_silent(all.peer.native()));
  all.proxy.set(link_state::return_only);
  BOOST_TEST(receive_from(all.peer.native()) == "pong");
  all.say("more", "again");
  BOOST_TEST(receive_from(all.peer.native()) == "again");
  BOOST_TEST(stays_silent(all.server.socket()));
}

BOOST_AUTO_TEST_CASE(reset_ends_both_connections) {
  proxied all;
  all.proxy.reset_connections();
  BOOST_TEST(receive_from(all.server.socket()) == "(closed)");
  BOOST_TEST(receive_from(all.peer.native()) == "(closed)");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
