// SPDX-License-Identifier: Apache-2.0
#include "real/link_proxy.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>

namespace perdura::tests {

namespace {

// Bytes of one direction that are kept while it is stalled. Above it, the proxy
// reads no more, so that the sender's own buffers fill.
constexpr std::size_t waiting_max = std::size_t{1} << 20U;

sockaddr_in loopback_address(std::uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons(port);
  return at;
}

/// An address as the functions for sockets expect it.
template <class T>
auto* generic(T& address) {
  if constexpr (std::is_const_v<T>)
    return reinterpret_cast<const sockaddr*>(&address);
  else
    return reinterpret_cast<sockaddr*>(&address);
}

} // namespace

link_proxy::link_proxy(std::uint16_t target) : target_(target) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in at = loopback_address(0);
  socklen_t size = sizeof at;
  if (listener_ < 0 || ::bind(listener_, generic(at), size) != 0
      || ::listen(listener_, SOMAXCONN) != 0
      || ::getsockname(listener_, generic(at), &size) != 0
      || ::pipe2(waker_.data(), O_CLOEXEC | O_NONBLOCK) != 0)
    throw std::runtime_error("no port for a proxy");
  port_ = ntohs(at.sin_port);
  thread_ = std::thread([this] { run(); });
}

link_proxy::~link_proxy() {
  ends_ = true;
  wake();
  thread_.join();
  for (const int each : {listener_, waker_[0], waker_[1]})
    ::close(each);
}

void link_proxy::set(link_state state) {
  state_ = state;
  wake();
}

void link_proxy::reset_connections() {
  resets_ = true;
  wake();
}

void link_proxy::wake() const {
  // If the pipe is full, the thread is about to wake already.
  static_cast<void>(::write(waker_[1], "", 1));
}

bool link_proxy::is_forwarded(std::size_t direction) const {
  switch (state_) {
  case link_state::open:
    return true;
  case link_state::one_way:
    return direction == 0;
  case link_state::return_only:
    return direction == 1;
  default:
    return false;
  }
}

void link_proxy::accept_one() {
  const int accepted
    = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (accepted < 0)
    return;
  connection c;
  c.sockets = {
    accepted, ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  const sockaddr_in at = loopback_address(target_);
  // On loopback the answer is there at once: the target listens, or the
  // connection is refused.
  if (::connect(c.sockets[1], generic(at), sizeof at) != 0
      && errno != EINPROGRESS)
    return close(c);
  connections_.push_back(std::move(c));
}

void link_proxy::read_from(connection& c, std::size_t from) {
  byte_stream& d = c.directions[from];
  std::array<char, 16'384> bytes{};
  const ssize_t size = ::recv(c.sockets[from], bytes.data(), bytes.size(), 0);
  if (size > 0)
    d.waiting.append(bytes.data(), static_cast<std::size_t>(size));
  else if (size == 0)
    d.is_closed = true;
  else if (errno != EAGAIN && errno != EINTR)
    d.is_closed = d.is_reset = true;
}

/// Passes on what was read, and then the end of the connection. An end that
/// does not get through the link stays unnoticed on its other side.
void link_proxy::write_to(connection& c, std::size_t direction) const {
  auto& d = c.directions[direction];
  const int socket = c.sockets[1 - direction];
  if (!d.waiting.empty()) {
    const ssize_t size
      = ::send(socket, d.waiting.data(), d.waiting.size(), MSG_NOSIGNAL);
    if (size > 0)
      d.waiting.erase(0, static_cast<std::size_t>(size));
    else if (errno != EAGAIN && errno != EINTR)
      d.waiting.clear(); // The receiver is gone; its end is read elsewhere.
  }
  if (d.waiting.empty() && d.is_closed && !d.has_passed_close) {
    ::shutdown(socket, SHUT_WR);
    d.has_passed_close = true;
    c.is_broken = c.is_broken || d.is_reset;
  }
}

void link_proxy::close(connection& c) {
  // Without a delay, so that the peer gets a reset.
  const linger none{1, 0};
  for (const int each : c.sockets)
    if (each >= 0) {
      ::setsockopt(each, SOL_SOCKET, SO_LINGER, &none, sizeof none);
      ::close(each);
    }
}

void link_proxy::run() {
  while (!ends_) {
    // While nothing is forwarded, connections wait in the listener's queue.
    const int accepting = state_ == link_state::stalled ? -1 : listener_;
    std::vector<pollfd> waits{{accepting, POLLIN, 0}, {waker_[0], POLLIN, 0}};
    for (const connection& c : connections_)
      for (std::size_t i = 0; i < 2; ++i) {
        const byte_stream& in = c.directions[i];
        const byte_stream& out = c.directions[1 - i];
        short events = 0;
        if (!in.is_closed && in.waiting.size() < waiting_max)
          events |= POLLIN;
        if (!out.waiting.empty() && is_forwarded(1 - i))
          events |= POLLOUT;
        // Without events, the socket would still report its errors.
        waits.push_back({events == 0 ? -1 : c.sockets[i], events, 0});
      }
    if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR)
      return;
    std::array<char, 64> bytes{};
    while (::read(waker_[0], bytes.data(), bytes.size()) > 0) {
    }
    if (resets_.exchange(false))
      for (connection& c : connections_)
        c.is_broken = true;
    for (std::size_t n = 0; n < connections_.size(); ++n) {
      connection& c = connections_[n];
      for (std::size_t i = 0; i < 2; ++i)
        if ((waits[2 + 2 * n + i].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
          read_from(c, i);
      for (std::size_t i = 0; i < 2; ++i)
        if (is_forwarded(i))
          write_to(c, i);
      if (c.directions[0].has_passed_close && c.directions[1].has_passed_close)
        c.is_broken = true;
    }
    std::erase_if(connections_, [](connection& c) {
      if (c.is_broken)
        close(c);
      return c.is_broken;
    });
    if ((waits[0].revents & POLLIN) != 0)
      accept_one();
  }
  for (connection& c : connections_)
    close(c);
}

} // namespace perdura::tests
