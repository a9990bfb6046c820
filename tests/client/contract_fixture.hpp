/// A live node, and instances in each status that the wire contract tells
/// apart.
#pragma once

#include "tests/client/door_fixture.hpp"

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

/// The statuses an instance can be found in.
inline const std::vector<std::string> live_statuses{"Pending", "Running",
                                                    "Suspended"};
inline const std::vector<std::string> ended_statuses{"Completed", "Failed",
                                                     "Terminated"};

struct contract_fixture : door_fixture {
  using door_fixture::door_fixture;

  /// An instance in that status, its ID being the status in small letters.
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
        ask("POST", "/instances/" + id + "/suspend?reason=a+pause");
      if (status == "Terminated")
        ask("POST", "/instances/" + id + "/terminate?reason=enough");
    }
    const bool live
      = std::find(live_statuses.begin(), live_statuses.end(), status)
        != live_statuses.end();
    const json shown = live ? ask("GET", "/instances/" + id).json() : ended(id);
    BOOST_TEST_REQUIRE(shown.at("runtimeStatus") == status);
    return id;
  }

  /// Calls `check` with an instance in each of the statuses.
  void for_each(const std::vector<std::string>& statuses,
                const std::function<void(const std::string& id)>& check) {
    for (const std::string& status : statuses)
      BOOST_TEST_CONTEXT(status) {
        check(instance_in(status));
      }
  }

  json history_of(const std::string& id, const char* flags = "") {
    return ask("GET", "/instances/" + id + "?showHistory=true" + flags)
      .json()
      .at("historyEvents");
  }
};

} // namespace perdura::tests
