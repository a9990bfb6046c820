// SPDX-License-Identifier: Apache-2.0
// `perdura config`, `perdura hub create` with a configuration file, and the
// example files in configs/.
#include "client/cli/config_verbs.hpp"
#include "client/configuration/configuration_text.hpp"
#include "client/configuration/settings.hpp"
#include "client/examples/samples.hpp"
#include "cluster/placement/node_list.hpp"
#include "tests/client/command_line_runner.hpp"
#include "tests/support/temp_directory.hpp"
#include <perdura/actors/authoring/registry.hpp>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

using namespace perdura::client;
using namespace perdura::tests;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

/// Writes a configuration file into a temporary directory.
struct file_fixture {
  std::string write(const std::string& text) {
    std::ofstream(file) << text;
    return file.string();
  }

  temp_directory directory;
  fs::path file = directory.path() / "node.toml";
};

fs::path configs() {
  const char* root = std::getenv("PERDURA_SOURCE_DIR");
  // If the variable is not set, the test must be started in the source
  // directory.
  return fs::path(root == nullptr ? "." : root) / "configs";
}

fs::path documented_file() {
  return configs() / "single-node.toml";
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(cli_config, file_fixture)

BOOST_AUTO_TEST_CASE(validate_reports_success_or_every_mistake) {
  const std::string valid = write("[http]\nport = 1\n");
  const outcome good = run_perdura({"config", "validate", valid});
  BOOST_TEST(good.code == 0);
  BOOST_TEST(good.out == valid + " is valid.\n");
  const std::string broken = write("[http]\nprot = 1\nport = true\n");
  const outcome bad = run_perdura({"config", "validate", broken});
  BOOST_TEST(bad.code == 2);
  BOOST_TEST(bad.out.empty());
  BOOST_TEST(bad.err
             == broken
                  + ":2:1: There is no setting \"http.prot\"; did you mean "
                    "http.port?\n"
                  + broken
                  + ":3:8: http.port must be a whole number from 0 to 65535, "
                    "not true.\n");
  BOOST_TEST(run_perdura({"config", "validate", "/no/such"}).code == 2);
  BOOST_TEST(run_perdura({"config", "validate"}).code == 2);
  BOOST_TEST(run_perdura({"config"}).code == 2);
}

// The origin of a value is a line of the file, a flag of the command line, or
// "default".
BOOST_AUTO_TEST_CASE(show_prints_each_value_with_its_origin) {
  const std::string name = write("[hub]\npartitions = 8\ntask_hub = \"a\"\n"
                                 "[node]\ndata_dir = \"here\"\n");
  const outcome shown
    = run_perdura({"config", "show", "--config", name, "--task-hub", "b",
                   "--http", "[::1]:80", "--log-level", "warning"});
  BOOST_TEST(shown.code == 0);
  const auto line = [](std::string assignment, const std::string& origin) {
    assignment.resize(std::max<std::size_t>(assignment.size(), 40), ' ');
    return '\n' + assignment + " # " + origin + '\n';
  };
  BOOST_TEST(shown.out_contains(line("partitions = 8", name + ":2")));
  BOOST_TEST(shown.out_contains(line("task_hub = \"b\"", "flag --task-hub")));
  BOOST_TEST(shown.out_contains(line("port = 80", "flag --http")));
  BOOST_TEST(shown.out_contains(line("address = \"::1\"", "flag --http")));
  BOOST_TEST(
    shown.out_contains(line("level = \"warning\"", "flag --log-level")));
  BOOST_TEST(shown.out_contains(line("create = false", "default")));
  BOOST_TEST(shown.out_contains(
    "data_dir = \"" + (directory.path() / "here").string() + "\" "));
  // The output is a valid configuration file itself.
  BOOST_TEST(run_perdura({"config", "validate", write(shown.out)}).code == 0);
}

BOOST_AUTO_TEST_CASE(show_prints_json) {
  const outcome shown
    = run_perdura({"config", "show", "--partitions", "7", "-o", "json"});
  const json all = json::parse(shown.out);
  BOOST_TEST(all.size() == settings().size());
  BOOST_TEST(all.at("hub.partitions").at("value") == 7);
  BOOST_TEST(all.at("hub.partitions").at("from") == "flag --partitions");
  const outcome lines = run_perdura({"config", "show", "-o", "jsonl"});
  BOOST_TEST(static_cast<std::size_t>(
               std::count(lines.out.begin(), lines.out.end(), '\n'))
             == settings().size());
  BOOST_TEST(json::parse(lines.out.substr(0, lines.out.find('\n'))).at("name")
             == "node.data_dir");
}

// The output may be copied into a bug report, so it must not contain secrets.
BOOST_AUTO_TEST_CASE(show_does_not_print_keys) {
  const fs::path keys = directory.path() / "keys";
  std::ofstream(keys) << "manage geheim\n";
  ::setenv("PERDURA_KEYS", "verborgen", 1);
  const outcome shown = run_perdura(
    {"config", "show", "--config", write("[http]\nkeys_file = \"keys\"\n")});
  ::unsetenv("PERDURA_KEYS");
  BOOST_TEST(shown.out_contains("keys_file = \"" + keys.string() + "\" "));
  BOOST_TEST(shown.out_contains("environment: more keys in PERDURA_KEYS\n"));
  BOOST_TEST(!shown.out_contains("geheim"));
  BOOST_TEST(!shown.out_contains("verborgen"));
}

BOOST_AUTO_TEST_CASE(invalid_configuration_is_reported_before_the_node_starts) {
  const std::string broken = write("[http]\nport = -1\n[hub]\nx = 1\n");
  for (const char* verb : {"serve", "show"}) {
    std::vector<std::string> arguments{verb, "--config", broken};
    if (std::string(verb) == "show")
      arguments.insert(arguments.begin(), "config");
    const outcome refused = run_perdura(arguments);
    BOOST_TEST(refused.code == 2);
    BOOST_TEST(std::count(refused.err.begin(), refused.err.end(), '\n') == 2);
  }
  const outcome no_directory = run_perdura({"serve"});
  BOOST_TEST(no_directory.code == 2);
  BOOST_TEST(no_directory.err_contains("--data-dir"));
  const outcome loud = run_perdura({"dev", "--log-level", "loud"});
  BOOST_TEST(loud.code == 2);
  BOOST_TEST(loud.err
             == "--log-level: log.level must be debug, info, warning, error or "
                "off, not \"loud\".\n");
  BOOST_TEST(run_perdura({"serve", "--data-dir", "x", "--partitions", "0"}).code
             == 2);
  BOOST_TEST(
    run_perdura({"serve", "--data-dir", "x", "--partitions", "many"}).code
    == 2);
}

BOOST_AUTO_TEST_CASE(log_levels_have_their_common_spellings) {
  const std::pair<const char*, const char*> spellings[]
    = {{"trace", "debug"},  {"DEBUG", "debug"},     {"Info", "info"},
       {"warn", "warning"}, {"WARNING", "warning"}, {"err", "error"},
       {"Error", "error"},  {"critical", "error"},  {"fatal", "error"},
       {"OFF", "off"},      {"none", "off"}};
  for (const auto& [spelling, level] : spellings) {
    const std::string wanted = "level = \"" + std::string(level) + '"';
    BOOST_TEST(run_perdura({"config", "show", "--log-level", spelling})
                 .out_contains(wanted),
               spelling);
    const std::string spelled
      = write("[log]\nlevel = \"" + std::string(spelling) + "\"\n");
    BOOST_TEST(
      run_perdura({"config", "show", "--config", spelled}).out_contains(wanted),
      spelling);
    BOOST_TEST(run_perdura({"config", "validate", spelled}).code == 0,
               spelling);
  }
  for (const char* bad : {"", "loud", "warnings", " warn"})
    BOOST_TEST(
      run_perdura({"dev", "--log-level", bad, "--http", "x"}).code == 2, bad);
}

BOOST_AUTO_TEST_CASE(hub_create_reads_a_configuration_file) {
  const std::string name
    = write("[node]\ndata_dir = \"hub\"\n[hub]\npartitions = 3\n");
  const outcome made = run_perdura({"hub", "create", "--config", name});
  BOOST_TEST(made.code == 0);
  BOOST_TEST(made.out_contains(" with 3 partitions created in "
                               + (directory.path() / "hub").string() + ".\n"));
  BOOST_TEST(made.out_contains("  Hub ID  "));
}

BOOST_AUTO_TEST_CASE(hub_create_reports_the_partitions_of_a_cluster_node) {
  const std::string hub = "0123456789abcdef0123456789abcdef";
  const std::string name
    = write("[node]\ndata_dir = \"hub\"\n[hub]\npartitions = 3\nid = \"" + hub
            + "\"\n[cluster]\nnode = \"b\"\n"
              "nodes = [\"a=127.0.0.1:1\", \"b=127.0.0.1:2\"]\n");
  const outcome made = run_perdura({"hub", "create", "--config", name});
  BOOST_TEST(made.code == 0);
  const auto placed = perdura::cluster::place({"a", "b"}, 3);
  BOOST_REQUIRE(placed);
  std::string list;
  for (const auto each : placed->owned_by("b"))
    list += (list.empty() ? "" : ", ")
            + std::to_string(perdura::persistence::index_of(each));
  const std::size_t owned = placed->owned_by("b").size();
  BOOST_TEST(made.out_contains("  Node    b\n  Owns    " + std::to_string(owned)
                               + (owned == 1 ? " partition: " : " partitions: ")
                               + list + "\n  Hub ID  " + hub + "\n"),
             made.out);
  // A hub for a cluster node is not created without the hub ID that all nodes
  // share.
  const outcome alone = run_perdura(
    {"hub", "create", "--data-dir", "x", "--config",
     write("[cluster]\nnode = \"a\"\nnodes = [\"a=127.0.0.1:1\"]\n")});
  BOOST_TEST(alone.code == 2);
  BOOST_TEST(alone.err_contains("hub.id"));
}

// single-node.toml documents all settings in the order of the settings table.
BOOST_AUTO_TEST_CASE(documented_file_has_every_setting_and_its_default) {
  std::ifstream stream(documented_file());
  const std::string text(std::istreambuf_iterator<char>(stream), {});
  std::size_t from = 0;
  std::string_view section;
  for (const setting& each : settings()) {
    if (each.section() != section) {
      section = each.section();
      const std::string head = "\n[" + std::string(section) + "]\n";
      from = text.find(head, from);
      BOOST_REQUIRE_MESSAGE(from != text.npos, head << " is missing");
    }
    const std::string wanted = '\n' + documentation_of(each);
    const std::size_t at = text.find(wanted, from);
    BOOST_REQUIRE_MESSAGE(at != text.npos,
                          "missing or in the wrong order:" << wanted);
    from = at + wanted.size() - 1;
  }
}

BOOST_AUTO_TEST_CASE(example_files_of_three_nodes_are_valid_and_consistent) {
  std::set<std::string> hubs;
  std::set<std::string> names;
  std::set<std::vector<std::string>> lists;
  // The directories and ports of all three nodes. All of them must differ.
  std::set<std::string> own;
  for (const char* each : {"node-1.toml", "node-2.toml", "node-3.toml"}) {
    const fs::path shown = configs() / "three-nodes" / each;
    BOOST_TEST(run_perdura({"config", "validate", shown.string()}).code == 0);
    const sourced_configuration read = read_configuration(shown.string());
    const auto& node = read.values.host.node;
    hubs.insert(node.hub_id);
    names.insert(node.cluster.node);
    lists.insert(node.cluster.nodes);
    own.insert(node.data_dir.string());
    own.insert(std::to_string(read.values.host.http.port));
    const auto address = perdura::cluster::listen_address_of(node.cluster);
    BOOST_REQUIRE(address);
    own.insert(std::to_string(address->port));
    BOOST_TEST(node.create_hub);
    BOOST_TEST(node.data_dir.parent_path().filename() == "perdura-data");
  }
  BOOST_TEST(hubs.size() == 1U);
  BOOST_TEST(lists.size() == 1U);
  BOOST_TEST((names == std::set<std::string>{"node-1", "node-2", "node-3"}));
  BOOST_TEST(own.size() == 9U);
}

BOOST_AUTO_TEST_CASE(documented_file_starts_a_node) {
  configuration_flags flags;
  flags.config_file = documented_file().string();
  flags.data_dir = (directory.path() / "hub").string();
  flags.http = "127.0.0.1:0";
  const sourced_configuration all = gather_configuration(flags);
  BOOST_REQUIRE(all.problems.empty());
  auto functions = std::make_shared<perdura::actors::registry>();
  perdura::examples::add_samples(*functions);
  auto host = node_host::start(all.values.host, functions);
  BOOST_REQUIRE(host);
  const outcome ran
    = run_perdura({"run", "Echo", "--input", "1", "--url", (*host)->url()});
  BOOST_TEST(ran.out == "1\n");
}

BOOST_AUTO_TEST_SUITE_END()
