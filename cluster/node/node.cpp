#include "cluster/node/node.hpp"

#include "actors/activities/activity_pool.hpp"
#include "actors/execution/turn_watch.hpp"
#include "actors/partition/partition_actor.hpp"
#include "actors/partition/status_reader.hpp"
#include "actors/timing/alarm_clock.hpp"
#include "cluster/node/node_rules.hpp"
#include "cluster/node/partition_survey.hpp"
#include "cluster/node/retention_actor.hpp"
#include "cluster/placement/hub_creation.hpp"
#include "cluster/placement/node_list.hpp"
#include "cluster/placement/partition_map.hpp"
#include "cluster/placement/peer_register.hpp"
#include "cluster/routing/gateway_actor.hpp"
#include "cluster/routing/question_actor.hpp"
#include "cluster/routing/question_fan.hpp"
#include "cluster/routing/router_actor.hpp"
#include "cluster/routing/router_wiring.hpp"
#include "cluster/scheduling/actor_scheduler.hpp"
#include "cluster/scheduling/run_queue.hpp"
#include "cluster/transport/caf_transport.hpp"
#include "persistence/journal/lmdb_journal.hpp"
#include "persistence/process/logging.hpp"
#include "persistence/records/clock.hpp"
#include <perdura/actors/authoring/registry.hpp>

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

} // namespace

class node::impl {
public:
  impl(node_config config, std::shared_ptr<const actors::registry> functions,
       std::unique_ptr<journal> ledger,
       std::unique_ptr<caf::actor_system_config> caf_config)
    : config_(std::move(config)),
      functions_(std::move(functions)),
      ledger_(std::move(ledger)),
      started_at_(system_clock().now()),
      caf_config_(std::move(caf_config)),
      view_(std::make_shared<cluster_view>(placement_of(ledger_->hub()))) {
    // Discarding is part of the seed's letter.
    config_.external_events_discard |= config_.compat_seed;
    threads_ = config_.scheduler_threads != 0
                 ? config_.scheduler_threads
                 : std::max(1U, std::thread::hardware_concurrency()) + 2;
    use_sparing_scheduler(*caf_config_, threads_);
    system_ = std::make_unique<caf::actor_system>(*caf_config_);
    owned_ = view_->owners().owned_by(config_.cluster.node);
    open_door();
  }

  ~impl() {
    stop();
  }

  result<void> begin();
  std::vector<std::string> stop();

  /// All zero once it stops.
  node_statistics ask_statistics() const {
    const std::shared_lock lock(reach_->mutex);
    return reach_->node != nullptr ? statistics() : node_statistics{};
  }

  result<status_counts> ask_own_counts() const {
    return ask_journal<status_counts>(
      *reach_, [](journal& ledger, const std::vector<partition_id>& own) {
        return ledger.count(own);
      });
  }

  std::vector<reported_node> ask_reports() const {
    return fan_->reports();
  }

  bool is_ready() const {
    return serving_ && is_admitted()
           && !watch_.is_stuck(threads_, system_clock().now(),
                               std::chrono::seconds(5));
  }

  /// A new directory serves when another node has let it in.
  bool is_admitted() const {
    return !peers_ || peers_->was_admitted()
           || view_->owners().nodes.size() == 1;
  }

  bool wait_for_peers(duration time_out) const {
    std::vector<node_id> missing;
    return view_->wait_for_all(config_.cluster.node, time_out, missing);
  }

  bool wait_until_admitted(duration time_out) const {
    return peers_->wait_until_admitted(time_out);
  }

  node_config config_;
  std::shared_ptr<const actors::registry> functions_;
  std::unique_ptr<journal> ledger_;
  std::string url_;
  node::payload_maker make_payload_;
  node::activity_observer observe_;
  node::stop_listener must_stop_;
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

  static result<question_answer> look_up(reach& way, const question& asked);

  void open_router();
  void open_door();
  result<void> begin_partitions();
  result<void> begin_network();
  void open_own_way();
  actors::partition_config partition_config_of(partition_id id) const;
  node_statistics statistics() const;
  node_report report() const;

  const timestamp started_at_;
  std::size_t threads_ = 0;
  std::unique_ptr<caf::actor_system_config> caf_config_;
  std::unique_ptr<caf::actor_system> system_;
  std::shared_ptr<cluster_view> view_;
  std::vector<partition_id> owned_;
  actors::turn_watch watch_;
  std::unique_ptr<actors::alarm_clock> alarms_
    = std::make_unique<actors::alarm_clock>();
  std::unique_ptr<actors::activity_pool> pool_;
  std::unique_ptr<peer_register> peers_;
  std::shared_ptr<transport> transport_;
  std::shared_ptr<question_fan> fan_;
  router_control_actor router_;
  question_actor questions_;
  actors::gateway_actor door_;
  retention_actor retention_;
  std::vector<actors::partition_actor> partitions_; ///< Those owned.
  std::vector<actors::partition_actor> by_id_;      ///< Empty: another node's.
  std::atomic<bool> serving_{false};
  std::shared_ptr<reach> reach_ = std::make_shared<reach>();
  std::mutex stop_mutex_;
  bool stopped_ = false;
};

// --- What it is asked --------------------------------------------------------

result<question_answer> node::impl::look_up(reach& way, const question& asked) {
  const std::shared_lock lock(way.mutex);
  if (way.node == nullptr)
    return error{errc::shutting_down, stopping_sentence};
  if (std::holds_alternative<report_question>(asked))
    return question_answer(way.node->report());
  // An empty directory that stands in for a full one would say "none".
  if (!way.node->is_admitted())
    return error{errc::unavailable, "Node \"" + way.node->config_.cluster.node
                                      + "\" waits to be met by another one."};
  journal& ledger = *way.node->ledger_;
  if (const auto* query = std::get_if<instance_query>(&asked)) {
    auto page = ledger.query(way.node->owned_, *query);
    if (!page)
      return page.error();
    return question_answer(std::move(*page));
  }
  auto counts = ledger.count(way.node->owned_);
  if (!counts)
    return counts.error();
  return question_answer(counts_answer{{counts->begin(), counts->end()}});
}

node_report node::impl::report() const {
  node_report about;
  about.node = config_.cluster.node;
  about.version = PERDURA_VERSION;
  about.url = url_;
  about.started_at = started_at_;
  for (const partition_id each : owned_)
    about.partitions.push_back(index_of(each));
  if (auto counts = ledger_->count(owned_))
    about.counts.assign(counts->begin(), counts->end());
  about.outbox_messages = survey_figures(partitions_).outbox_messages;
  const logged_error newest = newest_error();
  about.last_error = newest.text;
  about.last_error_at = newest.at;
  for (const auto* entry : functions_->orchestrators())
    about.orchestrators.push_back(entry->options().version.empty()
                                    ? entry->name()
                                    : entry->name() + "@"
                                        + entry->options().version);
  about.activities = functions_->activity_names();
  about.stuck = survey_stuck(partitions_);
  about.peers = peers_of(router_);
  return about;
}

void node::impl::open_router() {
  router_config config = router_config_of(ledger_->hub(), config_);
  config.self.url = url_;
  config.must_be_admitted
    = peers_ && !peers_->was_admitted() && !config.peers.empty();
  if (peers_)
    config.admit = [peers = peers_.get()](const peer_hello& hello) {
      return peers->admit(hello);
    };
  router_surroundings around;
  around.met = [view = view_, peers = peers_.get(),
                gateway = gateway_](const peer_hello& hello) {
    view->met(hello);
    if (peers == nullptr)
      return;
    if (auto noted = peers->note_admitted(); !noted)
      log(log_room::cluster, log_level::error, noted.error().message);
    gateway->let_in();
  };
  around.lost = [view = view_](const node_id& node) { view->lost(node); };
  around.must_stop = [this](const error& why) {
    if (must_stop_)
      must_stop_(why);
  };
  questions_ = system_->spawn<caf::detached>(
    question_behavior,
    [way = reach_](const question& asked) { return look_up(*way, asked); });
  around.look_up
    = [questions = questions_](const router_control_actor& to,
                               std::uint64_t ticket, question asked) {
        caf::anon_send(questions, question_note{to, ticket, std::move(asked)});
      };
  router_
    = system_->spawn(router_behavior, std::move(config), std::move(around));
}

/// The door is there from the beginning; the router comes with `begin`, when
/// its own address is known.
void node::impl::open_door() {
  auto pending = std::make_shared<pending_requests>();
  door_ = system_->spawn(gateway_behavior, pending);
  reach_->node = this;
  question_fan::surroundings fan;
  fan.self = config_.cluster.node;
  fan.view = view_;
  fan.look_up
    = [way = reach_](const question& asked) { return look_up(*way, asked); };
  fan.ask = [way = reach_](const node_id& node, question asked,
                           question_fan::answer_callback answer) {
    const std::shared_lock lock(way->mutex);
    ask_peer(way->node == nullptr ? router_control_actor() : way->node->router_,
             stopping_sentence, node, std::move(asked), std::move(answer));
  };
  fan_ = std::make_shared<question_fan>(std::move(fan));
  gateway_surroundings around;
  around.door = local_door;
  around.questions = fan_;
  around.payload_of = [way = reach_](const std::string& id) {
    std::shared_lock lock(way->mutex);
    actors::management_payload none;
    none.id = id;
    return way->node != nullptr && way->node->make_payload_
             ? way->node->make_payload_(id)
             : none;
  };
  around.is_seed_compatible = [seed = config_.compat_seed] { return seed; };
  gateway_
    = std::make_shared<node_gateway>(std::move(around), std::move(pending));
}

// --- Life --------------------------------------------------------------------

actors::partition_config
node::impl::partition_config_of(partition_id id) const {
  actors::partition_config config;
  config.id = id;
  config.partition_count = ledger_->hub().partition_count;
  config.partition_of = partition_of;
  config.resolve = [functions = functions_](const std::string& name,
                                            const std::string& version) {
    return version_of(*functions, name, version);
  };
  config.discards_events
    = [policies = event_policies_of(*functions_),
       hub = config_.external_events_discard](const std::string& name) {
        const auto own = policies.find(name);
        return own == policies.end() ? hub : own->second;
      };
  config.nondeterminism_fails = config_.nondeterminism_fails;
  config.turn_wait_max = config_.turn_wait_max;
  config.idle_instances_max
    = std::max<std::size_t>(1, config_.idle_instances_max / owned_.size());
  config.idle_instance_time_max = config_.idle_instance_time_max;
  return config;
}

result<void> node::impl::begin_partitions() {
  actors::activity_pool_surroundings work;
  work.time = &system_clock();
  work.functions = functions_;
  work.gateway = gateway_;
  work.payload_of = make_payload_;
  work.observe = observe_;
  work.deliver = [this](actors::activity_result result) {
    caf::anon_send(by_id_[index_of(result.partition)], std::move(result));
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
  by_id_.resize(ledger_->hub().partition_count);
  for (const partition_id id : owned_) {
    actors::partition_surroundings around;
    around.ledger = ledger_.get();
    around.time = &system_clock();
    around.activities = pool_.get();
    around.turns = &watch_;
    around.alarms = alarms_.get();
    around.may_block = run_queue::begin_blocking;
    around.has_blocked = run_queue::end_blocking;
    around.functions = functions_;
    around.router = router_;
    around.door = door_;
    around.door_number = local_door;
    around.on_ready = [ready](result<void> one) {
      std::lock_guard lock(ready->mutex);
      if (!one && ready->outcome)
        ready->outcome = std::move(one);
      if (--ready->left == 0)
        ready->all.set_value();
    };
    by_id_[index_of(id)] = system_->spawn(actors::partition_behavior,
                                          partition_config_of(id), around);
    partitions_.push_back(by_id_[index_of(id)]);
  }
  caf::anon_send(router_, partitions_ready{by_id_});
  for (const actors::partition_actor& one : partitions_)
    caf::anon_send(one, actors::begin_work{});
  ready->all.get_future().wait();
  return ready->outcome;
}

/// The others are let in when all partitions serve.
result<void> node::impl::begin_network() {
  if (config_.cluster.is_alone())
    return {};
  caf_transport_config network;
  auto listen = listen_address_of(config_.cluster);
  auto nodes = parse_nodes(config_.cluster.nodes);
  if (!listen || !nodes)
    return listen ? nodes.error() : listen.error();
  network.listen = *listen;
  network.tls = config_.cluster.has_tls();
  // One connection a pair: the lesser name dials.
  for (const listed_node& each : *nodes)
    if (each.name > config_.cluster.node)
      network.dial.push_back(each);
  auto opened
    = open_caf_transport(*system_, std::move(network), listener_of(router_));
  if (!opened)
    return opened.error();
  transport_ = std::move(*opened);
  caf::anon_send(router_, transport_ready{transport_});
  return {};
}

/// What this node owns is asked straight from now on; a new directory's node
/// serves nothing until it is let in.
void node::impl::open_own_way() {
  auto own = std::make_shared<own_partitions>();
  own->partition_count = ledger_->hub().partition_count;
  own->by_id = by_id_;
  own->read
    = [way = reach_](partition_id partition, const actors::get_status& asked) {
        return actors::answer_with(
          asked.id,
          ask_journal<std::shared_ptr<const actors::instance_status>>(
            *way, [&](const journal& ledger, const std::vector<partition_id>&) {
              return actors::read_status(ledger, partition, asked);
            }));
      };
  gateway_->open_own(std::move(own), is_admitted());
}

result<void> node::impl::begin() {
  if (!config_.cluster.is_alone()) {
    auto peers = peer_register::open(config_.data_dir);
    if (!peers)
      return peers.error();
    peers_ = std::move(*peers);
  }
  open_router();
  caf::anon_send(router_, door_opened{local_door, door_});
  gateway_->open(router_);
  if (auto begun = begin_partitions(); !begun)
    return begun;
  open_own_way();
  if (auto begun = begin_network(); !begun)
    return begun;
  const retention_rules rules = rules_of(config_, *functions_);
  if (!rules.keeps_everything())
    retention_ = system_->spawn<caf::detached>(
      retention_behavior, rules,
      [way = reach_](const instance_query& query) {
        return ask_journal<instance_page>(
          *way, [&](journal& ledger, const std::vector<partition_id>& own) {
            return ledger.query(own, query);
          });
      },
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
  if (router_)
    caf::anon_send(router_, transport_ready{nullptr});
  if (transport_)
    transport_->close();
  transport_.reset();
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
  if (router_) {
    caf::anon_send(router_, partitions_gone{});
    caf::anon_send_exit(router_, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(questions_, caf::exit_reason::user_shutdown);
  }
  for (const actors::partition_actor& one : partitions_)
    caf::anon_send_exit(one, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(door_, caf::exit_reason::user_shutdown);
  if (!watch_.wait_idle(config_.stop_patience))
    left.emplace_back("an orchestrator that never awaits");
  partitions_.clear();
  by_id_.clear();
  router_ = nullptr;
  questions_ = nullptr;
  door_ = nullptr;
  if (!left.empty()) {
    // Threads of user code cannot be ended: what they use must stay.
    ledger_->close();
    static_cast<void>(pool_.release());
    static_cast<void>(alarms_.release());
    static_cast<void>(system_.release());
    static_cast<void>(caf_config_.release());
    static_cast<void>(ledger_.release());
    return left;
  }
  pool_.reset();
  system_.reset(); // waits for its actors
  ledger_->close();
  return left;
}

node_statistics node::impl::statistics() const {
  return statistics_of(survey_figures(partitions_), ledger_->statistics());
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
  if (auto made = ensure_hub(config); !made)
    return made.error();
  lmdb_journal_options options;
  options.directory = config.data_dir;
  options.room.storage_bytes_max = config.storage_bytes_max;
  auto ledger = open_lmdb_journal(std::move(options));
  if (!ledger)
    return ledger.error();
  config.task_hub = (*ledger)->hub().name;
  config.partition_count = (*ledger)->hub().partition_count;
  auto system = std::make_unique<caf::actor_system_config>();
  if (!config.cluster.is_alone())
    if (auto ready = prepare_network(*system, config.cluster); !ready)
      return ready.error();
  std::unique_ptr<node> made(new node());
  made->impl_ = std::make_unique<impl>(std::move(config), std::move(functions),
                                       std::move(*ledger), std::move(system));
  return made;
}

void node::set_payload_maker(payload_maker make) {
  impl_->make_payload_ = std::move(make);
}

void node::set_activity_observer(activity_observer observe) {
  impl_->observe_ = std::move(observe);
}

void node::set_url(std::string url) {
  impl_->url_ = std::move(url);
}

void node::set_stop_listener(stop_listener tell) {
  impl_->must_stop_ = std::move(tell);
}

result<status_counts> node::own_counts() const {
  return impl_->ask_own_counts();
}

std::vector<reported_node> node::reports() const {
  return impl_->ask_reports();
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

bool node::wait_for_peers(duration time_out) const {
  return impl_->wait_for_peers(time_out);
}

bool node::wait_until_admitted(duration time_out) const {
  return impl_->is_admitted() || impl_->wait_until_admitted(time_out);
}

bool node::is_ready() const {
  return impl_->is_ready();
}

} // namespace perdura::cluster
