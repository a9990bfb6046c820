// SPDX-License-Identifier: Apache-2.0
#include "cluster/routing/node_gateway.hpp"

#include "cluster/placement/partition_map.hpp"
#include "persistence/records/identity.hpp"

#include <utility>

namespace perdura::cluster {

node_gateway::node_gateway(gateway_dependencies dependencies,
                           std::shared_ptr<pending_requests> pending)
  : pending_(std::move(pending)), dependencies_(std::move(dependencies)) {
  replace_routes();
}

/// Returns the routes, so that no lock is held while a request is sent.
std::shared_ptr<const node_gateway::routes> node_gateway::current_routes() {
  const std::lock_guard lock(mutex_);
  return routes_;
}

/// Replaces the routes by a changed copy. The caller holds `mutex_`, and
/// destroys the result after it has released the mutex: with the last reference
/// actors may be destroyed, which takes long. Before the admission `local` is
/// null: all requests go to the router, which refuses them or keeps them until
/// the admission.
std::shared_ptr<const node_gateway::routes> node_gateway::replace_routes() {
  return std::exchange(
    routes_, std::make_shared<const routes>(
               routes{dependencies_.router, is_admitted_ ? local_ : nullptr}));
}

namespace {

/// Returns the request if it asks for a status without history and details,
/// which the caller's thread may read from storage; null for any other request.
/// A history may have many megabytes: reading it would block the caller for
/// long, and the caller may be a thread of the HTTP server. The details include
/// the volatile state of the partition.
const actors::get_status*
as_direct_status_read(const actors::management_request& request) {
  const auto* asked = std::get_if<actors::get_status>(&request);
  return asked != nullptr && !asked->show_history && !asked->show_details
           ? asked
           : nullptr;
}

} // namespace

namespace {

/// Gives a change without a request ID one. A request with a token may be sent
/// to its owner twice, and the owner must not carry it out twice.
void add_request_id(actors::management_request& request) {
  std::visit(
    [](auto& x) {
      if constexpr (requires { x.request; })
        if (x.request.empty())
          x.request = "gateway/" + persistence::random_hex32();
    },
    request);
}

} // namespace

// There are three ways to handle a request. If a request asks for the status of
// a local instance without history and details, this function reads it. Any
// other request for a partition of this node is put into that partition's
// mailbox. Every other request goes to the router. Until this node is admitted,
// all requests go to the router.
std::uint64_t node_gateway::submit(actors::management_request request,
                                   callback done,
                                   actors::if_owner_unavailable what) {
  const std::shared_ptr<const routes> known = current_routes();
  const actors::instance_id& id = actors::instance_of(request);
  actors::partition_actor owner;
  if (known->local) {
    const auto partition = partition_of(id, known->local->partition_count);
    owner = known->local->by_id[persistence::index_of(partition)];
    if (const auto* asked = as_direct_status_read(request);
        asked != nullptr && owner) {
      call_back(id, std::move(done), known->local->read(partition, *asked));
      return 0;
    }
  }
  // A local partition always accepts the request, so only a request that the
  // router handles may have to wait for its owner.
  const send_or_cancel_ptr token
    = what == actors::if_owner_unavailable::wait && !owner
        ? std::make_shared<send_or_cancel_token>()
        : nullptr;
  if (token)
    add_request_id(request);
  const std::uint64_t number = pending_->add(id, std::move(done), token);
  if (number == 0)
    return 0; // the gateway is closed; `add` has called `done`
  if (!known->router) {
    // `remove` fails if `close` has answered the request in the meantime.
    if (auto entry = pending_->remove(number)) {
      actors::management_answer answer;
      answer.code = persistence::errc::unavailable;
      answer.id = entry->id;
      answer.message = "The node is starting; try again soon.";
      call_back(entry->id, std::move(entry->done), std::move(answer));
    }
    return 0;
  }
  actors::management_inbound inbound{{dependencies_.gateway_number, number},
                                     std::move(request)};
  if (owner)
    caf::anon_send(owner, std::move(inbound));
  else if (token)
    caf::anon_send(known->router,
                   deferrable_request{std::move(inbound), token});
  else
    caf::anon_send(known->router, std::move(inbound));
  return number;
}

void node_gateway::cancel(std::uint64_t number) {
  auto entry = pending_->remove(number);
  if (!entry)
    return; // answered or cancelled before
  // If the request is a wait, its partition keeps the wait until it is answered
  // or cancelled. The wait is therefore cancelled in the partition, too. Any
  // other request that was sent is still executed; only its answer is dropped.
  {
    std::lock_guard lock(mutex_);
    if (dependencies_.router)
      caf::anon_send(
        dependencies_.router,
        actors::management_inbound{{dependencies_.gateway_number, number},
                                   actors::cancel_wait{entry->id}});
  }
  actors::management_answer answer;
  answer.id = entry->id;
  // If `withdraw` succeeds, the router can no longer send the request. Only in
  // this case is it certain that nothing was done.
  if (entry->token && entry->token->withdraw()) {
    answer.code = persistence::errc::unavailable;
    answer.message = "The owner of \"" + entry->id
                     + "\" could not be reached in the time allowed. The "
                       "request was not sent; nothing was done.";
  } else {
    answer.code = persistence::errc::cancelled;
    answer.message = "The request for \"" + entry->id + "\" was cancelled.";
  }
  call_back(entry->id, std::move(entry->done), std::move(answer));
}

persistence::result<persistence::instance_page>
node_gateway::query(const persistence::instance_query& query,
                    persistence::duration time_out) {
  auto page = dependencies_.cluster_query->query(query, time_out);
  // While this gateway closes, the other nodes appear to be unreachable, so the
  // query fails with a misleading error. In that case the error of the closed
  // gateway replaces the misleading one.
  if (auto open = pending_->check_open(); !page && !open)
    return open.error();
  return page;
}

persistence::result<actors::instance_counts>
node_gateway::count(bool partial, persistence::duration time_out) {
  auto counted = dependencies_.cluster_query->count(partial, time_out);
  if (auto open = pending_->check_open(); !counted && !open)
    return open.error();
  return counted;
}

std::vector<std::pair<std::string, std::string>> node_gateway::stuck() {
  return dependencies_.cluster_query->stuck();
}

actors::management_payload
node_gateway::payload_of(const std::string& id) const {
  return dependencies_.payload_of(id);
}

bool node_gateway::is_seed_compatible() const {
  return dependencies_.is_seed_compatible();
}

void node_gateway::open(router_control_actor router) {
  std::shared_ptr<const routes> replaced; // destroyed after the lock
  const std::lock_guard lock(mutex_);
  dependencies_.router = std::move(router);
  replaced = replace_routes();
}

void node_gateway::set_local_partitions(local_partitions_ptr local,
                                        bool is_admitted) {
  std::shared_ptr<const routes> replaced;
  const std::lock_guard lock(mutex_);
  local_ = std::move(local);
  is_admitted_ = is_admitted_ || is_admitted;
  replaced = replace_routes();
}

void node_gateway::set_admitted() {
  std::shared_ptr<const routes> replaced;
  const std::lock_guard lock(mutex_);
  if (std::exchange(is_admitted_, true))
    return;
  replaced = replace_routes();
}

void node_gateway::close(const std::string& why, persistence::errc code) {
  {
    local_partitions_ptr local;
    std::shared_ptr<const routes> replaced;
    const std::lock_guard lock(mutex_);
    dependencies_.router = nullptr;
    local.swap(local_);
    replaced = replace_routes();
  }
  pending_->close(why, code);
}

} // namespace perdura::cluster
