// SPDX-License-Identifier: Apache-2.0
/// A server that gives the responses of a list, one to each connection, and
/// then refuses connections, like a node that has ended.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>

#include <future>
#include <string>
#include <utility>
#include <vector>

namespace perdura::tests {

/// A response with a body.
inline std::string response_of(const std::string& status,
                               const std::string& body) {
  return "HTTP/1.1 " + status + "\r\nContent-Length: "
         + std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body;
}

class scripted_server {
public:
  /// An empty response closes the connection when the head of the request has
  /// arrived.
  explicit scripted_server(std::vector<std::string> responses)
    : url_("http://127.0.0.1:"
           + std::to_string(acceptor_.local_endpoint().port())) {
    served_ = std::async(std::launch::async,
                         [this, responses = std::move(responses)] {
                           for (const std::string& each : responses)
                             respond(each);
                           acceptor_.close();
                         });
  }

  std::string url() const {
    return url_;
  }

private:
  using tcp = boost::asio::ip::tcp;

  void respond(const std::string& response) {
    tcp::socket caller(context_);
    acceptor_.accept(caller);
    boost::asio::streambuf head;
    boost::asio::read_until(caller, head, "\r\n\r\n");
    if (!response.empty())
      boost::asio::write(caller, boost::asio::buffer(response));
  }

  boost::asio::io_context context_;
  tcp::acceptor acceptor_{
    context_, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)};
  std::string url_;
  std::future<void> served_;
};

} // namespace perdura::tests
