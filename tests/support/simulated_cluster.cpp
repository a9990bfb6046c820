#include "tests/support/simulated_cluster.hpp"

#include "tests/support/history_text.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace perdura::tests {

using namespace std::chrono_literals;

namespace {

std::vector<cluster::node_id> names_of(unsigned count) {
  std::vector<cluster::node_id> names;
  for (unsigned i = 1; i <= count; ++i)
    names.push_back("node-" + std::to_string(i));
  return names;
}

/// Those that end only when somebody tells them something.
bool waits_for_clients(const subject& one) {
  static const std::set<std::string> waiting{"Collect", "Waits", "TwoEvents",
                                             "AddKeep"};
  return (waiting.contains(one.name) && !one.is_fed_by_sender)
         || one.input.find("Approval") != std::string::npos;
}

} // namespace

simulated_cluster::simulated_cluster(std::uint64_t seed, cluster_options how)
  : world_(seed), how_(std::move(how)), network_(world_) {
  expect_counters();
  const auto owners
    = cluster::place(names_of(how_.nodes), how_.partitions).value();
  clients_ = std::make_unique<simulated_clients>(world_, owners, nodes_);
  const bool has_lanes = world_.once_in(4);
  const bool keeps_none = world_.once_in(4);
  for (unsigned i = 0; i < how_.nodes; ++i) {
    simulated_node_options one;
    one.number = i;
    one.owners = owners;
    one.functions = how_.functions;
    one.faults = how_.planted;
    one.lanes = has_lanes ? 2 : 1;
    if (keeps_none)
      one.idle_instances_max = 0;
    nodes_.push_back(std::make_unique<simulated_node>(std::move(one), world_,
                                                      network_, *clients_));
    come_back(*nodes_.back());
  }
  client_ = std::make_unique<simulated_process>(how_.nodes, owners, world_,
                                                network_, *clients_);
  come_back(*client_);
}

/// Whenever it has died; and it has a door.
void simulated_cluster::come_back(simulated_process& process) {
  clients_->add_door(process);
  if (world_.once_in(3))
    process.request_time_max = 1s;
  process.on_death = [this, &process] {
    world_.after(faults_over_ ? 1ms : world_.between(50ms, 1500ms), [&process] {
      if (!process.is_alive())
        process.start();
    });
  };
}

simulated_cluster::~simulated_cluster() = default;

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
                                 "fault: crash in recovery",
                                 "fault: pause",
                                 "fault: clock leaps",
                                 "fault: an intruder",
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
                                 "envelope: remote_question",
                                 "envelope: remote_reply",
                                 "outbox: child_start",
                                 "outbox: child_ended",
                                 "outbox: child_rewind",
                                 "outbox: child_terminate",
                                 "outbox: event_send",
                                 "commit point: before_commit",
                                 "commit point: after_commit",
                                 "commit point: before_views_commit",
                                 "commit point: after_views_commit",
                                 "client: unavailable",
                                 "client: unknown outcome",
                                 "client: claim withdrawn",
                                 "client: wait cancelled",
                                 "client: repeated after a time-out",
                                 "client: question answered",
                                 "client: question failed"})
    world_.expect(what);
}

unsigned simulated_cluster::lives() const {
  unsigned all = 0;
  for (const auto& node : nodes_)
    all += node->life();
  return all;
}

// --- Time --------------------------------------------------------------------

void simulated_cluster::pass(moment time) {
  bool is_over = false;
  world_.after(time, [&] { is_over = true; });
  while (!is_over)
    world_.step();
}

bool simulated_cluster::pass_until(moment most,
                                   const std::function<bool()>& done) {
  const moment end = world_.now() + most;
  while (!done()) {
    if (world_.now() >= end)
      return false;
    pass(50ms);
  }
  return true;
}

const std::vector<std::string>& simulated_cluster::run() {
  for (const auto& node : nodes_) {
    const auto start = [&node = *node] { node.start(); };
    world_.after(world_.between(0us, 50ms), start);
  }
  world_.after(world_.between(0us, 100ms), [this] { client_->start(); });
  pass(world_.between(0us, 200ms));
  plan_faults();
  left_to_ask_ = how_.operations;
  while (left_to_ask_ > 0) {
    --left_to_ask_;
    clients_->act();
    pass(world_.between(0us, 60ms));
  }
  stop_faults();
  end_all();
  check();
  return world_.complaints();
}

// --- Faults ------------------------------------------------------------------

unsigned simulated_cluster::any_node() {
  return static_cast<unsigned>(world_.below(nodes_.size()));
}

/// Another node, or the client.
unsigned simulated_cluster::other_than(unsigned node) {
  return (node + 1 + static_cast<unsigned>(world_.below(nodes_.size())))
         % static_cast<unsigned>(nodes_.size() + 1);
}

void simulated_cluster::plan_faults() {
  for (unsigned a = 0; a <= nodes_.size(); ++a)
    for (unsigned b = 0; b <= nodes_.size(); ++b) {
      weather& now = network_.between(a, b);
      now.repeated = 40;
      now.late = 60;
      now.lost = world_.once_in(2) ? 3000 : 0;
    }
  const std::uint64_t faults
    = how_.faults_least + world_.below(how_.faults_least + 1);
  // Operations are up to 60 ms apart.
  const moment most = how_.operations * 28ms;
  for (std::uint64_t i = 0; i < faults; ++i)
    world_.after(world_.between(100ms, most), [this] {
      if (!faults_over_)
        fail();
    });
}

void simulated_cluster::fail() {
  ++faults_;
  switch (world_.below(14)) {
  case 0:
  case 1:
    storm();
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
    world_.count("fault: clock leaps");
    nodes_[any_node()]->set_clock_back_or_forth(world_.between(-2s, 2s));
    break;
  case 6:
    crash_all();
    break;
  case 7: {
    simulated_node& node = *nodes_[any_node()];
    if (!node.is_alive())
      break;
    world_.count("fault: crash at any event");
    node.die();
    break;
  }
  case 8:
    world_.count("fault: an intruder");
    network_.intrude(any_node());
    break;
  case 9:
    if (!client_->is_alive())
      break;
    world_.count("fault: crash of a client");
    client_->die();
    break;
  default:
    crash();
  }
}

/// All that one node says and hears.
void simulated_cluster::storm() {
  const unsigned a = any_node();
  world_.count("fault: storm");
  for (unsigned b = 0; b <= nodes_.size(); ++b)
    for (const auto& [from, to] : {std::pair(a, b), std::pair(b, a)}) {
      weather& now = network_.between(from, to);
      now.lost = 5 + world_.below(40);
      now.repeated = 4;
      now.late = 4;
    }
  world_.after(world_.between(200ms, 1500ms), [this, a] {
    for (unsigned b = 0; b <= nodes_.size(); ++b)
      network_.between(a, b).lost = network_.between(b, a).lost = 0;
  });
}

void simulated_cluster::cut(bool both_ways) {
  const unsigned a = any_node();
  const unsigned b = other_than(a);
  world_.count(both_ways ? "fault: partition" : "fault: one-way partition");
  network_.between(a, b).is_cut = true;
  if (both_ways)
    network_.between(b, a).is_cut = true;
  world_.after(world_.between(100ms, 2500ms), [this, a, b] {
    network_.between(a, b).is_cut = false;
    network_.between(b, a).is_cut = false;
  });
}

void simulated_cluster::crash() {
  const auto point = static_cast<crash_point>(world_.below(4));
  nodes_[any_node()]->crash_at(point, 1 + world_.below(3));
}

void simulated_cluster::crash_all() {
  world_.count("fault: crash of all");
  for (const auto& node : nodes_) {
    node->crash_in_recovery(static_cast<unsigned>(world_.below(4)));
    if (node->is_alive())
      node->die();
  }
}

void simulated_cluster::pause() {
  simulated_node& node = *nodes_[any_node()];
  if (!node.is_alive() || node.is_paused())
    return;
  world_.count("fault: pause");
  node.pause();
  world_.after(world_.between(1200ms, 2500ms), [&node, life = node.life()] {
    if (node.life() == life)
      node.go_on();
  });
}

void simulated_cluster::stop_faults() {
  faults_over_ = true;
  network_.heal();
  for (const auto& node : nodes_) {
    node->call_off_crashes();
    node->go_on();
    if (!node->is_alive())
      node->start();
  }
  if (!client_->is_alive())
    client_->start();
}

// --- The end -----------------------------------------------------------------

void simulated_cluster::await_answers(const char* when, bool with_waits) {
  const bool all = pass_until(60s, [&] {
    return clients_->all_over()
           || (!with_waits
               && std::all_of(
                 clients_->operations.begin(), clients_->operations.end(),
                 [](const operation& one) {
                   return one.is_over
                          || std::holds_alternative<wait_instance>(one.request);
                 }));
  });
  if (!all)
    world_.complain(std::string(when) + ": a request is never answered: "
                    + clients_->first_open());
}

void simulated_cluster::end_all() {
  await_answers("after the faults", false);
  pass(2s); // resumes that are still to come
  await_answers("after the faults", false);
  for (std::size_t i = 0; i < clients_->subjects.size(); ++i)
    if (clients_->durable(clients_->subjects[i].id) != nullptr)
      clients_->submit(resume_instance{clients_->subjects[i].id, "end",
                                       clients_->next_request()},
                       i);
  await_answers("resumed", false);
  pass(6s);
  // What has failed is mended, and its children with it; perhaps not at once.
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < clients_->subjects.size(); ++i) {
      const subject& one = clients_->subjects[i];
      const ledger_instance* known = clients_->durable(one.id);
      if (one.fails && !one.output.empty() && known != nullptr
          && known->stored->record.status == runtime_status::failed)
        clients_->submit(
          rewind_instance{one.id, "mended", clients_->next_request()}, i);
    }
    await_answers("rewound", false);
    pass(3s);
  }
  check_progress();
  // Whatever is left, children too.
  for (const auto& node : nodes_)
    for (const partition_id id : node->own())
      for (const auto& [name, instance] : node->book().durable(id).instances) {
        if (is_finished(instance.stored->record.status))
          continue;
        std::size_t about = 0;
        while (about < clients_->subjects.size()
               && clients_->subjects[about].id != name)
          ++about;
        if (about == clients_->subjects.size()) {
          subject child;
          child.id = name;
          child.name = instance.stored->record.name;
          clients_->subjects.push_back(child);
        }
        clients_->subjects[about].is_terminated = true;
        clients_->submit(
          terminate_instance{name, "end", true, clients_->next_request()},
          about);
      }
  await_answers("terminated", true);
  pass(2s); // the last acknowledgements are written half a second later
  const std::size_t count = clients_->subjects.size();
  for (std::size_t i = 0; i < count; ++i)
    for (unsigned door = 0; door <= nodes_.size(); ++door)
      clients_->submit(get_status{clients_->subjects[i].id, true, true}, i,
                       door);
  await_answers("read through every door", true);
  pass(1s);
}

/// Nobody waits who has nothing to wait for.
void simulated_cluster::check_progress() {
  for (const subject& one : clients_->subjects) {
    const ledger_instance* known = clients_->durable(one.id);
    if (known == nullptr || is_finished(known->stored->record.status)
        || waits_for_clients(one) || one.is_terminated)
      continue;
    world_.complain("\"" + one.id + "\" (" + one.name
                    + ") does not get on: " + to_text(known->stored->record));
  }
}

// --- The oracle --------------------------------------------------------------

void simulated_cluster::check() {
  for (const auto& node : nodes_) {
    if (!node->serves()) {
      world_.complain(node->name() + " does not serve at rest");
      return;
    }
    node->check_at_rest();
    for (const partition_id id : node->own())
      for (const auto& [name, instance] : node->book().durable(id).instances) {
        check_replay(name, instance);
        check_timers(name, instance);
      }
  }
  if (client_->router().pending() != 0)
    world_.complain("a client's requests have no answer at rest");
  clients_->check();
}

/// I12: history, run again, asks for what it has recorded.
void simulated_cluster::check_replay(const instance_id& id,
                                     const ledger_instance& instance) {
  orchestration_work_item item;
  item.instance = id;
  item.execution = instance.stored->record.execution;
  item.cold = true;
  item.history = instance.history;
  item.now = instance.stored->record.last_updated_at;
  orchestration_run again(how_.functions);
  const turn_outcome outcome = again.run_turn(std::move(item));
  if (const auto* held = std::get_if<held_result>(&outcome.result))
    world_.complain("\"" + id + "\" does not replay: " + held->reason.message);
}

/// I7: no timer fires before its time.
void simulated_cluster::check_timers(const instance_id& id,
                                     const ledger_instance& instance) {
  std::map<task_sequence, timestamp> due;
  for (const history_event& event : instance.history) {
    if (const auto* created = std::get_if<timer_created>(&event.body))
      due[created->sequence] = created->fire_at;
    else if (const auto* fired = std::get_if<timer_fired>(&event.body))
      if (event.time < due[fired->sequence])
        world_.complain("a timer of \"" + id + "\" has fired early");
  }
}

} // namespace perdura::tests
