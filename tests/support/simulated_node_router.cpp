#include "cluster/partition_map.hpp"
#include "tests/support/simulated_node.hpp"

#include <algorithm>
#include <utility>

// The node's router and its wires.

namespace perdura::tests {

using namespace cluster;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t the_door = 1;

/// What a mistake in a build might do.
partition_id other_partition_of(const instance_id& id, std::uint32_t count) {
  return partition_id((index_of(partition_of(id, count)) + 1) % count);
}

} // namespace

router_config simulated_node::router_config() {
  cluster::router_config config;
  config.self.hub_id = "hub";
  config.self.partition_count
    = static_cast<std::uint32_t>(how_.owners.owners.size());
  config.self.owners = how_.owners;
  config.self.node = name_;
  config.self.directory = name_;
  for (const node_id& other : how_.owners.nodes)
    if (other != name_)
      config.peers.push_back(other);
  const bool is_wrong = how_.faults.wrong_partitions && how_.number == 0;
  config.partition_of = is_wrong ? other_partition_of : partition_of;
  config.random = [this] { return world_.below(~std::uint64_t{0}) + 1; };
  return config;
}

// --- Its thread --------------------------------------------------------------

void simulated_node::to_router(std::function<void()> what) {
  router_inputs_.push_back(std::move(what));
  if (router_runs_soon_)
    return;
  router_runs_soon_ = true;
  post(world_.between(5us, 120us), [this] { run_router(); });
}

void simulated_node::run_router() {
  router_runs_soon_ = false;
  world_.trace("router", how_.number);
  for (const auto& one : std::exchange(router_inputs_, {}))
    one();
  router_->flush(world_.now());
  arm_router();
}

void simulated_node::arm_router() {
  const moment at = std::max(router_->wake_at(), world_.now() + 1us);
  if (at == moment::max() || (ticks_at_ && *ticks_at_ <= at))
    return;
  ticks_at_ = at;
  post(at - world_.now(), [this, at] {
    if (ticks_at_ != at)
      return; // a sooner one was set since
    ticks_at_.reset();
    router_->tick(world_.now());
    router_->flush(world_.now());
    arm_router();
  });
}

// --- Its door ----------------------------------------------------------------

void simulated_node::submit(std::uint64_t ticket, management_request request,
                            claim_ptr claim) {
  to_router(
    [this, ticket, request = std::move(request), claim = std::move(claim)] {
      router_->take_request({{the_door, ticket}, request}, claim, world_.now());
    });
}

void simulated_node::cancel(std::uint64_t ticket, const instance_id& id) {
  submit(ticket, cancel_wait{id});
}

void simulated_node::ask(unsigned node, question asked, std::uint64_t ticket) {
  to_router([this, node, asked = std::move(asked), ticket] {
    router_->ask(how_.owners.nodes.at(node), asked, ticket, world_.now());
  });
}

// --- The wires ---------------------------------------------------------------

void simulated_node::path_opened(path_id path, unsigned to) {
  to_router([this, path, to] {
    router_->path_opened(path, how_.owners.nodes.at(to), world_.now());
  });
}

void simulated_node::path_closed(path_id path) {
  to_router([this, path] { router_->path_closed(path, world_.now()); });
}

void simulated_node::take_packet(path_id from, std::string bytes) {
  to_router([this, from, bytes = std::move(bytes)] {
    router_->take_packet(from, bytes, world_.now());
  });
}

// --- What the router asks ----------------------------------------------------

/// A planted bug: the message is not what it was, or is answered here.
bool simulated_node::is_misdelivered(partition_id to, inbound& message,
                                     cell& at) {
  if (auto* from = std::get_if<partition_message>(&message);
      from != nullptr && how_.faults.no_deduplication) {
    const auto& taken = at.processor->state().marks_taken;
    const auto known = taken.find(from->from);
    if (known != taken.end() && from->message.sequence <= known->second)
      from->message.sequence = known->second + 1;
  }
  if (!how_.faults.dirty_reads)
    return false;
  const auto* request = std::get_if<management_inbound>(&message);
  const auto* asked
    = request == nullptr ? nullptr : std::get_if<get_status>(&request->request);
  if (asked == nullptr)
    return false;
  const auto& known = book_.now(to).instances;
  const auto found = known.find(asked->id);
  if (found == known.end())
    return false;
  auto status = std::make_shared<instance_status>();
  status->row.id = asked->id;
  status->row.record = found->second.stored->record;
  status->history = found->second.history;
  management_answer answer;
  answer.id = asked->id;
  answer.status = std::move(status);
  to_router([this, to = request->from, answer = std::move(answer)] {
    router_->take_reply(to, answer);
  });
  return true;
}

void simulated_node::deliver(partition_id to, inbound message) {
  cell* at = cell_of(to);
  if (at != nullptr && is_misdelivered(to, message, *at))
    return;
  put(to, {std::move(message), {}});
}

void simulated_node::answer(reply_to to, management_answer answer) {
  if (to.door != the_door)
    complain("an answer goes to a door that does not exist");
  keeper_.answered(to.correlation, std::move(answer));
}

void simulated_node::send(path_id to, std::string packet) {
  network_.send(how_.number, to, std::move(packet));
}

void simulated_node::peer_returned(const std::vector<partition_id>& its) {
  for (const partition_id id : own_)
    if (cell_of(id)->is_ready) // else nothing has been sent
      put(id, {std::nullopt, its});
}

void simulated_node::look_up(std::uint64_t ticket, question asked) {
  post(world_.between(20us, 2ms), [this, ticket, asked = std::move(asked)] {
    result<question_answer> found = std::visit(
      [this](const auto& x) -> result<question_answer> {
        using type = std::decay_t<decltype(x)>;
        if constexpr (std::is_same_v<type, instance_query>) {
          auto page = journal_->query(own_, x);
          if (!page)
            return page.error();
          return question_answer(std::move(*page));
        } else if constexpr (std::is_same_v<type, count_question>) {
          const auto counts = journal_->count(own_);
          if (!counts)
            return counts.error();
          return question_answer(
            counts_answer{{counts->begin(), counts->end()}});
        } else {
          node_report report;
          report.node = name_;
          report.peers = router_->peers(world_.now(), wall());
          return question_answer(std::move(report));
        }
      },
      asked);
    if (journal_->inner().crashed())
      return;
    to_router([this, ticket, found = std::move(found)] {
      router_->looked_up(ticket, found);
    });
  });
}

void simulated_node::answered(std::uint64_t ticket,
                              result<question_answer> answer) {
  keeper_.question_answered(ticket, std::move(answer));
}

void simulated_node::must_stop(const error& why) {
  complain("it is told to stop: " + why.message);
}

void simulated_node::met(const peer_hello&) {}

void simulated_node::log(int level, const std::string& text) {
  if (level >= 4)
    complain("it logs an error: " + text);
}

} // namespace perdura::tests
