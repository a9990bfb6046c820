// SPDX-License-Identifier: Apache-2.0
#include "client/http/http_server.hpp"

#include "client/http/http_connection.hpp"
#include "persistence/process/logging.hpp"
#include "persistence/process/process_end.hpp"
#include "persistence/process/thread_role.hpp"
#include "persistence/process/thread_start.hpp"
#include "persistence/records/clock.hpp"
#include <perdura/persistence/records/time_arithmetic.hpp>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <sys/resource.h>

#include <algorithm>
#include <ctime>
#include <system_error>
#include <thread>

namespace perdura::client {

using boost::system::error_code;
using persistence::errc;
using persistence::error;
using persistence::result;
using std::chrono::steady_clock;

namespace {

// The time between two checks of the deadlines. The time limits are usually
// several seconds.
constexpr auto tick_interval = std::chrono::milliseconds(250);

/// Raises the soft limit of file descriptors, usually 1,024, up to the hard
/// limit: each connection uses one.
void raise_descriptor_limit(std::size_t wanted) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return;
  const rlim_t target = std::min<rlim_t>(wanted, limit.rlim_max);
  if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= target)
    return;
  limit.rlim_cur = target;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

} // namespace

// --- The worker -------------------------------------------------------------

// The member `context` has the concurrency hint 1: only one thread runs it, so
// Asio needs no locks in it.
http_worker::http_worker(http_server_state& state)
  : server(state), dispatcher(std::make_shared<worker_dispatcher>(context)) {}

void http_worker::add_connection(net_socket socket) {
  // The destructor of `socket` closes the socket.
  if (stopping)
    return;
  const std::size_t most = share_of(server.config.connections_max);
  if (connections_.size() >= most)
    close_oldest_idle();
  // Among the connections without a request, the newest are kept: a caller
  // sends its request soon after it has connected.
  if (is_above_limit(waiting_kind::header))
    close_oldest(waiting_kind::header);
  // If no connection was idle, the new one is refused: a connection with a
  // request in progress is not closed for a new one. The refusal is written
  // without waiting; the socket buffer of a new connection has space for it.
  if (connections_.size() >= most) {
    constexpr std::string_view busy
      = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
        "Content-Length: 0\r\nConnection: close\r\n\r\n";
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(net::buffer(busy.data(), busy.size()), ignored);
    return;
  }
  auto connection = std::make_shared<http_connection>(*this, std::move(socket));
  connections_.insert(connection);
  server.connections_open.fetch_add(1);
  connection->start();
  // The first connection starts the timer.
  if (!ticking_)
    tick();
}

void http_worker::remove_connection(
  const std::shared_ptr<http_connection>& connection) {
  if (connections_.erase(connection) == 0)
    return;
  // Without the lock, `http_server::stop` could miss the notification.
  const std::lock_guard lock(server.mutex);
  server.connections_open.fetch_sub(1);
  server.connection_closed.notify_all();
}

void http_worker::close_oldest_idle() {
  // All idle connections have the same time limit, so the one with the earliest
  // deadline has been idle for the longest time. Called at the limit only, so a
  // search through all connections is acceptable.
  std::shared_ptr<http_connection> oldest;
  for (const auto& each : connections_)
    if (each->is_idle()
        && (oldest == nullptr || each->deadline() < oldest->deadline()))
      oldest = each;
  if (oldest)
    oldest->close();
}

std::size_t http_worker::share_of(std::size_t limit) const {
  return std::max<std::size_t>(
    limit / std::max<std::size_t>(server.config.threads, 1), 1);
}

void http_worker::change_waiting(waiting_kind from, waiting_kind to) {
  // Idle connections and those at work are not counted.
  if (from != waiting_kind::nothing)
    --waiting_[static_cast<std::size_t>(from)];
  if (to != waiting_kind::nothing)
    ++waiting_[static_cast<std::size_t>(to)];
}

bool http_worker::is_above_limit(waiting_kind what) const {
  const http_server_config& config = server.config;
  const std::size_t most
    = what == waiting_kind::header ? config.headers_pending_max
      : what == waiting_kind::body ? config.bodies_pending_max
                                   : config.answers_pending_max;
  return waiting_[static_cast<std::size_t>(what)] >= share_of(most);
}

void http_worker::close_oldest(waiting_kind what) {
  std::shared_ptr<http_connection> oldest;
  for (const auto& each : connections_)
    if (each->waits_for() == what
        && (oldest == nullptr || each->since() < oldest->since()))
      oldest = each;
  if (oldest)
    oldest->close();
}

/// Closes connections whose callers do not read their answers, if there are too
/// many. Most answers are read at once, so only one that has waited for a
/// second counts.
void http_worker::close_slow_readers(steady_time now) {
  constexpr auto slow_after = std::chrono::seconds(1);
  const std::size_t most = share_of(server.config.answers_pending_max);
  if (waiting_[static_cast<std::size_t>(waiting_kind::reading)] <= most)
    return;
  std::vector<std::shared_ptr<http_connection>> slow;
  for (const auto& each : connections_)
    if (each->waits_for() == waiting_kind::reading
        && now - each->since() >= slow_after)
      slow.push_back(each);
  if (slow.size() <= most)
    return;
  std::sort(slow.begin(), slow.end(), [](const auto& a, const auto& b) {
    return a->since() < b->since();
  });
  slow.resize(slow.size() - most);
  for (const auto& each : slow)
    each->close();
}

void http_worker::tick() {
  // Without connections there are no deadlines. `add_connection` starts the
  // timer again.
  ticking_ = !connections_.empty();
  if (!ticking_)
    return;
  timer_.expires_after(tick_interval);
  timer_.async_wait([this](const error_code& failure) {
    if (failure)
      return;
    // A copy, because a connection that closes removes itself from the set.
    const auto now = steady_clock::now();
    const std::vector<std::shared_ptr<http_connection>> all(
      connections_.begin(), connections_.end());
    for (const auto& each : all)
      each->check_deadline(now);
    close_slow_readers(now);
    tick();
  });
}

void http_worker::drain() {
  // From now on each connection closes after its response, and `add_connection`
  // accepts no new connection.
  stopping = true;
  const std::vector<std::shared_ptr<http_connection>> all(connections_.begin(),
                                                          connections_.end());
  for (const auto& each : all)
    each->drain();
}

void http_worker::close_all() {
  // The dispatcher is closed first, so that no response of another thread
  // arrives after the connections have been closed.
  dispatcher->close();
  const std::vector<std::shared_ptr<http_connection>> all(connections_.begin(),
                                                          connections_.end());
  for (const auto& each : all)
    each->close();
  timer_.cancel();
}

const std::string& http_worker::date() {
  const auto second = std::chrono::floor<std::chrono::seconds>(
                        persistence::system_clock().now())
                        .time_since_epoch()
                        .count();
  // Many responses are sent in one second, so the date is formatted once for
  // all of them.
  if (second == date_second_)
    return date_;
  date_second_ = second;
  const auto time = static_cast<std::time_t>(second);
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  char text[40];
  const std::size_t size
    = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  date_.assign(text, size);
  return date_;
}

// --- The server -------------------------------------------------------------

/// The server behind `http_server`. The acceptor runs on the thread of the
/// first worker.
class http_server::impl {
public:
  using acceptor_type
    = net::basic_socket_acceptor<net::ip::tcp, net::io_context::executor_type>;

  /// Makes the workers. Their threads start in `serve`.
  explicit impl(http_server_config config) {
    config.threads = std::max<std::size_t>(config.threads, 1);
    state.config = std::move(config);
    for (std::size_t i = 0; i < state.config.threads; ++i)
      workers.push_back(std::make_unique<http_worker>(state));
    acceptor.emplace(workers.front()->context);
    accept_pause.emplace(workers.front()->context);
  }

  /// Binds the port. Connections queue in the kernel until `serve`.
  result<void> listen() {
    const http_server_config& config = state.config;
    const std::string shown
      = config.address + ":" + std::to_string(config.port);
    error_code failure;
    const auto address = net::ip::make_address(
      config.address == "localhost" ? "127.0.0.1" : config.address, failure);
    if (failure)
      return error{errc::invalid_argument,
                   "\"" + config.address + "\" is not an IP address."};
    const net::ip::tcp::endpoint endpoint(address, config.port);
    acceptor->open(endpoint.protocol(), failure);
    if (!failure)
      // A restarted server can bind its port at once, although closed
      // connections remain in TIME_WAIT.
      acceptor->set_option(net::socket_base::reuse_address(true), failure);
    if (!failure)
      acceptor->bind(endpoint, failure);
    if (!failure)
      acceptor->listen(4096, failure);
    if (failure == net::error::address_in_use)
      return error{errc::unavailable, "Port " + std::to_string(config.port)
                                        + " on " + config.address
                                        + " is in use by another process."};
    if (failure)
      return error{errc::invalid_argument, "Cannot listen on " + shown + ": "
                                             + failure.message() + "."};
    // If the configured port is 0, the system has chosen one.
    port = acceptor->local_endpoint(failure).port();
    return {};
  }

  /// Starts one thread for each worker, and begins to accept.
  void serve() {
    // The storage, the cluster connections and the logs need descriptors too;
    // 1,024 are reserved for them.
    raise_descriptor_limit(state.config.connections_max + 1024);
    for (auto& worker : workers) {
      // Without a guard `run` would return when no connection is open.
      guards.emplace_back(worker->context.get_executor());
      try {
        threads.emplace_back([&context = worker->context] {
          persistence::enter_thread_role("http");
          persistence::run_thread_body("a thread of the HTTP API",
                                       [&context] { context.run(); });
        });
      } catch (const std::system_error&) {
        // A worker without a thread must get no connections.
        guards.pop_back();
        if (threads.empty())
          throw;
        persistence::note_refused_thread("the HTTP server");
        break;
      }
    }
    serving = threads.size();
    net::post(workers.front()->context, [this] { accept(); });
  }

  /// Accepts one connection and calls itself again. Runs on the thread of the
  /// first worker. Sockets are assigned to the workers in turn.
  void accept() {
    if (!acceptor->is_open())
      return;
    http_worker& next = *workers[next_worker++ % serving];
    acceptor->async_accept(next.context, [this,
                                          &next](const error_code& failure,
                                                 net_socket socket) {
      // `stop` has closed the acceptor.
      if (failure == net::error::operation_aborted || !acceptor->is_open())
        return;
      if (failure) {
        // Most likely there is no free descriptor. Wait for other
        // connections to close.
        accept_pause->expires_after(std::chrono::milliseconds(100));
        accept_pause->async_wait([this](const error_code&) { accept(); });
        return;
      }
      // A worker's connections are used on its own thread only.
      net::post(next.context, [&next, accepted = std::move(socket)]() mutable {
        next.add_connection(std::move(accepted));
      });
      accept();
    });
  }

  /// Stops in the steps below. Blocks until all threads have ended.
  void stop() {
    if (std::exchange(stopped, true))
      return;
    // `serve` was not called: there are no threads to end.
    if (threads.empty())
      return;
    // 1. The acceptor closes. 2. Idle connections close, and parked requests
    // get a response. 3. This thread waits up to `stop_patience` for requests
    // in progress. 4. All connections close, and the threads end because
    // nothing is left to run.
    net::post(workers.front()->context, [this] {
      error_code ignored;
      acceptor->close(ignored);
      accept_pause->cancel();
    });
    for (auto& worker : workers)
      net::post(worker->context, [&worker] { worker->drain(); });
    {
      // `http_worker::remove_connection` notifies the condition variable each
      // time a connection is removed.
      std::unique_lock lock(state.mutex);
      state.connection_closed.wait_for(
        lock, persistence::bounded_wait(state.config.stop_patience),
        [this] { return state.connections_open.load() == 0; });
    }
    for (auto& worker : workers)
      net::post(worker->context, [&worker] { worker->close_all(); });
    // `run` returns when `close_all` has been executed and no work is left.
    guards.clear();
    for (std::thread& thread : threads)
      thread.join();
    threads.clear();
  }

  http_server_state state;
  std::vector<std::unique_ptr<http_worker>> workers;
  std::optional<acceptor_type> acceptor;
  std::optional<net::steady_timer> accept_pause;
  /// Each guard keeps the thread of one worker running while the worker has no
  /// connection.
  std::vector<net::executor_work_guard<net::io_context::executor_type>> guards;
  std::vector<std::thread> threads;
  std::size_t serving = 0;     ///< Workers with a thread; the first ones.
  std::size_t next_worker = 0; ///< Counts connections, for round-robin.
  std::uint16_t port = 0;
  bool stopped = false;
};

http_server::http_server() = default;

http_server::~http_server() {
  stop();
}

result<std::unique_ptr<http_server>>
http_server::listen(http_server_config config) {
  std::unique_ptr<http_server> server(new http_server);
  server->impl_ = std::make_unique<impl>(std::move(config));
  auto listening = server->impl_->listen();
  if (!listening)
    return listening.error();
  return server;
}

void http_server::serve(http_handler handler, std::function<void(int)> refused,
                        http_admission admit) {
  impl_->state.admit = std::move(admit);
  impl_->state.handler = std::move(handler);
  impl_->state.refused = std::move(refused);
  impl_->serve();
}

void http_server::stop() {
  impl_->stop();
}

std::uint16_t http_server::port() const {
  return impl_->port;
}

std::size_t http_server::buffered_bytes() const {
  return impl_->state.buffered.used();
}

std::size_t http_server::connections() const {
  return impl_->state.connections_open.load();
}

} // namespace perdura::client
