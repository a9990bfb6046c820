#include "tests/support/simulated_node.hpp"

#include "cluster/placement/partition_map.hpp"
#include "tests/support/inline_activity.hpp"
#include "tests/support/partition_checks.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace perdura::tests {

using namespace std::chrono_literals;

namespace {

constexpr std::array crash_names{
  "fault: crash at before_commit", "fault: crash at after_commit",
  "fault: crash at before_views_commit", "fault: crash at after_views_commit"};
constexpr std::array point_names{
  "commit point: before_commit", "commit point: after_commit",
  "commit point: before_views_commit", "commit point: after_views_commit"};
constexpr std::array body_names{
  "outbox: child_start", "outbox: child_ended", "outbox: child_rewind",
  "outbox: child_terminate", "outbox: event_send"};

/// What a mistake in a build might do.
partition_id other_partition_of(const instance_id& id, std::uint32_t count) {
  return partition_id((index_of(cluster::partition_of(id, count)) + 1) % count);
}

} // namespace

// --- A partition's world -----------------------------------------------------

class simulated_node::desk : public partition_host {
public:
  desk(simulated_node& node, partition_id id) : node_(node), id_(id) {}

  void answer(reply_to to, management_answer answer) override {
    node_.to_router([this, to, answer = std::move(answer)] {
      node_.router_->take_reply(to, answer);
    });
  }

  void run_turn(orchestration_work_item item) override {
    node_.run_turn(id_, std::move(item));
  }

  void drop_run(const instance_id& id) override {
    node_.cell_of(id_)->runs.erase(id);
  }

  void run_activity(activity_work_item item) override {
    node_.run_activity(std::move(item));
  }

  void send(partition_message message, partition_id to) override {
    node_.world_.count(body_names.at(message.message.body.index()));
    node_.to_router([this, to, message = std::move(message)] {
      node_.router_->take_message(message, to);
    });
  }

  void acknowledge(partition_acknowledgement note, partition_id to) override {
    node_.to_router(
      [this, to, note] { node_.router_->take_acknowledgement(note, to); });
  }

  void log(int, const std::string&) override {}

private:
  simulated_node& node_;
  partition_id id_;
};

// --- Life and death ----------------------------------------------------------

simulated_node::simulated_node(simulated_node_options how,
                               simulated_world& world,
                               simulated_network& network, door_keeper& keeper)
  : simulated_process(how.number, how.owners, world, network, keeper),
    how_(std::move(how)),
    own_(owners_.owned_by(name_)),
    open_(open_in_memory(static_cast<std::uint32_t>(owners_.owners.size()),
                         how_.lanes)),
    book_(static_cast<std::uint32_t>(owners_.owners.size())),
    skew_(world.between(-1s, 1s)) {}

simulated_node::~simulated_node() = default;

timestamp simulated_node::wall_clock::now() const {
  return node.wall();
}

timestamp simulated_node::wall() const {
  // 2026-01-01T00:00:00Z
  return timestamp(std::chrono::seconds(1'767'225'600)) + world_.now() + skew_;
}

void simulated_node::crash_at(crash_point point, unsigned n) {
  crash_at_.emplace(point, n);
}

bool simulated_node::crashes(crash_point point) {
  const auto index = static_cast<std::size_t>(point);
  world_.count(point_names.at(index));
  if (!serves_ && recovery_crashes_ > 0 && world_.once_in(2)) {
    --recovery_crashes_;
    world_.count("fault: crash in recovery");
    return true;
  }
  if (!crash_at_ || crash_at_->first != point || --crash_at_->second > 0)
    return false;
  crash_at_.reset();
  world_.count(crash_names.at(index));
  return true;
}

void simulated_node::start() {
  simulated_process::start();
  if (recover())
    commit_soon();
  else
    die();
}

bool simulated_node::has_crashed() const {
  return journal_ && journal_->inner().crashed();
}

cluster::router_config simulated_node::router_config() {
  cluster::router_config config = simulated_process::router_config();
  if (how_.faults.wrong_partitions && number_ == 0)
    config.partition_of = other_partition_of;
  return config;
}

/// False if it dies at once.
bool simulated_node::recover() {
  journal_ = std::make_unique<checking_journal>(
    open_([this](crash_point point, std::uint64_t) { return crashes(point); }),
    book_, how_.faults.journal,
    [this](const std::string& sentence) { complain(sentence); },
    [this](partition_id id) -> const partition_state* {
      const cell* at = cell_of(id);
      return at == nullptr ? nullptr : &at->processor->state();
    });
  cells_.resize(owners_.owners.size());
  for (const partition_id id : own_) {
    auto at = std::make_unique<cell>();
    at->host = std::make_unique<desk>(*this, id);
    at->processor = std::make_unique<partition_processor>(
      config_of(id), *journal_, clock_, *at->host);
    cells_[index_of(id)] = std::move(at);
  }
  for (const partition_id id : own_) {
    cell& at = *cell_of(id);
    journal_->listen(id, [&at](journal_position reached) {
      at.reached = std::max(at.reached, reached);
    });
    const auto recovered = at.processor->recover();
    if (journal_->inner().crashed())
      return false;
    if (!recovered)
      complain("partition " + std::to_string(index_of(id))
               + " does not recover: " + recovered.error().message);
    journal_->check_reads(id);
  }
  return !journal_->inner().crashed();
}

void simulated_node::die() {
  serves_ = false;
  commits_soon_ = false;
  flushes_soon_ = false;
  ran_.clear();
  cells_.clear();
  journal_.reset();
  simulated_process::die();
}

partition_config simulated_node::config_of(partition_id id) {
  partition_config config;
  config.id = id;
  config.partition_count = static_cast<std::uint32_t>(owners_.owners.size());
  config.partition_of = cluster::partition_of;
  config.idle_instances_max = how_.idle_instances_max;
  config.resolve = [this](const std::string& name,
                          const std::string& version) -> result<std::string> {
    if (version.empty()) {
      if (auto found = how_.functions->default_version(name))
        return *found;
    } else if (how_.functions->find_orchestrator(name, version) != nullptr) {
      return version;
    }
    return error{errc::unknown_orchestrator,
                 "no orchestrator " + name + " is registered"};
  };
  config.discards_events = [](const std::string&) { return false; };
  return config;
}

simulated_node::cell* simulated_node::cell_of(partition_id id) const {
  return index_of(id) < cells_.size() ? cells_[index_of(id)].get() : nullptr;
}

// --- Partitions --------------------------------------------------------------

void simulated_node::put(partition_id to, mail what) {
  cell* at = cell_of(to);
  if (at == nullptr) {
    complain("a message has come for partition " + std::to_string(index_of(to))
             + ", which is another node's");
    return;
  }
  at->mailbox.push_back(std::move(what));
  take_soon(to, *at);
}

void simulated_node::take_soon(partition_id id, cell& at) {
  if (!at.is_ready || at.takes_soon || at.mailbox.empty())
    return;
  at.takes_soon = true;
  post(world_.between(5us, 250us), [this, id, &at] { take_some(id, at); });
}

/// All that waits, or less, as one batch.
void simulated_node::take_some(partition_id id, cell& at) {
  at.takes_soon = false;
  world_.trace("take", index_of(id));
  std::vector<inbound> batch;
  for (std::size_t most = world_.below(at.mailbox.size()) + 1; most > 0;
       --most) {
    mail next = std::move(at.mailbox.front());
    at.mailbox.pop_front();
    if (next.message)
      batch.push_back(std::move(*next.message));
    else
      at.processor->resend(next.returned);
  }
  if (!batch.empty())
    at.processor->take(batch);
  after_take(id, at);
}

void simulated_node::after_take(partition_id id, cell& at) {
  if (how_.faults.journal.early_effects)
    at.processor->on_durable(journal_->last_enqueued(id));
  take_soon(id, at);
  commit_soon();
  arm(id, at);
}

void simulated_node::arm(partition_id id, cell& at) {
  const timestamp when = at.processor->wake_at().at;
  if (at.wakes_at && *at.wakes_at <= when)
    return;
  at.wakes_at = when;
  const duration left = std::max(duration(0), when - wall());
  post(left + 50us, [this, id, &at, when] {
    if (at.wakes_at != when)
      return; // a sooner one was set since
    at.wakes_at.reset();
    world_.trace("wake", index_of(id));
    at.processor->take({});
    after_take(id, at);
  });
}

void simulated_node::commit_soon() {
  if (commits_soon_ || !journal_->has_queued())
    return;
  commits_soon_ = true;
  post(world_.between(200us, 5ms), [this] { commit(); });
}

void simulated_node::commit() {
  commits_soon_ = false;
  world_.trace("commit", number_);
  if (!journal_->commit())
    return;
  for (const partition_id id : own_) {
    cell& at = *cell_of(id);
    if (at.told >= at.reached || at.is_told_soon)
      continue;
    at.is_told_soon = true;
    post(world_.between(5us, 300us), [this, id, &at] { tell(id, at); });
  }
  flush_soon();
}

/// The views follow at their leisure.
void simulated_node::flush_soon() {
  if (flushes_soon_ || !world_.once_in(4))
    return;
  flushes_soon_ = true;
  post(world_.between(1ms, 60ms), [this] {
    flushes_soon_ = false;
    world_.trace("views", number_);
    journal_->inner().flush_views(world_.once_in(2));
  });
}

void simulated_node::tell(partition_id id, cell& at) {
  at.is_told_soon = false;
  at.told = at.reached;
  world_.trace("tell", index_of(id));
  at.processor->on_durable(at.told);
  at.is_ready = true; // its epoch is durable
  after_take(id, at);
  if (serves_ || !std::all_of(own_.begin(), own_.end(), [&](partition_id one) {
        return cell_of(one)->is_ready;
      }))
    return;
  serves_ = true;
  to_router([this] { router_->serve(true); });
}

// --- Turns and activities ----------------------------------------------------

void simulated_node::run_turn(partition_id id, orchestration_work_item item) {
  warm_run& slot = cell_of(id)->runs[item.instance];
  if (!slot.run)
    slot.run = std::make_shared<orchestration_run>(how_.functions);
  slot.last = std::max(slot.last, world_.now() + world_.between(10us, 1ms));
  post(slot.last - world_.now(),
       [this, id, run = slot.run, item = std::move(item)] {
         world_.trace("turn", index_of(id), item.instance);
         try {
           put(id, {run->run_turn(item), {}});
         } catch (const std::exception& failure) {
           complain(std::string("a turn cannot be run: ") + failure.what());
         }
       });
}

void simulated_node::run_activity(activity_work_item item) {
  post(world_.between(50us, 15ms), [this, item = std::move(item)] {
    world_.trace("activity", index_of(item.partition), item.instance);
    check_activity(book_.durable(item.partition), item,
                   [this](const std::string& wrong) { complain(wrong); });
    if (!ran_.insert(key_of(item)).second)
      complain("activity " + key_of(item) + " runs twice without a crash");
    const activity_result result = run_inline(*how_.functions, item);
    post(world_.between(5us, 2ms), [this, result] {
      put(result.partition, {result, {}});
    });
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

void simulated_node::peer_returned(const std::vector<partition_id>& its) {
  for (const partition_id id : own_)
    if (cell_of(id)->is_ready) // else nothing has been sent
      put(id, {std::nullopt, its});
}

void simulated_node::look_up(std::uint64_t ticket, cluster::question asked) {
  post(world_.between(20us, 2ms), [this, ticket, asked = std::move(asked)] {
    result<cluster::question_answer> found = std::visit(
      [this](const auto& x) -> result<cluster::question_answer> {
        using type = std::decay_t<decltype(x)>;
        if constexpr (std::is_same_v<type, instance_query>) {
          auto page = journal_->query(own_, x);
          if (!page)
            return page.error();
          return cluster::question_answer(std::move(*page));
        } else if constexpr (std::is_same_v<type, cluster::count_question>) {
          const auto counts = journal_->count(own_);
          if (!counts)
            return counts.error();
          return cluster::question_answer(
            cluster::counts_answer{{counts->begin(), counts->end()}});
        } else {
          cluster::node_report report;
          report.node = name_;
          report.peers = router_->peers(world_.now(), wall());
          return cluster::question_answer(std::move(report));
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

// --- What is there -----------------------------------------------------------

const partition_state& simulated_node::state_of(partition_id id) const {
  return cell_of(id)->processor->state();
}

void simulated_node::check_at_rest() {
  std::uint64_t rows = 0;
  for (const partition_id id : own_) {
    check_partition_at_rest(
      book_.durable(id), state_of(id),
      [this](const std::string& sentence) { complain(sentence); });
    journal_->check_reads(id);
    rows += book_.durable(id).instances.size();
    if (!cell_of(id)->mailbox.empty())
      complain("a mailbox is not empty at rest");
  }
  if (journal_->has_queued())
    complain("a turn is not durable at rest");
  if (router_->pending() != 0)
    complain(std::to_string(router_->pending())
             + " requests have no answer at rest");
  if (router_->incoming() != 0)
    complain(std::to_string(router_->incoming())
             + " requests of others have no answer at rest");
  const auto counts = journal_->count(own_);
  std::uint64_t counted = 0;
  if (counts)
    for (const std::uint64_t each : *counts)
      counted += each;
  if (counted != rows)
    complain("counts " + std::to_string(counted) + " instances, has "
             + std::to_string(rows));
}

} // namespace perdura::tests
