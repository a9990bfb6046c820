// SPDX-License-Identifier: Apache-2.0
// Recorded answers to requests: their windows, their rows, and flushes.
#include "persistence/records/codec.hpp"
#include "persistence/records/request_rows.hpp"
#include "persistence/views/rows.hpp"

#include "journal_harness.hpp"
#include "storage_kinds.hpp"
#include <boost/test/unit_test.hpp>

#include <set>

namespace perdura::persistence {

using namespace testing;
using namespace std::chrono_literals;

namespace {

constexpr partition_id requests_partition{2};

hash128 key_of(std::uint64_t i) {
  return hash128_of(std::to_string(i));
}

/// Records answers in one partition.
class request_turns {
public:
  explicit request_turns(manual_journal& j) : j_(j) {
    const auto snapshot = j.load(requests_partition).value();
    sequence_ = snapshot.meta.sequence;
    windows_ = snapshot.windows;
  }

  void record(request_window window, std::uint64_t first, std::uint64_t count,
              request_window removed_before = 0) {
    turn_writes turn;
    turn.partition = requests_partition;
    turn.epoch = 1;
    turn.sequence = ++sequence_;
    turn.now = at(1000);
    request_changes& changes = turn.requests.emplace();
    changes.removed_before = removed_before;
    if (!windows_.empty() && windows_.back().window == window)
      changes.count = windows_.back();
    changes.count.window = window;
    for (std::uint64_t i = first; i < first + count; ++i) {
      request_row row;
      row.content = key_of(i + 1'000'000);
      row.at = elapsed_time(duration(i));
      changes.rows.push_back({key_of(i), row});
      ++changes.count.keys;
      changes.count.bytes += request_row_bytes(row);
    }
    apply_to_windows(windows_, changes);
    j_.append(std::move(turn));
    j_.commit();
  }

  std::vector<request_window> numbers() const {
    std::vector<request_window> each_window;
    for (const request_count& each : windows_)
      each_window.push_back(each.window);
    return each_window;
  }

  /// Whether the answer is found; with the right content.
  bool has(std::uint64_t i) const {
    const auto found
      = j_.read_request(requests_partition, numbers(), key_of(i)).value();
    BOOST_TEST((!found || found->content == key_of(i + 1'000'000)));
    return found.has_value();
  }

  std::size_t count_of(std::uint64_t first, std::uint64_t count) const {
    std::size_t found = 0;
    for (std::uint64_t i = first; i < first + count; ++i)
      found += has(i) ? 1 : 0;
    return found;
  }

private:
  manual_journal& j_;
  partition_sequence sequence_ = 0;
  request_windows windows_;
};

} // namespace

BOOST_AUTO_TEST_SUITE(request_rows_suite)

BOOST_AUTO_TEST_CASE(a_window_ends_ten_minutes_after_its_last_record) {
  for (const duration time :
       {duration(-1), duration(0), duration(1), duration(299'999'999),
        duration(300'000'000), duration(std::chrono::hours(500'000)),
        duration::max(), duration::min()}) {
    const elapsed_time now(time);
    const request_window window = request_window_of(now);
    if (time > duration(0) && time < std::chrono::hours(1'000'000)) {
      BOOST_TEST((request_window_end(window) >= now + request_key_time));
      BOOST_TEST((request_window_end(window)
                  <= now + request_key_time + request_window_length));
    }
  }
  BOOST_TEST(request_window_of(elapsed_time(duration(-5))) == 0U);
  BOOST_TEST(request_window_of(elapsed_time(10min)) == 2U);
}

BOOST_AUTO_TEST_CASE(an_execution_is_packed_without_loss) {
  for (const std::string& each :
       {std::string(), std::string(32, 'a'), std::string(32, 'A'),
        std::string(32, '0'), std::string(16, 'x'), std::string(15, 'y'),
        std::string("execution-1"), std::string(31, '1'),
        std::string("0123456789abcdef0123456789abcdef")}) {
    BOOST_TEST(unpack_execution(pack_execution(each)) == each);
  }
  BOOST_TEST(pack_execution(std::string(32, '7')).size() == 17U);
}

BOOST_AUTO_TEST_CASE(keys_of_different_requests_differ) {
  const std::set<hash128> keys{
    request_key_of("a", "bc"), request_key_of("ab", "c"),
    request_key_of("abc", ""), request_key_of("", "abc"),
    request_key_of("a", "b"),  request_key_of("b", "a")};
  BOOST_TEST(keys.size() == 6U);
}

// The bound: 150 bytes on disk for each request, with half-filled pages.
BOOST_AUTO_TEST_CASE(a_row_is_small) {
  request_row row;
  row.content = {~std::uint64_t{0}, ~std::uint64_t{0}};
  row.at = elapsed_time(duration::max());
  row.code = errc::already_finished;
  row.created = true;
  for (const std::string execution : {"", "0123456789abcdef0123456789abcdef"}) {
    row.execution = pack_execution(execution);
    const std::size_t bytes
      = request_row_key(requests_partition, 7, key_of(1)).size() + checksum_size
        + encode(row).size();
    BOOST_TEST(bytes <= request_row_bytes(row));
    BOOST_TEST(bytes + 8 >= request_row_bytes(row));
  }
  BOOST_TEST(request_row_bytes(row) <= 90U);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(answers_are_found_before_and_after_a_flush,
                              Storage, storage_kinds) {
  Storage storage;
  auto j = storage.open();
  {
    request_turns turns(*j);
    turns.record(10, 0, 100);
    turns.record(11, 100, 100);
    BOOST_TEST(turns.count_of(0, 300) == 200U);
    j->flush_views(true);
    BOOST_TEST(turns.count_of(0, 300) == 200U);
    turns.record(11, 200, 50);
    turns.record(12, 250, 50, 11);
    BOOST_TEST(turns.count_of(100, 200) == 200U);
    BOOST_TEST(turns.count_of(0, 100) == 0U);
    j->flush_views(true);
    BOOST_TEST(turns.count_of(0, 400) == 200U);
  }
  j.reset();
  j = storage.open();
  request_turns turns(*j);
  BOOST_TEST(turns.numbers() == (std::vector<request_window>{11, 12}),
             boost::test_tools::per_element());
  BOOST_TEST(turns.count_of(0, 400) == 200U);
}

// A window is deleted in several transactions. The process crashes before and
// after each of them.
BOOST_AUTO_TEST_CASE_TEMPLATE(deletion_survives_a_crash_at_each_commit, Storage,
                              storage_kinds) {
  constexpr std::uint64_t count = 600;
  for (unsigned n = 1;; ++n) {
    bool crashed = false;
    Storage storage;
    auto j = storage.open();
    {
      request_turns turns(*j);
      turns.record(10, 0, count);
      j->flush_views(true);
    }
    j.reset();
    unsigned points = 0;
    j = storage.open(
      [&](crash_point, std::uint64_t) { return crashed = ++points == n; });
    {
      request_turns turns(*j);
      turns.record(13, count, count, 11);
      if (!crashed)
        j->flush_views(true);
    }
    j.reset();
    j = storage.open();
    request_turns turns(*j);
    if (crashed && turns.numbers().front() == 10)
      turns.record(13, count, count, 11); // the turn was lost
    j->flush_views(true);
    BOOST_TEST_REQUIRE(turns.count_of(0, count) == 0U);
    BOOST_TEST_REQUIRE(turns.count_of(count, count) == count);
    if (!crashed) {
      BOOST_TEST(n > 5U); // there are several transactions
      return;
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::persistence
