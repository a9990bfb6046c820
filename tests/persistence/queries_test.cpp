#include "journal_harness.hpp"
#include "worlds.hpp"
#include <boost/test/unit_test.hpp>

#include <set>

namespace perdura::persistence {

using namespace testing;

namespace {

const std::vector<partition_id> all{partition_id(0), partition_id(1),
                                    partition_id(2), partition_id(3)};

/// Starts and ends instances, each in the partition its number says.
class hub {
public:
  explicit hub(std::unique_ptr<manual_journal> j) : journal_(std::move(j)) {}

  void start(int number, const std::string& prefix = "order-",
             std::int64_t created = 0) {
    turn_writes turn = start_turn(partition_of(number), ++sequence(number),
                                  prefix + std::to_string(number),
                                  created ? created : 1000 + number / 3);
    turn.instances[0].record->name = number % 2 ? "ship" : "bill";
    journal_->enqueue(std::move(turn));
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
    journal_->enqueue(std::move(turn));
  }

  void purge(int number) {
    turn_writes turn;
    turn.partition = partition_of(number);
    turn.sequence = ++sequence(number);
    turn.instances.emplace_back();
    turn.instances[0].id = "order-" + std::to_string(number);
    turn.instances[0].removed = true;
    journal_->enqueue(std::move(turn));
  }

  /// IDs of a whole walk, in order.
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

BOOST_AUTO_TEST_CASE(tokens_come_back_as_they_were_given_out) {
  for (const page_position& position :
       {page_position{at(0), "a"}, page_position{at(-5), "x\xC3\xA4"},
        page_position{timestamp::max(), std::string(256, 'z')}}) {
    const auto parsed = parse_token(to_token(position));
    BOOST_REQUIRE(parsed);
    BOOST_TEST((*parsed == position));
  }
}

BOOST_AUTO_TEST_CASE(garbage_is_not_a_token) {
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

BOOST_AUTO_TEST_CASE_TEMPLATE(filters_are_joined_by_and, World, worlds) {
  World world(4, 2);
  hub h(world.open());
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

BOOST_AUTO_TEST_CASE_TEMPLATE(a_row_brings_status_input_and_output, World,
                              worlds) {
  World world;
  hub h(world.open());
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

BOOST_AUTO_TEST_CASE_TEMPLATE(
  an_instance_present_during_the_walk_appears_exactly_once, World, worlds) {
  World world(4, 2);
  hub h(world.open());
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
    // Others come and go, before and behind the walk; statuses change.
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

BOOST_AUTO_TEST_CASE_TEMPLATE(what_cannot_be_asked_is_refused, World, worlds) {
  World world;
  hub h(world.open());
  instance_query query;
  query.top = 0;
  BOOST_TEST((h.journal().query(all, query).code() == errc::invalid_argument));
  query.top = page_rows_max + 1;
  BOOST_TEST((h.journal().query(all, query).code() == errc::invalid_argument));
  query = {};
  query.token = "deadbeef";
  BOOST_TEST((h.journal().query(all, query).code() == errc::invalid_argument));
}

// A filter that fits few instances gives short pages, not long reads.
BOOST_AUTO_TEST_CASE(a_filter_that_fits_little_is_answered_in_short_pages) {
  memory_world world;
  hub h(world.open());
  constexpr int many = 25'000;
  for (int i = 0; i < many; ++i)
    h.start(i);
  h.journal().commit();
  instance_query query;
  query.name = "nobody's";
  const auto page = h.journal().query(all, query).value();
  BOOST_TEST(page.rows.empty());
  BOOST_TEST(!page.token.empty());
  BOOST_TEST(h.walk(query).empty());
}

// A prefix that says much leads to its instances, however many others there
// are; one that says little gives the same rows in the same order.
BOOST_AUTO_TEST_CASE(a_prefix_that_fits_few_is_answered_in_one_page) {
  memory_world world;
  hub h(world.open());
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
  query.id_prefix = "order-"; // fits more than are looked up by their IDs
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
