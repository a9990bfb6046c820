// SPDX-License-Identifier: Apache-2.0
// The adoption of a data directory, interrupted at each step, and journal
// records of another hub.
#include "persistence/journal/adopt_hub.hpp"
#include "persistence/journal/group_committer.hpp"
#include "persistence/journal/verify.hpp"
#include "persistence/records/codec.hpp"
#include "persistence/views/rows.hpp"

#include "damage_tools.hpp"
#include <boost/test/unit_test.hpp>

#include <set>

namespace perdura::persistence {

using namespace testing;
namespace fs = std::filesystem;

namespace {

/// The directory of "node-1", which owns the even partitions.
hub_identity clustered_hub(std::uint32_t lanes) {
  hub_identity hub = small_hub(6, lanes);
  hub.node = "node-1";
  hub.nodes = {"node-1", "node-2"};
  hub.owners = {0, 1, 0, 1, 0, 1};
  hub.directory_id = random_hex32();
  return hub;
}

lmdb_journal_options options_of(const fs::path& directory) {
  lmdb_journal_options options;
  options.directory = directory;
  options.map_bytes = small_maps;
  options.disk_limits.reserve_bytes = 0;
  options.manual = true;
  return options;
}

/// Writes one turn in each partition of the node; half of them stay in the
/// journal.
void write_orders(const fs::path& directory) {
  auto j = open_lmdb_journal(options_of(directory)).value();
  for (const std::uint32_t p : {0U, 2U, 4U}) {
    j->append(start_turn(partition_id(p), 1, "order-" + std::to_string(p)));
    j->commit();
    if (p == 2)
      j->flush_views(false);
  }
}

class node_directory {
public:
  explicit node_directory(std::uint32_t lanes = 2)
    : identity(clustered_hub(lanes)) {
    create_hub(path(), identity, small_maps).value();
    write_orders(path());
    write_file(path() / "peers", "perdura peers, format 2\n");
  }

  fs::path path() const {
    return directory_.path() / "hub";
  }

  std::map<std::uint32_t, partition_meta> partitions() const {
    std::map<std::uint32_t, partition_meta> found;
    auto j = open_lmdb_journal(options_of(path())).value();
    for (std::uint32_t p = 0; p < identity.partition_count; ++p)
      found[p] = j->load(partition_id(p))->meta;
    return found;
  }

  /// Checks that the directory is adopted as a whole and has all instances.
  void check_is_adopted(const hub_identity& next) const {
    BOOST_TEST((read_hub(path()).value() == next));
    BOOST_TEST(next.hub_id == identity.hub_id);
    BOOST_TEST(next.directory_id != identity.directory_id);
    BOOST_TEST((next.adopted_at > identity.adopted_at));
    BOOST_TEST(!fs::exists(path() / "peers"));
    BOOST_TEST(!fs::exists(path() / "hub.adopting"));
    const auto checked = verify_hub(path(), small_maps);
    BOOST_TEST_REQUIRE(!!checked);
    BOOST_TEST(checked->problems.empty());
    BOOST_TEST(checked->instances == 3U);
    auto j = open_lmdb_journal(options_of(path())).value();
    for (const std::uint32_t p : {0U, 2U, 4U}) {
      const auto meta = j->load(partition_id(p))->meta;
      BOOST_TEST(meta.sequence == 1U);
      BOOST_TEST(
        (meta.unmatched
         == std::vector{partition_id(1), partition_id(3), partition_id(5)}));
      const auto stored
        = j->read(partition_id(p), "order-" + std::to_string(p));
      BOOST_TEST_REQUIRE(!!stored);
      BOOST_TEST(stored->has_value());
      // The next turn follows.
      j->append(start_turn(partition_id(p), 2, "next-" + std::to_string(p)));
    }
    j->commit();
  }

  const hub_identity identity;

private:
  temporary_directory directory_;
};

constexpr const char* record_of_another_hub = "was written for another hub";

} // namespace

BOOST_AUTO_TEST_SUITE(adopt_hub_suite)

BOOST_AUTO_TEST_CASE(adoption_gives_new_incarnations_and_keeps_instances) {
  for (const std::uint32_t lanes : {1, 2}) {
    const node_directory place(lanes);
    const auto before = place.partitions();
    const auto next = adopt_hub(place.path(), at(5'000'000), {}, small_maps);
    BOOST_TEST_REQUIRE(!!next, (next ? "" : next.error().message));
    BOOST_TEST((next->adopted_at == at(5'000'000)));
    std::set<std::string> incarnations;
    for (const auto& [p, meta] : place.partitions()) {
      BOOST_TEST(meta.incarnation != before.at(p).incarnation);
      incarnations.insert(meta.incarnation);
    }
    BOOST_TEST(incarnations.size() == 6U);
    place.check_is_adopted(*next);
  }
}

// A clock that goes back does not make an adoption older than the one before.
BOOST_AUTO_TEST_CASE(each_adoption_is_later_than_the_one_before) {
  const node_directory place;
  const auto first
    = adopt_hub(place.path(), at(5'000'000), {}, small_maps).value();
  const auto second
    = adopt_hub(place.path(), at(4'000'000), {}, small_maps).value();
  BOOST_TEST((second.adopted_at > first.adopted_at));
  BOOST_TEST(second.directory_id != first.directory_id);
  place.check_is_adopted(second);
}

// At each step the directory is the old one or is refused; a repetition
// completes the adoption.
BOOST_AUTO_TEST_CASE(interrupted_adoption_is_completed_by_a_repetition) {
  bool is_interrupted = true;
  std::uint32_t refused = 0;
  for (std::uint32_t step = 1; is_interrupted; ++step) {
    const node_directory place;
    const auto stop_at = [&](std::uint32_t n) { return n == step; };
    const auto first
      = adopt_hub(place.path(), at(5'000'000), stop_at, small_maps);
    is_interrupted = !first;
    if (is_interrupted)
      BOOST_TEST((first.code() == errc::shutting_down));
    BOOST_TEST_CONTEXT("step " << step) {
      if (fs::exists(place.path() / "hub.adopting")) {
        ++refused;
        const auto opened = open_lmdb_journal(options_of(place.path()));
        BOOST_TEST((opened.code() == errc::storage_foreign));
        BOOST_TEST(opened.error().message.find("was interrupted")
                   != std::string::npos);
        BOOST_TEST((verify_hub(place.path(), small_maps).code()
                    == errc::storage_foreign));
        const auto again
          = adopt_hub(place.path(), at(6'000'000), {}, small_maps);
        BOOST_TEST_REQUIRE(!!again, (again ? "" : again.error().message));
        place.check_is_adopted(*again);
      } else {
        place.check_is_adopted(read_hub(place.path()).value());
      }
    }
  }
  BOOST_TEST(refused > 6U);
}

BOOST_AUTO_TEST_CASE(directory_in_use_is_not_adopted) {
  const node_directory place;
  const auto before = read_hub(place.path()).value();
  const auto j = open_lmdb_journal(options_of(place.path())).value();
  BOOST_TEST((adopt_hub(place.path(), at(5'000'000), {}, small_maps).code()
              == errc::storage_in_use));
  BOOST_TEST((read_hub(place.path()).value() == before));
}

BOOST_AUTO_TEST_CASE(directory_without_a_hub_is_not_adopted) {
  temporary_directory directory;
  BOOST_TEST(
    (adopt_hub(directory.path(), at(1)).code() == errc::storage_missing));
  BOOST_TEST((adopt_hub(directory.path() / "missing", at(1)).code()
              == errc::storage_missing));
  BOOST_TEST(fs::is_empty(directory.path()));
}

BOOST_AUTO_TEST_CASE(node_without_a_cluster_has_nothing_to_agree_on) {
  temporary_directory directory;
  const fs::path place = directory.path() / "hub";
  create_hub(place, small_hub(4, 1), small_maps).value();
  BOOST_TEST_REQUIRE(!!adopt_hub(place, at(5'000'000), {}, small_maps));
  auto j = open_lmdb_journal(options_of(place)).value();
  for (std::uint32_t p = 0; p < 4; ++p)
    BOOST_TEST(j->load(partition_id(p))->meta.unmatched.empty());
}

// A mark of a partition ends the need to agree with it, also after a flush and
// a restart. An acknowledgement beyond the last message raises the head.
BOOST_AUTO_TEST_CASE(marks_and_heads_of_an_agreement_are_stored) {
  const node_directory place;
  adopt_hub(place.path(), at(5'000'000), {}, small_maps).value();
  const partition_id p{2};
  turn_writes turn = start_turn(p, 2, "other");
  turn.marks.push_back({partition_id(1), 0});
  turn.outbox_acknowledged.push_back({partition_id(1), 7});
  turn_writes next = start_turn(p, 3, "another");
  next.marks.push_back({partition_id(5), 9});
  for (const bool is_flushed_between : {true, false}) {
    {
      auto j = open_lmdb_journal(options_of(place.path())).value();
      if (is_flushed_between) {
        j->append(turn);
        j->commit();
        j->flush_views(true);
        BOOST_TEST((j->load(p)->meta.unmatched
                    == std::vector{partition_id(3), partition_id(5)}));
        j->append(next);
        j->commit();
      }
    }
    auto j = open_lmdb_journal(options_of(place.path())).value();
    const auto loaded = j->load(p).value();
    BOOST_TEST((loaded.meta.unmatched == std::vector{partition_id(3)}));
    BOOST_TEST(
      (loaded.outbox == std::vector{outbox_range{partition_id(1), 8, 7}}));
    BOOST_TEST((loaded.marks
                == std::vector{dedup_mark{partition_id(1), 0},
                               dedup_mark{partition_id(5), 9}}));
  }
}

// Regression: one flush of both turns stored the acknowledged sequence as the
// head, so that the numbers of the later messages were used twice.
BOOST_AUTO_TEST_CASE(messages_after_an_agreement_keep_their_numbers) {
  const node_directory place;
  adopt_hub(place.path(), at(5'000'000), {}, small_maps).value();
  const partition_id p{2};
  turn_writes agreed = start_turn(p, 2, "other");
  agreed.marks.push_back({partition_id(1), 0});
  agreed.outbox_acknowledged.push_back({partition_id(1), 7});
  turn_writes sent = start_turn(p, 3, "another");
  for (const std::uint64_t sequence : {8, 9})
    sent.outbox.push_back(
      {partition_id(1), sequence, "receiver", event_send{"E", "1"}});
  {
    auto j = open_lmdb_journal(options_of(place.path())).value();
    j->append(agreed);
    j->append(sent);
    j->commit();
    j->flush_views(true);
  }
  auto j = open_lmdb_journal(options_of(place.path())).value();
  BOOST_TEST((j->load(p).value().outbox
              == std::vector{outbox_range{partition_id(1), 8, 9}}));
}

BOOST_AUTO_TEST_CASE(directory_with_a_damaged_partition_is_not_adopted) {
  const node_directory place;
  {
    lmdb_rows store(views_directory(place.path(), 0), false, small_maps.views);
    const auto rows = store.write();
    rows->erase(table::partitions, partition_key(partition_id(4)));
    rows->commit();
  }
  const auto adopted = adopt_hub(place.path(), at(5'000'000), {}, small_maps);
  BOOST_TEST(!adopted);
  BOOST_TEST((adopted.code() == errc::storage_damaged));
  BOOST_TEST(!fs::exists(place.path() / "hub.adopting"));
  BOOST_TEST((read_hub(place.path()).value() == place.identity));
}

// --- Records of another hub (finding S4) -------------------------------------

BOOST_AUTO_TEST_CASE(record_of_another_hub_is_refused) {
  for (const bool is_flushed : {false, true}) {
    const node_directory place(1);
    if (is_flushed) {
      auto j = open_lmdb_journal(options_of(place.path())).value();
      j->flush_views(true);
    }
    journal_record foreign;
    foreign.first = 4;
    foreign.count = 1;
    foreign.hub = hub_digest(small_hub());
    turn_writes turn = start_turn(partition_id(0), 2, "foreign");
    std::string bytes;
    encode_to(bytes, turn);
    foreign.partitions.push_back({partition_id(0), 1, 2, {{bytes}}});
    {
      lmdb_log log(journal_directory(place.path(), 0), false);
      log.append({{foreign.first, encode_journal_record(foreign)}}, 0, 0);
    }
    const auto opened = open_lmdb_journal(options_of(place.path()));
    BOOST_TEST((opened.code() == errc::storage_foreign));
    BOOST_TEST(opened.error().message.find(record_of_another_hub)
               != std::string::npos);
    const auto checked = verify_hub(place.path(), small_maps);
    BOOST_TEST_REQUIRE(!!checked);
    BOOST_TEST(!checked->problems.empty());
  }
}

// Records that were written before format 3 do not state their hub.
BOOST_AUTO_TEST_CASE(record_without_a_hub_is_accepted) {
  const node_directory place(1);
  journal_record older;
  older.first = 4;
  older.count = 1;
  turn_writes turn = start_turn(partition_id(0), 2, "older");
  std::string bytes;
  encode_to(bytes, turn);
  older.partitions.push_back({partition_id(0), 1, 2, {{bytes}}});
  {
    lmdb_log log(journal_directory(place.path(), 0), false);
    log.append({{older.first, encode_journal_record(older)}}, 0, 0);
  }
  auto j = open_lmdb_journal(options_of(place.path())).value();
  BOOST_TEST(j->read(partition_id(0), "older")->has_value());
}

BOOST_AUTO_TEST_CASE(new_records_state_their_hub) {
  const node_directory place(1);
  lmdb_log log(journal_directory(place.path(), 0), false);
  std::uint64_t turns = 0;
  for (journal_position next = 1;;) {
    const auto stored = log.read(next);
    if (!stored)
      break;
    const auto record
      = decode_journal_record(stored->first, 0, stored->bytes).value();
    BOOST_TEST(record.hub == hub_digest(place.identity));
    next = record.first + record.count;
    turns += record.count;
  }
  BOOST_TEST(turns == 1U); // the others are flushed and trimmed
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::persistence
