// SPDX-License-Identifier: Apache-2.0
#include "client/load/http_load.hpp"

#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <utility>

namespace perdura::client {

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;

namespace {

// How often the tick function runs while no response arrives.
constexpr auto tick_interval = milliseconds(100);

/// A complete response; the members refer to the parsed text.
struct parsed_response {
  int status = 0;
  std::string_view head;
  std::string_view body;
};

/// Parses a response. Returns nothing while the response is incomplete; status
/// 0 means that the text is no response. The caller has put a zero byte behind
/// `text`, so that std::atoi and std::strtoull stop there.
std::optional<parsed_response> parse_response(std::string_view text) {
  const std::size_t head = text.find("\r\n\r\n");
  if (head == text.npos)
    return std::nullopt;
  // "HTTP/1.1 200 OK"
  constexpr std::size_t status_at = 9;
  if (head < status_at)
    return parsed_response{};
  constexpr std::string_view name = "Content-Length: ";
  const std::size_t at = text.find(name);
  const std::size_t length
    = at < head ? std::strtoull(text.data() + at + name.size(), nullptr, 10)
                : 0;
  if (text.size() < head + 4 + length)
    return std::nullopt;
  return parsed_response{std::atoi(text.data() + status_at),
                         text.substr(0, head), text.substr(head + 4, length)};
}

/// Adds a response to the outcome. The latency counts from `from`. A lost
/// connection is a failure without a latency.
void record(load_outcome& out, const load_response& response,
            load_response::time_point from,
            const http_load::check_response& check) {
  if (response.status == 0) {
    ++out.failures;
    return;
  }
  ++out.responses;
  out.times.values_us.push_back(static_cast<std::uint32_t>(
    duration_cast<microseconds>(response.received_at - from).count()));
  if (!check(response.connection, response.status, response.body))
    ++out.failures;
}

/// Returns a connected socket; -1 if no address of the endpoint accepts the
/// connection.
int open_socket(const load_endpoint& endpoint) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(endpoint.host.c_str(),
                    std::to_string(endpoint.port).c_str(), &hints, &found)
      != 0)
    return -1;
  int fd = -1;
  for (const addrinfo* each = found; each != nullptr && fd < 0;
       each = each->ai_next) {
    fd = ::socket(each->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && ::connect(fd, each->ai_addr, each->ai_addrlen) != 0) {
      ::close(fd);
      fd = -1;
    }
  }
  ::freeaddrinfo(found);
  return fd;
}

} // namespace

std::string load_endpoint::authority() const {
  const bool is_v6 = host.find(':') != host.npos;
  return (is_v6 ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

std::string request_text(const load_endpoint& endpoint, std::string_view method,
                         std::string_view target, std::string_view body) {
  std::string text(method);
  text += ' ';
  text += target;
  text += " HTTP/1.1\r\nHost: " + endpoint.authority() + "\r\n";
  if (!endpoint.key.empty())
    text += "x-functions-key: " + endpoint.key + "\r\n";
  if (method != "GET")
    text += "Content-Type: application/json\r\nContent-Length: "
            + std::to_string(body.size()) + "\r\n";
  text += "\r\n";
  text += body;
  return text;
}

std::string request_text(std::string_view method, std::string_view target,
                         std::string_view body) {
  return request_text(load_endpoint{}, method, target, body);
}

http_load::http_load(std::vector<load_endpoint> endpoints,
                     std::size_t connections)
  : endpoints_(std::move(endpoints)),
    epoll_(::epoll_create1(EPOLL_CLOEXEC)),
    receive_buffer_(std::size_t{64} * 1024),
    connections_(connections) {
  // Each connection needs a descriptor; the usual soft limit is 1,024.
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 65'536);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  for (std::size_t i = 0; i < connections; ++i) {
    connect(i);
    if (connections_[i].socket < 0) {
      const std::string where = endpoints_[endpoint_of(i)].authority();
      // The destructor does not run for an object whose constructor throws.
      for (connection& each : connections_)
        if (each.socket >= 0)
          ::close(each.socket);
      ::close(epoll_);
      throw std::runtime_error("cannot connect to " + where + " (connection "
                               + std::to_string(i + 1) + " of "
                               + std::to_string(connections) + ')');
    }
  }
}

http_load::http_load(std::uint16_t port, std::size_t connections)
  : http_load(std::vector<load_endpoint>{{.port = port}}, connections) {}

http_load::~http_load() {
  for (connection& each : connections_)
    if (each.socket >= 0)
      ::close(each.socket);
  ::close(epoll_);
}

/// Opens or reopens a connection. If the attempt fails, the socket of the
/// connection is -1.
void http_load::connect(std::size_t index) {
  connection& current = connections_[index];
  if (current.socket >= 0)
    ::close(current.socket);
  current.unread.clear();
  current.awaits_response = false;
  current.socket = open_socket(endpoints_[endpoint_of(index)]);
  if (current.socket < 0)
    return;
  // Without TCP_NODELAY the kernel may hold back the end of a request.
  const int on = 1;
  ::setsockopt(current.socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = index;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, current.socket, &event);
}

void http_load::send(std::size_t index, std::string_view request) {
  connection& to = connections_[index];
  if (to.socket < 0)
    connect(index); // The node may be reachable again.
  to.sent_at = steady_clock::now();
  if (pending_++ == 0)
    last_response_at_ = to.sent_at;
  to.awaits_response = true;
  // The socket is blocking, but nearly all requests fit into its send buffer,
  // so that send returns at once. A request that cannot be sent is counted as
  // a failure when the lost connection is noticed, or at the end of the run.
  while (!request.empty() && to.socket >= 0) {
    const ssize_t sent
      = ::send(to.socket, request.data(), request.size(), MSG_NOSIGNAL);
    if (sent <= 0)
      return;
    request.remove_prefix(static_cast<std::size_t>(sent));
  }
}

/// Reopens the connection. A pending request gets a response with status 0.
void http_load::handle_disconnect(std::size_t index, time_point now,
                                  const response_handler& handler) {
  connection& current = connections_[index];
  const bool waited = current.awaits_response;
  const time_point sent_at = current.sent_at;
  connect(index);
  if (!waited)
    return;
  --pending_;
  handler({index, 0, {}, {}, sent_at, now});
}

/// Reads the bytes that have arrived on a connection. One read is enough for
/// nearly all responses; a longer response is collected in `unread` over
/// several calls.
void http_load::receive(std::size_t index, time_point now,
                        const response_handler& handler) {
  connection& current = connections_[index];
  // One byte stays free for the zero byte that parse_response needs.
  const ssize_t size = ::recv(current.socket, receive_buffer_.data(),
                              receive_buffer_.size() - 1, MSG_DONTWAIT);
  if (size < 0 && errno == EAGAIN)
    return;
  if (size <= 0) {
    handle_disconnect(index, now, handler);
    return;
  }
  receive_buffer_[static_cast<std::size_t>(size)] = '\0';
  std::string_view text(receive_buffer_.data(), static_cast<std::size_t>(size));
  const bool in_parts = !current.unread.empty();
  if (in_parts) {
    current.unread.append(text);
    text = current.unread;
  }
  const auto response = parse_response(text);
  if (!response) {
    if (!in_parts)
      current.unread = text;
    return;
  }
  // `kept` owns the text until the handler returns, because the handler may
  // send the next request on this connection, which may clear `unread`.
  const std::string kept = std::exchange(current.unread, {});
  // Ignore a response if no request is pending on the connection.
  if (!current.awaits_response)
    return;
  current.awaits_response = false;
  --pending_;
  // `response` refers to the text of `unread`, which has moved to `kept`, so
  // the text is parsed again.
  const auto whole = in_parts ? parse_response(kept) : response;
  handler(
    {index, whole->status, whole->head, whole->body, current.sent_at, now});
}

/// Calls the tick function if it is due. Returns true if the function ends the
/// run, or if no response has arrived within the response timeout.
bool http_load::must_stop(time_point now) {
  if (now - last_tick_at_ >= tick_interval) {
    last_tick_at_ = now;
    if (tick_ && !tick_())
      return true;
  }
  return pending_ > 0 && now - last_response_at_ > response_timeout_;
}

bool http_load::wait(nanoseconds time_max, const response_handler& handler) {
  std::array<epoll_event, 64> events;
  // epoll_pwait2 is used because the resolution of epoll_wait is one
  // millisecond: an open loop at a high rate sends several requests within one
  // millisecond.
  const nanoseconds pause
    = std::clamp<nanoseconds>(time_max, nanoseconds(0), tick_interval);
  const timespec time{pause.count() / 1'000'000'000,
                      pause.count() % 1'000'000'000};
  const int ready
    = ::epoll_pwait2(epoll_, events.data(), events.size(), &time, nullptr);
  const auto now = steady_clock::now();
  if (ready > 0)
    last_response_at_ = now;
  for (int i = 0; i < ready; ++i)
    receive(events[static_cast<std::size_t>(i)].data.u64, now, handler);
  return !must_stop(now);
}

load_outcome http_load::run(milliseconds time, const next_request& next,
                            const check_response& check) {
  send_all(next);
  return run_until_answered(time, next, check);
}

load_outcome http_load::collect(const check_response& check) {
  return run_until_answered({}, {}, check);
}

/// Receives responses until none is pending. After each response sends the next
/// request on the same connection, unless the time is over.
load_outcome http_load::run_until_answered(milliseconds time,
                                           const next_request& next,
                                           const check_response& check) {
  const auto from = steady_clock::now();
  load_outcome out;
  const auto handler = [&](const load_response& response) {
    record(out, response, response.sent_at, check);
    if (response.received_at - from >= time)
      return;
    const std::string_view request = next(response.connection);
    if (!request.empty())
      send(response.connection, request);
  };
  while (pending_ > 0 && wait(tick_interval, handler))
    continue;
  out.failures += pending_;
  out.seconds
    = std::chrono::duration<double>(steady_clock::now() - from).count();
  return out;
}

load_outcome http_load::run_open_loop(double rate, milliseconds time,
                                      const next_request& next,
                                      const check_response& check) {
  const auto from = steady_clock::now();
  // The time at which request `number` (counted from 0) is due. It is computed
  // from the start of the run, so that rounding errors do not add up.
  const auto due = [&](std::uint64_t number) {
    return from
           + nanoseconds(static_cast<std::int64_t>(static_cast<double>(number)
                                                   * 1e9 / rate));
  };
  const auto total = static_cast<std::uint64_t>(
    rate * std::chrono::duration<double>(time).count());
  std::uint64_t sent = 0; // Also the number of the next request.
  load_outcome out;
  // The idle connections, used as a stack: the connection that became idle last
  // is used next, so that at a low rate the same few connections are used again
  // and again.
  std::vector<std::size_t> idle;
  for (std::size_t i = connections_.size(); i > 0; --i)
    idle.push_back(i - 1);
  // When the pending request of each connection was due.
  std::vector<time_point> due_at(connections_.size());
  const auto handler = [&](const load_response& response) {
    record(out, response, due_at[response.connection], check);
    idle.push_back(response.connection);
  };
  bool continues = true;
  while (continues && (sent < total || pending_ > 0)) {
    const auto now = steady_clock::now();
    // The nodes cannot sustain the rate: requests that are not sent yet count
    // as failures.
    if (now - from > 2 * time && sent < total)
      break;
    for (; sent < total && !idle.empty() && due(sent) <= now; ++sent) {
      const std::size_t on = idle.back();
      idle.pop_back();
      due_at[on] = due(sent);
      send(on, next(on));
    }
    // Wait until the next request is due, or for a response if there is no idle
    // connection or no further request.
    const bool may_send = sent < total && !idle.empty();
    continues = wait(may_send ? due(sent) - steady_clock::now() : tick_interval,
                     handler);
  }
  // If the loop ended early, requests that were sent still get time for their
  // responses; those without a response are failures.
  while (continues && pending_ > 0)
    continues = wait(tick_interval, handler);
  out.failures += total - sent + pending_;
  out.seconds
    = std::chrono::duration<double>(steady_clock::now() - from).count();
  return out;
}

void http_load::send_all(const next_request& next) {
  for (std::size_t i = 0; i < connections_.size(); ++i)
    if (const std::string_view request = next(i); !request.empty())
      send(i, request);
}

} // namespace perdura::client
