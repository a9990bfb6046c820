// SPDX-License-Identifier: Apache-2.0
// Verbs that act on all instances that match a filter, and their confirmation.
#include "tests/client/cli_fixture.hpp"

#include <boost/test/unit_test.hpp>

using namespace perdura::tests;

namespace {

struct batch_fixture : cli_fixture {
  std::string state_of(const std::string& id) {
    return request("GET", "/instances/" + id).json().at("runtimeStatus");
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(cli_batch, batch_fixture)

BOOST_AUTO_TEST_CASE(terminate_with_a_filter_asks_for_confirmation) {
  for (const char* id : {"order-1", "order-2", "other"})
    start("Approval", id);
  start("Echo", "order-3", "1");
  ended("order-3");
  const std::vector<std::string> many{"terminate", "--prefix", "order-"};
  const auto with = [&](std::string flag) {
    auto arguments = many;
    arguments.push_back(std::move(flag));
    return arguments;
  };
  BOOST_TEST(perdura(with("--dry-run")).out
             == "2 instances would be terminated.\n");
  // Without a terminal the command cannot ask, so --yes is required.
  const outcome unasked = perdura(many);
  BOOST_TEST(unasked.code == 2);
  BOOST_TEST(unasked.err
             == "perdura: 2 instances would be terminated; use --yes to "
                "confirm.\n");
  // On a terminal the command asks, and every answer but "y" changes nothing.
  const outcome refused = perdura(many, "n\n", true);
  BOOST_TEST(refused.code == 0);
  BOOST_TEST(refused.err == "Terminate 2 instances? [y/N] ");
  BOOST_TEST(state_of("order-1") == "Running");
  const outcome done = perdura(with("--reason=enough"), "y\n", true);
  BOOST_TEST(done.code == 0);
  BOOST_TEST(done.out == "2 instances terminated.\n");
  BOOST_TEST(ended("order-1").at("output") == "enough");
  BOOST_TEST(ended("order-2").at("output") == "enough");
  BOOST_TEST(state_of("other") == "Running");
  BOOST_TEST(perdura(with("--yes")).out == "0 instances terminated.\n");
}

BOOST_AUTO_TEST_CASE(ended_instances_are_counted_separately) {
  start("Approval", "a");
  start("Echo", "b", "1");
  ended("b");
  BOOST_TEST(
    perdura({"terminate", "--status", "Running,Completed", "--yes"}).out
    == "1 instance terminated, 1 had ended already.\n");
}

// Each verb skips instances that it would not change.
BOOST_AUTO_TEST_CASE(suspend_resume_and_rewind_accept_a_filter) {
  for (const char* id : {"a", "b"})
    start("Approval", id);
  BOOST_TEST(perdura({"suspend", "--name", "Approval", "--yes"}).out
             == "2 instances suspended.\n");
  BOOST_TEST(state_of("a") == "Suspended");
  BOOST_TEST(perdura({"suspend", "--name", "Approval", "--yes"}).out
             == "0 instances suspended.\n");
  BOOST_TEST(perdura({"resume", "--prefix", "a", "--yes"}).out
             == "1 instance resumed.\n");
  BOOST_TEST(state_of("a") == "Running");
  start("FailsOnce", "c");
  ended("c");
  BOOST_TEST(perdura({"rewind", "--created-from", "2020-01-01", "--yes"}).out
             == "1 instance rewound.\n");
  BOOST_TEST(ended("c").at("runtimeStatus") == "Completed");
}

// A verb without an ID and without a filter must not act on all instances.
BOOST_AUTO_TEST_CASE(an_id_or_a_filter_is_required) {
  for (const std::string verb :
       {"terminate", "suspend", "resume", "rewind", "purge"}) {
    const outcome neither = perdura({verb});
    BOOST_TEST(neither.code == 2);
    BOOST_TEST(neither.err
               == "perdura: " + verb
                    + " needs an ID or a filter (--status, --created-from, "
                      "--created-to, --prefix, --name).\n");
    const outcome both = perdura({verb, "--status", "Failed", "a"});
    BOOST_TEST(both.code == 2);
    BOOST_TEST(both.err
               == "perdura: " + verb + " needs an ID or a filter, not both.\n");
    BOOST_TEST(perdura({verb, ""}).code == 2);
  }
  BOOST_TEST(perdura({"terminate", "--status", "done", "--yes"}).code == 2);
}

BOOST_AUTO_TEST_CASE(dry_run_changes_nothing) {
  start("Approval", "a");
  BOOST_TEST(perdura({"terminate", "a", "--dry-run"}).out
             == "1 instance would be terminated.\n");
  BOOST_TEST(state_of("a") == "Running");
  BOOST_TEST(perdura({"terminate", "nope", "--dry-run"}).code == 3);
}

BOOST_AUTO_TEST_CASE(purge_with_a_filter_asks_for_confirmation) {
  for (const char* id : {"a", "b"})
    perdura({"run", "Echo", "--id", id});
  start("Approval", "live");
  const auto purge = [&](std::vector<std::string> more,
                         const std::string& typed = {}, bool can_ask = false) {
    more.insert(more.begin(), {"purge", "--created-from", "2020-01-01"});
    return perdura(more, typed, can_ask);
  };
  BOOST_TEST(purge({"--dry-run"}).out == "2 instances would be purged.\n");
  BOOST_TEST(purge({}).code == 2);
  BOOST_TEST(purge({}, "n\n", true).out.empty());
  BOOST_TEST(purge({"--prefix", "b"}, "y\n", true).out
             == "1 instance purged.\n");
  BOOST_TEST(purge({"--yes"}).out == "1 instance purged.\n");
  BOOST_TEST(purge({"--yes"}).out == "0 instances purged.\n");
  BOOST_TEST(perdura({"purge", "live"}).code == 2);
  BOOST_TEST(perdura({"purge", "nope"}).code == 3);
}

// A repeat of a command with the same --key has no effect.
BOOST_AUTO_TEST_CASE(commands_with_a_key_can_be_repeated) {
  const auto once = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--key", "k"});
    const outcome first = perdura(arguments);
    BOOST_TEST(first.code == 0, first.err);
    BOOST_TEST(perdura(arguments).code == 0);
    return first.out;
  };
  const std::string id = once({"start", "Approval"});
  BOOST_TEST(perdura({"start", "Approval", "--key", "k"}).out == id);
  once({"start", "Approval", "--id", "a"});
  once({"raise-event", "a", "Other", "--data", "1"});
  once({"start-or-raise", "Approval", "a", "Other", "--data", "1"});
  once({"suspend", "a"});
  once({"resume", "a"});
  once({"suspend", "a"}); // the first answer
  BOOST_TEST(state_of("a") == "Running");
  BOOST_TEST(once({"terminate", "--prefix", "a", "--yes"})
             == "1 instance terminated.\n");
  BOOST_TEST(once({"restart", "a"}) != "a\n");
  once({"purge", "a"});
  once({"start", "Approval", "--id", "a"});
  BOOST_TEST(request("GET", "/instances/a").status == 404);
  const outcome other
    = perdura({"start", "Approval", "--id", "a", "--input", "2", "--key", "k"});
  BOOST_TEST(other.code != 0);
  BOOST_TEST(other.err.find("request_id \"k\"") != std::string::npos,
             other.err);
}

BOOST_AUTO_TEST_SUITE_END()
