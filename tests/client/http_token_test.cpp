// SPDX-License-Identifier: Apache-2.0
// The tokens in management URLs are valid for one instance, not for a later one
// with the same ID.
#include "actors/interface/management.hpp"
#include "tests/client/keys_fixture.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

namespace perdura::tests {

using nlohmann::json;

BOOST_FIXTURE_TEST_SUITE(http_tokens, keys_fixture)

// Regression: the URLs of an instance that was purged, and started again with
// the same ID, changed the new instance.
BOOST_AUTO_TEST_CASE(token_is_not_valid_for_a_later_instance_with_the_same_id) {
  const auto old = management_urls_of(start_approval("a"));
  end_instance("a");
  BOOST_TEST(
    request("DELETE", "/instances/a", {}, key_header(master_key)).status
    == 200);
  for (const auto& [method, target] : old) // There is no instance.
    BOOST_TEST((call(method, target).status == 404
                || call(method, target).status == 400),
               target);
  const auto now = management_urls_of(start_approval("a"));
  check_refused(old);
  BOOST_TEST(call("GET", old.front().second + "&waitSeconds=0").status == 403);
  BOOST_TEST(call("GET", old.front().second + "&showHistory=true").status
             == 403);
  check_running("a");
  check_work(now);
}

BOOST_AUTO_TEST_CASE(token_is_not_valid_for_an_instance_that_replaces_its_own) {
  const auto old = management_urls_of(start_approval("a"));
  end_instance("a");
  const auto now = management_urls_of(start_approval("a"));
  check_refused(old);
  check_running("a");
  check_work(now);
}

BOOST_AUTO_TEST_CASE(a_refused_token_is_explained) {
  const auto old = management_urls_of(start_approval("a"));
  end_instance("a");
  start_approval("a");
  for (const auto& [method, target] : old) {
    const http_answer answer = call(method, target);
    BOOST_TEST(answer.json().at("Code") == "forbidden");
    BOOST_TEST(answer.json().at("Message").get<std::string>().find(
                 "earlier instance with the ID \"a\"")
               != std::string::npos);
  }
}

// All starts return URLs for the instance that exists after them.
BOOST_AUTO_TEST_CASE(urls_of_every_kind_of_start_work) {
  const std::string keys = key_header(master_key);
  const std::string repeated = keys + "Idempotency-Key: k\r\n";
  std::vector<json> answers;
  const auto add = [&](const http_answer& answer) {
    BOOST_TEST(answer.status == 202, answer.body);
    const json body = answer.json();
    if (body.is_array())
      answers.insert(answers.end(), body.begin(), body.end());
    else
      answers.push_back(body);
  };
  add(request("POST", "/orchestrators/Approval", {}, keys));
  add(request("POST", "/orchestrators/Approval/a", {}, repeated));
  add(request("POST", "/orchestrators/Approval/a", {}, repeated));
  add(request("POST", "/orchestrators/Approval/a?getOrStart=true", {}, keys));
  add(request("POST",
              "/orchestrators/Approval/b?timeout=0.1&pollingInterval=0.1", {},
              keys));
  add(request(
    "POST", "/orchestrators/Approval/c?scheduledStartTime=2999-01-01T00:00:00Z",
    {}, keys));
  add(request("POST", "/orchestrators",
              R"({"FunctionName":"Approval","InstanceId":"d"})", keys));
  add(request("POST", "/orchestrators", R"([{"FunctionName":"Approval"}])",
              repeated));
  add(request("POST", "/orchestrators", R"([{"FunctionName":"Approval"}])",
              repeated));
  add(request("POST", "/instances/a/restart", {}, keys));
  for (const json& each : answers) {
    const std::string id = each.at("id");
    BOOST_TEST(
      call("GET", management_urls_of(each).front().second).status == 202, id);
    const json listed
      = request_at_root("GET", "/perdura/instances/" + id + "/urls", {}, keys)
          .json();
    BOOST_TEST(
      call("GET", management_urls_of(listed).front().second).status == 202, id);
  }
}

BOOST_AUTO_TEST_CASE(token_stays_valid_after_continue_as_new_and_rewind) {
  const auto counter = management_urls_of(
    request("POST", "/orchestrators/Counter/c", "0", key_header(master_key))
      .json());
  for (int i = 0; i < 3; ++i)
    request("POST", "/instances/c/raiseEvent/Add", "1",
            key_header(master_key) + json_body_header);
  for (const auto& [method, target] : counter)
    if (method == "GET" || target.find("/suspend") != target.npos
        || target.find("/resume") != target.npos)
      BOOST_TEST(call(method, target).status == 202, target);
  const auto failed = management_urls_of(
    request("POST", "/orchestrators/FailsOnce/f", {}, key_header(master_key))
      .json());
  BOOST_TEST(call("GET", failed.front().second + "&waitSeconds=20").status
             == 200);
  BOOST_TEST(
    request("POST", "/instances/f/rewind", {}, key_header(master_key)).status
    == 202);
  BOOST_TEST(call("GET", failed.front().second + "&waitSeconds=20").status
             == 200);
}

BOOST_AUTO_TEST_CASE(urls_of_an_activity_are_those_of_the_existing_instance) {
  const auto url_of = [&](const std::string& id) {
    return target_of(host->gateway()->payload_of(id).status_query_get_uri);
  };
  const std::string before = url_of("a"); // For any instance.
  start_approval("a");
  BOOST_TEST(call("GET", before).status == 202);
  const std::string first = url_of("a");
  BOOST_TEST(call("GET", first).status == 202);
  end_instance("a");
  start_approval("a");
  BOOST_TEST(call("GET", first).status == 403);
  BOOST_TEST(call("GET", url_of("a")).status == 202);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
