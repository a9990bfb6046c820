// SPDX-License-Identifier: Apache-2.0
// The verbs of the command line for single instances, its exit codes, and the
// verbs that create a hub or run a node.
#include "client/cli/config_verbs.hpp"
#include "tests/client/cli_fixture.hpp"

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

using namespace perdura::client;
using namespace perdura::tests;
using nlohmann::json;

BOOST_FIXTURE_TEST_SUITE(cli_verbs, cli_fixture)

// Standard output contains only the result, because scripts read the result
// from there.
BOOST_AUTO_TEST_CASE(run_prints_only_the_result) {
  const outcome ran = perdura({"run", "HelloSequence"});
  BOOST_TEST(ran.code == 0);
  BOOST_TEST(ran.out
             == "[\"Hello Tokyo!\",\"Hello Seattle!\",\"Hello London!\"]\n");
  BOOST_TEST(perdura({"run", "Echo", "--input", "-"}, R"({"b": 1,"a":2})").out
             == "{\"b\":1,\"a\":2}\n");
}

// The failure goes to standard error; standard output stays empty.
BOOST_AUTO_TEST_CASE(failed_run_is_exit_code_1) {
  const outcome ran = perdura({"run", "Fails", "--id", "a"});
  BOOST_TEST(ran.code == 1);
  BOOST_TEST(ran.out.empty());
  BOOST_TEST(ran.err.find("kaboom") != std::string::npos);
  BOOST_TEST(perdura({"start", "Fails", "--wait"}).code == 1);
}

BOOST_AUTO_TEST_CASE(run_that_exceeds_its_timeout_is_exit_code_5) {
  const outcome ran
    = perdura({"run", "Approval", "--id", "a", "--timeout", "0.1"});
  BOOST_TEST(ran.code == 5);
  BOOST_TEST(ran.err.find("\"a\"") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(start_prints_the_instance_id) {
  BOOST_TEST(perdura({"start", "Approval", "--id", "order 17"}).out
             == "order 17\n");
  const outcome json_body_header
    = perdura({"start", "Approval", "--id", "b", "-o", "json"});
  BOOST_TEST(json::parse(json_body_header.out).contains("terminatePostUri"));
  BOOST_TEST(perdura({"start", "Approval", "--id", "b"}).code == 2);
  BOOST_TEST(perdura({"start", "Approval", "--id", "b", "--get-or-start"}).code
             == 0);
  BOOST_TEST(perdura({"start", "Nope"}).code == 2);
  BOOST_TEST(perdura({"start"}).code == 2);
  BOOST_TEST(perdura({"start", "Echo", "--input", "{"}).code == 2);
  BOOST_TEST(perdura({"start", "Echo", "--input", "@/no/such/file"}).code == 2);
}

BOOST_AUTO_TEST_CASE(start_or_raise_says_which_happened) {
  const auto raise
    = [&](std::vector<std::string> more, const std::string& input = {}) {
        std::vector<std::string> line{"start-or-raise", "Approval", "order 17",
                                      "Approval"};
        line.insert(line.end(), more.begin(), more.end());
        return perdura(line, input);
      };
  const outcome started = raise({"--input", "1"});
  BOOST_TEST(started.code == 0, started.err);
  BOOST_TEST(started.out == "order 17 started\n");
  BOOST_TEST(perdura({"start-or-raise", "Approval", "b", "Other"}).out
             == "b started\n");
  BOOST_TEST(perdura({"start-or-raise", "Nope", "b", "Other"}).out
             == "b raised\n");
  const outcome shown = perdura(
    {"start-or-raise", "Approval", "b", "Other", "--data", "-", "-o", "json"},
    R"({"by": "me"})");
  BOOST_TEST(json::parse(shown.out).at("started") == false);
  BOOST_TEST(json::parse(shown.out).contains("terminatePostUri"));
  BOOST_TEST(perdura({"start-or-raise", "Nope", "c", "Other"}).code == 2);
  BOOST_TEST(raise({"--input", "1,\"data\":2"}).code == 2);
  BOOST_TEST(raise({"--input", "-", "--data", "-"}, "1").code == 2);
  BOOST_TEST(perdura({"start-or-raise", "Approval", "c"}).code == 2);
}

BOOST_AUTO_TEST_CASE(start_accepts_a_binding_file) {
  const auto file = directory.path() / "binding.json";
  std::ofstream(file) << R"([{"FunctionName":"Echo","InstanceId":"a"},)"
                      << R"({"FunctionName":"Echo","InstanceId":"b"}])";
  BOOST_TEST(perdura({"start", "--binding", file.string()}).out == "a\nb\n");
}

BOOST_AUTO_TEST_CASE(get_and_history_show_an_instance) {
  perdura({"run", "HelloSequence", "--id", "a"});
  const outcome shown = perdura({"get", "a"});
  BOOST_TEST(shown.code == 0);
  BOOST_TEST(shown.out.find("Status   Completed\n") != std::string::npos);
  const json full = json::parse(
    perdura({"get", "a", "--history", "--outputs", "-o", "jsonl"}).out);
  BOOST_TEST(full.at("historyEvents").size() == 5U);
  BOOST_TEST(perdura({"history", "a"}).out.find("SayHello")
             != std::string::npos);
  const outcome missing = perdura({"get", "nope"});
  BOOST_TEST(missing.code == 3);
  BOOST_TEST(missing.err == "perdura: There is no instance \"nope\".\n");
}

// Regression: an empty value of a filter, e.g. from an unset shell variable,
// selected all instances.
BOOST_AUTO_TEST_CASE(empty_filter_is_a_usage_error) {
  perdura({"start", "Approval", "--id", "a"});
  for (const char* option :
       {"--status", "--prefix", "--name", "--created-from", "--created-to"})
    for (const char* verb : {"terminate", "purge", "rewind", "list"})
      BOOST_TEST(perdura({verb, option, "", "--yes"}).code == 2,
                 verb << ' ' << option);
  BOOST_TEST(perdura({"start", "Approval", "--id", ""}).code == 2);
  BOOST_TEST(perdura({"get", "a"}).out.find("Running") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(reason_cannot_send_escape_sequences_to_the_terminal) {
  perdura({"start", "Approval", "--id", "a"});
  // A sequence that sets the title of the terminal, a forged message on a line
  // of its own, and a C1 control character in UTF-8.
  const char* escapes = "x\x1b]0;y\x07\nperdura: forged\xc2\x9bz";
  perdura({"terminate", "a", "--reason", escapes});
  const outcome shown = perdura({"get", "a", "--history"});
  for (const std::string& text : {shown.out, shown.err}) {
    BOOST_TEST(text.find('\x1b') == text.npos);
    BOOST_TEST(text.find("\xc2\x9b") == text.npos);
    BOOST_TEST(text.find("\nperdura: forged") == text.npos);
  }
}

// Standard output contains only the list, so that programs can parse it. The
// note that there are more instances goes to standard error.
BOOST_AUTO_TEST_CASE(list_and_count_show_all_instances) {
  for (const char* id : {"a", "b", "c"})
    perdura({"run", "Echo", "--id", id});
  perdura({"start", "Approval", "--id", "d"});
  const outcome table = perdura({"list", "--status", "completed,failed"});
  BOOST_TEST(table.out.starts_with("ID  NAME  STATUS     CREATED"));
  BOOST_TEST(std::count(table.out.begin(), table.out.end(), '\n') == 4);
  const outcome two = perdura({"list", "--top", "2", "-o", "json"});
  BOOST_TEST(json::parse(two.out).size() == 2U);
  BOOST_TEST(two.err.find("more") != std::string::npos);
  BOOST_TEST(perdura({"list", "--prefix", "d", "-o", "jsonl"}).out.find("\"d\"")
             != std::string::npos);
  BOOST_TEST(perdura({"list", "--status", "done"}).code == 2);
  BOOST_TEST(perdura({"list", "--stuck"}).out == "ID  WHY\n");
  BOOST_TEST(perdura({"count"}).out
             == "Running    1\nCompleted  3\nTotal      4\n");
}

// A verb that changes an existing instance prints nothing if it succeeds.
BOOST_AUTO_TEST_CASE(control_verbs_succeed_without_output) {
  perdura({"start", "Approval", "--id", "a"});
  for (const char* verb : {"suspend", "resume"}) {
    const outcome done = perdura({verb, "a", "--reason", "why not"});
    BOOST_TEST(done.code == 0);
    BOOST_TEST(done.out.empty());
  }
  BOOST_TEST(
    perdura({"signal", "a", "Approval", "--data", R"({"ok":true})"}).code == 0);
  BOOST_TEST(ended("a").at("output").at("ok") == true);
  BOOST_TEST(perdura({"terminate", "a"}).code == 2);
  BOOST_TEST(perdura({"rewind", "a"}).code == 2);
  BOOST_TEST(perdura({"raise-event", "nope", "E"}).code == 3);
  BOOST_TEST(perdura({"restart", "nope"}).code == 3);
  BOOST_TEST(perdura({"restart", "a", "--same-id"}).out == "a\n");
  BOOST_TEST(perdura({"terminate", "a", "--reason", "enough"}).code == 0);
  BOOST_TEST(ended("a").at("output") == "enough");
  const outcome urls = perdura({"urls", "a"});
  BOOST_TEST(urls.out.find("rewindPostUri") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(rewind_repeats_the_failed_work) {
  perdura({"run", "FailsOnce", "--id", "a"});
  BOOST_TEST(perdura({"rewind", "a", "--reason", "fixed"}).code == 0);
  BOOST_TEST(ended("a").at("runtimeStatus") == "Completed");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(cli_usage)

BOOST_AUTO_TEST_CASE(usage_errors_are_exit_code_2) {
  BOOST_TEST(run_perdura({}).code == 2);
  BOOST_TEST(run_perdura({"explode"}).code == 2);
  BOOST_TEST(run_perdura({"get"}).code == 2);
  BOOST_TEST(run_perdura({"list", "-o", "xml"}).code == 2);
  BOOST_TEST(run_perdura({"list", "--url", "ftp://a"}).code == 2);
  BOOST_TEST(run_perdura({"serve"}).code == 2);
  BOOST_TEST(run_perdura({"dev", "--http", "here"}).code == 2);
  BOOST_TEST(run_perdura({"dev", "--http", "0.0.0.0:0"}).code == 2);
}

BOOST_AUTO_TEST_CASE(help_and_version_are_exit_code_0) {
  BOOST_TEST(run_perdura({"--help"}).code == 0);
  BOOST_TEST(run_perdura({"start", "--help"}).out.find("--input")
             != std::string::npos);
  BOOST_TEST(run_perdura({"--version"}).out.starts_with("Perdura "));
}

// The error message names --url, the option that selects the node.
BOOST_AUTO_TEST_CASE(unreachable_node_is_exit_code_4) {
  // A port on which no server listens any more.
  std::string url;
  {
    http_fixture gone;
    url = gone.host->url();
  }
  const outcome unreachable = run_perdura({"get", "a", "--url", url});
  BOOST_TEST(unreachable.code == 4);
  BOOST_TEST(unreachable.err.find("--url") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(hub_is_created_only_once) {
  temp_directory directory;
  const std::string place = (directory.path() / "hub").string();
  const outcome missing
    = run_perdura({"serve", "--data-dir", place, "--http", "127.0.0.1:0"});
  BOOST_TEST(missing.code != 0);
  BOOST_TEST(missing.err.find("hub create") != std::string::npos);
  const outcome made
    = run_perdura({"hub", "create", "--data-dir", place, "--partitions", "4",
                   "--task-hub", "orders"});
  BOOST_TEST(made.code == 0);
  BOOST_TEST(made.out.starts_with("Hub \"orders\" with 4 partitions created in "
                                  + place + ".\n"));
  BOOST_TEST(run_perdura({"hub", "create", "--data-dir", place}).code == 4);
}

BOOST_AUTO_TEST_CASE(hub_is_adopted_only_if_the_loss_is_accepted) {
  temp_directory directory;
  const std::string place = (directory.path() / "data").string();
  BOOST_TEST(run_perdura({"hub", "adopt", place, "--accept-loss"}).code == 2);
  BOOST_TEST(
    run_perdura({"hub", "create", "--data-dir", place, "--partitions", "4"})
      .code
    == 0);
  const outcome asked = run_perdura({"hub", "adopt", place});
  BOOST_TEST(asked.code == 2);
  BOOST_TEST(asked.err_contains("Nothing was changed"));
  BOOST_TEST(asked.err_contains("--accept-loss"));
  const outcome done = run_perdura({"hub", "adopt", place, "--accept-loss"});
  BOOST_TEST(done.code == 0, done.err);
  BOOST_TEST(done.out_contains("Adopted " + place));
  BOOST_TEST(run_perdura({"check", "--data-dir", place}).code == 0);
}

BOOST_AUTO_TEST_CASE(dev_prints_a_result_and_keeps_the_given_directory) {
  temp_directory directory;
  const std::string place = (directory.path() / "data").string();
  const outcome kept = run_perdura(
    {"dev", "--once", "--http", "127.0.0.1:0", "--data-dir", place});
  BOOST_TEST(kept.code == 0);
  BOOST_TEST(kept.out.ends_with(
    "\n[\"Hello Tokyo!\",\"Hello Seattle!\",\"Hello London!\"]\n"));
  BOOST_TEST(kept.out.find("HTTP            http://127.0.0.1:")
             != std::string::npos);
  BOOST_TEST(kept.out.find(place) != std::string::npos);
  BOOST_TEST(kept.out.find("The data is deleted") == std::string::npos);
  BOOST_TEST(kept.out_contains("/metrics\n"));
  BOOST_TEST(std::filesystem::exists(place));
}

BOOST_AUTO_TEST_CASE(listen_addresses_have_several_forms) {
  BOOST_TEST(parse_listen_address("127.0.0.2:80")->address == "127.0.0.2");
  BOOST_TEST(parse_listen_address("7071")->port == 7071);
  BOOST_TEST(parse_listen_address(":7071")->address == "127.0.0.1");
  BOOST_TEST(parse_listen_address("[::1]:1")->address == "::1");
  for (const char* bad : {"", ":", "a:b", "::1:80", "1:70000", "1:-1"})
    BOOST_TEST(!parse_listen_address(bad).has_value(), bad);
}

BOOST_AUTO_TEST_SUITE_END()
