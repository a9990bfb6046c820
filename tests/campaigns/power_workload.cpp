// SPDX-License-Identifier: Apache-2.0
#include "campaigns/power_workload.hpp"

#include "persistence/process/crash_switch.hpp"

#include <algorithm>
#include <utility>

namespace perdura::tests {

using namespace persistence;
namespace fs = std::filesystem;

namespace {

/// A time in microseconds that is later than those of all turns.
std::int64_t time_after(const std::vector<turn_writes>& turns) {
  timestamp last = testing::at(1'000'000);
  for (const turn_writes& turn : turns)
    last = std::max(last, turn.now);
  return std::chrono::duration_cast<duration>(last.time_since_epoch()).count();
}

} // namespace

power_workload::power_workload(fs::path directory, hub_identity hub,
                               std::uint64_t seed,
                               std::vector<turn_writes> turns, bool is_created)
  : directory_(std::move(directory)),
    hub_(std::move(hub)),
    generator_(seed, hub_.partition_count, time_after(turns)),
    turns_(std::move(turns)) {
  now_.reported.resize(hub_.lane_count);
  now_.is_created = is_created;
  note();
}

std::uint32_t power_workload::lane_of(const turn_writes& turn) const {
  return index_of(turn.partition) % hub_.lane_count;
}

void power_workload::mark_in(disk_recorder* recorder) {
  recorder_ = recorder;
  note();
}

void power_workload::note() {
  if (recorder_ != nullptr)
    recorder_->mark(moments_.size());
  moments_.push_back(now_);
  if (observe_)
    observe_(now_);
}

std::string power_workload::create() {
  const auto created = create_hub(directory_, hub_, testing::small_maps);
  if (!created)
    return created.error().message;
  now_.is_created = true;
  note();
  return {};
}

std::string power_workload::open(const durable_progress& least) {
  lmdb_journal_options options;
  options.directory = directory_;
  options.map_bytes = testing::small_maps;
  options.disk_limits.reserve_bytes = 0;
  options.views.slice_instances_min = 2;
  options.manual = true;
  // Turns that are committed between two slices of a flush.
  options.crash = [this](crash_point point, std::uint64_t) {
    if (commits_in_flush_
        && (point == crash_point::before_views_commit
            || point == crash_point::after_views_commit)
        && generator_.pick(3) == 0)
      commit_some();
    return false;
  };
  auto opened = open_lmdb_journal(std::move(options));
  if (!opened)
    return "unopenable: " + opened.error().message;
  journal_ = std::move(*opened);
  std::vector<journal_position> kept;
  for (std::uint32_t lane = 0; lane < hub_.lane_count; ++lane) {
    kept.push_back(journal_->durable(partition_id(lane)));
    if (kept[lane] < least.reported[lane])
      return "lost: position " + std::to_string(least.reported[lane])
             + " of lane " + std::to_string(lane)
             + " was reported, and the journal ends at "
             + std::to_string(kept[lane]);
  }
  std::vector<journal_position> passed(hub_.lane_count);
  std::erase_if(turns_, [&](const turn_writes& turn) {
    const std::uint32_t lane = lane_of(turn);
    return ++passed[lane] > kept[lane];
  });
  for (std::uint32_t lane = 0; lane < hub_.lane_count; ++lane)
    if (passed[lane] < kept[lane])
      return "wrong: the journal has turns that were not appended";
  model_ = {};
  for (const turn_writes& turn : turns_)
    model_.add_turn(turn);
  now_.reported = kept;
  now_.appended = turns_.size();
  if (!std::exchange(was_opened_, true))
    for (durable_progress& moment : moments_) {
      moment.reported = now_.reported;
      moment.appended = now_.appended;
    }
  note();
  const std::string difference = first_difference();
  return difference.empty() ? "" : "wrong: " + difference;
}

std::string power_workload::first_difference() {
  return model_.first_difference(*journal_, hub_.partition_count);
}

/// The next turn; every fifth has a value that needs pages of its own.
turn_writes power_workload::next_turn() {
  turn_writes turn = generator_.next(model_);
  for (instance_write& write : turn.instances)
    if (write.record && generator_.pick(5) == 0)
      write.custom_status
        = '"'
          + std::string(1500 + generator_.pick(9000),
                        static_cast<char>('a' + generator_.pick(26)))
          + '"';
  return turn;
}

void power_workload::commit_some() {
  for (std::uint32_t i = 0, n = 1 + generator_.pick(6); i < n; ++i) {
    turn_writes turn = next_turn();
    model_.add_turn(turn);
    turns_.push_back(turn);
    journal_->append(std::move(turn));
  }
  now_.appended = turns_.size();
  note();
  journal_->commit();
  for (std::uint32_t lane = 0; lane < hub_.lane_count; ++lane)
    now_.reported[lane] = journal_->durable(partition_id(lane));
  note();
}

void power_workload::flush(bool trim) {
  commits_in_flush_ = generator_.pick(2) == 0;
  journal_->flush_views(trim);
  commits_in_flush_ = false;
}

void power_workload::work(std::size_t steps) {
  for (std::size_t i = 0; i < steps; ++i)
    if (generator_.pick(4) != 0)
      commit_some();
    else
      flush(generator_.pick(2) == 0);
}

void power_workload::close(bool is_orderly) {
  if (is_orderly)
    journal_->close();
  journal_.reset();
}

} // namespace perdura::tests
