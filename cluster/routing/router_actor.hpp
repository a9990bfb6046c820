/// The shell around the router: mailbox → decisions, effects → partitions,
/// doors and the transport.
#pragma once

#include "actors/interface/messages.hpp"
#include "cluster/routing/node_router.hpp"

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace perdura::cluster {

class transport;

/// Tells the router where its partitions are, and which doors there are.
struct partitions_ready {
  /// By partition_id; those of other nodes are empty.
  std::vector<actors::partition_actor> partitions;
};

struct door_opened {
  std::uint64_t door = 0;
  actors::gateway_actor gateway;
};

/// The partitions are let go, so that they can end.
struct partitions_gone {};

/// From here on packets go there; null: nowhere.
struct transport_ready {
  std::shared_ptr<transport> way;
};

struct path_note {
  path_id path = 0;
  node_id dialled; ///< Empty: the path has closed.
};

struct packet_note {
  path_id from = 0;
  std::string bytes;
};

/// A request that waits for its owner, if that is away.
struct patient_request {
  actors::management_inbound request;
  claim_ptr claim;
};

struct peer_question {
  node_id node;
  question asked;
  std::shared_ptr<std::function<void(persistence::result<question_answer>)>>
    answer;
};

/// Of a question that a peer has asked.
struct lookup_note {
  std::uint64_t ticket = 0;
  std::shared_ptr<persistence::result<question_answer>> answer;
};

struct peers_request {
  std::shared_ptr<std::function<void(std::vector<peer_report>)>> answer;
};

struct router_tick {};

} // namespace perdura::cluster

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::partitions_ready)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::door_opened)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::partitions_gone)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::transport_ready)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::path_note)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::packet_note)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::patient_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::peer_question)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::lookup_note)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::peers_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::router_tick)

namespace perdura::cluster {

/// What its process may say to the router besides what everybody may.
using router_control_actor = actors::router_actor::extend<
  // The parts around it come and go.
  caf::reacts_to<partitions_ready>, caf::reacts_to<door_opened>,
  caf::reacts_to<partitions_gone>, caf::reacts_to<transport_ready>,
  // From the transport.
  caf::reacts_to<path_note>, caf::reacts_to<packet_note>,
  // From the gateway.
  caf::reacts_to<patient_request>, caf::reacts_to<peer_question>,
  caf::reacts_to<peers_request>,
  // A peer's question has been looked up.
  caf::reacts_to<lookup_note>,
  // To itself: the batch ends here; something is due.
  caf::reacts_to<actors::flush_batch>, caf::reacts_to<router_tick>>;

/// What the router needs of its process. Called on the router's thread.
struct router_surroundings {
  /// Answers a peer's question with a lookup_note; must not block.
  std::function<void(const router_control_actor& to, std::uint64_t ticket,
                     question asked)>
    look_up;
  std::function<void(const persistence::error&)> must_stop;
  std::function<void(const peer_hello&)> met;
  std::function<void(const node_id&)> lost;
};

class router_actor_state : public router_host {
public:
  static inline const char* name = "router";

  void begin(router_control_actor::pointer self, router_config config,
             router_surroundings around);

  void on_request(actors::management_inbound& x, claim_ptr claim);
  void on_reply(actors::management_reply& x);
  void on_message(actors::partition_outward& x);
  void on_acknowledgement(const actors::acknowledgement_outward& x);
  void on_partitions(partitions_ready& x);
  void on_partitions_gone();
  void on_transport(transport_ready& x);
  void on_path(const path_note& x);
  void on_packet(const packet_note& x);
  void on_question(peer_question& x);
  void on_lookup(const lookup_note& x);
  void on_peers(const peers_request& x) const;
  void on_tick();
  void on_flush();

  // router_host
  void deliver(persistence::partition_id to, actors::inbound message) override;
  void answer(actors::reply_to to, actors::management_answer answer) override;
  void send(path_id to, std::string packet) override;
  void
  peer_returned(const std::vector<persistence::partition_id>& its) override;
  void look_up(std::uint64_t ticket, question asked) override;
  void answered(std::uint64_t ticket,
                persistence::result<question_answer> answer) override;
  void must_stop(const persistence::error& why) override;
  void met(const peer_hello& hello) override;
  void lost(const node_id& node) override;
  void log(int level, const std::string& text) override;

  std::unordered_map<std::uint64_t, actors::gateway_actor> doors;

private:
  moment now() const;
  void gather();
  void arm();

  router_control_actor::pointer self_ = nullptr;
  router_surroundings around_;
  std::unique_ptr<node_router> router_;
  std::vector<actors::partition_actor> partitions_;
  std::shared_ptr<transport> transport_;
  std::uint64_t last_ticket_ = 0;
  std::unordered_map<std::uint64_t, peer_question> questions_;
  bool flush_posted_ = false;
  bool ticking_ = false;
};

router_control_actor::behavior_type
router_behavior(router_control_actor::stateful_pointer<router_actor_state> self,
                router_config config, router_surroundings around);

} // namespace perdura::cluster
