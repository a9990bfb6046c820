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

/// Gives the same answer to one caller, and remembers what it was asked.
class one_answer {
public:
  explicit one_answer(const std::string& status, const std::string& body = {})
    : answer_("HTTP/1.1 " + status
              + "\r\nContent-Length: " + std::to_string(body.size())
              + "\r\nConnection: close\r\n\r\n" + body) {
    asked_ = std::async(std::launch::async, [this] {
      tcp::socket caller(context_);
      acceptor_.accept(caller);
      boost::asio::streambuf head;
      boost::asio::read_until(caller, head, "\r\n\r\n");
      boost::asio::write(caller, boost::asio::buffer(answer_));
      return std::string(std::istreambuf_iterator<char>(&head), {});
    });
  }

  std::string url() const {
    return "http://127.0.0.1:"
           + std::to_string(acceptor_.local_endpoint().port());
  }

  /// The head of the request.
  std::string asked() {
    return asked_.get();
  }

private:
  boost::asio::io_context context_;
  tcp::acceptor acceptor_{
    context_, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)};
  std::string answer_;
  std::future<std::string> asked_;
};

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

BOOST_AUTO_TEST_CASE(a_key_file_has_many_forms) {
  BOOST_TEST(read_key(write("abc\n")).value() == "abc");
  BOOST_TEST(read_key(write("# mine\n\n  manage  abc \nread x\n")).value()
             == "abc");
  BOOST_TEST(read_key(write("read abc\r\n")).value() == "abc");
  BOOST_TEST(read_key(write("manager")).value() == "manager");
  for (const char* bad : {"", "# none\n", "two words\n", "a\x01\n"})
    BOOST_TEST(!read_key(write(bad)), bad);
  BOOST_TEST(read_key("/no/such").error().message
             == "Cannot read \"/no/such\".");
  BOOST_TEST(!read_key(directory.path().string()));
}

BOOST_AUTO_TEST_CASE(the_key_goes_with_every_request) {
  one_answer node("200 OK", "{}");
  BOOST_TEST(run_perdura({"count", "-o", "jsonl", "--key-file",
                          write("manage geheim\n"), "--url", node.url()})
               .code
             == 0);
  BOOST_TEST(node.asked().find("x-functions-key: geheim\r\n")
             != std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_environment_may_hold_the_key) {
  one_answer node("200 OK", "{}");
  ::setenv("PERDURA_KEY", "verborgen", 1);
  run_perdura({"get", "a", "--url", node.url()});
  ::unsetenv("PERDURA_KEY");
  BOOST_TEST(node.asked().find("x-functions-key: verborgen\r\n")
             != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_node_that_wants_a_key_is_a_sentence) {
  one_answer without("401 Unauthorized");
  const outcome keyless = run_perdura({"count", "--url", without.url()});
  BOOST_TEST(keyless.code == 2);
  BOOST_TEST(keyless.err
             == "perdura: The node wants a key: --key-file FILE or "
                "PERDURA_KEY.\n");
  one_answer with("401 Unauthorized");
  const outcome wrong
    = run_perdura({"count", "--url", with.url(), "--key-file", write("wrong")});
  BOOST_TEST(wrong.code == 2);
  BOOST_TEST(wrong.complains("does not know the key"));
  BOOST_TEST(!wrong.complains("wrong"));
}

BOOST_AUTO_TEST_CASE(what_a_key_may_not_do_is_the_nodes_sentence) {
  one_answer node("403 Forbidden",
                  R"({"Message":"This key may only read.","Code":"other"})");
  const outcome refused = run_perdura({"restart", "a", "--url", node.url()});
  BOOST_TEST(refused.code == 2);
  BOOST_TEST(refused.err == "perdura: This key may only read.\n");
}

BOOST_AUTO_TEST_CASE(the_code_in_the_body_says_more_than_the_status) {
  one_answer node("400 Bad Request",
                  R"({"Message":"No such thing.","Code":"not_found"})");
  BOOST_TEST(run_perdura({"count", "--url", node.url()}).code == 3);
  one_answer slow("500 Internal", R"({"Message":"Slow.","Code":"timed_out"})");
  BOOST_TEST(run_perdura({"count", "--url", slow.url()}).code == 5);
}

BOOST_AUTO_TEST_SUITE_END()
