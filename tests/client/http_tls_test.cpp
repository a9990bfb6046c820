// The door under TLS, asked by the client of the command line and by bare
// sockets that do not keep to it.
#include "client/http/http_client.hpp"
#include "client/http/tls_context.hpp"
#include "tests/client/door_fixture.hpp"
#include "tests/support/certificate.hpp"

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace perdura::tests {

using client::http_ask;
using client::http_client_options;
using client::http_reply;
using persistence::errc;

namespace {

struct tls_fixture : door_fixture {
  tls_fixture()
    : door_fixture({}, [this](client::node_host_config& config) {
        const auto made = make_certificate(directory.path());
        config.door.tls_certificate_file = made.certificate;
        config.door.tls_key_file = made.key;
        config.door.header_time_max = std::chrono::milliseconds(300);
      }) {}

  persistence::result<http_reply>
  ask_tls(const std::string& method, const std::string& path,
          const std::string& body = {}, const std::string& name = "127.0.0.1") {
    client::http_request request;
    request.method = method;
    request.target = path;
    request.body = body;
    return http_ask(client::parse_url("https://" + name + ":"
                                      + std::to_string(host->http_port()))
                      .value(),
                    request, std::chrono::seconds(20),
                    {files.certificate.string()});
  }

  const certificate_files files = certificate_in(directory.path());
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(the_door_under_tls, tls_fixture)

BOOST_AUTO_TEST_CASE(it_answers_as_without) {
  BOOST_TEST(host->url().starts_with("https://127.0.0.1:"));
  const auto started = ask_tls("POST", "/orchestrators/Echo", R"({"a":1})");
  BOOST_REQUIRE(started);
  BOOST_TEST(started->status == 202);
  BOOST_TEST(started->header("Location").starts_with("https://127.0.0.1:"));
  BOOST_TEST(ask_tls("GET", "/perdura/count", {}, "localhost")->status == 200);
}

BOOST_AUTO_TEST_CASE(large_bodies_go_both_ways) {
  const std::string input
    = '"' + std::string(std::size_t{1000} * 1024, 'x') + '"';
  const auto waited
    = ask_tls("POST", "/orchestrators/Echo/wait?timeout=20", input);
  BOOST_REQUIRE(waited);
  BOOST_TEST(waited->status == 200);
  BOOST_TEST((waited->body == input));
  const std::string larger(std::size_t{1100} * 1024, 'x');
  BOOST_TEST(ask_tls("POST", "/orchestrators/Echo", larger)->status == 413);
}

BOOST_AUTO_TEST_CASE(a_wait_is_woken) {
  BOOST_TEST(
    ask_tls("POST", std::string(webhook) + "/orchestrators/Approval/a")->status
    == 202);
  int raised = 0;
  std::thread raise([&] {
    raised = ask_tls("POST",
                     std::string(webhook) + "/instances/a/raiseEvent/Approval")
               ->status;
  });
  const auto ended
    = ask_tls("GET", std::string(webhook) + "/instances/a?waitSeconds=20");
  raise.join();
  BOOST_TEST(raised == 202);
  BOOST_REQUIRE(ended);
  BOOST_TEST(ended->status == 200);
}

BOOST_AUTO_TEST_CASE(whoever_is_not_trusted_is_not_talked_to) {
  const auto url = client::parse_url(host->url()).value();
  client::http_request request;
  request.method = "GET";
  request.target = "/healthz";
  const auto stranger
    = http_ask(url, request, std::chrono::seconds(20), http_client_options{});
  BOOST_TEST((stranger.code() == errc::unavailable));
  BOOST_TEST(stranger.error().message.find("--ca") != std::string::npos);
  const auto no_file = http_ask(url, request, std::chrono::seconds(20),
                                http_client_options{"/no/such/file"});
  BOOST_TEST((no_file.code() == errc::invalid_argument));
  // Good for 127.0.0.1, and for no other address.
  auto other = url;
  other.host = "127.0.0.2";
  BOOST_TEST(!http_ask(other, request, std::chrono::seconds(20),
                       {files.certificate.string()}));
}

BOOST_AUTO_TEST_CASE(what_is_no_tls_is_closed) {
  for (const std::string& bytes :
       {std::string("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        std::string("\x16\x03\x01\xFF\xFF"
                    "abc",
                    8),
        std::string(70'000, 'x'),
        std::string("\x16\x03\x01\x00\x02\x01\x00", 7)}) {
    http_caller caller(host->http_port());
    caller.send(bytes);
    BOOST_TEST(caller.is_closed());
  }
  http_caller silent(host->http_port()); // Closed when its time is over.
  BOOST_TEST(silent.is_closed());
  BOOST_TEST(ask_tls("GET", "/healthz")->status == 200);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(tls_files)

BOOST_AUTO_TEST_CASE(files_that_do_not_fit_are_named) {
  const temp_directory directory;
  const certificate_files files = make_certificate(directory.path());
  const auto refused
    = [](const std::filesystem::path& certificate,
         const std::filesystem::path& key, const std::string& word) {
        const auto outcome = client::tls_context::load(certificate, key);
        BOOST_REQUIRE(!outcome);
        BOOST_TEST(outcome.error().message.find(word) != std::string::npos,
                   outcome.error().message);
      };
  BOOST_TEST(client::tls_context::load({}, {}).value() == nullptr);
  BOOST_TEST(client::tls_context::load(files.certificate, files.key).value()
             != nullptr);
  refused(files.certificate, {}, "both");
  refused({}, files.key, "both");
  refused(directory.path() / "none", files.key, "none");
  refused(files.certificate, files.certificate, "node.pem");
  refused(files.key, files.key, "node.key");
  const auto other = directory.path() / "other";
  std::filesystem::create_directory(other);
  refused(files.certificate, make_certificate(other).key, "other");
  std::filesystem::permissions(files.key, std::filesystem::perms(0644));
  refused(files.certificate, files.key, "chmod 600");
}

BOOST_AUTO_TEST_CASE(others_are_let_in_only_with_keys_and_tls) {
  const auto open = [](bool with_keys, bool with_tls, bool insecure) {
    const temp_directory directory;
    client::node_host_config config;
    config.node.data_dir = directory.path() / "hub";
    config.node.create_hub = true;
    config.node.partition_count = 1;
    config.door.port = 0;
    // Never listened at by a test: refused before, or this machine has none.
    config.door.address = "203.0.113.7";
    config.door.insecure = insecure;
    if (with_keys) {
      config.door.keys_file = directory.path() / "keys";
      std::ofstream(config.door.keys_file) << "manage 0123456789abcdef\n";
      std::filesystem::permissions(config.door.keys_file,
                                   std::filesystem::perms(0600));
    }
    if (with_tls) {
      const auto files = make_certificate(directory.path());
      config.door.tls_certificate_file = files.certificate;
      config.door.tls_key_file = files.key;
    }
    const auto host
      = client::node_host::start(config, std::make_shared<actors::registry>());
    BOOST_REQUIRE(!host);
    return host.error().message;
  };
  BOOST_TEST(open(false, false, false).find("keys_file") != std::string::npos);
  BOOST_TEST(open(false, true, false).find("keys_file") != std::string::npos);
  BOOST_TEST(open(true, false, false).find("certificate_file")
             != std::string::npos);
  for (const std::string& passed :
       {open(true, true, false), open(false, false, true)})
    BOOST_TEST(passed.starts_with("Cannot listen on 203.0.113.7"), passed);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
