// SPDX-License-Identifier: Apache-2.0
// How C++ files are written: namespaces, clocks, coroutines, size, first lines.
#include "tests/conventions/source_tree.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::tests {

namespace {

/// Returns one finding for each match of the pattern in the code. Comments and
/// string literals are not searched. Because <regex> is slow, a file that
/// contains none of `words` is skipped.
findings forbid(const source_file& file,
                const std::vector<std::string_view>& words,
                const std::regex& pattern, const std::string& sentence) {
  if (std::none_of(words.begin(), words.end(), [&](std::string_view word) {
        return file.text.find(word) != file.text.npos;
      }))
    return {};
  return matches_in(file, pattern, sentence);
}

/// A file of a layer opens the namespace of the layer. Programs and the headers
/// for users are exempt, because they use namespace perdura.
findings namespace_is_folder(const source_file& file) {
  static const std::regex exempt(
    "^(client/(main\\.cpp|api/(perdura|client)\\.hpp|examples/.*)"
    "|actors/authoring/workflow\\.hpp)$");
  if (!file.in_layer() || std::regex_match(file.path, exempt))
    return {};
  const std::regex own("namespace perdura::" + file.layer() + "\\b");
  if (std::regex_search(code_of(file.text, false), own))
    return {};
  return {file.path + ": opens no namespace perdura::" + file.layer()};
}

findings no_file_reads_the_wall_clock(const source_file& file) {
  static const std::regex wall(
    R"(\b(system_clock|high_resolution_clock|utc_clock)::now\b)"
    R"(|\b(clock_gettime|gettimeofday)\b|\bstd::time *\()");
  // Files that may read the steady clock, to measure durations or to set
  // alarms. They neither store the times that they read nor compare them with
  // durable timers.
  static const std::regex may_measure(
    "persistence/records/clock\\.cpp|persistence/process/sync_watch\\.hpp"
    "|persistence/[a-z]+/"
    "[a-z_]*(committer|views|file_watch)[a-z_]*\\.cpp"
    "|actors/[a-z]+/"
    "[a-z_]*(_actor|_clock|_pool|_watch|activity_context)\\.[ch]pp"
    "|(cluster|client)/[a-z]+/([a-z_]*_actor|caf_transport|node|metrics)\\.cpp"
    "|client/(api/(node_host|orchestration_client)|main)\\.cpp"
    "|client/(cli|http|load)/.*");
  static const std::regex steady(R"(\bsteady_clock::now\b)");
  // The notes of what runs have stamps of the clock since the boot.
  if (!file.in_layer() || file.path == "persistence/records/clock.cpp"
      || file.path == "persistence/process/work_notes.cpp")
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

/// The wall clock may be set, so a difference of two of its readings is no
/// duration.
findings durations_are_not_read_from_the_wall_clock(const source_file& file) {
  static const std::regex difference(
    R"(\bsystem_clock\(\)\.now\(\)\s*-|-\s*(\w+::)*system_clock\(\)\.now\(\))");
  if (!file.in_layer())
    return {};
  return forbid(file, {"system_clock().now()"}, difference,
                "measures a duration by the wall clock; use steady_clock");
}

findings file_names_are_specific(const source_file& file) {
  static const std::regex vague(
    "(^|[/_])(utils?|common|misc|helpers?|stuff)([/_.]|$)");
  if (std::regex_search(file.path, vague))
    return {file.path + ": the name says nothing about the content"};
  return {};
}

/// Sources of a layer lie in sub-folders; only main.cpp lies beside them.
findings layers_have_sub_folders(const source_file& file) {
  if (!file.is_code() || !file.in_layer() || file.path == "client/main.cpp"
      || file.folder() != file.layer())
    return {};
  return {file.path + ": belongs into a sub-folder of " + file.layer()};
}

findings files_are_short(const source_file& file) {
  constexpr std::ptrdiff_t lines_max = 600;
  const auto lines = std::count(file.text.begin(), file.text.end(), '\n');
  if (lines <= lines_max)
    return {};
  return {file.path + ": " + std::to_string(lines) + " lines; more than "
          + std::to_string(lines_max) + " are two concepts"};
}

/// A `using namespace` in a header changes the meaning of names in every file
/// that includes it. Inside a function body it does not.
findings headers_open_no_namespaces(const source_file& file) {
  static const std::regex directive(R"((^|\n)(inline )?using namespace )");
  if (!file.is_header())
    return {};
  return forbid(file, {"using namespace"}, directive,
                "a header has a using-directive; declare the names it uses");
}

/// Each C++ file begins with its licence.
findings files_name_their_licence(const source_file& file) {
  if (!file.is_code()
      || file.text.starts_with("// SPDX-License-Identifier: Apache-2.0\n"))
    return {};
  return {file.path + ":1: begins without its SPDX-License-Identifier"};
}

/// g++ 12 compiles the forbidden forms of co_await to code that crashes. Braces
/// are allowed for options with designated fields, which are trivially
/// destructible.
findings awaits_are_plain(const source_file& file) {
  static const std::regex ternary(R"(\bco_await\s[^;{}]*\?)");
  static const std::regex braces(R"(\bco_await\s[^;]*[\w>(,]\s*\{(?!\s*\.))");
  static const std::regex lambda(R"(\bco_await\s[^;]*[(,=]\s*\[\s*[^\]\s])");
  static const std::regex head(
    R"(\bswitch\s*\([^;{}]*\bco_await\s)"
    R"(|\b(if|while)\s*\([^;{}]*(&&|\|\|)[^;{}]*\bco_await\s)"
    R"(|\b(if|while)\s*\([^;{}]*\bco_await\s[^;{}]*(&&|\|\|))");
  if (file.path == "tests/actors/pitfalls_test.cpp")
    return {}; // tests the forbidden forms
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

findings no_tabs(const source_file& file) {
  const std::size_t at = file.text.find('\t');
  if (at == file.text.npos)
    return {};
  return {place(file, at) + "a tab"};
}

findings headers_begin_with_their_purpose(const source_file& file) {
  findings found;
  if (!file.is_header())
    return found;
  std::string_view text = file.text;
  if (text.starts_with("// SPDX-"))
    text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  if (!text.starts_with("/// "))
    found.push_back(
      file.path + ":1: the first comment does not say what the header is for");
  if (code_of(file.text, true).find("#pragma once") == std::string::npos)
    found.push_back(file.path + ": no #pragma once");
  return found;
}

} // namespace

BOOST_AUTO_TEST_SUITE(code)

BOOST_AUTO_TEST_CASE(all_folders_are_read) {
  std::set<std::string> seen;
  for (const source_file& file : text_files())
    seen.insert(file.path);
  BOOST_TEST(seen.contains("persistence/records/error.hpp"));
  BOOST_TEST(seen.contains("actors/authoring/json_text_check.cpp"));
  BOOST_TEST(seen.contains("tests/conventions/code_test.cpp"));
  BOOST_TEST(public_headers().contains("persistence/records/error.hpp"));
}

BOOST_AUTO_TEST_CASE(comments_and_literals_are_not_code) {
  const std::string text = "a // b\n/* c\nd */ e \"f\\\" // g\" 'h' 1'000 i\n"
                           "R\"x(j)\" k)x\" l";
  BOOST_TEST(code_of(text, false)
             == "a     \n    \n     e \"        \" ' ' 1'000 i\n"
                "R\"         \" l");
  BOOST_TEST(code_of("x \"y\" // z", true) == "x \"y\"     ");
}

BOOST_AUTO_TEST_CASE(the_namespace_is_that_of_the_layer) {
  check(namespace_is_folder,
        {{"actors/turn.hpp", "namespace perdura::persistence {}\n"},
         {"client/http/json.cpp", "namespace perdura {}\n"},
         {"cluster/node.cpp", "// namespace perdura::cluster\n"}},
        {{"client/http/json.cpp", "namespace perdura::client {}\n"},
         {"client/main.cpp", "int main() {}\n"},
         {"client/examples/hello.cpp", "int main() {}\n"}},
        cpp_files());
}

BOOST_AUTO_TEST_CASE(only_one_file_reads_the_wall_clock) {
  check(no_file_reads_the_wall_clock,
        {{"actors/partition_actor.cpp", "std::chrono::system_clock::now();"},
         {"client/cli/start.cpp", "system_clock::now();"},
         {"cluster/node.cpp", "auto t = std::time(nullptr);"},
         {"actors/replay.cpp", "std::chrono::steady_clock::now();"}},
        {{"persistence/records/clock.cpp", "std::chrono::system_clock::now();"},
         {"client/cli/start.cpp", "std::chrono::steady_clock::now();"},
         {"actors/replay.cpp", "// never system_clock::now()\n"},
         {"benchmarks/replay.cpp", "std::chrono::steady_clock::now();"}},
        cpp_files());
}

BOOST_AUTO_TEST_CASE(durations_are_measured_by_the_steady_clock) {
  check(
    durations_are_not_read_from_the_wall_clock,
    {{"client/api/a.cpp", "f(persistence::system_clock().now()\n - began);"},
     {"client/api/a.cpp", "end - persistence::system_clock().now();"}},
    {{"client/api/a.cpp", "end - std::chrono::steady_clock::now();"},
     {"client/api/a.cpp", "id(persistence::system_clock().now());"}},
    cpp_files());
}

BOOST_AUTO_TEST_CASE(file_names_say_what_a_file_holds) {
  check(file_names_are_specific,
        {{"actors/util.hpp", ""},
         {"client/http/string_utils.cpp", ""},
         {"persistence/common/ids.hpp", ""},
         {"tests/support/misc_test.cpp", ""},
         {"cluster/node_helpers.cpp", ""}},
        {{"cluster/utility_bill.cpp", ""}, {"actors/turn.hpp", ""}},
        cpp_files());
}

BOOST_AUTO_TEST_CASE(files_have_at_most_600_lines) {
  check(files_are_short, {{"actors/a.cpp", std::string(601, '\n')}},
        {{"actors/a.cpp", std::string(600, '\n')}}, cpp_files());
}

BOOST_AUTO_TEST_CASE(sources_lie_in_sub_folders) {
  check(layers_have_sub_folders, {{"actors/a.cpp", ""}, {"client/a.hpp", ""}},
        {{"actors/partition/a.cpp", ""},
         {"client/main.cpp", ""},
         {"benchmarks/a.cpp", ""}},
        cpp_files());
}

BOOST_AUTO_TEST_CASE(headers_have_no_using_directives) {
  check(headers_open_no_namespaces,
        {{"actors/a.hpp", "namespace a {\nusing namespace std;\n}\n"}},
        {{"actors/a.hpp", "using std::string;\n"},
         {"actors/a.hpp", "inline int f() {\n  using namespace std;\n}\n"},
         {"actors/a.cpp", "using namespace std;\n"}},
        cpp_files());
}

BOOST_AUTO_TEST_CASE(files_begin_with_their_licence) {
  check(files_name_their_licence, {{"actors/a.cpp", "int a;\n"}},
        {{"actors/a.cpp", "// SPDX-License-Identifier: Apache-2.0\nint a;\n"},
         {"README.md", "text\n"}},
        cpp_files());
}

BOOST_AUTO_TEST_CASE(awaits_avoid_what_g_plus_plus_12_miscompiles) {
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
                                   "  co_await ctx.call(\"A?{\", v[i]);\n}"}},
        cpp_files());
}

BOOST_AUTO_TEST_CASE(files_have_no_tabs) {
  check(no_tabs, {{"actors/a.cpp", "int a;\n\tint b;\n"}},
        {{"actors/a.cpp", "auto t = '\\t';\n"}}, cpp_files());
}

BOOST_AUTO_TEST_CASE(headers_say_their_purpose_first) {
  check(headers_begin_with_their_purpose,
        {{"actors/a.hpp", "#pragma once\n"}, {"actors/a.hpp", "/// For a.\n"}},
        {{"actors/a.hpp", "/// For a.\n#pragma once\n"},
         {"actors/a.cpp", "int a;\n"}},
        cpp_files());
}

BOOST_AUTO_TEST_CASE(every_folder_at_the_top_has_a_readme) {
  std::set<std::string> seen;
  for (const source_file& file : text_files())
    if (!file.text.empty())
      seen.insert(file.path);
  for (const std::string folder : {"persistence", "actors", "cluster", "client",
                                   "benchmarks", "tests", "configs"})
    BOOST_TEST(seen.contains(folder + "/README.md"), folder);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
