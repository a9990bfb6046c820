// SPDX-License-Identifier: Apache-2.0
#include "client/http/http_message.hpp"

#include "persistence/records/text.hpp"

namespace perdura::client {

std::string_view http_request::header(std::string_view name) const {
  for (const http_header& each : headers)
    if (persistence::equal_ignoring_case(each.name, name))
      return each.value;
  return {};
}

} // namespace perdura::client
