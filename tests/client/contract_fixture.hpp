// SPDX-License-Identifier: Apache-2.0
/// A node, and instances in each runtime status that the HTTP contract of
/// Durable Functions distinguishes.
#pragma once

#include "tests/client/http_fixture.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <vector>

namespace perdura::tests {

using nlohmann::json;
using names = std::set<std::string>;

inline names keys_of(const json& object) {
  names keys;
  for (const auto& [key, value] : object.items())
    keys.insert(key);
  return keys;
}

/// The runtime statuses of instances that can still change, and of those that
/// have ended.
inline const std::vector<std::string> live_statuses{"Pending", "Running",
                                                    "Suspended"};
inline const std::vector<std::string> ended_statuses{"Completed", "Failed",
                                                     "Terminated"};

struct contract_fixture : http_fixture {
  using http_fixture::http_fixture;

  /// Creates an instance with this runtime status. The instance ID is the
  /// status in lower case.
  std::string instance_in(const std::string& status) {
    std::string id = status;
    id[0] = static_cast<char>(id[0] - 'A' + 'a');
    if (status == "Pending") {
      start("Approval", id + "?scheduledStartTime=2099-01-01T00:00:00Z");
    } else if (status == "Completed") {
      start("Echo", id, "1");
    } else if (status == "Failed") {
      start("Fails", id);
    } else {
      start("Approval", id);
      if (status == "Suspended")
        request("POST", "/instances/" + id + "/suspend?reason=a+pause");
      if (status == "Terminated")
        request("POST", "/instances/" + id + "/terminate?reason=enough");
    }
    const bool live
      = std::find(live_statuses.begin(), live_statuses.end(), status)
        != live_statuses.end();
    const json shown
      = live ? request("GET", "/instances/" + id).json() : ended(id);
    BOOST_TEST_REQUIRE(shown.at("runtimeStatus") == status);
    return id;
  }

  /// Creates one instance with each of these statuses and calls `check` with
  /// its ID.
  void for_each(const std::vector<std::string>& statuses,
                const std::function<void(const std::string& id)>& check) {
    for (const std::string& status : statuses)
      BOOST_TEST_CONTEXT(status) {
        check(instance_in(status));
      }
  }

  /// The history events of the instance. `flags` is appended to the query.
  json history_of(const std::string& id, const char* flags = "") {
    return request("GET", "/instances/" + id + "?showHistory=true" + flags)
      .json()
      .at("historyEvents");
  }
};

/// Expects an error response that has a message for the user and no stack
/// trace.
inline void check_refusal(const http_answer& answer, int status) {
  BOOST_TEST(answer.status == status, answer.body);
  BOOST_TEST(answer.header("content-type")
             == "application/json; charset=utf-8");
  const json body = answer.json();
  BOOST_TEST(!body.at("Message").get<std::string>().empty());
  BOOST_TEST(!body.contains("StackTrace"));
}

/// Expects an answer without a body.
inline void check_empty(const http_answer& answer, int status) {
  BOOST_TEST(answer.status == status, answer.body);
  BOOST_TEST(answer.body.empty(), answer.body);
}

/// Expects a body that is one JSON string.
inline void check_sentence(const http_answer& answer, int status) {
  BOOST_TEST(answer.status == status, answer.body);
  BOOST_TEST(answer.json().is_string(), answer.body);
}

/// The members of the management URLs.
inline const names payload_keys{"id",
                                "statusQueryGetUri",
                                "sendEventPostUri",
                                "terminatePostUri",
                                "rewindPostUri",
                                "purgeHistoryDeleteUri",
                                "restartPostUri",
                                "suspendPostUri",
                                "resumePostUri"};

/// The members of a status object without its history.
inline const names status_keys{"name",        "instanceId",     "runtimeStatus",
                               "input",       "output",         "customStatus",
                               "createdTime", "lastUpdatedTime"};

/// Expects status 202 with the management URLs and the headers Location and
/// Retry-After.
inline void check_accepted(const http_answer& answer,
                           const std::string& id = {}) {
  BOOST_TEST_REQUIRE(answer.status == 202, answer.body);
  const json body = answer.json();
  BOOST_TEST(keys_of(body) == payload_keys, boost::test_tools::per_element());
  if (!id.empty())
    BOOST_TEST(body.at("id") == id);
  BOOST_TEST(answer.header("location") == body.at("statusQueryGetUri"));
  BOOST_TEST(answer.header("retry-after") == "10");
}

} // namespace perdura::tests
