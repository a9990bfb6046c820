/// Asks a door over many kept-alive connections from one thread, and notes
/// how long each answer took. Knows just enough of HTTP/1.1 for our answers.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::benchmarks {

/// Latencies in microseconds.
struct latencies {
  std::vector<std::uint32_t> all_us;

  /// 0.5, 0.99, …; sorts.
  double at(double share);
  double max();
};

struct load_outcome {
  std::uint64_t answers = 0;
  std::uint64_t failures = 0; ///< Closed, or not what was wanted.
  double seconds = 0;
  latencies times;

  double rate() const {
    return seconds > 0 ? static_cast<double>(answers) / seconds : 0;
  }
};

/// "METHOD target" with what HTTP/1.1 wants around it.
std::string request_text(std::string_view method, std::string_view target,
                         std::string_view body = {});

class http_load {
public:
  /// The next request on this connection; empty: it has no more to ask.
  using next_request = std::function<std::string(std::size_t connection)>;
  /// Is this the answer that was wanted?
  using check_answer = std::function<bool(std::size_t connection, int status,
                                          std::string_view body)>;

  http_load(std::uint16_t port, std::size_t connections);
  ~http_load();

  http_load(const http_load&) = delete;
  http_load& operator=(const http_load&) = delete;

  /// Closed loop: each connection asks again as soon as it has its answer,
  /// until the time is over or there is no more to ask.
  load_outcome run(std::chrono::milliseconds time, const next_request& next,
                   const check_answer& check);

  /// Sends one request on each connection and returns when all are written.
  void send_all(const next_request& next);

  /// Waits until all that was sent is answered; half a minute without any
  /// answer ends it.
  load_outcome collect(const check_answer& check);

private:
  struct connection;

  load_outcome answer_all(std::chrono::milliseconds time,
                          const next_request& next, const check_answer& check);
  void connect(std::size_t index);
  void send(connection& to, const std::string& request);
  /// -1: closed, 0: not yet, 1: an answer is there.
  int receive(connection& from, int& status, std::string& body);

  std::uint16_t port_;
  int epoll_ = -1;
  std::vector<connection> connections_;
};

} // namespace perdura::benchmarks
