// SPDX-License-Identifier: Apache-2.0
// The systemd unit in configs/perdura.service.
#include "client/cli/terminal.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/temp_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace perdura::tests {

namespace {

namespace fs = std::filesystem;

const std::string installed_binary = "/usr/local/bin/perdura";

std::string shown_unit() {
  const char* root = std::getenv("PERDURA_SOURCE_DIR");
  std::ifstream file(fs::path(root == nullptr ? "." : root)
                     / "configs/perdura.service");
  return {std::istreambuf_iterator<char>(file), {}};
}

bool has_systemd_analyze() {
  child_process version({"systemd-analyze", "--version"});
  while (version.receive(std::chrono::seconds(60)))
    continue;
  return version.wait() == 0;
}

} // namespace

BOOST_AUTO_TEST_SUITE(service_unit)

BOOST_AUTO_TEST_CASE(
  systemd_accepts_the_unit,
  *boost::unit_test::precondition([](boost::unit_test::test_unit_id) {
    return boost::test_tools::assertion_result(has_systemd_analyze());
  })) {
  temp_directory directory;
  std::string text = shown_unit();
  const std::size_t at = text.find("ExecStart=" + installed_binary + ' ');
  BOOST_REQUIRE(at != text.npos);
  // systemd-analyze would report that the binary of the unit does not exist, so
  // the test inserts the path of the tested binary.
  text.replace(at + std::string("ExecStart=").size(), installed_binary.size(),
               std::getenv("PERDURA_BINARY"));
  const fs::path unit = directory.path() / "perdura.service";
  std::ofstream(unit) << text;
  child_process verify({"systemd-analyze", "verify", unit.string()});
  // An unknown key is reported as a warning with exit code 0. Warnings about
  // other units of this machine do not count.
  while (const auto line = verify.receive(std::chrono::seconds(60)))
    BOOST_TEST(line->find("perdura.service") == line->npos, *line);
  BOOST_TEST(verify.wait() == 0);
}

// SIGINT is the signal of Ctrl-C; the node stops in order.
BOOST_AUTO_TEST_CASE(unit_stops_the_node_with_sigint_and_is_hardened) {
  const std::string text = shown_unit();
  for (const char* line :
       {"KillSignal=SIGINT", "Restart=on-failure", "NoNewPrivileges=yes",
        "ProtectSystem=strict", "StateDirectory=perdura", "User=perdura"})
    BOOST_TEST(text.find(std::string("\n") + line + '\n') != text.npos, line);
}

// Regression: systemd restarted a node that the other nodes refuse for ever.
BOOST_AUTO_TEST_CASE(unit_does_not_restart_a_node_in_vain) {
  const std::string text = shown_unit();
  const std::string codes = std::to_string(client::exit_node_refused) + ' '
                            + std::to_string(client::exit_usage);
  BOOST_TEST(text.find("\nRestartPreventExitStatus=" + codes + '\n')
             != text.npos);
  // The exit codes of such a node.
  for (const persistence::errc code :
       {persistence::errc::storage_missing, persistence::errc::storage_foreign,
        persistence::errc::storage_format, persistence::errc::invalid_argument})
    BOOST_TEST(client::exit_code_of(code) == client::exit_usage);
  // These may pass, so the node is started again, but not without end.
  for (const persistence::errc code :
       {persistence::errc::unavailable, persistence::errc::storage_in_use,
        persistence::errc::storage_failed})
    BOOST_TEST(codes.find(std::to_string(client::exit_code_of(code)))
               == codes.npos);
  for (const char* key : {"StartLimitIntervalSec=", "StartLimitBurst="})
    BOOST_TEST(text.find(key) < text.find("[Service]"), key);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
