// SPDX-License-Identifier: Apache-2.0
// The C++ cluster client while nodes are down, and with a wrong node list.
#include "tests/client/cluster_fixture.hpp"
#include "tests/support/patience.hpp"
#include "tests/support/reserved_ports.hpp"
#include <perdura/perdura.hpp>

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <functional>
#include <future>
#include <thread>
#include <utility>

namespace perdura::tests {

namespace {

/// A call with a time-out of its own if it has such a parameter; the other
/// calls use the deadline of the client.
using call = std::function<errc(orchestration_client&, const std::string& id,
                                milliseconds time_out)>;

/// Every call that goes to a single instance, with its name.
const std::vector<std::pair<std::string, call>>& calls_to_an_instance() {
  static const std::vector<std::pair<std::string, call>> all{
    {"start_new",
     [](orchestration_client& client, const std::string& id,
        milliseconds time_out) {
       start_options options;
       options.instance_id = id;
       options.time_out = time_out;
       return client.start_new("Echo", 1, options).code();
     }},
    {"get_status", [](orchestration_client& client, const std::string& id,
                      milliseconds) { return client.get_status(id).code(); }},
    {"raise_event",
     [](orchestration_client& client, const std::string& id, milliseconds) {
       return client.raise_event(id, "Approval", 1).code();
     }},
    {"terminate",
     [](orchestration_client& client, const std::string& id, milliseconds) {
       return client.terminate(id, "enough").code();
     }},
    {"suspend", [](orchestration_client& client, const std::string& id,
                   milliseconds) { return client.suspend(id).code(); }},
    {"resume", [](orchestration_client& client, const std::string& id,
                  milliseconds) { return client.resume(id).code(); }},
    {"rewind", [](orchestration_client& client, const std::string& id,
                  milliseconds) { return client.rewind(id).code(); }},
    {"restart", [](orchestration_client& client, const std::string& id,
                   milliseconds) { return client.restart(id, false).code(); }},
    {"purge", [](orchestration_client& client, const std::string& id,
                 milliseconds) { return client.purge(id).code(); }},
  };
  return all;
}

/// A cluster of three nodes with a connected client.
struct outage_fixture : cluster_fixture {
  /// Starts an instance of "Approval" that node `i` owns.
  std::string approval_on(std::size_t i) {
    start_options options;
    options.instance_id = id_on(i, "order");
    return client.start_new("Approval", nullptr, options).value();
  }

  /// Stops node `i`; returns when the client has marked it as down.
  void stop_and_wait(std::size_t i) {
    stop(i);
    static_cast<void>(link->nodes());
  }

  std::unique_ptr<cluster_client> link = connect();
  orchestration_client client = link->client();
};

bool is_pending(std::future<errc>& answer) {
  return answer.wait_for(milliseconds(0)) == std::future_status::timeout;
}

} // namespace

BOOST_AUTO_TEST_SUITE(cluster_client_outage)

// A call waits for the owner of its instance only if the caller requests that.
// A call that waited would not end: the node stays down until all calls are
// answered, and their deadline is longer than the test may run.
BOOST_FIXTURE_TEST_CASE(calls_to_a_node_that_is_down_fail_without_waiting,
                        outage_fixture) {
  const std::string id = approval_on(1);
  stop_and_wait(1);
  orchestration_client unhurried_client = client.with({never, false});
  for (const auto& [name, act] : calls_to_an_instance())
    BOOST_TEST_CONTEXT(name) {
      const errc code = act(unhurried_client, id, never);
      BOOST_TEST(to_string(code) == "unavailable");
      BOOST_TEST((kind_of(code) == failure_kind::unavailable));
    }
  const auto refused = client.raise_event(id, "Approval", 1);
  BOOST_TEST(refused.error().message.find("owned by node \"node-2\"")
             != std::string::npos);
  // The instances of the other nodes make progress.
  const std::string other = approval_on(0);
  client.raise_event(other, "Approval", 1).value();
  client.wait_for_completion(other, patience).value();
  // A query over all nodes fails unless it asks for partial results.
  BOOST_TEST((client.list_instances().code() == errc::unavailable));
  BOOST_TEST((client.count_instances().code() == errc::unavailable));
  instance_filter partial;
  partial.partial = true;
  const auto page = client.list_instances(partial).value();
  BOOST_TEST(page.missing_partitions.size() == 3U);
  BOOST_TEST(
    client.count_reachable_instances().value().missing_partitions.size() == 3U);
  // None of the calls had an effect.
  start(1);
  const auto back = client.with({patience, true}).get_status(id).value();
  BOOST_TEST((back.value().status == runtime_status::running));
}

// The client sends no request before the node is reachable, so the error can
// say that nothing was done.
BOOST_FIXTURE_TEST_CASE(deadline_ends_the_wait_for_a_node, outage_fixture) {
  const std::string id = id_on(1, "order");
  stop_and_wait(1);
  constexpr milliseconds deadline{150};
  orchestration_client waiting_client = client.with({deadline, true});
  // A call with a later deadline waits for the same node. It still waits after
  // the other calls have ended, and is answered by the restarted node.
  auto later = std::async(std::launch::async, [&] {
    return client.with({never, true}).get_status(id_on(1, "missing")).code();
  });
  for (const auto& [name, act] : calls_to_an_instance())
    BOOST_TEST_CONTEXT(name) {
      const minimum_time waited;
      const errc code = act(waiting_client, id, deadline);
      BOOST_TEST(to_string(code) == "unavailable");
      BOOST_TEST(waited.has_passed(deadline));
    }
  start_options options;
  options.instance_id = id;
  // Regression: a start had only its own time-out.
  for (const milliseconds time_out : {deadline, milliseconds(never)}) {
    options.time_out = time_out;
    const auto started = waiting_client.start_new("Approval", nullptr, options);
    BOOST_TEST(to_string(started.code()) == "unavailable");
    BOOST_TEST(started.error().message.find("nothing was done")
               != std::string::npos);
  }
  BOOST_TEST(to_string(waiting_client.wait_for_completion(id, deadline).code())
             == "unavailable");
  BOOST_TEST(is_pending(later));
  // The start was not done: the instance does not exist after the restart.
  start(1);
  BOOST_TEST(to_string(later.get()) == "ok");
  BOOST_TEST(!client.with({patience, true}).get_status(id).value().has_value());
}

BOOST_FIXTURE_TEST_CASE(call_that_waits_succeeds_after_the_restart,
                        outage_fixture) {
  const std::string id = id_on(1, "order");
  stop_and_wait(1);
  orchestration_client waiting_client = client.with({patience, true});
  auto started = std::async(std::launch::async, [&] {
    start_options options;
    options.instance_id = id;
    return waiting_client.start_new("Approval", nullptr, options);
  });
  auto seen = std::async(std::launch::async, [&] {
    return waiting_client.get_status(id_on(1, "missing"));
  });
  // The node is down, so this call takes its whole deadline. Both other calls
  // still wait.
  BOOST_TEST(
    to_string(client.with({milliseconds(100), true}).get_status(id).code())
    == "unavailable");
  BOOST_TEST(
    (started.wait_for(milliseconds(0)) == std::future_status::timeout));
  BOOST_TEST((seen.wait_for(milliseconds(0)) == std::future_status::timeout));
  start(1);
  BOOST_TEST(started.get().value() == id);
  BOOST_TEST(!seen.get().value().has_value());
  waiting_client.raise_event(id, "Approval", 5).value();
  BOOST_TEST(waiting_client.wait_for_completion(id, patience).value().output
             == "5");
}

BOOST_FIXTURE_TEST_CASE(wait_for_all_nodes_includes_a_stopped_node,
                        outage_fixture) {
  stop_and_wait(1);
  const auto missing = link->wait_for_all_nodes(milliseconds(50));
  BOOST_TEST(to_string(missing.code()) == "unavailable");
  BOOST_TEST(missing.error().message.find("node-2") != std::string::npos,
             missing.error().message);
  start(1);
  link->wait_for_all_nodes(patience).value();
  BOOST_TEST(!client.get_status(id_on(1, "order")).value().has_value());
}

BOOST_FIXTURE_TEST_CASE(wait_survives_a_restart_of_the_owner, outage_fixture) {
  const std::string id = approval_on(1);
  // wait_async() sends the wait before the next call of this thread. A blocking
  // wait on another thread could be sent later than that call.
  const auto promise
    = std::make_shared<std::promise<result<orchestration_status>>>();
  auto waited = promise->get_future();
  client.wait_async(id, [promise](result<orchestration_status> status) {
    promise->set_value(std::move(status));
  });
  BOOST_TEST(client.get_status(id).value().has_value());
  stop_and_wait(1);
  // The client has marked the node as down before it answers this call. The
  // wait did not end with the connection.
  BOOST_TEST(to_string(client.get_status(id).code()) == "unavailable");
  BOOST_TEST((waited.wait_for(milliseconds(0)) == std::future_status::timeout));
  start(1);
  // The event is raised through node-1, which does not own the instance.
  host(0)
    .client()
    .with({patience, true})
    .raise_event(id, "Approval", "late")
    .value();
  BOOST_TEST_REQUIRE((waited.wait_for(patience) == std::future_status::ready));
  BOOST_TEST(waited.get().value().output == "\"late\"");
}

// The node stores the answered request IDs with the instance.
BOOST_FIXTURE_TEST_CASE(request_repeated_after_a_restart_is_done_once,
                        outage_fixture) {
  const std::string id = id_on(1, "order");
  start_options options;
  options.instance_id = id;
  options.request_id = "start-1";
  client.start_new("TwoEvents", nullptr, options).value();
  client.raise_event(id, "A", 1, "event A").value();
  stop_and_wait(1);
  start(1);
  orchestration_client waiting_client = client.with({patience, true});
  BOOST_TEST(waiting_client.start_new("TwoEvents", nullptr, options).value()
             == id);
  waiting_client.raise_event(id, "A", 1, "event A").value();
  BOOST_TEST(to_string(waiting_client.raise_event(id, "A", 2, "event A").code())
             == "request_id_reused");
  waiting_client.raise_event(id, "B", 3, "event B").value();
  BOOST_TEST(waiting_client.wait_for_completion(id, patience).value().output
             == "[1,3]");
}

BOOST_FIXTURE_TEST_CASE(close_answers_all_pending_calls, outage_fixture) {
  const std::string id = approval_on(1);
  std::vector<std::future<errc>> waiting;
  for (int i = 0; i < 3; ++i)
    waiting.push_back(std::async(std::launch::async, [&] {
      return client.wait_for_completion(id, never).code();
    }));
  stop_and_wait(2);
  const std::string on_stopped_node = id_on(2, "order");
  waiting.push_back(std::async(std::launch::async, [&] {
    return client.with({never, true}).raise_event(on_stopped_node, "E").code();
  }));
  // This call is queued after the others.
  BOOST_TEST(client.get_status(id).value().has_value());
  link->close();
  for (auto& each : waiting) {
    BOOST_TEST_REQUIRE((each.wait_for(patience) == std::future_status::ready));
    BOOST_TEST(to_string(each.get()) == "shutting_down");
  }
  // Calls after the close do not wait either: their deadline is longer than the
  // test may run.
  orchestration_client late_client = client.with({never, true});
  for (const auto& [name, act] : calls_to_an_instance())
    BOOST_TEST(to_string(act(late_client, id, never)) == "shutting_down", name);
  BOOST_TEST(to_string(late_client.list_instances().code()) == "shutting_down");
  BOOST_TEST(to_string(late_client.count_instances().code())
             == "shutting_down");
  BOOST_TEST(to_string(late_client.wait_for_completion(id, never).code())
             == "shutting_down");
  link->close();
  // The client object may outlive the connection.
  link.reset();
  BOOST_TEST(to_string(client.get_status(id).code()) == "shutting_down");
}

// Four threads call the client while its connection is destroyed. The calls end
// because of the destruction: no call reaches its deadline.
BOOST_FIXTURE_TEST_CASE(destruction_during_calls_is_safe, outage_fixture) {
  std::atomic<std::size_t> answers{0};
  std::atomic<std::size_t> ended{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i)
    callers.emplace_back(
      [&, own = link->client().with({never, false})]() mutable {
        start_options options;
        options.time_out = never;
        for (;;) {
          const auto started = own.start_new("Echo", 1, options);
          if (!started && started.code() == errc::shutting_down) {
            ++ended;
            return;
          }
          static_cast<void>(own.count_instances());
          ++answers;
        }
      });
  while (answers < 8)
    std::this_thread::yield();
  link.reset();
  for (std::thread& one : callers)
    one.join();
  BOOST_TEST(ended == 4U);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(cluster_client_list)

BOOST_AUTO_TEST_CASE(connect_fails_in_time_if_no_node_is_reachable) {
  cluster_client_config config;
  const reserved_ports nothing; // Nothing listens on this port.
  config.nodes = {"node-1=127.0.0.1:" + std::to_string(nothing.first())};
  const minimum_time waited;
  const auto made = cluster_client::connect(config, milliseconds(200));
  BOOST_TEST(to_string(made.code()) == "unavailable");
  BOOST_TEST(waited.has_passed(milliseconds(200)));
}

// CAF keeps a reference in the thread that has created a client, which must not
// keep another thread from ending it.
BOOST_FIXTURE_TEST_CASE(client_is_ended_by_another_thread, cluster_fixture) {
  auto made = cluster_client::connect(client_config(), never);
  BOOST_TEST_REQUIRE(static_cast<bool>(made));
  std::async(std::launch::async, [&] { (*made).reset(); }).get();
}

// Two clients connect while all nodes are down. The one with the short time-out
// fails; the other one still waits, and connects after the nodes have started.
BOOST_FIXTURE_TEST_CASE(each_connect_ends_at_its_own_time_out,
                        cluster_fixture) {
  for (std::size_t i = 0; i < 3; ++i)
    stop(i);
  auto long_wait = std::async(std::launch::async, [&] {
    return cluster_client::connect(client_config(), never).code();
  });
  BOOST_TEST(
    to_string(
      cluster_client::connect(client_config(), milliseconds(100)).code())
    == "unavailable");
  BOOST_TEST(is_pending(long_wait));
  for (std::size_t i = 0; i < 3; ++i)
    start(i);
  BOOST_TEST(to_string(long_wait.get()) == "ok");
}

BOOST_AUTO_TEST_CASE(invalid_node_list_is_refused) {
  const auto code_of = [](std::vector<std::string> nodes) {
    cluster_client_config config;
    config.nodes = std::move(nodes);
    return std::string(to_string(cluster_client::connect(config).code()));
  };
  BOOST_TEST(code_of({}) == "invalid_argument");
  BOOST_TEST(code_of({"127.0.0.1:7171"}) == "invalid_argument");
  BOOST_TEST(code_of({"node-1=127.0.0.1"}) == "invalid_argument");
  BOOST_TEST(code_of({"a=127.0.0.1:7171", "b=127.0.0.1:7171"})
             == "invalid_argument");
  BOOST_TEST(code_of({"a=127.0.0.1:7171", "a=127.0.0.1:7172"})
             == "invalid_argument");
}

// Each node reports its name in the handshake.
BOOST_FIXTURE_TEST_CASE(swapped_node_names_are_refused, cluster_fixture) {
  cluster_client_config config = client_config();
  const auto port_of
    = [](const std::string& entry) { return entry.substr(entry.find('=')); };
  config.nodes
    = {"node-1" + port_of(entries()[1]), "node-2" + port_of(entries()[0])};
  const auto says = [](const auto& answer, const std::string& part) {
    BOOST_TEST_REQUIRE(to_string(answer.code()) == "unavailable");
    return answer.error().message.find(part) != std::string::npos;
  };
  // On a busy machine an attempt may end before a node has reported its name.
  BOOST_TEST(eventually([&] {
    return says(cluster_client::connect(config, seconds(1)),
                "The address of node \"node-1\" belongs to node \"node-2\"; "
                "check the list of nodes.");
  }));
  // With one correct entry the client connects and reports the wrong entries.
  config.nodes.push_back(entries()[2]);
  auto in_part = cluster_client::connect(config, patience).value();
  const auto all = in_part->wait_for_all_nodes(seconds(1));
  BOOST_TEST(to_string(all.code()) == "unavailable");
  BOOST_TEST(all.error().message.find("node-1, node-2") != std::string::npos,
             all.error().message);
  BOOST_TEST(eventually([&] {
    return says(in_part->client().get_status(id_on(0, "order")),
                "check the list of nodes");
  }));
}

// The client's list has fewer nodes than the hub.
BOOST_FIXTURE_TEST_CASE(node_missing_in_the_list_is_named, cluster_fixture) {
  cluster_client_config config = client_config();
  config.nodes.pop_back();
  auto link = cluster_client::connect(config, patience).value();
  const auto status = link->client().get_status(id_on(2, "order"));
  BOOST_TEST(to_string(status.code()) == "unavailable");
  BOOST_TEST(status.error().message.find("owned by node \"node-3\", which is "
                                         "not in the list of nodes here")
               != std::string::npos,
             status.error().message);
  const auto all = link->wait_for_all_nodes(milliseconds(100));
  BOOST_TEST(all.error().message.find("node-3") != std::string::npos);
  BOOST_TEST(static_cast<bool>(
    link->client().with({patience, true}).get_status(id_on(0, "order"))));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
