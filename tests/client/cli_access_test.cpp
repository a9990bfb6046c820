// SPDX-License-Identifier: Apache-2.0
// How the command line finds its key, and how it reports answers with an error
// status.
#include "client/cli/node_connection.hpp"
#include "tests/client/command_line_runner.hpp"
#include "tests/support/temp_directory.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <fstream>
#include <future>
#include <iterator>

using namespace perdura::client;
using namespace perdura::tests;
using tcp = boost::asio::ip::tcp;

namespace {

/// A server that sends a fixed response to one request and keeps the request
/// line and headers.
class single_response_server {
public:
  explicit single_response_server(const std::string& status,
                                  const std::string& body = {})
    : response_("HTTP/1.1 " + status
                + "\r\nContent-Length: " + std::to_string(body.size())
                + "\r\nConnection: close\r\n\r\n" + body) {
    request_head_ = std::async(std::launch::async, [this] {
      tcp::socket caller(context_);
      acceptor_.accept(caller);
      boost::asio::streambuf head;
      boost::asio::read_until(caller, head, "\r\n\r\n");
      boost::asio::write(caller, boost::asio::buffer(response_));
      return std::string(std::istreambuf_iterator<char>(&head), {});
    });
  }

  std::string url() const {
    return "http://127.0.0.1:"
           + std::to_string(acceptor_.local_endpoint().port());
  }

  /// The request line and headers. Blocks until a request has arrived.
  std::string request_head() {
    return request_head_.get();
  }

private:
  boost::asio::io_context context_;
  tcp::acceptor acceptor_{
    context_, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)};
  std::string response_;
  std::future<std::string> request_head_;
};

/// Writes a key file into a temporary directory.
struct key_fixture {
  std::string write(const std::string& text) {
    const auto file = directory.path() / "key";
    std::ofstream(file) << text;
    return file.string();
  }

  temp_directory directory;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(cli_access, key_fixture)

BOOST_AUTO_TEST_CASE(key_file_has_several_forms) {
  BOOST_TEST(read_key(write("abc\n")).value() == "abc");
  BOOST_TEST(read_key(write("# mine\n\n  manage  abc \nread x\n")).value()
             == "abc");
  BOOST_TEST(read_key(write("read abc\r\n")).value() == "abc");
  BOOST_TEST(read_key(write("manager")).value() == "manager");
  for (const char* bad : {"", "# none\n", "two words\n", "a\x01\n"})
    BOOST_TEST(!read_key(write(bad)), bad);
  BOOST_TEST(read_key("/no/such").error().message
             == "Cannot read \"/no/such\": No such file or directory.");
  BOOST_TEST(!read_key(directory.path().string()));
}

BOOST_AUTO_TEST_CASE(key_is_sent_with_every_request) {
  single_response_server node("200 OK", "{}");
  BOOST_TEST(run_perdura({"count", "-o", "jsonl", "--key-file",
                          write("manage geheim\n"), "--url", node.url()})
               .code
             == 0);
  BOOST_TEST(node.request_head().find("x-functions-key: geheim\r\n")
             != std::string::npos);
}

BOOST_AUTO_TEST_CASE(key_is_read_from_the_environment) {
  single_response_server node("200 OK", "{}");
  ::setenv("PERDURA_KEY", "verborgen", 1);
  run_perdura({"get", "a", "--url", node.url()});
  ::unsetenv("PERDURA_KEY");
  BOOST_TEST(node.request_head().find("x-functions-key: verborgen\r\n")
             != std::string::npos);
}

BOOST_AUTO_TEST_CASE(missing_or_wrong_key_is_reported) {
  single_response_server without("401 Unauthorized");
  const outcome keyless = run_perdura({"count", "--url", without.url()});
  BOOST_TEST(keyless.code == 2);
  BOOST_TEST(keyless.err
             == "perdura: The node requires an access key: use --key-file "
                "FILE or PERDURA_KEY.\n");
  single_response_server with("401 Unauthorized");
  const outcome wrong
    = run_perdura({"count", "--url", with.url(), "--key-file", write("wrong")});
  BOOST_TEST(wrong.code == 2);
  BOOST_TEST(wrong.err_contains("does not know the access key"));
  BOOST_TEST(!wrong.err_contains("wrong"));
}

BOOST_AUTO_TEST_CASE(refusal_shows_the_message_of_the_node) {
  single_response_server node(
    "403 Forbidden", R"({"Message":"This key may only read.","Code":"other"})");
  const outcome refused = run_perdura({"restart", "a", "--url", node.url()});
  BOOST_TEST(refused.code == 2);
  BOOST_TEST(refused.err == "perdura: This key may only read.\n");
}

// The member "Code" is more precise than the HTTP status.
BOOST_AUTO_TEST_CASE(error_code_in_the_body_decides_the_exit_code) {
  single_response_server node(
    "400 Bad Request", R"({"Message":"No such thing.","Code":"not_found"})");
  BOOST_TEST(run_perdura({"count", "--url", node.url()}).code == 3);
  single_response_server slow("500 Internal",
                              R"({"Message":"Slow.","Code":"timed_out"})");
  BOOST_TEST(run_perdura({"count", "--url", slow.url()}).code == 5);
}

BOOST_AUTO_TEST_SUITE_END()
