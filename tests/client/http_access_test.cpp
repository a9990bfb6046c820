// Who may do what at the door; reliability.md, "Security by default".
#include "actors/interface/management.hpp"
#include "client/http/gatekeeper.hpp"
#include "client/http/routes.hpp"
#include "tests/client/door_fixture.hpp"

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace perdura::tests {

using nlohmann::json;

namespace {

const std::string master = "master-key-0123456789";
const std::string spare = "spare-key-0123456789";
const std::string reader = "reader-key-0123456789";

std::string key_header(const std::string& key) {
  return "x-functions-key: " + key + "\r\n";
}

/// What stands behind the host of a URL that was given out.
std::string target_of(const std::string& url) {
  return url.substr(url.find('/', url.find("://") + 3));
}

std::string filled(std::string url, const std::string& name,
                   const std::string& value) {
  return url.replace(url.find(name), name.size(), value);
}

/// A node that wants keys.
struct keyed_fixture : door_fixture {
  keyed_fixture()
    : door_fixture({}, [this](client::node_host_config& config) {
        const auto file = directory.path() / "keys";
        std::ofstream(file) << "manage " << master << "\nmanage " << spare
                            << "\nread " << reader << '\n';
        std::filesystem::permissions(file, std::filesystem::perms(0600));
        config.door.keys_file = file;
        config.door.hosts = {"ship.example"};
      }) {}

  json start_approval(const std::string& id) {
    return ask("POST", "/orchestrators/Approval/" + id, {}, key_header(master))
      .json();
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(the_keyed_door, keyed_fixture)

// No door is a way round the key: each route there is, without one.
BOOST_AUTO_TEST_CASE(every_route_wants_a_key) {
  start_approval("a");
  for (const client::route& each : client::all_routes()) {
    std::string path(each.pattern);
    for (const char* name : {"{instanceId}", "{functionName}", "{eventName}",
                             "{entityName}", "{entityKey}"})
      while (path.find(name) != path.npos)
        path = filled(path, name, "a");
    std::vector<std::string> bases{""};
    if (each.base == client::route_base::webhook)
      bases = {webhook, "/admin/extensions/DurableTaskExtension",
               "/runtime/webhooks/DurableTaskExtension", "/durabletask"};
    const std::string method(each.method.empty() ? "POST" : each.method);
    for (const std::string& base : bases) {
      const int expected = each.needed == client::access::none ? 200 : 401;
      const auto without = ask_site(method, base + path);
      BOOST_TEST(without.status == expected, method << ' ' << base << path);
      if (expected == 200)
        continue;
      BOOST_TEST(without.body.empty());
      BOOST_TEST(ask_site(method, base + path + "?code=wrong").status == 401);
      BOOST_TEST(ask_site(method, base + path, {}, key_header("wrong")).status
                 == 401);
      // A key to read with changes nothing.
      const int read
        = ask_site(method, base + path, {}, key_header(reader)).status;
      if (each.needed == client::access::manage)
        BOOST_TEST(read == 403, method << ' ' << base << path);
      else
        BOOST_TEST((read != 401 && read != 403), method << ' ' << base << path);
    }
  }
  BOOST_TEST(ask_site("GET", "/no/such/path").status == 401);
  BOOST_TEST(ask("GET", "/instances/a", {}, key_header(master))
               .json()
               .at("runtimeStatus")
             == "Running");
}

BOOST_AUTO_TEST_CASE(a_key_comes_in_three_ways) {
  BOOST_TEST(ask_site("GET", "/perdura/count?code=" + master).status == 200);
  BOOST_TEST(ask_site("GET", "/perdura/count?CODE=" + spare).status == 200);
  BOOST_TEST(ask_site("GET", "/perdura/count", {}, key_header(spare)).status
             == 200);
  // "key:reader-key-0123456789"
  BOOST_TEST(ask_site("GET", "/perdura/count", {},
                      "Authorization: basic "
                      "a2V5OnJlYWRlci1rZXktMDEyMzQ1Njc4OQ==\r\n")
               .status
             == 200);
  for (const char* odd :
       {"Authorization: Basic \r\n", "Authorization: Basic a2V5\r\n",
        "Authorization: Basic ====\r\n", "Authorization: Basic !!!!\r\n",
        "Authorization: Bearer reader-key-0123456789\r\n",
        "x-functions-key: \r\n"})
    BOOST_TEST(ask_site("GET", "/perdura/count", {}, odd).status == 401, odd);
}

BOOST_AUTO_TEST_CASE(a_repeated_code_is_none) {
  BOOST_TEST(
    ask_site("GET", "/perdura/count?code=" + master + "&code=" + master).status
    == 401);
  BOOST_TEST(ask_site("GET", "/perdura/count?code=wrong&Code=" + master).status
             == 401);
}

BOOST_AUTO_TEST_CASE(the_urls_of_an_instance_open_that_instance_alone) {
  const json urls = start_approval("a");
  start_approval("b");
  for (const auto& [name, url] : urls.items())
    BOOST_TEST(url.get<std::string>().find(master) == std::string::npos);
  const std::string status
    = target_of(urls.at("statusQueryGetUri").get<std::string>());
  BOOST_TEST(ask_site("GET", status).status == 202);
  // Another instance, another operation, everything else: no.
  const std::string code = status.substr(status.find("code="));
  BOOST_TEST(ask("GET", "/instances/b?" + code).status == 401);
  BOOST_TEST(ask("POST", "/instances/a/terminate?" + code).status == 401);
  BOOST_TEST(ask("DELETE", "/instances/a?" + code).status == 401);
  BOOST_TEST(ask("GET", "/instances?" + code).status == 401);
  BOOST_TEST(ask("POST", "/orchestrators/Echo?" + code).status == 401);
  BOOST_TEST(ask_site("GET", "/client-binding?" + code).status == 401);
  BOOST_TEST(ask_site("GET", "/perdura/instances/a/urls?" + code).status
             == 401);

  const std::string event = filled(
    urls.at("sendEventPostUri").get<std::string>(), "{eventName}", "Approval");
  const auto url = [&](const char* name) {
    return filled(target_of(urls.at(name).get<std::string>()), "{text}", "x");
  };
  BOOST_TEST(ask_site("POST", url("suspendPostUri")).status == 202);
  BOOST_TEST(ask_site("POST", url("resumePostUri")).status == 202);
  BOOST_TEST(ask_site("POST", target_of(event), "true", as_json).status == 202);
  BOOST_TEST(ask_site("GET", status + "&waitSeconds=20").status == 200);
  BOOST_TEST(ask_site("POST", url("rewindPostUri")).status == 412);
  BOOST_TEST(ask_site("POST", url("terminatePostUri")).status == 410);
  const auto restarted
    = ask_site("POST", target_of(urls.at("restartPostUri").get<std::string>()));
  BOOST_TEST(restarted.status == 202);
  BOOST_TEST(ask_site("GET", target_of(restarted.header("location"))).status
             == 202);
  BOOST_TEST(
    ask_site("DELETE",
             target_of(urls.at("purgeHistoryDeleteUri").get<std::string>()))
      .status
    == 200);
}

// It gave every right on the instance, for ever.
BOOST_AUTO_TEST_CASE(a_restart_by_token_gives_no_more_than_it_is) {
  const json urls = start_approval("a");
  const std::string restart
    = target_of(urls.at("restartPostUri").get<std::string>());
  ask("POST", "/instances/a/terminate", {}, key_header(master));
  ask("GET", "/instances/a?waitSeconds=20", {}, key_header(master));
  const auto codes_in = [](const json& answer) {
    std::size_t found = 0;
    for (const auto& [name, url] : answer.items())
      if (url.get<std::string>().find("code=") != std::string::npos)
        ++found;
    return found;
  };
  const auto same
    = ask_site("POST", restart + "&restartWithNewInstanceId=false");
  BOOST_TEST(same.status == 202);
  BOOST_TEST(codes_in(same.json()) == 0U);
  const auto other = ask_site("POST", restart);
  BOOST_TEST(other.status == 202);
  BOOST_TEST(codes_in(other.json()) == 1U); // To look at it.
}

// Who takes a key off a header on the way does not see what comes later.
BOOST_AUTO_TEST_CASE(a_key_behind_the_body_is_none) {
  http_caller caller(host->http_port());
  caller.send("POST /orchestrators/Echo HTTP/1.1\r\nHost: localhost\r\n"
              "Transfer-Encoding: chunked\r\n\r\n0\r\n"
              + key_header(master) + "\r\n");
  BOOST_TEST(caller.receive().status == 401);
}

BOOST_AUTO_TEST_CASE(a_reader_is_given_urls_to_read_with) {
  start_approval("a");
  const json urls
    = ask_site("GET", "/perdura/instances/a/urls", {}, key_header(reader))
        .json();
  for (const auto& [name, url] : urls.items())
    BOOST_TEST((url.get<std::string>().find("code=") != std::string::npos)
                 == (name == "statusQueryGetUri"),
               name);
}

BOOST_AUTO_TEST_CASE(a_binding_carries_the_key_that_was_shown) {
  for (const std::string& key : {master, reader}) {
    const json binding = ask_site("GET", "/client-binding?code=" + key).json();
    BOOST_TEST(binding.at("requiredQueryStringParameters") == "code=" + key);
    BOOST_TEST(binding.at("managementUrls")
                 .at("terminatePostUri")
                 .get<std::string>()
                 .ends_with("&code=" + key));
    BOOST_TEST(binding.at("rpcBaseUrl").get<std::string>()
               == "http://key:" + key + "@127.0.0.1/durabletask/");
    const std::string shown = binding.dump();
    BOOST_TEST(shown.find(key == master ? reader : master) == shown.npos);
  }
}

BOOST_AUTO_TEST_CASE(an_activity_hands_out_tokens) {
  ask("POST", "/orchestrators/HelloSequence/a", {}, key_header(master));
  const std::string url = host->gateway()->payload_of("a").status_query_get_uri;
  BOOST_TEST(ask_site("GET", target_of(url) + "&waitSeconds=20").status == 200);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(the_open_door, door_fixture)

BOOST_AUTO_TEST_CASE(a_foreign_host_is_refused) {
  http_caller caller(host->http_port());
  const auto status_for = [&](const std::string& named, const char* path) {
    caller.send("GET " + std::string(path) + " HTTP/1.1\r\nHost: " + named
                + "\r\n\r\n");
    return caller.receive().status;
  };
  for (const char* own :
       {"localhost", "LOCALHOST:80", "127.0.0.1", "[::1]:7071", "127.8.9.10:1"})
    BOOST_TEST(status_for(own, "/perdura/count") == 200, own);
  for (const char* foreign :
       {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example",
        "127.0.0.1@evil", "evil/127.0.0.1", "10.0.0.1", "[::2]", "[::1", "",
        "0.0.0.0", "[::1]evil", "127.0.0.1:1:evil", "127.0.0.1:x"})
    BOOST_TEST(status_for(foreign, "/perdura/count") == (*foreign ? 403 : 200),
               foreign);
  BOOST_TEST(status_for("10.0.0.1", "/healthz") == 200); // Probes use it.
}

BOOST_AUTO_TEST_CASE(a_foreign_origin_is_refused) {
  const auto status_for = [&](const std::string& origin) {
    return ask("POST", "/orchestrators/Echo", {}, "Origin: " + origin + "\r\n")
      .status;
  };
  BOOST_TEST(status_for("http://127.0.0.1") == 202);
  for (const char* foreign :
       {"http://evil.example", "null", "http://127.0.0.1:1", "http://localhost",
        "https://127.0.0.1.evil.example"})
    BOOST_TEST(status_for(foreign) == 403, foreign);
  // No page of another origin may read an answer, either.
  BOOST_TEST(!ask("GET", "/instances").has("access-control-allow-origin"));
}

BOOST_AUTO_TEST_CASE(the_binding_leads_back_here) {
  const json binding = ask_site("GET", "/client-binding").json();
  BOOST_TEST(binding.at("taskHubName") == "perdura");
  BOOST_TEST(binding.at("requiredQueryStringParameters") == "taskHub=perdura");
  BOOST_TEST(binding.at("baseUrl")
             == "http://127.0.0.1/runtime/webhooks/durabletask");
  BOOST_TEST(binding.at("rpcBaseUrl") == "http://127.0.0.1/durabletask/");
  BOOST_TEST(binding.at("creationUrls").size() == 2U);
  for (const auto& [name, url] : binding.at("managementUrls").items())
    BOOST_TEST(url.get<std::string>().find("INSTANCEID") != std::string::npos);
  BOOST_TEST(ask_site("POST", "/durabletask/orchestrators/Echo/a").status
             == 202);
  BOOST_TEST(ask_site("GET", "/DurableTask/instances/a/?waitSeconds=20").status
             == 200);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(the_doors_settings)

namespace {

std::string location_at(std::uint16_t port, const std::string& headers) {
  http_caller caller(port);
  return caller.ask("POST", "/orchestrators/Approval", {}, headers)
    .header("location");
}

} // namespace

BOOST_AUTO_TEST_CASE(links_begin_at_the_public_url) {
  const door_fixture door({}, [](client::node_host_config& config) {
    config.door.public_url = "https://ship.example/";
  });
  BOOST_TEST(
    location_at(door.host->http_port(), {})
      .starts_with(
        "https://ship.example/runtime/webhooks/durabletask/instances/"));
  http_caller caller(door.host->http_port());
  caller.send("GET /perdura/count HTTP/1.1\r\nHost: ship.example\r\n\r\n");
  BOOST_TEST(caller.receive().status == 200);
}

// It was answered at once, and whoever waited so asked again without a pause.
BOOST_AUTO_TEST_CASE(when_enough_wait_others_are_told_to_come_back) {
  door_fixture door(
    {}, [](client::node_host_config& config) { config.door.waits_max = 0; });
  door.start("Approval", "a");
  const auto answer = door.ask("GET", "/instances/a?waitSeconds=20");
  BOOST_TEST(answer.status == 503);
  BOOST_TEST(answer.header("retry-after") == "1");
  BOOST_TEST(door.ask("GET", "/instances/a").status == 202);
}

BOOST_AUTO_TEST_CASE(a_proxy_is_believed_if_that_is_asked_for) {
  const std::string proxied = "X-Forwarded-Proto: https\r\n"
                              "X-Forwarded-Host: ship.example:8443, inner\r\n";
  const door_fixture trusting({}, [](client::node_host_config& config) {
    config.door.forwarded_headers = true;
  });
  const std::uint16_t port = trusting.host->http_port();
  BOOST_TEST(location_at(port, proxied)
               .starts_with("https://ship.example:8443/runtime/"));
  for (const char* odd :
       {"X-Forwarded-Proto: https\r\n",
        "X-Forwarded-Proto: javascript\r\nX-Forwarded-Host: a\r\n",
        "X-Forwarded-Proto: https\r\nX-Forwarded-Host: a/b?c\r\n"})
    BOOST_TEST(location_at(port, odd).starts_with("http://127.0.0.1/"), odd);
  const door_fixture doubting;
  BOOST_TEST(location_at(doubting.host->http_port(), proxied)
               .starts_with("http://127.0.0.1/"));
}

// Without a Host there is nothing that an origin could be the same as.
BOOST_AUTO_TEST_CASE(no_origin_is_known_to_a_door_without_a_name) {
  const client::gatekeeper keeper{client::gatekeeper_config()};
  const auto target = client::parse_target("/metrics");
  const auto route = client::find_route("GET", target->segments);
  for (const char* origin : {"http://", "null", "http://elsewhere.example"}) {
    client::http_request request{
      "GET", "/metrics", {{"Origin", origin}}, {}, {}};
    client::caller who;
    const auto refusal = keeper.admit(request, *target, route, {}, who);
    BOOST_REQUIRE(refusal.has_value());
    BOOST_TEST(refusal->status == 403, origin);
  }
}

BOOST_AUTO_TEST_CASE(what_follows_a_code_is_not_shown) {
  using client::redacted;
  BOOST_TEST(redacted("/a?code=secret") == "/a?code=...");
  BOOST_TEST(redacted("/a?x=1&CODE=secret&code=t&y=2")
             == "/a?x=1&code=...&code=...&y=2");
  BOOST_TEST(redacted("/a?code=&decode=1") == "/a?code=&decode=1");
  // A key may hold a question mark, and its name may be escaped.
  BOOST_TEST(redacted("/a?code=sec?ret&y=2") == "/a?code=...&y=2");
  BOOST_TEST(redacted("/a?c%6Fde=secret") == "/a?code=...");
  BOOST_TEST(redacted("/a?x=1;code=secret") == "/a?x=1;code=...");
  BOOST_TEST(redacted("http://key:secret@a/b?c=1") == "/b?c=1");
  BOOST_TEST(redacted("") == "");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
