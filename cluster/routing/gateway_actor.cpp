#include "cluster/routing/gateway_actor.hpp"

#include "cluster/placement/partition_map.hpp"

#include <utility>

namespace perdura::cluster {

std::uint64_t pending_requests::add(actors::instance_id id, callback done,
                                    claim_ptr claim) {
  std::unique_lock lock(mutex_);
  const std::uint64_t number = next_++;
  if (!closed_) {
    entries_.emplace(number,
                     entry{std::move(id), std::move(done), std::move(claim)});
    return number;
  }
  actors::management_answer answer;
  answer.code = persistence::errc::shutting_down;
  answer.message = why_;
  answer.id = std::move(id);
  lock.unlock();
  done(std::move(answer));
  return 0;
}

std::optional<pending_requests::entry>
pending_requests::take(std::uint64_t number) {
  std::lock_guard lock(mutex_);
  auto it = entries_.find(number);
  if (it == entries_.end())
    return std::nullopt;
  std::optional<entry> taken = std::move(it->second);
  entries_.erase(it);
  return taken;
}

void pending_requests::close(const std::string& why) {
  std::unordered_map<std::uint64_t, entry> left;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    why_ = why;
    left.swap(entries_);
  }
  for (auto& [number, one] : left) {
    actors::management_answer answer;
    answer.code = persistence::errc::shutting_down;
    answer.message = why;
    answer.id = one.id;
    one.done(std::move(answer));
  }
}

persistence::result<void> pending_requests::check_open() const {
  const std::lock_guard lock(mutex_);
  if (closed_)
    return persistence::error{persistence::errc::shutting_down, why_};
  return {};
}

node_gateway::node_gateway(gateway_surroundings around,
                           std::shared_ptr<pending_requests> pending)
  : pending_(std::move(pending)), around_(std::move(around)) {}

node_gateway::ways node_gateway::ways_now() {
  const std::lock_guard lock(mutex_);
  return {around_.router, is_let_in_ ? own_ : nullptr};
}

namespace {

/// A status needs nobody's turn. A history may have many megabytes: not on a
/// door's thread.
const actors::get_status*
answered_at_once(const actors::management_request& request) {
  const auto* asked = std::get_if<actors::get_status>(&request);
  return asked != nullptr && !asked->show_history ? asked : nullptr;
}

} // namespace

std::uint64_t node_gateway::submit(actors::management_request request,
                                   callback done, actors::if_away what) {
  const ways known = ways_now();
  const actors::instance_id& id = actors::instance_of(request);
  actors::partition_actor own;
  if (known.own) {
    const auto partition = partition_of(id, known.own->partition_count);
    own = known.own->by_id[persistence::index_of(partition)];
    if (const auto* asked = answered_at_once(request);
        asked != nullptr && own) {
      done(known.own->read(partition, *asked));
      return 0;
    }
  }
  const claim_ptr claim = what == actors::if_away::wait && !own
                            ? std::make_shared<request_claim>()
                            : nullptr;
  const std::uint64_t number = pending_->add(id, std::move(done), claim);
  if (number == 0)
    return 0;
  if (!known.router) {
    if (const auto entry = pending_->take(number)) {
      actors::management_answer answer;
      answer.code = persistence::errc::unavailable;
      answer.id = entry->id;
      answer.message = "The node is starting; try again soon.";
      entry->done(std::move(answer));
    }
    return 0;
  }
  actors::management_inbound inbound{{around_.door, number},
                                     std::move(request)};
  if (own)
    caf::anon_send(own, std::move(inbound));
  else if (claim)
    caf::anon_send(known.router, patient_request{std::move(inbound), claim});
  else
    caf::anon_send(known.router, std::move(inbound));
  return number;
}

void node_gateway::cancel(std::uint64_t number) {
  const auto entry = pending_->take(number);
  if (!entry)
    return;
  {
    std::lock_guard lock(mutex_);
    if (around_.router)
      caf::anon_send(around_.router,
                     actors::management_inbound{
                       {around_.door, number}, actors::cancel_wait{entry->id}});
  }
  actors::management_answer answer;
  answer.id = entry->id;
  if (entry->claim && entry->claim->withdraw()) {
    answer.code = persistence::errc::unavailable;
    answer.message = "The owner of \"" + entry->id
                     + "\" could not be reached in the time allowed. It was "
                       "not asked; nothing was done.";
  } else {
    answer.code = persistence::errc::cancelled;
    answer.message = "The request for \"" + entry->id + "\" was cancelled.";
  }
  entry->done(std::move(answer));
}

persistence::result<persistence::instance_page>
node_gateway::query(const persistence::instance_query& query,
                    persistence::duration time_out) {
  auto page = around_.questions->query(query, time_out);
  // Its own end is no node that is away.
  if (auto open = pending_->check_open(); !page && !open)
    return open.error();
  return page;
}

persistence::result<actors::instance_counts>
node_gateway::count(bool partial, persistence::duration time_out) {
  auto counted = around_.questions->count(partial, time_out);
  if (auto open = pending_->check_open(); !counted && !open)
    return open.error();
  return counted;
}

std::vector<std::pair<std::string, std::string>> node_gateway::stuck() {
  return around_.questions->stuck();
}

actors::management_payload
node_gateway::payload_of(const std::string& id) const {
  return around_.payload_of(id);
}

bool node_gateway::is_seed_compatible() const {
  return around_.is_seed_compatible();
}

void node_gateway::open(router_control_actor router) {
  const std::lock_guard lock(mutex_);
  around_.router = std::move(router);
}

void node_gateway::open_own(own_partitions_ptr own, bool is_let_in) {
  const std::lock_guard lock(mutex_);
  own_ = std::move(own);
  is_let_in_ = is_let_in_ || is_let_in;
}

void node_gateway::let_in() {
  const std::lock_guard lock(mutex_);
  is_let_in_ = true;
}

void node_gateway::close(const std::string& why) {
  own_partitions_ptr own; // the partitions are let go outside of the lock
  {
    std::lock_guard lock(mutex_);
    around_.router = nullptr;
    own.swap(own_);
  }
  pending_->close(why);
}

actors::gateway_actor::behavior_type
gateway_behavior(actors::gateway_actor::pointer,
                 std::shared_ptr<pending_requests> pending) {
  return {
    [pending = std::move(pending)](actors::management_reply& reply) {
      if (auto entry = pending->take(reply.to.correlation))
        entry->done(std::move(reply.answer));
    },
  };
}

} // namespace perdura::cluster
