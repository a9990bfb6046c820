// SPDX-License-Identifier: Apache-2.0
#include "tests/support/deterministic_node.hpp"

#include "actors/partition/steps.hpp"
#include "persistence/journal/memory_journal.hpp"
#include "persistence/records/keys.hpp"
#include "tests/support/history_text.hpp"
#include "tests/support/inline_activity.hpp"
#include "tests/support/partition_checks.hpp"

#include <algorithm>
#include <stdexcept>

namespace perdura::tests {

using namespace actors;
using namespace persistence;

partition_id partition_by_fnv(const instance_id& id, std::uint32_t count) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const unsigned char c : id)
    hash = (hash ^ c) * 0x100000001b3U;
  return partition_id((hash >> 32U) % count);
}

journal_opener make_memory_opener(std::uint32_t partitions,
                                  std::uint32_t lanes) {
  hub_identity hub;
  hub.hub_id = std::string(32, '0');
  hub.name = "test";
  hub.partition_count = partitions;
  hub.lane_count = lanes;
  return make_memory_opener(std::make_shared<memory_disk>(hub));
}

journal_opener make_memory_opener(std::shared_ptr<memory_disk> disk) {
  return [disk = std::move(disk)](crash_hook crash) {
    memory_journal_options options;
    options.crash = std::move(crash);
    return open_memory_journal(disk, std::move(options)).value();
  };
}

// --- Callbacks of a partition -----------------------------------------------

class deterministic_node::host_adapter : public partition_host {
public:
  host_adapter(deterministic_node& node, partition_id id)
    : node_(node), id_(id) {}

  /// An answer to an unknown ticket is ignored. A second answer to the same
  /// ticket is a violation.
  void answer(reply_to to, management_answer answer) override {
    auto found = node_.requests_.find(to.correlation);
    if (found == node_.requests_.end())
      return;
    if (found->second.answer)
      node_.report_violation("request " + std::to_string(to.correlation)
                             + " is answered twice");
    found->second.answer = std::move(answer);
  }

  /// All turns of an instance use the same coroutine until it is discarded.
  void run_turn(orchestration_work_item item) override {
    auto& run = node_.partitions_[index_of(id_)].runs[item.instance];
    if (!run)
      run = std::make_shared<orchestration_run>(node_.options_.functions);
    node_.turns.push_back({id_, std::move(item), run});
  }

  void drop_run(const instance_id& id) override {
    node_.partitions_[index_of(id_)].runs.erase(id);
  }

  void run_activity(activity_work_item item) override {
    node_.activities.push_back(std::move(item));
  }

  void cancel_activities(const instance_id& id, const execution_id& execution,
                         bool drops) override {
    node_.cancelled.push_back(id);
    if (drops)
      std::erase_if(node_.activities, [&](const activity_work_item& item) {
        return item.instance == id && item.execution == execution;
      });
  }

  void send(partition_message message, partition_id to) override {
    if (is_lost())
      return;
    node_.inject(to, message);
    if (is_lost())
      node_.inject(to, std::move(message)); // duplicate
  }

  void acknowledge(partition_acknowledgement note, partition_id to) override {
    if (!is_lost())
      node_.inject(to, note);
  }

  void log(persistence::log_level level, const std::string& text) override {
    node_.log.push_back(std::string(to_string(level)) + " " + text);
  }

private:
  bool is_lost() {
    return node_.options_.loss > 0
           && std::uniform_real_distribution<>()(node_.chance_)
                < node_.options_.loss;
  }

  deterministic_node& node_;
  partition_id id_;
};

// --- Start, crash and recovery ----------------------------------------------

deterministic_node::deterministic_node(node_options options)
  : mailboxes(options.partitions),
    options_(std::move(options)),
    model_(options_.partitions),
    chance_(options_.seed) {
  if (!options_.open)
    options_.open = make_memory_opener(options_.partitions);
  open();
}

deterministic_node::~deterministic_node() = default;

void deterministic_node::report_violation(std::string sentence) {
  if (violations.size() < 100)
    violations.push_back(std::move(sentence));
}

/// Starts the node, up to 50 times if injected crashes end the start, and sends
/// all unanswered requests again.
void deterministic_node::open() {
  for (int tries = 0; !recover(); ++tries) {
    if (tries == 50) {
      report_violation("the node does not recover");
      throw std::runtime_error("the node does not recover");
    }
  }
  for (auto& [number, request] : requests_)
    if (!request.answer)
      deliver(number);
}

/// Starts the node once. Returns false if an injected crash ends the start.
bool deterministic_node::recover() {
  turns.clear();
  activities.clear();
  for (auto& mailbox : mailboxes)
    mailbox.clear();
  partitions_.clear();
  journal_.reset(); // closed before the same storage is opened again
  ++start_count_;
  activities_run_.clear();
  commits_since_flush_ = 0;
  const auto hook = [this](crash_point point, std::uint64_t) {
    if (point == crash_point::before_commit)
      ++commits_;
    return options_.crash && options_.crash(point);
  };
  journal_ = std::make_unique<checking_journal>(
    options_.open(hook), model_, options_.faults,
    [this](std::string sentence) { report_violation(std::move(sentence)); },
    [this](partition_id id) -> const partition_processor* {
      return partitions_.empty() ? nullptr
                                 : partitions_[index_of(id)].processor.get();
    });
  std::vector<hosted_partition> cells(options_.partitions);
  // All partitions are created before the first one recovers, because recovery
  // already starts turns and sends messages.
  for (std::uint32_t i = 0; i < options_.partitions; ++i) {
    const partition_id id{i};
    partition_config config;
    config.id = id;
    config.partition_count = options_.partitions;
    config.partition_of = partition_by_fnv;
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
    config.discards_events = [this](const std::string& name) {
      const auto version = options_.functions->default_version(name);
      const auto* entry
        = version ? options_.functions->find_orchestrator(name, *version)
                  : nullptr;
      return entry != nullptr
             && entry->options().external_events
                  == external_event_policy::discard;
    };
    if (options_.adjust)
      options_.adjust(config);
    cells[i].host = std::make_unique<host_adapter>(*this, id);
    cells[i].processor = std::make_unique<partition_processor>(
      std::move(config), *journal_, *journal_, clock, *cells[i].host);
  }
  partitions_ = std::move(cells);
  for (std::uint32_t i = 0; i < options_.partitions; ++i) {
    const partition_id id{i};
    journal_->listen(id, [this, i](journal_position reached) {
      partitions_[i].reached = std::max(partitions_[i].reached, reached);
    });
    const auto recovered = partitions_[i].processor->recover();
    if (crashed())
      return false;
    if (!recovered) {
      report_violation("partition " + std::to_string(i)
                       + " does not recover: " + recovered.error().message);
      throw std::runtime_error(recovered.error().message);
    }
    journal_->check_reads(id);
  }
  // Every partition has raised its owner epoch. The epochs become durable
  // before any message is processed.
  if (!journal_->commit())
    return false;
  for (hosted_partition& each : partitions_)
    report_durable(each);
  return !crashed();
}

void deterministic_node::crash_and_recover() {
  open();
}

bool deterministic_node::crashed() const {
  return journal_->inner().crashed();
}

void deterministic_node::set_functions(
  std::shared_ptr<const registry> functions) {
  options_.functions = std::move(functions);
}

// --- Clients ----------------------------------------------------------------

deterministic_node::ticket
deterministic_node::submit(management_request request) {
  const ticket number = ++last_ticket_;
  requests_[number].request = std::move(request);
  deliver(number);
  return number;
}

void deterministic_node::deliver(ticket number) {
  const management_request& request = requests_.at(number).request;
  inject(partition_of(instance_of(request)),
         management_inbound{{1, number}, request});
}

const management_answer* deterministic_node::answer_to(ticket number) const {
  const client_request& request = requests_.at(number);
  return request.answer ? &*request.answer : nullptr;
}

management_answer deterministic_node::ask(management_request request) {
  const ticket number = submit(std::move(request));
  if (!run_until([&] { return is_answered(number); })) {
    report_violation("request " + std::to_string(number) + " for \""
                     + instance_of(requests_.at(number).request)
                     + "\" is never answered");
    management_answer none;
    none.code = errc::timed_out;
    return none;
  }
  return *answer_to(number);
}

// --- Single steps -----------------------------------------------------------

void deterministic_node::inject(partition_id partition, inbound message) {
  mailboxes[index_of(partition)].push_back(std::move(message));
}

/// With the planted fault `early_effects`, reports turns as durable before
/// they are committed.
void deterministic_node::after_step(partition_id partition) {
  hosted_partition& at = partitions_[index_of(partition)];
  at.time_checked.reset();
  if (options_.faults.early_effects)
    at.processor->on_durable(journal_->last_enqueued(partition));
}

/// Processes up to `count` messages as one batch.
bool deterministic_node::process_batch(hosted_partition& at, std::size_t count,
                                       partition_id partition) {
  auto& mailbox = mailboxes[index_of(partition)];
  std::vector<inbound> batch;
  while (!mailbox.empty() && batch.size() < count) {
    batch.push_back(std::move(mailbox.front()));
    mailbox.pop_front();
    if (options_.faults.late_children)
      make_late_child(*at.processor, batch.back());
  }
  if (batch.empty())
    return false;
  at.processor->process_batch(batch);
  after_step(partition);
  return true;
}

bool deterministic_node::process_mailbox(partition_id partition) {
  return process_batch(partitions_[index_of(partition)], std::size_t(-1),
                       partition);
}

bool deterministic_node::process_mailboxes() {
  bool any = false;
  for (std::uint32_t i = 0; i < options_.partitions; ++i)
    any = process_mailbox(partition_id{i}) || any;
  return any;
}

/// True if the partition has processed an empty batch at the current time and
/// has made no step since. Prevents an endless series of empty batches.
bool deterministic_node::has_checked_time(const hosted_partition& at) const {
  return at.time_checked == clock.since_boot();
}

bool deterministic_node::check_time(partition_id partition) {
  hosted_partition& at = partitions_[index_of(partition)];
  if (has_checked_time(at)
      || time_until(at.processor->wake_at(), clock) > duration::zero())
    return false;
  at.processor->process_batch({});
  after_step(partition);
  at.time_checked = clock.since_boot();
  return true;
}

void deterministic_node::wake_all() {
  for (std::uint32_t i = 0; i < options_.partitions; ++i) {
    partitions_[i].processor->process_batch({});
    after_step(partition_id{i});
  }
}

bool deterministic_node::run_turn() {
  if (turns.empty())
    return false;
  pending_turn out = std::move(turns.front());
  turns.pop_front();
  run_item(std::move(out));
  return true;
}

void deterministic_node::run_item(pending_turn out) {
  try {
    inject(out.partition, out.run->run_turn(std::move(out.item)));
  } catch (const std::exception& failure) {
    report_violation(std::string("a turn cannot be run: ") + failure.what());
  }
}

/// Index of the first activity that the test does not hold.
std::optional<std::size_t> deterministic_node::next_activity() const {
  for (std::size_t i = 0; i < activities.size(); ++i)
    if (!holds_activity || !holds_activity(activities[i]))
      return i;
  return std::nullopt;
}

bool deterministic_node::run_activity() {
  const auto next = next_activity();
  if (!next)
    return false;
  const auto place = activities.begin() + static_cast<std::ptrdiff_t>(*next);
  activity_work_item item = std::move(*place);
  activities.erase(place);
  run_item(std::move(item));
  return true;
}

/// Checks an activity before it runs. Between two crashes, each activity runs
/// only once.
void deterministic_node::check_runs(const activity_work_item& item) {
  check_activity(
    model_.durable(item.partition), item,
    [this](std::string sentence) { report_violation(std::move(sentence)); });
  if (!activities_run_.insert(key_of(item)).second)
    report_violation("activity " + item.name + " " + key_of(item)
                     + " runs twice without a crash");
}

void deterministic_node::run_item(activity_work_item item) {
  check_runs(item);
  activity_runs.push_back({item.instance, item.execution, item.sequence,
                           item.name, item.attempt, start_count_});
  inject(item.partition, run_inline(*options_.functions, item));
}

/// Reports the durable position to the partition, which then performs the
/// effects that waited for it.
bool deterministic_node::report_durable(hosted_partition& at) {
  if (at.reported >= at.reached)
    return false;
  at.reported = at.reached;
  at.time_checked.reset();
  at.processor->on_durable(at.reported);
  return true;
}

bool deterministic_node::commit() {
  if (!journal_->commit())
    return false;
  for (hosted_partition& each : partitions_)
    report_durable(each);
  if (++commits_since_flush_ >= options_.commits_per_flush)
    flush_views();
  return true;
}

void deterministic_node::flush_views(bool trim) {
  commits_since_flush_ = 0;
  journal_->inner().flush_views(trim);
}

// --- Automatic steps --------------------------------------------------------

bool deterministic_node::step() {
  if (crashed()) {
    if (!recovers_automatically)
      return false;
    open();
    return true;
  }
  const bool stepped = options_.seed == 0 ? step_in_order() : step_at_random();
  if (crashed() && recovers_automatically)
    open();
  return stepped;
}

/// Makes the first step that is possible, in this order: messages, a turn, an
/// empty batch at a wake time, a commit, an activity, repeated messages. With
/// this order, messages gather in batches and a commit contains many turns.
bool deterministic_node::step_in_order() {
  for (std::uint32_t i = 0; i < options_.partitions; ++i)
    if (process_batch(partitions_[i],
                      options_.one_message_per_batch ? 1 : std::size_t(-1),
                      partition_id{i}))
      return true;
  if (run_turn())
    return true;
  for (std::uint32_t i = 0; i < options_.partitions; ++i)
    if (check_time(partition_id{i}))
      return true;
  if (journal_->has_queued()) {
    commit();
    return true;
  }
  return run_activity() || resend();
}

/// Collects all possible steps and makes one of them at random. A batch has a
/// random size, and a durable position may be reported late.
bool deterministic_node::step_at_random() {
  std::vector<std::function<void()>> steps;
  const auto some = [&](std::size_t most) {
    return std::uniform_int_distribution<std::size_t>(1, most)(chance_);
  };
  for (std::uint32_t i = 0; i < options_.partitions; ++i) {
    const partition_id id{i};
    if (!mailboxes[i].empty())
      steps.emplace_back([&, i, id] {
        process_batch(partitions_[i], some(mailboxes[i].size()), id);
      });
    if (partitions_[i].reported < partitions_[i].reached)
      steps.emplace_back([&, i, id] {
        report_durable(partitions_[i]);
        after_step(id);
      });
    if (!has_checked_time(partitions_[i])
        && time_until(partitions_[i].processor->wake_at(), clock)
             <= duration::zero())
      steps.emplace_back([&, id] { check_time(id); });
  }
  // Only the oldest turn of each instance may run, because the turns of an
  // instance run in the order in which they were requested.
  std::set<const orchestration_run*> seen;
  for (std::size_t n = 0; n < turns.size(); ++n)
    if (seen.insert(turns[n].run.get()).second)
      steps.emplace_back([&, n] {
        pending_turn out = std::move(turns[n]);
        turns.erase(turns.begin() + static_cast<std::ptrdiff_t>(n));
        run_item(std::move(out));
      });
  for (std::size_t n = 0; n < activities.size() && n < 8; ++n)
    steps.emplace_back([&, n] {
      activity_work_item item = std::move(activities[n]);
      activities.erase(activities.begin() + static_cast<std::ptrdiff_t>(n));
      run_item(std::move(item));
    });
  if (journal_->has_queued())
    steps.emplace_back([&] { journal_->commit(); });
  if (!steps.empty() && some(40) == 1)
    steps.emplace_back([&] { flush_views(some(2) == 1); });
  // Time passes even while work is pending.
  if (!steps.empty() && some(30) == 1)
    clock.advance(duration(some(30'000)));
  if (steps.empty())
    return resend();
  steps[some(steps.size()) - 1]();
  return true;
}

/// Sends all unacknowledged outbox messages again, as the transport does after
/// a reconnect. Needed only if messages can be lost.
bool deterministic_node::resend() {
  if (options_.loss <= 0)
    return false;
  bool any = false;
  for (std::uint32_t i = 0; i < options_.partitions; ++i) {
    partition_processor& processor = *partitions_[i].processor;
    std::vector<partition_id> waiting;
    for (const auto& [to, box] : processor.durable().outbox)
      if (to != quarantine_partition
          && actors::unacknowledged(processor.durable(), processor.live(), to)
               > 0)
        waiting.push_back(to);
    processor.resend(waiting);
    any = any || !waiting.empty();
  }
  return any;
}

void deterministic_node::run_until_idle() {
  for (int steps = 0; step(); ++steps)
    if (steps == 100'000) {
      report_violation("the node does not come to rest");
      return;
    }
}

/// The earliest wake time of all partitions.
timestamp deterministic_node::next_wake() const {
  timestamp next = timestamp::max();
  for (const hosted_partition& each : partitions_)
    next = std::min(
      next,
      saturated_sum(clock.now(), time_until(each.processor->wake_at(), clock)));
  return next;
}

bool deterministic_node::run_until(const std::function<bool()>& done) {
  int jumps = 0;
  for (int steps = 0; steps < 100'000; ++steps) {
    if (done())
      return true;
    if (step())
      continue;
    if (crashed() || ++jumps > 2'000)
      return false;
    clock.set(
      std::max(next_wake(), clock.now() + std::chrono::milliseconds(1)));
  }
  return false;
}

void deterministic_node::advance_time(duration time) {
  const timestamp end = clock.now() + time;
  run_until_idle();
  while (!crashed()) {
    const timestamp wake
      = std::max(next_wake(), clock.now() + std::chrono::milliseconds(1));
    if (wake > end)
      break;
    clock.set(wake);
    run_until_idle();
  }
  clock.set(end);
  run_until_idle();
}

} // namespace perdura::tests
