/// The router's decisions: where a request goes, what becomes of it when the
/// owner goes and comes back, what other nodes and clients ask of this one.
/// The same on a node, in a client that is no node, and in the simulator.
///
///   door ──request──▶ ┌────────┐ ──▶ own partitions ──reply──▶ router ──▶ door
///                     │ router │
///                     └────────┘ ◀── peer_link ──▶ the owner's router
#pragma once

#include "actors/partition/partition_processor.hpp"
#include "cluster/routing/request_claim.hpp"
#include "cluster/transport/envelope.hpp"
#include "cluster/transport/peer_link.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace perdura::cluster {

/// A way to another process, as the transport numbers it; never used twice.
using path_id = std::uint64_t;

/// Requests of other nodes come through this door.
inline constexpr std::uint64_t peers_door = ~std::uint64_t{0};

struct router_config {
  /// Who this is; a client's `node` is empty, and it learns the rest.
  peer_hello self;
  bool is_client = false;
  /// All nodes of the list but this one.
  std::vector<node_id> peers;
  persistence::partition_id (*partition_of)(const persistence::instance_id&,
                                            std::uint32_t)
    = nullptr;
  /// A directory that no other node has met yet: it may stand in for one that
  /// held data. It serves when a first session with another node is up.
  bool must_be_admitted = false;
  link_times times;
  moment request_time_max = std::chrono::seconds(30);
  /// For sessions; never 0.
  std::function<std::uint64_t()> random;
  /// Whether a node with a fitting hello may come: is it the one it was?
  std::function<persistence::result<void>(const peer_hello&)> admit;
};

/// What the router asks of the world. Called from within its functions.
class router_host {
public:
  virtual ~router_host() = default;
  /// To a partition of this node.
  virtual void deliver(persistence::partition_id to, actors::inbound message)
    = 0;
  /// To a door of this node.
  virtual void answer(actors::reply_to to, actors::management_answer answer)
    = 0;
  /// Lossy.
  virtual void send(path_id to, std::string packet) = 0;
  /// A node is there (again): messages to its partitions may have been lost.
  virtual void peer_returned(const std::vector<persistence::partition_id>& its)
    = 0;
  /// A peer's question; answered by `looked_up` with the same ticket.
  virtual void look_up(std::uint64_t ticket, question asked) = 0;
  /// The answer to `ask`.
  virtual void answered(std::uint64_t ticket,
                        persistence::result<question_answer> answer)
    = 0;
  /// The others say that this node's data is not what it was.
  virtual void must_stop(const persistence::error& why) = 0;
  /// A session with a node has begun; for those who want its hello.
  virtual void met(const peer_hello& hello) = 0;

  /// Its session has ended.
  virtual void lost(const node_id&) {}

  virtual void log(int level, const std::string& text) = 0;
};

class node_router {
public:
  node_router(router_config config, router_host& host);
  ~node_router();

  node_router(const node_router&) = delete;
  node_router& operator=(const node_router&) = delete;

  // --- From this process ----------------------------------------------------

  /// Requests for own partitions are refused until and after. Messages from
  /// partitions are kept until: they are not sent again in this session.
  void serve(bool serves);

  /// This process stops: sessions end, what waits for another node's answer
  /// is told.
  void close(moment now);

  /// Null claim: answered *unavailable* at once if the owner is away.
  void take_request(actors::management_inbound request, claim_ptr claim,
                    moment now);
  void take_reply(actors::reply_to to, actors::management_answer answer);
  void take_message(actors::partition_message message,
                    persistence::partition_id to);
  void take_acknowledgement(actors::partition_acknowledgement note,
                            persistence::partition_id to);
  void ask(const node_id& node, question asked, std::uint64_t ticket,
           moment now);
  void looked_up(std::uint64_t ticket,
                 persistence::result<question_answer> answer);

  // --- From the transport ---------------------------------------------------

  /// A way to a listed node that this side has opened.
  void path_opened(path_id path, const node_id& node, moment now);
  void path_closed(path_id path, moment now);
  void take_packet(path_id from, std::string_view bytes, moment now);

  // --- Time -----------------------------------------------------------------

  void tick(moment now);
  moment wake_at() const;

  /// Gives what has gathered to the transport. After each batch.
  void flush(moment now);

  bool has_output() const {
    return !marked_.empty();
  }

  // --- What is known --------------------------------------------------------

  bool is_up(const node_id& node) const;
  /// As of `now`; `wall` is the same moment on the wall clock.
  std::vector<peer_report> peers(moment now, persistence::timestamp wall) const;

  bool knows_placement() const {
    return !config_.self.owners.owners.empty();
  }

  const placement& owners() const {
    return config_.self.owners;
  }

  /// Requests of this process that are not answered.
  std::size_t pending() const {
    return pending_.size();
  }

  /// Requests of others that this node's partitions have not answered.
  std::size_t incoming() const {
    return incoming_.size();
  }

private:
  struct peer;
  using peer_ptr = std::shared_ptr<peer>;

  /// A request of this process with its owner, or on its way there.
  struct outgoing {
    actors::reply_to from;
    actors::management_request request; ///< While it may be sent again.
    std::optional<persistence::partition_id> partition; ///< Once it is known.
    moment since{};
    bool sent = false;
    bool changes = false; ///< More than a read.
    bool is_kept = false; ///< A wait, or patient: it outlives a session.
    claim_ptr claim;
  };

  struct incoming_request {
    std::weak_ptr<peer> from;
    std::uint64_t number = 0;
    persistence::instance_id id;
    bool is_wait = false;
  };

  struct outgoing_question {
    std::uint64_t ticket = 0;
    node_id node;
    moment since{};
  };

  struct incoming_question {
    std::weak_ptr<peer> from;
    std::uint64_t session = 0;
    std::uint64_t number = 0;
  };

  using door_number = std::pair<std::uint64_t, std::uint64_t>;

  void find_owners();
  bool owns(persistence::partition_id partition) const;
  peer* owner_of(persistence::partition_id partition) const;
  persistence::partition_id place(const persistence::instance_id& id) const;
  peer* owner_of(outgoing& request) const;
  void deliver_own(actors::management_inbound request,
                   persistence::partition_id to);
  void refuse(actors::reply_to to, const persistence::instance_id& id,
              persistence::errc code, std::string message);
  void refuse_away(actors::reply_to to, const persistence::instance_id& id,
                   persistence::partition_id partition);
  void forward(std::uint64_t number, outgoing& request, peer& to);
  void let_in();
  void deliver_message(actors::inbound message, persistence::partition_id to);
  void cancel(const actors::management_inbound& request);
  void forget(std::map<std::uint64_t, outgoing>::iterator it);
  void forward_waiting(const peer& to);
  void fail_overdue(moment now);
  void send(peer& to, const envelope& what);
  void mark(peer& has_output);

  // node_router_peers.cpp
  void take_hello(path_id from, const packet& what, moment now);
  void take_refusal(path_id from, const packet& what, moment now);
  peer_ptr arrive(path_id from, const peer_hello& hello, moment now);
  void refuse_peer(path_id path, const packet& hello, peer* known,
                   const peer_refusal& why);
  peer_ptr peer_on(path_id path) const;
  void happened(const peer_ptr& at, peer_link::outcome outcome, moment now);
  void went_up(const peer_ptr& at, moment now);
  void went_down(const peer_ptr& at, const std::string& why, moment now);
  void fail_sent(peer& at);
  void take_envelope(const peer_ptr& from, envelope what, moment now);
  void take(const peer_ptr& from, remote_request& x, moment now);
  void take(const peer_ptr& from, remote_cancel& x, moment now);
  void take(const peer_ptr& from, remote_answer& x, moment now);
  void take(const peer_ptr& from, remote_message& x, moment now);
  void take(const peer_ptr& from, remote_acknowledgement& x, moment now);
  void take(const peer_ptr& from, remote_question& x, moment now);
  void take(const peer_ptr& from, remote_reply& x, moment now);

  router_config config_;
  router_host& host_;
  bool serves_ = false;
  bool has_served_ = false;
  bool closing_ = false;
  bool is_admitted_ = true;
  /// Patient requests for own partitions, until this node is let in.
  std::vector<std::pair<actors::management_inbound, claim_ptr>> not_yet_;
  /// What partitions have sent each other before this node serves.
  std::vector<std::pair<persistence::partition_id, actors::inbound>> early_;
  std::map<node_id, peer_ptr> nodes_;
  std::map<path_id, peer_ptr> clients_;
  std::unordered_map<path_id, std::weak_ptr<peer>> paths_;
  std::vector<peer*> owners_; ///< By partition; null: own, or not known.
  std::vector<bool> own_;     ///< By partition.
  std::vector<peer*> marked_; ///< They may have something to send.
  std::set<std::string> refusals_logged_;
  std::optional<moment> forward_again_at_;
  std::uint64_t last_number_ = 0;
  std::map<std::uint64_t, outgoing> pending_; ///< By number: oldest first.
  /// What is older is kept, and need not be looked at again.
  std::uint64_t overdue_from_ = 0;
  std::map<door_number, std::uint64_t> numbers_;
  std::unordered_map<std::uint64_t, incoming_request> incoming_;
  std::map<std::uint64_t, outgoing_question> asked_;
  std::unordered_map<std::uint64_t, incoming_question> looking_up_;
};

} // namespace perdura::cluster
