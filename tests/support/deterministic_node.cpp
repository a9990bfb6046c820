#include "tests/support/deterministic_node.hpp"

#include "persistence/journal/memory_journal.hpp"
#include "tests/support/history_text.hpp"
#include "tests/support/inline_activity.hpp"
#include "tests/support/partition_checks.hpp"

#include <algorithm>
#include <stdexcept>

namespace perdura::tests {

partition_id partition_by_fnv(const instance_id& id, std::uint32_t count) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const unsigned char c : id)
    hash = (hash ^ c) * 0x100000001b3U;
  return partition_id((hash >> 32U) % count);
}

disk_opener open_in_memory(std::uint32_t partitions, std::uint32_t lanes) {
  hub_identity hub;
  hub.hub_id = std::string(32, '0');
  hub.name = "test";
  hub.partition_count = partitions;
  hub.lane_count = lanes;
  auto disk = std::make_shared<memory_disk>(hub);
  return [disk](crash_hook crash) {
    memory_journal_options options;
    options.crash = std::move(crash);
    return open_memory_journal(disk, std::move(options)).value();
  };
}

// --- The partition's world --------------------------------------------------

class deterministic_node::desk : public partition_host {
public:
  desk(deterministic_node& node, partition_id id) : node_(node), id_(id) {}

  void answer(reply_to to, management_answer answer) override {
    auto found = node_.asked_.find(to.correlation);
    if (found == node_.asked_.end())
      return;
    if (found->second.answer)
      node_.complain("request " + std::to_string(to.correlation)
                     + " is answered twice");
    found->second.answer = std::move(answer);
  }

  void run_turn(orchestration_work_item item) override {
    auto& run = node_.cells_[index_of(id_)].runs[item.instance];
    if (!run)
      run = std::make_shared<orchestration_run>(node_.how_.functions);
    node_.turns.push_back({id_, std::move(item), run});
  }

  void drop_run(const instance_id& id) override {
    node_.cells_[index_of(id_)].runs.erase(id);
  }

  void run_activity(activity_work_item item) override {
    node_.activities.push_back(std::move(item));
  }

  void send(partition_message message, partition_id to) override {
    if (is_lost())
      return;
    node_.inject(to, message);
    if (is_lost())
      node_.inject(to, std::move(message)); // it comes twice
  }

  void acknowledge(partition_acknowledgement note, partition_id to) override {
    if (!is_lost())
      node_.inject(to, note);
  }

  void log(int level, const std::string& text) override {
    node_.log.push_back(std::to_string(level) + " " + text);
  }

private:
  bool is_lost() {
    return node_.how_.loss > 0
           && std::uniform_real_distribution<>()(node_.chance_)
                < node_.how_.loss;
  }

  deterministic_node& node_;
  partition_id id_;
};

// --- Life and death ---------------------------------------------------------

deterministic_node::deterministic_node(node_options how)
  : mailboxes(how.partitions),
    how_(std::move(how)),
    book_(how_.partitions),
    chance_(how_.seed) {
  if (!how_.open)
    how_.open = open_in_memory(how_.partitions);
  open();
}

deterministic_node::~deterministic_node() = default;

void deterministic_node::complain(std::string sentence) {
  if (complaints.size() < 100)
    complaints.push_back(std::move(sentence));
}

void deterministic_node::open() {
  for (int tries = 0; !recover(); ++tries) {
    if (tries == 50) {
      complain("the node does not come back");
      throw std::runtime_error("the node does not come back");
    }
  }
  for (auto& [number, request] : asked_)
    if (!request.answer)
      deliver(number);
}

/// One life begins; false if it ends at once.
bool deterministic_node::recover() {
  turns.clear();
  activities.clear();
  for (auto& mailbox : mailboxes)
    mailbox.clear();
  cells_.clear();
  journal_.reset(); // before the disk is opened again
  ++life_;
  ran_.clear();
  commits_since_views_ = 0;
  const auto hook = [this](crash_point point, std::uint64_t) {
    if (point == crash_point::before_commit)
      ++commits_;
    return how_.crash && how_.crash(point);
  };
  journal_ = std::make_unique<checking_journal>(
    how_.open(hook), book_, how_.faults,
    [this](std::string sentence) { complain(std::move(sentence)); },
    [this](partition_id id) -> const partition_state* {
      return cells_.empty() ? nullptr
                            : &cells_[index_of(id)].processor->state();
    });
  std::vector<cell> cells(how_.partitions);
  for (std::uint32_t i = 0; i < how_.partitions; ++i) {
    const partition_id id{i};
    partition_config config;
    config.id = id;
    config.partition_count = how_.partitions;
    config.partition_of = partition_by_fnv;
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
    config.discards_events = [this](const std::string& name) {
      const auto version = how_.functions->default_version(name);
      const auto* entry
        = version ? how_.functions->find_orchestrator(name, *version) : nullptr;
      return entry != nullptr
             && entry->options().external_events
                  == external_event_policy::discard;
    };
    if (how_.adjust)
      how_.adjust(config);
    cells[i].host = std::make_unique<desk>(*this, id);
    cells[i].processor = std::make_unique<partition_processor>(
      std::move(config), *journal_, clock, *cells[i].host);
  }
  cells_ = std::move(cells);
  for (std::uint32_t i = 0; i < how_.partitions; ++i) {
    const partition_id id{i};
    journal_->listen(id, [this, i](journal_position reached) {
      cells_[i].reached = std::max(cells_[i].reached, reached);
    });
    const auto recovered = cells_[i].processor->recover();
    if (crashed())
      return false;
    if (!recovered) {
      complain("partition " + std::to_string(i)
               + " does not recover: " + recovered.error().message);
      throw std::runtime_error(recovered.error().message);
    }
    journal_->check_reads(id);
  }
  // The epochs become durable before anything else happens.
  if (!journal_->commit())
    return false;
  for (cell& each : cells_)
    tell(each);
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
  how_.functions = std::move(functions);
}

// --- Clients ----------------------------------------------------------------

deterministic_node::ticket
deterministic_node::submit(management_request request) {
  const ticket number = ++last_ticket_;
  asked_[number].request = std::move(request);
  deliver(number);
  return number;
}

void deterministic_node::deliver(ticket number) {
  const management_request& request = asked_.at(number).request;
  inject(where(instance_of(request)), management_inbound{{1, number}, request});
}

const management_answer* deterministic_node::answer_to(ticket number) const {
  const asked& request = asked_.at(number);
  return request.answer ? &*request.answer : nullptr;
}

management_answer deterministic_node::ask(management_request request) {
  const ticket number = submit(std::move(request));
  if (!run_until([&] { return is_answered(number); })) {
    complain("request " + std::to_string(number) + " for \""
             + instance_of(asked_.at(number).request) + "\" is never answered");
    management_answer none;
    none.code = errc::timed_out;
    return none;
  }
  return *answer_to(number);
}

// --- Moves by hand ----------------------------------------------------------

void deterministic_node::inject(partition_id partition, inbound message) {
  mailboxes[index_of(partition)].push_back(std::move(message));
}

/// What a bug would do: tell before it is so.
void deterministic_node::after_move(partition_id partition) {
  cell& at = cells_[index_of(partition)];
  at.looked.reset();
  if (how_.faults.early_effects)
    at.processor->on_durable(journal_->last_enqueued(partition));
}

bool deterministic_node::take_some(cell& at, std::size_t count,
                                   partition_id partition) {
  auto& mailbox = mailboxes[index_of(partition)];
  std::vector<inbound> batch;
  while (!mailbox.empty() && batch.size() < count) {
    batch.push_back(std::move(mailbox.front()));
    mailbox.pop_front();
  }
  if (batch.empty())
    return false;
  at.processor->take(batch);
  after_move(partition);
  return true;
}

bool deterministic_node::take(partition_id partition) {
  return take_some(cells_[index_of(partition)], std::size_t(-1), partition);
}

bool deterministic_node::take_all() {
  bool any = false;
  for (std::uint32_t i = 0; i < how_.partitions; ++i)
    any = take(partition_id{i}) || any;
  return any;
}

/// Twice in a moment is enough only if nothing has happened in between.
bool deterministic_node::has_looked(const cell& at) const {
  return at.looked == clock.now();
}

bool deterministic_node::look(partition_id partition) {
  cell& at = cells_[index_of(partition)];
  if (has_looked(at) || at.processor->wake_at().at > clock.now())
    return false;
  at.processor->take({});
  after_move(partition);
  at.looked = clock.now();
  return true;
}

bool deterministic_node::run_turn() {
  if (turns.empty())
    return false;
  turn_out out = std::move(turns.front());
  turns.pop_front();
  run_item(std::move(out));
  return true;
}

void deterministic_node::run_item(turn_out out) {
  try {
    inject(out.partition, out.run->run_turn(std::move(out.item)));
  } catch (const std::exception& failure) {
    complain(std::string("a turn cannot be run: ") + failure.what());
  }
}

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

void deterministic_node::check_runs(const activity_work_item& item) {
  check_activity(
    book_.durable(item.partition), item,
    [this](std::string sentence) { complain(std::move(sentence)); });
  if (!ran_.insert(key_of(item)).second)
    complain("activity " + item.name + " " + key_of(item)
             + " runs twice without a crash");
}

void deterministic_node::run_item(activity_work_item item) {
  check_runs(item);
  witness.push_back({item.instance, item.execution, item.sequence, item.name,
                     item.attempt, life_});
  inject(item.partition, run_inline(*how_.functions, item));
}

bool deterministic_node::tell(cell& at) {
  if (at.told >= at.reached)
    return false;
  at.told = at.reached;
  at.looked.reset();
  at.processor->on_durable(at.told);
  return true;
}

bool deterministic_node::commit() {
  if (!journal_->commit())
    return false;
  for (cell& each : cells_)
    tell(each);
  if (++commits_since_views_ >= how_.views_every)
    flush_views();
  return true;
}

void deterministic_node::flush_views(bool trim) {
  commits_since_views_ = 0;
  journal_->inner().flush_views(trim);
}

// --- Moves in order ---------------------------------------------------------

bool deterministic_node::move() {
  if (crashed()) {
    if (!recovers_by_itself)
      return false;
    open();
    return true;
  }
  const bool moved = how_.seed == 0 ? move_in_order() : move_by_chance();
  if (crashed() && recovers_by_itself)
    open();
  return moved;
}

bool deterministic_node::move_in_order() {
  for (std::uint32_t i = 0; i < how_.partitions; ++i)
    if (take_some(cells_[i], how_.one_message_a_take ? 1 : std::size_t(-1),
                  partition_id{i}))
      return true;
  if (run_turn())
    return true;
  for (std::uint32_t i = 0; i < how_.partitions; ++i)
    if (look(partition_id{i}))
      return true;
  if (journal_->has_queued()) {
    commit();
    return true;
  }
  return run_activity() || resend();
}

bool deterministic_node::move_by_chance() {
  std::vector<std::function<void()>> moves;
  const auto some = [&](std::size_t most) {
    return std::uniform_int_distribution<std::size_t>(1, most)(chance_);
  };
  for (std::uint32_t i = 0; i < how_.partitions; ++i) {
    const partition_id id{i};
    if (!mailboxes[i].empty())
      moves.emplace_back(
        [&, i, id] { take_some(cells_[i], some(mailboxes[i].size()), id); });
    if (cells_[i].told < cells_[i].reached)
      moves.emplace_back([&, i, id] {
        tell(cells_[i]);
        after_move(id);
      });
    if (!has_looked(cells_[i])
        && cells_[i].processor->wake_at().at <= clock.now())
      moves.emplace_back([&, id] { look(id); });
  }
  // Turns of one instance stay in order, as in its mailbox.
  std::set<const orchestration_run*> seen;
  for (std::size_t n = 0; n < turns.size(); ++n)
    if (seen.insert(turns[n].run.get()).second)
      moves.emplace_back([&, n] {
        turn_out out = std::move(turns[n]);
        turns.erase(turns.begin() + static_cast<std::ptrdiff_t>(n));
        run_item(std::move(out));
      });
  for (std::size_t n = 0; n < activities.size() && n < 8; ++n)
    moves.emplace_back([&, n] {
      activity_work_item item = std::move(activities[n]);
      activities.erase(activities.begin() + static_cast<std::ptrdiff_t>(n));
      run_item(std::move(item));
    });
  if (journal_->has_queued())
    moves.emplace_back([&] { journal_->commit(); });
  if (!moves.empty() && some(40) == 1)
    moves.emplace_back([&] { flush_views(some(2) == 1); });
  // Time goes on while work waits.
  if (!moves.empty() && some(30) == 1)
    clock.advance(duration(some(30'000)));
  if (moves.empty())
    return resend();
  moves[some(moves.size()) - 1]();
  return true;
}

/// The links' part: what was not acknowledged is sent again.
bool deterministic_node::resend() {
  if (how_.loss <= 0)
    return false;
  bool any = false;
  for (std::uint32_t i = 0; i < how_.partitions; ++i) {
    const partition_state& state = cells_[i].processor->state();
    for (const auto& [to, messages] : state.outbox) {
      auto known = state.acknowledged.find(to);
      for (const auto& [sequence, message] : messages)
        if (known == state.acknowledged.end() || sequence > known->second) {
          cells_[i].host->send({partition_id{i}, message}, to);
          any = true;
        }
    }
  }
  return any;
}

void deterministic_node::settle() {
  for (int moves = 0; move(); ++moves)
    if (moves == 100'000) {
      complain("the node does not settle");
      return;
    }
}

timestamp deterministic_node::next_wake() const {
  timestamp next = timestamp::max();
  for (const cell& each : cells_)
    next = std::min(next, each.processor->wake_at().at);
  return next;
}

bool deterministic_node::run_until(const std::function<bool()>& done) {
  int jumps = 0;
  for (int moves = 0; moves < 100'000; ++moves) {
    if (done())
      return true;
    if (move())
      continue;
    if (crashed() || ++jumps > 2'000)
      return false;
    clock.set(
      std::max(next_wake(), clock.now() + std::chrono::milliseconds(1)));
  }
  return false;
}

void deterministic_node::pass(duration time) {
  const timestamp end = clock.now() + time;
  settle();
  while (!crashed()) {
    const timestamp wake
      = std::max(next_wake(), clock.now() + std::chrono::milliseconds(1));
    if (wake > end)
      break;
    clock.set(wake);
    settle();
  }
  clock.set(end);
  settle();
}

// --- What is there ----------------------------------------------------------

partition_id deterministic_node::where(const instance_id& id) const {
  return partition_by_fnv(id, how_.partitions);
}

partition_processor& deterministic_node::partition(partition_id id) {
  return *cells_[index_of(id)].processor;
}

const live_instance* deterministic_node::live(const instance_id& id) {
  const partition_state& state = partition(where(id)).state();
  auto found = state.live.find(id);
  return found == state.live.end() ? nullptr : &found->second;
}

std::vector<instance_row> deterministic_node::rows() {
  std::vector<partition_id> all;
  for (std::uint32_t i = 0; i < how_.partitions; ++i)
    all.push_back(partition_id{i});
  instance_query query;
  query.top = page_rows_max;
  std::vector<instance_row> rows;
  do {
    auto page = journal_->query(all, query);
    if (!page) {
      complain(page.error().message);
      break;
    }
    for (instance_row& row : page->rows)
      rows.push_back(std::move(row));
    query.token = page->token;
  } while (!query.token.empty());
  std::sort(rows.begin(), rows.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  return rows;
}

std::vector<history_event>
deterministic_node::history_of(const instance_id& id) {
  const persistence::journal& ledger = *journal_;
  auto history = ledger.history(where(id), id);
  return history ? *history : std::vector<history_event>{};
}

std::optional<stored_instance>
deterministic_node::stored(const instance_id& id) {
  auto read = journal_->read(where(id), id);
  return read ? *read : std::nullopt;
}

void deterministic_node::check_at_rest() {
  // The last acknowledgements are written half a second later.
  pass(std::chrono::seconds(2));
  for (std::uint32_t i = 0; i < how_.partitions; ++i)
    check_partition_at_rest(
      book_.durable(partition_id{i}), cells_[i].processor->state(),
      [this](std::string sentence) { complain(std::move(sentence)); });
  for (std::uint32_t i = 0; i < how_.partitions; ++i)
    journal_->check_reads(partition_id{i});
}

} // namespace perdura::tests
