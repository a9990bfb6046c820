// SPDX-License-Identifier: Apache-2.0
// Completion scripts for bash, zsh and fish. The expected verbs and options are
// read from the help texts.
#include "tests/client/cli_fixture.hpp"
#include "tests/support/temp_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <fstream>
#include <regex>

using namespace perdura::tests;

namespace {

/// The names in one section of a verb's help: its verbs, or its options.
std::vector<std::string> names_in_help(const std::vector<std::string>& path,
                                       const std::string& head,
                                       const std::regex& name) {
  std::vector<std::string> arguments = path;
  arguments.push_back("--help");
  const std::string help = run_perdura(arguments).out;
  const std::size_t from = help.find('\n' + head + ":\n");
  std::vector<std::string> names;
  if (from == help.npos)
    return names;
  const std::string part
    = help.substr(from + 1, help.find("\n\n", from) - from - 1);
  for (auto match = std::sregex_iterator(part.begin(), part.end(), name);
       match != std::sregex_iterator(); ++match)
    names.push_back((*match)[1]);
  return names;
}

std::vector<std::string> verbs_of(const std::vector<std::string>& path) {
  return names_in_help(path, "Subcommands", std::regex("\n  ([a-z][a-z-]*)"));
}

std::vector<std::string> options_of(const std::vector<std::string>& path) {
  return names_in_help(path, "Options", std::regex("[ ,](--[a-z-]+)"));
}

/// Calls `see` with the path of every verb that has no verbs below it.
template <class F>
void for_each_verb(const std::vector<std::string>& path, F see) {
  const auto below = verbs_of(path);
  if (below.empty())
    see(path);
  for (const std::string& verb : below) {
    std::vector<std::string> inner = path;
    inner.push_back(verb);
    for_each_verb(inner, see);
  }
}

std::string joined(const std::vector<std::string>& parts) {
  std::string all;
  for (const std::string& each : parts)
    all += (all.empty() ? "" : " ") + each;
  return all;
}

bool has_bash() {
  return std::system("bash -c : 2>/dev/null") == 0;
}

} // namespace

BOOST_AUTO_TEST_SUITE(cli_completions)

BOOST_AUTO_TEST_CASE(scripts_contain_every_verb_and_option_of_the_help) {
  const std::string bash = run_perdura({"completions", "bash"}).out;
  const std::string zsh = run_perdura({"completions", "zsh"}).out;
  const std::string fish = run_perdura({"completions", "fish"}).out;
  std::size_t verbs = 0;
  for_each_verb({}, [&](const std::vector<std::string>& path) {
    ++verbs;
    const std::string head = "    \"" + joined(path) + "\") choices=\"";
    for (const std::string& script : {bash, zsh}) {
      const std::size_t at = script.find(head);
      BOOST_REQUIRE_MESSAGE(at != script.npos, head);
      const std::string line
        = script.substr(at, script.find('\n', at) - at) + ' ';
      for (const std::string& option : options_of(path))
        BOOST_TEST((line.find(' ' + option + ' ') != line.npos
                    || line.find('"' + option + ' ') != line.npos),
                   joined(path) << " lacks " << option);
    }
    BOOST_TEST(fish.find(" -a " + path.back() + " -d ") != fish.npos,
               path.back());
    for (const std::string& option : options_of(path))
      BOOST_TEST(fish.find(" -l " + option.substr(2)) != fish.npos, option);
  });
  BOOST_TEST(verbs >= 20U);
  BOOST_TEST(bash.find("\"describe\") choices=") != bash.npos);
}

// The help of every verb ends with an example that begins with the verb.
BOOST_AUTO_TEST_CASE(every_verb_has_an_example) {
  for_each_verb({}, [](std::vector<std::string> path) {
    const std::string example = "\nExample: perdura " + joined(path);
    path.push_back("--help");
    BOOST_TEST(run_perdura(path).out_contains(example), example);
  });
}

BOOST_AUTO_TEST_CASE(
  bash_accepts_the_script_and_completes,
  *boost::unit_test::precondition([](boost::unit_test::test_unit_id) {
    return boost::test_tools::assertion_result(has_bash());
  })) {
  temp_directory directory;
  const std::string file = (directory.path() / "perdura.bash").string();
  std::ofstream(file) << run_perdura({"completions", "bash"}).out;
  BOOST_TEST(std::system(("bash -n " + file).c_str()) == 0);
  // Completes the word with the index `at` of a typed command line.
  const auto completes = [&](const std::string& words, int at,
                             const std::string& wanted) {
    std::ofstream(directory.path() / "try")
      << "source " << file << "\nCOMP_WORDS=(" << words
      << ")\nCOMP_CWORD=" << at << "\n_perdura\n[ \"${COMPREPLY[*]}\" = \""
      << wanted << "\" ]\n";
    return std::system(("bash " + (directory.path() / "try").string()).c_str())
           == 0;
  };
  BOOST_TEST(completes("perdura term", 1, "terminate"));
  BOOST_TEST(completes("perdura config v", 2, "validate"));
  BOOST_TEST(completes("perdura get a --wa", 3, "--watch"));
  BOOST_TEST(completes("perdura config show --part", 3, "--partitions"));
}

// A node that does not answer gives no values and no error.
BOOST_AUTO_TEST_CASE(values_without_a_node_are_empty) {
  std::string url;
  {
    http_fixture gone;
    url = gone.host->url();
  }
  for (const std::string& line :
       {"perdura get --url " + url + ' ', std::string("perdura get --url x "),
        "perdura start --url " + url + " He",
        "perdura get --key-file /no/such/file --url " + url + ' ',
        std::string(), std::string("perdura 'get a")}) {
    const outcome none = run_perdura({"complete-values", "--", line});
    BOOST_TEST(none.code == 0, line);
    BOOST_TEST(none.out.empty(), line);
    BOOST_TEST(none.err.empty(), line);
  }
}

BOOST_AUTO_TEST_CASE(the_hidden_verb_is_not_shown) {
  BOOST_TEST(!run_perdura({"--help"}).out_contains("complete-values"));
  for (const char* shell : {"bash", "zsh", "fish"})
    BOOST_TEST(
      !run_perdura({"completions", shell}).out_contains("\"complete-values\""));
}

BOOST_FIXTURE_TEST_CASE(values_come_from_the_node, cli_fixture) {
  for (const char* id : {"order-1", "order%202", "other"})
    start("Approval", id);
  start("Echo", "order-ended", "1");
  ended("order-ended");
  const auto values = [&](const std::string& line) {
    const std::string program = "perdura --url " + host->url() + ' ';
    return run_perdura({"complete-values", "--", program + line}).out;
  };
  BOOST_TEST(values("get order") == "order-1\norder 2\norder-ended\n");
  BOOST_TEST(values("describe 'order ") == "order 2\n");
  BOOST_TEST(values("terminate ord") == "order-1\norder 2\n");
  BOOST_TEST(values("purge ") == "order-ended\n");
  BOOST_TEST(values("get other ") == "");
  BOOST_TEST(values("raise-event other A") == "");
  BOOST_TEST(values("get --ou") == "");
  BOOST_TEST(values("start Hello") == "HelloSequence\n");
  BOOST_TEST(values("list --name Counte") == "Counter\n");
  BOOST_TEST(values("list --name=Counte") == "--name=Counter\n");
  BOOST_TEST(values("list --prefix oth") == "other\n");
  BOOST_TEST(values("list --status Ru") == "Running\n");
  BOOST_TEST(values("list --status Failed,Ru") == "Failed,Running\n");
  BOOST_TEST(values("list -o js") == "json\njsonl\n");
  BOOST_TEST(values("dev --log-level w") == "warning\n");
  BOOST_TEST(values("completions z") == "zsh\n");
  BOOST_TEST(values("start Echo --id ") == "");
  BOOST_TEST(values("config show --config ") == "");
}

// A program that prints two values stands for the node and the hidden verb.
BOOST_AUTO_TEST_CASE(
  bash_completes_values,
  *boost::unit_test::precondition([](boost::unit_test::test_unit_id) {
    return boost::test_tools::assertion_result(has_bash());
  })) {
  temp_directory directory;
  const std::string file = (directory.path() / "perdura.bash").string();
  std::ofstream(file) << run_perdura({"completions", "bash"}).out;
  std::ofstream(directory.path() / "try")
    << "source " << file
    << "\nvalues() { [ \"$3\" = 'values get a:b' ] && "
       "printf '%s\\n' 'a:b 1' a:b2; }\n"
       "COMP_LINE='values get a:b'\nCOMP_POINT=${#COMP_LINE}\n"
       "COMP_WORDS=(values get a : b)\nCOMP_CWORD=4\n_perdura\n"
       "[ \"${COMPREPLY[0]}\" = 'b\\ 1' ] && [ \"${COMPREPLY[1]}\" = b2 ]\n";
  BOOST_TEST(
    std::system(("bash " + (directory.path() / "try").string()).c_str()) == 0);
}

BOOST_AUTO_TEST_CASE(unknown_shell_is_a_usage_error) {
  BOOST_TEST(run_perdura({"completions", "csh"}).code == 2);
  BOOST_TEST(run_perdura({"completions"}).code == 2);
}

BOOST_AUTO_TEST_SUITE_END()
