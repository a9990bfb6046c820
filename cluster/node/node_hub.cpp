// SPDX-License-Identifier: Apache-2.0
#include "cluster/node/node_hub.hpp"

#include "actors/activities/activity_pool.hpp"
#include "actors/activities/stored_input.hpp"
#include "actors/partition/status_reader.hpp"
#include "cluster/node/node_rules.hpp"
#include "cluster/node/partition_survey.hpp"
#include "cluster/routing/router_wiring.hpp"
#include "persistence/process/build_info.hpp"
#include "persistence/process/guarded_call.hpp"
#include "persistence/process/logging.hpp"
#include <perdura/actors/authoring/registry.hpp>

#include <mutex>
#include <utility>

namespace perdura::cluster {

using namespace persistence;

namespace {

/// The gateway number of this node's gateway. A node has one gateway, so the
/// value only has to differ from `peers_gateway_number`.
constexpr std::uint64_t local_gateway_number = 1;

} // namespace

// The gateway may outlive the hub, so its callbacks reach the hub only through
// `access_`.
node_hub::node_hub(const node_settings& settings,
                   std::unique_ptr<journal> store,
                   const partition_set& partitions)
  : settings_(settings),
    journal_(std::move(store)),
    partitions_(partitions),
    started_at_(system_clock().now()),
    view_(std::make_shared<cluster_view>(placement_of(journal_->hub()))),
    answers_(std::make_shared<pending_requests>()),
    settled_(std::make_shared<actors::settled_clock>(
      system_clock(), settings.config.retention_step_delay)) {
  access_->hub = this;
  scatter_gather_dependencies queries;
  queries.self = settings_.config.cluster.node;
  queries.view = view_;
  queries.run_local_query = [access = access_](const node_query& query) {
    return run_local_query(*access, query);
  };
  queries.query_peer = [access = access_](const node_id& node, node_query query,
                                          node_query_callback answer) {
    const std::shared_lock lock(access->mutex);
    query_peer(access->hub == nullptr ? router_control_actor()
                                      : access->hub->router_,
               stopping_sentence, node, std::move(query), std::move(answer));
  };
  cluster_query_ = std::make_shared<scatter_gather_query>(std::move(queries));
  gateway_dependencies dependencies;
  dependencies.gateway_number = local_gateway_number;
  dependencies.cluster_query = cluster_query_;
  dependencies.payload_of = [access = access_](const std::string& id) {
    const std::shared_lock lock(access->mutex);
    actors::management_payload none;
    none.id = id;
    if (access->hub == nullptr || !access->hub->settings_.make_payload)
      return none;
    actors::management_payload made;
    return guarded_call(
             log_channel::cluster,
             [&] { return "The payload maker for instance \"" + id + '"'; },
             [&] { made = access->hub->settings_.make_payload(id); })
             ? made
             : none;
  };
  dependencies.is_seed_compatible
    = [seed = settings_.config.compat_seed] { return seed; };
  gateway_ = std::make_shared<node_gateway>(std::move(dependencies), answers_);
}

node_hub::~node_hub() {
  detach();
}

// --- Queries -----------------------------------------------------------------

/// Returns the result of `read`, which is called with the journal and the
/// partitions of this node while `access` is locked.
/// @error errc::shutting_down  The node stops or has stopped.
template <class T, class Read>
result<T> node_hub::query_journal(hub_access& access, Read&& read) {
  const std::shared_lock lock(access.mutex);
  if (access.hub == nullptr)
    return error{errc::shutting_down, stopping_sentence};
  return read(*access.hub->journal_, access.hub->partitions_.owned());
}

/// Runs a query over the partitions of this node; blocks. The query may come
/// from this node or from another one.
/// @error errc::shutting_down  The node stops or has stopped.
/// @error errc::unavailable    The node is not admitted yet; only a
///                             report_query is answered before that.
result<node_query_answer> node_hub::run_local_query(hub_access& access,
                                                    const node_query& query) {
  // `detach` waits for this lock, so the journal stays open during the query.
  const std::shared_lock lock(access.mutex);
  if (access.hub == nullptr)
    return error{errc::shutting_down, stopping_sentence};
  const node_hub& hub = *access.hub;
  // A node that is not admitted yet still reports about itself: the report
  // shows operators why the node does not serve.
  if (std::holds_alternative<report_query>(query))
    return node_query_answer(hub.report());
  // A node that is not admitted must not answer about instances: its data
  // directory may be a new, empty one that has replaced a directory with data.
  if (!hub.is_admitted())
    return error{errc::unavailable,
                 "Node \"" + hub.settings_.config.cluster.node
                   + "\" is not admitted: " + hub.why_not_admitted()};
  if (const auto* asked = std::get_if<instance_query>(&query)) {
    auto page = hub.journal_->query(hub.partitions_.owned(), *asked);
    if (!page)
      return page.error();
    return node_query_answer(std::move(*page));
  }
  auto counts = hub.journal_->count(hub.partitions_.owned());
  if (!counts)
    return counts.error();
  return node_query_answer(counts_answer{{counts->begin(), counts->end()}});
}

/// The report of this node about itself. Blocks for at most five seconds: two
/// for the figures, two for the stuck instances and one for the state of the
/// peers. The caller has locked `access_->mutex`.
node_report node_hub::report() const {
  node_report about;
  about.node = settings_.config.cluster.node;
  about.version = persistence::current_build().version;
  about.url = settings_.url;
  about.started_at = started_at_;
  for (const partition_id each : partitions_.owned())
    about.partitions.push_back(index_of(each));
  if (auto counts = journal_->count(partitions_.owned()))
    about.counts.assign(counts->begin(), counts->end());
  const actors::partition_figures figures = partitions_.figures();
  about.outbox_messages = figures.outbox.messages;
  about.paused = paused_in(figures.paused);
  const logged_error newest = newest_error();
  about.last_error = newest.text;
  about.last_error_at = newest.at;
  // An orchestrator without a version is listed by its name alone.
  for (const auto* entry : settings_.functions->orchestrators())
    about.orchestrators.push_back(entry->options().version.empty()
                                    ? entry->name()
                                    : entry->name() + "@"
                                        + entry->options().version);
  about.activities = settings_.functions->activity_names();
  about.stuck = partitions_.stuck();
  if (settings_.stuck_code)
    for (auto& each : settings_.stuck_code())
      about.stuck.push_back(std::move(each));
  if (settings_.unready_reasons)
    for (const unready_reason& each : settings_.unready_reasons())
      about.unready.emplace_back(each.code, each.message);
  about.peers = query_peer_reports(router_);
  return about;
}

result<status_counts> node_hub::count_local_instances() const {
  return query_journal<status_counts>(
    *access_,
    [](const query_source& source, const std::vector<partition_id>& own) {
      return source.count(own);
    });
}

node_statistics node_hub::statistics() const {
  const std::shared_lock lock(access_->mutex);
  if (access_->hub == nullptr)
    return {};
  node_statistics now
    = statistics_of(partitions_.figures(), journal_->statistics());
  now.storage = journal_->space();
  return now;
}

std::vector<reported_node> node_hub::reports() const {
  return cluster_query_->reports();
}

// --- Admission ---------------------------------------------------------------

bool node_hub::wait_for_peers(duration time_out) const {
  std::vector<node_id> missing;
  return view_->wait_for_all(settings_.config.cluster.node, time_out, missing);
}

/// Called on the router's thread when a session with another process begins:
/// the other node accepts this node with its data directory.
void node_hub::on_peer_connected(const peer_hello& hello) {
  view_->peer_connected(hello);
  if (!admission_)
    return;
  admission_->accept();
  gateway_->set_admitted();
}

// --- Start -------------------------------------------------------------------

/// The callbacks run on the router's thread. They may use this object, which
/// outlives the router: all actors end before the hub is destroyed.
router_dependencies node_hub::router_callbacks() {
  router_dependencies callbacks;
  callbacks.peer_connected
    = [this](const peer_hello& hello) { on_peer_connected(hello); };
  callbacks.peer_disconnected
    = [view = view_](const node_id& node) { view->peer_disconnected(node); };
  callbacks.admission_assumed = [this] {
    if (admission_)
      admission_->assume();
    gateway_->set_admitted();
  };
  callbacks.directory_refused = [this](const std::string& why) {
    if (admission_)
      admission_->refuse(why);
  };
  callbacks.must_stop = [this](const error& why) {
    if (settings_.must_stop)
      guarded_call(
        log_channel::cluster,
        [] { return std::string("The stop listener of the node"); },
        [&] { settings_.must_stop(why); });
  };
  callbacks.run_local_query = [queries = local_queries_](
                                const router_control_actor& to,
                                std::uint64_t ticket, node_query query) {
    caf::anon_send(queries, local_query_request{to, ticket, std::move(query)});
  };
  return callbacks;
}

result<void> node_hub::open(caf::actor_system& system) {
  router_config config
    = router_config_of(journal_->hub(), settings_.config.cluster);
  config.self.seed_compatible = settings_.config.compat_seed;
  config.self.url = settings_.url;
  if (!settings_.config.cluster.is_alone()) {
    auto admission = node_admission::open(settings_.config.data_dir, config);
    if (!admission)
      return admission.error();
    admission_ = std::move(*admission);
  }
  // The actor has a thread of its own (`detached`), because a query may read
  // many rows.
  local_queries_ = system.spawn<caf::detached>(
    local_query_behavior, [access = access_](const node_query& query) {
      return run_local_query(*access, query);
    });
  // The router refuses requests for local partitions until
  // `connect_partitions`.
  router_
    = system.spawn(router_behavior, std::move(config), router_callbacks());
  caf::anon_send(router_, gateway_opened{local_gateway_number, answers_});
  gateway_->open(router_);
  return {};
}

void node_hub::provide(actors::partition_dependencies& to) const {
  to.journal = journal_.get();
  to.reader = journal_.get();
  to.functions = settings_.functions;
  to.router = router_;
  to.local_answers = answers_;
  to.local_gateway_number = local_gateway_number;
  to.settled = settled_;
}

void node_hub::provide(actors::activity_pool_dependencies& to) const {
  to.functions = settings_.functions;
  to.gateway = gateway_;
  to.payload_of = settings_.make_payload;
  to.observe = settings_.observe;
  to.read_input = [access = access_](const actors::activity_work_item& item) {
    return query_journal<std::string>(
      *access,
      [&](const state_reader& source, const std::vector<partition_id>&) {
        return actors::stored_input(source, item);
      });
  };
}

void node_hub::connect_partitions() {
  caf::anon_send(router_, partitions_ready{partitions_.by_id()});
}

void node_hub::serve_partitions() {
  auto local = std::make_shared<local_partitions>();
  local->partition_count = journal_->hub().partition_count;
  local->by_id = partitions_.by_id();
  local->read = [access = access_, damaged = partitions_.damaged()](
                  partition_id partition, const actors::get_status& asked) {
    if (const auto found = damaged.find(partition); found != damaged.end())
      return actors::answer_with(
        asked.id,
        result<std::shared_ptr<const actors::instance_status>>(found->second));
    return actors::answer_with(
      asked.id, query_journal<std::shared_ptr<const actors::instance_status>>(
                  *access, [&](const state_reader& source,
                               const std::vector<partition_id>&) {
                    return actors::read_status(source, partition, asked);
                  }));
  };
  gateway_->set_local_partitions(std::move(local), is_admitted());
}

transport_listener node_hub::network_listener() const {
  return make_transport_listener(router_);
}

void node_hub::set_transport(std::shared_ptr<transport> network) {
  if (router_)
    caf::anon_send(router_, transport_ready{std::move(network)});
}

void node_hub::begin_retention(caf::actor_system& system) {
  const retention_rules rules
    = retention_rules_of(settings_.config, *settings_.functions);
  if (rules.keeps_everything())
    return;
  retention_ = system.spawn<caf::detached>(
    retention_behavior, rules,
    [access = access_](const instance_query& query) {
      return query_journal<instance_page>(
        *access,
        [&](const query_source& source, const std::vector<partition_id>& own) {
          return source.query(own, query);
        });
    },
    std::shared_ptr<actors::management_gateway>(gateway_), settled_);
}

// --- Stop --------------------------------------------------------------------

void node_hub::refuse_requests() {
  gateway_->close(stopping_sentence);
}

void node_hub::detach() {
  {
    // Waits for the callbacks that use the hub now; later callbacks find null.
    const std::unique_lock lock(access_->mutex);
    access_->hub = nullptr;
  }
  if (retention_)
    caf::anon_send_exit(retention_, caf::exit_reason::user_shutdown);
  retention_ = nullptr;
}

void node_hub::end_actors() {
  if (!router_)
    return;
  // The router and the partitions hold references to each other. The message
  // `partitions_released` breaks this cycle, so that these actors can be
  // destroyed.
  caf::anon_send(router_, partitions_released{});
  caf::anon_send_exit(router_, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(local_queries_, caf::exit_reason::user_shutdown);
}

void node_hub::release() {
  router_ = nullptr;
  local_queries_ = nullptr;
}

void node_hub::close_journal() {
  journal_->close();
}

} // namespace perdura::cluster
