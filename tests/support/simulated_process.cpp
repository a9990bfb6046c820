// SPDX-License-Identifier: Apache-2.0
#include "tests/support/simulated_process.hpp"

#include "cluster/placement/partition_map.hpp"

#include <algorithm>
#include <utility>

namespace perdura::tests {

using namespace actors;
using namespace persistence;

using namespace cluster;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t client_origin = 1;

} // namespace

simulated_process::simulated_process(unsigned number, placement owners,
                                     simulator& simulation,
                                     simulated_network& network,
                                     response_sink& responses)
  : number_(number),
    owners_(std::move(owners)),
    name_(number < owners_.nodes.size() ? owners_.nodes[number] : ""),
    simulator_(simulation),
    network_(network),
    responses_(responses) {
  directory_ = name_;
  network_.add(*this);
}

simulated_process::~simulated_process() = default;

cluster::router_config simulated_process::router_config() {
  cluster::router_config config;
  config.is_client = is_client();
  if (!config.is_client) {
    config.self.hub_id = "hub";
    config.self.partition_count
      = static_cast<std::uint32_t>(owners_.owners.size());
    config.self.owners = owners_;
    config.self.node = name_;
    config.self.directory = directory_;
    config.self.adopted_at = adopted_at_;
    config.self.start_number = start_count_;
    config.self.run = directory_ + "#" + std::to_string(start_count_);
    config.admission_wait = 2s;
    config.admit = [this](const peer_hello& hello) -> result<void> {
      const auto found = known_.find(hello.node);
      auto next = continue_peer(
        found == known_.end() ? nullptr : &found->second, hello);
      if (!next)
        return next.error();
      known_[hello.node] = std::move(*next);
      return {};
    };
  }
  for (const node_id& other : owners_.nodes)
    if (other != name_)
      config.peers.push_back(other);
  config.partition_of = partition_of;
  config.request_time_max = request_time_max;
  config.random = [this] { return simulator_.below(~std::uint64_t{0}) + 1; };
  return config;
}

void simulated_process::report_violation(const std::string& sentence) {
  simulator_.report_violation((is_client() ? "a client" : name_) + ": "
                              + sentence);
}

// --- Start, crash and pause --------------------------------------------------

void simulated_process::start() {
  ++start_count_;
  running_ = true;
  simulator_.trace("start", number_);
  router_ = std::make_unique<node_router>(router_config(), *this);
  network_.process_started(number_);
  schedule_router_wake();
}

void simulated_process::crash() {
  simulator_.trace("death", number_);
  running_ = false;
  paused_ = false;
  postponed_.clear();
  router_inputs_.clear();
  router_scheduled_ = false;
  ticks_at_.reset();
  router_.reset();
  network_.process_crashed(number_);
  responses_.process_crashed(number_);
  if (on_crash)
    on_crash();
}

void simulated_process::pause() {
  simulator_.trace("pause", number_);
  paused_ = true;
}

void simulated_process::resume() {
  if (!paused_)
    return;
  simulator_.trace("go on", number_);
  paused_ = false;
  for (auto& waiting : std::exchange(postponed_, {}))
    post(0us, std::move(waiting));
}

// If the process has restarted since the call, the start counts differ and the
// event is dropped.
void simulated_process::post(steady_time delay, std::function<void()> what) {
  simulator_.after(delay,
                   [this, start_count = start_count_, what = std::move(what)] {
                     if (!running_ || start_count_ != start_count)
                       return;
                     if (paused_)
                       postponed_.push_back(what);
                     else
                       run(what);
                   });
}

/// Runs an event; an injected crash within it ends the process.
void simulated_process::run(const std::function<void()>& what) {
  what();
  if (running_ && has_crashed())
    crash();
}

// --- The thread of the router ------------------------------------------------

// Inputs that arrive before the router runs are processed together.
void simulated_process::to_router(std::function<void()> what) {
  router_inputs_.push_back(std::move(what));
  if (router_scheduled_)
    return;
  router_scheduled_ = true;
  post(simulator_.between(5us, 120us), [this] { run_router(); });
}

void simulated_process::run_router() {
  router_scheduled_ = false;
  simulator_.trace("router", number_);
  for (const auto& one : std::exchange(router_inputs_, {}))
    one();
  router_->flush(simulator_.now());
  schedule_router_wake();
}

/// Schedules a tick of the router at the time that its wake_at() returns.
void simulated_process::schedule_router_wake() {
  const steady_time at = std::max(router_->wake_at(), simulator_.now() + 1us);
  if (at == steady_time::max() || (ticks_at_ && *ticks_at_ <= at))
    return;
  ticks_at_ = at;
  post(at - simulator_.now(), [this, at] {
    if (ticks_at_ != at)
      return; // replaced by a wake-up at an earlier time
    ticks_at_.reset();
    router_->tick(simulator_.now());
    router_->flush(simulator_.now());
    schedule_router_wake();
  });
}

// --- Requests of clients -----------------------------------------------------

void simulated_process::submit(std::uint64_t ticket, management_request request,
                               send_or_cancel_ptr token) {
  to_router(
    [this, ticket, request = std::move(request), token = std::move(token)] {
      router_->handle_request({{client_origin, ticket}, request}, token,
                              simulator_.now());
    });
}

void simulated_process::cancel(std::uint64_t ticket, const instance_id& id) {
  submit(ticket, cancel_wait{id});
}

void simulated_process::ask(unsigned node, node_query asked,
                            std::uint64_t ticket) {
  to_router([this, node, asked = std::move(asked), ticket] {
    router_->query_peer(owners_.nodes.at(node), asked, ticket,
                        simulator_.now());
  });
}

// --- Network -----------------------------------------------------------------

void simulated_process::path_opened(path_id path, unsigned to) {
  to_router([this, path, to] {
    router_->path_opened(path, owners_.nodes.at(to), simulator_.now());
  });
}

void simulated_process::path_closed(path_id path) {
  to_router([this, path] { router_->path_closed(path, simulator_.now()); });
}

void simulated_process::receive_packet(path_id from, std::string bytes) {
  to_router([this, from, bytes = std::move(bytes)] {
    router_->receive_packet(from, bytes, simulator_.now());
  });
}

// --- Callbacks of the router -------------------------------------------------

void simulated_process::deliver(partition_id, inbound) {
  report_violation(
    "it receives a message for a partition and owns no partition");
}

void simulated_process::peer_returned(const std::vector<partition_id>&) {
  report_violation("it is notified of a returned node and has nothing to send");
}

void simulated_process::run_local_query(std::uint64_t, node_query) {
  report_violation("it receives a query that only nodes answer");
}

void simulated_process::answer(reply_to to, management_answer answer) {
  if (to.gateway != client_origin)
    report_violation("an answer is addressed to an unknown recipient");
  responses_.answered(to.correlation, std::move(answer));
}

void simulated_process::send(path_id to, std::string packet) {
  network_.send(number_, to, std::move(packet));
}

void simulated_process::peer_query_completed(std::uint64_t ticket,
                                             result<node_query_answer> answer) {
  responses_.query_answered(ticket, std::move(answer));
}

void simulated_process::must_stop(const error& why) {
  if (expects_refusal) {
    stopped = why;
    return;
  }
  report_violation("its router demands a stop: " + why.message);
}

void simulated_process::peer_connected(const peer_hello&) {}

/// An error in the log is a violation, except for the refusal of the foreign
/// packets that the simulation injects.
void simulated_process::log(persistence::log_level level,
                            const std::string& text) {
  if (level == persistence::log_level::error && !expects_refusal
      && text.find("another hub") == std::string::npos)
    report_violation("it logs an error: " + text);
}

} // namespace perdura::tests
