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

sourced_configuration parsed(std::string_view text) {
  sourced_configuration read = parse_configuration(text, "etc/node.toml");
  read.check_together();
  return read;
}

/// The only problem of a text.
std::string problem_of(std::string_view text) {
  const sourced_configuration read = parsed(text);
  BOOST_REQUIRE_EQUAL(read.problems.size(), 1U);
  return read.problems.front();
}

/// Another value than the default, of the setting's kind and in range.
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
    return std::string(of.words.back());
  case setting_kind::text:
    return std::string(of.path == "http.address" ? "::1" : "a \\ b");
  case setting_kind::path:
    return std::string("/some where/else");
  }
  return {};
}

} // namespace

BOOST_AUTO_TEST_SUITE(configuration_settings)

BOOST_AUTO_TEST_CASE(every_setting_lands_in_a_place_of_its_own) {
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
    BOOST_TEST(each.objection(each.get(configuration())).empty(), each.path);
    BOOST_TEST((each.get(changed) == another(each)), each.path);
  }
}

BOOST_AUTO_TEST_CASE(what_is_shown_can_be_read_again) {
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

BOOST_AUTO_TEST_CASE(an_empty_file_leaves_the_defaults) {
  const sourced_configuration read = parsed("");
  BOOST_TEST(read.problems.empty());
  for (const setting& each : settings())
    BOOST_TEST(read.origin_of(each.path) == "default");
}

BOOST_AUTO_TEST_CASE(values_land_and_say_where_they_come_from) {
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
                                            "[log]\n"
                                            "level = \"error\"\n");
  BOOST_TEST(read.problems.empty());
  const auto& node = read.values.host.node;
  const auto& door = read.values.host.door;
  BOOST_TEST(node.data_dir == "etc/hub");
  BOOST_TEST((node.stop_patience == 1min));
  BOOST_TEST((door.hosts == std::vector<std::string>{"a", "b"}));
  BOOST_TEST(door.tls_key_file == "/k.pem");
  BOOST_TEST(door.tls_certificate_file == "c");
  BOOST_TEST(node.storage_bytes_max == std::uint64_t{2} << 30U);
  BOOST_TEST(door.body_bytes_max == 1000U);
  BOOST_TEST((read.values.log.level == perdura::persistence::log_level::error));
  BOOST_TEST(read.origin_of("node.stop_patience") == "etc/node.toml:3");
  BOOST_TEST(read.origin_of("http.tls.key_file") == "etc/node.toml:7");
  BOOST_TEST(read.origin_of("http.port") == "default");
}

BOOST_AUTO_TEST_CASE(each_mistake_is_a_sentence_with_its_place) {
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
             == "etc/node.toml:2:8: http.port wants a whole number from 0 to "
                "65535, not \"many\".");
  BOOST_TEST(problem_of("[http]\nport = 65536\n")
             == "etc/node.toml:2:8: http.port wants a whole number from 0 to "
                "65535, not 65536.");
  BOOST_TEST(problem_of("[http.port]\n")
             == "etc/node.toml:1:1: http.port wants a whole number from 0 to "
                "65535, not a section.");
  BOOST_TEST(problem_of("[http]\nhosts = [\"a\", 1]\n")
             == "etc/node.toml:2:9: http.hosts wants a list of texts, not a "
                "list.");
  BOOST_TEST(problem_of("[hub]\ncreate = \"yes\"\n")
             == "etc/node.toml:2:10: hub.create wants true or false, not "
                "\"yes\".");
  BOOST_TEST(problem_of("[log]\nlevel = \"loud\"\n")
             == "etc/node.toml:2:9: log.level wants debug, info, warning, "
                "error or off, not \"loud\".");
  BOOST_TEST(problem_of("[node]\nstop_patience = 30\n")
             == "etc/node.toml:2:17: node.stop_patience wants a time from 0 s "
                "to 36500 d, not 30.");
  BOOST_TEST(problem_of("[node]\nstop_patience = \"30\"\n")
             == "etc/node.toml:2:17: node.stop_patience: \"30\" has no unit; "
                "write it like \"250 ms\", \"30 s\", \"10 min\", \"12 h\" or "
                "\"30 d\".");
  BOOST_TEST(problem_of("[node]\nstop_patience = \"40000 d\"\n")
             == "etc/node.toml:2:17: node.stop_patience wants a time from 0 s "
                "to 36500 d, not \"40000 d\".");
  BOOST_TEST(problem_of("[limits]\nbody_bytes_max = \"1 MB\"\n")
             == "etc/node.toml:2:18: limits.body_bytes_max: \"1 MB\" has an "
                "unknown unit; write it like \"64 KiB\", \"1 MiB\" or 65536.");
  BOOST_TEST(problem_of("[node]\ndata_dir = \"a\\u0000b\"\n")
             == "etc/node.toml:2:12: node.data_dir holds a control character.");
  BOOST_TEST(problem_of("[http]\naddress = \"localhost\"\n")
             == "etc/node.toml:2: http.address wants a numeric address, such "
                "as 127.0.0.1 or ::1, not \"localhost\".");
  BOOST_TEST(problem_of("[http.tls]\nkey_file = \"k\"\n")
             == "etc/node.toml:2: http.tls.key_file needs "
                "http.tls.certificate_file beside it.");
}

// What a list must hold is only known once all of it is there.
BOOST_AUTO_TEST_CASE(a_cluster_that_cannot_be_is_a_sentence_with_its_place) {
  const std::string nodes
    = "nodes = [\"node-1=127.0.0.1:7171\", \"node-2=127.0.0.1:7172\"]\n";
  const auto told = [](const std::string& lines, const std::string& place,
                       const std::string& word) {
    const std::string sentence = problem_of("[cluster]\n" + lines);
    BOOST_TEST(sentence.starts_with("etc/node.toml:" + place + ": "), sentence);
    BOOST_TEST(sentence.find(word) != sentence.npos, sentence);
  };
  BOOST_TEST(parsed("[cluster]\nnode = \"node-1\"\n" + nodes).problems.empty());
  told("node = \"node-1\"\n", "2", "cluster.node needs cluster.nodes");
  told(nodes, "2", "cluster.nodes needs cluster.node");
  told("node = \"node-9\"\n" + nodes, "2", "\"node-9\" is not in the list");
  told("node = \"a\"\nnodes = [\"a\"]\n", "3", "NAME=HOST:PORT");
  told("node = \"A\"\nnodes = [\"A=127.0.0.1:1\"]\n", "3",
       "no name for a node");
  told("node = \"a\"\nnodes = [\"a=127.0.0.1:1\", \"a=127.0.0.1:2\"]\n", "3",
       "twice");
  told("node = \"a\"\nnodes = [\"a=h.example:1\"]\n", "3", "cluster.listen");
  told("node = \"a\"\nnodes = [\"a=10.0.0.1:1\"]\n", "3", "without TLS");
  told("node = \"node-1\"\n" + nodes + "listen = \"here\"\n", "4",
       "\"here\" is no address");
  told("node = \"node-1\"\n" + nodes + "listen = \"0.0.0.0:1\"\n", "4",
       "without TLS");
  told("node = \"node-1\"\n" + nodes + "tls.key_file = \"k\"\n", "4",
       "all three or none");
  told("heartbeat_interval = \"2 s\"\nsilence_max = \"3 s\"\n", "3",
       "at least twice cluster.heartbeat_interval, 4 s, not 3 s.");
  BOOST_TEST(problem_of("[hub]\nid = \"me\"\n")
             == "etc/node.toml:2: hub.id wants 32 hex digits (0-9, a-f), not "
                "\"me\".");
}

BOOST_AUTO_TEST_CASE(what_is_not_toml_is_said_with_its_place) {
  const std::string broken = problem_of("[http]\nport = \n");
  BOOST_TEST(broken.starts_with("etc/node.toml:2:"), broken);
  BOOST_TEST(broken.find("This is not TOML: ") != broken.npos, broken);
  BOOST_TEST(
    problem_of("[http]\nport = 1\nport = 2\n").starts_with("etc/node.toml:3:"));
  for (const char* bad : {"\xFF", "a", "[", "= 1", "a = \"", "\"\\q\" = 1"})
    BOOST_TEST(parsed(bad).problems.size() == 1U, bad);
}

// toml++ and the units quote the file as it is.
BOOST_AUTO_TEST_CASE(a_sentence_stays_a_line_whatever_it_quotes) {
  for (const char* bad :
       {"[http]\ninsecure = tr\nport = 1\n", "[http]\ninsecure = t\x1b[2J\n",
        "[node]\nstop_patience = \"30\\n\\u001b[2J\"\n",
        "[cluster]\nnode = \"a\"\nnodes = [\"\\u001b[2J\"]\n"}) {
    const std::string sentence = problem_of(bad);
    BOOST_TEST(sentence.find_first_of("\n\x1b") == sentence.npos, sentence);
  }
}

BOOST_AUTO_TEST_CASE(all_mistakes_are_told_from_top_to_bottom) {
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

// toml++ goes down once a part, and would end the stack.
BOOST_AUTO_TEST_CASE(a_key_without_end_is_refused) {
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

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_read_is_a_sentence) {
  temp_directory directory;
  const std::string nowhere = (directory.path() / "nope.toml").string();
  BOOST_TEST(read_configuration(nowhere).problems.front()
             == "Cannot read \"" + nowhere + "\": No such file or directory.");
  BOOST_TEST(read_configuration(directory.path().string()).problems.front()
             == "Cannot read \"" + directory.path().string()
                  + "\": it is a directory.");
}

BOOST_AUTO_TEST_CASE(a_flag_goes_over_the_file) {
  sourced_configuration read = parsed("[hub]\npartitions = 8\n");
  read.override_with("hub.partitions", std::int64_t{16}, "--partitions");
  BOOST_TEST(read.values.host.node.partition_count == 16U);
  BOOST_TEST(read.origin_of("hub.partitions") == "flag --partitions");
  read.override_with("hub.partitions", std::int64_t{0}, "--partitions");
  BOOST_TEST(read.problems.front()
             == "--partitions: hub.partitions wants a whole number from 1 to "
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
