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

constexpr auto tick_pause = milliseconds(100);

struct parsed_answer {
  int status = 0;
  std::string_view head;
  std::string_view body;
};

/// Nothing while it is not whole.
std::optional<parsed_answer> parse_answer(std::string_view text) {
  const std::size_t head = text.find("\r\n\r\n");
  if (head == text.npos)
    return std::nullopt;
  // "HTTP/1.1 200 OK"
  constexpr std::size_t status_at = 9;
  if (head < status_at)
    return parsed_answer{};
  constexpr std::string_view name = "Content-Length: ";
  const std::size_t at = text.find(name);
  const std::size_t length
    = at < head ? std::strtoull(text.data() + at + name.size(), nullptr, 10)
                : 0;
  if (text.size() < head + 4 + length)
    return std::nullopt;
  return parsed_answer{std::atoi(text.data() + status_at), text.substr(0, head),
                       text.substr(head + 4, length)};
}

void note(load_outcome& out, const load_answer& answer,
          load_answer::time_point from, const http_load::check_answer& check) {
  if (answer.status == 0) {
    ++out.failures;
    return;
  }
  ++out.answers;
  out.times.all_us.push_back(static_cast<std::uint32_t>(
    duration_cast<microseconds>(answer.at - from).count()));
  if (!check(answer.connection, answer.status, answer.body))
    ++out.failures;
}

int open_socket(const load_door& to) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(to.host.c_str(), std::to_string(to.port).c_str(), &hints,
                    &found)
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

std::string load_door::authority() const {
  const bool is_v6 = host.find(':') != host.npos;
  return (is_v6 ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

std::string request_text(const load_door& door, std::string_view method,
                         std::string_view target, std::string_view body) {
  std::string text(method);
  text += ' ';
  text += target;
  text += " HTTP/1.1\r\nHost: " + door.authority() + "\r\n";
  if (!door.key.empty())
    text += "x-functions-key: " + door.key + "\r\n";
  if (method != "GET")
    text += "Content-Type: application/json\r\nContent-Length: "
            + std::to_string(body.size()) + "\r\n";
  text += "\r\n";
  text += body;
  return text;
}

std::string request_text(std::string_view method, std::string_view target,
                         std::string_view body) {
  return request_text(load_door{}, method, target, body);
}

http_load::http_load(std::vector<load_door> doors, std::size_t connections)
  : doors_(std::move(doors)),
    epoll_(::epoll_create1(EPOLL_CLOEXEC)),
    part_(std::size_t{64} * 1024),
    connections_(connections) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 65'536);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  for (std::size_t i = 0; i < connections; ++i) {
    connect(i);
    if (connections_[i].socket < 0) {
      const std::string where = doors_[door_of(i)].authority();
      for (connection& each : connections_)
        if (each.socket >= 0)
          ::close(each.socket);
      ::close(epoll_);
      throw std::runtime_error("nobody answers at " + where + " (connection "
                               + std::to_string(i + 1) + " of "
                               + std::to_string(connections) + ')');
    }
  }
}

http_load::http_load(std::uint16_t port, std::size_t connections)
  : http_load(std::vector<load_door>{{.port = port}}, connections) {}

http_load::~http_load() {
  for (connection& each : connections_)
    if (each.socket >= 0)
      ::close(each.socket);
  ::close(epoll_);
}

void http_load::connect(std::size_t index) {
  connection& it = connections_[index];
  if (it.socket >= 0)
    ::close(it.socket);
  it.unread.clear();
  it.waits = false;
  it.socket = open_socket(doors_[door_of(index)]);
  if (it.socket < 0)
    return;
  const int on = 1;
  ::setsockopt(it.socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = index;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, it.socket, &event);
}

void http_load::ask(std::size_t index, std::string_view request) {
  connection& to = connections_[index];
  if (to.socket < 0)
    connect(index); // A node that was away may be back.
  to.asked_at = steady_clock::now();
  if (open_++ == 0)
    heard_at_ = to.asked_at;
  to.waits = true;
  // Requests are small: the socket's buffer takes them at once. If nobody is
  // there, the answer will be missing, and is counted then.
  while (!request.empty() && to.socket >= 0) {
    const ssize_t sent
      = ::send(to.socket, request.data(), request.size(), MSG_NOSIGNAL);
    if (sent <= 0)
      return;
    request.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void http_load::lose(std::size_t index, time_point now,
                     const answer_taker& take) {
  connection& it = connections_[index];
  const bool waited = it.waits;
  const time_point asked_at = it.asked_at;
  connect(index);
  if (!waited)
    return;
  --open_;
  take({index, 0, {}, {}, asked_at, now});
}

void http_load::receive(std::size_t index, time_point now,
                        const answer_taker& take) {
  connection& it = connections_[index];
  // One byte is kept free, so that numbers end somewhere.
  const ssize_t size
    = ::recv(it.socket, part_.data(), part_.size() - 1, MSG_DONTWAIT);
  if (size < 0 && errno == EAGAIN)
    return;
  if (size <= 0) {
    lose(index, now, take);
    return;
  }
  part_[static_cast<std::size_t>(size)] = '\0';
  std::string_view text(part_.data(), static_cast<std::size_t>(size));
  const bool in_parts = !it.unread.empty();
  if (in_parts) {
    it.unread.append(text);
    text = it.unread;
  }
  const auto answer = parse_answer(text);
  if (!answer) {
    if (!in_parts)
      it.unread = text;
    return;
  }
  // It stays where it is until it is handed on, since `take` may ask again.
  const std::string kept = std::exchange(it.unread, {});
  if (!it.waits)
    return;
  it.waits = false;
  --open_;
  const auto whole = in_parts ? parse_answer(kept) : answer;
  take({index, whole->status, whole->head, whole->body, it.asked_at, now});
}

bool http_load::is_over(time_point now) {
  if (now - ticked_at_ >= tick_pause) {
    ticked_at_ = now;
    if (tick_ && !tick_())
      return true;
  }
  return open_ > 0 && now - heard_at_ > patience_;
}

bool http_load::wait(nanoseconds most, const answer_taker& take) {
  std::array<epoll_event, 64> events;
  // Nanoseconds, because open loops send between milliseconds.
  const nanoseconds pause
    = std::clamp<nanoseconds>(most, nanoseconds(0), tick_pause);
  const timespec time{pause.count() / 1'000'000'000,
                      pause.count() % 1'000'000'000};
  const int ready
    = ::epoll_pwait2(epoll_, events.data(), events.size(), &time, nullptr);
  const auto now = steady_clock::now();
  if (ready > 0)
    heard_at_ = now;
  for (int i = 0; i < ready; ++i)
    receive(events[static_cast<std::size_t>(i)].data.u64, now, take);
  return !is_over(now);
}

load_outcome http_load::run(milliseconds time, const next_request& next,
                            const check_answer& check) {
  send_all(next);
  return answer_all(time, next, check);
}

load_outcome http_load::collect(const check_answer& check) {
  return answer_all({}, {}, check);
}

load_outcome http_load::answer_all(milliseconds time, const next_request& next,
                                   const check_answer& check) {
  const auto from = steady_clock::now();
  load_outcome out;
  const auto take = [&](const load_answer& answer) {
    note(out, answer, answer.asked_at, check);
    if (answer.at - from >= time)
      return;
    const std::string_view request = next(answer.connection);
    if (!request.empty())
      ask(answer.connection, request);
  };
  while (open_ > 0 && wait(tick_pause, take))
    continue;
  out.failures += open_;
  out.seconds
    = std::chrono::duration<double>(steady_clock::now() - from).count();
  return out;
}

load_outcome http_load::run_at(double rate, milliseconds time,
                               const next_request& next,
                               const check_answer& check) {
  const auto from = steady_clock::now();
  const auto due = [&](std::uint64_t number) {
    return from
           + nanoseconds(static_cast<std::int64_t>(static_cast<double>(number)
                                                   * 1e9 / rate));
  };
  const auto total = static_cast<std::uint64_t>(
    rate * std::chrono::duration<double>(time).count());
  std::uint64_t sent = 0;
  load_outcome out;
  std::vector<std::size_t> idle;
  for (std::size_t i = connections_.size(); i > 0; --i)
    idle.push_back(i - 1);
  std::vector<time_point> intended(connections_.size());
  const auto take = [&](const load_answer& answer) {
    note(out, answer, intended[answer.connection], check);
    idle.push_back(answer.connection);
  };
  bool goes_on = true;
  while (goes_on && (sent < total || open_ > 0)) {
    const auto now = steady_clock::now();
    if (now - from > 2 * time && sent < total)
      break;
    for (; sent < total && !idle.empty() && due(sent) <= now; ++sent) {
      const std::size_t on = idle.back();
      idle.pop_back();
      intended[on] = due(sent);
      ask(on, next(on));
    }
    const bool may_send = sent < total && !idle.empty();
    goes_on
      = wait(may_send ? due(sent) - steady_clock::now() : tick_pause, take);
  }
  while (goes_on && open_ > 0)
    goes_on = wait(tick_pause, take);
  out.failures += total - sent + open_;
  out.seconds
    = std::chrono::duration<double>(steady_clock::now() - from).count();
  return out;
}

void http_load::send_all(const next_request& next) {
  for (std::size_t i = 0; i < connections_.size(); ++i)
    if (const std::string_view request = next(i); !request.empty())
      ask(i, request);
}

} // namespace perdura::client
