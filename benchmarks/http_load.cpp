#include "benchmarks/http_load.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <iostream>

namespace perdura::benchmarks {

using clock_type = std::chrono::steady_clock;

struct http_load::connection {
  int socket = -1;
  std::string unread;
  clock_type::time_point asked;
  bool waits = false;
};

double latencies::at(double share) {
  if (all_us.empty())
    return 0;
  std::sort(all_us.begin(), all_us.end());
  const auto place
    = static_cast<std::size_t>(share * static_cast<double>(all_us.size()));
  return all_us[std::min(place, all_us.size() - 1)];
}

double latencies::max() {
  return at(1);
}

std::string request_text(std::string_view method, std::string_view target,
                         std::string_view body) {
  std::string text(method);
  text += ' ';
  text += target;
  text += " HTTP/1.1\r\nHost: 127.0.0.1\r\n";
  if (method != "GET")
    text += "Content-Type: application/json\r\nContent-Length: "
            + std::to_string(body.size()) + "\r\n";
  text += "\r\n";
  text += body;
  return text;
}

http_load::http_load(std::uint16_t port, std::size_t connections)
  : port_(port), epoll_(::epoll_create1(0)), connections_(connections) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 65'536);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  for (std::size_t i = 0; i < connections; ++i)
    connect(i);
}

http_load::~http_load() {
  for (connection& each : connections_)
    ::close(each.socket);
  ::close(epoll_);
}

void http_load::connect(std::size_t index) {
  connection& it = connections_[index];
  if (it.socket >= 0)
    ::close(it.socket);
  it.unread.clear();
  it.waits = false;
  it.socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port_);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (it.socket < 0
      || ::connect(it.socket, reinterpret_cast<sockaddr*>(&to), sizeof to)
           != 0) {
    std::cerr << "Cannot connect to port " << port_ << " (connection "
              << index + 1 << "); are enough descriptors allowed?" << std::endl;
    std::exit(1);
  }
  const int on = 1;
  ::setsockopt(it.socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = index;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, it.socket, &event);
}

void http_load::send(connection& to, const std::string& request) {
  to.asked = clock_type::now();
  to.waits = true;
  // Requests are small: the socket's buffer takes them at once.
  std::string_view left = request;
  while (!left.empty()) {
    const ssize_t sent
      = ::send(to.socket, left.data(), left.size(), MSG_NOSIGNAL);
    if (sent <= 0)
      return; // The answer will be missing, and is counted then.
    left.remove_prefix(static_cast<std::size_t>(sent));
  }
}

int http_load::receive(connection& from, int& status, std::string& body) {
  std::array<char, std::size_t{64} * 1024> part;
  const ssize_t size
    = ::recv(from.socket, part.data(), part.size(), MSG_DONTWAIT);
  if (size == 0 || (size < 0 && errno != EAGAIN))
    return -1;
  if (size > 0)
    from.unread.append(part.data(), static_cast<std::size_t>(size));
  const std::size_t head = from.unread.find("\r\n\r\n");
  if (head == from.unread.npos)
    return 0;
  constexpr std::string_view name = "Content-Length: ";
  const std::size_t at = from.unread.find(name);
  const std::size_t length
    = at < head
        ? std::strtoull(from.unread.c_str() + at + name.size(), nullptr, 10)
        : 0;
  const std::size_t whole = head + 4 + length;
  if (from.unread.size() < whole)
    return 0;
  status = std::atoi(from.unread.c_str() + 9);
  body = from.unread.substr(head + 4, length);
  from.unread.erase(0, whole);
  return 1;
}

load_outcome http_load::run(std::chrono::milliseconds time,
                            const next_request& next,
                            const check_answer& check) {
  send_all(next);
  return answer_all(time, next, check);
}

load_outcome http_load::collect(const check_answer& check) {
  return answer_all({}, {}, check);
}

load_outcome http_load::answer_all(std::chrono::milliseconds time,
                                   const next_request& next,
                                   const check_answer& check) {
  const auto from = clock_type::now();
  load_outcome out;
  bool more = true;
  std::size_t open = 0;
  for (const connection& each : connections_)
    open += each.waits ? 1 : 0;
  std::array<epoll_event, 64> events;
  int status = 0;
  std::string body;
  while (open > 0) {
    const int ready
      = ::epoll_wait(epoll_, events.data(), events.size(), 30'000);
    if (ready <= 0) {
      out.failures += open; // Half a minute without any answer.
      break;
    }
    const auto now = clock_type::now();
    more = more && now - from < time;
    for (int i = 0; i < ready; ++i) {
      const std::size_t index = events[static_cast<std::size_t>(i)].data.u64;
      connection& it = connections_[index];
      const int got = receive(it, status, body);
      if (got == 0)
        continue;
      if (it.waits)
        --open;
      if (got < 0) {
        out.failures += it.waits ? 1 : 0;
        connect(index);
      } else {
        it.waits = false;
        ++out.answers;
        const auto took = std::chrono::duration_cast<std::chrono::microseconds>(
          now - it.asked);
        out.times.all_us.push_back(static_cast<std::uint32_t>(took.count()));
        if (!check(index, status, body))
          ++out.failures;
      }
      const std::string request = more ? next(index) : std::string();
      if (request.empty())
        continue;
      send(it, request);
      ++open;
    }
  }
  out.seconds = std::chrono::duration<double>(clock_type::now() - from).count();
  return out;
}

void http_load::send_all(const next_request& next) {
  for (std::size_t i = 0; i < connections_.size(); ++i)
    if (const std::string request = next(i); !request.empty())
      send(connections_[i], request);
}

} // namespace perdura::benchmarks
