// SPDX-License-Identifier: Apache-2.0
// Guarantees of the committer of one lane about what is stored: recovery after
// a crash, trimming, and the records of the journal.
#include "persistence/records/codec.hpp"

#include "open_lane.hpp"
#include <boost/test/unit_test.hpp>

#include <array>
#include <iterator>
#include <stdexcept>
#include <string>

namespace perdura::persistence {

using namespace testing;

namespace {

/// A record of three turns of two partitions, at the positions 7 to 9.
journal_record record_of_three_turns() {
  journal_record record;
  record.lane = 3;
  record.first = 7;
  record.count = 3;
  record.partitions = {{second_partition,
                        1,
                        4,
                        {{encode(start_turn(second_partition, 4, "order-4"))},
                         {encode(start_turn(second_partition, 5, "order-5"))}}},
                       {third_partition,
                        1,
                        1,
                        {{encode(start_turn(third_partition, 1, "order-1"))}}}};
  return record;
}

errc code_of(const result<journal_record>& decoded) {
  return decoded ? errc::ok : decoded.code();
}

/// A disk with three records of one turn each.
memory_disk disk_of_three_records() {
  memory_disk disk(small_hub());
  open_lane lane(disk);
  for (int i = 0; i < 3; ++i) {
    lane.append(first_partition);
    lane.committer.commit();
  }
  return disk;
}

} // namespace

BOOST_AUTO_TEST_SUITE(group_committer_recovery)

// A lost or foreign turn would be noticed at the next start only, and then the
// directory could not be opened.
BOOST_AUTO_TEST_CASE(sequences_continue_after_a_recovery) {
  for (const bool is_flushed : {false, true}) {
    memory_disk disk = disk_of_three_records();
    if (is_flushed) {
      open_lane lane(disk);
      lane.lane_views.flush().value();
      lane.committer.trim();
    }
    open_lane lane(disk);
    for (const partition_sequence wrong : {0, 1, 3, 5, 1000})
      BOOST_CHECK_THROW(
        lane.committer.append(start_turn(first_partition, wrong, "order-6")),
        std::logic_error);
    BOOST_CHECK_THROW(
      lane.committer.append(start_turn(second_partition, 2, "order-6")),
      std::logic_error);
    lane.sequences[0] = 3;
    BOOST_TEST(lane.append(first_partition) == 4U);
    BOOST_TEST(lane.append(second_partition) == 5U);
    BOOST_CHECK_THROW(
      lane.committer.append(start_turn(first_partition, 6, "order-6")),
      std::logic_error);
  }
}

// --- Recovery ----------------------------------------------------------------

// The journal crashes at its second commit, or at the second slice of a flush.
BOOST_AUTO_TEST_CASE(recovery_after_a_crash_finds_all_durable_turns) {
  struct crash {
    crash_point where;
    journal_position durable;
  };

  for (const crash& each : {crash{crash_point::before_commit, 4},
                            crash{crash_point::after_commit, 8},
                            crash{crash_point::before_views_commit, 8},
                            crash{crash_point::after_views_commit, 8}}) {
    memory_disk disk(small_hub());
    {
      open_lane lane(disk, threads::none, [&](crash_point point, auto n) {
        return point == each.where && n == 2;
      });
      journal_position reported = 0;
      lane.committer.listen(first_partition, [&](auto p) { reported = p; });
      for (int commit = 0; commit < 2; ++commit) {
        for (int i = 0; i < 4; ++i)
          lane.append(first_partition);
        lane.committer.commit();
      }
      if (!lane.crash->crashed())
        static_cast<void>(lane.lane_views.flush());
      BOOST_TEST(lane.crash->crashed());
      BOOST_TEST(reported <= each.durable);
      // Nothing is written after the crash.
      lane.append(first_partition);
      BOOST_TEST(lane.committer.commit() == 0U);
    }
    for (int start = 0; start < 2; ++start) {
      open_lane lane(disk);
      BOOST_TEST_REQUIRE(static_cast<bool>(lane.recovered));
      BOOST_TEST(lane.committer.durable() == each.durable);
      for (partition_sequence i = 1; i <= 9; ++i)
        BOOST_TEST(lane.has(first_partition, i) == (i <= each.durable));
    }
    open_lane lane(disk);
    lane.sequences[0] = each.durable;
    BOOST_TEST(lane.append(first_partition) == each.durable + 1);
    BOOST_TEST(lane.committer.commit() == 1U);
  }
}

// Recovery names the position of a record that it cannot use.
BOOST_AUTO_TEST_CASE(recovery_refuses_a_damaged_or_missing_record) {
  for (const journal_position at : {1, 2, 3}) {
    memory_disk disk = disk_of_three_records();
    disk.at(0).log.records().at(at)[5] ^= 1;
    const open_lane lane(disk);
    BOOST_TEST_REQUIRE(!lane.recovered);
    BOOST_TEST((lane.recovered.code() == errc::storage_damaged));
    BOOST_TEST(
      lane.recovered.error().message.find("position " + std::to_string(at))
      != std::string::npos);
  }
  for (const journal_position at : {1, 2}) {
    memory_disk disk = disk_of_three_records();
    disk.at(0).log.records().erase(at);
    const open_lane lane(disk);
    BOOST_TEST_REQUIRE(!lane.recovered);
    BOOST_TEST((lane.recovered.code() == errc::storage_damaged));
    BOOST_TEST(lane.recovered.error().message.find("missing")
               != std::string::npos);
  }
}

// The views contain all three turns; the journal has lost the last or all of
// them.
BOOST_AUTO_TEST_CASE(recovery_refuses_views_that_are_ahead_of_the_journal) {
  for (const std::size_t kept : {0U, 1U, 2U}) {
    memory_disk disk = disk_of_three_records();
    open_lane(disk).lane_views.flush().value();
    auto& records = disk.at(0).log.records();
    records.erase(std::next(records.begin(), static_cast<long>(kept)),
                  records.end());
    const open_lane lane(disk);
    BOOST_TEST_REQUIRE(!lane.recovered);
    BOOST_TEST((lane.recovered.code() == errc::storage_damaged));
  }
}

// --- Trimming ----------------------------------------------------------------

// 600 records of one turn each are in the views.
BOOST_AUTO_TEST_CASE(commit_deletes_a_bounded_number_of_records) {
  constexpr std::size_t count = 600;
  memory_disk disk(small_hub());
  open_lane lane(disk);
  const auto& records = disk.at(0).log.records();
  for (std::size_t i = 0; i < count; ++i) {
    lane.append(first_partition);
    lane.committer.commit();
  }
  // Records are kept as long as the views do not contain their turns.
  BOOST_TEST(records.size() == count);
  lane.lane_views.flush().value();
  BOOST_TEST(records.size() == count);
  std::size_t expected = count;
  for (int i = 0; i < 2; ++i) {
    lane.append(first_partition);
    lane.committer.commit();
    expected += 1 - trim_records_max;
    BOOST_TEST(records.size() == expected);
  }
  // The third commit deletes the rest up to the position of the views.
  lane.append(first_partition);
  lane.committer.commit();
  BOOST_TEST(records.size() == 3U);
  BOOST_TEST(records.begin()->first == count + 1);
  // `trim` deletes all but the newest record.
  lane.lane_views.flush().value();
  lane.committer.trim();
  BOOST_TEST(records.size() == 1U);
  BOOST_TEST(records.begin()->first == count + 3);
  BOOST_TEST(open_lane(disk).committer.durable() == count + 3);
}

// --- Records -----------------------------------------------------------------

BOOST_AUTO_TEST_CASE(record_decodes_as_it_was_encoded) {
  const journal_record record = record_of_three_turns();
  const auto again = decode_journal_record(7, 3, encode_journal_record(record));
  BOOST_TEST((again.value() == record));
}

// The checksum covers every bit of the record.
BOOST_AUTO_TEST_CASE(record_with_a_flipped_bit_is_damaged) {
  const std::string bytes = encode_journal_record(record_of_three_turns());
  std::size_t accepted = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string flipped = bytes;
      flipped[i] = static_cast<char>(static_cast<unsigned char>(flipped[i])
                                     ^ (1U << bit));
      accepted += code_of(decode_journal_record(7, 3, flipped))
                      == errc::storage_damaged
                    ? 0U
                    : 1U;
    }
  BOOST_TEST(accepted == 0U);
}

BOOST_AUTO_TEST_CASE(shortened_or_extended_record_is_damaged) {
  const std::string bytes = encode_journal_record(record_of_three_turns());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    BOOST_TEST((code_of(decode_journal_record(7, 3, bytes.substr(0, size)))
                == errc::storage_damaged));
  BOOST_TEST((code_of(decode_journal_record(7, 3, bytes + '\0'))
              == errc::storage_damaged));
}

// The checksum is right in each case, but the record is in the wrong place or
// contradicts itself.
BOOST_AUTO_TEST_CASE(record_in_the_wrong_place_is_refused) {
  const journal_record good = record_of_three_turns();
  const std::string bytes = encode_journal_record(good);
  BOOST_TEST(
    (code_of(decode_journal_record(8, 3, bytes)) == errc::storage_damaged));
  BOOST_TEST(
    (code_of(decode_journal_record(7, 2, bytes)) == errc::storage_damaged));
  journal_record wrong = good;
  wrong.count = 4;
  BOOST_TEST((code_of(decode_journal_record(7, 3, encode_journal_record(wrong)))
              == errc::storage_damaged));
  wrong = good;
  wrong.partitions.pop_back();
  BOOST_TEST((code_of(decode_journal_record(7, 3, encode_journal_record(wrong)))
              == errc::storage_damaged));
  wrong = good;
  wrong.partitions.clear();
  wrong.count = 0;
  BOOST_TEST((code_of(decode_journal_record(7, 3, encode_journal_record(wrong)))
              == errc::storage_damaged));
  wrong = good;
  wrong.format = 2;
  BOOST_TEST((code_of(decode_journal_record(7, 3, encode_journal_record(wrong)))
              == errc::storage_format));
}

// The record is sound, but a turn in it has another sequence, another partition
// or no valid encoding.
BOOST_AUTO_TEST_CASE(recovery_refuses_turns_that_contradict_their_record) {
  const std::array<std::string, 4> turns
    = {encode(start_turn(first_partition, 2, "order-2")),
       encode(start_turn(second_partition, 1, "order-1")), std::string(),
       std::string("\x01\xc1", 2)};
  for (const std::string& each : turns) {
    memory_disk disk(small_hub());
    journal_record record;
    record.first = 1;
    record.count = 1;
    record.partitions = {{first_partition, 1, 1, {{each}}}};
    disk.at(0).log.append({{1, encode_journal_record(record)}}, 0, 0);
    const open_lane lane(disk);
    BOOST_TEST_REQUIRE(!lane.recovered);
    BOOST_TEST((lane.recovered.code() == errc::storage_damaged));
    BOOST_TEST(!lane.has(first_partition, 1));
  }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::persistence
