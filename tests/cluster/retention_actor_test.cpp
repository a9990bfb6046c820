// SPDX-License-Identifier: Apache-2.0
#include "cluster/node/retention_actor.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/patience.hpp"

#include <boost/test/unit_test.hpp>

#include <future>
#include <memory>
#include <mutex>
#include <optional>

namespace perdura::tests {

using namespace persistence;
using namespace std::chrono_literals;

namespace {

/// A retention of 30 days, and the time of its next search.
class searched_retention {
public:
  explicit searched_retention(std::shared_ptr<actors::settled_clock> time) {
    cluster::retention_rules rules;
    rules.hub = 24h * 30;
    rules.interval = 1ms;
    actor_ = system_.spawn<caf::detached>(
      cluster::retention_behavior, rules,
      [this](const instance_query& query) -> result<instance_page> {
        const std::lock_guard lock(mutex_);
        if (searched_)
          std::exchange(searched_, std::nullopt)
            ->set_value(*query.ended_before);
        return instance_page();
      },
      std::shared_ptr<actors::management_gateway>(), std::move(time));
  }

  ~searched_retention() {
    caf::anon_send_exit(actor_, caf::exit_reason::user_shutdown);
  }

  /// Instances that ended before this time are purged by the next search.
  timestamp next_limit() {
    std::future<timestamp> next;
    {
      const std::lock_guard lock(mutex_);
      next = searched_.emplace().get_future();
    }
    BOOST_TEST_REQUIRE((next.wait_for(patience) == std::future_status::ready));
    return next.get();
  }

private:
  std::mutex mutex_;
  std::optional<std::promise<timestamp>> searched_;
  caf::actor_system_config config_;
  caf::actor_system system_{config_};
  cluster::retention_actor actor_;
};

} // namespace

BOOST_AUTO_TEST_SUITE(retention_actor_suite)

BOOST_AUTO_TEST_CASE(leap_of_the_wall_clock_purges_nothing) {
  manual_clock machine;
  auto time = std::make_shared<actors::settled_clock>(machine, 1h);
  time->learn({true, std::nullopt});
  const timestamp limit = machine.now() - 24h * 30;
  searched_retention retention(time);
  BOOST_TEST((retention.next_limit() == limit));
  machine.step_wall(24h * 40);
  retention.next_limit(); // may have begun before the step
  BOOST_TEST((retention.next_limit() == limit));
  machine.advance(1h);
  retention.next_limit();
  BOOST_TEST((retention.next_limit() == machine.now() - 24h * 30));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
