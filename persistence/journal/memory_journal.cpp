// SPDX-License-Identifier: Apache-2.0
#include "persistence/journal/memory_journal.hpp"

#include "persistence/records/identity.hpp"
#include "persistence/views/views_flush.hpp"

namespace perdura::persistence {

namespace {

// Written to the row `format`; opening a memory disk does not check it.
constexpr std::uint32_t memory_format = 1;

// The memory disk owns the stores and outlives each journal. A journal owns
// the adapters below, which pass its calls on to the stores and keep the disk
// alive.
class memory_disk_rows : public row_store {
public:
  memory_disk_rows(std::shared_ptr<memory_disk> disk, map_store& rows)
    : disk_(std::move(disk)), rows_(rows) {}

  std::unique_ptr<row_reader> read() const override {
    return rows_.read();
  }

  std::unique_ptr<row_writer> write() override {
    return rows_.write();
  }

  std::uint64_t bytes_used() const override {
    return rows_.bytes_used();
  }

private:
  std::shared_ptr<memory_disk> disk_;
  map_store& rows_;
};

/// The adapter for the record log; memory_disk_rows is the one for the row
/// store.
class memory_disk_log : public record_log {
public:
  memory_disk_log(std::shared_ptr<memory_disk> disk, map_log& log)
    : disk_(std::move(disk)), log_(log) {}

  void append(const std::vector<record>& records, journal_position trim_to,
              std::size_t trim_max) override {
    log_.append(records, trim_to, trim_max);
  }

  std::optional<record> read(journal_position from) const override {
    return log_.read(from);
  }

  std::optional<record> last() const override {
    return log_.last();
  }

  std::uint64_t bytes_used() const override {
    return log_.bytes_used();
  }

private:
  std::shared_ptr<memory_disk> disk_;
  map_log& log_;
};

} // namespace

// Writes the same first rows as `create_hub` does on disk.
memory_disk::memory_disk(hub_identity hub) : hub_(std::move(hub)) {
  for (std::uint32_t number = 0; number < hub_.lane_count; ++number) {
    lanes_.push_back(std::make_unique<lane>());
    std::vector<std::pair<partition_id, partition_meta>> partitions;
    for (std::uint32_t i = number; i < hub_.partition_count;
         i += hub_.lane_count)
      partitions.push_back(
        {partition_id(i), partition_meta{random_hex32(), 0, 0, {}}});
    const auto rows = lanes_.back()->rows.write();
    write_initial_rows(*rows, hub_, number, memory_format, partitions);
    rows->commit();
  }
}

std::shared_ptr<memory_disk> make_memory_disk(std::uint32_t partition_count) {
  hub_identity hub;
  hub.hub_id = random_hex32();
  hub.name = "perdura";
  hub.partition_count = partition_count;
  return std::make_shared<memory_disk>(std::move(hub));
}

result<std::unique_ptr<manual_journal>>
open_memory_journal(std::shared_ptr<memory_disk> disk,
                    memory_journal_options options) {
  std::vector<laned_journal::store> stores;
  for (std::uint32_t number = 0; number < disk->hub().lane_count; ++number)
    stores.push_back(
      {std::make_unique<memory_disk_log>(disk, disk->at(number).log),
       std::make_unique<memory_disk_rows>(disk, disk->at(number).rows)});
  laned_journal::options settings;
  settings.manual = true;
  // Every commit checks that the codec restores the turns that it has written.
  settings.decode_after_commit = true;
  // Small slices, so that an injected crash can happen between two slices.
  settings.limits.slice_instances_min = 2;
  if (options.storage_bytes_max > 0)
    settings.measure = [most = options.storage_bytes_max](
                         const std::vector<file_space>& each, std::uint64_t) {
      storage_space now;
      for (const file_space& one : each)
        now.used += one.used;
      now.used_max = most;
      if (now.used > most)
        now.full = full_cause::limit;
      return now;
    };
  auto journal = std::make_unique<laned_journal>(
    disk->hub(), std::move(settings), std::move(stores),
    std::make_shared<crash_switch>(std::move(options.crash)));
  if (const auto opened = journal->open(); !opened)
    return opened.error();
  return std::unique_ptr<manual_journal>(std::move(journal));
}

} // namespace perdura::persistence
