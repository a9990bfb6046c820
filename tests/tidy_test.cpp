/// The house inspector: reads the sources as text and holds them to the rules
/// of the house. Each rule comes with planted violations that it must find and
/// with innocents that it must not, and is then put to the real tree.
#define BOOST_TEST_MODULE house
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;

const fs::path root = PERDURA_SOURCE_DIR;
const std::vector<std::string> rooms
  = {"persistence", "actors", "cluster", "client"};

/// A file, or what is planted in its place.
struct source {
  std::string path; ///< From the root, e.g. "actors/turn.hpp".
  std::string text;

  std::string room() const {
    return path.substr(0, path.find('/'));
  }

  std::string stem() const {
    return fs::path(path).stem().string();
  }

  bool is_header() const {
    return path.ends_with(".hpp");
  }

  bool in_room() const {
    return std::find(rooms.begin(), rooms.end(), room()) != rooms.end();
  }
};

/// Sentences, one for each place that breaks a rule.
using findings = std::vector<std::string>;
using rule = std::function<findings(const source&)>;

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

const std::vector<source>& house() {
  static const std::vector<source> all = [] {
    std::vector<source> found;
    for (const char* top :
         {"persistence", "actors", "cluster", "client", "benchmarks", "tests"})
      for (const auto& entry : fs::recursive_directory_iterator(root / top)) {
        const fs::path& path = entry.path();
        if (path.extension() == ".cpp" || path.extension() == ".hpp")
          found.push_back(
            {path.lexically_relative(root).generic_string(), read_file(path)});
      }
    std::sort(found.begin(), found.end(),
              [](const source& a, const source& b) { return a.path < b.path; });
    return found;
  }();
  return all;
}

/// The text with comments, and if wanted what stands in quotes, blanked out;
/// lines stay where they are.
std::string code_of(const std::string& text, bool keep_quoted) {
  std::string code = text;
  const auto blank = [&](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < std::min(to, code.size()); ++i)
      if (code[i] != '\n')
        code[i] = ' ';
  };
  const auto end_of = [&](std::string_view mark, std::size_t from) {
    const std::size_t at = text.find(mark, from);
    return at == text.npos ? text.size() : at + mark.size();
  };
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i + 1;
    if (text.compare(i, 2, "//") == 0) {
      end = std::min(text.find('\n', i), text.size());
      blank(i, end);
    } else if (text.compare(i, 2, "/*") == 0) {
      end = end_of("*/", i + 2);
      blank(i, end);
    } else if (text.compare(i, 2, "R\"") == 0
               && text.find('(', i) != text.npos) {
      const std::size_t open = text.find('(', i);
      end = end_of(")" + text.substr(i + 2, open - i - 2) + "\"", open);
      blank(i + 2, end - 1);
    } else if (text[i] == '"'
               || (text[i] == '\''
                   && (i == 0
                       || !std::isalnum(
                         static_cast<unsigned char>(text[i - 1]))))) {
      while (end < text.size() && text[end] != text[i] && text[end] != '\n')
        end += text[end] == '\\' ? 2 : 1;
      if (!keep_quoted)
        blank(i + 1, end);
      ++end;
    }
    i = end;
  }
  return code;
}

std::string place(const source& file, const std::string& code,
                  std::size_t offset) {
  const auto line
    = 1
      + std::count(code.begin(),
                   code.begin() + static_cast<std::ptrdiff_t>(offset), '\n');
  return file.path + ":" + std::to_string(line) + ": ";
}

/// One finding for each match of the pattern in the code, quotes left out.
/// A file without any of the words is not searched: <regex> is slow.
findings forbid(const source& file, const std::vector<std::string_view>& words,
                const std::regex& pattern, const std::string& sentence) {
  if (std::none_of(words.begin(), words.end(), [&](std::string_view word) {
        return file.text.find(word) != file.text.npos;
      }))
    return {};
  const std::string code = code_of(file.text, false);
  findings found;
  for (auto match = std::sregex_iterator(code.begin(), code.end(), pattern);
       match != std::sregex_iterator(); ++match)
    found.push_back(
      place(file, code, static_cast<std::size_t>(match->position()))
      + sentence);
  return found;
}

struct include {
  std::string target; ///< Without a leading "perdura/".
  bool angled = false;
  bool by_public_path = false;
  std::string at;
};

std::vector<include> includes_of(const source& file) {
  static const std::regex line(R"((^|\n)[ ]*#[ ]*include[ ]*([<"])([^>"\n]+))");
  const std::string code = code_of(file.text, true);
  std::vector<include> found;
  for (auto match = std::sregex_iterator(code.begin(), code.end(), line);
       match != std::sregex_iterator(); ++match) {
    include next{
      (*match)[3], (*match)[2] == "<", false,
      place(file, code, static_cast<std::size_t>(match->position(3)))};
    if (next.target.starts_with("perdura/")) {
      next.by_public_path = true;
      next.target.erase(0, std::string_view("perdura/").size());
    }
    found.push_back(next);
  }
  return found;
}

std::string room_of(const std::string& target) {
  const std::string first = target.substr(0, target.find('/'));
  const bool known
    = std::find(rooms.begin(), rooms.end(), first) != rooms.end();
  return known ? first : "";
}

/// What a user of the library includes: the headers that are installed, all
/// that these reach. CMake writes the list from the same includes.
const std::set<std::string>& public_headers() {
  static const std::set<std::string> all = [] {
    std::ifstream list(PERDURA_PUBLIC_HEADERS);
    std::set<std::string> found;
    for (std::string line; std::getline(list, line);)
      if (!line.empty())
        found.insert(line);
    return found;
  }();
  return all;
}

// --- the rules -------------------------------------------------------------

findings look_downstairs(const source& file) {
  findings found;
  const auto floor = std::find(rooms.begin(), rooms.end(), file.room());
  if (floor == rooms.end())
    return found; // tests and benchmarks look at everything
  for (const include& next : includes_of(file)) {
    const std::string first = next.target.substr(0, next.target.find('/'));
    if (std::find(floor + 1, rooms.end(), first) != rooms.end())
      found.push_back(next.at + file.room() + " may not look up at " + first);
    if (first == "tests" || first == "benchmarks")
      found.push_back(next.at + "a room may not lean on " + first);
  }
  return found;
}

/// A library, and the only files of the rooms that may open its door.
struct door {
  std::regex library;
  std::regex files;
  std::string sentence;
};

findings keep_doors(const source& file) {
  static const std::vector<door> doors = {
    {std::regex("^lmdb\\.h$"),
     std::regex("^persistence/stores/lmdb_env\\.cpp$"),
     "lmdb.h is for persistence/stores/lmdb_env.cpp alone"},
    {std::regex("^msgpack(\\.hpp$|/)"),
     std::regex("^persistence/records/codec[a-z_]*\\.[ch]pp$"),
     "msgpack is for persistence/records/codec alone"},
    {std::regex("^spdlog/"), std::regex("^persistence/process/logging\\.cpp$"),
     "spdlog is for persistence/process/logging.cpp alone"},
    {std::regex("^caf/"), std::regex("^(actors|cluster|client)/.*"),
     "persistence knows no CAF"},
    {std::regex("^caf/(io|openssl)/"),
     std::regex(
       "^cluster/transport/(caf_transport|middleman|tls_network)\\.[ch]pp$"),
     "CAF's network is for cluster/caf_transport, middleman and tls_network "
     "alone"},
    {std::regex("^boost/(beast|asio)"), std::regex("^client/http/.*"),
     "sockets are for client/http alone"},
    {std::regex("^CLI/"), std::regex("^client/(main|cli/.*)\\.[ch]pp$"),
     "CLI11 is for client/cli alone"},
    {std::regex("^toml\\+\\+/"),
     std::regex("^client/configuration/[a-z_]*\\.cpp$"),
     "toml++ is for client/configuration alone"},
  };
  findings found;
  if (!file.in_room())
    return found;
  for (const include& next : includes_of(file))
    for (const door& each : doors)
      if (std::regex_search(next.target, each.library)
          && !std::regex_match(file.path, each.files))
        found.push_back(next.at + each.sentence);
  return found;
}

/// The binary and the examples are users: they see the flat names.
findings namespace_is_folder(const source& file) {
  static const std::regex exempt(
    "^client/(main\\.cpp|api/perdura\\.hpp|api/client\\.hpp|examples/.*)$");
  if (!file.in_room() || std::regex_match(file.path, exempt))
    return {};
  const std::regex own("namespace perdura::" + file.room() + "\\b");
  if (std::regex_search(code_of(file.text, false), own))
    return {};
  return {file.path + ": opens no namespace perdura::" + file.room()};
}

/// Pure files decide; they see no actor, store, clock, thread or log. In
/// `actors` a file is pure unless it is named here as a shell.
bool is_pure(const source& file) {
  static const std::regex actors_shells(
    "(.*_(actor|actors|clock|pool|watch)|messages|partition_recovery|registry"
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
  if (file.room() == "actors")
    return !std::regex_match(file.stem(), actors_shells);
  const auto listed = pure.find(file.room());
  return listed != pure.end() && std::regex_match(file.stem(), listed->second);
}

findings stay_pure(const source& file) {
  static const std::regex worldly(
    "^(caf/.*|lmdb\\.h|spdlog/.*|thread|mutex|shared_mutex|condition_variable"
    "|future|random|fstream|iostream|boost/(beast|asio).*)$");
  findings found;
  if (!is_pure(file))
    return found;
  for (const include& next : includes_of(file))
    if (std::regex_match(next.target, worldly))
      found.push_back(next.at + "a pure file includes " + next.target);
  return found;
}

findings leave_the_clock_alone(const source& file) {
  static const std::regex wall(
    R"(\b(system_clock|high_resolution_clock|utc_clock)::now\b)"
    R"(|\b(clock_gettime|gettimeofday)\b|\bstd::time *\()");
  // How long something took, or when to wake: never written, never compared
  // with a timer.
  static const std::regex may_measure(
    "persistence/records/clock\\.cpp|persistence/[a-z]+/"
    "[a-z_]*(committer|views)[a-z_]*\\.cpp"
    "|actors/[a-z]+/[a-z_]*(_actor|_clock|_pool|activity_context)\\.[ch]pp"
    "|(cluster|client)/[a-z]+/([a-z_]*_actor|caf_transport|node|metrics)\\.cpp"
    "|client/(api/node_host|main)\\.cpp|client/(cli|http|load)/.*");
  static const std::regex steady(R"(\bsteady_clock::now\b)");
  if (!file.in_room() || file.path == "persistence/records/clock.cpp")
    return {};
  findings found
    = forbid(file, {"::now", "clock_gettime", "gettimeofday", "std::time"},
             wall, "reads the clock; ask for `now`");
  if (!std::regex_match(file.path, may_measure))
    for (std::string& each :
         forbid(file, {"steady_clock::now"}, steady, "reads the steady clock"))
      found.push_back(std::move(each));
  return found;
}

findings names_say_what_it_is(const source& file) {
  static const std::regex vague(
    "(^|[/_])(utils?|common|misc|helpers?|stuff)([/_.]|$)");
  if (std::regex_search(file.path, vague))
    return {file.path + ": find the noun; this name says nothing"};
  return {};
}

/// A test reads as a list of promises, and may be a longer one.
findings can_be_read_in_one_sitting(const source& file) {
  const auto lines = std::count(file.text.begin(), file.text.end(), '\n');
  const std::ptrdiff_t lines_max = file.room() == "tests" ? 1000 : 600;
  if (lines <= lines_max)
    return {};
  return {file.path + ": " + std::to_string(lines) + " lines; past "
          + std::to_string(lines_max) + " it is two rooms talking"};
}

/// Tests with processes may wait for the world; all others move the clock.
findings tests_do_not_sleep(const source& file) {
  static const std::regex sleep(
    R"(\b(sleep_for|sleep_until|usleep|nanosleep)\b)");
  if (!file.path.starts_with("tests/") || file.path.starts_with("tests/real/"))
    return {};
  return forbid(file, {"sleep"}, sleep,
                "a test sleeps; move the clock instead");
}

/// g++ 12 miscompiles these; the code compiles and crashes. Options with
/// designated fields are trivially destructible and may stand in braces.
findings awaits_are_plain(const source& file) {
  static const std::regex ternary(R"(\bco_await\s[^;{}]*\?)");
  static const std::regex braces(R"(\bco_await\s[^;]*[\w>(,]\s*\{(?!\s*\.))");
  static const std::regex lambda(R"(\bco_await\s[^;]*[(,=]\s*\[\s*[^\]\s])");
  static const std::regex head(
    R"(\bswitch\s*\([^;{}]*\bco_await\s)"
    R"(|\b(if|while)\s*\([^;{}]*(&&|\|\|)[^;{}]*\bco_await\s)"
    R"(|\b(if|while)\s*\([^;{}]*\bco_await\s[^;{}]*(&&|\|\|))");
  if (file.path == "tests/actors/pitfalls_test.cpp")
    return {}; // tries how far one can go
  findings found;
  const auto add = [&](findings more) {
    found.insert(found.end(), more.begin(), more.end());
  };
  add(forbid(file, {"co_await"}, ternary,
             "co_await beside `?`: name the result first"));
  add(forbid(file, {"co_await"}, braces,
             "braces inside co_await: name the value first"));
  add(forbid(file, {"co_await"}, lambda,
             "captures inside co_await: name the lambda first"));
  add(forbid(file, {"co_await"}, head,
             "co_await in a head: name the result first"));
  return found;
}

findings no_tabs(const source& file) {
  const std::size_t at = file.text.find('\t');
  if (at == file.text.npos)
    return {};
  return {place(file, file.text, at) + "a tab"};
}

findings public_headers_hide_libraries(const source& file) {
  static const std::regex hidden("^(caf/|lmdb\\.h|msgpack|spdlog/|simdjson"
                                 "|boost/|toml\\+\\+|CLI/|xxhash|openssl/)");
  findings found;
  if (!public_headers().contains(file.path))
    return found;
  for (const include& next : includes_of(file)) {
    if (std::regex_search(next.target, hidden))
      found.push_back(next.at + "a public header shows " + next.target);
    if (!room_of(next.target).empty() && !next.by_public_path)
      found.push_back(next.at + "a public header is included as <perdura/"
                      + next.target + ">");
  }
  return found;
}

findings headers_begin_with_a_promise(const source& file) {
  findings found;
  if (!file.is_header())
    return found;
  if (!file.text.starts_with("///"))
    found.push_back(file.path + ":1: says not what it is for");
  if (code_of(file.text, true).find("#pragma once") == std::string::npos)
    found.push_back(file.path + ": no #pragma once");
  return found;
}

/// Every planted file is found out, no innocent is, and the house is clean.
void check(const rule& obeyed, const std::vector<source>& planted,
           const std::vector<source>& innocent) {
  for (const source& file : planted)
    BOOST_TEST(!obeyed(file).empty(),
               "not found: " << file.path << ": " << file.text);
  for (const source& file : innocent)
    BOOST_TEST(obeyed(file).empty(),
               "wrongly found: " << file.path << ": " << file.text);
  for (const source& file : house())
    for (const std::string& finding : obeyed(file))
      BOOST_ERROR(finding);
}

} // namespace

BOOST_AUTO_TEST_SUITE(tidy)

BOOST_AUTO_TEST_CASE(the_inspector_sees_the_house) {
  std::set<std::string> seen;
  for (const source& file : house())
    seen.insert(file.path);
  BOOST_TEST(seen.contains("persistence/records/error.hpp"));
  BOOST_TEST(seen.contains("actors/authoring/json_text_check.cpp"));
  BOOST_TEST(seen.contains("tests/tidy_test.cpp"));
  BOOST_TEST(public_headers().contains("persistence/records/error.hpp"));
}

BOOST_AUTO_TEST_CASE(comments_and_quotes_are_not_code) {
  const std::string text = "a // b\n/* c\nd */ e \"f\\\" // g\" 'h' 1'000 i\n"
                           "R\"x(j)\" k)x\" l";
  BOOST_TEST(code_of(text, false)
             == "a     \n    \n     e \"        \" ' ' 1'000 i\n"
                "R\"         \" l");
  BOOST_TEST(code_of("x \"y\" // z", true) == "x \"y\"     ");
}

BOOST_AUTO_TEST_CASE(code_looks_downstairs_only) {
  check(look_downstairs,
        {{"persistence/a.hpp", "#include \"actors/turn.hpp\"\n"},
         {"persistence/a.cpp", "\n#include <perdura/client/perdura.hpp>\n"},
         {"actors/a.cpp", "#include \"cluster/node.hpp\"\n"},
         {"cluster/a.cpp", "# include \"client/perdura.hpp\"\n"},
         {"client/a.cpp", "#include \"tests/support/manual_clock.hpp\"\n"}},
        {{"client/a.cpp", "#include \"persistence/error.hpp\"\n"},
         {"actors/a.cpp", "// #include \"client/perdura.hpp\"\n"},
         {"tests/actors/a_test.cpp", "#include \"client/perdura.hpp\"\n"}});
}

BOOST_AUTO_TEST_CASE(each_library_has_its_door) {
  check(keep_doors,
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
         {"benchmarks/journal_commit.cpp", "#include <lmdb.h>\n"}});
}

BOOST_AUTO_TEST_CASE(the_namespace_is_the_folder) {
  check(namespace_is_folder,
        {{"actors/turn.hpp", "namespace perdura::persistence {}\n"},
         {"client/http/json.cpp", "namespace perdura {}\n"},
         {"cluster/node.cpp", "// namespace perdura::cluster\n"}},
        {{"client/http/json.cpp", "namespace perdura::client {}\n"},
         {"client/main.cpp", "int main() {}\n"},
         {"client/examples/hello.cpp", "int main() {}\n"}});
}

BOOST_AUTO_TEST_CASE(what_decides_is_pure) {
  check(stay_pure,
        {{"actors/partition_state.cpp", "#include <mutex>\n"},
         {"actors/replay.hpp", "#include <caf/all.hpp>\n"},
         {"persistence/records.hpp", "#include <thread>\n"},
         {"cluster/placement.cpp", "#include <random>\n"}},
        {{"actors/partition_actor.cpp", "#include <caf/all.hpp>\n"},
         {"persistence/group_committer.cpp", "#include <thread>\n"},
         {"actors/turn.hpp", "#include <vector>\n"}});
}

BOOST_AUTO_TEST_CASE(one_file_reads_the_clock) {
  check(leave_the_clock_alone,
        {{"actors/partition_actor.cpp", "std::chrono::system_clock::now();"},
         {"client/cli/start.cpp", "system_clock::now();"},
         {"cluster/node.cpp", "auto t = std::time(nullptr);"},
         {"actors/replay.cpp", "std::chrono::steady_clock::now();"}},
        {{"persistence/records/clock.cpp", "std::chrono::system_clock::now();"},
         {"client/cli/start.cpp", "std::chrono::steady_clock::now();"},
         {"actors/replay.cpp", "// never system_clock::now()\n"},
         {"benchmarks/replay.cpp", "std::chrono::steady_clock::now();"}});
}

BOOST_AUTO_TEST_CASE(names_are_nouns_of_the_field) {
  check(names_say_what_it_is,
        {{"actors/util.hpp", ""},
         {"client/http/string_utils.cpp", ""},
         {"persistence/common/ids.hpp", ""},
         {"tests/support/misc_test.cpp", ""},
         {"cluster/node_helpers.cpp", ""}},
        {{"cluster/utility_bill.cpp", ""}, {"actors/turn.hpp", ""}});
}

BOOST_AUTO_TEST_CASE(files_can_be_read_in_one_sitting) {
  check(can_be_read_in_one_sitting, {{"actors/a.cpp", std::string(601, '\n')}},
        {{"actors/a.cpp", std::string(600, '\n')}});
}

BOOST_AUTO_TEST_CASE(tests_move_the_clock_and_do_not_wait) {
  check(tests_do_not_sleep,
        {{"tests/actors/a_test.cpp", "std::this_thread::sleep_for(1ms);"},
         {"tests/support/a.hpp", "usleep(1);"}},
        {{"tests/real/a_test.cpp", "std::this_thread::sleep_for(1ms);"},
         {"tests/actors/a_test.cpp", "check(\"sleep_for\");"}});
}

BOOST_AUTO_TEST_CASE(awaits_are_such_as_the_compiler_gets_right) {
  check(awaits_are_plain,
        {{"client/examples/a.cpp", "co_return co_await x ? \"a\" : \"b\";"},
         {"client/examples/a.cpp", "co_await ctx.call(\"A\",\n  {a, b});"},
         {"client/examples/a.cpp", "co_await ctx.call(charge{a});"},
         {"client/examples/a.cpp", "co_await ctx.call([x] { return x; });"},
         {"client/examples/a.cpp", "if (co_await a && co_await b) {"},
         {"client/examples/a.cpp", "switch (co_await a) {"}},
        {{"tests/actors/pitfalls_test.cpp", "co_await f(point{1, 2});"},
         {"client/examples/a.cpp", "auto r = co_await x;\nif (r ? a : b) {}"},
         {"client/examples/a.cpp", "co_await f(1, {.retry = {.max = 5}});"},
         {"client/examples/a.cpp", "for (long n : co_await all) {\n}"},
         {"client/examples/a.cpp", "bool ok = co_await a && co_await b;"},
         {"client/examples/a.cpp", "if (co_await a) {\n}"},
         {"actors/task.hpp", "awaiter operator co_await() && {"},
         {"client/examples/a.cpp", "for (int i = 0; i < n; ++i) {\n"
                                   "  co_await ctx.call(\"A?{\", v[i]);\n}"}});
}

BOOST_AUTO_TEST_CASE(there_are_no_tabs) {
  check(no_tabs, {{"actors/a.cpp", "int a;\n\tint b;\n"}},
        {{"actors/a.cpp", "auto t = '\\t';\n"}});
}

BOOST_AUTO_TEST_CASE(public_headers_show_the_standard_library_and_json) {
  check(
    public_headers_hide_libraries,
    {{"persistence/records/error.hpp", "#include <caf/error.hpp>\n"},
     {"persistence/records/error.hpp",
      "#include \"persistence/records/ids.hpp\"\n"}},
    {{"persistence/records/error.hpp",
      "#include <perdura/persistence/records/ids.hpp>\n"},
     {"persistence/records/error.hpp", "#include <nlohmann/json.hpp>\n"},
     {"persistence/codec.hpp", "#include \"persistence/records/ids.hpp\"\n"}});
}

BOOST_AUTO_TEST_CASE(headers_say_what_they_are_for) {
  check(headers_begin_with_a_promise,
        {{"actors/a.hpp", "#pragma once\n"}, {"actors/a.hpp", "/// For a.\n"}},
        {{"actors/a.hpp", "/// For a.\n#pragma once\n"},
         {"actors/a.cpp", "int a;\n"}});
}

BOOST_AUTO_TEST_CASE(every_room_has_a_readme) {
  for (const char* room : {"persistence", "actors", "cluster", "client",
                           "benchmarks", "tests", "configs"})
    BOOST_TEST(!read_file(root / room / "README.md").empty(), room);
}

BOOST_AUTO_TEST_SUITE_END()
