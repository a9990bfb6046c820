// SPDX-License-Identifier: Apache-2.0
// HEAD, OPTIONS, and methods that a path does not have.
#include "client/http/management_api.hpp"
#include "client/http/routes.hpp"
#include "tests/client/http_fixture.hpp"

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <string>

namespace perdura::tests {

namespace {

const std::string method_key = "method-key-0123456789";

/// A node that requires a key.
struct methods_fixture : http_fixture {
  methods_fixture()
    : http_fixture({}, [this](client::node_host_config& config) {
        const auto file = directory.path() / "keys";
        std::ofstream(file) << "manage " << method_key << '\n';
        std::filesystem::permissions(file, std::filesystem::perms(0600));
        config.http.keys_file = file;
      }) {}

  http_answer with_key(std::string_view method, const std::string& path) {
    return request_at_root(method, path, {},
                           "x-functions-key: " + method_key + "\r\n");
  }

  /// A path of the route, for an instance that exists.
  static std::string path_of(const client::route& each) {
    std::string path(each.pattern);
    for (const auto& [part, value] :
         {std::pair("{instanceId}", "a"), std::pair("{functionName}", "Echo"),
          std::pair("{eventName}", "E"), std::pair("{entityName}", "a"),
          std::pair("{entityKey}", "a")})
      if (const std::size_t at = path.find(part); at != path.npos)
        path.replace(at, std::string_view(part).size(), value);
    return (each.base == client::route_base::webhook ? webhook : "") + path;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(http_methods, methods_fixture)

BOOST_AUTO_TEST_CASE(health_answers_head_without_a_key_and_without_a_body) {
  for (const char* path : {"/healthz", "/readyz", "/healthz/", "/READYZ"}) {
    http_caller caller(host->http_port());
    const http_answer head = caller.request("HEAD", path);
    BOOST_TEST(head.status == 200, path);
    // Nothing follows the header: the next answer begins at once.
    const http_answer get = caller.request("GET", path);
    BOOST_TEST(get.status == 200);
    BOOST_TEST(head.header("content-length") == get.header("content-length"));
    BOOST_TEST(!get.body.empty());
  }
}

// A wrong key does not matter where none is required.
BOOST_AUTO_TEST_CASE(health_ignores_a_wrong_key) {
  for (const char* method : {"HEAD", "GET"})
    for (const char* path : {"/healthz", "/readyz"})
      BOOST_TEST(request_at_root(method, path, {},
                                 "x-functions-key: not-the-key-012345\r\n")
                   .status
                 == 200);
}

BOOST_AUTO_TEST_CASE(node_that_is_starting_answers_head) {
  const auto head = [](const char* target) {
    client::http_request request;
    request.method = "HEAD";
    request.target = target;
    return client::starting_response(request).status;
  };
  BOOST_TEST(head("/healthz") == 200);
  BOOST_TEST(head("/readyz") == 503);
}

BOOST_AUTO_TEST_CASE(head_has_the_header_of_get_on_every_route) {
  with_key("POST", std::string(webhook) + "/orchestrators/Echo/a");
  with_key("GET", std::string(webhook) + "/instances/a?waitSeconds=20");
  for (const client::route& each : client::all_routes()) {
    if (each.method != "GET")
      continue;
    const std::string path = path_of(each);
    const http_answer get = with_key("GET", path);
    http_caller caller(host->http_port());
    const http_answer head = caller.request(
      "HEAD", path, {}, "x-functions-key: " + method_key + "\r\n");
    BOOST_TEST(head.status == get.status, path);
    BOOST_TEST(head.header("content-type") == get.header("content-type"), path);
    BOOST_TEST(caller.request("GET", "/healthz").status == 200, path);
    if (each.needed != client::access::none)
      BOOST_TEST(request_at_root("HEAD", path).status == 401, path);
  }
}

BOOST_AUTO_TEST_CASE(other_methods_get_the_list_of_methods) {
  for (const char* path : {"/healthz", "/readyz"})
    for (const char* method : {"POST", "PUT", "DELETE", "TRACE"}) {
      const http_answer refused = request_at_root(method, path);
      BOOST_TEST(refused.status == 405, method << ' ' << path);
      BOOST_TEST(refused.header("allow") == "GET, HEAD, OPTIONS");
      BOOST_TEST(refused.body.empty());
    }
  BOOST_TEST(with_key("DELETE", "/perdura/count").status == 405);
  BOOST_TEST(with_key("GET", "/perdura/orchestrators/Echo/pause").status
             == 405);
  BOOST_TEST(
    with_key("GET", "/perdura/orchestrators/Echo/pause").header("allow")
    == "POST, OPTIONS");
  // Without a key, a caller cannot find out which paths exist.
  BOOST_TEST(request_at_root("DELETE", "/perdura/count").status == 401);
  BOOST_TEST(request_at_root("OPTIONS", "/perdura/count").status == 401);
}

// Durable Functions answers a wrong method with 404.
BOOST_AUTO_TEST_CASE(wrong_methods_of_durable_functions_are_404_with_allow) {
  const http_answer refused
    = with_key("PUT", std::string(webhook) + "/instances/a");
  BOOST_TEST(refused.status == 404);
  BOOST_TEST(refused.header("allow") == "GET, HEAD, DELETE, OPTIONS");
  const http_answer unknown
    = with_key("PUT", std::string(webhook) + "/nothing");
  BOOST_TEST(unknown.status == 404);
  BOOST_TEST(!unknown.has("allow"));
  BOOST_TEST(with_key("OPTIONS", "/nothing").status == 404);
}

BOOST_AUTO_TEST_CASE(options_lists_the_methods_of_every_route) {
  for (const client::route& each : client::all_routes()) {
    if (each.method.empty())
      continue;
    const http_answer answer = with_key("OPTIONS", path_of(each));
    BOOST_TEST(answer.status == 200, path_of(each));
    BOOST_TEST(answer.body.empty());
    BOOST_TEST(answer.header("allow").find(each.method) != std::string::npos);
    BOOST_TEST(answer.header("allow").ends_with("OPTIONS"));
  }
}

// Regression: a refusal of HEAD before its body was read had a body, which the
// caller took for the next answer.
BOOST_AUTO_TEST_CASE(refused_head_has_no_body) {
  http_caller caller(host->http_port());
  caller.send("HEAD /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n"
              "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\n");
  const http_answer refused = caller.receive(true);
  BOOST_TEST(refused.status == 415);
  BOOST_TEST(caller.receive(true).status
             == 0); // Closed without a further byte.
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
