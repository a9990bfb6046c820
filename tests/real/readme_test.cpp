// SPDX-License-Identifier: Apache-2.0
// Runs the commands that README.md shows.
#include "tests/support/dev_server.hpp"
#include "tests/support/temp_directory.hpp"

#include "real/cluster_up_process.hpp"
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace perdura::tests {

namespace {

const std::string shown_url = "http://127.0.0.1:7071";
const std::string shown_binary = "build/release/perdura ";

std::string replaced(std::string text, const std::string& what,
                     const std::string& by) {
  for (std::size_t at = 0; (at = text.find(what, at)) != text.npos;
       at += by.size())
    text.replace(at, what.size(), by);
  return text;
}

constexpr const char* cluster_section = "## A cluster";

/// The lines in the README's ```sh blocks that begin with `beginning`. Only the
/// blocks of `section` count. If `section` is empty, the blocks of all sections
/// except the section about clusters count.
std::vector<std::string> readme_lines(const std::string& beginning,
                                      const std::string& section = {}) {
  std::ifstream file(std::string(std::getenv("PERDURA_SOURCE_DIR"))
                     + "/README.md");
  std::vector<std::string> found;
  bool is_shell = false;
  bool is_wanted = section.empty();
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("## "))
      is_wanted = section.empty() ? line != cluster_section : line == section;
    if (!is_wanted)
      continue;
    if (line.starts_with("```"))
      is_shell = line == "```sh";
    else if (is_shell && line.starts_with(beginning))
      found.push_back(line);
  }
  return found;
}

struct shell_result {
  int code = 0;
  std::string text;
};

/// Runs a line in a shell; `environment` holds entries NAME=VALUE.
shell_result run(const std::string& line,
                 const std::vector<std::string>& environment = {}) {
  child_process shell({"sh", "-c", line}, environment);
  shell_result result;
  while (const auto output = shell.receive(std::chrono::seconds(60)))
    result.text += *output + '\n';
  result.code = shell.wait();
  return result;
}

} // namespace

BOOST_AUTO_TEST_SUITE(readme)

// Each command ends with a comment that holds the expected status.
BOOST_AUTO_TEST_CASE(curl_commands_get_the_documented_status) {
  const dev_server node;
  const auto lines = readme_lines("curl ");
  BOOST_TEST(lines.size() > 10U);
  for (const std::string& line : lines) {
    const std::size_t comment = line.rfind('#');
    BOOST_REQUIRE_MESSAGE(comment != line.npos, line);
    const std::string expected = line.substr(comment + 2);
    const auto answer
      = run(replaced(line.substr(0, comment), shown_url, node.url())
            + " -sS -o /dev/null -w '%{http_code}\\n'");
    BOOST_TEST(answer.text == expected + '\n', line << ": " << answer.text);
  }
}

BOOST_AUTO_TEST_CASE(perdura_commands_succeed_in_their_order) {
  const dev_server node;
  std::string source = std::getenv("PERDURA_SOURCE_DIR");
  std::string all;
  for (const std::string& line : readme_lines(shown_binary)) {
    const auto outcome = run(
      "cd '" + source + "' && "
        + replaced(line, shown_binary,
                   "'" + std::string(std::getenv("PERDURA_BINARY")) + "' "),
      {"PERDURA_URL=" + node.url()});
    BOOST_TEST(outcome.code == 0, line << ": " << outcome.text);
    all += outcome.text;
  }
  for (const char* word :
       {"Hello Tokyo!", "order-17", "EventRaised", "Completed", "http"})
    BOOST_TEST(all.find(word) != std::string::npos, word);
}

BOOST_AUTO_TEST_CASE(cluster_commands_succeed) {
  const auto lines = readme_lines(shown_binary, cluster_section);
  BOOST_REQUIRE(lines.size() == 5U);
  BOOST_TEST(lines[0].find("cluster up --nodes 3 --data-dir ")
             != std::string::npos);
  const temp_directory home;
  cluster_up_process cluster(
    {"--nodes", "3", "--data-dir", (home.path() / "cluster").string()});
  cluster.expect_up();
  BOOST_REQUIRE(cluster.nodes.size() == 3U);
  for (std::size_t i = 1; i < lines.size() - 1; ++i) {
    std::string line
      = replaced(lines[i], shown_binary,
                 "'" + std::string(std::getenv("PERDURA_BINARY")) + "' ");
    line = replaced(line, "http://127.0.0.1:7072", cluster.nodes[1].url);
    const auto outcome = run("cd '" + home.path().string() + "' && " + line,
                             {"PERDURA_URL=" + cluster.nodes[0].url});
    BOOST_TEST(outcome.code == 0, line << ": " << outcome.text);
  }
  // The last command starts another node; only its configuration is checked.
  const std::string config = lines.back().substr(lines.back().find("configs/"));
  const auto valid
    = run("cd '" + std::string(std::getenv("PERDURA_SOURCE_DIR")) + "' && '"
          + std::getenv("PERDURA_BINARY") + "' config validate " + config);
  BOOST_TEST(valid.code == 0, valid.text);
}

// The README creates the file with mkdir, echo and chmod.
BOOST_AUTO_TEST_CASE(documented_keys_file_is_accepted) {
  const temp_directory directory;
  std::string script = "cd '" + directory.path().string() + "'";
  for (const char* beginning : {"mkdir ", "echo ", "chmod "})
    for (const std::string& line : readme_lines(beginning))
      script += " && " + line;
  const auto outcome = run(script + " && '" + std::getenv("PERDURA_BINARY")
                           + "' get unknown --key-file secrets/keys --url "
                             "http://127.0.0.1:1; echo $?");
  // Exit code 4 means that the command found no server. The command reads the
  // key file before it connects, so it has read the file without an error.
  BOOST_TEST(outcome.text.ends_with("4\n"), outcome.text);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
