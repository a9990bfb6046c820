// SPDX-License-Identifier: Apache-2.0
#include "journal_harness.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>

namespace perdura::persistence::testing {

void model::add_turn(const turn_writes& turn) {
  const std::uint32_t p = index_of(turn.partition);
  metas[p].epoch = turn.epoch;
  metas[p].sequence = turn.sequence;
  metas[p].now = turn.now;
  for (const instance_write& write : turn.instances) {
    instance& x = instances[{p, write.id}];
    if (write.removed || write.reset)
      x.history.clear();
    apply(x.state, write);
    if (x.state) {
      x.history.resize(std::max<std::size_t>(
        x.history.size(), write.history_first + write.history.size()));
      std::copy(write.history.begin(), write.history.end(),
                x.history.begin() + write.history_first);
    }
  }
  for (const outbox_message& message : turn.outbox) {
    outbox[p][{index_of(message.to), message.sequence}] = message;
    heads[p][index_of(message.to)] = message.sequence;
  }
  for (const outbox_mark& mark : turn.outbox_acknowledged)
    std::erase_if(outbox[p], [&](const auto& item) {
      return item.first.first == index_of(mark.to)
             && item.first.second <= mark.sequence;
    });
  for (const dedup_mark& mark : turn.marks)
    marks[p][index_of(mark.from)] = mark.sequence;
}

// Compares single reads first, then the state that recovery loads, then counts
// and a walk through all instances.
void model::check_against(journal& j, std::uint32_t partition_count) const {
  std::vector<partition_id> all;
  status_counts counts{};
  std::vector<std::pair<timestamp, instance_id>> order;
  std::map<std::uint32_t, std::vector<due_task>> due;
  std::map<std::uint32_t, std::vector<instance_id>> turns_due;
  std::map<std::uint32_t, std::vector<std::pair<instance_id, task_sequence>>>
    activities;
  for (const auto& [place, x] : instances) {
    const auto stored = j.read(partition_id(place.first), place.second);
    BOOST_REQUIRE(stored);
    BOOST_TEST((*stored == x.state), "instance " << place.second);
    const auto events = j.history(partition_id(place.first), place.second);
    BOOST_REQUIRE(events);
    BOOST_TEST((*events == x.history), "history of " << place.second);
    if (!x.state)
      continue;
    if (x.history.size() > 2) {
      const auto some
        = j.history(partition_id(place.first), place.second, 1, 2);
      BOOST_TEST((*some
                  == std::vector<history_event>(x.history.begin() + 1,
                                                x.history.begin() + 3)));
    }
    const instance_record& record = x.state->record;
    ++counts[static_cast<std::size_t>(record.status)];
    order.emplace_back(record.created_at, place.second);
    if (record.turn_due)
      turns_due[place.first].push_back(place.second);
    for (const auto& [sequence, task] : x.state->tasks)
      if (task.kind == task_kind::activity)
        activities[place.first].emplace_back(place.second, sequence);
      else if (task.kind == task_kind::timer
               || task.kind == task_kind::scheduled_start)
        due[place.first].push_back({task.fire_at, place.second, sequence});
  }
  for (std::uint32_t p = 0; p < partition_count; ++p) {
    all.push_back(partition_id(p));
    const auto snapshot = j.load(partition_id(p));
    BOOST_REQUIRE(snapshot);
    const auto meta = metas.find(p);
    if (meta != metas.end()) {
      BOOST_TEST(snapshot->meta.sequence == meta->second.sequence);
      BOOST_TEST(snapshot->meta.epoch == meta->second.epoch);
      BOOST_TEST((snapshot->meta.now == meta->second.now));
    }
    BOOST_TEST(snapshot->meta.incarnation.size() == 32U);
    std::vector<outbox_message> messages;
    if (const auto found = outbox.find(p); found != outbox.end())
      for (const auto& [place, message] : found->second)
        messages.push_back(message);
    BOOST_TEST((snapshot->outbox == messages));
    std::vector<outbox_mark> given;
    if (const auto found = heads.find(p); found != heads.end())
      for (const auto& [to, sequence] : found->second)
        given.push_back({partition_id(to), sequence});
    BOOST_TEST((snapshot->outbox_marks == given));
    std::vector<dedup_mark> taken;
    if (const auto found = marks.find(p); found != marks.end())
      for (const auto& [from, sequence] : found->second)
        taken.push_back({partition_id(from), sequence});
    BOOST_TEST((snapshot->marks == taken));
    BOOST_TEST((snapshot->turns_due == turns_due[p]));
    BOOST_TEST((snapshot->activities == activities[p]));
    std::sort(due[p].begin(), due[p].end());
    const auto timers = j.due(partition_id(p), at(0), timestamp::max());
    BOOST_REQUIRE(timers);
    BOOST_TEST((*timers == due[p]));
  }
  const auto counted = j.count(all);
  BOOST_REQUIRE(counted);
  BOOST_TEST((*counted == counts));
  std::sort(order.begin(), order.end());
  std::vector<std::pair<timestamp, instance_id>> seen;
  instance_query query;
  query.top = 7;
  do {
    const auto page = j.query(all, query);
    BOOST_REQUIRE(page);
    for (const instance_row& row : page->rows)
      seen.emplace_back(row.record.created_at, row.id);
    query.token = page->token;
  } while (!query.token.empty());
  BOOST_TEST((seen == order));
}

// A turn writes one to three instances and sometimes outbox messages,
// acknowledgements and marks.
turn_writes turn_generator::next(const model& model_so_far) {
  const std::uint32_t p = pick(partition_count_);
  turn_writes turn;
  turn.partition = partition_id(p);
  turn.epoch = 1 + now_ / 2'000'000;
  turn.sequence = 1;
  if (const auto meta = model_so_far.metas.find(p);
      meta != model_so_far.metas.end())
    turn.sequence = meta->second.sequence + 1;
  now_ += pick(1000);
  turn.now = at(now_);
  std::vector<std::string> ids;
  for (std::uint32_t i = 0, n = 1 + pick(3); i < n; ++i) {
    const std::string id = "order-" + std::to_string(pick(12));
    if (std::find(ids.begin(), ids.end(), id) == ids.end())
      ids.push_back(id);
  }
  for (const std::string& id : ids)
    turn.instances.push_back(change(model_so_far, p, id));
  if (pick(3) == 0) {
    const std::uint32_t to = pick(partition_count_);
    std::uint64_t head = 0;
    if (const auto h = model_so_far.heads.find(p);
        h != model_so_far.heads.end())
      if (const auto t = h->second.find(to); t != h->second.end())
        head = t->second;
    turn.outbox.push_back(
      {partition_id(to), head + 1, "order-1", event_send{"paid", text()}});
    if (pick(2) == 0 && head > 0)
      turn.outbox_acknowledged.push_back(
        {partition_id(to), 1 + pick(static_cast<std::uint32_t>(head))});
  }
  if (pick(3) == 0)
    turn.marks.push_back({partition_id(pick(partition_count_)), turn.sequence});
  return turn;
}

// A write can remove the instance, reset it to a new execution, or append to
// its history and change its tasks, inbox, status and request IDs.
instance_write turn_generator::change(const model& model_so_far,
                                      std::uint32_t partition,
                                      const instance_id& id) {
  std::optional<stored_instance> state;
  std::uint32_t events = 0;
  if (const auto x = model_so_far.instances.find({partition, id});
      x != model_so_far.instances.end()) {
    state = x->second.state;
    events = static_cast<std::uint32_t>(x->second.history.size());
  }
  instance_write write;
  write.id = id;
  if (state && pick(12) == 0) {
    write.removed = true;
    if (pick(2) == 0)
      return write;
    state.reset();
    events = 0;
  } else if (state && pick(10) == 0) {
    write.reset = true;
    state->tasks.clear();
    events = 0;
  }
  instance_record record;
  if (state)
    record = state->record;
  else
    record.created_at = at(now_);
  record.name = pick(2) == 0 ? "ship" : "bill";
  record.status = static_cast<runtime_status>(pick(8));
  record.last_updated_at = at(now_);
  record.turn_due = pick(4) == 0;
  record.next_sequence += pick(3);
  write.history_first = events;
  for (std::uint32_t i = 0, n = pick(5); i < n; ++i)
    write.history.push_back(event());
  record.history_count
    = events + static_cast<event_index>(write.history.size());
  write.record = record;
  if (pick(4) == 0)
    write.custom_status = pick(3) == 0 ? "null" : text();
  if (state) {
    for (const auto& [sequence, task] : state->tasks)
      if (pick(3) == 0)
        write.tasks_closed.push_back({sequence, task.kind, task.fire_at});
    for (const auto& [sequence, message] : state->inbox)
      if (pick(2) == 0)
        write.inbox_removed.push_back(sequence);
  }
  for (std::uint32_t i = 0, n = pick(3); i < n; ++i) {
    open_task task;
    task.kind = static_cast<task_kind>(1 + pick(5));
    task.name = "Pack";
    task.fire_at = at(now_ + pick(100'000));
    write.tasks_opened.emplace_back(pick(6) + 6 * i, task);
  }
  for (std::uint32_t i = 0, n = pick(3); i < n; ++i)
    write.inbox_put.emplace_back(pick(4) + 4 * i, inbox_message{event()});
  for (std::uint32_t i = 0, n = pick(3); i < n; ++i)
    write.requests.push_back(
      {"r" + std::to_string(pick(300)), errc::ok, text(), ""});
  return write;
}

history_event turn_generator::event() {
  switch (pick(4)) {
  case 0:
    return {at(now_), task_completed{pick(9), text()}};
  case 1:
    return {at(now_), event_raised{"paid", text()}};
  case 2:
    return {at(now_), execution_rewound{text(), 3, {1, 2}, {{4, 5}}, 6}};
  default:
    return {at(now_), orchestrator_completed{{pick(5), pick(5)}}};
  }
}

std::string turn_generator::text() {
  return "\"" + std::string(pick(40), static_cast<char>('a' + pick(26))) + "\"";
}

} // namespace perdura::persistence::testing
