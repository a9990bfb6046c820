// SPDX-License-Identifier: Apache-2.0
#include "persistence/journal/laned_journal.hpp"

#include "persistence/process/logging.hpp"

#include <algorithm>
#include <tuple>

namespace perdura::persistence {

/// The order of the members matters: they are destroyed in reverse order, so
/// the committer thread ends first, then the views writer's thread, and the
/// stores are closed last.
struct laned_journal::lane {
  std::unique_ptr<record_log> log;
  views lane_views;
  views_writer writer;
  group_committer committer;

  lane(std::uint32_t number, const options& settings, store s,
       const std::shared_ptr<crash_switch>& crash,
       std::function<void()> measure)
    : log(std::move(s.log)),
      lane_views(std::move(s.rows), crash, settings.limits.slice_instances_min),
      writer(lane_views, settings.limits, std::move(measure)),
      committer({.lane = number,
                 .manual = settings.manual,
                 .decode_after_commit = settings.decode_after_commit},
                *log, lane_views, crash) {
    if (!settings.manual)
      committer.on_commit([this] { writer.notify_added(); });
  }
};

laned_journal::laned_journal(hub_identity hub, options settings,
                             std::vector<store> stores,
                             std::shared_ptr<crash_switch> crash)
  : hub_(std::move(hub)),
    options_(std::move(settings)),
    crash_(std::move(crash)) {
  const auto measure = [this] {
    if (options_.measure_full)
      full_ = options_.measure_full();
  };
  // The lanes keep copies of `measure`, which refers to `*this`. This is safe,
  // because a journal is neither copied nor moved.
  std::uint32_t number = 0;
  for (store& s : stores)
    lanes_.push_back(std::make_unique<lane>(number++, options_, std::move(s),
                                            crash_, measure));
  measure();
}

laned_journal::~laned_journal() {
  // A manual journal is left in the state in which a crash would leave it:
  // turns that were not committed are lost.
  if (opened_ && !options_.manual && !crashed())
    close();
}

result<void> laned_journal::open() {
  // The views are opened first: recovery begins at the position that they
  // have reached.
  for (const auto& each : lanes_) {
    if (const auto opened = each->lane_views.open(); !opened)
      return opened;
    if (const auto recovered = each->committer.recover(); !recovered)
      return recovered;
  }
  opened_ = true;
  if (options_.manual)
    return {};
  // Turns that recovery has added are flushed although no commit follows.
  for (const auto& each : lanes_) {
    each->writer.start();
    if (each->lane_views.current_backlog().bytes > 0)
      each->writer.notify_added();
    each->committer.start();
  }
  return {};
}

laned_journal::lane& laned_journal::lane_of(partition_id partition) const {
  return *lanes_[index_of(partition) % lanes_.size()];
}

std::vector<std::vector<partition_id>>
laned_journal::by_lane(const std::vector<partition_id>& partitions) const {
  // Element i lists the partitions of lane i; the list may be empty.
  std::vector<std::vector<partition_id>> lanes(lanes_.size());
  for (partition_id partition : partitions)
    lanes[index_of(partition) % lanes_.size()].push_back(partition);
  return lanes;
}

// --- Functions that concern one partition are passed to its lane -------------

const hub_identity& laned_journal::hub() const {
  return hub_;
}

journal_position laned_journal::append(turn_writes turn) {
  return lane_of(turn.partition).committer.append(std::move(turn));
}

std::optional<journal_position>
laned_journal::request_commit(partition_id partition, bool may_block) {
  return lane_of(partition).committer.request_commit(partition, may_block);
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
  return lane_of(partition).lane_views.read(partition, id);
}

result<std::vector<history_event>>
laned_journal::history(partition_id partition, const instance_id& id,
                       event_index first, std::size_t count_max) const {
  return lane_of(partition).lane_views.history(partition, id, first, count_max);
}

result<partition_snapshot> laned_journal::load(partition_id partition) {
  return lane_of(partition).lane_views.load(partition);
}

result<std::vector<due_task>> laned_journal::due(partition_id partition,
                                                 timestamp after,
                                                 timestamp until) const {
  return lane_of(partition).lane_views.due(partition, after, until);
}

// --- Functions that combine the results of several lanes ---------------------

result<instance_page>
laned_journal::query(const std::vector<partition_id>& partitions,
                     const instance_query& query) const {
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
  // The order of rows and positions: (created_at, id).
  const auto row_key = [](const instance_row& row) {
    return std::tie(row.record.created_at, row.id);
  };
  const auto position_key
    = [](const page_position& at) { return std::tie(at.created_at, at.id); };
  instance_page page;
  // The earliest position at which a lane ended its page. Beyond it, rows of
  // that lane may be missing, so the merged page must end there.
  std::optional<page_position> stopped_at;
  const auto shares = by_lane(partitions);
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    if (shares[i].empty())
      continue;
    auto part = lanes_[i]->lane_views.query(shares[i], query, after);
    if (!part)
      return part.error();
    if (part->stopped_at
        && (!stopped_at
            || position_key(*part->stopped_at) < position_key(*stopped_at)))
      stopped_at = part->stopped_at;
    std::move(part->rows.begin(), part->rows.end(),
              std::back_inserter(page.rows));
  }
  // Each lane has returned its first `top` rows in order; the merged page
  // keeps the first `top` of all.
  if (lanes_.size() > 1) {
    std::sort(
      page.rows.begin(), page.rows.end(),
      [&](const auto& a, const auto& b) { return row_key(a) < row_key(b); });
    if (stopped_at)
      std::erase_if(page.rows, [&](const instance_row& row) {
        return row_key(row) > position_key(*stopped_at);
      });
    if (page.rows.size() > query.top) {
      page.rows.resize(query.top);
      stopped_at = {page.rows.back().record.created_at, page.rows.back().id};
    }
  }
  // Without `stopped_at`, every lane has returned all its remaining rows.
  if (stopped_at)
    page.token = to_token(*stopped_at);
  return page;
}

result<status_counts>
laned_journal::count(const std::vector<partition_id>& partitions) const {
  status_counts counts{};
  const auto shares = by_lane(partitions);
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    if (shares[i].empty())
      continue;
    const auto part = lanes_[i]->lane_views.count(shares[i]);
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
    const journal_statistics of_lane = each->committer.statistics();
    sum.commits += of_lane.commits;
    sum.views_commits += each->lane_views.commits();
    sum.turns += of_lane.turns;
    sum.journal_bytes += of_lane.journal_bytes;
    sum.commit_turns += of_lane.commit_turns;
    sum.commit_time_us += of_lane.commit_time_us;
  }
  return sum;
}

void laned_journal::close() {
  if (closed_)
    return;
  closed_ = true;
  // The committer stops first, so that the last flush includes all turns.
  for (const auto& each : lanes_) {
    each->committer.stop();
    each->writer.stop();
    if (crashed())
      continue;
    if (const auto flushed = each->lane_views.flush(); !flushed && !crashed())
      log(log_channel::persistence, log_level::error,
          "the views could not be flushed while closing: "
            + flushed.error().message
            + "; the next start recovers them from the journal");
  }
}

// --- Manual mode -------------------------------------------------------------

std::size_t laned_journal::commit() {
  std::size_t turns = 0;
  for (const auto& each : lanes_)
    turns += each->committer.commit();
  return turns;
}

void laned_journal::flush_views(bool trim) {
  for (const auto& each : lanes_) {
    // A flush that an injected crash has interrupted is no error; any other
    // error is thrown, because the function is for tests.
    const auto flushed = each->lane_views.flush();
    if (crashed())
      return;
    flushed.value();
    if (trim)
      each->committer.trim();
  }
  if (options_.measure_full)
    full_ = options_.measure_full();
}

bool laned_journal::crashed() const {
  return crash_->crashed();
}

} // namespace perdura::persistence
