// SPDX-License-Identifier: Apache-2.0
// Which files may include what: layers, sub-folders, libraries, public headers.
#include "tests/conventions/source_tree.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <map>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::tests {

namespace {

struct include {
  std::string target; ///< Without a leading "perdura/".
  bool by_public_path = false;
  std::string at;
};

std::vector<include> includes_of(const source_file& file) {
  static const std::regex line(R"((^|\n)[ ]*#[ ]*include[ ]*[<"]([^>"\n]+))");
  const std::string code = code_of(file.text, true);
  std::vector<include> found;
  for (auto match = std::sregex_iterator(code.begin(), code.end(), line);
       match != std::sregex_iterator(); ++match) {
    include next{(*match)[2], false,
                 place(file, static_cast<std::size_t>(match->position(2)))};
    if (next.target.starts_with("perdura/")) {
      next.by_public_path = true;
      next.target.erase(0, std::string_view("perdura/").size());
    }
    found.push_back(next);
  }
  return found;
}

std::string first_folder(const std::string& path) {
  return path.substr(0, path.find('/'));
}

bool is_layer(const std::string& name) {
  return std::find(layers.begin(), layers.end(), name) != layers.end();
}

findings includes_go_down(const source_file& file) {
  findings found;
  const auto own = std::find(layers.begin(), layers.end(), file.layer());
  if (own == layers.end())
    return found; // tests and benchmarks may include every layer
  for (const include& next : includes_of(file)) {
    const std::string target = first_folder(next.target);
    if (std::find(own + 1, layers.end(), target) != layers.end())
      found.push_back(next.at + *own + " includes the higher layer " + target);
    if (target == "tests" || target == "benchmarks")
      found.push_back(next.at + "product code includes " + target);
  }
  return found;
}

/// Sub-folders of each layer, from the highest to the lowest. An include
/// between two sub-folders of a layer must go from the higher to the lower one,
/// like an include between two layers. `execution` and `interface` in `actors`
/// still include each other, so that layer is not listed.
const std::map<std::string, std::vector<std::string>>& folder_orders() {
  static const std::map<std::string, std::vector<std::string>> orders = {
    {"persistence", {"journal", "views", "stores", "process", "records"}},
    {"cluster", {"node", "routing", "transport", "placement", "scheduling"}},
    {"client", {"cli", "load", "configuration", "examples", "http", "api"}},
  };
  return orders;
}

findings folders_go_down(const source_file& file) {
  findings found;
  const auto order = folder_orders().find(file.layer());
  if (order == folder_orders().end())
    return found;
  const std::vector<std::string>& folders = order->second;
  const auto index_of = [&](const std::string& path) {
    const std::size_t begin = file.layer().size() + 1;
    const std::string name = path.substr(begin, path.find('/', begin) - begin);
    return std::find(folders.begin(), folders.end(), name) - folders.begin();
  };
  for (const include& next : includes_of(file))
    if (first_folder(next.target) == file.layer()
        && index_of(next.target) < index_of(file.path)
        && file.path != "client/api/node_host.cpp" // composes a whole node
        && file.path != "client/main.cpp")
      found.push_back(next.at + file.folder() + " includes the higher folder "
                      + next.target);
  return found;
}

/// A library, and the only files of the layers that may include it.
struct library_rule {
  std::regex library;
  std::regex files;
  std::string sentence;
};

findings libraries_have_one_user(const source_file& file) {
  static const std::vector<library_rule> rules = {
    {std::regex("^lmdb\\.h$"),
     std::regex("^persistence/stores/lmdb_(env|env_space|failure)\\.cpp$"),
     "only persistence/stores/lmdb_env.cpp and its parts, lmdb_env_space.cpp "
     "and lmdb_failure.cpp, may include lmdb.h"},
    {std::regex("^msgpack(\\.hpp$|/)"),
     std::regex("^persistence/records/codec[a-z_]*\\.[ch]pp$"),
     "only persistence/records/codec may include msgpack"},
    {std::regex("^spdlog/"), std::regex("^persistence/process/logging\\.cpp$"),
     "only persistence/process/logging.cpp may include spdlog"},
    {std::regex("^caf/"), std::regex("^(actors|cluster|client)/.*"),
     "persistence may not include CAF"},
    {std::regex("^caf/(io|openssl)/"),
     std::regex("^cluster/transport/(caf_transport|connection_guard|middleman"
                "|peer_tls_session|port_rules|tls_network)\\.[ch]pp$"),
     "CAF's network is for cluster/caf_transport, middleman, tls_network and "
     "their parts alone"},
    {std::regex("^boost/(beast|asio)"), std::regex("^client/http/.*"),
     "only client/http may use sockets"},
    {std::regex("^CLI/"), std::regex("^client/(main|cli/.*)\\.[ch]pp$"),
     "only client/cli may include CLI11"},
    {std::regex("^toml\\+\\+/"),
     std::regex("^client/configuration/[a-z_]*\\.cpp$"),
     "only client/configuration may include toml++"},
  };
  findings found;
  if (!file.in_layer())
    return found;
  for (const include& next : includes_of(file))
    for (const library_rule& each : rules)
      if (std::regex_search(next.target, each.library)
          && !std::regex_match(file.path, each.files))
        found.push_back(next.at + each.sentence);
  return found;
}

/// Pure files hold decisions; they use no actor, store, clock, thread or log.
/// In `actors` every file is pure unless its name is listed here.
bool is_pure(const source_file& file) {
  static const std::regex actors_shells(
    "(.*_(actor|actors|clock|pool|watch|guard|faults)|messages|kept_code"
    "|partition_recovery|registry"
    "|activity_context)");
  static const std::map<std::string, std::regex> pure
    = {{"persistence",
        std::regex("ids|error|history_event|records|codec|keys|turn_writes"
                   "|checksum|journal_record")},
       {"cluster",
        std::regex("partition_map|placement|outbox_link|management_urls")},
       {"client",
        std::regex("json|orchestration_status|management_payload|latencies"
                   "|bench_(report|plot|comparison|scenario)|typical_turn")}};
  if (file.layer() == "actors")
    return !std::regex_match(file.stem(), actors_shells);
  const auto listed = pure.find(file.layer());
  return listed != pure.end() && std::regex_match(file.stem(), listed->second);
}

findings pure_files_use_no_effects(const source_file& file) {
  static const std::regex effects(
    "^(caf/.*|lmdb\\.h|spdlog/.*|thread|mutex|shared_mutex|condition_variable"
    "|future|random|fstream|iostream|boost/(beast|asio).*)$");
  findings found;
  if (!is_pure(file))
    return found;
  for (const include& next : includes_of(file))
    if (std::regex_match(next.target, effects))
      found.push_back(next.at + "a pure file includes " + next.target);
  return found;
}

findings public_headers_hide_libraries(const source_file& file) {
  static const std::regex hidden("^(caf/|lmdb\\.h|msgpack|spdlog/|simdjson"
                                 "|boost/|toml\\+\\+|CLI/|xxhash|openssl/)");
  findings found;
  if (!public_headers().contains(file.path))
    return found;
  for (const include& next : includes_of(file)) {
    if (std::regex_search(next.target, hidden))
      found.push_back(next.at + "a public header includes " + next.target);
    if (is_layer(first_folder(next.target)) && !next.by_public_path)
      found.push_back(next.at + "include the public header as <perdura/"
                      + next.target + ">");
  }
  return found;
}

} // namespace

BOOST_AUTO_TEST_SUITE(includes)

BOOST_AUTO_TEST_CASE(includes_go_to_lower_layers_only) {
  check(includes_go_down,
        {{"persistence/a.hpp", "#include \"actors/turn.hpp\"\n"},
         {"persistence/a.cpp", "\n#include <perdura/client/perdura.hpp>\n"},
         {"actors/a.cpp", "#include \"cluster/node.hpp\"\n"},
         {"cluster/a.cpp", "# include \"client/perdura.hpp\"\n"},
         {"client/a.cpp", "#include \"tests/support/manual_clock.hpp\"\n"}},
        {{"client/a.cpp", "#include \"persistence/error.hpp\"\n"},
         {"actors/a.cpp", "// #include \"client/perdura.hpp\"\n"},
         {"tests/actors/a_test.cpp", "#include \"client/perdura.hpp\"\n"}},
        cpp_files());
}

BOOST_AUTO_TEST_CASE(includes_go_to_lower_folders_only) {
  check(
    folders_go_down,
    {{"persistence/records/a.hpp", "#include \"persistence/views/b.hpp\"\n"},
     {"client/http/a.cpp", "#include \"client/cli/b.hpp\"\n"},
     {"client/api/a.hpp", "#include <perdura/client/load/b.hpp>\n"}},
    {{"persistence/views/a.hpp", "#include \"persistence/records/b.hpp\"\n"},
     {"client/cli/a.cpp", "#include \"client/load/b.hpp\"\n"},
     {"tests/client/a.cpp", "#include \"client/cli/b.hpp\"\n"}},
    cpp_files());
}

BOOST_AUTO_TEST_CASE(each_library_is_included_by_its_wrapper_only) {
  check(libraries_have_one_user,
        {{"persistence/views.cpp", "#include <lmdb.h>\n"},
         {"actors/turn.hpp", "#include <msgpack.hpp>\n"},
         {"cluster/node.cpp", "#include <spdlog/spdlog.h>\n"},
         {"persistence/records.hpp", "#include <caf/all.hpp>\n"},
         {"cluster/node.cpp", "#include <caf/io/all.hpp>\n"},
         {"client/gateway_actor.cpp", "#include <boost/beast.hpp>\n"},
         {"cluster/node.cpp", "#include <CLI/CLI.hpp>\n"},
         {"cluster/node_config.cpp", "#include <toml++/toml.h>\n"},
         {"client/main.cpp", "#include <toml++/toml.h>\n"}},
        {{"persistence/stores/lmdb_env.cpp", "#include <lmdb.h>\n"},
         {"persistence/records/codec.cpp", "#include <msgpack.hpp>\n"},
         {"cluster/transport/caf_transport.cpp", "#include <caf/io/all.hpp>\n"},
         {"actors/partition_actor.cpp", "#include <caf/all.hpp>\n"},
         {"client/http/http_server.cpp", "#include <boost/asio.hpp>\n"},
         {"client/configuration/a.cpp", "#include <toml++/toml.h>\n"},
         {"benchmarks/journal_commit.cpp", "#include <lmdb.h>\n"}},
        cpp_files());
}

BOOST_AUTO_TEST_CASE(decisions_are_pure) {
  check(pure_files_use_no_effects,
        {{"actors/volatile_partition.cpp", "#include <mutex>\n"},
         {"actors/replay.hpp", "#include <caf/all.hpp>\n"},
         {"persistence/records.hpp", "#include <thread>\n"},
         {"cluster/placement.cpp", "#include <random>\n"}},
        {{"actors/partition_actor.cpp", "#include <caf/all.hpp>\n"},
         {"persistence/group_committer.cpp", "#include <thread>\n"},
         {"actors/turn.hpp", "#include <vector>\n"}},
        cpp_files());
}

BOOST_AUTO_TEST_CASE(
  public_headers_include_only_the_standard_library_and_json) {
  check(
    public_headers_hide_libraries,
    {{"persistence/records/error.hpp", "#include <caf/error.hpp>\n"},
     {"persistence/records/error.hpp",
      "#include \"persistence/records/ids.hpp\"\n"}},
    {{"persistence/records/error.hpp",
      "#include <perdura/persistence/records/ids.hpp>\n"},
     {"persistence/records/error.hpp", "#include <nlohmann/json.hpp>\n"},
     {"persistence/codec.hpp", "#include \"persistence/records/ids.hpp\"\n"}},
    cpp_files());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
