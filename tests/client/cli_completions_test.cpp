// SPDX-License-Identifier: Apache-2.0
// Completion scripts for bash, zsh and fish. The expected verbs and options are
// read from the help texts.
#include "tests/client/command_line_runner.hpp"
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
  BOOST_TEST(completes("perdura describe a --wa", 3, "--watch"));
  BOOST_TEST(completes("perdura config show --part", 3, "--partitions"));
}

BOOST_AUTO_TEST_CASE(unknown_shell_is_a_usage_error) {
  BOOST_TEST(run_perdura({"completions", "csh"}).code == 2);
  BOOST_TEST(run_perdura({"completions"}).code == 2);
}

BOOST_AUTO_TEST_SUITE_END()
