#include "persistence/journal/laned_journal.hpp"

#include "persistence/process/logging.hpp"

#include <algorithm>
#include <tuple>

namespace perdura::persistence {

/// Order of members: the committer's thread ends first, then the writer's.
struct laned_journal::lane {
  std::unique_ptr<record_log> log;
  views rows;
  views_writer writer;
  group_committer committer;

  lane(std::uint32_t number, const options& how, store s,
       const std::shared_ptr<crash_switch>& crash,
       std::function<void()> measure)
    : log(std::move(s.log)),
      rows(std::move(s.rows), crash, how.limits.slice_instances_min),
      writer(rows, how.limits, std::move(measure)),
      committer({.lane = number,
                 .manual = how.manual,
                 .decode_again = how.decode_again},
                *log, rows, crash) {
    if (!how.manual)
      committer.on_commit([this] { writer.notice(); });
  }
};

laned_journal::laned_journal(hub_identity hub, options how,
                             std::vector<store> stores,
                             std::shared_ptr<crash_switch> crash)
  : hub_(std::move(hub)), how_(std::move(how)), crash_(std::move(crash)) {
  const auto measure = [this] {
    if (how_.measure_full)
      full_ = how_.measure_full();
  };
  std::uint32_t number = 0;
  for (store& s : stores)
    lanes_.push_back(
      std::make_unique<lane>(number++, how_, std::move(s), crash_, measure));
  measure();
}

laned_journal::~laned_journal() {
  // A manual journal is left as a crash would leave it: what is not committed
  // is forgotten.
  if (opened_ && !how_.manual && !crashed())
    close();
}

result<void> laned_journal::open() {
  for (const auto& each : lanes_) {
    if (const auto opened = each->rows.open(); !opened)
      return opened;
    if (const auto recovered = each->committer.recover(); !recovered)
      return recovered;
  }
  opened_ = true;
  if (how_.manual)
    return {};
  for (const auto& each : lanes_) {
    each->writer.start();
    if (each->rows.waiting().bytes > 0)
      each->writer.notice();
    each->committer.start();
  }
  return {};
}

laned_journal::lane& laned_journal::lane_of(partition_id partition) const {
  return *lanes_[index_of(partition) % lanes_.size()];
}

std::vector<std::vector<partition_id>>
laned_journal::by_lane(const std::vector<partition_id>& partitions) const {
  std::vector<std::vector<partition_id>> lanes(lanes_.size());
  for (partition_id partition : partitions)
    lanes[index_of(partition) % lanes_.size()].push_back(partition);
  return lanes;
}

const hub_identity& laned_journal::hub() const {
  return hub_;
}

journal_position laned_journal::enqueue(turn_writes writes) {
  return lane_of(writes.partition).committer.enqueue(std::move(writes));
}

journal_position laned_journal::gather(turn_writes writes) {
  return lane_of(writes.partition).committer.gather(std::move(writes));
}

void laned_journal::gathered(partition_id partition, bool may_block) {
  lane_of(partition).committer.gathered(may_block);
}

bool laned_journal::is_quiet(partition_id partition) const {
  return lane_of(partition).committer.is_quiet();
}

void laned_journal::listen(partition_id partition,
                           std::function<void(journal_position)> on_durable) {
  lane_of(partition).committer.listen(partition, std::move(on_durable));
}

journal_position laned_journal::durable(partition_id partition) const {
  return lane_of(partition).committer.durable();
}

result<std::optional<stored_instance>>
laned_journal::read(partition_id partition, const instance_id& id) const {
  return lane_of(partition).rows.read(partition, id);
}

result<std::vector<history_event>>
laned_journal::history(partition_id partition, const instance_id& id,
                       event_index first, std::size_t count_max) const {
  return lane_of(partition).rows.history(partition, id, first, count_max);
}

result<partition_snapshot> laned_journal::load(partition_id partition) {
  return lane_of(partition).rows.load(partition);
}

result<std::vector<due_task>>
laned_journal::due(partition_id partition, timestamp after, timestamp until) {
  return lane_of(partition).rows.due(partition, after, until);
}

result<instance_page>
laned_journal::query(const std::vector<partition_id>& partitions,
                     const instance_query& query) {
  if (query.top < 1 || query.top > page_rows_max)
    return error{errc::invalid_argument,
                 "a page has 1 to " + std::to_string(page_rows_max)
                   + " rows, not " + std::to_string(query.top)};
  std::optional<page_position> after;
  if (!query.token.empty()) {
    auto parsed = parse_token(query.token);
    if (!parsed)
      return parsed.error();
    after = std::move(*parsed);
  }
  const auto place = [](const instance_row& row) {
    return std::tie(row.record.created_at, row.id);
  };
  const auto position
    = [](const page_position& at) { return std::tie(at.created_at, at.id); };
  instance_page page;
  // Behind the place where the first lane stopped, rows may be missing.
  std::optional<page_position> stopped_at;
  const auto shares = by_lane(partitions);
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    if (shares[i].empty())
      continue;
    auto part = lanes_[i]->rows.query(shares[i], query, after);
    if (!part)
      return part.error();
    if (part->stopped_at
        && (!stopped_at || position(*part->stopped_at) < position(*stopped_at)))
      stopped_at = part->stopped_at;
    std::move(part->rows.begin(), part->rows.end(),
              std::back_inserter(page.rows));
  }
  if (lanes_.size() > 1) {
    std::sort(
      page.rows.begin(), page.rows.end(),
      [&](const auto& a, const auto& b) { return place(a) < place(b); });
    if (stopped_at)
      std::erase_if(page.rows, [&](const instance_row& row) {
        return place(row) > position(*stopped_at);
      });
    if (page.rows.size() > query.top) {
      page.rows.resize(query.top);
      stopped_at = {page.rows.back().record.created_at, page.rows.back().id};
    }
  }
  if (stopped_at)
    page.token = to_token(*stopped_at);
  return page;
}

result<status_counts>
laned_journal::count(const std::vector<partition_id>& partitions) {
  status_counts counts{};
  const auto shares = by_lane(partitions);
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    if (shares[i].empty())
      continue;
    const auto part = lanes_[i]->rows.count(shares[i]);
    if (!part)
      return part.error();
    for (std::size_t status = 0; status < counts.size(); ++status)
      counts[status] += (*part)[status];
  }
  return counts;
}

bool laned_journal::is_full() const {
  return full_;
}

journal_statistics laned_journal::statistics() const {
  journal_statistics sum;
  for (const auto& each : lanes_) {
    sum.commits += each->committer.commits();
    sum.views_commits += each->rows.commits();
    sum.turns += each->committer.turns();
    sum.bytes += each->committer.bytes();
    sum.commit_turns += each->committer.commit_turns();
    sum.commit_time_us += each->committer.commit_time_us();
  }
  return sum;
}

void laned_journal::close() {
  if (closed_)
    return;
  closed_ = true;
  for (const auto& each : lanes_) {
    each->committer.stop();
    each->writer.stop();
    if (crashed())
      continue;
    if (const auto flushed = each->rows.flush(); !flushed && !crashed())
      log(log_room::persistence, log_level::error,
          "the views are behind the journal: " + flushed.error().message);
  }
}

std::size_t laned_journal::commit() {
  std::size_t turns = 0;
  for (const auto& each : lanes_)
    turns += each->committer.commit();
  return turns;
}

void laned_journal::flush_views(bool trim) {
  for (const auto& each : lanes_) {
    const auto flushed = each->rows.flush();
    if (crashed())
      return;
    flushed.value();
    if (trim)
      each->committer.trim();
  }
  if (how_.measure_full)
    full_ = how_.measure_full();
}

bool laned_journal::crashed() const {
  return crash_->crashed();
}

} // namespace perdura::persistence
