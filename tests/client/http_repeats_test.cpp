// SPDX-License-Identifier: Apache-2.0
// The header Idempotency-Key (finding B5).
#include "tests/client/http_fixture.hpp"

#include <boost/test/unit_test.hpp>

using namespace perdura::tests;

namespace {

/// A node that records no keys.
struct no_keys_fixture : http_fixture {
  no_keys_fixture()
    : http_fixture({}, [](perdura::client::node_host_config& config) {
        config.node.request_keys_max = 0;
      }) {}
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(http_repeats, http_fixture)

// Each operation has the header. A repeat has no effect, also after a purge;
// the same key with another content is refused.
BOOST_AUTO_TEST_CASE(each_operation_can_be_repeated) {
  const auto ask = [&](const char* method, const std::string& path,
                       const std::string& key, const std::string& body = {}) {
    return request(method, path, body,
                   "Idempotency-Key: " + key + "\r\n"
                     + (body.empty() ? "" : json_body_header));
  };
  const auto twice = [&](const char* method, const std::string& path,
                         const std::string& key, const std::string& body = {}) {
    const http_answer first = ask(method, path, key, body);
    const http_answer again = ask(method, path, key, body);
    BOOST_TEST(first.status == again.status);
    BOOST_TEST(first.status < 300, path << ' ' << first.body);
    return first;
  };
  twice("POST", "/orchestrators/Approval/a", "k1");
  twice("POST", "/instances/a/raiseEvent/Other", "k1", "1");
  twice("POST", "/instances/a/suspend?reason=x", "k1");
  twice("POST", "/instances/a/resume?reason=x", "k1");
  twice("POST", "/instances/a/release", "k1");
  twice("POST", "/instances/a/terminate?reason=x", "k1");
  twice("DELETE", "/instances/a", "k1");
  BOOST_TEST(ask("DELETE", "/instances/a", "k2").status == 404);
  twice("POST", "/orchestrators/Approval/a", "k1");
  BOOST_TEST(request("GET", "/instances/a").status == 404);
  const http_answer other = ask("POST", "/orchestrators/Approval/a", "k1", "2");
  BOOST_TEST(other.status == 422);
  BOOST_TEST(other.json().at("Code") == "request_id_reused");
  BOOST_TEST(ask("POST", "/instances/a/terminate?reason=y", "k1").status
             == 422);
}

// A request with two keys would have the effect of one of them, by chance.
BOOST_AUTO_TEST_CASE(two_keys_are_refused) {
  for (const char* keys : {"Idempotency-Key: k1\r\nIdempotency-Key: k2\r\n",
                           "Idempotency-Key: k1\r\nidempotency-key: k1\r\n",
                           "Idempotency-Key: \r\nIdempotency-Key: k1\r\n"}) {
    const http_answer refused
      = request("POST", "/orchestrators/Approval/a", {}, keys);
    BOOST_TEST(refused.status == 400);
    BOOST_TEST(refused.body.find("Idempotency-Key") != std::string::npos);
  }
  BOOST_TEST(request("GET", "/instances/a").status == 404);
}

// The new instance is that of the first request, also when the old one is gone.
BOOST_AUTO_TEST_CASE(a_restart_can_be_repeated) {
  const auto restart = [&](const std::string& query) {
    return request("POST", "/instances/a/restart" + query, {},
                   "Idempotency-Key: k\r\n");
  };
  BOOST_TEST(request("POST", "/orchestrators/Echo/a", "1").status == 202);
  ended("a");
  const std::string id = restart("").json().at("id");
  BOOST_TEST(restart("").json().at("id") == id);
  BOOST_TEST(restart("?restartWithNewInstanceId=false").json().at("id") == "a");
  ended("a");
  BOOST_TEST(request("DELETE", "/instances/a").status == 200);
  BOOST_TEST(restart("").json().at("id") == id);
  BOOST_TEST(restart("?restartWithNewInstanceId=false").json().at("id") == "a");
  BOOST_TEST(request("GET", "/instances/a").status == 404);
  BOOST_TEST(request("POST", "/instances/a/restart").status == 400);
}

// At the bound, requests with a new key get 503; the others are executed.
BOOST_FIXTURE_TEST_CASE(requests_without_a_key_have_no_bound, no_keys_fixture) {
  constexpr const char* key = "Idempotency-Key: k\r\n";
  start("Approval", "a");
  for (const char* path :
       {"/orchestrators/Approval/b", "/instances/a/raiseEvent/Other",
        "/instances/a/suspend", "/instances/a/terminate"}) {
    const http_answer refused = request("POST", path, {}, key);
    BOOST_TEST(refused.status == 503, path);
    BOOST_TEST(!refused.header("retry-after").empty());
    BOOST_TEST(refused.body.find("request_keys_max") != std::string::npos);
    BOOST_TEST(request("POST", path).status == 202, path);
  }
}

// The bounds have metrics.
BOOST_AUTO_TEST_CASE(metrics_show_keys_and_the_size_of_instances) {
  const auto metric = [&](const std::string& name) {
    const std::string page = request_at_root("GET", "/metrics").body;
    const auto place = page.find('\n' + name + ' ');
    BOOST_TEST_REQUIRE(place != std::string::npos, name);
    return std::stod(page.substr(place + name.size() + 2));
  };
  BOOST_TEST(metric("perdura_request_keys") == 0);
  request("POST", "/orchestrators/Approval/a", {}, "Idempotency-Key: k\r\n");
  request("POST", "/orchestrators/Approval/a", {}, "Idempotency-Key: k\r\n");
  BOOST_TEST(metric("perdura_request_keys") == 1);
  BOOST_TEST(metric("perdura_request_key_bytes") > 50);
  BOOST_TEST(metric("perdura_requests_repeated_total") == 1);
  BOOST_TEST(metric("perdura_request_keys_refused_total") == 0);
  const double before = metric("perdura_instances_live_bytes");
  request("POST", "/instances/a/raiseEvent/Other",
          '"' + std::string(100'000, 'x') + '"', json_body_header);
  BOOST_TEST(metric("perdura_instances_live_bytes") > before + 100'000);
}

BOOST_AUTO_TEST_SUITE_END()
