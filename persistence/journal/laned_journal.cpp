// SPDX-License-Identifier: Apache-2.0
#include "persistence/journal/laned_journal.hpp"

#include "persistence/process/logging.hpp"

#include <algorithm>
#include <limits>
#include <tuple>

namespace perdura::persistence {

/// The order of the members matters: they are destroyed in reverse order, so
/// the committer thread ends first, then the views writer's thread, and the
/// stores are closed last.
struct laned_journal::lane {
  std::unique_ptr<record_log> log;
  views lane_views;
  views_writer writer;
  views_scrubber scrubber;
  group_committer committer;

  lane(std::uint32_t number, std::uint64_t hub, const options& settings,
       store s, const std::shared_ptr<crash_switch>& crash,
       std::function<void()> measure)
    : log(std::move(s.log)),
      lane_views(std::move(s.rows), crash, settings.limits.slice_instances_min),
      writer(lane_views, settings.limits, std::move(measure)),
      scrubber(lane_views.rows(), settings.scrub,
               [](const std::string& sentence) {
                 persistence::log(log_channel::persistence, log_level::error,
                                  sentence);
               }),
      committer({.lane = number,
                 .hub = hub,
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
  // The lanes keep functions that refer to `*this`. This is safe, because a
  // journal is neither copied nor moved.
  std::uint32_t number = 0;
  for (store& s : stores)
    lanes_.push_back(std::make_unique<lane>(number++, hub_digest(hub_),
                                            options_, std::move(s), crash_,
                                            [this] { measure(); }));
  measure();
}

/// Measures the storage. If another thread does so, its result is enough.
void laned_journal::measure() {
  const std::unique_lock measuring(measure_mutex_, std::try_to_lock);
  if (!options_.measure || !measuring)
    return;
  if (options_.found_no_space)
    *options_.found_no_space = false;
  const std::uint64_t committed = committed_bytes();
  std::vector<file_space> stores;
  std::uint64_t pending = 0;
  for (const auto& each : lanes_) {
    stores.push_back(each->log->space());
    stores.push_back(each->lane_views.rows().space());
    pending += each->lane_views.current_backlog().bytes;
  }
  const storage_space now = options_.measure(stores, pending);
  const std::lock_guard lock(space_mutex_);
  space_ = now;
  full_ = now.full != full_cause::none;
  constexpr auto most = std::numeric_limits<std::uint64_t>::max();
  full_at_ = committed + std::min(now.headroom, most - committed);
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
    each->scrubber.start();
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

std::vector<damaged_instance>
laned_journal::set_aside(partition_id partition) const {
  return lane_of(partition).lane_views.set_aside(partition);
}

std::size_t laned_journal::set_aside_count(partition_id partition) const {
  return lane_of(partition).lane_views.set_aside_count();
}

result<std::optional<request_row>>
laned_journal::read_request(partition_id partition,
                            const std::vector<request_window>& windows,
                            const hash128& key) const {
  return lane_of(partition).lane_views.read_request(partition, windows, key);
}

result<partition_snapshot> laned_journal::load(partition_id partition) {
  return lane_of(partition).lane_views.load(partition);
}

result<outbox_page> laned_journal::outbox(partition_id partition,
                                          partition_id to, std::uint64_t first,
                                          std::uint64_t last,
                                          std::size_t bytes_max) const {
  return lane_of(partition).lane_views.outbox(partition, to, first, last,
                                              bytes_max);
}

result<due_range> laned_journal::due(partition_id partition, time_scale scale,
                                     timestamp after, timestamp until) const {
  return lane_of(partition).lane_views.due(partition, scale, after, until);
}

result<instance_page> laned_journal::page(partition_id partition,
                                          const instance_query& query) const {
  return this->query({partition}, query);
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
    if (part->stopped_at && (!stopped_at || *part->stopped_at < *stopped_at))
      stopped_at = part->stopped_at;
    std::move(part->rows.begin(), part->rows.end(),
              std::back_inserter(page.rows));
  }
  // Each lane has returned its first `top` rows in order; the merged page
  // keeps the first `top` of all.
  if (lanes_.size() > 1) {
    std::stable_sort(
      page.rows.begin(), page.rows.end(),
      [](const auto& a, const auto& b) { return place_of(a) < place_of(b); });
    cut_page(page.rows, query.top, stopped_at);
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

/// The size of all records that this process has committed.
std::uint64_t laned_journal::committed_bytes() const {
  std::uint64_t sum = 0;
  for (const auto& each : lanes_)
    sum += each->committer.committed_bytes();
  return sum;
}

/// Between two measurements, the disk counts as full when the records since the
/// last one may have filled it: a fast client needs less than a second.
bool laned_journal::is_full() const {
  return full_ || committed_bytes() > full_at_
         || (options_.found_no_space
             && options_.found_no_space->load(std::memory_order_relaxed));
}

storage_space laned_journal::space() const {
  const bool is_refused = is_full();
  const std::lock_guard lock(space_mutex_);
  storage_space now = space_;
  if (is_refused && now.full == full_cause::none)
    now.full = full_cause::disk;
  return now;
}

journal_statistics laned_journal::statistics() const {
  journal_statistics sum;
  for (const auto& each : lanes_) {
    const journal_statistics of_lane = each->committer.statistics();
    sum.commits += of_lane.commits;
    sum.views_commits += each->lane_views.commits();
    sum.turns += of_lane.turns;
    sum.journal_bytes += of_lane.journal_bytes;
    sum.rows_scrubbed += each->scrubber.rows();
    sum.scrub_passes += each->scrubber.passes();
    sum.rows_damaged += each->scrubber.damaged();
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
    each->scrubber.stop();
    each->committer.stop();
    // The journal has all turns, so a disk without space does not keep the
    // process from ending.
    each->lane_views.end_waits();
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
  measure();
}

bool laned_journal::crashed() const {
  return crash_->crashed();
}

} // namespace perdura::persistence
