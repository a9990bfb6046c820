// SPDX-License-Identifier: Apache-2.0
// The verb `check`, and files that only their owner can read.
#include "client/cli/check_verb.hpp"
#include "client/cli/private_file.hpp"
#include "tests/client/command_line_runner.hpp"
#include "tests/support/temp_directory.hpp"

#include <boost/test/unit_test.hpp>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>

namespace perdura::tests {

namespace {

/// The output of `check` if it finds `count` problems.
std::string output_with_problems(std::size_t count) {
  persistence::verification found;
  found.problems.assign(count, "a problem");
  std::istringstream in;
  std::ostringstream out;
  client::terminal io{in, out, out, false};
  BOOST_TEST(client::print_verification(found, io) != 0);
  return out.str();
}

/// Sets how a signal is handled, until the end of the scope.
class signal_handling {
public:
  signal_handling(int number, void (*handler)(int))
    : number_(number), before_(std::signal(number, handler)) {}

  ~signal_handling() {
    std::signal(number_, before_);
  }

private:
  int number_;
  void (*before_)(int);
};

} // namespace

BOOST_AUTO_TEST_SUITE(cli_check)

// Regression: a list that was cut at 100 problems was called "100 problems".
BOOST_AUTO_TEST_CASE(a_full_list_of_problems_is_not_called_complete) {
  BOOST_TEST(output_with_problems(persistence::problems_max)
               .find("\nAt least 100 problems.")
             != std::string::npos);
  BOOST_TEST(output_with_problems(2).find("\n2 problems.")
             != std::string::npos);
}

// Regression: with SIGCHLD ignored, every check succeeded.
BOOST_AUTO_TEST_CASE(a_check_without_an_exit_code_does_not_succeed) {
  const signal_handling ignored(SIGCHLD, SIG_IGN);
  const temp_directory empty;
  std::filesystem::create_directory(empty.path() / "hub");
  const outcome checked
    = run_perdura({"check", "--data-dir", (empty.path() / "hub").string()});
  BOOST_TEST(checked.code != 0);
  BOOST_TEST(checked.err_contains("exit code"), checked.err);
}

// The verbs that work on a directory without a node.
BOOST_AUTO_TEST_CASE(a_directory_is_an_argument_or_an_option) {
  const temp_directory home;
  const std::string hub = (home.path() / "hub").string();
  const std::string other = (home.path() / "other").string();
  for (const std::string& each : {hub, other})
    BOOST_TEST(
      run_perdura({"hub", "create", "--data-dir", each, "--partitions", "2"})
        .code
      == 0);
  const auto run = [](std::vector<std::string> verb,
                      const std::vector<std::string>& directories) {
    verb.insert(verb.end(), directories.begin(), directories.end());
    return run_perdura(verb);
  };
  for (const std::vector<std::string>& verb :
       {std::vector<std::string>{"check"},
        {"compact"},
        {"hub", "adopt", "--accept-loss"}}) {
    const std::string& name = verb.front();
    for (const std::vector<std::string>& directories :
         {std::vector<std::string>{hub},
          {"--data-dir", hub},
          {"--data-dir=" + hub},
          {hub, "--data-dir", hub},
          {"--data-dir", hub + "/", hub},
          {hub, "--data-dir", hub + "/../hub"}}) {
      const outcome ran = run(verb, directories);
      BOOST_TEST(ran.code == 0, name << ": " << ran.err);
    }
    const outcome both = run(verb, {hub, "--data-dir", other});
    BOOST_TEST(both.code == 2, name);
    BOOST_TEST(both.err_contains("another directory"), both.err);
    BOOST_TEST(both.err_contains(other));
    const outcome none = run(verb, {});
    BOOST_TEST(none.code == 2, name);
    BOOST_TEST(none.err_contains("--data-dir DIR"), none.err);
    BOOST_TEST(run(verb, {""}).code == 2, name);
    BOOST_TEST(run(verb, {"--data-dir", ""}).code == 2, name);
    BOOST_TEST(run(verb, {hub, other}).code == 2, name);
  }
}

// Damage and a directory that cannot be read have different exit codes.
BOOST_AUTO_TEST_CASE(check_tells_damage_from_a_directory_it_cannot_read) {
  const temp_directory home;
  const std::string hub = (home.path() / "hub").string();
  const auto check = [](const std::string& directory) {
    return run_perdura({"check", "--data-dir", directory});
  };
  BOOST_TEST(check(hub).code == client::exit_usage);
  BOOST_TEST_REQUIRE(run_perdura({"hub", "create", "--data-dir", hub}).code
                     == 0);
  const outcome sound = check(hub);
  BOOST_TEST(sound.code == client::exit_ok, sound.err);
  for (const char* name :
       {"lane-0/views/data.mdb", "lane-0/journal/data.mdb", "hub"}) {
    const std::filesystem::path file = home.path() / "hub" / name;
    const auto size = std::filesystem::file_size(file);
    std::filesystem::copy_file(file, home.path() / "saved");
    std::filesystem::resize_file(file, size / 3);
    const outcome damaged = check(hub);
    BOOST_TEST(damaged.code == client::exit_instance_failed, name);
    std::filesystem::remove(file);
    std::filesystem::rename(home.path() / "saved", file);
  }
  BOOST_TEST(check(hub).code == client::exit_ok);
  std::filesystem::remove(home.path() / "hub/hub");
  BOOST_TEST(check(hub).code == client::exit_usage);
  BOOST_TEST(check((home.path() / "none").string()).code == client::exit_usage);
}

// Regression: a write that ended early was reported as a full disk.
BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_written_whole_names_the_reason) {
  const signal_handling ignored(SIGXFSZ, SIG_IGN);
  const temp_directory directory;
  rlimit before{};
  BOOST_TEST_REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const rlimit small{1000, before.rlim_max};
  BOOST_TEST_REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const auto path = directory.path() / "key.pem";
  const auto written = client::write_new_file(path, std::string(2000, 'x'));
  ::setrlimit(RLIMIT_FSIZE, &before);
  BOOST_TEST_REQUIRE(!written);
  BOOST_TEST(written.error().message.find("File too large")
               != std::string::npos,
             written.error().message);
  BOOST_TEST(!std::filesystem::exists(path));
}

// Regression: the option took --help as its value, and a request was sent.
BOOST_AUTO_TEST_CASE(help_after_an_option_prints_the_help) {
  for (const char* option : {"--status", "--prefix", "--watch"})
    for (const char* help : {"--help", "-h"}) {
      const outcome shown = run_perdura({"list", option, help});
      BOOST_TEST(shown.code == 0, option);
      BOOST_TEST(shown.out_contains("List instances"), shown.err);
    }
  BOOST_TEST(run_perdura({"list", "--name=--help", "--status="}).code == 2);
}

BOOST_AUTO_TEST_CASE(rebuild_of_views_keeps_the_old_file_and_checks_the_new) {
  const temp_directory home;
  const std::filesystem::path hub = home.path() / "hub";
  const auto rebuild = [&] {
    return run_perdura(
      {"check", "--rebuild-views", "--data-dir", hub.string()});
  };
  BOOST_TEST(rebuild().code == client::exit_usage); // there is no hub
  BOOST_TEST_REQUIRE(
    run_perdura({"hub", "create", "--data-dir", hub.string()}).code == 0);
  const outcome made = rebuild();
  // A process of its own has checked the directory; the exit code is that of
  // the check.
  BOOST_TEST(made.code == client::exit_ok, made.out);
  BOOST_TEST(made.out.find("Nothing was lost.") != std::string::npos, made.out);
  BOOST_TEST(
    std::filesystem::exists(hub / "lane-0" / "views" / "data.mdb.damaged"));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
