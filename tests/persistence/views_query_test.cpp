// SPDX-License-Identifier: Apache-2.0
#include "persistence/records/codec.hpp"
#include "persistence/stores/map_store.hpp"
#include "persistence/views/instance_rows.hpp"
#include "persistence/views/views_flush.hpp"
#include "persistence/views/views_query.hpp"
#include "tests/persistence/journal_harness.hpp"

#include <boost/test/unit_test.hpp>

#include <map>
#include <string>

namespace perdura::persistence {

namespace {

using testing::at;
using testing::turn_generator;

constexpr std::uint32_t queried_partitions = 3;

const std::vector<partition_id> every_partition{
  partition_id(0), partition_id(1), partition_id(2)};

/// A store with the initial rows of three partitions.
void write_empty_hub(map_store& store) {
  hub_identity hub;
  hub.partition_count = queried_partitions;
  std::vector<std::pair<partition_id, partition_meta>> partitions;
  for (const partition_id each : every_partition)
    partitions.push_back({each, {}});
  const auto rows = store.write();
  write_initial_rows(*rows, hub, 0, 1, partitions);
  rows->commit();
}

/// Writes at most `instances_max` instances in one transaction.
void write_slice(map_store& store, views_flush& flush,
                 std::size_t instances_max) {
  const auto rows = store.write();
  flush.slice(*rows, instances_max);
  rows->commit();
}

void write_all(map_store& store, const pending_layers& layers) {
  partition_metas known = read_partition_metas(*store.read());
  views_flush flush(layers, 1, {}, known);
  write_slice(store, flush, 1'000'000);
}

/// The text form of a row, for comparisons.
std::string text_of_row(const instance_row& row) {
  std::string text = row.id + ' ' + row.custom_status + ' ' + row.input + ' '
                     + row.output + ' ';
  encode_to(text, row.record);
  return text;
}

/// All rows of a query, read page by page.
std::vector<std::string> all_pages(const map_store& store,
                                   const pending_layers& layers,
                                   const instance_query& query) {
  std::vector<std::string> rows;
  std::optional<page_position> after;
  do {
    const auto reader = store.read();
    const scanned_page page
      = scan({*reader, layers, {}}, every_partition, query, after);
    for (const instance_row& row : page.rows)
      rows.push_back(text_of_row(row));
    after = page.stopped_at;
  } while (after);
  return rows;
}

bool is_history_row(std::string_view key) {
  for (const partition_id each : every_partition) {
    const std::string prefix = instance_prefix(each, id_of_instance_key(key));
    if (key.starts_with(prefix))
      return key.size() > prefix.size()
             && static_cast<row_kind>(key[prefix.size()]) == row_kind::history;
  }
  return false;
}

row_map rows_without_history(map_store& store, table t) {
  row_map rows = store.rows(t);
  if (t == table::instances)
    std::erase_if(rows,
                  [](const auto& row) { return is_history_row(row.first); });
  return rows;
}

/// The history of each instance, by its key.
std::map<std::string, std::vector<history_event>>
histories_of(map_store& store) {
  std::map<std::string, std::vector<history_event>> histories;
  for (const partition_id each : every_partition)
    for (const auto& [key, row] : store.rows(table::instances))
      if (key.starts_with(partition_key(each))) {
        const instance_id id = id_of_instance_key(key);
        histories[instance_prefix(each, id)]
          = read_history(*store.read(), each, id, 0, 1'000'000);
      }
  return histories;
}

instance_query random_query(turn_generator& random) {
  instance_query query;
  query.top = 1 + random.pick(7);
  if (random.pick(3) == 0)
    query.statuses = {static_cast<runtime_status>(random.pick(8)),
                      static_cast<runtime_status>(random.pick(8))};
  if (random.pick(4) == 0)
    query.created_from = at(1'000'000 + random.pick(40'000));
  if (random.pick(4) == 0)
    query.created_to = at(1'000'000 + random.pick(40'000));
  if (random.pick(4) == 0)
    query.ended_before = at(1'000'000 + random.pick(40'000));
  if (random.pick(4) == 0)
    query.name = "ship";
  if (random.pick(4) == 0)
    query.id_prefix = random.pick(2) == 0 ? "order-1" : "o";
  return query;
}

/// A number of random turns: the first are in the rows, the others in layers
/// in memory. The oldest layers may be in the rows in part, as while a flush
/// runs. `flushed` has all turns in the rows.
struct divided_turns {
  divided_turns(std::uint64_t seed, turn_generator& random) {
    write_empty_hub(stored);
    write_empty_hub(flushed);
    turn_generator turns(seed, queried_partitions);
    testing::model model;
    auto rows = std::make_shared<pending_writes>();
    auto whole = std::make_shared<pending_writes>();
    std::vector<std::shared_ptr<pending_writes>> parts{rows};
    for (int i = 0; i < 80; ++i) {
      if (random.pick(i < 30 ? 30 : 12) == 0)
        parts.push_back(std::make_shared<pending_writes>());
      turn_writes turn = turns.next(model);
      model.add_turn(turn);
      whole->add(turn_writes(turn), 1);
      parts.back()->add(std::move(turn), 1);
    }
    write_all(flushed, pending_layers({whole}));
    write_all(stored, pending_layers({rows}));
    layers = pending_layers({parts.begin() + 1, parts.end()});
    if (!layers.layers().empty() && random.pick(2) == 0) {
      const std::size_t flushing
        = 1 + random.pick(static_cast<std::uint32_t>(layers.layers().size()));
      partition_metas known = read_partition_metas(*stored.read());
      views_flush flush(
        pending_layers(
          {layers.layers().begin(),
           layers.layers().begin() + static_cast<std::ptrdiff_t>(flushing)}),
        1, {}, known);
      write_slice(stored, flush, 1 + random.pick(8));
    }
  }

  map_store stored;
  map_store flushed;
  pending_layers layers;
};

} // namespace

BOOST_AUTO_TEST_SUITE(views_query_suite)

// Every answer from rows and memory equals the answer after a flush, also while
// a flush has written a part of the turns.
BOOST_AUTO_TEST_CASE(answers_do_not_depend_on_what_is_flushed) {
  std::size_t rows = 0;
  std::size_t due = 0;
  std::size_t layers = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      turn_generator random(seed + 1000, queried_partitions);
      const divided_turns turns(seed, random);
      layers = std::max(layers, turns.layers.layers().size());
      for (int i = 0; i < 20; ++i) {
        const instance_query query = random_query(random);
        const auto expected = all_pages(turns.flushed, pending_layers(), query);
        rows += expected.size();
        BOOST_TEST(all_pages(turns.stored, turns.layers, query) == expected,
                   boost::test_tools::per_element());
      }
      BOOST_TEST(
        (count_instances(*turns.stored.read(), turns.layers, every_partition)
         == count_instances(*turns.flushed.read(), pending_layers(),
                            every_partition)));
      for (const partition_id each : every_partition)
        for (int i = 0; i < 5; ++i) {
          const timestamp after = at(950'000 + random.pick(150'000));
          const timestamp until = after + duration(random.pick(150'000));
          for (const time_scale scale :
               {time_scale::elapsed, time_scale::wall}) {
            const due_range expected
              = find_due(*turns.flushed.read(), pending_layers(), each, scale,
                         after, until);
            due += expected.tasks.size();
            const due_range found = find_due(*turns.stored.read(), turns.layers,
                                             each, scale, after, until);
            BOOST_TEST((found.tasks == expected.tasks));
            BOOST_TEST((found.has_later || !expected.has_later));
          }
        }
    }
  }
  // The turns must lead to answers that are worth comparing.
  BOOST_TEST(rows > 1000U);
  BOOST_TEST(due > 50U);
  BOOST_TEST(layers > 3U);
}

// A flush of several layers gives the same state as a flush of one. The events
// of a history may be divided into rows in another way.
BOOST_AUTO_TEST_CASE(layers_are_merged_by_a_flush) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    turn_generator random(seed + 2000, queried_partitions);
    divided_turns turns(seed, random);
    write_all(turns.stored, turns.layers);
    BOOST_TEST((histories_of(turns.stored) == histories_of(turns.flushed)),
               "seed " << seed);
    BOOST_TEST((count_instances(*turns.stored.read(), {}, every_partition)
                == count_instances(*turns.flushed.read(), {}, every_partition)),
               "seed " << seed);
    for (std::size_t t = 0; t < table_count; ++t)
      if (const table each = static_cast<table>(t); each != table::counts)
        BOOST_TEST((rows_without_history(turns.stored, each)
                    == rows_without_history(turns.flushed, each)),
                   "seed " << seed << ", table " << t);
  }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::persistence
