// SPDX-License-Identifier: Apache-2.0
/// A process of a simulated cluster: a router, requests of clients, network
/// connections, and crash, restart and pause. A process without partitions is
/// a client process; simulated_node adds partitions.
#pragma once

#include "cluster/placement/known_peer.hpp"
#include "tests/support/simulated_network.hpp"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace perdura::tests {

using actors::inbound;
using actors::management_answer;
using actors::management_request;
using actors::reply_to;
using cluster::packet;
using cluster::router_config;
using cluster::steady_time;
using persistence::error;
using persistence::instance_id;
using persistence::partition_id;
using persistence::result;

/// Receives the responses to the requests and queries of simulated clients.
class response_sink {
public:
  virtual ~response_sink() = default;
  virtual void answered(std::uint64_t ticket, management_answer answer) = 0;
  virtual void query_answered(std::uint64_t ticket,
                              result<cluster::node_query_answer> answer)
    = 0;
  /// The process has crashed; its open requests and queries are not answered.
  virtual void process_crashed(unsigned number) = 0;
};

class simulated_process : public network_endpoint, public cluster::router_host {
public:
  /// `number` is the index of the node in the placement. A greater number
  /// makes the process a client.
  simulated_process(unsigned number, cluster::placement owners,
                    simulator& simulation, simulated_network& network,
                    response_sink& responses);
  ~simulated_process() override;

  // --- Start, crash and pause -----------------------------------------------

  virtual void start();

  /// Ends the process at once: everything except durable storage is lost.
  virtual void crash();

  /// Postpones all events of the process until resume(), like SIGSTOP.
  void pause();
  void resume();

  /// Called after each crash.
  std::function<void()> on_crash;

  bool is_running() const override {
    return running_;
  }

  bool is_paused() const {
    return paused_;
  }

  unsigned start_count() const override {
    return start_count_;
  }

  bool is_client() const override {
    return number_ >= owners_.nodes.size();
  }

  const std::string& name() const {
    return name_;
  }

  const cluster::node_router& router() const {
    return *router_;
  }

  /// Time limit of a request to another node.
  steady_time request_time_max = std::chrono::seconds(30);

  /// A refusal of the data directory, by this node or another one, is recorded
  /// in `stopped` and is no violation.
  bool expects_refusal = false;
  std::optional<error> stopped; ///< The newest demand to stop.

  // --- Requests of clients --------------------------------------------------

  /// Sends a management request through this process. `ticket` identifies the
  /// response.

  void submit(std::uint64_t ticket, management_request request,
              cluster::send_or_cancel_ptr token = nullptr);
  /// Cancels an open wait request.
  void cancel(std::uint64_t ticket, const instance_id& id);
  /// Sends a query to the node with this number.
  void ask(unsigned node, cluster::node_query asked, std::uint64_t ticket);

  // --- Network --------------------------------------------------------------

  void path_opened(cluster::path_id path, unsigned to) override;
  void path_closed(cluster::path_id path) override;
  void receive_packet(cluster::path_id from, std::string bytes) override;

protected:
  virtual cluster::router_config router_config();

  /// Whether the current event has crashed the process.
  virtual bool has_crashed() const {
    return false;
  }

  void report_violation(const std::string& sentence);

  /// Schedules an event. The event is dropped if the process crashes before the
  /// event is due, and is postponed while the process is paused.
  void post(steady_time delay, std::function<void()> what);
  /// Runs an action on the simulated thread of the router after a short random
  /// delay.
  void to_router(std::function<void()> what);
  void schedule_router_wake();

  void deliver(partition_id to, inbound message) override;
  void answer(reply_to to, management_answer answer) override;
  void send(cluster::path_id to, std::string packet) override;
  void peer_returned(const std::vector<partition_id>& its) override;
  void run_local_query(std::uint64_t ticket,
                       cluster::node_query asked) override;
  void peer_query_completed(std::uint64_t ticket,
                            result<cluster::node_query_answer> answer) override;
  void must_stop(const error& why) override;
  void peer_connected(const cluster::peer_hello& hello) override;
  void log(persistence::log_level level, const std::string& text) override;

  /// The data directory of the node, for its hello.
  std::string directory_;
  persistence::timestamp adopted_at_{};

  const unsigned number_;
  const cluster::placement owners_;
  const std::string name_; ///< Empty for a client.
  simulator& simulator_;
  simulated_network& network_;
  response_sink& responses_;
  std::unique_ptr<cluster::node_router> router_;
  bool running_ = false;
  unsigned start_count_ = 0;

private:
  void run(const std::function<void()>& what);
  void run_router();

  /// The node's records of other nodes; they survive a crash.
  std::map<cluster::node_id, cluster::known_peer> known_;
  bool paused_ = false;
  /// Events that were due during a pause.
  std::vector<std::function<void()>> postponed_;
  std::deque<std::function<void()>> router_inputs_;
  bool router_scheduled_ = false;
  std::optional<steady_time> ticks_at_;
};

} // namespace perdura::tests
