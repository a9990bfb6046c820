// SPDX-License-Identifier: Apache-2.0
// The HTTP API with TLS: requests by the HTTP client of the command line, and
// plain sockets that do not speak TLS.
#include "client/http/http_client.hpp"
#include "client/http/tls_context.hpp"
#include "tests/client/http_fixture.hpp"
#include "tests/support/certificate.hpp"
#include "tests/support/patience.hpp"

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace perdura::tests {

using client::http_client_options;
using client::http_reply;
using client::send_http_request;
using persistence::errc;

namespace {

/// A node with a self-signed certificate.
struct tls_fixture : http_fixture {
  explicit tls_fixture(std::chrono::milliseconds handshake_max = never)
    : http_fixture({}, [&](client::node_host_config& config) {
        const auto made = make_certificate(directory.path());
        config.http.tls_certificate_file = made.certificate;
        config.http.tls_key_file = made.key;
        config.http.header_time_max = handshake_max;
      }) {}

  persistence::result<http_reply>
  request_tls(const std::string& method, const std::string& path,
              const std::string& body = {},
              const std::string& name = "127.0.0.1") {
    client::http_request request;
    request.method = method;
    request.target = path;
    request.body = body;
    return send_http_request(
      client::parse_url("https://" + name + ":"
                        + std::to_string(host->http_port()))
        .value(),
      request, patience, {files.certificate.string()});
  }

  const certificate_files files = certificate_in(directory.path());
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(http_api_with_tls, tls_fixture)

BOOST_AUTO_TEST_CASE(answers_are_the_same_as_without_tls) {
  BOOST_TEST(host->url().starts_with("https://127.0.0.1:"));
  const auto started = request_tls("POST", "/orchestrators/Echo", R"({"a":1})");
  BOOST_REQUIRE(started);
  BOOST_TEST(started->status == 202);
  BOOST_TEST(started->header("Location").starts_with("https://127.0.0.1:"));
  BOOST_TEST(request_tls("GET", "/perdura/count", {}, "localhost")->status
             == 200);
}

BOOST_AUTO_TEST_CASE(large_bodies_are_received_and_sent) {
  const std::string input
    = '"' + std::string(std::size_t{1000} * 1024, 'x') + '"';
  const auto waited
    = request_tls("POST", "/orchestrators/Echo/wait?timeout=20", input);
  BOOST_REQUIRE(waited);
  BOOST_TEST(waited->status == 200);
  BOOST_TEST((waited->body == input));
  const std::string larger(std::size_t{1100} * 1024, 'x');
  BOOST_TEST(request_tls("POST", "/orchestrators/Echo", larger)->status == 413);
}

BOOST_AUTO_TEST_CASE(wait_is_answered_over_tls) {
  BOOST_TEST(
    request_tls("POST", std::string(webhook) + "/orchestrators/Approval/a")
      ->status
    == 202);
  int raised = 0;
  std::thread raise([&] {
    raised = request_tls("POST", std::string(webhook)
                                   + "/instances/a/raiseEvent/Approval")
               ->status;
  });
  const auto ended
    = request_tls("GET", std::string(webhook) + "/instances/a?waitSeconds=20");
  raise.join();
  BOOST_TEST(raised == 202);
  BOOST_REQUIRE(ended);
  BOOST_TEST(ended->status == 200);
}

// The error message names the option --ca.
BOOST_AUTO_TEST_CASE(client_refuses_a_server_that_it_does_not_trust) {
  const auto url = client::parse_url(host->url()).value();
  client::http_request request;
  request.method = "GET";
  request.target = "/healthz";
  const auto untrusted
    = send_http_request(url, request, patience, http_client_options{});
  BOOST_TEST((untrusted.code() == errc::unavailable));
  BOOST_TEST(untrusted.error().message.find("--ca") != std::string::npos);
  const auto no_file = send_http_request(url, request, patience,
                                         http_client_options{"/no/such/file"});
  BOOST_TEST((no_file.code() == errc::invalid_argument));
  // The certificate is valid for 127.0.0.1 only.
  auto other = url;
  other.host = "127.0.0.2";
  BOOST_TEST(
    !send_http_request(other, request, patience, {files.certificate.string()}));
}

BOOST_AUTO_TEST_CASE(connection_without_tls_is_closed) {
  // The client sends plain HTTP, a TLS record with an impossible length, or
  // 70 KB of text.
  for (const std::string& bytes :
       {std::string("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        std::string("\x16\x03\x01\xFF\xFF"
                    "abc",
                    8),
        std::string(70'000, 'x')}) {
    http_caller caller(host->http_port());
    caller.send(bytes);
    BOOST_TEST(caller.is_closed());
  }
  BOOST_TEST(request_tls("GET", "/healthz")->status == 200);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(http_api_with_tls_time_out)

BOOST_AUTO_TEST_CASE(connection_without_a_handshake_is_closed) {
  const tls_fixture node(std::chrono::milliseconds(50));
  http_caller silent(node.host->http_port());
  BOOST_TEST(silent.is_closed());
  http_caller incomplete(node.host->http_port());
  incomplete.send(std::string("\x16\x03\x01\x00\x02\x01\x00", 7));
  BOOST_TEST(incomplete.is_closed());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(tls_files)

// A key file that others can read is refused, too.
BOOST_AUTO_TEST_CASE(invalid_certificate_files_are_named) {
  const temp_directory directory;
  const certificate_files files = make_certificate(directory.path());
  const auto refused
    = [](const std::filesystem::path& certificate,
         const std::filesystem::path& key, const std::string& part) {
        const auto outcome = client::tls_context::load(certificate, key);
        BOOST_REQUIRE(!outcome);
        BOOST_TEST(outcome.error().message.find(part) != std::string::npos,
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

BOOST_AUTO_TEST_CASE(listening_outside_of_loopback_requires_keys_and_tls) {
  const auto open = [](bool with_keys, bool with_tls, bool insecure) {
    const temp_directory directory;
    client::node_host_config config;
    config.node.data_dir = directory.path() / "hub";
    config.node.create_hub = true;
    config.node.partition_count = 1;
    config.http.port = 0;
    // An address for documentation (RFC 5737). No machine has it, so the test
    // never opens a port.
    config.http.address = "203.0.113.7";
    config.http.insecure = insecure;
    if (with_keys) {
      config.http.keys_file = directory.path() / "keys";
      std::ofstream(config.http.keys_file) << "manage 0123456789abcdef\n";
      std::filesystem::permissions(config.http.keys_file,
                                   std::filesystem::perms(0600));
    }
    if (with_tls) {
      const auto files = make_certificate(directory.path());
      config.http.tls_certificate_file = files.certificate;
      config.http.tls_key_file = files.key;
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
