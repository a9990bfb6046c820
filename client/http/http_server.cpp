#include "client/http/http_server.hpp"

#include "client/http/http_connection.hpp"
#include "persistence/process/logging.hpp"
#include "persistence/process/thread_role.hpp"
#include "persistence/records/clock.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <sys/resource.h>

#include <algorithm>
#include <ctime>
#include <thread>

namespace perdura::client {

using boost::system::error_code;
using persistence::errc;
using persistence::error;
using persistence::result;
using std::chrono::steady_clock;

namespace {

// How often deadlines are looked at: seconds are at stake.
constexpr auto tick_interval = std::chrono::milliseconds(250);

/// A connection is a descriptor; the usual soft limit is 1,024.
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

http_worker::http_worker(http_server_state& state)
  : server(state), gate(std::make_shared<worker_gate>(context)) {}

void http_worker::adopt(net_socket socket) {
  if (stopping)
    return;
  const std::size_t most
    = std::max<std::size_t>(server.config.connections_max
                              / std::max<std::size_t>(server.config.threads, 1),
                            1);
  if (connections_.size() >= most)
    close_oldest_idle();
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
  if (!ticking_)
    tick();
}

void http_worker::forget(const std::shared_ptr<http_connection>& connection) {
  if (connections_.erase(connection) == 0)
    return;
  const std::lock_guard lock(server.mutex);
  server.connections_open.fetch_sub(1);
  server.connection_closed.notify_all();
}

void http_worker::close_oldest_idle() {
  std::shared_ptr<http_connection> oldest;
  for (const auto& each : connections_)
    if (each->is_idle()
        && (oldest == nullptr || each->deadline() < oldest->deadline()))
      oldest = each;
  if (oldest)
    oldest->close();
}

void http_worker::tick() {
  // Without connections there is nothing to look at.
  ticking_ = !connections_.empty();
  if (!ticking_)
    return;
  timer_.expires_after(tick_interval);
  timer_.async_wait([this](const error_code& failure) {
    if (failure)
      return;
    const auto now = steady_clock::now();
    const std::vector<std::shared_ptr<http_connection>> all(
      connections_.begin(), connections_.end());
    for (const auto& each : all)
      each->check_deadline(now);
    tick();
  });
}

void http_worker::drain() {
  stopping = true;
  const std::vector<std::shared_ptr<http_connection>> all(connections_.begin(),
                                                          connections_.end());
  for (const auto& each : all)
    each->drain();
}

void http_worker::close_all() {
  gate->shut();
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

class http_server::impl {
public:
  using acceptor_type
    = net::basic_socket_acceptor<net::ip::tcp, net::io_context::executor_type>;

  explicit impl(http_server_config config) {
    config.threads = std::max<std::size_t>(config.threads, 1);
    state.config = std::move(config);
    for (std::size_t i = 0; i < state.config.threads; ++i)
      workers.push_back(std::make_unique<http_worker>(state));
    acceptor.emplace(workers.front()->context);
    accept_pause.emplace(workers.front()->context);
  }

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
    port = acceptor->local_endpoint(failure).port();
    return {};
  }

  void serve() {
    raise_descriptor_limit(state.config.connections_max + 1024);
    for (auto& worker : workers) {
      guards.emplace_back(worker->context.get_executor());
      threads.emplace_back([&context = worker->context] {
        persistence::enter_thread_role("http");
        context.run();
      });
    }
    net::post(workers.front()->context, [this] { accept(); });
  }

  void accept() {
    if (!acceptor->is_open())
      return;
    http_worker& next = *workers[turn++ % workers.size()];
    acceptor->async_accept(
      next.context,
      [this, &next](const error_code& failure, net_socket socket) {
        if (failure == net::error::operation_aborted || !acceptor->is_open())
          return;
        if (failure) {
          // Out of descriptors, most likely: others have to be closed first.
          accept_pause->expires_after(std::chrono::milliseconds(100));
          accept_pause->async_wait([this](const error_code&) { accept(); });
          return;
        }
        net::post(next.context, [&next, taken = std::move(socket)]() mutable {
          next.adopt(std::move(taken));
        });
        accept();
      });
  }

  void stop() {
    if (std::exchange(stopped, true))
      return;
    if (threads.empty())
      return;
    net::post(workers.front()->context, [this] {
      error_code ignored;
      acceptor->close(ignored);
      accept_pause->cancel();
    });
    for (auto& worker : workers)
      net::post(worker->context, [&worker] { worker->drain(); });
    {
      std::unique_lock lock(state.mutex);
      state.connection_closed.wait_for(
        lock, state.config.stop_patience,
        [this] { return state.connections_open.load() == 0; });
    }
    for (auto& worker : workers)
      net::post(worker->context, [&worker] { worker->close_all(); });
    guards.clear();
    for (std::thread& thread : threads)
      thread.join();
    threads.clear();
  }

  http_server_state state;
  std::vector<std::unique_ptr<http_worker>> workers;
  std::optional<acceptor_type> acceptor;
  std::optional<net::steady_timer> accept_pause;
  std::vector<net::executor_work_guard<net::io_context::executor_type>> guards;
  std::vector<std::thread> threads;
  std::size_t turn = 0;
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

void http_server::serve(http_handler handler,
                        std::function<void(int)> refused) {
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

std::size_t http_server::connections() const {
  return impl_->state.connections_open.load();
}

} // namespace perdura::client
