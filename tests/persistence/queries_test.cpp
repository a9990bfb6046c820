// SPDX-License-Identifier: Apache-2.0
#include "journal_harness.hpp"
#include "storage_kinds.hpp"
#include <boost/test/unit_test.hpp>

#include <set>

namespace perdura::persistence {

using namespace testing;

namespace {

const std::vector<partition_id> all{partition_id(0), partition_id(1),
                                    partition_id(2), partition_id(3)};

/// Creates, ends and purges instances. The number of an instance determines its
/// ID, its partition (number % 4), its name and its creation time.
class hub {
public:
  explicit hub(std::unique_ptr<manual_journal> j) : journal_(std::move(j)) {}

  void start(int number, const std::string& prefix = "order-",
             std::int64_t created = 0) {
    turn_writes turn = start_turn(partition_of(number), ++sequence(number),
                                  prefix + std::to_string(number),
                                  created ? created : 1000 + number / 3);
    turn.instances[0].record->name = number % 2 ? "ship" : "bill";
    journal_->append(std::move(turn));
  }

  void finish(int number, std::int64_t ended) {
    turn_writes turn
      = start_turn(partition_of(number), ++sequence(number),
                   "order-" + std::to_string(number), 1000 + number / 3);
    instance_write& write = turn.instances[0];
    write.record->name = number % 2 ? "ship" : "bill";
    write.record->status = runtime_status::completed;
    write.record->ended_at = at(ended);
    write.record->history_count = 3;
    write.record->output_event = 2;
    write.history_first = 2;
    write.history
      = {{at(ended),
          execution_completed{completion_status::completed, "[7]", {}}}};
    write.custom_status = "\"done\"";
    journal_->append(std::move(turn));
  }

  void purge(int number) {
    turn_writes turn;
    turn.partition = partition_of(number);
    turn.sequence = ++sequence(number);
    turn.instances.emplace_back();
    turn.instances[0].id = "order-" + std::to_string(number);
    turn.instances[0].removed = true;
    journal_->append(std::move(turn));
  }

  /// Walks through all pages of a query and returns the IDs in order.
  std::vector<std::string> walk(instance_query query) {
    std::vector<std::string> ids;
    do {
      const auto page = journal_->query(all, query).value();
      for (const instance_row& row : page.rows)
        ids.push_back(row.id);
      query.token = page.token;
    } while (!query.token.empty());
    return ids;
  }

  manual_journal& journal() {
    return *journal_;
  }

private:
  static partition_id partition_of(int number) {
    return partition_id(static_cast<std::uint32_t>(number % 4));
  }

  partition_sequence& sequence(int number) {
    return sequences_[static_cast<std::size_t>(number % 4)];
  }

  std::unique_ptr<manual_journal> journal_;
  std::array<partition_sequence, 4> sequences_{};
};

} // namespace

BOOST_AUTO_TEST_SUITE(queries)

// Tokens are stateless: they contain the position of the last row.
BOOST_AUTO_TEST_CASE(page_tokens_parse_to_their_position) {
  for (const page_position& position :
       {page_position{at(0), "a"}, page_position{at(-5), "x\xC3\xA4"},
        page_position{timestamp::max(), std::string(256, 'z')}}) {
    const auto parsed = parse_token(to_token(position));
    BOOST_REQUIRE(parsed);
    BOOST_TEST((*parsed == position));
  }
}

// Parses tokens with a changed or missing character, and other texts.
BOOST_AUTO_TEST_CASE(malformed_tokens_are_refused) {
  const std::string token = to_token({at(1), "order-17"});
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string other = token;
    other[i] = other[i] == '0' ? '1' : '0';
    BOOST_TEST(!parse_token(other));
    BOOST_TEST(!parse_token(token.substr(0, i)));
  }
  BOOST_TEST(!parse_token("hello"));
  BOOST_TEST(!parse_token(std::string(5000, '0')));
  BOOST_TEST((parse_token("zz").code() == errc::invalid_argument));
}

// Statuses, name, prefix and times restrict the result together; the pages have
// seven rows.
BOOST_AUTO_TEST_CASE_TEMPLATE(filters_are_combined_with_and, Storage,
                              storage_kinds) {
  Storage storage(4, 2);
  hub h(storage.open());
  for (int i = 0; i < 60; ++i)
    h.start(i);
  for (int i = 0; i < 60; i += 5)
    h.finish(i, 5000 + i);
  h.start(100, "bill-");
  h.journal().commit();
  instance_query query;
  query.top = 7;
  BOOST_TEST(h.walk(query).size() == 61U);
  query.statuses = {runtime_status::completed, runtime_status::failed,
                    runtime_status::completed};
  BOOST_TEST(h.walk(query).size() == 12U);
  query.name = "bill";
  BOOST_TEST(h.walk(query).size() == 6U);
  query.ended_before = at(5020);
  BOOST_TEST((h.walk(query)
              == std::vector<std::string>{"order-0", "order-10", "order-20"}));
  query = {};
  query.id_prefix = "bill-";
  BOOST_TEST(h.walk(query).size() == 1U);
  query = {};
  query.created_from = at(1002);
  query.created_to = at(1003);
  BOOST_TEST((h.walk(query)
              == std::vector<std::string>{"order-6", "order-7", "order-8",
                                          "order-10", "order-11", "order-9"}));
  query.created_to = at(1001);
  BOOST_TEST(h.walk(query).empty());
}

// A running instance has no output and no custom status.
BOOST_AUTO_TEST_CASE_TEMPLATE(row_contains_status_input_and_output, Storage,
                              storage_kinds) {
  Storage storage;
  hub h(storage.open());
  h.start(1);
  h.start(2);
  h.finish(2, 7000);
  h.journal().commit();
  const auto page = h.journal().query(all, {}).value();
  BOOST_REQUIRE(page.rows.size() == 2U);
  BOOST_TEST(page.rows[0].id == "order-1");
  BOOST_TEST(page.rows[0].input == "{\"order\": 17}");
  BOOST_TEST(page.rows[0].output == "null");
  BOOST_TEST(page.rows[0].custom_status == "null");
  BOOST_TEST(page.rows[1].output == "[7]");
  BOOST_TEST(page.rows[1].custom_status == "\"done\"");
  BOOST_TEST(page.token.empty());
}

// Between two pages, other instances are created and purged before and after
// the current position, and statuses change.
BOOST_AUTO_TEST_CASE_TEMPLATE(instance_present_during_the_walk_appears_once,
                              Storage, storage_kinds) {
  Storage storage(4, 2);
  hub h(storage.open());
  for (int i = 0; i < 90; ++i)
    h.start(i);
  h.journal().commit();
  instance_query query;
  query.top = 8;
  std::multiset<std::string> seen;
  int page_number = 0;
  do {
    const auto page = h.journal().query(all, query).value();
    for (const instance_row& row : page.rows)
      seen.insert(row.id);
    query.token = page.token;
    // Change instances on both sides of the current position.
    ++page_number;
    h.start(1000 + page_number, "late-", page_number % 2 ? 500 : 1020);
    h.purge(3 * page_number);
    if (page_number < 15)
      h.finish(3 * page_number + 1, 9000);
    h.journal().commit();
  } while (!query.token.empty());
  for (int i = 0; i < 90; ++i) {
    const std::string id = "order-" + std::to_string(i);
    BOOST_TEST(seen.count(id) <= 1U);
    if (i % 3 != 0 || i / 3 > page_number)
      BOOST_TEST(seen.count(id) == 1U, id);
  }
}

// The page size is 1 to page_rows_max.
BOOST_AUTO_TEST_CASE_TEMPLATE(invalid_page_size_or_token_is_refused, Storage,
                              storage_kinds) {
  Storage storage;
  hub h(storage.open());
  instance_query query;
  query.top = 0;
  BOOST_TEST((h.journal().query(all, query).code() == errc::invalid_argument));
  query.top = page_rows_max + 1;
  BOOST_TEST((h.journal().query(all, query).code() == errc::invalid_argument));
  query = {};
  query.token = "deadbeef";
  BOOST_TEST((h.journal().query(all, query).code() == errc::invalid_argument));
}

// A page ends after a bounded number of rows read, even if none matched. The
// token continues the walk.
BOOST_AUTO_TEST_CASE(filter_matching_few_rows_returns_short_pages) {
  memory_storage storage;
  hub h(storage.open());
  constexpr int many = 25'000;
  for (int i = 0; i < many; ++i)
    h.start(i);
  h.journal().commit();
  h.journal().flush_views(false);
  instance_query query;
  query.name = "missing";
  const auto page = h.journal().query(all, query).value();
  BOOST_TEST(page.rows.empty());
  BOOST_TEST(!page.token.empty());
  BOOST_TEST(h.walk(query).empty());
}

// If few IDs have the prefix, these instances are read by ID, so the number of
// other instances does not matter. If many IDs have it, the query walks through
// all instances and filters them. Both ways give the same rows in the same
// order.
BOOST_AUTO_TEST_CASE(prefix_matching_few_ids_is_answered_in_one_page) {
  memory_storage storage;
  hub h(storage.open());
  for (int i = 0; i < 2'500; ++i)
    h.start(i);
  h.journal().commit();
  instance_query query;
  query.id_prefix = "order-2499";
  const auto page = h.journal().query(all, query).value();
  BOOST_TEST(page.rows.size() == 1U);
  BOOST_TEST(page.token.empty());

  query.id_prefix = "order-24";
  query.top = 7;
  const std::vector<std::string> found = h.walk(query);
  query.id_prefix = "order-"; // matches too many IDs to look them up by ID
  query.top = 500;
  std::vector<std::string> expected = h.walk(query);
  std::erase_if(expected, [](const std::string& id) {
    return !id.starts_with("order-24");
  });
  BOOST_TEST((found == expected));
  BOOST_TEST(found.size() == 111U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::persistence
