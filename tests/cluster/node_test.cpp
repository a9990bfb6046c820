// SPDX-License-Identifier: Apache-2.0
#include "actors/interface/management.hpp"
#include "cluster/node/node.hpp"
#include "tests/support/temp_directory.hpp"
#include <perdura/actors/authoring/orchestration_context.hpp>
#include <perdura/actors/authoring/registry.hpp>

#include <boost/test/unit_test.hpp>

#include <fstream>
#include <future>
#include <latch>

namespace perdura::tests {

using namespace persistence;

namespace {

struct node_directory {
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

/// The events of user code that outlives its node. Never destroyed, because
/// the code may still run when the test has ended.
struct blocking_code {
  std::promise<void> activity_runs;
  std::promise<void> orchestrator_runs;
  std::latch node_is_gone{1};
  std::promise<void> activity_ended;
  std::promise<void> orchestrator_ended;
};

std::string failure_text(const result<std::unique_ptr<cluster::node>>& opened) {
  return opened ? "it opened" : opened.error().message;
}

} // namespace

BOOST_AUTO_TEST_SUITE(node)

// A hundred calls of `count` cause no commit of the journal or the views.
BOOST_FIXTURE_TEST_CASE(idle_node_makes_no_commit, node_directory) {
  auto opened = open();
  BOOST_TEST_REQUIRE(static_cast<bool>(opened));
  BOOST_TEST_REQUIRE(static_cast<bool>((*opened)->begin()));
  auto gateway = (*opened)->gateway();
  // The node answers this request after the owner epoch is durable, so the
  // commit of the epoch is not counted below.
  std::promise<actors::management_answer> answered;
  gateway->submit(actors::get_status{"missing"},
                  [&](auto answer) { answered.set_value(std::move(answer)); });
  BOOST_TEST((answered.get_future().get().code == errc::not_found));
  static_cast<void>(gateway->count()); // this count flushes the views
  const auto before = (*opened)->statistics();
  for (int i = 0; i < 100; ++i)
    static_cast<void>(gateway->count());
  const auto after = (*opened)->statistics();
  BOOST_TEST(after.commits == before.commits);
  BOOST_TEST(after.views_commits == before.views_commits);
}

// A second node is opened on the same directory in the same process.
BOOST_FIXTURE_TEST_CASE(directory_in_use_is_refused, node_directory) {
  auto first = open();
  BOOST_TEST_REQUIRE(static_cast<bool>(first));
  auto second = open();
  BOOST_TEST((second.code() == errc::storage_in_use), failure_text(second));
}

// Opens a missing directory and an empty directory.
BOOST_FIXTURE_TEST_CASE(missing_hub_is_not_created_by_default, node_directory) {
  auto strict = config();
  strict.create_hub = false;
  auto opened = cluster::node::open(strict, functions);
  BOOST_TEST((opened.code() == errc::storage_missing), failure_text(opened));
  std::filesystem::create_directory(strict.data_dir);
  auto empty = cluster::node::open(strict, functions);
  BOOST_TEST((empty.code() == errc::storage_missing), failure_text(empty));
}

// The directory contains a file that does not belong to a hub.
BOOST_FIXTURE_TEST_CASE(directory_with_other_files_is_left_unchanged,
                        node_directory) {
  const auto where = config().data_dir;
  std::filesystem::create_directory(where);
  std::ofstream(where / "notes.txt") << "other data";
  auto opened = open();
  BOOST_TEST(!opened);
  BOOST_TEST(std::filesystem::exists(where / "notes.txt"));
  BOOST_TEST(!std::filesystem::exists(where / "hub"));
}

// All data files are truncated to 100 bytes.
BOOST_FIXTURE_TEST_CASE(damaged_hub_is_refused, node_directory) {
  const auto where = config().data_dir;
  { BOOST_TEST_REQUIRE(static_cast<bool>(open())); }
  for (const auto& entry : std::filesystem::recursive_directory_iterator(where))
    if (entry.path().filename() == "data.mdb")
      std::filesystem::resize_file(entry.path(), 100);
  auto opened = open();
  BOOST_TEST((opened.code() == errc::storage_damaged), failure_text(opened));
}

// The gateway object can outlive its node.
BOOST_FIXTURE_TEST_CASE(gateway_answers_shutting_down_after_its_node_closed,
                        node_directory) {
  std::shared_ptr<actors::management_gateway> gateway;
  {
    auto opened = open();
    BOOST_TEST_REQUIRE(static_cast<bool>(opened));
    BOOST_TEST_REQUIRE(static_cast<bool>((*opened)->begin()));
    gateway = (*opened)->gateway();
  }
  std::promise<actors::management_answer> answered;
  gateway->submit(actors::get_status{"missing"},
                  [&](auto answer) { answered.set_value(std::move(answer)); });
  BOOST_TEST((answered.get_future().get().code == errc::shutting_down));
  BOOST_TEST((gateway->count().code() == errc::shutting_down));
}

// User code cannot be ended from outside. The objects that it may use stay
// valid: under a sanitizer this test fails if anything of the node is
// destroyed.
BOOST_FIXTURE_TEST_CASE(user_code_may_run_on_after_its_node_is_gone,
                        node_directory) {
  static blocking_code& code = *new blocking_code();
  functions->add_activity("Blocks",
                          [](actors::activity_context&, const std::string&) {
                            code.activity_runs.set_value();
                            code.node_is_gone.wait();
                            code.activity_ended.set_value();
                          });
  functions->add_orchestrator(
    "Calls", [](actors::orchestration_context& ctx) -> actors::task<> {
      co_await ctx.call_activity<void>("Blocks", "");
    });
  functions->add_orchestrator(
    "Spins", [](actors::orchestration_context&) -> actors::task<> {
      code.orchestrator_runs.set_value();
      code.node_is_gone.wait();
      code.orchestrator_ended.set_value();
      co_return;
    });
  auto settings = config();
  settings.stop_patience = std::chrono::milliseconds(20);
  auto opened = cluster::node::open(settings, functions);
  BOOST_TEST_REQUIRE(static_cast<bool>(opened));
  BOOST_TEST_REQUIRE(static_cast<bool>((*opened)->begin()));
  const std::string hub = (*opened)->hub_id();
  for (const char* name : {"Calls", "Spins"}) {
    actors::start_instance start;
    start.id = name;
    start.name = name;
    (*opened)->gateway()->submit(std::move(start), [](auto) {});
  }
  code.activity_runs.get_future().wait();
  code.orchestrator_runs.get_future().wait();
  const auto left = (*opened)->stop();
  BOOST_TEST(left.size() == 2U);
  BOOST_TEST((*opened)->hub_id() == hub);
  BOOST_TEST(!(*opened)->is_ready());
  BOOST_TEST((*opened)->statistics().instances_live == 0U);
  opened->reset();
  code.node_is_gone.count_down();
  code.activity_ended.get_future().wait();
  code.orchestrator_ended.get_future().wait();
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
