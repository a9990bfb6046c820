// SPDX-License-Identifier: Apache-2.0
// Keeps more than 10 project includes or 15 members: it creates all parts of a
// node and connects them.
#include "cluster/node/node_impl.hpp"

#include "actors/partition/partition_actor.hpp"
#include "actors/partition/status_reader.hpp"
#include "cluster/node/node_rules.hpp"
#include "cluster/node/partition_survey.hpp"
#include "cluster/placement/node_list.hpp"
#include "cluster/placement/partition_map.hpp"
#include "cluster/routing/router_wiring.hpp"
#include "cluster/scheduling/run_queue.hpp"
#include "cluster/transport/caf_transport.hpp"
#include "persistence/process/build_info.hpp"
#include "persistence/process/guarded_call.hpp"
#include "persistence/process/logging.hpp"
#include "persistence/process/sync_watch.hpp"
#include <perdura/actors/authoring/registry.hpp>

#include <algorithm>
#include <future>
#include <utility>

namespace perdura::cluster {

using namespace persistence;

namespace {

/// The gateway number of this node's gateway. A node has one gateway, so the
/// value only has to differ from `peers_gateway_number`.
constexpr std::uint64_t local_gateway_number = 1;

} // namespace

// --- Queries -----------------------------------------------------------------

result<node_query_answer> node::impl::run_local_query(node_access& access,
                                                      const node_query& query) {
  // `stop` waits for this lock, so the journal stays open during the query.
  const std::shared_lock lock(access.mutex);
  if (access.node == nullptr)
    return error{errc::shutting_down, stopping_sentence};
  // A node that is not admitted yet still reports about itself: the report
  // shows operators why the node does not serve.
  if (std::holds_alternative<report_query>(query))
    return node_query_answer(access.node->report());
  // A node that is not admitted must not answer about instances: its data
  // directory may be a new, empty one that has replaced a directory with data.
  if (!access.node->is_admitted())
    return error{errc::unavailable,
                 "Node \"" + access.node->config_.cluster.node
                   + "\" waits until another node of the cluster admits it."};
  journal& source = *access.node->journal_;
  if (const auto* asked = std::get_if<instance_query>(&query)) {
    auto page = source.query(access.node->owned_, *asked);
    if (!page)
      return page.error();
    return node_query_answer(std::move(*page));
  }
  auto counts = source.count(access.node->owned_);
  if (!counts)
    return counts.error();
  return node_query_answer(counts_answer{{counts->begin(), counts->end()}});
}

/// The report of this node about itself. Blocks for at most five seconds: two
/// for the figures, two for the stuck instances and one for the state of the
/// peers. The caller has locked `access_->mutex`.
node_report node::impl::report() const {
  node_report about;
  about.node = config_.cluster.node;
  about.version = persistence::current_build().version;
  about.url = url_;
  about.started_at = started_at_;
  for (const partition_id each : owned_)
    about.partitions.push_back(index_of(each));
  if (auto counts = journal_->count(owned_))
    about.counts.assign(counts->begin(), counts->end());
  about.outbox_messages = survey_figures(partitions_).outbox_messages;
  const logged_error newest = newest_error();
  about.last_error = newest.text;
  about.last_error_at = newest.at;
  // An orchestrator without a version is listed by its name alone.
  for (const auto* entry : functions_->orchestrators())
    about.orchestrators.push_back(entry->options().version.empty()
                                    ? entry->name()
                                    : entry->name() + "@"
                                        + entry->options().version);
  about.activities = functions_->activity_names();
  about.stuck = survey_stuck(partitions_);
  for (const unready_reason& each : unready_reasons())
    about.unready.emplace_back(each.code, each.message);
  about.peers = query_peer_reports(router_);
  return about;
}

/// Spawns the router and the actor that runs queries of other nodes. The router
/// refuses requests for local partitions until `partitions_ready` has arrived.
void node::impl::open_router() {
  router_config config = router_config_of(journal_->hub(), config_.cluster);
  config.self.seed_compatible = config_.compat_seed;
  config.self.url = url_;
  config.must_be_admitted
    = peers_ && !peers_->was_admitted() && !config.peers.empty();
  // The callbacks run on the router's thread. `peers_` outlives the router:
  // `stop` ends all actors before the members are destroyed.
  if (peers_)
    config.admit = [peers = peers_.get()](const peer_hello& hello) {
      return peers->admit(hello);
    };
  router_dependencies dependencies;
  dependencies.peer_connected = [this](const peer_hello& hello) {
    view_->peer_connected(hello);
    if (!peers_)
      return;
    // The session shows that the other node accepts this node with its data
    // directory: record the admission in the file `peers`. If the file cannot
    // be written, this node serves, but needs another admission after a
    // restart.
    if (auto noted = peers_->record_admission(); !noted)
      log(log_channel::cluster, log_level::error, noted.error().message);
    is_admitted_now_ = true;
    gateway_->set_admitted();
  };
  dependencies.peer_disconnected
    = [view = view_](const node_id& node) { view->peer_disconnected(node); };
  dependencies.must_stop = [this](const error& why) {
    if (must_stop_)
      guarded_call(
        log_channel::cluster,
        [] { return std::string("The stop listener of the node"); },
        [&] { must_stop_(why); });
  };
  // The actor has a thread of its own (`detached`), because a query may read
  // many rows.
  local_queries_ = system_->spawn<caf::detached>(
    local_query_behavior, [access = access_](const node_query& query) {
      return run_local_query(*access, query);
    });
  dependencies.run_local_query = [queries = local_queries_](
                                   const router_control_actor& to,
                                   std::uint64_t ticket, node_query query) {
    caf::anon_send(queries, local_query_request{to, ticket, std::move(query)});
  };
  router_ = system_->spawn(router_behavior, std::move(config),
                           std::move(dependencies));
}

/// Creates the gateway. Called by the constructor, so that a caller of
/// `gateway()` can hold the gateway before `begin`; the gateway refuses
/// requests until `begin` sets the router.
void node::impl::create_gateway() {
  answers_ = std::make_shared<pending_requests>();
  access_->node = this;
  // The gateway may outlive the node, so its callbacks reach the node only
  // through `access_`.
  scatter_gather_dependencies queries;
  queries.self = config_.cluster.node;
  queries.view = view_;
  queries.run_local_query = [access = access_](const node_query& query) {
    return run_local_query(*access, query);
  };
  queries.query_peer = [access = access_](const node_id& node, node_query query,
                                          node_query_callback answer) {
    const std::shared_lock lock(access->mutex);
    query_peer(access->node == nullptr ? router_control_actor()
                                       : access->node->router_,
               stopping_sentence, node, std::move(query), std::move(answer));
  };
  cluster_query_ = std::make_shared<scatter_gather_query>(std::move(queries));
  gateway_dependencies dependencies;
  dependencies.gateway_number = local_gateway_number;
  dependencies.cluster_query = cluster_query_;
  dependencies.payload_of = [access = access_](const std::string& id) {
    std::shared_lock lock(access->mutex);
    actors::management_payload none;
    none.id = id;
    if (access->node == nullptr || !access->node->make_payload_)
      return none;
    actors::management_payload made;
    return guarded_call(
             log_channel::cluster,
             [&] { return "The payload maker for instance \"" + id + '"'; },
             [&] { made = access->node->make_payload_(id); })
             ? made
             : none;
  };
  dependencies.is_seed_compatible
    = [seed = config_.compat_seed] { return seed; };
  gateway_ = std::make_shared<node_gateway>(std::move(dependencies), answers_);
}

// --- Start and stop ----------------------------------------------------------

actors::partition_config
node::impl::partition_config_of(partition_id id) const {
  actors::partition_config config;
  config.id = id;
  config.partition_count = journal_->hub().partition_count;
  config.partition_of = partition_of;
  config.resolve = [functions = functions_](const std::string& name,
                                            const std::string& version) {
    return resolve_version(*functions, name, version);
  };
  // The policy of an orchestrator takes precedence over the hub's.
  config.discards_events
    = [policies = event_policies_of(*functions_),
       hub = config_.external_events_discard](const std::string& name) {
        const auto policy = policies.find(name);
        return policy == policies.end() ? hub : policy->second;
      };
  config.nondeterminism_fails = config_.nondeterminism_fails;
  config.turn_wait_max = config_.turn_wait_max;
  // The limit of the node is divided evenly between its partitions, and each
  // partition keeps at least one instance. `owned_` is not empty here: only
  // owned partitions are spawned.
  config.idle_instances_max
    = std::max<std::size_t>(1, config_.idle_instances_max / owned_.size());
  config.idle_instance_time_max = config_.idle_instance_time_max;
  return config;
}

/// Creates the activity pool and spawns the partitions. Blocks until every
/// partition has reported that it has recovered or failed. The result is the
/// first error that was reported.
result<void> node::impl::begin_partitions() {
  actors::activity_pool_dependencies work;
  work.clock = &system_clock();
  work.functions = functions_;
  work.gateway = gateway_;
  work.payload_of = make_payload_;
  work.observe = observe_;
  // `by_id_` does not change between the start of the first activity and the
  // end of the last one.
  work.deliver = [this](actors::activity_result result) {
    caf::anon_send(by_id_[index_of(result.partition)], std::move(result));
  };
  actors::activity_pool_options limits;
  limits.activities_max = config_.activities_max;
  pool_ = std::make_unique<actors::activity_pool>(*system_, limits,
                                                  std::move(work));

  // Partitions report on their own threads, so the reports are counted under a
  // mutex. `on_ready` is copied into each partition, so the partitions share
  // this state.
  struct readiness {
    std::mutex mutex;
    std::size_t left = 0; ///< Partitions that have not reported.
    result<void> outcome; ///< The first error.
    std::promise<void> all;
  };

  auto ready = std::make_shared<readiness>();
  ready->left = owned_.size();
  by_id_.resize(journal_->hub().partition_count);
  for (const partition_id id : owned_) {
    actors::partition_dependencies dependencies;
    dependencies.journal = journal_.get();
    dependencies.clock = &system_clock();
    dependencies.activities = pool_.get();
    dependencies.turns = &watch_;
    dependencies.alarms = alarms_.get();
    dependencies.may_block = run_queue::begin_blocking;
    dependencies.has_blocked = run_queue::end_blocking;
    dependencies.functions = functions_;
    dependencies.router = router_;
    dependencies.local_answers = answers_;
    dependencies.local_gateway_number = local_gateway_number;
    dependencies.on_ready = [ready](result<void> one) {
      std::lock_guard lock(ready->mutex);
      if (!one && ready->outcome)
        ready->outcome = std::move(one);
      if (--ready->left == 0)
        ready->all.set_value();
    };
    by_id_[index_of(id)] = system_->spawn(
      actors::partition_behavior, partition_config_of(id), dependencies);
    partitions_.push_back(by_id_[index_of(id)]);
  }
  // A recovered partition sends the messages in its outbox at once, also to
  // partitions of this node, so the router must know all local partitions
  // before the first recovery begins.
  caf::anon_send(router_, partitions_ready{by_id_});
  for (const actors::partition_actor& one : partitions_)
    caf::anon_send(one, actors::begin_recovery{});
  ready->all.get_future().wait();
  return ready->outcome;
}

/// Opens the transport: other nodes can connect from now on. Called after all
/// partitions have recovered.
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
  // One connection for each pair of nodes: the node with the name that sorts
  // first connects to the other.
  for (const listed_node& each : *nodes)
    if (each.name > config_.cluster.node)
      network.connect_to.push_back(each);
  auto opened = open_caf_transport(*system_, std::move(network),
                                   make_transport_listener(router_));
  if (!opened)
    return opened.error();
  transport_ = std::move(*opened);
  caf::anon_send(router_, transport_ready{transport_});
  return {};
}

/// Gives the gateway direct access to the partitions of this node. If the node
/// is not admitted yet, the gateway uses this access only after the admission.
void node::impl::open_local_partitions() {
  auto local = std::make_shared<local_partitions>();
  local->partition_count = journal_->hub().partition_count;
  local->by_id = by_id_;
  local->read = [access = access_](partition_id partition,
                                   const actors::get_status& asked) {
    return actors::answer_with(
      asked.id,
      query_journal<std::shared_ptr<const actors::instance_status>>(
        *access, [&](const journal& source, const std::vector<partition_id>&) {
          return actors::read_status(source, partition, asked);
        }));
  };
  gateway_->set_local_partitions(std::move(local), is_admitted());
}

// The order matters: partitions send messages through the router, so it is
// spawned first; other nodes may connect only when all partitions can answer,
// so the transport is opened last.
result<void> node::impl::begin() {
  if (!config_.cluster.is_alone()) {
    auto peers = peer_register::open(config_.data_dir);
    if (!peers)
      return peers.error();
    peers_ = std::move(*peers);
  }
  open_router();
  caf::anon_send(router_, gateway_opened{local_gateway_number, answers_});
  gateway_->open(router_);
  if (auto begun = begin_partitions(); !begun)
    return begun;
  open_local_partitions();
  if (auto begun = begin_network(); !begun)
    return begun;
  const retention_rules rules = retention_rules_of(config_, *functions_);
  if (!rules.keeps_everything())
    retention_ = system_->spawn<caf::detached>(
      retention_behavior, rules,
      [access = access_](const instance_query& query) {
        return query_journal<instance_page>(
          *access, [&](journal& source, const std::vector<partition_id>& own) {
            return source.query(own, query);
          });
      },
      std::shared_ptr<actors::management_gateway>(gateway_), &system_clock());
  serving_ = true;
  return {};
}

// The order matters. First the gateway and the transport are closed, so that no
// request arrives any more. Then the node waits for running activities and ends
// the actors. The journal is closed last, because actors write to it.
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
    // Waits for the callbacks that use the node now; later callbacks find null.
    std::unique_lock lock_access(access_->mutex);
    access_->node = nullptr;
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
  // The router and the partitions hold references to each other. The message
  // `partitions_released` breaks this cycle, so that these actors can be
  // destroyed.
  if (router_) {
    caf::anon_send(router_, partitions_released{});
    caf::anon_send_exit(router_, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(local_queries_, caf::exit_reason::user_shutdown);
  }
  for (const actors::partition_actor& one : partitions_)
    caf::anon_send_exit(one, caf::exit_reason::user_shutdown);
  if (!watch_.wait_idle(config_.stop_patience))
    left.emplace_back("an orchestrator that never awaits");
  partitions_.clear();
  by_id_.clear();
  router_ = nullptr;
  local_queries_ = nullptr;
  if (!left.empty()) {
    // A thread that runs user code cannot be ended from outside. The objects
    // that such threads may still use are leaked on purpose. Closing the
    // journal commits the turns that are queued in it.
    journal_->close();
    static_cast<void>(pool_.release());
    static_cast<void>(alarms_.release());
    static_cast<void>(system_.release());
    static_cast<void>(caf_config_.release());
    static_cast<void>(journal_.release());
    return left;
  }
  pool_.reset();
  system_.reset(); // blocks until all actors have ended
  journal_->close();
  return left;
}

std::vector<unready_reason> node::impl::unready_reasons() const {
  readiness_facts facts;
  facts.is_serving = serving_;
  const std::shared_lock lock(access_->mutex);
  facts.is_stopping = access_->node == nullptr;
  if (facts.is_stopping)
    return reasons_of(facts);
  // `begin` sets `peers_` before the node serves.
  facts.is_admitted = !facts.is_serving || is_admitted();
  facts.is_disk_full = journal_->is_full();
  facts.has_no_thread
    = watch_.is_stuck(threads_, system_clock().now(), std::chrono::seconds(5));
  facts.sync_time = sync_watch::of_process().longest();
  return reasons_of(facts);
}

node_statistics node::impl::statistics() const {
  return statistics_of(survey_figures(partitions_), journal_->statistics());
}

} // namespace perdura::cluster
