// SPDX-License-Identifier: Apache-2.0
#include "tests/client/http_caller.hpp"

#include "tests/support/patience.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cctype>
#include <stdexcept>

namespace perdura::tests {

http_caller::http_caller(std::uint16_t port)
  : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval wait_max{patience.count(), 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &wait_max, sizeof wait_max);
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address),
                sizeof address)
      != 0)
    throw std::runtime_error("cannot connect");
}

http_caller::~http_caller() {
  ::close(socket_);
}

void http_caller::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent
      = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    // The server has closed the connection. Its answer can still be read.
    if (sent <= 0)
      return;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void http_caller::finish() {
  ::shutdown(socket_, SHUT_WR);
}

bool http_caller::fill() {
  char bytes[16384];
  const ssize_t read = ::recv(socket_, bytes, sizeof bytes, 0);
  if (read <= 0)
    return false;
  unread_.append(bytes, static_cast<std::size_t>(read));
  return true;
}

http_answer http_caller::receive(bool to_head) {
  http_answer answer;
  std::size_t end = 0;
  while ((end = unread_.find("\r\n\r\n")) == std::string::npos)
    if (!fill())
      return answer;
  std::string head = unread_.substr(0, end + 2);
  unread_.erase(0, end + 4);
  answer.status = std::stoi(head.substr(9, 3));
  std::size_t line = head.find("\r\n") + 2;
  while (line < head.size()) {
    const std::size_t stop = head.find("\r\n", line);
    const std::size_t colon = head.find(": ", line);
    std::string name = head.substr(line, colon - line);
    for (char& c : name)
      c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    answer.headers[name] = head.substr(colon + 2, stop - colon - 2);
    line = stop + 2;
  }
  if (answer.status == 100 || to_head)
    return answer;
  const std::size_t size = std::stoul(answer.header("content-length"));
  while (unread_.size() < size)
    if (!fill())
      break;
  answer.body = unread_.substr(0, size);
  unread_.erase(0, size);
  return answer;
}

bool http_caller::is_closed() {
  while (true) {
    char byte = 0;
    const ssize_t read = ::recv(socket_, &byte, 1, 0);
    if (read == 0 || (read < 0 && errno == ECONNRESET))
      return true;
    if (read < 0)
      return false;
  }
}

http_answer http_caller::request(std::string_view method,
                                 std::string_view target, std::string_view body,
                                 std::string_view headers) {
  std::string request(method);
  request += ' ';
  request += target;
  request += " HTTP/1.1\r\nHost: 127.0.0.1\r\n";
  request += headers;
  if (!body.empty() || method == "POST")
    request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  request += "\r\n";
  request += body;
  send(request);
  return receive(method == "HEAD");
}

} // namespace perdura::tests
