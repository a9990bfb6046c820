// The lines that the README shows do what it says they do.
#include "tests/support/served_node.hpp"
#include "tests/support/temp_directory.hpp"

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

/// The lines in the README's ```sh blocks that begin so.
std::vector<std::string> shown_lines(const std::string& beginning) {
  std::ifstream file(std::string(std::getenv("PERDURA_SOURCE_DIR"))
                     + "/README.md");
  std::vector<std::string> found;
  bool is_shell = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("```"))
      is_shell = line == "```sh";
    else if (is_shell && line.starts_with(beginning))
      found.push_back(line);
  }
  return found;
}

struct said {
  int code = 0;
  std::string text;
};

said run(const std::string& line,
         const std::vector<std::string>& environment = {}) {
  child_process shell({"sh", "-c", line}, environment);
  said result;
  while (const auto heard = shell.receive(std::chrono::seconds(60)))
    result.text += *heard + '\n';
  result.code = shell.wait();
  return result;
}

} // namespace

BOOST_AUTO_TEST_SUITE(readme)

BOOST_AUTO_TEST_CASE(its_curl_lines_get_the_status_that_stands_there) {
  const served_node node;
  const auto lines = shown_lines("curl ");
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

BOOST_AUTO_TEST_CASE(its_verbs_work_in_their_order) {
  const served_node node;
  std::string source = std::getenv("PERDURA_SOURCE_DIR");
  std::string all;
  for (const std::string& line : shown_lines(shown_binary)) {
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

BOOST_AUTO_TEST_CASE(the_keys_it_makes_are_taken) {
  const temp_directory directory;
  std::string script = "cd '" + directory.path().string() + "'";
  for (const char* beginning : {"mkdir ", "echo ", "chmod "})
    for (const std::string& line : shown_lines(beginning))
      script += " && " + line;
  const auto outcome = run(
    script + " && '" + std::getenv("PERDURA_BINARY")
    + "' get nobody --key-file secrets/keys --url http://127.0.0.1:1; echo $?");
  // The file is good, and nobody is there.
  BOOST_TEST(outcome.text.ends_with("4\n"), outcome.text);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
