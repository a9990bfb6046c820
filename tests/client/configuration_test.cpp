// SPDX-License-Identifier: Apache-2.0
// Settings, configuration files and the units of times and sizes.
#include "client/configuration/configuration_file.hpp"
#include "client/configuration/configuration_text.hpp"
#include "client/configuration/settings.hpp"
#include "tests/support/temp_directory.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <fstream>
#include <set>

using namespace perdura::client;
using namespace std::chrono_literals;
using perdura::tests::temp_directory;

namespace {

/// Parses the text as if it were the file etc/node.toml, and checks that the
/// settings are consistent.
sourced_configuration parsed(std::string_view text) {
  sourced_configuration read = parse_configuration(text, "etc/node.toml");
  read.check_consistency();
  return read;
}

/// Returns the problem in the text. The test fails unless there is exactly one.
std::string problem_of(std::string_view text) {
  const sourced_configuration read = parsed(text);
  BOOST_REQUIRE_EQUAL(read.problems.size(), 1U);
  return read.problems.front();
}

/// A value that is valid for the setting and differs from the default.
setting_value another(const setting& of) {
  const setting_value value = of.get(configuration());
  switch (of.kind) {
  case setting_kind::flag:
    return !std::get<bool>(value);
  case setting_kind::count:
    return std::get<std::int64_t>(value) + 1;
  case setting_kind::time:
  case setting_kind::bytes:
    return std::get<std::int64_t>(value) + 1'000;
  case setting_kind::list:
    return std::vector<std::string>{"a\"b", "ü"};
  case setting_kind::choice:
    return std::string(of.choices.back());
  case setting_kind::text:
    return std::string(of.path == "http.address" ? "::1" : "a \\ b");
  case setting_kind::path:
    return std::string("/some where/else");
  }
  return {};
}

} // namespace

BOOST_AUTO_TEST_SUITE(configuration_settings)

// Two settings that share a field would overwrite each other.
BOOST_AUTO_TEST_CASE(every_setting_changes_only_its_own_field) {
  std::set<std::string_view> paths;
  for (const setting& each : settings()) {
    BOOST_TEST(paths.insert(each.path).second, each.path);
    BOOST_TEST(each.help.ends_with('.'), each.path);
    configuration changed;
    each.set(changed, another(each));
    for (const setting& other : settings()) {
      const bool same = other.get(changed) == other.get(configuration());
      BOOST_TEST(same == (&other != &each),
                 each.path << " changes " << other.path);
    }
    BOOST_TEST(each.problem_with(each.get(configuration())).empty(), each.path);
    BOOST_TEST((each.get(changed) == another(each)), each.path);
  }
}

BOOST_AUTO_TEST_CASE(written_configuration_can_be_read_again) {
  sourced_configuration all;
  for (const setting& each : settings())
    each.set(all.values, another(each));
  const sourced_configuration again
    = parse_configuration(to_toml(all), "again.toml");
  BOOST_TEST(again.problems.empty());
  for (const setting& each : settings()) {
    BOOST_TEST((each.get(again.values) == each.get(all.values)), each.path);
    BOOST_TEST(again.origin_of(each.path).starts_with("again.toml:"));
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(configuration_files)

BOOST_AUTO_TEST_CASE(empty_file_leaves_the_defaults) {
  const sourced_configuration read = parsed("");
  BOOST_TEST(read.problems.empty());
  for (const setting& each : settings())
    BOOST_TEST(read.origin_of(each.path) == "default");
}

// Relative paths are relative to the directory of the file.
BOOST_AUTO_TEST_CASE(values_are_set_with_their_origin) {
  const sourced_configuration read = parsed("[node]\n"
                                            "data_dir = \"hub\"\n"
                                            "stop_patience = \"1 min\"\n"
                                            "[http]\n"
                                            "hosts = [ \"a\",\n  \"b\" ]\n"
                                            "tls.key_file = \"/k.pem\"\n"
                                            "tls.certificate_file = \"../c\"\n"
                                            "[limits]\n"
                                            "storage_bytes_max = \"2 GiB\"\n"
                                            "body_bytes_max = 1000\n"
                                            "disk_reserve = \"1 GiB\"\n"
                                            "disk_stall_time = \"30 s\"\n"
                                            "[log]\n"
                                            "level = \"error\"\n");
  BOOST_TEST(read.problems.empty());
  const auto& node = read.values.host.node;
  const auto& http = read.values.host.http;
  BOOST_TEST(node.data_dir == "etc/hub");
  BOOST_TEST((node.stop_patience == 1min));
  BOOST_TEST((http.hosts == std::vector<std::string>{"a", "b"}));
  BOOST_TEST(http.tls_key_file == "/k.pem");
  BOOST_TEST(http.tls_certificate_file == "c");
  BOOST_TEST(node.storage_bytes_max == std::uint64_t{2} << 30U);
  BOOST_TEST(http.body_bytes_max == 1000U);
  BOOST_TEST(node.disk_reserve == std::uint64_t{1} << 30U);
  BOOST_TEST((node.disk_stall_time == 30s));
  BOOST_TEST((read.values.log.level == perdura::persistence::log_level::error));
  BOOST_TEST(read.origin_of("node.stop_patience") == "etc/node.toml:3");
  BOOST_TEST(read.origin_of("http.tls.key_file") == "etc/node.toml:7");
  BOOST_TEST(read.origin_of("http.port") == "default");
}

// The position is FILE:LINE:COLUMN, so that editors can jump to the mistake.
BOOST_AUTO_TEST_CASE(each_mistake_is_reported_with_its_position) {
  BOOST_TEST(problem_of("[http]\nprot = 1\n")
             == "etc/node.toml:2:1: There is no setting \"http.prot\"; did you "
                "mean http.port?");
  BOOST_TEST(problem_of("[htpp]\nport = 1\n")
             == "etc/node.toml:1:2: There is no section \"htpp\"; did you mean "
                "http?");
  BOOST_TEST(problem_of("[node]\n  partition_count = 1\n")
             == "etc/node.toml:2:3: There is no setting \"node.partition_"
                "count\"; did you mean hub.partitions?");
  BOOST_TEST(problem_of("[http]\ndata_dir = 1\n")
             == "etc/node.toml:2:1: There is no setting \"http.data_dir\"; did "
                "you mean node.data_dir?");
  BOOST_TEST(problem_of("[zebra]\n")
             == "etc/node.toml:1:2: There is no section \"zebra\".");
  BOOST_TEST(problem_of("http = 1\n")
             == "etc/node.toml:1:1: http is a section: write [http].");
  BOOST_TEST(problem_of("[http]\nport = \"many\"\n")
             == "etc/node.toml:2:8: http.port must be a whole number from 0 to "
                "65535, not \"many\".");
  BOOST_TEST(problem_of("[http]\nport = 65536\n")
             == "etc/node.toml:2:8: http.port must be a whole number from 0 to "
                "65535, not 65536.");
  BOOST_TEST(problem_of("[http.port]\n")
             == "etc/node.toml:1:1: http.port must be a whole number from 0 to "
                "65535, not a section.");
  BOOST_TEST(
    problem_of("[http]\nhosts = [\"a\", 1]\n")
    == "etc/node.toml:2:9: http.hosts must be a list of strings, not a "
       "list.");
  BOOST_TEST(problem_of("[hub]\ncreate = \"yes\"\n")
             == "etc/node.toml:2:10: hub.create must be true or false, not "
                "\"yes\".");
  BOOST_TEST(problem_of("[log]\nlevel = \"loud\"\n")
             == "etc/node.toml:2:9: log.level must be debug, info, warning, "
                "error or off, not \"loud\".");
  BOOST_TEST(
    problem_of("[node]\nstop_patience = 30\n")
    == "etc/node.toml:2:17: node.stop_patience must be a time from 0 s "
       "to 36500 d, not 30.");
  BOOST_TEST(problem_of("[node]\nstop_patience = \"30\"\n")
             == "etc/node.toml:2:17: node.stop_patience: \"30\" has no unit; "
                "write it like \"250 ms\", \"30 s\", \"10 min\", \"12 h\" or "
                "\"30 d\".");
  BOOST_TEST(
    problem_of("[node]\nstop_patience = \"40000 d\"\n")
    == "etc/node.toml:2:17: node.stop_patience must be a time from 0 s "
       "to 36500 d, not \"40000 d\".");
  BOOST_TEST(problem_of("[limits]\nbody_bytes_max = \"1 MB\"\n")
             == "etc/node.toml:2:18: limits.body_bytes_max: \"1 MB\" has an "
                "unknown unit; write it like \"64 KiB\", \"1 MiB\" or 65536.");
  BOOST_TEST(problem_of("[node]\ndata_dir = \"a\\u0000b\"\n")
             == "etc/node.toml:2:12: node.data_dir holds a control character.");
  BOOST_TEST(problem_of("[http]\naddress = \"localhost\"\n")
             == "etc/node.toml:2: http.address must be a numeric address, such "
                "as 127.0.0.1 or ::1, not \"localhost\".");
  BOOST_TEST(problem_of("[http.tls]\nkey_file = \"k\"\n")
             == "etc/node.toml:2: http.tls.key_file requires "
                "http.tls.certificate_file.");
}

// A node list can only be checked once the whole file was read.
BOOST_AUTO_TEST_CASE(invalid_cluster_settings_are_reported_with_position) {
  const std::string nodes
    = "nodes = [\"node-1=127.0.0.1:7171\", \"node-2=127.0.0.1:7172\"]\n";
  const auto expect_problem
    = [](const std::string& lines, const std::string& position,
         const std::string& part) {
        const std::string sentence = problem_of("[cluster]\n" + lines);
        BOOST_TEST(sentence.starts_with("etc/node.toml:" + position + ": "),
                   sentence);
        BOOST_TEST(sentence.find(part) != sentence.npos, sentence);
      };
  BOOST_TEST(parsed("[cluster]\nnode = \"node-1\"\n" + nodes).problems.empty());
  expect_problem("node = \"node-1\"\n", "2",
                 "cluster.node requires cluster.nodes");
  expect_problem(nodes, "2", "cluster.nodes requires cluster.node");
  expect_problem("node = \"node-9\"\n" + nodes, "2",
                 "\"node-9\" is not in the list");
  expect_problem("node = \"a\"\nnodes = [\"a\"]\n", "3", "NAME=HOST:PORT");
  expect_problem("node = \"A\"\nnodes = [\"A=127.0.0.1:1\"]\n", "3",
                 "not a valid node name");
  expect_problem(
    "node = \"a\"\nnodes = [\"a=127.0.0.1:1\", \"a=127.0.0.1:2\"]\n", "3",
    "twice");
  expect_problem("node = \"a\"\nnodes = [\"a=h.example:1\"]\n", "3",
                 "cluster.listen");
  expect_problem("node = \"a\"\nnodes = [\"a=10.0.0.1:1\"]\n", "3",
                 "without TLS");
  expect_problem("node = \"node-1\"\n" + nodes + "listen = \"here\"\n", "4",
                 "\"here\" is not an address");
  expect_problem("node = \"node-1\"\n" + nodes + "listen = \"0.0.0.0:1\"\n",
                 "4", "without TLS");
  expect_problem("node = \"node-1\"\n" + nodes + "tls.key_file = \"k\"\n", "4",
                 "all three or none");
  expect_problem("heartbeat_interval = \"2 s\"\nsilence_max = \"3 s\"\n", "3",
                 "at least twice cluster.heartbeat_interval, 4 s, not 3 s.");
  BOOST_TEST(problem_of("[hub]\nid = \"me\"\n")
             == "etc/node.toml:2: hub.id must be 32 hex digits (0-9, a-f), not "
                "\"me\".");
}

BOOST_AUTO_TEST_CASE(invalid_toml_is_reported_with_its_position) {
  const std::string broken = problem_of("[http]\nport = \n");
  BOOST_TEST(broken.starts_with("etc/node.toml:2:"), broken);
  BOOST_TEST(broken.find("This is not TOML: ") != broken.npos, broken);
  BOOST_TEST(
    problem_of("[http]\nport = 1\nport = 2\n").starts_with("etc/node.toml:3:"));
  for (const char* bad : {"\xFF", "a", "[", "= 1", "a = \"", "\"\\q\" = 1"})
    BOOST_TEST(parsed(bad).problems.size() == 1U, bad);
}

// The messages quote text of the file, which can hold control characters.
BOOST_AUTO_TEST_CASE(each_message_is_one_line_without_control_characters) {
  for (const char* bad :
       {"[http]\ninsecure = tr\nport = 1\n", "[http]\ninsecure = t\x1b[2J\n",
        "[node]\nstop_patience = \"30\\n\\u001b[2J\"\n",
        "[cluster]\nnode = \"a\"\nnodes = [\"\\u001b[2J\"]\n"}) {
    const std::string sentence = problem_of(bad);
    BOOST_TEST(sentence.find_first_of("\n\x1b") == sentence.npos, sentence);
  }
}

BOOST_AUTO_TEST_CASE(all_mistakes_are_reported_in_the_order_of_the_file) {
  const sourced_configuration read
    = parsed("[node]\nz = 1\na = 1\n[http]\nport = -1\n[hub]\ncreate = 1\n");
  BOOST_REQUIRE_EQUAL(read.problems.size(), 4U);
  for (std::size_t i = 0; i < 4; ++i) {
    constexpr const char* lines[] = {":2:", ":3:", ":5:", ":7:"};
    BOOST_TEST(
      read.problems[i].starts_with(std::string("etc/node.toml") + lines[i]),
      read.problems[i]);
  }
}

// toml++ recurses once for each part of a key, so a long key would overflow the
// stack.
BOOST_AUTO_TEST_CASE(too_long_keys_and_files_are_refused) {
  std::string key = "a";
  for (int i = 0; i < 100'000; ++i)
    key += ".a";
  BOOST_TEST(problem_of(key + " = 1").find("dots") != std::string::npos);
  BOOST_TEST(problem_of(std::string((1U << 20U) + 1, '#')).find("1 MiB")
             != std::string::npos);
  BOOST_TEST(parsed(std::string(100'000, '[')).problems.size() == 1U);
  BOOST_TEST(parsed("a = " + std::string(100'000, '[')).problems.size() == 1U);
  std::string fitting = "a";
  for (int i = 0; i < 4'900; ++i)
    fitting += ".a";
  BOOST_TEST(parsed(fitting + " = 1").problems.size() == 1U);
}

BOOST_AUTO_TEST_CASE(unreadable_file_is_reported) {
  temp_directory directory;
  const std::string nowhere = (directory.path() / "nope.toml").string();
  BOOST_TEST(read_configuration(nowhere).problems.front()
             == "Cannot read \"" + nowhere + "\": No such file or directory.");
  BOOST_TEST(read_configuration(directory.path().string()).problems.front()
             == "Cannot read \"" + directory.path().string()
                  + "\": it is a directory.");
}

// Values of flags are checked like values of the file.
BOOST_AUTO_TEST_CASE(flag_overrides_the_file) {
  sourced_configuration read = parsed("[hub]\npartitions = 8\n");
  read.override_with("hub.partitions", std::int64_t{16}, "--partitions");
  BOOST_TEST(read.values.host.node.partition_count == 16U);
  BOOST_TEST(read.origin_of("hub.partitions") == "flag --partitions");
  read.override_with("hub.partitions", std::int64_t{0}, "--partitions");
  BOOST_TEST(read.problems.front()
             == "--partitions: hub.partitions must be a whole number from 1 to "
                "4096, not 0.");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(configuration_units)

BOOST_AUTO_TEST_CASE(times_have_units) {
  BOOST_TEST(parse_time("250 ms").value() == 250'000);
  BOOST_TEST(parse_time("30s").value() == 30'000'000);
  BOOST_TEST(parse_time("10 min").value() == 600'000'000);
  BOOST_TEST(parse_time("12 h").value() == 43'200'000'000);
  BOOST_TEST(parse_time("30 d").value() == 2'592'000'000'000);
  BOOST_TEST(parse_time("5 µs").value() == 5);
  for (const char* text : {"0 s", "90 s", "30 d", "1 us", "1500 ms"})
    BOOST_TEST(time_text(parse_time(text).value()) == text);
  for (const char* bad : {"", "s", "-1 s", "1.5 s", "1 S", "1 s ", "1 week",
                          "99999999999999999999 s", "99999999999999 d"})
    BOOST_TEST(!parse_time(bad), bad);
}

BOOST_AUTO_TEST_CASE(sizes_have_units) {
  BOOST_TEST(parse_bytes("64 KiB").value() == 65536);
  BOOST_TEST(parse_bytes("1MiB").value() == 1 << 20);
  for (const char* text : {"0 B", "1000 B", "1 KiB", "3 GiB", "1 TiB"})
    BOOST_TEST(bytes_text(parse_bytes(text).value()) == text);
  for (const char* bad : {"", "1", "1 KB", "9999999999999 GiB"})
    BOOST_TEST(!parse_bytes(bad), bad);
}

BOOST_AUTO_TEST_SUITE_END()
