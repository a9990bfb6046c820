/// Asks doors over many kept-alive connections from one thread, and notes how
/// long each answer took. Knows just enough of HTTP/1.1 for our answers, and
/// costs little: what it measures has to share the machine with it.
#pragma once

#include "client/load/latencies.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::client {

/// A node's door: HTTP without TLS.
struct load_door {
  std::string host = "127.0.0.1"; ///< A name or an address, no brackets.
  std::uint16_t port = 0;
  std::string key; ///< Sent with each request; empty: none.

  std::string authority() const;
};

/// "METHOD target" with what HTTP/1.1 wants around it.
std::string request_text(const load_door& door, std::string_view method,
                         std::string_view target, std::string_view body = {});

/// To a door of this machine that wants no key.
std::string request_text(std::string_view method, std::string_view target,
                         std::string_view body = {});

struct load_answer {
  using time_point = std::chrono::steady_clock::time_point;

  std::size_t connection = 0;
  int status = 0;        ///< 0: the connection was closed.
  std::string_view head; ///< Status line and headers.
  std::string_view body;
  time_point asked_at;
  time_point at;
};

struct load_outcome {
  std::uint64_t answers = 0;
  std::uint64_t failures = 0; ///< Closed, not sent, or not what was wanted.
  double seconds = 0;
  latencies times;

  double rate() const {
    return seconds > 0 ? static_cast<double>(answers) / seconds : 0;
  }
};

class http_load {
public:
  using time_point = load_answer::time_point;
  /// The next request on this connection, good until it is asked again;
  /// empty: it has no more to ask.
  using next_request = std::function<std::string_view(std::size_t connection)>;
  /// Is this the answer that was wanted?
  using check_answer = std::function<bool(std::size_t connection, int status,
                                          std::string_view body)>;
  using answer_taker = std::function<void(const load_answer&)>;

  /// Connects them all, to the doors in turn.
  /// @throws std::runtime_error  A door is not there; says which one.
  http_load(std::vector<load_door> doors, std::size_t connections);
  http_load(std::uint16_t port, std::size_t connections);
  ~http_load();

  http_load(const http_load&) = delete;
  http_load& operator=(const http_load&) = delete;

  /// Called about ten times a second while it waits; false ends the wait.
  void on_tick(std::function<bool()> tick) {
    tick_ = std::move(tick);
  }

  /// Without any answer for so long a wait is given up.
  void set_patience(std::chrono::seconds patience) {
    patience_ = patience;
  }

  std::size_t connections() const {
    return connections_.size();
  }

  /// To which of the doors it goes.
  std::size_t door_of(std::size_t index) const {
    return index % doors_.size();
  }

  /// Closed loop: each connection asks again as soon as it has its answer,
  /// until the time is over or there is no more to ask.
  load_outcome run(std::chrono::milliseconds time, const next_request& next,
                   const check_answer& check);

  /// Open loop: `rate` requests a second, whatever comes back. A latency
  /// counts from when the request should have been sent, so that a stall
  /// falls on all who would have come meanwhile. What could not be sent
  /// within twice the time is a failure.
  load_outcome run_at(double rate, std::chrono::milliseconds time,
                      const next_request& next, const check_answer& check);

  /// Sends one request on each connection and returns when all are written.
  void send_all(const next_request& next);

  /// Waits until all that was sent is answered.
  load_outcome collect(const check_answer& check);

  /// One request on a connection that waits for no answer.
  void ask(std::size_t index, std::string_view request);

  /// Hands on what comes within that time; `take` may ask again. False if
  /// patience or the tick says that it is over.
  bool wait(std::chrono::nanoseconds most, const answer_taker& take);

  /// How many requests wait for their answers.
  std::size_t open() const {
    return open_;
  }

private:
  struct connection {
    int socket = -1;
    bool waits = false;
    time_point asked_at;
    std::string unread;
  };

  load_outcome answer_all(std::chrono::milliseconds time,
                          const next_request& next, const check_answer& check);
  void connect(std::size_t index);
  void receive(std::size_t index, time_point now, const answer_taker& take);
  void lose(std::size_t index, time_point now, const answer_taker& take);
  bool is_over(time_point now);

  std::vector<load_door> doors_;
  std::function<bool()> tick_;
  std::chrono::seconds patience_{30};
  int epoll_ = -1;
  std::size_t open_ = 0;
  time_point heard_at_;
  time_point ticked_at_;
  std::vector<char> part_;
  std::vector<connection> connections_;
};

} // namespace perdura::client
