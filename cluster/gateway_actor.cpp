#include "cluster/gateway_actor.hpp"

#include <utility>

namespace perdura::cluster {

std::uint64_t pending_requests::add(actors::instance_id id, callback done) {
  std::unique_lock lock(mutex_);
  const std::uint64_t number = next_++;
  if (!closed_) {
    entries_.emplace(number, entry{std::move(id), std::move(done)});
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

pending_requests::callback pending_requests::take(std::uint64_t number,
                                                  actors::instance_id* id) {
  std::lock_guard lock(mutex_);
  auto it = entries_.find(number);
  if (it == entries_.end())
    return {};
  if (id != nullptr)
    *id = it->second.id;
  callback done = std::move(it->second.done);
  entries_.erase(it);
  return done;
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

node_gateway::node_gateway(gateway_surroundings around,
                           std::shared_ptr<pending_requests> pending)
  : pending_(std::move(pending)), around_(std::move(around)) {}

std::uint64_t node_gateway::submit(actors::management_request request,
                                   callback done) {
  const std::uint64_t number
    = pending_->add(actors::instance_of(request), std::move(done));
  if (number == 0)
    return 0;
  actors::router_actor router;
  {
    std::lock_guard lock(mutex_);
    router = around_.router;
  }
  if (router)
    caf::anon_send(router, actors::management_inbound{{around_.door, number},
                                                      std::move(request)});
  return number;
}

void node_gateway::cancel(std::uint64_t number) {
  actors::instance_id id;
  callback done = pending_->take(number, &id);
  if (!done)
    return;
  {
    std::lock_guard lock(mutex_);
    if (around_.router)
      caf::anon_send(around_.router,
                     actors::management_inbound{{around_.door, number},
                                                actors::cancel_wait{id}});
  }
  actors::management_answer answer;
  answer.code = persistence::errc::cancelled;
  answer.message = "The request for \"" + id + "\" was cancelled.";
  answer.id = id;
  done(std::move(answer));
}

persistence::result<persistence::instance_page>
node_gateway::query(const persistence::instance_query& query) {
  return around_.query(query);
}

persistence::result<persistence::status_counts> node_gateway::count() {
  return around_.count();
}

std::vector<std::pair<std::string, std::string>> node_gateway::stuck() {
  return around_.stuck();
}

actors::management_payload
node_gateway::payload_of(const std::string& id) const {
  return around_.payload_of(id);
}

bool node_gateway::is_seed_compatible() const {
  return around_.seed_compatible;
}

void node_gateway::close(const std::string& why) {
  {
    std::lock_guard lock(mutex_);
    around_.router = nullptr;
  }
  pending_->close(why);
}

actors::gateway_actor::behavior_type
gateway_behavior(actors::gateway_actor::pointer,
                 std::shared_ptr<pending_requests> pending) {
  return {
    [pending = std::move(pending)](actors::management_reply& reply) {
      if (auto done = pending->take(reply.to.correlation))
        done(std::move(reply.answer));
    },
  };
}

} // namespace perdura::cluster
