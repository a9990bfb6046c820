// SPDX-License-Identifier: Apache-2.0
#include "cluster/node/management_urls.hpp"

#include <boost/test/unit_test.hpp>

namespace perdura::tests {

using cluster::encode_url_part;
using cluster::make_management_payload;
using cluster::management_base;

BOOST_AUTO_TEST_SUITE(management_urls)

// The URLs have the form that Durable Functions returns.
BOOST_AUTO_TEST_CASE(urls_match_durable_functions) {
  management_base base;
  base.origin = "http://127.0.0.1:7071";
  base.task_hub = "hub";
  base.code_of = [](std::string_view, char) { return std::string("k&y"); };
  const auto payload = make_management_payload(base, "order 17");
  const std::string instance
    = "http://127.0.0.1:7071/runtime/webhooks/durabletask/instances/order%2017";
  const std::string common = "taskHub=hub&connection=Storage&code=k%26y";
  BOOST_TEST(payload.id == "order 17");
  BOOST_TEST(payload.status_query_get_uri == instance + "?" + common);
  BOOST_TEST(payload.send_event_post_uri
             == instance + "/raiseEvent/{eventName}?" + common);
  BOOST_TEST(payload.terminate_post_uri
             == instance + "/terminate?reason={text}&" + common);
  BOOST_TEST(payload.rewind_post_uri
             == instance + "/rewind?reason={text}&" + common);
  BOOST_TEST(payload.purge_history_delete_uri == instance + "?" + common);
  BOOST_TEST(payload.restart_post_uri == instance + "/restart?" + common);
  BOOST_TEST(payload.suspend_post_uri
             == instance + "/suspend?reason={text}&" + common);
  BOOST_TEST(payload.resume_post_uri
             == instance + "/resume?reason={text}&" + common);
}

// The access code in each URL depends on the operation; an empty code is left
// out.
BOOST_AUTO_TEST_CASE(each_url_has_the_code_of_its_operation) {
  management_base base;
  base.code_of = [](std::string_view id, char operation) {
    return operation == 'g' ? std::string() : std::string(id) + operation;
  };
  const auto payload = make_management_payload(base, "a");
  BOOST_TEST(payload.status_query_get_uri.find("code=") == std::string::npos);
  BOOST_TEST(payload.send_event_post_uri.ends_with("&code=ae"));
  BOOST_TEST(payload.terminate_post_uri.ends_with("&code=at"));
  BOOST_TEST(payload.rewind_post_uri.ends_with("&code=aw"));
  BOOST_TEST(payload.purge_history_delete_uri.ends_with("&code=ap"));
  BOOST_TEST(payload.restart_post_uri.ends_with("&code=ar"));
  BOOST_TEST(payload.suspend_post_uri.ends_with("&code=as"));
  BOOST_TEST(payload.resume_post_uri.ends_with("&code=au"));
}

// Only the unreserved characters of RFC 3986 stay as they are.
BOOST_AUTO_TEST_CASE(reserved_characters_are_percent_encoded) {
  BOOST_TEST(encode_url_part("aZ09-._~") == "aZ09-._~");
  BOOST_TEST(encode_url_part("a b+c%\r\n\xC3\xA4")
             == "a%20b%2Bc%25%0D%0A%C3%A4");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
