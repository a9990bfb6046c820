#include "cluster/node.hpp"

#include "actors/activity_pool.hpp"
#include "actors/partition_actor.hpp"
#include "actors/turn_watch.hpp"
#include "cluster/gateway_actor.hpp"
#include "cluster/hub_creation.hpp"
#include "cluster/partition_map.hpp"
#include "cluster/retention_actor.hpp"
#include "cluster/router_actor.hpp"
#include "persistence/clock.hpp"
#include "persistence/lmdb_journal.hpp"
#include "persistence/logging.hpp"
#include <perdura/actors/registry.hpp>

#include <future>
#include <mutex>
#include <shared_mutex>
#include <thread>

namespace perdura::cluster {

using namespace persistence;

namespace {

constexpr std::uint64_t local_door = 1;
constexpr const char* stopping_sentence
  = "This node is stopping; ask again when it is back.";

/// Says which version a start gets, or why it cannot be.
result<std::string> resolve(const actors::registry& functions,
                            const std::string& name,
                            const std::string& version) {
  const auto newest = functions.default_version(name);
  if (!newest) {
    std::string known;
    for (const auto* entry : functions.orchestrators())
      if (known.size() < 200)
        known += (known.empty() ? "" : ", ") + entry->name();
    return error{
      errc::unknown_orchestrator,
      "There is no orchestrator \"" + name + "\" on this node. "
        + (known.empty() ? "It has none." : "It has: " + known + ".")};
  }
  if (version.empty())
    return *newest;
  if (functions.find_orchestrator(name, version) == nullptr)
    return error{errc::unknown_orchestrator,
                 "Orchestrator \"" + name + "\" has no version \"" + version
                   + "\" on this node; its newest is \"" + *newest + "\"."};
  return version;
}

bool discards(const actors::registry& functions, bool hub_discards,
              const std::string& name) {
  for (const auto* entry : functions.orchestrators())
    if (entry->name() == name && entry->options().external_events)
      return *entry->options().external_events
             == actors::external_event_policy::discard;
  return hub_discards;
}

retention_rules rules_of(const node_config& config,
                         const actors::registry& functions) {
  retention_rules rules;
  rules.hub = config.retention;
  rules.interval = config.retention_interval;
  for (const auto* entry : functions.orchestrators())
    if (entry->options().retention)
      rules.by_name[entry->name()] = *entry->options().retention;
  return rules;
}

result<void> prepare_directory(const node_config& config) {
  auto hub = read_hub(config.data_dir);
  if (!hub && hub.code() == errc::storage_missing && config.create_hub)
    hub = create_hub(config);
  if (!hub)
    return hub.error();
  return check_hub(*hub, config);
}

} // namespace

class node::impl {
public:
  impl(node_config config, std::shared_ptr<const actors::registry> functions,
       std::unique_ptr<journal> ledger)
    : config_(std::move(config)),
      functions_(std::move(functions)),
      ledger_(std::move(ledger)) {
    // Discarding is part of the seed's letter.
    config_.external_events_discard |= config_.compat_seed;
    threads_ = config_.scheduler_threads != 0
                 ? config_.scheduler_threads
                 : std::max(1U, std::thread::hardware_concurrency()) + 2;
    caf_config_.set("scheduler.max-threads", threads_);
    system_ = std::make_unique<caf::actor_system>(caf_config_);
    owned_ = placement_of(ledger_->hub()).owned_by(config_.cluster.node);
    open_door();
  }

  ~impl() {
    stop();
  }

  result<void> begin();
  std::vector<std::string> stop();
  node_statistics statistics() const;
  std::vector<std::pair<std::string, std::string>> stuck() const;

  /// All zero once it stops.
  node_statistics ask_statistics() const {
    const std::shared_lock lock(reach_->mutex);
    return reach_->node != nullptr ? statistics() : node_statistics{};
  }

  bool is_ready() const {
    return serving_
           && !watch_.is_stuck(threads_, system_clock().now(),
                               std::chrono::seconds(5));
  }

  node_config config_;
  std::shared_ptr<const actors::registry> functions_;
  std::unique_ptr<journal> ledger_;
  node::payload_maker make_payload_;
  node::activity_observer observe_;
  std::shared_ptr<node_gateway> gateway_;

private:
  /// What doors hold of the node: they may outlive it.
  struct reach {
    std::shared_mutex mutex; ///< Shared by those who ask, whole for `stop`.
    impl* node = nullptr;    ///< Null once it stops.
  };

  template <class T, class Ask>
  static result<T> ask_journal(reach& way, Ask&& ask) {
    std::shared_lock lock(way.mutex);
    if (way.node == nullptr)
      return error{errc::shutting_down, stopping_sentence};
    return ask(*way.node->ledger_, way.node->owned_);
  }

  void open_door();
  actors::partition_config partition_config_of(partition_id id) const;

  std::size_t threads_ = 0;
  caf::actor_system_config caf_config_;
  std::unique_ptr<caf::actor_system> system_;
  std::vector<partition_id> owned_;
  actors::turn_watch watch_;
  std::unique_ptr<actors::activity_pool> pool_;
  router_control_actor router_;
  actors::gateway_actor door_;
  retention_actor retention_;
  std::vector<actors::partition_actor> partitions_;
  std::atomic<bool> serving_{false};
  std::shared_ptr<reach> reach_ = std::make_shared<reach>();
  std::mutex stop_mutex_;
  bool stopped_ = false;
};

void node::impl::open_door() {
  router_ = system_->spawn(router_behavior, ledger_->hub().partition_count);
  auto pending = std::make_shared<pending_requests>();
  door_ = system_->spawn(gateway_behavior, pending);
  caf::anon_send(router_, door_opened{local_door, door_});
  gateway_surroundings around;
  around.router = router_;
  around.door = local_door;
  reach_->node = this;
  around.query = [way = reach_](const instance_query& query) {
    return ask_journal<instance_page>(
      *way, [&](journal& ledger, const std::vector<partition_id>& all) {
        return ledger.query(all, query);
      });
  };
  around.count = [way = reach_] {
    return ask_journal<status_counts>(
      *way, [&](journal& ledger, const std::vector<partition_id>& all) {
        return ledger.count(all);
      });
  };
  around.stuck = [way = reach_] {
    std::shared_lock lock(way->mutex);
    return way->node != nullptr
             ? way->node->stuck()
             : std::vector<std::pair<std::string, std::string>>{};
  };
  around.payload_of = [way = reach_](const std::string& id) {
    std::shared_lock lock(way->mutex);
    actors::management_payload none;
    none.id = id;
    return way->node != nullptr && way->node->make_payload_
             ? way->node->make_payload_(id)
             : none;
  };
  around.seed_compatible = config_.compat_seed;
  gateway_
    = std::make_shared<node_gateway>(std::move(around), std::move(pending));
}

actors::partition_config
node::impl::partition_config_of(partition_id id) const {
  actors::partition_config config;
  config.id = id;
  config.partition_count = ledger_->hub().partition_count;
  config.partition_of = partition_of;
  config.resolve = [functions = functions_](const std::string& name,
                                            const std::string& version) {
    return resolve(*functions, name, version);
  };
  config.discards_events
    = [functions = functions_, hub = config_.external_events_discard](
        const std::string& name) { return discards(*functions, hub, name); };
  config.nondeterminism_fails = config_.nondeterminism_fails;
  config.turn_wait_max = config_.turn_wait_max;
  config.idle_instances_max = std::max<std::size_t>(
    1, config_.idle_instances_max / config.partition_count);
  config.idle_instance_time_max = config_.idle_instance_time_max;
  return config;
}

result<void> node::impl::begin() {
  actors::activity_pool_surroundings work;
  work.time = &system_clock();
  work.functions = functions_;
  work.gateway = gateway_;
  work.payload_of = make_payload_;
  work.observe = observe_;
  work.deliver = [this](actors::activity_result result) {
    caf::anon_send(partitions_[index_of(result.partition)], std::move(result));
  };
  actors::activity_pool_options limits;
  limits.activities_max = config_.activities_max;
  pool_ = std::make_unique<actors::activity_pool>(*system_, limits,
                                                  std::move(work));

  struct readiness {
    std::mutex mutex;
    std::size_t left = 0;
    result<void> outcome;
    std::promise<void> all;
  };

  auto ready = std::make_shared<readiness>();
  ready->left = owned_.size();
  for (const partition_id id : owned_) {
    actors::partition_surroundings around;
    around.ledger = ledger_.get();
    around.time = &system_clock();
    around.activities = pool_.get();
    around.turns = &watch_;
    around.functions = functions_;
    around.router = router_;
    around.on_ready = [ready](result<void> one) {
      std::lock_guard lock(ready->mutex);
      if (!one && ready->outcome)
        ready->outcome = std::move(one);
      if (--ready->left == 0)
        ready->all.set_value();
    };
    partitions_.push_back(system_->spawn(actors::partition_behavior,
                                         partition_config_of(id), around));
  }
  caf::anon_send(router_, partitions_ready{partitions_});
  for (const actors::partition_actor& one : partitions_)
    caf::anon_send(one, actors::begin_work{});
  ready->all.get_future().wait();
  if (!ready->outcome)
    return ready->outcome;
  const retention_rules rules = rules_of(config_, *functions_);
  if (!rules.keeps_everything())
    retention_ = system_->spawn<caf::detached>(
      retention_behavior, rules,
      std::shared_ptr<actors::management_gateway>(gateway_), &system_clock());
  serving_ = true;
  return {};
}

std::vector<std::string> node::impl::stop() {
  std::lock_guard lock(stop_mutex_);
  if (stopped_)
    return {};
  stopped_ = true;
  serving_ = false;
  gateway_->close(stopping_sentence);
  {
    std::unique_lock reaching(reach_->mutex);
    reach_->node = nullptr;
  }
  std::vector<std::string> left;
  if (retention_)
    caf::anon_send_exit(retention_, caf::exit_reason::user_shutdown);
  retention_ = nullptr;
  if (pool_) {
    pool_->close();
    if (!pool_->wait_idle(config_.stop_patience))
      left = pool_->running_names();
  }
  caf::anon_send(router_, partitions_gone{});
  for (const actors::partition_actor& one : partitions_)
    caf::anon_send_exit(one, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(router_, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(door_, caf::exit_reason::user_shutdown);
  if (!watch_.wait_idle(config_.stop_patience))
    left.emplace_back("an orchestrator that never awaits");
  partitions_.clear();
  router_ = nullptr;
  door_ = nullptr;
  if (!left.empty()) {
    // Threads of user code cannot be ended: what they use must stay.
    ledger_->close();
    static_cast<void>(pool_.release());
    static_cast<void>(system_.release());
    static_cast<void>(ledger_.release());
    return left;
  }
  pool_.reset();
  system_.reset(); // waits for its actors
  ledger_->close();
  return left;
}

std::vector<std::pair<std::string, std::string>> node::impl::stuck() const {
  using list = std::vector<std::pair<instance_id, std::string>>;

  struct gathering {
    std::mutex mutex;
    std::condition_variable changed;
    list found;
    std::size_t left = 0;
  };

  auto gathered = std::make_shared<gathering>();
  gathered->left = partitions_.size();
  auto answer
    = std::make_shared<std::function<void(list)>>([gathered](list one) {
        std::lock_guard lock(gathered->mutex);
        gathered->found.insert(gathered->found.end(), one.begin(), one.end());
        --gathered->left;
        gathered->changed.notify_all();
      });
  for (const actors::partition_actor& one : partitions_)
    caf::anon_send(one, actors::stuck_request{answer});
  std::unique_lock lock(gathered->mutex);
  // A partition that cannot answer has no thread to run on.
  if (!gathered->changed.wait_for(lock, std::chrono::seconds(2),
                                  [&] { return gathered->left == 0; }))
    gathered->found.emplace_back(
      "", std::to_string(gathered->left)
            + " partitions have no thread to run on: orchestrators that "
              "never await hold them all");
  return gathered->found;
}

node_statistics node::impl::statistics() const {
  struct gathering {
    std::mutex mutex;
    std::condition_variable changed;
    node_statistics sum;
    std::size_t left = 0;
  };

  auto gathered = std::make_shared<gathering>();
  gathered->left = partitions_.size();
  auto answer
    = std::make_shared<std::function<void(const actors::partition_figures&)>>(
      [gathered](const actors::partition_figures& figures) {
        std::lock_guard lock(gathered->mutex);
        const actors::partition_counters& one = figures.counters;
        node_statistics& sum = gathered->sum;
        sum.starts += one.starts;
        sum.orchestration_turns += one.turns;
        sum.replays += one.replays;
        sum.completed += one.completed;
        sum.failed += one.failed;
        sum.terminated += one.terminated;
        sum.continued += one.continued;
        sum.activities += one.activities;
        sum.results_stale += one.results_stale;
        sum.events_discarded += one.events_discarded;
        sum.messages_repeated += one.messages_repeated;
        sum.evictions += one.evictions;
        sum.instances_live += figures.live;
        sum.outbox_messages += figures.outbox_messages;
        --gathered->left;
        gathered->changed.notify_all();
      });
  for (const actors::partition_actor& one : partitions_)
    caf::anon_send(one, actors::counters_request{answer});
  std::unique_lock lock(gathered->mutex);
  gathered->changed.wait_for(lock, std::chrono::seconds(2),
                             [&] { return gathered->left == 0; });
  node_statistics sum = gathered->sum;
  const journal_statistics disk = ledger_->statistics();
  sum.commits = disk.commits;
  sum.views_commits = disk.views_commits;
  sum.turns = disk.turns;
  sum.journal_bytes = disk.bytes;
  sum.commit_turns = disk.commit_turns;
  sum.commit_time_us = disk.commit_time_us;
  return sum;
}

// --- The door
// -----------------------------------------------------------------

node::node() = default;
node::~node() = default;

result<std::unique_ptr<node>>
node::open(node_config config,
           std::shared_ptr<const actors::registry> functions) {
  if (config.data_dir.empty())
    return error{errc::invalid_argument,
                 "A node needs a data directory (data_dir)."};
  if (auto made = prepare_directory(config); !made)
    return made.error();
  lmdb_journal_options options;
  options.directory = config.data_dir;
  options.room.storage_bytes_max = config.storage_bytes_max;
  auto ledger = open_lmdb_journal(std::move(options));
  if (!ledger)
    return ledger.error();
  config.task_hub = (*ledger)->hub().name;
  config.partition_count = (*ledger)->hub().partition_count;
  std::unique_ptr<node> made(new node());
  made->impl_ = std::make_unique<impl>(std::move(config), std::move(functions),
                                       std::move(*ledger));
  return made;
}

void node::set_payload_maker(payload_maker make) {
  impl_->make_payload_ = std::move(make);
}

void node::set_activity_observer(activity_observer observe) {
  impl_->observe_ = std::move(observe);
}

result<void> node::begin() {
  return impl_->begin();
}

std::vector<std::string> node::stop() {
  return impl_->stop();
}

std::shared_ptr<actors::management_gateway> node::gateway() const {
  return impl_->gateway_;
}

const node_config& node::config() const {
  return impl_->config_;
}

const std::string& node::hub_id() const {
  return impl_->ledger_->hub().hub_id;
}

node_statistics node::statistics() const {
  return impl_->ask_statistics();
}

bool node::is_ready() const {
  return impl_->is_ready();
}

} // namespace perdura::cluster
