// SPDX-License-Identifier: Apache-2.0
/// A node whose HTTP API requires a key, and requests with the URLs that it
/// returns.
#pragma once

#include "tests/client/http_fixture.hpp"

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace perdura::tests {

inline const std::string master_key = "master-key-0123456789";
inline const std::string spare_key = "spare-key-0123456789";
inline const std::string reader_key = "reader-key-0123456789";

inline std::string key_header(const std::string& key) {
  return "x-functions-key: " + key + "\r\n";
}

/// The path and query of a URL.
inline std::string target_of(const std::string& url) {
  return url.substr(url.find('/', url.find("://") + 3));
}

/// Replaces a placeholder in the URL.
inline std::string filled(std::string url, const std::string& name,
                          const std::string& value) {
  return url.replace(url.find(name), name.size(), value);
}

/// A node with two manage keys and one read key.
struct keys_fixture : http_fixture {
  keys_fixture()
    : http_fixture({}, [this](client::node_host_config& config) {
        const auto file = directory.path() / "keys";
        std::ofstream(file) << "manage " << master_key << "\nmanage "
                            << spare_key << "\nread " << reader_key << '\n';
        std::filesystem::permissions(file, std::filesystem::perms(0600));
        config.http.keys_file = file;
        config.http.hosts = {"ship.example"};
      }) {}

  /// Sends a request without a key, but perhaps with a token.
  http_answer call(const std::string& method, const std::string& target) {
    return request_at_root(method, target, method == "POST" ? "1" : "",
                           method == "POST" ? json_body_header : "");
  }

  /// Methods and targets of the URLs of an instance, with the status first.
  static std::vector<std::pair<std::string, std::string>>
  management_urls_of(const nlohmann::json& urls) {
    const auto url = [&](const char* name, const char* method = "POST") {
      std::string target = target_of(urls.at(name).get<std::string>());
      for (const char* part : {"{text}", "{eventName}"})
        if (target.find(part) != target.npos)
          target = filled(target, part, "x");
      return std::pair<std::string, std::string>(method, target);
    };
    return {url("statusQueryGetUri", "GET"),
            url("sendEventPostUri"),
            url("suspendPostUri"),
            url("resumePostUri"),
            url("rewindPostUri"),
            url("restartPostUri"),
            url("terminatePostUri"),
            url("purgeHistoryDeleteUri", "DELETE")};
  }

  void end_instance(const std::string& id) {
    request("POST", "/instances/" + id + "/terminate", {},
            key_header(master_key));
    request("GET", "/instances/" + id + "?waitSeconds=20", {},
            key_header(master_key));
  }

  void check_refused(
    const std::vector<std::pair<std::string, std::string>>& requests) {
    for (const auto& [method, target] : requests)
      BOOST_TEST(call(method, target).status == 403, method << ' ' << target);
  }

  void check_running(const std::string& id) {
    const nlohmann::json status
      = request("GET", "/instances/" + id, {}, key_header(master_key)).json();
    BOOST_TEST(status.at("runtimeStatus") == "Running");
  }

  /// Each of the requests is admitted and has its usual result.
  void
  check_work(const std::vector<std::pair<std::string, std::string>>& requests) {
    const int statuses[] = {202, 202, 202, 202, 412, 202, 202, 200};
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const auto& [method, target] = requests[i];
      if (method == "DELETE") // The termination is durable.
        request("GET",
                target.substr(target.find("/instances"),
                              target.find('?') - target.find("/instances"))
                  + "?waitSeconds=20",
                {}, key_header(master_key));
      BOOST_TEST(call(method, target).status == statuses[i],
                 method << ' ' << target);
    }
  }

  nlohmann::json start_approval(const std::string& id) {
    return request("POST", "/orchestrators/Approval/" + id, {},
                   key_header(master_key))
      .json();
  }
};

} // namespace perdura::tests
