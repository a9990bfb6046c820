// SPDX-License-Identifier: Apache-2.0
#include "journal_harness.hpp"

#include "tests/support/outbox_reading.hpp"

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
  if (!turn.requests)
    return;
  std::erase_if(answers[p], [&](const auto& each) {
    return each.second.first < turn.requests->removed_before;
  });
  apply_to_windows(windows[p], *turn.requests);
  for (const request_write& each : turn.requests->rows)
    answers[p][each.key] = {turn.requests->count.window, each.row};
}

void model::check_against(journal& j, std::uint32_t partition_count) const {
  BOOST_TEST(first_difference(j, partition_count) == "");
}

// Compares single reads first, then the state that recovery loads, then counts
// and a walk through all instances.
std::string model::first_difference(journal& j,
                                    std::uint32_t partition_count) const {
  for (const auto& [place, x] : instances) {
    const partition_id p{place.first};
    const std::string& id = place.second;
    const auto stored = j.read(p, id);
    if (!stored)
      return id + " cannot be read: " + stored.error().message;
    if (*stored != x.state)
      return "instance " + id + " differs";
    const auto events = j.history(p, id);
    if (!events)
      return "the history of " + id
             + " cannot be read: " + events.error().message;
    if (*events != x.history)
      return "the history of " + id + " differs";
    if (!x.state || x.history.size() <= 2)
      continue;
    const auto some = j.history(p, id, 1, 2);
    if (!some
        || *some
             != std::vector<history_event>(x.history.begin() + 1,
                                           x.history.begin() + 3))
      return "a part of the history of " + id + " differs";
  }
  for (std::uint32_t p = 0; p < partition_count; ++p)
    if (std::string found = difference_of_partition(j, p); !found.empty())
      return "partition " + std::to_string(p) + ": " + found;
  return difference_of_lists(j, partition_count);
}

/// Compares the counts, and a walk through all instances.
std::string model::difference_of_lists(journal& j,
                                       std::uint32_t partition_count) const {
  std::vector<partition_id> all;
  for (std::uint32_t p = 0; p < partition_count; ++p)
    all.push_back(partition_id(p));
  status_counts counts{};
  std::vector<std::pair<timestamp, instance_id>> order;
  for (const auto& [place, x] : instances) {
    if (!x.state)
      continue;
    ++counts[static_cast<std::size_t>(x.state->record.status)];
    order.emplace_back(x.state->record.created_at, place.second);
  }
  const auto counted = j.count(all);
  if (!counted || *counted != counts)
    return "the counts differ";
  std::sort(order.begin(), order.end());
  std::vector<std::pair<timestamp, instance_id>> seen;
  instance_query query;
  query.top = 7;
  do {
    const auto page = j.query(all, query);
    if (!page)
      return "a page cannot be read: " + page.error().message;
    for (const instance_row& row : page->rows)
      seen.emplace_back(row.record.created_at, row.id);
    query.token = page->token;
  } while (!query.token.empty());
  return seen == order ? "" : "the pages differ";
}

/// Compares the state from which a partition recovers, and its timers.
std::string model::difference_of_partition(journal& j, std::uint32_t p) const {
  std::map<time_scale, std::vector<due_task>> due;
  std::vector<instance_id> turns_due;
  std::vector<std::pair<instance_id, task_sequence>> activities;
  for (const auto& [place, x] : instances) {
    if (place.first != p || !x.state)
      continue;
    if (x.state->record.turn_due)
      turns_due.push_back(place.second);
    for (const auto& [sequence, task] : x.state->tasks)
      if (task.kind == task_kind::activity)
        activities.emplace_back(place.second, sequence);
      else if (task.kind == task_kind::timer
               || task.kind == task_kind::scheduled_start)
        due[scale_of(task)].push_back({due_of(task), place.second, sequence});
  }
  const auto snapshot = j.load(partition_id(p));
  if (!snapshot)
    return "the state cannot be read: " + snapshot.error().message;
  if (const auto meta = metas.find(p);
      meta != metas.end()
      && (snapshot->meta.sequence != meta->second.sequence
          || snapshot->meta.epoch != meta->second.epoch
          || snapshot->meta.now != meta->second.now))
    return "the sequence, the epoch or the time differ";
  if (snapshot->meta.incarnation.size() != 32U)
    return "the incarnation differs";
  std::vector<outbox_message> messages;
  if (const auto found = outbox.find(p); found != outbox.end())
    for (const auto& [place, message] : found->second)
      messages.push_back(message);
  std::map<std::uint32_t, std::uint64_t> lasts;
  for (const outbox_range& range : snapshot->outbox)
    lasts[index_of(range.to)] = range.last;
  std::map<std::uint32_t, std::uint64_t> assigned;
  if (const auto found = heads.find(p); found != heads.end())
    assigned = found->second;
  if (perdura::tests::read_whole_outbox(j, partition_id(p), *snapshot)
        != messages
      || lasts != assigned)
    return "the outbox differs";
  std::vector<dedup_mark> taken;
  if (const auto found = marks.find(p); found != marks.end())
    for (const auto& [from, sequence] : found->second)
      taken.push_back({partition_id(from), sequence});
  if (snapshot->marks != taken)
    return "the marks differ";
  if (std::string found = difference_of_answers(j, p); !found.empty())
    return found;
  if (snapshot->turns_due != turns_due || snapshot->activities != activities)
    return "the turns or activities that are due differ";
  for (const time_scale scale : {time_scale::elapsed, time_scale::wall}) {
    std::vector<due_task>& expected = due[scale];
    std::sort(expected.begin(), expected.end());
    const auto timers = j.due(partition_id(p), scale, at(0), timestamp::max());
    if (!timers || timers->tasks != expected || timers->has_later)
      return "the timers differ";
  }
  return "";
}

/// Compares the answers to requests and their windows.
std::string model::difference_of_answers(journal& j, std::uint32_t p) const {
  const auto known = windows.find(p);
  const request_windows expected
    = known == windows.end() ? request_windows() : known->second;
  const auto snapshot = j.load(partition_id(p));
  if (!snapshot || snapshot->windows != expected)
    return "the windows of answers differ";
  std::vector<request_window> numbers;
  for (const request_count& each : expected)
    numbers.push_back(each.window);
  const auto mine = answers.find(p);
  if (mine == answers.end())
    return "";
  for (const auto& [key, entry] : mine->second) {
    const auto found = j.read_request(partition_id(p), numbers, key);
    if (!found)
      return "an answer cannot be read: " + found.error().message;
    if (*found != entry.second)
      return "an answer differs";
    const auto other
      = j.read_request(partition_id(p), numbers, {key.high, key.low + 1});
    if (!other)
      return "an absent answer cannot be read: " + other.error().message;
    if (*other)
      return "an answer was never recorded";
  }
  return "";
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
  // No two turns have the same time: the order of a page would not be defined
  // for two partitions with the same instance ID.
  now_ += 1 + pick(1000);
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
  turn.requests = answers(model_so_far, p);
  return turn;
}

// Half of the turns record one to three answers. A window has the answers of
// 16 turns; three windows are kept.
std::optional<request_changes>
turn_generator::answers(const model& model_so_far, std::uint32_t partition) {
  if (answers_random_() % 2 == 0)
    return std::nullopt;
  request_changes changes;
  const auto known = model_so_far.windows.find(partition);
  const request_windows windows
    = known == model_so_far.windows.end() ? request_windows() : known->second;
  changes.count = windows.empty() ? request_count{100, 0, 0} : windows.back();
  if (changes.count.keys > 16)
    changes.count = {changes.count.window + 1, 0, 0};
  if (windows.size() > 3)
    changes.removed_before = windows[1].window;
  for (std::uint64_t i = 0, n = 1 + answers_random_() % 3; i < n; ++i) {
    request_row row;
    row.content = {answers_random_(), answers_random_()};
    row.at = elapsed_time(duration(now_));
    row.created = i == 0;
    if (i == 0)
      row.execution = pack_execution(std::string(32, 'a'));
    changes.rows.push_back({{answers_random_(), answers_random_()}, row});
    ++changes.count.keys;
    changes.count.bytes += request_row_bytes(row);
  }
  return changes;
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
        write.tasks_closed.push_back({sequence, task.kind, due_of(task)});
    for (const auto& [sequence, message] : state->inbox)
      if (pick(2) == 0)
        write.inbox_removed.push_back(sequence);
  }
  for (std::uint32_t i = 0, n = pick(3); i < n; ++i) {
    open_task task;
    task.kind = static_cast<task_kind>(1 + pick(5));
    task.name = "Pack";
    task.fire_at = at(now_ + pick(100'000));
    if (task.kind == task_kind::timer && pick(2) == 0)
      task.due = elapsed_time((task.fire_at + duration(9)).time_since_epoch());
    task.absolute = task.kind == task_kind::timer && pick(3) == 0;
    // Only scheduled starts have the sequence 0.
    write.tasks_opened.emplace_back(1 + pick(6) + 6 * i, task);
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
