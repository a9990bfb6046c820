// SPDX-License-Identifier: Apache-2.0
#include "client/http/ip_address.hpp"

#include "client/http/http_message.hpp"
#include "persistence/records/text.hpp"

#include <boost/asio/ip/address.hpp>

namespace perdura::client {

bool is_loopback(const std::string& address) {
  if (persistence::equal_ignoring_case(address, "localhost"))
    return true;
  boost::system::error_code failure;
  const auto parsed = boost::asio::ip::make_address(address, failure);
  // A name is not resolved: it may lead to another address later.
  return !failure && parsed.is_loopback();
}

bool is_address(const std::string& text) {
  boost::system::error_code failure;
  boost::asio::ip::make_address(text, failure);
  return !failure;
}

bool is_any_address(const std::string& address) {
  boost::system::error_code failure;
  const auto parsed = boost::asio::ip::make_address(address, failure);
  return !failure && parsed.is_unspecified();
}

} // namespace perdura::client
