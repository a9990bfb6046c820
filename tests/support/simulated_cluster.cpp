// SPDX-License-Identifier: Apache-2.0
#include "tests/support/simulated_cluster.hpp"

#include "tests/support/history_text.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace perdura::tests {

using namespace actors;
using namespace persistence;

using namespace std::chrono_literals;

namespace {

std::vector<cluster::node_id> names_of(unsigned count) {
  std::vector<cluster::node_id> names;
  for (unsigned i = 1; i <= count; ++i)
    names.push_back("node-" + std::to_string(i));
  return names;
}

/// True if the instance ends only after events of a client.
bool waits_for_clients(const tracked_instance& one) {
  static const std::set<std::string> waiting{"Collect", "Waits", "TwoEvents",
                                             "AddKeep"};
  return (waiting.contains(one.name) && !one.is_fed_by_sender)
         || one.input.find("Approval") != std::string::npos;
}

} // namespace

simulated_cluster::simulated_cluster(std::uint64_t seed,
                                     cluster_options options)
  : simulator_(seed), options_(std::move(options)), network_(simulator_) {
  expect_counters();
  const auto owners
    = cluster::place(names_of(options_.nodes), options_.partitions).value();
  clients_ = std::make_unique<simulated_clients>(simulator_, owners, nodes_);
  const bool has_lanes = simulator_.once_in(4);
  const bool keeps_none = simulator_.once_in(4);
  const bool has_small_outboxes = simulator_.once_in(4);
  for (unsigned i = 0; i < options_.nodes; ++i) {
    simulated_node_options one;
    one.number = i;
    one.owners = owners;
    one.functions = options_.functions;
    one.faults = options_.planted;
    one.lanes = has_lanes ? 2 : 1;
    if (keeps_none)
      one.idle_instances_max = 0;
    if (has_small_outboxes)
      one.outbox_messages_max = 2;
    nodes_.push_back(std::make_unique<simulated_node>(
      std::move(one), simulator_, network_, *clients_));
    restart_after_crash(*nodes_.back());
  }
  client_ = std::make_unique<simulated_process>(
    options_.nodes, owners, simulator_, network_, *clients_);
  restart_after_crash(*client_);
}

/// Lets clients use the process, and restarts the process some time after each
/// crash.
void simulated_cluster::restart_after_crash(simulated_process& process) {
  clients_->add_process(process);
  if (simulator_.once_in(3))
    process.request_time_max = 1s;
  process.on_crash = [this, &process] {
    simulator_.after(faults_over_ ? 1ms : simulator_.between(50ms, 1500ms),
                     [&process] {
                       if (!process.is_running())
                         process.start();
                     });
  };
}

simulated_cluster::~simulated_cluster() = default;

/// Creates all counters with the value 0, so that a test also finds the faults,
/// packets and commit points that never occurred.
void simulated_cluster::expect_counters() {
  for (const char* const what : {"fault: loss",
                                 "fault: duplication",
                                 "fault: delay and reordering",
                                 "fault: partition",
                                 "fault: one-way partition",
                                 "fault: packet into a cut",
                                 "fault: crash at before_commit",
                                 "fault: crash at after_commit",
                                 "fault: crash at before_views_commit",
                                 "fault: crash at after_views_commit",
                                 "fault: crash at any event",
                                 "fault: crash of all",
                                 "fault: restart of a machine",
                                 "fault: crash in recovery",
                                 "fault: pause",
                                 "fault: clock jump",
                                 "fault: foreign packets",
                                 "fault: crash of a client",
                                 "packet: refusal",
                                 "packet: hello",
                                 "packet: data",
                                 "packet: heartbeat",
                                 "envelope: remote_request",
                                 "envelope: remote_cancel",
                                 "envelope: remote_answer",
                                 "envelope: remote_message",
                                 "envelope: remote_acknowledgement",
                                 "envelope: remote_query",
                                 "envelope: remote_query_answer",
                                 "outbox: child_start",
                                 "outbox: child_ended",
                                 "outbox: child_rewind",
                                 "outbox: child_terminate",
                                 "outbox: event_send",
                                 "outbox: rule_notice",
                                 "commit point: before_commit",
                                 "commit point: after_commit",
                                 "commit point: before_views_commit",
                                 "commit point: after_views_commit",
                                 "client: unavailable",
                                 "client: unknown outcome",
                                 "client: request withdrawn",
                                 "client: wait cancelled",
                                 "client: repeated after a time-out",
                                 "client: query answered",
                                 "client: query failed",
                                 "client: started by an event",
                                 "client: event without a start",
                                 "check: tree ended",
                                 "check: result kept by a rewind"})
    simulator_.expect(what);
}

unsigned simulated_cluster::starts() const {
  unsigned all = 0;
  for (const auto& node : nodes_)
    all += node->start_count();
  return all;
}

// --- Time --------------------------------------------------------------------

void simulated_cluster::advance_time(steady_time time) {
  bool is_due = false;
  simulator_.after(time, [&] { is_due = true; });
  while (!is_due)
    simulator_.step();
}

bool simulated_cluster::advance_until(steady_time most,
                                      const std::function<bool()>& done) {
  const steady_time end = simulator_.now() + most;
  while (!done()) {
    if (simulator_.now() >= end)
      return false;
    advance_time(50ms);
  }
  return true;
}

const std::vector<std::string>& simulated_cluster::run() {
  for (const auto& node : nodes_) {
    const auto start = [&node = *node] { node.start(); };
    simulator_.after(simulator_.between(0us, 50ms), start);
  }
  simulator_.after(simulator_.between(0us, 100ms),
                   [this] { client_->start(); });
  advance_time(simulator_.between(0us, 200ms));
  plan_faults();
  operations_left_ = options_.operations;
  while (operations_left_ > 0) {
    --operations_left_;
    clients_->submit_random_operation();
    advance_time(simulator_.between(0us, 60ms));
  }
  stop_faults();
  finish_instances();
  check();
  return simulator_.violations();
}

// --- Faults ------------------------------------------------------------------

unsigned simulated_cluster::any_node() {
  return static_cast<unsigned>(simulator_.below(nodes_.size()));
}

/// A random process other than `node`: a node or the client process.
unsigned simulated_cluster::other_process(unsigned node) {
  return (node + 1 + static_cast<unsigned>(simulator_.below(nodes_.size())))
         % static_cast<unsigned>(nodes_.size() + 1);
}

/// Sets the base conditions of all links and schedules the faults of the run.
void simulated_cluster::plan_faults() {
  for (unsigned a = 0; a <= nodes_.size(); ++a)
    for (unsigned b = 0; b <= nodes_.size(); ++b) {
      link_conditions& now = network_.between(a, b);
      now.duplicated = 40;
      now.delayed = 60;
      now.lost = simulator_.once_in(2) ? 3000 : 0;
    }
  const std::uint64_t faults
    = options_.faults_least + simulator_.below(options_.faults_least + 1);
  // The clients submit one operation every 30 ms on average, so almost all
  // faults begin while operations are submitted.
  const steady_time most = options_.operations * 28ms;
  for (std::uint64_t i = 0; i < faults; ++i)
    simulator_.after(simulator_.between(100ms, most), [this] {
      if (!faults_over_)
        inject_fault();
    });
}

void simulated_cluster::inject_fault() {
  ++faults_;
  switch (simulator_.below(14)) {
  case 0:
  case 1:
    degrade_links();
    break;
  case 2:
    cut(true);
    break;
  case 3:
    cut(false);
    break;
  case 4:
    pause();
    break;
  case 5:
    simulator_.count("fault: clock jump");
    nodes_[any_node()]->shift_clock(simulator_.between(-2s, 2s));
    break;
  case 6:
    crash_all();
    break;
  case 7: {
    simulated_node& node = *nodes_[any_node()];
    if (!node.is_running())
      break;
    simulator_.count("fault: crash at any event");
    node.crash();
    break;
  }
  case 8:
    simulator_.count("fault: foreign packets");
    network_.send_foreign_packets(any_node());
    break;
  case 9:
    if (!client_->is_running())
      break;
    simulator_.count("fault: crash of a client");
    client_->crash();
    break;
  default:
    crash();
  }
}

/// Makes all links from and to one node lossy for a while.
void simulated_cluster::degrade_links() {
  const unsigned a = any_node();
  simulator_.count("fault: lossy links");
  for (unsigned b = 0; b <= nodes_.size(); ++b)
    for (const auto& [from, to] : {std::pair(a, b), std::pair(b, a)}) {
      link_conditions& now = network_.between(from, to);
      now.lost = 5 + simulator_.below(40);
      now.duplicated = 4;
      now.delayed = 4;
    }
  simulator_.after(simulator_.between(200ms, 1500ms), [this, a] {
    for (unsigned b = 0; b <= nodes_.size(); ++b)
      network_.between(a, b).lost = network_.between(b, a).lost = 0;
  });
}

/// Interrupts a link for a while, in one or both directions.
void simulated_cluster::cut(bool both_ways) {
  const unsigned a = any_node();
  const unsigned b = other_process(a);
  simulator_.count(both_ways ? "fault: partition" : "fault: one-way partition");
  network_.between(a, b).is_cut = true;
  if (both_ways)
    network_.between(b, a).is_cut = true;
  simulator_.after(simulator_.between(100ms, 2500ms), [this, a, b] {
    network_.between(a, b).is_cut = false;
    network_.between(b, a).is_cut = false;
  });
}

/// Crashes a node at a random commit point.
void simulated_cluster::crash() {
  const auto point = static_cast<crash_point>(simulator_.below(4));
  nodes_[any_node()]->crash_at(point, 1 + simulator_.below(3));
}

/// Crashes all nodes at the same time, and some again during recovery.
void simulated_cluster::crash_all() {
  simulator_.count("fault: crash of all");
  for (const auto& node : nodes_) {
    node->crash_in_recovery(static_cast<unsigned>(simulator_.below(4)));
    if (node->is_running())
      node->crash();
    if (simulator_.once_in(2)) {
      simulator_.count("fault: restart of a machine");
      node->reboot();
    }
  }
}

/// Pauses a node long enough for its links to time out.
void simulated_cluster::pause() {
  simulated_node& node = *nodes_[any_node()];
  if (!node.is_running() || node.is_paused())
    return;
  simulator_.count("fault: pause");
  node.pause();
  simulator_.after(simulator_.between(1200ms, 2500ms),
                   [&node, start_count = node.start_count()] {
                     if (node.start_count() == start_count)
                       node.resume();
                   });
}

/// Ends all faults and restarts everything that does not run.
void simulated_cluster::stop_faults() {
  faults_over_ = true;
  network_.clear_faults();
  for (const auto& node : nodes_) {
    node->cancel_crashes();
    node->resume();
    if (!node->is_running())
      node->start();
  }
  if (!client_->is_running())
    client_->start();
}

// --- End of the run ----------------------------------------------------------

/// Runs the cluster until all requests are answered. Wait requests may stay
/// unanswered if `with_waits` is false.
void simulated_cluster::await_answers(const char* when, bool with_waits) {
  const bool all = advance_until(60s, [&] {
    return clients_->all_closed()
           || (!with_waits
               && std::all_of(
                 clients_->operations.begin(), clients_->operations.end(),
                 [](const operation& one) {
                   return one.is_closed
                          || std::holds_alternative<wait_instance>(one.request);
                 }));
  });
  if (!all)
    simulator_.report_violation(std::string(when)
                                + ": a request is never answered: "
                                + clients_->first_open());
}

/// Resumes all instances, rewinds the failed ones, and terminates those that
/// still have not ended. Then reads every instance through every process.
void simulated_cluster::finish_instances() {
  await_answers("after the faults", false);
  advance_time(2s); // clients send their delayed resume requests
  await_answers("after the faults", false);
  for (std::size_t i = 0; i < clients_->tracked.size(); ++i)
    if (clients_->durable(clients_->tracked[i].id) != nullptr)
      clients_->submit(resume_instance{clients_->tracked[i].id, "end",
                                       clients_->next_request()},
                       i);
  await_answers("resumed", false);
  advance_time(6s);
  // Rewind the failed instances with their children. Several rounds may be
  // necessary because a child can fail again.
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < clients_->tracked.size(); ++i) {
      const tracked_instance& one = clients_->tracked[i];
      const model_instance* known = clients_->durable(one.id);
      if (one.fails && !one.output.empty() && known != nullptr
          && known->stored->record.status == runtime_status::failed)
        clients_->submit(
          rewind_instance{one.id, "fixed", clients_->next_request()}, i);
    }
    await_answers("rewound", false);
    advance_time(3s);
  }
  check_progress();
  check_ended_trees();
  // Terminate all instances that have not ended, including children.
  for (const auto& node : nodes_)
    for (const partition_id id : node->owned_partitions())
      for (const auto& [name, instance] : node->model().durable(id).instances) {
        if (is_finished(instance.stored->record.status))
          continue;
        std::size_t index = 0;
        while (index < clients_->tracked.size()
               && clients_->tracked[index].id != name)
          ++index;
        if (index == clients_->tracked.size()) {
          tracked_instance child;
          child.id = name;
          child.name = instance.stored->record.name;
          clients_->tracked.push_back(child);
        }
        clients_->tracked[index].terminate_requested = true;
        clients_->submit(
          terminate_instance{name, "end", true, clients_->next_request()},
          index);
      }
  await_answers("terminated", true);
  // A partition deletes an acknowledged outbox message up to half a second
  // after the acknowledgement.
  advance_time(2s);
  const std::size_t count = clients_->tracked.size();
  for (std::size_t i = 0; i < count; ++i)
    for (unsigned process = 0; process <= nodes_.size(); ++process)
      clients_->submit(get_status{clients_->tracked[i].id, true, true}, i,
                       process);
  await_answers("read through every process", true);
  advance_time(1s);
}

/// Checks that every instance has ended unless it waits for a client or a
/// client has asked to terminate it.
void simulated_cluster::check_progress() {
  // A client may withdraw the start of a sender before it has sent it.
  const auto lost_sender = [this](const tracked_instance& one) {
    return one.is_fed_by_sender
           && std::any_of(clients_->operations.begin(),
                          clients_->operations.end(),
                          [&](const operation& each) {
                            return each.is_withdrawn
                                   && clients_->tracked[each.instance].id
                                        == one.id + "-sender";
                          });
  };
  for (const tracked_instance& one : clients_->tracked) {
    const model_instance* known = clients_->durable(one.id);
    if (known == nullptr || is_finished(known->stored->record.status)
        || waits_for_clients(one) || one.terminate_requested
        || lost_sender(one))
      continue;
    simulator_.report_violation("\"" + one.id + "\" (" + one.name
                                + ") makes no progress: "
                                + to_text(known->stored->record));
  }
}

/// Checks that every instance below a root has ended whose terminate with its
/// sub-orchestrations was acknowledged.
void simulated_cluster::check_ended_trees() {
  std::set<instance_id> roots;
  for (const operation& each : clients_->operations) {
    const auto* request = std::get_if<terminate_instance>(&each.request);
    const tracked_instance& one = clients_->tracked[each.instance];
    if (request != nullptr && request->recursive && each.is_answered
        && each.answer.code == errc::ok && one.name == "Tree"
        && !one.restart_requested && !one.purge_requested)
      roots.insert(one.id);
  }
  for (const auto& node : nodes_)
    for (const partition_id id : node->owned_partitions())
      for (const auto& [name, instance] : node->model().durable(id).instances) {
        const instance_record& record = instance.stored->record;
        if (!roots.contains(record.place.root))
          continue;
        simulator_.count("check: tree ended");
        if (!is_finished(record.status))
          simulator_.report_violation("\"" + name + "\" runs, and its root \""
                                      + record.place.root
                                      + "\" was terminated with its "
                                        "sub-orchestrations");
      }
}

// --- Invariants --------------------------------------------------------------

void simulated_cluster::check() {
  for (const auto& node : nodes_) {
    if (!node->serves()) {
      simulator_.report_violation(node->name() + " does not serve at rest");
      return;
    }
    node->check_at_rest();
    for (const partition_id id : node->owned_partitions())
      for (const auto& [name, instance] : node->model().durable(id).instances) {
        check_replay(name, instance);
        check_rewinds(name, instance);
        check_timers(name, instance);
      }
  }
  if (client_->router().pending() != 0)
    simulator_.report_violation("a client's requests have no answer at rest");
  clients_->check();
}

/// A replay of the history makes the recorded decisions.
void simulated_cluster::check_replay(const instance_id& id,
                                     const model_instance& instance) {
  orchestration_work_item item;
  item.instance = id;
  item.execution = instance.stored->record.execution;
  item.cold = true;
  item.history = instance.history;
  item.now = instance.stored->record.last_updated_at;
  item.elapsed = persistence::elapsed_time(item.now.time_since_epoch());
  orchestration_run again(options_.functions);
  const turn_outcome outcome = again.run_turn(std::move(item));
  if (const auto* held = std::get_if<held_result>(&outcome.result))
    simulator_.report_violation(
      "\"" + id + "\" does not replay: " + held->reason.message);
}

/// A rewind runs no call again whose result the execution has. The calls of
/// these orchestrators differ in name or input.
void simulated_cluster::check_rewinds(const instance_id& id,
                                      const model_instance& instance) {
  const std::string& orchestrator = instance.stored->record.name;
  const bool is_distinct
    = orchestrator == "Rethrows" || orchestrator == "FailsOnce";
  std::map<task_sequence, std::string> calls;
  std::set<std::string> done;
  bool is_rewound = false;
  const auto is_repeated = [&](const std::string& call) {
    if (done.contains(call))
      simulator_.report_violation("\"" + id + "\" runs \"" + call
                                  + "\" again, and has its result");
  };
  for (const history_event& event : instance.history) {
    if (const auto* call = std::get_if<task_scheduled>(&event.body)) {
      calls[call->sequence]
        = call->name + "(" + call->input + ")"
          + (is_distinct ? "" : " " + std::to_string(call->sequence));
      is_repeated(calls[call->sequence]);
    } else if (const auto* ended = std::get_if<task_completed>(&event.body)) {
      done.insert(calls[ended->sequence]);
    } else if (const auto* rewound
               = std::get_if<execution_rewound>(&event.body)) {
      is_rewound = true;
      for (const task_rerun& each : rewound->reruns) {
        is_repeated(calls[each.old_sequence]);
        calls[each.new_sequence] = calls[each.old_sequence];
      }
    }
  }
  if (is_rewound && orchestrator == "Rethrows"
      && instance.stored->record.status == runtime_status::completed)
    simulator_.count("check: result kept by a rewind");
}

/// No timer fires before its delay has passed, by the elapsed time of the turns
/// that created it and received it, and none with a time before that time.
void simulated_cluster::check_timers(const instance_id& id,
                                     const model_instance& instance) {
  struct open_timer {
    timestamp fire_at{};
    persistence::elapsed_time due{}; ///< Not set for a timer with a time.
  };

  std::map<task_sequence, open_timer> open;
  timestamp turn{};
  persistence::elapsed_time elapsed{};
  for (const history_event& event : instance.history) {
    if (const auto* started
        = std::get_if<persistence::orchestrator_started>(&event.body)) {
      turn = event.time;
      elapsed
        = persistence::elapsed_time(turn.time_since_epoch() - started->ahead);
    } else if (const auto* created = std::get_if<timer_created>(&event.body)) {
      open_timer& timer = open[created->sequence];
      timer.fire_at = created->fire_at;
      if (!created->absolute)
        timer.due = elapsed + (created->fire_at - turn);
    } else if (const auto* fired = std::get_if<timer_fired>(&event.body)) {
      const open_timer& timer = open[fired->sequence];
      if (event.time < timer.fire_at || elapsed < timer.due)
        simulator_.report_violation("a timer of \"" + id
                                    + "\" has fired early");
    }
  }
}

} // namespace perdura::tests
