#include "tests/support/simulated_process.hpp"

#include "cluster/placement/partition_map.hpp"

#include <algorithm>
#include <utility>

namespace perdura::tests {

using namespace cluster;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t the_door = 1;

} // namespace

simulated_process::simulated_process(unsigned number, placement owners,
                                     simulated_world& world,
                                     simulated_network& network,
                                     door_keeper& keeper)
  : number_(number),
    owners_(std::move(owners)),
    name_(number < owners_.nodes.size() ? owners_.nodes[number] : ""),
    world_(world),
    network_(network),
    keeper_(keeper) {
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
    config.self.directory = name_;
  }
  for (const node_id& other : owners_.nodes)
    if (other != name_)
      config.peers.push_back(other);
  config.partition_of = partition_of;
  config.request_time_max = request_time_max;
  config.random = [this] { return world_.below(~std::uint64_t{0}) + 1; };
  return config;
}

void simulated_process::complain(const std::string& sentence) {
  world_.complain((is_client() ? "a client" : name_) + ": " + sentence);
}

// --- Life and death ----------------------------------------------------------

void simulated_process::start() {
  ++life_;
  alive_ = true;
  world_.trace("start", number_);
  router_ = std::make_unique<node_router>(router_config(), *this);
  network_.process_started(number_);
  arm_router();
}

void simulated_process::die() {
  world_.trace("death", number_);
  alive_ = false;
  paused_ = false;
  stalled_.clear();
  router_inputs_.clear();
  router_runs_soon_ = false;
  ticks_at_.reset();
  router_.reset();
  network_.process_died(number_);
  keeper_.process_died(number_);
  if (on_death)
    on_death();
}

void simulated_process::pause() {
  world_.trace("pause", number_);
  paused_ = true;
}

void simulated_process::go_on() {
  if (!paused_)
    return;
  world_.trace("go on", number_);
  paused_ = false;
  for (auto& waiting : std::exchange(stalled_, {}))
    post(0us, std::move(waiting));
}

void simulated_process::post(moment delay, std::function<void()> what) {
  world_.after(delay, [this, life = life_, what = std::move(what)] {
    if (!alive_ || life_ != life)
      return;
    if (paused_)
      stalled_.push_back(what);
    else
      run(what);
  });
}

void simulated_process::run(const std::function<void()>& what) {
  what();
  if (alive_ && has_crashed())
    die();
}

// --- Its thread --------------------------------------------------------------

void simulated_process::to_router(std::function<void()> what) {
  router_inputs_.push_back(std::move(what));
  if (router_runs_soon_)
    return;
  router_runs_soon_ = true;
  post(world_.between(5us, 120us), [this] { run_router(); });
}

void simulated_process::run_router() {
  router_runs_soon_ = false;
  world_.trace("router", number_);
  for (const auto& one : std::exchange(router_inputs_, {}))
    one();
  router_->flush(world_.now());
  arm_router();
}

void simulated_process::arm_router() {
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

void simulated_process::submit(std::uint64_t ticket, management_request request,
                               claim_ptr claim) {
  to_router(
    [this, ticket, request = std::move(request), claim = std::move(claim)] {
      router_->take_request({{the_door, ticket}, request}, claim, world_.now());
    });
}

void simulated_process::cancel(std::uint64_t ticket, const instance_id& id) {
  submit(ticket, cancel_wait{id});
}

void simulated_process::ask(unsigned node, question asked,
                            std::uint64_t ticket) {
  to_router([this, node, asked = std::move(asked), ticket] {
    router_->ask(owners_.nodes.at(node), asked, ticket, world_.now());
  });
}

// --- The wires ---------------------------------------------------------------

void simulated_process::path_opened(path_id path, unsigned to) {
  to_router([this, path, to] {
    router_->path_opened(path, owners_.nodes.at(to), world_.now());
  });
}

void simulated_process::path_closed(path_id path) {
  to_router([this, path] { router_->path_closed(path, world_.now()); });
}

void simulated_process::take_packet(path_id from, std::string bytes) {
  to_router([this, from, bytes = std::move(bytes)] {
    router_->take_packet(from, bytes, world_.now());
  });
}

// --- What the router asks ----------------------------------------------------

void simulated_process::deliver(partition_id, inbound) {
  complain("a message comes for a partition, and it has none");
}

void simulated_process::peer_returned(const std::vector<partition_id>&) {
  complain("it is told that a node is back, and has nothing to send");
}

void simulated_process::look_up(std::uint64_t, question) {
  complain("it is asked what only nodes are asked");
}

void simulated_process::answer(reply_to to, management_answer answer) {
  if (to.door != the_door)
    complain("an answer goes to a door that does not exist");
  keeper_.answered(to.correlation, std::move(answer));
}

void simulated_process::send(path_id to, std::string packet) {
  network_.send(number_, to, std::move(packet));
}

void simulated_process::answered(std::uint64_t ticket,
                                 result<question_answer> answer) {
  keeper_.question_answered(ticket, std::move(answer));
}

void simulated_process::must_stop(const error& why) {
  complain("it is told to stop: " + why.message);
}

void simulated_process::met(const peer_hello&) {}

void simulated_process::log(int level, const std::string& text) {
  if (level >= 4 && text.find("another hub") == std::string::npos)
    complain("it logs an error: " + text);
}

} // namespace perdura::tests
