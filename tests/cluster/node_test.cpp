#include "actors/interface/management.hpp"
#include "cluster/node/node.hpp"
#include "tests/support/temp_directory.hpp"
#include <perdura/actors/authoring/registry.hpp>

#include <boost/test/unit_test.hpp>

#include <fstream>
#include <future>

namespace perdura::tests {

using namespace persistence;

namespace {

struct home {
  temp_directory directory;
  std::shared_ptr<actors::registry> functions
    = std::make_shared<actors::registry>();

  cluster::node_config config() const {
    cluster::node_config config;
    config.data_dir = directory.path() / "hub";
    config.create_hub = true;
    config.partition_count = 4;
    return config;
  }

  result<std::unique_ptr<cluster::node>> open() const {
    return cluster::node::open(config(), functions);
  }
};

std::string
sentence_of_failure(const result<std::unique_ptr<cluster::node>>& opened) {
  return opened ? "it opened" : opened.error().message;
}

} // namespace

BOOST_AUTO_TEST_SUITE(node)

BOOST_FIXTURE_TEST_CASE(an_idle_node_makes_no_commit, home) {
  auto opened = open();
  BOOST_TEST_REQUIRE(static_cast<bool>(opened));
  BOOST_TEST_REQUIRE(static_cast<bool>((*opened)->begin()));
  auto gateway = (*opened)->gateway();
  // A refusal is held until what it rests on is durable: here, the epoch.
  std::promise<actors::management_answer> answered;
  gateway->submit(actors::get_status{"nobody"},
                  [&](auto answer) { answered.set_value(std::move(answer)); });
  BOOST_TEST((answered.get_future().get().code == errc::not_found));
  static_cast<void>(gateway->count()); // the views catch up
  const auto before = (*opened)->statistics();
  for (int i = 0; i < 100; ++i)
    static_cast<void>(gateway->count());
  const auto after = (*opened)->statistics();
  BOOST_TEST(after.commits == before.commits);
  BOOST_TEST(after.views_commits == before.views_commits);
}

BOOST_FIXTURE_TEST_CASE(a_directory_in_use_is_refused_by_name, home) {
  auto first = open();
  BOOST_TEST_REQUIRE(static_cast<bool>(first));
  auto second = open();
  BOOST_TEST((second.code() == errc::storage_in_use),
             sentence_of_failure(second));
}

BOOST_FIXTURE_TEST_CASE(a_missing_hub_is_not_made_unasked, home) {
  auto strict = config();
  strict.create_hub = false;
  auto opened = cluster::node::open(strict, functions);
  BOOST_TEST((opened.code() == errc::storage_missing),
             sentence_of_failure(opened));
  std::filesystem::create_directory(strict.data_dir);
  auto empty = cluster::node::open(strict, functions);
  BOOST_TEST((empty.code() == errc::storage_missing),
             sentence_of_failure(empty));
}

BOOST_FIXTURE_TEST_CASE(a_foreign_directory_is_left_alone, home) {
  const auto where = config().data_dir;
  std::filesystem::create_directory(where);
  std::ofstream(where / "letter.txt") << "mine";
  auto opened = open();
  BOOST_TEST(!opened);
  BOOST_TEST(std::filesystem::exists(where / "letter.txt"));
  BOOST_TEST(!std::filesystem::exists(where / "hub"));
}

BOOST_FIXTURE_TEST_CASE(a_damaged_hub_is_refused_and_kept, home) {
  const auto where = config().data_dir;
  { BOOST_TEST_REQUIRE(static_cast<bool>(open())); }
  for (const auto& entry : std::filesystem::recursive_directory_iterator(where))
    if (entry.path().filename() == "data.mdb")
      std::filesystem::resize_file(entry.path(), 100);
  auto opened = open();
  BOOST_TEST((opened.code() == errc::storage_damaged),
             sentence_of_failure(opened));
}

BOOST_FIXTURE_TEST_CASE(a_gateway_outlives_its_node, home) {
  std::shared_ptr<actors::management_gateway> gateway;
  {
    auto opened = open();
    BOOST_TEST_REQUIRE(static_cast<bool>(opened));
    BOOST_TEST_REQUIRE(static_cast<bool>((*opened)->begin()));
    gateway = (*opened)->gateway();
  }
  std::promise<actors::management_answer> answered;
  gateway->submit(actors::get_status{"nobody"},
                  [&](auto answer) { answered.set_value(std::move(answer)); });
  BOOST_TEST((answered.get_future().get().code == errc::shutting_down));
  BOOST_TEST((gateway->count().code() == errc::shutting_down));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
