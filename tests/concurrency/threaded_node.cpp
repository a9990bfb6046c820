// SPDX-License-Identifier: Apache-2.0
#include "tests/concurrency/threaded_node.hpp"

#include "actors/execution/orchestration_run.hpp"
#include "actors/partition/own_commits.hpp"
#include "actors/partition/status_reader.hpp"
#include "persistence/process/logging.hpp"
#include "persistence/records/checksum.hpp"
#include "persistence/records/identity.hpp"
#include "tests/support/inline_activity.hpp"

#include <algorithm>
#include <future>
#include <optional>
#include <utility>

namespace perdura::tests {

using namespace actors;
using namespace persistence;

namespace {

// The mapping of the product is in the cluster layer.
partition_id partition_of_id(const instance_id& id, std::uint32_t count) {
  return partition_id(static_cast<std::uint32_t>(checksum_of(id) % count));
}

} // namespace

void create_threaded_hub(const std::filesystem::path& directory,
                         std::uint32_t partitions, std::uint32_t lanes) {
  hub_identity hub;
  hub.hub_id = random_hex32();
  hub.name = "threads";
  hub.partition_count = partitions;
  hub.lane_count = lanes;
  create_hub(directory, hub, threaded_node_maps).value();
}

/// One partition and its coroutines. Except for `post`, the constructor and the
/// destructor, all functions run in `queue_`, so one thread at a time calls
/// them. They do what partition_actor_state does.
class threaded_node::hosted_partition : public partition_host {
public:
  hosted_partition(threaded_node& node, partition_config config)
    : node_(node),
      id_(config.id),
      queue_(node.scheduler_->make_queue()),
      processor_(std::move(config), *node.journal_, *node.journal_,
                 system_clock(), *this),
      alarm_(node.alarms_->add([this] { post([this] { wake(); }); })) {
    node_.journal_->listen(id_, [this](journal_position reached) {
      post([this, reached] { on_durable(reached); });
    });
  }

  void post(std::function<void()> function) {
    queue_->post(std::move(function));
  }

  void begin() {
    processor_.recover().value();
    after_step();
  }

  void receive(inbound message) {
    // The batch is processed behind all messages that are in the queue now.
    if (batch_.empty())
      post([this] { process(); });
    batch_.push_back(std::move(message));
  }

  const partition_processor& processor() const {
    return processor_;
  }

  void answer(reply_to to, management_answer answer) override {
    node_.answer(to.correlation, std::move(answer));
  }

  void run_turn(orchestration_work_item item) override {
    assigned_run& assigned = runs_[item.instance];
    if (!assigned.run) {
      assigned.run
        = std::make_shared<orchestration_run>(node_.options_.functions);
      assigned.queue = node_.scheduler_->make_queue();
    }
    auto work = std::make_shared<orchestration_work_item>(std::move(item));
    assigned.queue->post([this, run = assigned.run, work] {
      auto outcome
        = std::make_shared<turn_outcome>(run->run_turn(std::move(*work)));
      post([this, outcome] { receive(std::move(*outcome)); });
    });
  }

  void drop_run(const instance_id& id) override {
    runs_.erase(id);
  }

  void run_activity(activity_work_item item) override {
    node_.run_activity(std::move(item));
  }

  void send(partition_message message, partition_id to) override {
    hosted_partition* target = node_.partitions_[index_of(to)].get();
    auto shared = std::make_shared<partition_message>(std::move(message));
    target->post([target, shared] { target->receive(std::move(*shared)); });
  }

  void acknowledge(partition_acknowledgement note, partition_id to) override {
    hosted_partition* target = node_.partitions_[index_of(to)].get();
    target->post([target, note] { target->receive(note); });
  }

  void log(persistence::log_level level, const std::string& text) override {
    persistence::log(log_channel::actors, level, text);
  }

  void turns_enqueued() override {
    committed_.add(node_.journal_->request_commit(id_, true));
  }

private:
  struct assigned_run {
    std::shared_ptr<orchestration_run> run;
    std::shared_ptr<serial_queue> queue;
  };

  void process() {
    std::vector<inbound> batch = std::exchange(batch_, {});
    processor_.process_batch(batch);
    after_step();
  }

  void on_durable(journal_position reached) {
    report_durable(reached);
    after_step();
  }

  void report_durable(journal_position reached) {
    processor_.on_durable(reached);
    if (!std::exchange(serves_, true))
      node_.report_ready();
  }

  void wake() {
    alarm_time_.reset();
    processor_.process_batch({});
    after_step();
  }

  void after_step() {
    const auto left = committed_.report_each(
      [this](journal_position reached) { report_durable(reached); });
    if (left)
      post([this, reached = *left] { on_durable(reached); });
    set_alarm();
    std::size_t messages = 0;
    for (const auto& [to, box] : processor_.durable().outbox)
      messages += box.size();
    node_.report_outbox(index_of(id_), messages);
  }

  void set_alarm() {
    const wake_time next = processor_.wake_at();
    if (alarm_time_ == next)
      return;
    alarm_time_ = next;
    node_.alarms_->set(alarm_, time_until(next, system_clock()) + duration{50});
  }

  threaded_node& node_;
  const partition_id id_;
  const std::shared_ptr<serial_queue> queue_;
  partition_processor processor_;
  alarm_clock::alarm& alarm_;
  std::optional<wake_time> alarm_time_; ///< The time that the alarm is set to.
  std::vector<inbound> batch_;
  own_commits committed_; ///< Commits not reported to processor_.
  std::map<instance_id, assigned_run> runs_;
  bool serves_ = false;
};

threaded_node::threaded_node(options settings) : options_(std::move(settings)) {
  lmdb_journal_options journal_settings;
  journal_settings.directory = options_.directory;
  journal_settings.map_bytes = threaded_node_maps;
  journal_settings.disk_limits.reserve_bytes = 0;
  // Many small flushes, so that they run beside commits and reads.
  journal_settings.views.age = std::chrono::milliseconds(2);
  journal_settings.views.slice_instances_min = 2;
  journal_ = open_lmdb_journal(std::move(journal_settings)).value();
  alarms_ = std::make_unique<alarm_clock>();
  scheduler_
    = std::make_unique<random_scheduler>(options_.workers, options_.seed);
  const std::uint32_t count = journal_->hub().partition_count;
  outbox_messages_.resize(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    partition_config config;
    config.id = partition_id(i);
    config.partition_count = count;
    config.partition_of = partition_of_id;
    config.resolve = [functions = options_.functions](
                       const std::string& name,
                       const std::string& version) -> result<std::string> {
      if (!version.empty())
        return version;
      if (auto found = functions->default_version(name))
        return *found;
      return error{errc::unknown_orchestrator, name + " is not registered"};
    };
    config.discards_events = [](const std::string&) { return false; };
    // Instances are often evicted and replayed.
    config.idle_instances_max = 4;
    config.acknowledge_wait_max = std::chrono::milliseconds(5);
    all_partitions_.emplace_back(config.id);
    partitions_.push_back(
      std::make_unique<hosted_partition>(*this, std::move(config)));
  }
  // Recovery sends messages to other partitions, so all of them exist before.
  for (const auto& each : partitions_)
    each->post([&partition = *each] { partition.begin(); });
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return ready_ == count; });
}

threaded_node::~threaded_node() {
  stop();
}

threaded_node::hosted_partition&
threaded_node::partition_of(const instance_id& id) const {
  const auto count = static_cast<std::uint32_t>(partitions_.size());
  return *partitions_[index_of(partition_of_id(id, count))];
}

void threaded_node::submit(management_request request,
                           std::function<void(management_answer)> done) {
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!closed_) {
      number = ++last_request_;
      requests_.emplace(number, std::move(done));
    }
  }
  if (number == 0) {
    management_answer refused;
    refused.code = errc::unavailable;
    done(std::move(refused));
    return;
  }
  hosted_partition& to = partition_of(instance_of(request));
  auto message = std::make_shared<management_inbound>(
    management_inbound{{1, number}, std::move(request)});
  to.post([&to, message] { to.receive(std::move(*message)); });
}

management_answer threaded_node::ask(management_request request) {
  auto answered = std::make_shared<std::promise<management_answer>>();
  auto answer = answered->get_future();
  submit(std::move(request), [answered](management_answer given) {
    answered->set_value(std::move(given));
  });
  return answer.get();
}

void threaded_node::answer(std::uint64_t correlation,
                           management_answer answer) {
  std::function<void(management_answer)> done;
  {
    const std::lock_guard lock(mutex_);
    const auto found = requests_.find(correlation);
    if (found == requests_.end())
      return;
    done = std::move(found->second);
    requests_.erase(found);
  }
  done(std::move(answer));
}

void threaded_node::run_activity(activity_work_item item) {
  auto work = std::make_shared<activity_work_item>(std::move(item));
  scheduler_->make_queue()->post([this, work] {
    auto ended = std::make_shared<activity_result>(
      run_inline(*options_.functions, *work));
    hosted_partition* to = partitions_[index_of(work->partition)].get();
    to->post([to, ended] { to->receive(std::move(*ended)); });
  });
}

result<std::shared_ptr<const instance_status>>
threaded_node::read_status(const get_status& request) const {
  const auto count = static_cast<std::uint32_t>(partitions_.size());
  return actors::read_status(*journal_, partition_of_id(request.id, count),
                             request);
}

result<instance_page> threaded_node::query(const instance_query& query) {
  return journal_->query(all_partitions_, query);
}

result<status_counts> threaded_node::count() {
  return journal_->count(all_partitions_);
}

journal_statistics threaded_node::statistics() const {
  return journal_->statistics();
}

void threaded_node::report_outbox(std::uint32_t partition,
                                  std::size_t messages) {
  const std::lock_guard lock(mutex_);
  outbox_messages_[partition] = messages;
  changed_.notify_all();
}

void threaded_node::report_ready() {
  const std::lock_guard lock(mutex_);
  ++ready_;
  changed_.notify_all();
}

void threaded_node::wait_for_empty_outboxes() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    return std::all_of(outbox_messages_.begin(), outbox_messages_.end(),
                       [](std::size_t messages) { return messages == 0; });
  });
}

partition_counters threaded_node::counters() {
  partition_counters sum;
  for (const auto& each : partitions_) {
    auto read = std::make_shared<std::promise<partition_counters>>();
    auto counters = read->get_future();
    each->post([read, &partition = *each] {
      read->set_value(partition.processor().live().counters);
    });
    sum += counters.get();
  }
  return sum;
}

partition_counters threaded_node::counters_without_synchronisation() const {
  partition_counters sum;
  for (const auto& each : partitions_)
    sum += each->processor().live().counters;
  return sum;
}

void threaded_node::stop() {
  if (std::exchange(stopped_, true))
    return;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  alarms_->stop();
  scheduler_->stop();
  for (const partition_id id : all_partitions_)
    journal_->listen(id, {});
  journal_->close();
  std::map<std::uint64_t, std::function<void(management_answer)>> unanswered;
  {
    const std::lock_guard lock(mutex_);
    unanswered.swap(requests_);
  }
  for (auto& [number, done] : unanswered) {
    management_answer ended;
    ended.code = errc::unavailable;
    done(std::move(ended));
  }
  partitions_.clear();
}

} // namespace perdura::tests
