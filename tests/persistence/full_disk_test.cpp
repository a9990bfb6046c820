// SPDX-License-Identifier: Apache-2.0
// Disks without space: what is refused, what still works, and that a purge
// makes space although the data files never shrink.
#include "persistence/journal/compact.hpp"
#include "persistence/journal/lmdb_journal.hpp"
#include "persistence/journal/verify.hpp"
#include "persistence/process/replace_file.hpp"
#include "persistence/process/space_wait.hpp"
#include "persistence/stores/disk_guard.hpp"
#include "persistence/stores/lmdb_file.hpp"

#include "file_bytes.hpp"
#include "journal_harness.hpp"
#include "small_disk.hpp"
#include <boost/test/unit_test.hpp>
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <thread>

namespace perdura::persistence {

using namespace testing;
namespace fs = std::filesystem;

namespace {

constexpr partition_id only{0};

/// Runs a test on a small disk, if the system permits one.
template <class F>
void on_small_disk(std::uint64_t bytes, F work) {
  const auto problem = problem_on_small_disk(bytes, work);
  if (problem)
    BOOST_TEST(*problem == "");
  else
    BOOST_TEST_MESSAGE("skipped: no mount is permitted");
}

/// A hub with one partition on the disk, and its journal without threads.
class disk_hub {
public:
  explicit disk_hub(fs::path disk, disk_guard::limits limits = {})
    : hub_(std::move(disk) / "hub"), limits_(limits) {
    create_hub(hub_, small_hub(1, 1), small_maps).value();
    open();
  }

  void open() {
    journal_.reset();
    lmdb_journal_options options;
    options.directory = hub_;
    options.map_bytes = small_maps;
    options.manual = true;
    options.disk_limits = limits_;
    journal_ = open_lmdb_journal(std::move(options)).value();
    sequence_ = journal_->load(only).value().meta.sequence;
  }

  void close() {
    journal_->close();
    journal_.reset();
  }

  manual_journal& journal() {
    return *journal_;
  }

  const fs::path& path() const {
    return hub_;
  }

  void start(const std::string& id, std::size_t bytes) {
    turn_writes turn = start_turn(only, ++sequence_, id);
    std::get<execution_started>(turn.instances[0].history[1].body).input
      = '"' + std::string(bytes, 'x') + '"';
    commit(std::move(turn));
  }

  void purge(const std::string& id) {
    turn_writes turn = start_turn(only, ++sequence_, id);
    turn.instances[0] = {};
    turn.instances[0].id = id;
    turn.instances[0].removed = true;
    commit(std::move(turn));
  }

  /// Starts instances until the storage counts as full, as a partition does.
  /// @return Their number.
  std::size_t start_while_accepted(std::size_t bytes) {
    std::size_t count = 0;
    for (; !journal_->is_full(); ++count) {
      start("order-" + std::to_string(started_++), bytes);
      expect(count < 100'000, "the storage does not become full");
    }
    return count;
  }

  /// The same until a measurement after a flush finds it full.
  std::size_t start_until_full(std::size_t bytes) {
    std::size_t count = 0;
    while (!journal_->is_full()) {
      start("order-" + std::to_string(started_++), bytes);
      if (++count % 16 == 0 || journal_->is_full())
        journal_->flush_views(true);
      expect(count < 100'000, "the storage does not become full");
    }
    return count;
  }

  void purge_all(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      purge("order-" + std::to_string(i));
      if (i % 16 == 0)
        journal_->flush_views(true);
    }
    journal_->flush_views(true);
    journal_->flush_views(true);
  }

  std::uint64_t instances() {
    return journal_->count({only}).value()[0];
  }

private:
  void commit(turn_writes turn) {
    journal_->append(std::move(turn));
    journal_->commit();
  }

  fs::path hub_;
  disk_guard::limits limits_;
  std::unique_ptr<manual_journal> journal_;
  partition_sequence sequence_ = 0;
  std::size_t started_ = 0; ///< Instances that were started so far.
};

} // namespace

BOOST_AUTO_TEST_SUITE(full_disk)

// Regression: the data files never shrink, and only the free space of the disk
// counted, so a hub stayed full for ever although it was empty.
BOOST_AUTO_TEST_CASE(purge_of_everything_makes_space_without_a_restart) {
  for (const std::size_t bytes : {1'000U, 5'000U, 60'000U})
    on_small_disk(32 * mib, [bytes](const fs::path& disk) {
      disk_hub hub(disk);
      const std::size_t count = hub.start_until_full(bytes);
      expect(hub.instances() == count, "instances are missing");
      const storage_space full = hub.journal().space();
      expect(full.full == full_cause::disk, "another cause");
      expect(full.files > 8 * mib, "the files are small");
      hub.purge_all(count);
      expect(hub.instances() == 0, "instances are left");
      expect(!hub.journal().is_full(), full_sentence(hub.journal().space()));
      // The space can be used again.
      const std::size_t again = hub.start_until_full(bytes);
      expect(again > count / 4, "only " + std::to_string(again) + " of "
                                  + std::to_string(count) + " starts");
      hub.purge_all(again);
      hub.close();
      const auto checked = verify_hub(hub.path(), small_maps).value();
      expect(checked.problems.empty(), "the hub is damaged");
    });
}

BOOST_AUTO_TEST_CASE(purge_of_everything_makes_space_with_a_restart) {
  on_small_disk(48 * mib, [](const fs::path& disk) {
    disk_hub hub(disk);
    const std::size_t count = hub.start_until_full(2'000);
    hub.open();
    expect(hub.journal().is_full(), "not full after a restart");
    hub.purge_all(count);
    hub.open();
    hub.journal().flush_views(true);
    expect(!hub.journal().is_full(), full_sentence(hub.journal().space()));
  });
}

// Regression: the storage was measured only after each flush, and a fast client
// filled the disk, with the reserve, in less time.
BOOST_AUTO_TEST_CASE(disk_becomes_full_between_two_measurements) {
  on_small_disk(64 * mib, [](const fs::path& disk) {
    disk_hub hub(disk);
    const std::size_t count = hub.start_while_accepted(200'000);
    const storage_space space = hub.journal().space();
    expect(space.disk_free + space.files_free >= space.reserve_max,
           "the reserve is used: " + full_sentence(space));
    hub.purge_all(count);
    expect(!hub.journal().is_full(), full_sentence(hub.journal().space()));
  });
}

// Another program has taken all space. The reserve is then used for purges;
// after a restart on the same disk, free pages are.
BOOST_AUTO_TEST_CASE(disk_that_is_full_to_the_last_byte_serves_purges) {
  on_small_disk(64 * mib, [](const fs::path& disk) {
    disk_hub hub(disk);
    for (int i = 0; i < 400; ++i)
      hub.start("order-" + std::to_string(i), 4'000);
    hub.journal().flush_views(true);
    const filler other(disk);
    for (int restart = 0; restart < 3; ++restart) {
      other.fill();
      hub.journal().flush_views(false); // measures
      expect(hub.journal().is_full(), "the disk does not count as full");
      other.fill(); // what the reserve has released
      hub.open();
      expect(hub.journal().is_full(), "not full after the restart");
      for (int i = 0; i < 100; ++i)
        hub.purge("order-" + std::to_string(restart * 100 + i));
      hub.journal().flush_views(true);
      expect(hub.instances() == 300 - 100 * std::uint64_t(restart), "purged");
    }
    other.remove();
    hub.journal().flush_views(true);
    expect(!hub.journal().is_full(), "full although the disk has space");
    hub.start("later", 4'000);
  });
}

// Regression: a node on a disk without a single free block did not start,
// because the file with the number of its start could not be replaced.
BOOST_AUTO_TEST_CASE(small_file_is_replaced_with_space_of_the_reserve) {
  on_small_disk(16 * mib, [](const fs::path& disk) {
    const filler other(disk);
    const disk_guard::limits limits{0, mib};
    disk_guard guard(disk, limits);
    expect(guard.measure({}, 0).reserve == mib, "there is no reserve");
    const fs::path file = disk / "start";
    for (int i = 0; i < 10; ++i) {
      other.fill();
      const auto trouble = replace_file(file, "start " + std::to_string(i));
      expect(!trouble,
             "replacement " + std::to_string(i) + ": " + trouble.message());
    }
    expect(guard.measure({}, 0).full == full_cause::disk, "it is not full");
    // Without a reserve, the old content stays.
    while (guard.release_for_write(mib)) {
    }
    other.fill();
    expect(replace_file(file, std::string(mib, 'x'))
             == std::errc::no_space_on_device,
           "there was space");
    expect(read_file(file) == "start 9", "the file has another content");
  });
}

// A write that finds no space has written nothing, and can be repeated.
BOOST_AUTO_TEST_CASE(commit_without_space_writes_nothing) {
  on_small_disk(16 * mib, [](const fs::path& disk) {
    const filler other(disk);
    lmdb_log log(disk, true, 64 * mib);
    log.append({{1, std::string(100, 'a')}}, 0, 0);
    other.fill();
    // More than what is allocated in advance.
    const std::string large(4 * mib, 'b');
    for (int i = 0; i < 3; ++i)
      try {
        log.append({{2, large}}, 0, 0);
        expect(false, "there was space");
      } catch (const storage_exception& refused) {
        expect(refused.reason().code == errc::storage_full,
               refused.reason().message);
      }
    expect(log.last()->first == 1, "something was written");
    other.remove();
    log.append({{2, large}}, 0, 0);
    expect(log.read(2)->bytes == large, "the record differs");
  });
}

// Regression: a node whose disk another program had filled did not end, and was
// stopped after its patience with exit code 75.
BOOST_AUTO_TEST_CASE(close_does_not_wait_for_space) {
  for (const bool is_flushing : {false, true})
    on_small_disk(48 * mib, [is_flushing](const fs::path& disk) {
      const filler other(disk);
      disk_hub hub(disk, {.storage_bytes_max = 0, .reserve_bytes = 0});
      for (int i = 0; i < 100; ++i)
        hub.start("order-" + std::to_string(i), 60'000);
      other.fill();
      std::thread flush;
      if (is_flushing) {
        flush = std::thread([&] {
          try {
            hub.journal().flush_views(false);
          } catch (const std::exception&) {
            // The flush was given up.
          }
        });
        while (sync_watch::of_process().longest() <= space_wait_time)
          std::this_thread::yield();
      }
      hub.journal().close();
      if (flush.joinable())
        flush.join();
      other.remove();
      hub.open();
      expect(hub.instances() == 100, "instances are missing");
    });
}

// A commit that has found no space is made as soon as there is some.
BOOST_AUTO_TEST_CASE(commit_waits_for_space) {
  on_small_disk(32 * mib, [](const fs::path& disk) {
    const filler other(disk);
    disk_hub hub(disk);
    other.fill();
    hub.journal().flush_views(false);
    other.fill();
    std::thread frees([&] {
      // Until the commit has waited, and is tried again.
      while (sync_watch::of_process().longest() <= space_wait_time)
        std::this_thread::yield();
      other.remove();
    });
    hub.start("large", 12 * mib); // more than the reserve
    frees.join();
    expect(hub.journal().read(only, "large").value().has_value(), "it is lost");
  });
}

// LMDB's answer to a meta page that cannot be written: the new trees, with the
// numbers of the state before the last one.
BOOST_AUTO_TEST_CASE(meta_page_of_a_failed_commit_is_restored) {
  constexpr std::size_t page = 4096;
  constexpr std::size_t trees_at = 40;
  constexpr std::size_t last_page_at = 136;
  const temporary_directory place;
  const fs::path file = place.path() / "data.mdb";
  std::uint64_t txnid = 0;
  std::string whole;
  {
    lmdb_log log(place.path(), true, 64 * mib);
    for (std::uint64_t i = 1; i <= 6; ++i) {
      if (i == 6)
        whole = read_file(file);
      log.append({{i, std::string(i < 6 ? 3'000 * i : 400'000, 'a')}}, 0, 0);
    }
  }
  txnid = lmdb_file::open(file).value()->newest().txnid;
  // The file before transaction `txnid`, with the mixed page of its commit.
  const std::string after = read_file(file);
  whole.resize(after.size());
  const std::size_t slot = txnid % 2 * page;
  whole.replace(slot + trees_at, last_page_at - trees_at, after,
                slot + trees_at, last_page_at - trees_at);
  write_file(file, whole);
  BOOST_TEST((lmdb_file::open(file).code() == errc::storage_damaged));
  const int fd = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
  BOOST_TEST(restore_lmdb_meta(fd, page, txnid));
  // Nothing happens if the other page does not have the state before.
  BOOST_TEST(restore_lmdb_meta(fd, page, txnid + 1));
  ::close(fd);
  BOOST_TEST_REQUIRE(static_cast<bool>(lmdb_file::open(file)));
  BOOST_TEST(lmdb_file::open(file).value()->newest().txnid == txnid - 1);
  lmdb_log log(place.path(), false, 64 * mib);
  BOOST_TEST(log.last()->first == 5U);
  log.append({{6, "b"}}, 0, 0);
  BOOST_TEST(log.read(6)->bytes == "b");
}

// --- Compaction --------------------------------------------------------------

BOOST_AUTO_TEST_CASE(compaction_returns_free_pages_to_the_disk) {
  const temporary_directory place;
  disk_hub hub(place.path());
  for (int i = 0; i < 500; ++i)
    hub.start("order-" + std::to_string(i), 5'000);
  hub.journal().flush_views(true);
  for (int i = 0; i < 490; ++i)
    hub.purge("order-" + std::to_string(i));
  hub.journal().flush_views(true);
  // A directory in use is refused.
  BOOST_TEST(
    (compact_hub(hub.path(), small_maps).code() == errc::storage_in_use));
  hub.close();
  const auto made = compact_hub(hub.path(), small_maps);
  BOOST_TEST_REQUIRE(static_cast<bool>(made));
  BOOST_TEST(made->bytes_before > 3 * mib);
  BOOST_TEST(made->bytes_after < mib);
  BOOST_TEST(verify_hub(hub.path(), small_maps)->problems.empty());
  hub.open();
  BOOST_TEST(hub.instances() == 10U);
  hub.start("later", 10);
  hub.journal().flush_views(true);
  hub.open();
  BOOST_TEST(hub.instances() == 11U);
}

// At each step the directory is usable, and the next compaction completes.
BOOST_AUTO_TEST_CASE(interrupted_compaction_leaves_a_usable_directory) {
  const temporary_directory place;
  disk_hub hub(place.path());
  for (int i = 0; i < 20; ++i)
    hub.start("order-" + std::to_string(i), 5'000);
  hub.journal().flush_views(true);
  hub.start("tail", 10); // not in the views
  hub.close();
  std::uint32_t steps = 0;
  for (std::uint32_t last = 1;; ++last) {
    steps = 0;
    const auto made = compact_hub(hub.path(), small_maps, [&](std::uint32_t n) {
      steps = n;
      return n == last;
    });
    BOOST_TEST(verify_hub(hub.path(), small_maps)->problems.empty());
    hub.open();
    BOOST_TEST(hub.instances() == 21U);
    hub.close();
    if (made)
      break;
    BOOST_TEST((made.code() == errc::shutting_down));
  }
  BOOST_TEST(steps >= 12U);
  BOOST_TEST(!fs::exists(hub.path() / "lane-0/views/compacted"));
}

BOOST_AUTO_TEST_CASE(compaction_names_its_reason) {
  const temporary_directory place;
  BOOST_TEST((compact_hub(place.path() / "none", small_maps).code()
              == errc::storage_missing));
  disk_hub hub(place.path());
  hub.close();
  fs::resize_file(hub.path() / "lane-0/views/data.mdb", 9'000);
  BOOST_TEST(
    (compact_hub(hub.path(), small_maps).code() == errc::storage_damaged));
}

// The reserve is given up for the copy, and taken again by the next start.
BOOST_AUTO_TEST_CASE(compaction_of_a_full_disk_uses_the_reserve) {
  on_small_disk(48 * mib, [](const fs::path& disk) {
    disk_hub hub(disk);
    for (int i = 0; i < 500; ++i)
      hub.start("order-" + std::to_string(i), 4'000);
    hub.journal().flush_views(true);
    for (int i = 0; i < 250; ++i)
      hub.purge("order-" + std::to_string(i));
    hub.journal().flush_views(true);
    hub.close();
    const filler other(disk);
    other.fill();
    const auto made = compact_hub(hub.path(), small_maps);
    expect(bool(made), made ? "" : made.error().message);
    expect(made->bytes_after < made->bytes_before, "nothing was gained");
    expect(!fs::exists(hub.path() / "reserve"), "the reserve is left");
    // Without the reserve there is no space, and nothing is changed.
    other.fill();
    fs::remove(hub.path() / "reserve");
    other.fill();
    expect(compact_hub(hub.path(), small_maps).code() == errc::storage_full,
           "there was space");
    other.remove();
    hub.open();
    expect(hub.instances() == 250, "instances are missing");
  });
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::persistence
