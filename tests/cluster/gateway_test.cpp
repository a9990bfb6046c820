// SPDX-License-Identifier: Apache-2.0
#include "cluster/routing/node_gateway.hpp"
#include "persistence/process/logging.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <stdexcept>
#include <thread>

namespace perdura::cluster {

using actors::if_owner_unavailable;
using actors::management_answer;
using actors::management_inbound;
using persistence::errc;

constexpr std::uint64_t gateway_number = 7;

/// The requests that an actor has received. Thread-safe.
class request_box {
public:
  struct received {
    management_inbound request;
    send_or_cancel_ptr token; ///< Null unless the request may wait.
  };

  void put(received one) {
    const std::lock_guard lock(mutex_);
    all_.push_back(std::move(one));
    changed_.notify_all();
  }

  /// Waits for the next request.
  received take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !all_.empty(); });
    received one = std::move(all_.front());
    all_.pop_front();
    return one;
  }

  bool is_empty() {
    const std::lock_guard lock(mutex_);
    return all_.empty();
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<received> all_;
};

/// A gateway between one partition and a router that only record.
struct gateway_fixture {
  gateway_fixture() : system(config) {
    gateway_dependencies dependencies;
    dependencies.gateway_number = gateway_number;
    gateway = std::make_shared<node_gateway>(std::move(dependencies), pending);
  }

  ~gateway_fixture() {
    gateway->close("The test has ended.");
    caf::anon_send_exit(router, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(partition, caf::exit_reason::user_shutdown);
  }

  template <class Handle>
  Handle spawn_recorder(request_box& box) {
    // The box is an argument: CAF 0.17.6 dereferences a null pointer if the
    // function of an actor has no arguments.
    const caf::actor made = system.spawn(
      [](caf::event_based_actor*, request_box* to) -> caf::behavior {
        return {
          [to](management_inbound& x) {
            to->put({std::move(x), nullptr});
          },
          [to](deferrable_request& x) {
            to->put({std::move(x.request), std::move(x.token)});
          },
        };
      },
      &box);
    return caf::actor_cast<Handle>(
      caf::actor_cast<caf::strong_actor_ptr>(made));
  }

  /// Gives the gateway its router, and one partition that owns all instances.
  void open(bool is_admitted = true) {
    gateway->open(router);
    auto local = std::make_shared<local_partitions>();
    local->partition_count = 1;
    local->by_id = {partition};
    local->read
      = [this](persistence::partition_id, const actors::get_status& asked) {
          ++reads;
          management_answer answer;
          answer.id = asked.id;
          return answer;
        };
    gateway->set_local_partitions(std::move(local), is_admitted);
  }

  std::uint64_t submit(actors::management_request request,
                       if_owner_unavailable what
                       = if_owner_unavailable::refuse) {
    return gateway->submit(
      std::move(request),
      [this](management_answer answer) {
        answers.push_back(std::move(answer));
      },
      what);
  }

  caf::actor_system_config config;
  request_box to_partition;
  request_box to_router;
  std::atomic<int> reads{0};
  std::vector<management_answer> answers; ///< On the test's thread only.
  std::shared_ptr<pending_requests> pending
    = std::make_shared<pending_requests>();
  caf::actor_system system;
  router_control_actor router = spawn_recorder<router_control_actor>(to_router);
  actors::partition_actor partition
    = spawn_recorder<actors::partition_actor>(to_partition);
  std::shared_ptr<node_gateway> gateway;
};

BOOST_FIXTURE_TEST_SUITE(gateway_test, gateway_fixture)

BOOST_AUTO_TEST_CASE(a_request_for_a_local_partition_bypasses_the_router) {
  open();
  const std::uint64_t number = submit(actors::raise_event{"order-1"});
  const auto received = to_partition.take();
  BOOST_TEST(received.request.from.gateway == gateway_number);
  BOOST_TEST(received.request.from.correlation == number);
  BOOST_TEST(to_router.is_empty());
  management_answer answer;
  answer.id = "order-1";
  pending->answer(received.request.from, answer);
  BOOST_REQUIRE_EQUAL(answers.size(), 1U);
  BOOST_TEST(answers[0].id == "order-1");
}

BOOST_AUTO_TEST_CASE(the_input_of_a_start_is_moved_to_the_partition) {
  open();
  actors::start_instance start;
  start.id = "order-1";
  start.input = std::string(100'000, '1');
  const char* bytes = start.input.data();
  submit(std::move(start));
  const auto received = to_partition.take();
  const auto& arrived
    = std::get<actors::start_instance>(received.request.request);
  BOOST_TEST((arrived.input.data() == bytes), "the input was copied");
}

BOOST_AUTO_TEST_CASE(a_status_without_history_is_read_by_the_caller) {
  open();
  submit(actors::get_status{"order-1"});
  BOOST_TEST(reads.load() == 1);
  BOOST_REQUIRE_EQUAL(answers.size(), 1U);
  BOOST_TEST(to_partition.is_empty());
  submit(actors::get_status{"order-1", true, true});
  BOOST_TEST(std::get<actors::get_status>(to_partition.take().request.request)
               .show_history);
  BOOST_TEST(reads.load() == 1);
}

BOOST_AUTO_TEST_CASE(all_requests_use_the_router_until_the_node_is_admitted) {
  open(false);
  submit(actors::get_status{"order-1"});
  to_router.take();
  gateway->set_admitted();
  submit(actors::raise_event{"order-1"});
  to_partition.take();
  BOOST_TEST(reads.load() == 0);
}

BOOST_AUTO_TEST_CASE(a_request_before_open_is_answered_unavailable) {
  BOOST_TEST(submit(actors::raise_event{"order-1"}) == 0U);
  BOOST_REQUIRE_EQUAL(answers.size(), 1U);
  BOOST_TEST((answers[0].code == errc::unavailable));
  BOOST_TEST(answers[0].id == "order-1");
}

BOOST_AUTO_TEST_CASE(close_answers_pending_and_later_requests) {
  open();
  submit(actors::raise_event{"order-1"});
  const auto received = to_partition.take();
  gateway->close("The node stops.");
  BOOST_REQUIRE_EQUAL(answers.size(), 1U);
  BOOST_TEST((answers[0].code == errc::shutting_down));
  BOOST_TEST(answers[0].message == "The node stops.");
  // The answer of the partition comes too late and is dropped.
  pending->answer(received.request.from, {});
  BOOST_TEST(answers.size() == 1U);
  BOOST_TEST(submit(actors::raise_event{"order-2"}) == 0U);
  BOOST_REQUIRE_EQUAL(answers.size(), 2U);
  BOOST_TEST((answers[1].code == errc::shutting_down));
  BOOST_TEST(answers[1].id == "order-2");
  BOOST_TEST(to_partition.is_empty());
}

BOOST_AUTO_TEST_CASE(an_answer_is_passed_on_once) {
  open();
  submit(actors::raise_event{"order-1"});
  const auto to = to_partition.take().request.from;
  pending->answer(to, {});
  pending->answer(to, {});
  gateway->cancel(to.correlation);
  BOOST_TEST(answers.size() == 1U);
}

// A request that waits for its owner may be sent twice, so it gets a request
// ID; one of the caller is kept. Other requests get none.
BOOST_AUTO_TEST_CASE(only_a_request_that_may_be_sent_twice_gets_an_id) {
  gateway->open(router);
  const auto id_of = [&](actors::raise_event event, if_owner_unavailable what) {
    submit(std::move(event), what);
    return std::get<actors::raise_event>(to_router.take().request.request)
      .request;
  };
  BOOST_TEST(id_of({"order-1"}, if_owner_unavailable::refuse).empty());
  const std::string first = id_of({"order-1"}, if_owner_unavailable::wait);
  BOOST_TEST(!first.empty());
  BOOST_TEST(first != id_of({"order-1"}, if_owner_unavailable::wait));
  BOOST_TEST(id_of({"order-1", "E", "1", "mine"}, if_owner_unavailable::wait)
             == "mine");
  submit(actors::purge_instance{"order-1"}, if_owner_unavailable::wait);
  BOOST_TEST(!std::get<actors::purge_instance>(to_router.take().request.request)
                .request.empty());
  open();
  submit(actors::raise_event{"order-1"}, if_owner_unavailable::wait);
  BOOST_TEST(std::get<actors::raise_event>(to_partition.take().request.request)
               .request.empty());
}

BOOST_AUTO_TEST_CASE(cancel_of_a_request_that_was_not_sent_says_so) {
  gateway->open(router);
  const auto number
    = submit(actors::raise_event{"order-1"}, if_owner_unavailable::wait);
  const auto waiting = to_router.take();
  BOOST_REQUIRE(waiting.token);
  gateway->cancel(number);
  BOOST_REQUIRE_EQUAL(answers.size(), 1U);
  BOOST_TEST((answers[0].code == errc::unavailable));
  BOOST_TEST(!waiting.token->begin_send());
}

BOOST_AUTO_TEST_CASE(cancel_of_a_request_that_was_sent_reports_cancelled) {
  gateway->open(router);
  const auto number
    = submit(actors::wait_instance{"order-1"}, if_owner_unavailable::wait);
  BOOST_TEST(to_router.take().token->begin_send());
  gateway->cancel(number);
  BOOST_REQUIRE_EQUAL(answers.size(), 1U);
  BOOST_TEST((answers[0].code == errc::cancelled));
  // The wait is cancelled at its partition, too.
  const auto cancelled = to_router.take();
  BOOST_TEST(cancelled.request.from.correlation == number);
  BOOST_TEST(
    (std::holds_alternative<actors::cancel_wait>(cancelled.request.request)));
}

BOOST_AUTO_TEST_CASE(an_exception_of_a_callback_is_logged_with_the_instance) {
  open();
  gateway->submit(actors::raise_event{"order-throws"}, [](const auto&) {
    throw std::runtime_error("no more coffee");
  });
  pending->answer(to_partition.take().request.from, {});
  const std::string logged = persistence::newest_error().text;
  BOOST_TEST(logged.find("order-throws") != logged.npos);
  BOOST_TEST(logged.find("no more coffee") != logged.npos);
  // The same for a callback that is called before `submit` returns.
  gateway->submit(actors::get_status{"order-2"}, [](const auto&) { throw 1; });
  BOOST_TEST(persistence::newest_error().text.find("order-2")
             != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_callback_may_submit_and_cancel_requests) {
  open();
  gateway->submit(actors::raise_event{"order-1"}, [&](const auto&) {
    gateway->cancel(submit(actors::raise_event{"order-2"}));
  });
  pending->answer(to_partition.take().request.from, {});
  BOOST_TEST(actors::instance_of(to_partition.take().request.request)
             == "order-2");
  BOOST_REQUIRE_EQUAL(answers.size(), 1U);
  BOOST_TEST((answers[0].code == errc::cancelled));
}

BOOST_AUTO_TEST_CASE(callbacks_that_always_submit_again_need_little_stack) {
  open();
  constexpr int calls = 100'000;
  int called = 0;
  int depth = 0;
  int depth_max = 0;
  std::function<void(management_answer)> again = [&](const management_answer&) {
    depth_max = std::max(depth_max, ++depth);
    if (++called < calls)
      gateway->submit(actors::get_status{"order-1"}, again);
    --depth;
  };
  gateway->submit(actors::get_status{"order-1"}, again);
  BOOST_TEST(called == calls);
  BOOST_TEST(depth_max < 100);
  // The same after `close`, which answers each request at once.
  gateway->close("The node stops.");
  called = 0;
  gateway->submit(actors::raise_event{"order-1"}, again);
  BOOST_TEST(called == calls);
  BOOST_TEST(depth_max < 100);
}

BOOST_AUTO_TEST_CASE(answers_cancellations_and_close_call_each_callback_once) {
  constexpr std::size_t requests = 4'000;
  std::vector<std::atomic<int>> called(requests);
  std::vector<std::uint64_t> numbers;
  numbers.reserve(requests);
  for (std::size_t i = 0; i < requests; ++i)
    numbers.push_back(
      pending->add("order-1", [&, i](const auto&) { ++called[i]; }));
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i)
    threads.emplace_back([&] {
      for (const std::uint64_t number : numbers)
        pending->answer({gateway_number, number}, {});
    });
  threads.emplace_back([&] {
    for (auto it = numbers.rbegin(); it != numbers.rend(); ++it)
      if (auto removed = pending->remove(*it))
        removed->done({});
  });
  threads.emplace_back([&] { pending->close("The node stops."); });
  for (std::thread& one : threads)
    one.join();
  BOOST_TEST(std::all_of(called.begin(), called.end(),
                         [](const auto& times) { return times == 1; }));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::cluster
