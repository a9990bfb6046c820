// SPDX-License-Identifier: Apache-2.0
#include "tests/support/simulated_node.hpp"

#include "cluster/placement/partition_map.hpp"
#include "persistence/journal/adopt_hub.hpp"
#include "tests/support/inline_activity.hpp"
#include "tests/support/partition_checks.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace perdura::tests {

using namespace actors;
using namespace persistence;

using namespace std::chrono_literals;

namespace {

constexpr std::array crash_names{
  "fault: crash at before_commit", "fault: crash at after_commit",
  "fault: crash at before_views_commit", "fault: crash at after_views_commit"};
constexpr std::array point_names{
  "commit point: before_commit", "commit point: after_commit",
  "commit point: before_views_commit", "commit point: after_views_commit"};
constexpr std::array body_names{
  "outbox: child_start",     "outbox: child_ended", "outbox: child_rewind",
  "outbox: child_terminate", "outbox: event_send",  "outbox: rule_notice"};

/// Assigns an instance to another partition than the other nodes do.
partition_id other_partition_of(const instance_id& id, std::uint32_t count) {
  return partition_id((index_of(cluster::partition_of(id, count)) + 1) % count);
}

} // namespace

// --- Callbacks of a partition ------------------------------------------------

class simulated_node::host_adapter : public partition_host {
public:
  host_adapter(simulated_node& node, partition_id id) : node_(node), id_(id) {}

  void answer(reply_to to, management_answer answer) override {
    node_.to_router([this, to, answer = std::move(answer)] {
      node_.router_->handle_reply(to, answer);
    });
  }

  void run_turn(orchestration_work_item item) override {
    node_.run_turn(id_, std::move(item));
  }

  void drop_run(const instance_id& id) override {
    node_.find_partition(id_)->runs.erase(id);
  }

  void run_activity(activity_work_item item) override {
    node_.run_activity(std::move(item));
  }

  void send(partition_message message, partition_id to) override {
    node_.simulator_.count(body_names.at(message.message.body.index()));
    node_.to_router([this, to, message = std::move(message)] {
      node_.router_->route_message(message, to);
    });
  }

  void acknowledge(partition_acknowledgement note, partition_id to) override {
    node_.to_router(
      [this, to, note] { node_.router_->route_acknowledgement(note, to); });
  }

  void disagree(const pair_disagreement& found) override {
    if (!node_.expects_refusal)
      node_.report_violation("its directory is not consistent: " + found.why);
    node_.to_router([this, found] {
      node_.router_->end_inconsistent_session(found, node_.simulator_.now());
    });
  }

  void log(persistence::log_level, const std::string&) override {}

private:
  simulated_node& node_;
  partition_id id_;
};

// --- Start and crash ---------------------------------------------------------

simulated_node::simulated_node(simulated_node_options options,
                               simulator& simulation,
                               simulated_network& network,
                               response_sink& responses)
  : simulated_process(options.number, options.owners, simulation, network,
                      responses),
    options_(std::move(options)),
    owned_partitions_(owners_.owned_by(name_)),
    disk_(std::make_shared<memory_disk>(identity())),
    model_(static_cast<std::uint32_t>(owners_.owners.size())),
    skew_(simulation.between(-1s, 1s)) {}

simulated_node::~simulated_node() = default;

timestamp simulated_node::machine_clock::now() const {
  return node.wall();
}

persistence::boot_time simulated_node::machine_clock::since_boot() const {
  return persistence::boot_time(std::chrono::duration_cast<duration>(
    node.simulator_.now() - node.booted_at_));
}

const std::string& simulated_node::machine_clock::boot_id() const {
  return node.boot_id_;
}

void simulated_node::shift_clock(duration by) {
  skew_ += by;
  if (!is_running())
    return;
  post(1us, [this] {
    for (const partition_id id : owned_partitions_)
      if (hosted_partition* at = find_partition(id); at && at->is_ready)
        wake(id, *at);
  });
}

void simulated_node::reboot() {
  boot_id_ += 'b';
  booted_at_ = simulator_.now();
}

timestamp simulated_node::wall() const {
  // 2026-01-01T00:00:00Z
  return timestamp(std::chrono::seconds(1'767'225'600)) + simulator_.now()
         + skew_;
}

// --- The data directory ------------------------------------------------------

hub_identity simulated_node::identity() const {
  hub_identity hub;
  hub.hub_id = std::string(32, '0');
  hub.name = "test";
  hub.partition_count = static_cast<std::uint32_t>(owners_.owners.size());
  hub.lane_count = options_.lanes;
  hub.node = name_;
  hub.nodes = owners_.nodes;
  hub.owners = owners_.owners;
  hub.directory_id = directory_;
  hub.adopted_at = adopted_at_;
  return hub;
}

simulated_node::saved_directory simulated_node::save() const {
  auto copy = std::make_shared<memory_disk>(disk_->hub());
  for (std::uint32_t lane = 0; lane < options_.lanes; ++lane) {
    for (std::size_t i = 0; i < table_count; ++i)
      copy->at(lane).rows.rows(table(i)) = disk_->at(lane).rows.rows(table(i));
    copy->at(lane).log.records() = disk_->at(lane).log.records();
  }
  return {copy, model_};
}

void simulated_node::restore(const saved_directory& saved) {
  disk_ = saved.disk;
  model_ = saved.model;
  // The saved storage stays as it is.
  disk_ = save().disk;
}

void simulated_node::make_anew() {
  directory_ = name_ + " made anew " + std::to_string(++directories_);
  adopted_at_ = {};
  disk_ = std::make_shared<memory_disk>(identity());
  model_ = journal_model(disk_->hub().partition_count);
}

void simulated_node::adopt() {
  directory_ = name_ + " adopted " + std::to_string(++directories_);
  adopted_at_ = wall();
  make_memory_opener(disk_)({})->flush_views(true);
  for (std::uint32_t lane = 0; lane < options_.lanes; ++lane) {
    const auto rows = disk_->at(lane).rows.write();
    adopt_rows(*rows, identity(), lane);
    rows->commit();
  }
}

void simulated_node::crash_at(crash_point point, unsigned n) {
  crash_at_.emplace(point, n);
}

/// Called at every commit point. Returns true if the node crashes here.
bool simulated_node::crashes(crash_point point) {
  const auto index = static_cast<std::size_t>(point);
  simulator_.count(point_names.at(index));
  if (!serves_ && recovery_crashes_ > 0 && simulator_.once_in(2)) {
    --recovery_crashes_;
    simulator_.count("fault: crash in recovery");
    return true;
  }
  if (!crash_at_ || crash_at_->first != point || --crash_at_->second > 0)
    return false;
  crash_at_.reset();
  simulator_.count(crash_names.at(index));
  return true;
}

void simulated_node::start() {
  simulated_process::start();
  if (recover())
    schedule_commit();
  else
    crash();
}

bool simulated_node::has_crashed() const {
  return journal_ && journal_->inner().crashed();
}

/// Applies the planted fault `wrong_partitions` to node 0.
cluster::router_config simulated_node::router_config() {
  cluster::router_config config = simulated_process::router_config();
  if (options_.faults.wrong_partitions && number_ == 0)
    config.partition_of = other_partition_of;
  return config;
}

/// Returns false if an injected crash ends the recovery.
bool simulated_node::recover() {
  journal_ = std::make_unique<checking_journal>(
    make_memory_opener(disk_)(
      [this](crash_point point, std::uint64_t) { return crashes(point); }),
    model_, options_.faults.journal,
    [this](const std::string& sentence) { report_violation(sentence); },
    [this](partition_id id) -> const partition_processor* {
      const hosted_partition* at = find_partition(id);
      return at == nullptr ? nullptr : at->processor.get();
    });
  partitions_.resize(owners_.owners.size());
  for (const partition_id id : owned_partitions_) {
    auto at = std::make_unique<hosted_partition>();
    at->host = std::make_unique<host_adapter>(*this, id);
    at->processor = std::make_unique<partition_processor>(
      config_of(id), *journal_, *journal_, clock_, *at->host);
    partitions_[index_of(id)] = std::move(at);
  }
  for (const partition_id id : owned_partitions_) {
    hosted_partition& at = *find_partition(id);
    journal_->listen(id, [&at](journal_position reached) {
      at.reached = std::max(at.reached, reached);
    });
    const auto recovered = at.processor->recover();
    if (journal_->inner().crashed())
      return false;
    if (!recovered)
      report_violation("partition " + std::to_string(index_of(id))
                       + " does not recover: " + recovered.error().message);
    journal_->check_reads(id);
  }
  return !journal_->inner().crashed();
}

void simulated_node::crash() {
  serves_ = false;
  commit_scheduled_ = false;
  flush_scheduled_ = false;
  activities_run_.clear();
  partitions_.clear();
  journal_.reset();
  simulated_process::crash();
}

partition_config simulated_node::config_of(partition_id id) {
  partition_config config;
  config.id = id;
  config.partition_count = static_cast<std::uint32_t>(owners_.owners.size());
  config.partition_of = cluster::partition_of;
  config.idle_instances_max = options_.idle_instances_max;
  config.outbox_messages_max = options_.outbox_messages_max;
  config.resolve = [this](const std::string& name,
                          const std::string& version) -> result<std::string> {
    if (version.empty()) {
      if (auto found = options_.functions->default_version(name))
        return *found;
    } else if (options_.functions->find_orchestrator(name, version)
               != nullptr) {
      return version;
    }
    return error{errc::unknown_orchestrator,
                 "no orchestrator " + name + " is registered"};
  };
  config.discards_events = [](const std::string&) { return false; };
  return config;
}

simulated_node::hosted_partition*
simulated_node::find_partition(partition_id id) const {
  return index_of(id) < partitions_.size() ? partitions_[index_of(id)].get()
                                           : nullptr;
}

// --- Partitions --------------------------------------------------------------

void simulated_node::enqueue(partition_id to, mailbox_entry what) {
  hosted_partition* at = find_partition(to);
  if (at == nullptr) {
    report_violation("a message has come for partition "
                     + std::to_string(index_of(to))
                     + ", which another node owns");
    return;
  }
  at->mailbox.push_back(std::move(what));
  schedule_batch(to, *at);
}

/// Schedules a batch if messages wait and the partition has recovered.
void simulated_node::schedule_batch(partition_id id, hosted_partition& at) {
  if (!at.is_ready || at.batch_scheduled || at.mailbox.empty())
    return;
  at.batch_scheduled = true;
  post(simulator_.between(5us, 250us),
       [this, id, &at] { process_batch(id, at); });
}

/// Processes some or all of the waiting messages as one batch.
void simulated_node::process_batch(partition_id id, hosted_partition& at) {
  at.batch_scheduled = false;
  simulator_.trace("take", index_of(id));
  std::vector<inbound> batch;
  for (std::size_t most = simulator_.below(at.mailbox.size()) + 1; most > 0;
       --most) {
    mailbox_entry next = std::move(at.mailbox.front());
    at.mailbox.pop_front();
    if (next.message && options_.faults.journal.late_children)
      make_late_child(*at.processor, *next.message);
    if (next.message)
      batch.push_back(std::move(*next.message));
    else
      at.processor->resend(next.returned);
  }
  if (!batch.empty())
    at.processor->process_batch(batch);
  after_batch(id, at);
}

/// Schedules what can be necessary after a batch: the next batch, a commit and
/// the next wake-up.
void simulated_node::after_batch(partition_id id, hosted_partition& at) {
  if (options_.faults.journal.early_effects)
    at.processor->on_durable(journal_->last_enqueued(id));
  schedule_batch(id, at);
  schedule_commit();
  schedule_wake(id, at);
}

/// Schedules an empty batch at the next wake time of the partition.
void simulated_node::schedule_wake(partition_id id, hosted_partition& at) {
  const actors::wake_time when = at.processor->wake_at();
  if (at.wakes_at == when)
    return;
  at.wakes_at = when;
  const duration left = std::max(duration(0), actors::time_until(when, clock_));
  post(left + 50us, [this, id, &at, when] {
    if (at.wakes_at == when) // not replaced by another wake-up
      wake(id, at);
  });
}

void simulated_node::wake(partition_id id, hosted_partition& at) {
  at.wakes_at.reset();
  simulator_.trace("wake", index_of(id));
  at.processor->process_batch({});
  after_batch(id, at);
}

/// All turns that are queued before the commit runs share this commit, as in
/// the committer.
void simulated_node::schedule_commit() {
  if (commit_scheduled_ || !journal_->has_queued())
    return;
  commit_scheduled_ = true;
  post(simulator_.between(200us, 5ms), [this] { commit(); });
}

void simulated_node::commit() {
  commit_scheduled_ = false;
  simulator_.trace("commit", number_);
  if (!journal_->commit())
    return;
  for (const partition_id id : owned_partitions_) {
    hosted_partition& at = *find_partition(id);
    if (at.reported >= at.reached || at.report_scheduled)
      continue;
    at.report_scheduled = true;
    post(simulator_.between(5us, 300us),
         [this, id, &at] { report_durable(id, at); });
  }
  schedule_flush();
}

/// Schedules a flush of the views after one commit in four.
void simulated_node::schedule_flush() {
  if (flush_scheduled_ || !simulator_.once_in(4))
    return;
  flush_scheduled_ = true;
  post(simulator_.between(1ms, 60ms), [this] {
    flush_scheduled_ = false;
    simulator_.trace("views", number_);
    journal_->inner().flush_views(simulator_.once_in(2));
  });
}

/// Reports the durable position to the partition. The node serves requests when
/// the owner epochs of all its partitions are durable.
void simulated_node::report_durable(partition_id id, hosted_partition& at) {
  at.report_scheduled = false;
  at.reported = at.reached;
  simulator_.trace("report_durable", index_of(id));
  at.processor->on_durable(at.reported);
  at.is_ready = true; // its owner epoch is durable
  after_batch(id, at);
  if (serves_
      || !std::all_of(
        owned_partitions_.begin(), owned_partitions_.end(),
        [&](partition_id one) { return find_partition(one)->is_ready; }))
    return;
  serves_ = true;
  to_router([this] { router_->serve(true); });
}

// --- Turns and activities ----------------------------------------------------

/// Runs a turn after a random delay; its outcome goes into the mailbox. Turns
/// of one instance keep their order.
void simulated_node::run_turn(partition_id id, orchestration_work_item item) {
  warm_run& slot = find_partition(id)->runs[item.instance];
  if (!slot.run)
    slot.run = std::make_shared<orchestration_run>(options_.functions);
  slot.last
    = std::max(slot.last, simulator_.now() + simulator_.between(10us, 1ms));
  post(slot.last - simulator_.now(), [this, id, run = slot.run,
                                      item = std::move(item)] {
    simulator_.trace("turn", index_of(id), item.instance);
    try {
      enqueue(id, {run->run_turn(item), {}});
    } catch (const std::exception& failure) {
      report_violation(std::string("a turn cannot be run: ") + failure.what());
    }
  });
}

/// Runs an activity after a random delay; its result arrives after a second
/// random delay.
void simulated_node::run_activity(activity_work_item item) {
  post(simulator_.between(50us, 15ms), [this, item = std::move(item)] {
    simulator_.trace("activity", index_of(item.partition), item.instance);
    check_activity(
      model_.durable(item.partition), item,
      [this](const std::string& wrong) { report_violation(wrong); });
    if (!activities_run_.insert(key_of(item)).second)
      report_violation("activity " + key_of(item)
                       + " runs twice without a crash");
    const activity_result result = run_inline(*options_.functions, item);
    post(simulator_.between(5us, 2ms), [this, result] {
      enqueue(result.partition, {result, {}});
    });
  });
}

// --- Callbacks of the router -------------------------------------------------

/// Applies the planted bugs that concern messages and requests.
/// Returns true if the message has been answered here.
bool simulated_node::apply_planted_fault(partition_id to, inbound& message,
                                         hosted_partition& at) {
  if (auto* from = std::get_if<partition_message>(&message);
      from != nullptr && options_.faults.no_deduplication) {
    const auto& taken = at.processor->live().marks_accepted;
    const auto known = taken.find(from->from);
    if (known != taken.end() && from->message.sequence <= known->second)
      from->message.sequence = known->second + 1;
  }
  auto* request = std::get_if<management_inbound>(&message);
  if (request != nullptr && options_.faults.repeated_starts)
    if (auto* start = std::get_if<start_or_raise>(&request->request))
      if (!requests_seen_.insert(start->request).second)
        start->request += "/" + std::to_string(request->from.correlation);
  if (!options_.faults.dirty_reads)
    return false;
  const auto* asked
    = request == nullptr ? nullptr : std::get_if<get_status>(&request->request);
  if (asked == nullptr)
    return false;
  const auto& known = model_.now(to).instances;
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
    router_->handle_reply(to, answer);
  });
  return true;
}

void simulated_node::deliver(partition_id to, inbound message) {
  hosted_partition* at = find_partition(to);
  if (at != nullptr && apply_planted_fault(to, message, *at))
    return;
  enqueue(to, {std::move(message), {}});
}

/// A node is connected again. The partitions of this node send their outbox
/// messages to the partitions of that node, `its`, again.
void simulated_node::peer_returned(const std::vector<partition_id>& its) {
  for (const partition_id id : owned_partitions_)
    if (find_partition(id)->is_ready) // else nothing was sent yet
      enqueue(id, {std::nullopt, its});
}

/// Answers a query of another node after a random delay.
void simulated_node::run_local_query(std::uint64_t ticket,
                                     cluster::node_query asked) {
  post(simulator_.between(20us, 2ms), [this, ticket, asked = std::move(asked)] {
    result<cluster::node_query_answer> found = std::visit(
      [this](const auto& x) -> result<cluster::node_query_answer> {
        using type = std::decay_t<decltype(x)>;
        if constexpr (std::is_same_v<type, instance_query>) {
          auto page = journal_->query(owned_partitions_, x);
          if (!page)
            return page.error();
          return cluster::node_query_answer(std::move(*page));
        } else if constexpr (std::is_same_v<type, cluster::count_query>) {
          const auto counts = journal_->count(owned_partitions_);
          if (!counts)
            return counts.error();
          return cluster::node_query_answer(
            cluster::counts_answer{{counts->begin(), counts->end()}});
        } else {
          cluster::node_report report;
          report.node = name_;
          report.peers = router_->peers(simulator_.now(), wall());
          return cluster::node_query_answer(std::move(report));
        }
      },
      asked);
    if (journal_->inner().crashed())
      return;
    to_router([this, ticket, found = std::move(found)] {
      router_->complete_local_query(ticket, found);
    });
  });
}

// --- State -------------------------------------------------------------------

void simulated_node::check_at_rest() {
  std::uint64_t rows = 0;
  for (const partition_id id : owned_partitions_) {
    check_partition_at_rest(
      model_.durable(id), *find_partition(id)->processor,
      [this](const std::string& sentence) { report_violation(sentence); });
    journal_->check_reads(id);
    rows += model_.durable(id).instances.size();
    if (!find_partition(id)->mailbox.empty())
      report_violation("a mailbox is not empty at rest");
  }
  if (journal_->has_queued())
    report_violation("a turn is not durable at rest");
  if (router_->pending() != 0)
    report_violation(std::to_string(router_->pending())
                     + " requests have no answer at rest");
  if (router_->incoming() != 0)
    report_violation(std::to_string(router_->incoming())
                     + " requests of others have no answer at rest");
  const auto counts = journal_->count(owned_partitions_);
  std::uint64_t counted = 0;
  if (counts)
    for (const std::uint64_t each : *counts)
      counted += each;
  if (counted != rows)
    report_violation("counts " + std::to_string(counted) + " instances, has "
                     + std::to_string(rows));
}

} // namespace perdura::tests
