#include "tests/support/deterministic_node.hpp"
#include "tests/support/test_functions.hpp"

#include <boost/test/unit_test.hpp>

// Policies and limits that an instance lives under.

namespace perdura::tests {

namespace {

using namespace std::chrono_literals;

task<json> tidy(orchestration_context& ctx) {
  json payload = co_await ctx.wait_for_external_event<json>("Go");
  const json second = co_await ctx.wait_for_external_event<json>("Go");
  co_return json::array({payload, second});
}

task<int> gives(orchestration_context& ctx) {
  int given = co_await ctx.call_activity<int>("Give", 1);
  co_await ctx.wait_for_external_event("Go");
  co_return given;
}

task<int> sleeps(orchestration_context& ctx) {
  co_await ctx.create_timer(1h);
  co_return 1;
}

task<int> greedy(orchestration_context& ctx) {
  for (;;) {
    std::vector<pending<void>> timers;
    for (int i = 0; i < 9'000; ++i)
      timers.push_back(ctx.create_timer(1ms));
    co_await when_all(ctx, timers);
  }
}

struct limits {
  ~limits() {
    for (const std::string& complaint : node.complaints)
      BOOST_ERROR(complaint);
  }

  static std::shared_ptr<registry>
  functions(task<int> (*release)(orchestration_context&)) {
    auto all = std::make_shared<registry>();
    add_test_functions(*all);
    all
      ->add_orchestrator("Tidy", tidy,
                         {.external_events = external_event_policy::discard})
      .add_orchestrator("Release", release)
      .add_orchestrator("Greedy", greedy);
    return all;
  }

  static node_options options() {
    node_options how;
    how.partitions = 1;
    how.functions = functions(gives);
    how.adjust
      = [](partition_config& config) { config.nondeterminism_fails = true; };
    return how;
  }

  errc start(const std::string& name, const std::string& input = "null") {
    start_instance request;
    request.id = "i";
    request.name = name;
    request.input = input;
    request.execution = "execution";
    return node.ask(request).code;
  }

  errc raise(const std::string& name, const std::string& data,
             const request_id& request = {}) {
    return node.ask(raise_event{"i", name, data, request}).code;
  }

  instance_row row() {
    get_status question;
    question.id = "i";
    return node.ask(question).status->row;
  }

  deterministic_node node{options()};
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(partition_limits, limits)

BOOST_AUTO_TEST_CASE(an_unknown_orchestrator_is_refused) {
  BOOST_TEST((start("Nobody") == errc::unknown_orchestrator));
  BOOST_TEST(!node.stored("i"));
}

BOOST_AUTO_TEST_CASE(with_discard_only_awaited_events_are_kept) {
  BOOST_TEST((start("Tidy") == errc::ok));
  BOOST_TEST((raise("Other", "1") == errc::ok));
  BOOST_TEST(node.stored("i")->inbox.empty());
  BOOST_TEST((raise("go", "2") == errc::ok)); // names have no case
  BOOST_TEST((raise("Other", "3") == errc::ok));
  BOOST_TEST((raise("GO", "4") == errc::ok));
  node.settle();
  BOOST_TEST(row().output == "[2,4]");
  BOOST_TEST(node.partition(partition_id{0}).state().counters.events_discarded
             == 2U);
}

BOOST_AUTO_TEST_CASE(a_program_that_does_not_fit_can_fail_the_instance) {
  BOOST_TEST((start("Release") == errc::ok));
  node.settle();
  node.set_functions(functions(sleeps));
  node.crash_and_recover();
  // The end comes first: the event is refused, not lost.
  BOOST_TEST((raise("Go", "1") == errc::already_finished));
  BOOST_TEST((row().record.status == runtime_status::failed));
  BOOST_TEST(row().output.find("Give") != std::string::npos, row().output);
  // The program that fits returns.
  node.set_functions(functions(gives));
  node.crash_and_recover();
  BOOST_TEST((node.ask(rewind_instance{"i", "mended", "r"}).code == errc::ok));
  BOOST_TEST((raise("Go", "1") == errc::ok));
  node.settle();
  BOOST_TEST(row().output == "1");
}

BOOST_AUTO_TEST_CASE(a_full_buffer_refuses_by_its_name) {
  BOOST_TEST((start("Waits") == errc::ok));
  std::vector<deterministic_node::ticket> open;
  for (std::size_t i = 0; i <= buffered_events_max; ++i)
    open.push_back(node.submit(raise_event{"i", "Other", "1", {}}));
  node.settle();
  BOOST_TEST((node.answer_to(open[buffered_events_max - 1])->code == errc::ok));
  const management_answer* over = node.answer_to(open[buffered_events_max]);
  BOOST_TEST((over->code == errc::limit_exceeded));
  BOOST_TEST(over->message.find("buffered_events_max") != std::string::npos);
  BOOST_TEST(node.stored("i")->inbox.size() == buffered_events_max);
  BOOST_TEST(
    (node.ask(terminate_instance{"i", "", false, {}}).code == errc::ok));
}

BOOST_AUTO_TEST_CASE(a_history_that_grows_too_long_fails_by_its_limit) {
  BOOST_TEST((start("Greedy") == errc::ok));
  BOOST_TEST(node.run_until([&] {
    const live_instance* live = node.live("i");
    return live != nullptr && live->stored
           && is_finished(live->stored->record.status);
  }));
  node.settle();
  BOOST_TEST((row().record.status == runtime_status::failed));
  BOOST_TEST(row().output.find("history_events_max") != std::string::npos,
             row().output);
  BOOST_TEST(node.stored("i")->record.history_count
             <= history_events_max + 10'000);
}

BOOST_AUTO_TEST_CASE(the_last_128_requests_are_remembered) {
  BOOST_TEST((start("Waits") == errc::ok));
  for (int i = 0; i <= 128; ++i)
    raise("E", std::to_string(i), "request-" + std::to_string(i));
  node.crash_and_recover();
  raise("E", "again", "request-1");
  BOOST_TEST(node.stored("i")->inbox.size() == 129U);
  raise("E", "again", "request-0"); // too long ago
  BOOST_TEST(node.stored("i")->inbox.size() == 130U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
