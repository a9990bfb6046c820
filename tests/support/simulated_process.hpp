/// A process of a simulated cluster, as the wires and the doors see it: a
/// router on a thread of its own, a life that ends and begins again, a pause.
/// A node is one with partitions; without any it is a client's.
#pragma once

#include "tests/support/simulated_network.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace perdura::tests {

using namespace actors;

/// Who stands at the doors.
class door_keeper {
public:
  virtual ~door_keeper() = default;
  virtual void answered(std::uint64_t ticket, management_answer answer) = 0;
  virtual void question_answered(std::uint64_t ticket,
                                 result<cluster::question_answer> answer)
    = 0;
  /// What was asked there will not be answered.
  virtual void process_died(unsigned number) = 0;
};

class simulated_process : public wire_end, public cluster::router_host {
public:
  /// `number` is its place among the nodes of the placement; behind them are
  /// clients.
  simulated_process(unsigned number, cluster::placement owners,
                    simulated_world& world, simulated_network& network,
                    door_keeper& keeper);
  ~simulated_process() override;

  // --- Life and death -------------------------------------------------------

  virtual void start();
  virtual void die();
  void pause();
  void go_on();

  /// Called when it has died.
  std::function<void()> on_death;

  bool is_alive() const override {
    return alive_;
  }

  bool is_paused() const {
    return paused_;
  }

  unsigned life() const override {
    return life_;
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

  /// What is asked of other nodes fails after so long.
  moment request_time_max = std::chrono::seconds(30);

  // --- Its door -------------------------------------------------------------

  void submit(std::uint64_t ticket, management_request request,
              cluster::claim_ptr claim = nullptr);
  void cancel(std::uint64_t ticket, const instance_id& id);
  void ask(unsigned node, cluster::question asked, std::uint64_t ticket);

  // --- The wires ------------------------------------------------------------

  void path_opened(cluster::path_id path, unsigned to) override;
  void path_closed(cluster::path_id path) override;
  void take_packet(cluster::path_id from, std::string bytes) override;

protected:
  virtual cluster::router_config router_config();

  /// Whether it has died within an event.
  virtual bool has_crashed() const {
    return false;
  }

  void complain(const std::string& sentence);

  /// An event of this life; a paused process has it when it goes on.
  void post(moment delay, std::function<void()> what);
  void to_router(std::function<void()> what);
  void arm_router();

  void deliver(partition_id to, inbound message) override;
  void answer(reply_to to, management_answer answer) override;
  void send(cluster::path_id to, std::string packet) override;
  void peer_returned(const std::vector<partition_id>& its) override;
  void look_up(std::uint64_t ticket, cluster::question asked) override;
  void answered(std::uint64_t ticket,
                result<cluster::question_answer> answer) override;
  void must_stop(const error& why) override;
  void met(const cluster::peer_hello& hello) override;
  void log(int level, const std::string& text) override;

  const unsigned number_;
  const cluster::placement owners_;
  const std::string name_; ///< Of a client: empty.
  simulated_world& world_;
  simulated_network& network_;
  door_keeper& keeper_;
  std::unique_ptr<cluster::node_router> router_;
  bool alive_ = false;
  unsigned life_ = 0;

private:
  void run(const std::function<void()>& what);
  void run_router();

  bool paused_ = false;
  std::vector<std::function<void()>> stalled_; ///< While it is paused.
  std::deque<std::function<void()>> router_inputs_;
  bool router_runs_soon_ = false;
  std::optional<moment> ticks_at_;
};

} // namespace perdura::tests
