// SPDX-License-Identifier: Apache-2.0
// The actor around a partition: when it performs the effects of a commit. The
// tests of the partition itself use no actor.
#include "actors/activities/activity_pool.hpp"
#include "actors/execution/turn_watch.hpp"
#include "actors/partition/partition_actor.hpp"
#include "persistence/journal/memory_journal.hpp"
#include "tests/support/test_functions.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace perdura::tests {

using namespace actors;

namespace {

using steps = std::vector<std::string>;

/// Records the order of the events of a test. Thread-safe.
class step_recorder : public answer_sink {
public:
  void add(const std::string& step) {
    std::lock_guard lock(mutex_);
    steps_.push_back(step);
    changed_.notify_all();
  }

  void answer(reply_to, management_answer answer) noexcept override {
    add(answer.code == persistence::errc::ok ? "answer" : answer.message);
  }

  /// Waits for `count` steps, returns them and forgets them.
  steps take_after(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return steps_.size() >= count; });
    return std::exchange(steps_, {});
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  steps steps_;
};

step_recorder* current_recorder = nullptr;

/// A turn log that commits in `request_commit`: on the spot, or as if another
/// thread had committed.
class immediate_log : public persistence::turn_log {
public:
  explicit immediate_log(persistence::manual_journal& inner) : inner_(inner) {}

  journal_position append(persistence::turn_writes turn) override {
    return inner_.append(std::move(turn));
  }

  std::optional<journal_position> request_commit(partition_id partition,
                                                 bool may_block) override {
    current_recorder->add("commit");
    if (during_commit)
      during_commit();
    inner_.commit();
    const journal_position reached = inner_.durable(partition);
    if (may_block)
      return reached;
    listener_(reached);
    return {};
  }

  void listen(partition_id,
              std::function<void(journal_position)> on_durable) override {
    listener_ = std::move(on_durable);
  }

  journal_position durable(partition_id partition) const override {
    return inner_.durable(partition);
  }

  bool is_full() const override {
    return inner_.is_full();
  }

  persistence::storage_space space() const override {
    return inner_.space();
  }

  std::function<void()> during_commit;

private:
  persistence::manual_journal& inner_;
  std::function<void(journal_position)> listener_;
};

/// A partition actor on a journal in memory.
class actor_fixture {
public:
  actor_fixture() {
    current_recorder = &recorder;
    add_test_functions(*functions_);
  }

  ~actor_fixture() {
    caf::anon_send_exit(partition, caf::exit_reason::user_shutdown);
    partition = nullptr;
  }

  actor_fixture(const actor_fixture&) = delete;
  actor_fixture& operator=(const actor_fixture&) = delete;

  /// Starts the actor and waits until it is ready.
  void start(bool commits_on_the_spot) {
    activity_pool_dependencies around;
    around.clock = &persistence::system_clock();
    around.functions = functions_;
    around.deliver = [](activity_result) {};
    pool_ = std::make_unique<activity_pool>(system_, activity_pool_options{},
                                            std::move(around));
    partition_config config;
    config.partition_count = 1;
    config.partition_of
      = [](const instance_id&, std::uint32_t) { return partition_id{}; };
    config.resolve = [this](const std::string& name, const std::string&) {
      return result<std::string>(*functions_->default_version(name));
    };
    config.discards_events = [](const std::string&) { return false; };
    // A turn that waits for a core must not be committed in two parts.
    config.turn_wait_max = std::chrono::hours(1);
    std::promise<result<void>> ready;
    partition_dependencies dependencies;
    dependencies.journal = &log;
    dependencies.reader = journal_.get();
    dependencies.clock = &persistence::system_clock();
    dependencies.activities = pool_.get();
    dependencies.turns = &turns_;
    dependencies.alarms = &alarms_;
    if (commits_on_the_spot) {
      dependencies.may_block = [] { return true; };
      dependencies.has_blocked = [] { current_recorder->add("unblocked"); };
    }
    dependencies.functions = functions_;
    dependencies.local_answers
      = std::shared_ptr<answer_sink>(std::shared_ptr<void>(), &recorder);
    dependencies.local_gateway_number = 1;
    dependencies.on_ready = [&](result<void> one) {
      recorder.add("ready");
      ready.set_value(std::move(one));
    };
    partition = system_.spawn(partition_behavior, std::move(config),
                              std::move(dependencies));
    caf::anon_send(partition, begin_recovery{});
    BOOST_TEST(static_cast<bool>(ready.get_future().get()));
  }

  /// From now on, a message of another actor arrives during each commit.
  void send_during_commits() {
    log.during_commit = [this] {
      caf::anon_send(partition,
                     stuck_request{std::make_shared<std::function<void(
                       std::vector<std::pair<instance_id, std::string>>)>>(
                       [this](const auto&) { recorder.add("message"); })});
    };
  }

  void start_instance_of(const std::string& name, const std::string& input) {
    start_instance start;
    start.id = "order-1";
    start.name = name;
    start.input = input;
    start.execution = "execution";
    caf::anon_send(partition, management_inbound{{1, 1}, std::move(start)});
  }

private:
  std::unique_ptr<persistence::manual_journal> journal_
    = persistence::open_memory_journal(persistence::make_memory_disk(1))
        .value();
  std::shared_ptr<registry> functions_ = std::make_shared<registry>();
  turn_watch turns_;
  alarm_clock alarms_;

public:
  step_recorder recorder;
  immediate_log log{*journal_};

private:
  caf::actor_system_config config_;
  caf::actor_system system_{config_};
  std::unique_ptr<activity_pool> pool_;

public:
  partition_actor partition;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(partition_actor_suite, actor_fixture)

// Neither a message to itself nor the listener is needed.
BOOST_AUTO_TEST_CASE(partition_is_ready_with_its_own_commit) {
  start(true);
  BOOST_TEST((recorder.take_after(3) == steps{"commit", "unblocked", "ready"}));
}

// The message arrived before the commit, and waits behind its effects.
BOOST_AUTO_TEST_CASE(effects_of_its_own_commit_precede_waiting_messages) {
  start(true);
  recorder.take_after(3);
  send_during_commits();
  start_instance_of("Waits", "null");
  BOOST_TEST((recorder.take_after(4)
              == steps{"commit", "unblocked", "answer", "message"}));
}

// The position comes as a message behind the one that arrived earlier.
BOOST_AUTO_TEST_CASE(effects_of_another_commit_wait_for_their_message) {
  start(false);
  BOOST_TEST((recorder.take_after(2) == steps{"commit", "ready"}));
  send_during_commits();
  start_instance_of("Waits", "null");
  BOOST_TEST((recorder.take_after(3) == steps{"commit", "message", "answer"}));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
