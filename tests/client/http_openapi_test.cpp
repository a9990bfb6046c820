// SPDX-License-Identifier: Apache-2.0
#include "client/http/openapi.hpp"
#include "client/http/routes.hpp"
#include "tests/client/http_fixture.hpp"
#include "tests/support/json_schema.hpp"

#include <boost/test/unit_test.hpp>

#include <functional>
#include <regex>
#include <set>
#include <string>
#include <vector>

// Compares the OpenAPI document with the HTTP API: every operation of the
// document is requested, and the answer must match its description.

using namespace perdura::tests;
using nlohmann::json;

namespace {

/// The method and path of an operation, e.g. "GET /instances/{instanceId}".
using operation_name = std::string;

const std::set<std::string> methods{"get", "put", "post", "delete", "patch"};

std::string upper(std::string text) {
  for (char& c : text)
    if (c >= 'a' && c <= 'z')
      c = static_cast<char>(c - 'a' + 'A');
  return text;
}

void for_each_operation(
  const json& document,
  const std::function<void(const operation_name& name, const json& path,
                           const json& operation)>& see) {
  for (const auto& [path, members] : document.at("paths").items())
    for (const auto& [method, operation] : members.items())
      if (methods.contains(method))
        see(upper(method) + " " + path, members, operation);
}

/// Calls `see` with every object that contains a "$ref".
void for_each_ref(const json& place,
                  const std::function<void(const json& place)>& see) {
  if (place.is_object() && place.contains("$ref"))
    see(place);
  if (place.is_structured())
    for (const json& each : place)
      for_each_ref(each, see);
}

struct openapi_fixture : http_fixture {
  openapi_fixture()
    : document(json::parse(request_at_root("GET", "/openapi.json").body)) {}

  const json& operation(const operation_name& name) const {
    const std::size_t blank = name.find(' ');
    std::string method = name.substr(0, blank);
    for (char& c : method)
      c = static_cast<char>(c - 'A' + 'a');
    return document.at("paths").at(name.substr(blank + 1)).at(method);
  }

  /// Sends a request of this operation and compares the answer with the
  /// document. `path` is the path of the operation with its parameters filled
  /// in.
  http_answer check(const operation_name& name, const std::string& path,
                    int status, std::string_view body = {},
                    std::string_view headers = {}) {
    requested.insert(name);
    const http_answer answer
      = request_at_root(name.substr(0, name.find(' ')), path, body, headers);
    BOOST_TEST_CONTEXT(name << " as " << path << ": " << answer.status << ' '
                            << answer.body) {
      BOOST_TEST(answer.status == status);
      const json& responses = operation(name).at("responses");
      const std::string code = std::to_string(answer.status);
      BOOST_TEST_REQUIRE(responses.contains(code));
      check_answer(schemas.resolved(responses.at(code)), answer);
    }
    return answer;
  }

  /// Compares the headers and the body of the answer with the description of
  /// the response.
  void check_answer(const json& described, const http_answer& answer) {
    const json headers = described.value("headers", json::object());
    for (const auto& [name, place] : headers.items()) {
      std::string lower = name;
      for (char& c : lower)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      const json& header = schemas.resolved(place);
      if (header.value("required", false))
        BOOST_TEST(answer.has(lower), name);
      if (answer.has(lower))
        check_value(header.at("schema"), answer.header(lower));
    }
    if (!described.contains("content")) {
      BOOST_TEST(answer.body.empty());
      return;
    }
    const std::string type = answer.header("content-type");
    const std::string bare = type.substr(0, type.find(';'));
    BOOST_TEST_REQUIRE(described.at("content").contains(bare), type);
    const json& schema = described.at("content").at(bare).at("schema");
    check_value(schema,
                bare == "application/json" ? answer.json() : json(answer.body));
  }

  void check_value(const json& schema, const json& value) {
    for (const std::string& sentence : schemas.violations(schema, value))
      BOOST_ERROR(sentence);
  }

  json document;
  json_schema schemas{document};
  std::set<operation_name> requested;
};

const std::string base = webhook;

} // namespace

BOOST_FIXTURE_TEST_SUITE(http_openapi, openapi_fixture)

BOOST_AUTO_TEST_CASE(node_serves_the_built_in_document) {
  const http_answer answer = request_at_root("GET", "/openapi.json");
  BOOST_TEST(answer.status == 200);
  BOOST_TEST((answer.body == perdura::client::openapi_document));
  BOOST_TEST(document.at("openapi").get<std::string>().starts_with("3.1."));
}

BOOST_AUTO_TEST_CASE(every_reference_resolves_and_every_component_is_used) {
  std::set<std::string> used;
  for_each_ref(document, [&](const json& place) {
    BOOST_CHECK_NO_THROW(schemas.resolved(place));
    used.insert(place.at("$ref"));
  });
  for (const auto& [kind, members] : document.at("components").items())
    if (kind != "securitySchemes")
      for (const auto& [name, component] : members.items())
        BOOST_TEST(used.contains("#/components/" + kind + "/" + name),
                   kind << '/' << name);
}

BOOST_AUTO_TEST_CASE(operation_ids_are_unique) {
  std::set<std::string> names;
  for_each_operation(document, [&](const operation_name& name, const json&,
                                   const json& operation) {
    BOOST_TEST(names.insert(operation.at("operationId")).second, name);
    BOOST_TEST(!operation.at("summary").get<std::string>().empty(), name);
  });
}

BOOST_AUTO_TEST_CASE(path_placeholders_are_declared_as_parameters) {
  static const std::regex braces(R"(\{([A-Za-z]+)\})");
  for (const auto& [path, members] : document.at("paths").items()) {
    std::set<std::string> named;
    std::set<std::string> declared;
    for (auto at = std::sregex_iterator(path.begin(), path.end(), braces);
         at != std::sregex_iterator(); ++at)
      named.insert((*at)[1]);
    const json parameters = members.value("parameters", json::array());
    for (const json& place : parameters) {
      const json& parameter = schemas.resolved(place);
      BOOST_TEST(parameter.at("in") == "path", path);
      BOOST_TEST(parameter.at("required") == true, path);
      declared.insert(parameter.at("name"));
    }
    BOOST_TEST(named == declared, boost::test_tools::per_element());
  }
}

// Requests every operation with the statuses that a test can provoke. At the
// end the test fails for each operation that was not requested.
BOOST_AUTO_TEST_CASE(every_operation_answers_as_documented) {
  const std::string json_type = json_body_header;
  // --- Start
  for (const auto& [name, path] :
       {std::pair<std::string, std::string>("POST " + base
                                              + "/orchestrators/{functionName}",
                                            base + "/orchestrators/"),
        {"POST /orchestrators/{functionName}", "/orchestrators/"}}) {
    check(name, path + "Approval", 202);
    check(name, path + "Echo?timeout=20&pollingInterval=1", 200, "[7]");
    check(name, path + "Echo", 400, "{");
    check(name, path + "Nope", 400);
    check(name,
          path
            + "Fails?timeout=20&pollingInterval=1"
              "&returnInternalServerErrorOnFailure=true",
          500);
    check(name, path + "Echo", 413, "\"" + std::string(1 << 20, 'x') + "\"");
  }
  const std::string with_id
    = "POST " + base + "/orchestrators/{functionName}/{instanceId}";
  const std::string approval = base + "/orchestrators/Approval/live";
  check(with_id, approval, 202);
  check(with_id, approval, 409);
  check(with_id, approval + "?getOrStart=true", 202);
  check(with_id, base + "/orchestrators/Approval/@a", 400);
  check(with_id,
        base
          + "/orchestrators/Approval/later"
            "?scheduledStartTime=2099-01-01T00:00:00Z",
        202);
  const std::string raise = with_id + "/raiseEvent/{eventName}";
  const std::string raised
    = base + "/orchestrators/Approval/raised/raiseEvent/";
  check(raise, raised + "E", 202, R"({"input":1,"data":2})");
  check(raise, raised + "E", 202);
  check(raise, raised + "E", 400, "7");
  check(raise, raised + "E?scheduledStartTime=2099-01-01T00:00:00Z", 400);
  check(raise, base + "/orchestrators/Nope/raised2/raiseEvent/E", 400);
  const std::string wait = "POST /orchestrators/{functionName}/wait";
  check(wait, "/orchestrators/HelloSequence/wait?timeout=20", 200);
  check(wait, "/orchestrators/Approval/wait?timeout=0.01", 202);
  check(wait, "/orchestrators/Approval/wait?timeout=301", 400);
  for (const std::string& path :
       {base + "/orchestrators", std::string("/orchestrators")}) {
    check("POST " + path, path, 202, R"({"FunctionName":"Echo","Input":1})");
    check("POST " + path, path, 202, R"([{"FunctionName":"Echo"}])");
    check("POST " + path, path, 409,
          R"({"FunctionName":"Echo","InstanceId":"live"})");
    check("POST " + path, path, 400, "7");
  }

  // --- Query
  for (const auto& [name, id] : {std::pair("Echo", "done"),
                                 {"Fails", "failed"},
                                 {"HelloSequence", "hello"},
                                 {"FailsOnce", "once"},
                                 {"Parent", "parent"},
                                 {"Sleep", "slept"}}) {
    start(name, id, "2");
    ended(id);
  }
  const std::string instance = base + "/instances/";
  const std::string get = "GET " + base + "/instances/{instanceId}";
  const std::string history = "?showHistory=true&showHistoryOutput=true";
  check(get, instance + "live" + history, 202);
  check(get, instance + "later" + history, 202);
  check(get, instance + "live?waitSeconds=0", 202);
  for (const char* id : {"done", "failed", "hello", "once", "parent", "slept"})
    check(get, instance + id + history, 200);
  check(get, instance + "failed?returnInternalServerErrorOnFailure=true", 500);
  check(get, instance + "nope", 404);
  check(get, instance + "live?waitSeconds=301", 400);
  const std::string list = base + "/instances";
  check("GET " + list, list + "?top=2", 200);
  check("GET " + list, list, 200);
  check("GET " + list, list + "?top=1001", 400);
  check("GET /perdura/count", "/perdura/count", 200);
  check("GET /perdura/count", "/perdura/count?partial=true", 200);
  check("GET /perdura/cluster", "/perdura/cluster", 200);
  check("GET " + list, list + "?partial=true", 200);
  check("GET /perdura/stuck", "/perdura/stuck", 200);
  const std::string described = "GET /perdura/instances/{instanceId}";
  for (const char* id : {"live", "later", "done", "parent"})
    check(described, std::string("/perdura/instances/") + id, 200);
  check(described, "/perdura/instances/nope", 404);
  const std::string urls = "GET /perdura/instances/{instanceId}/urls";
  check(urls, "/perdura/instances/live/urls", 200);
  check(urls, "/perdura/instances/nope/urls", 404);

  // --- Manage
  const std::string managed = "POST " + base + "/instances/{instanceId}/";
  const std::string event = "raiseEvent/{eventName}";
  check(managed + event, instance + "live/raiseEvent/E", 202, "1", json_type);
  check(managed + event, instance + "nope/raiseEvent/E", 404, "1", json_type);
  check(managed + event, instance + "done/raiseEvent/E", 410, "1", json_type);
  check(managed + event, instance + "live/raiseEvent/E", 400, "1");
  for (const std::string word : {"suspend", "resume", "terminate"}) {
    check(managed + word, instance + "live/" + word + "?reason=why", 202);
    check(managed + word, instance + "nope/" + word, 404);
    check(managed + word, instance + "done/" + word, 410);
    check(managed + word,
          instance + "later/" + word + "?reason=" + std::string(1025, 'x'),
          400);
  }
  check(get, instance + "live" + history, 200);
  check(managed + "release", instance + "later/release?reason=fixed", 202);
  check(managed + "release", instance + "nope/release", 404);
  check(managed + "release", instance + "done/release", 410);
  const std::string named = "POST /perdura/orchestrators/{functionName}/";
  check(named + "pause", "/perdura/orchestrators/Sleep/pause?reason=why", 202);
  check("GET /perdura/paused", "/perdura/paused", 200);
  check(named + "pause", "/perdura/orchestrators/Nothing/pause", 400);
  check(named + "unpause", "/perdura/orchestrators/Sleep/unpause", 202);
  check(managed + "rewind", instance + "once/rewind?reason=fixed", 202);
  check(managed + "rewind", instance + "done/rewind", 412);
  check(managed + "rewind", instance + "nope/rewind", 404);
  ended("once");
  check(get, instance + "once" + history, 200);
  const std::string again = managed + "restart";
  check(again, instance + "done/restart", 202);
  check(again, instance + "done/restart?timeout=20&pollingInterval=1", 200);
  check(again, instance + "nope/restart", 400);
  check(again, instance + "later/restart?restartWithNewInstanceId=false", 409);
  const std::string purge = "DELETE " + base + "/instances/{instanceId}";
  check(purge, instance + "done", 200);
  check(purge, instance + "done", 404);
  check(purge, instance + "later", 412);
  check("DELETE " + list, list + "?createdTimeFrom=2020-01-01", 200);
  check("DELETE " + list, list + "?createdTimeFrom=2099-01-01", 404);
  check("DELETE " + list, list, 400);
  check("DELETE " + list, list + "?createdTimeFrom=x", 400);

  // --- Other routes
  check("GET " + base + "/entities", base + "/entities", 501);
  const std::string by_name = base + "/entities/{entityName}";
  check("GET " + by_name, base + "/entities/Counter", 501);
  for (const std::string method : {"GET ", "POST ", "DELETE "})
    check(method + by_name + "/{entityKey}", base + "/entities/Counter/a", 501);
  check("POST " + base + "/makeprimary", base + "/makeprimary", 200);
  for (const std::string path :
       {"/client-binding", "/openapi.json", "/metrics", "/healthz", "/readyz"})
    check("GET " + path, path, 200);

  for_each_operation(
    document, [&](const operation_name& name, const json&, const json&) {
      BOOST_TEST(requested.contains(name), name << " was not requested");
    });
}

BOOST_AUTO_TEST_CASE(every_operation_refuses_foreign_origins) {
  static const std::regex braces(R"(\{[A-Za-z]+\})");
  for_each_operation(document, [&](const operation_name& name, const json&,
                                   const json& operation) {
    if (operation.contains("security"))
      return; // The operation needs no key.
    const std::string path = name.substr(name.find(' ') + 1);
    check(name, std::regex_replace(path, braces, "x"), 403, {},
          "Origin: http://evil.example\r\n");
  });
}

// Finds routes that the document lacks, and operations without a route.
BOOST_AUTO_TEST_CASE(document_and_http_api_have_the_same_routes) {
  std::set<operation_name> served;
  for (const perdura::client::route& each : perdura::client::all_routes()) {
    const bool below = each.base == perdura::client::route_base::webhook;
    // For a route that accepts every method, the document describes POST only.
    served.insert((each.method.empty() ? "POST" : std::string(each.method))
                  + " " + (below ? base : "") + std::string(each.pattern));
  }
  std::set<operation_name> described;
  for_each_operation(document, [&](const operation_name& name, const json&,
                                   const json&) { described.insert(name); });
  for (const operation_name& name : served)
    BOOST_TEST(described.contains(name), name << " is not described");
  for (const operation_name& name : described)
    BOOST_TEST(served.contains(name), name << " is not served");
}

BOOST_AUTO_TEST_SUITE_END()

// --- The schema checker ------------------------------------------------------

BOOST_AUTO_TEST_SUITE(json_schema_suite)

// Each keyword is tested with values that satisfy it and values that violate
// it. An unknown keyword is a violation, so that the checker never ignores a
// rule silently.
BOOST_AUTO_TEST_CASE(values_that_violate_a_schema_are_reported) {
  const json document = json::parse(R"({"schemas": {
    "name": {"type": "string", "maxLength": 3, "pattern": "^[a-z]*$"},
    "pair": {"type": "object", "required": ["a"],
             "properties": {"a": {"$ref": "#/schemas/name"}, "b": {}},
             "additionalProperties": false},
    "few": {"type": "array", "items": {"type": "integer", "minimum": 0,
                                       "maximum": 9}},
    "either": {"oneOf": [{"$ref": "#/schemas/pair"}, {"type": "null"},
                         {"enum": ["x", "y"]}]},
    "map": {"type": ["object", "null"],
            "additionalProperties": {"type": "boolean"}},
    "new": {"uniqueItems": true}}})");
  const json_schema schemas(document);
  const auto fits = [&](const char* name, const char* value) {
    return schemas
      .violations(document.at("schemas").at(name), json::parse(value))
      .empty();
  };
  for (const auto& [name, value] : {std::pair("name", R"("abc")"),
                                    {"pair", R"({"a":"x","b":[1]})"},
                                    {"few", "[0,9]"},
                                    {"few", "[]"},
                                    {"either", "null"},
                                    {"either", R"("y")"},
                                    {"either", R"({"a":""})"},
                                    {"map", R"({"x":true})"},
                                    {"map", "null"}})
    BOOST_TEST(fits(name, value), name << ' ' << value);
  for (const auto& [name, value] : {std::pair("name", R"("abcd")"),
                                    {"name", R"("A")"},
                                    {"name", "1"},
                                    {"pair", R"({"b":1})"},
                                    {"pair", R"({"a":1})"},
                                    {"pair", R"({"a":"x","c":1})"},
                                    {"pair", "[]"},
                                    {"few", "[10]"},
                                    {"few", "[-1]"},
                                    {"few", "[1.5]"},
                                    {"either", R"("z")"},
                                    {"either", "{}"},
                                    {"map", R"({"x":1})"},
                                    {"map", "[]"},
                                    {"new", "[]"}})
    BOOST_TEST(!fits(name, value), name << ' ' << value);
  BOOST_CHECK_THROW(schemas.resolved({{"$ref", "#/schemas/none"}}),
                    std::runtime_error);
}

BOOST_AUTO_TEST_SUITE_END()
