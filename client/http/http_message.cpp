// SPDX-License-Identifier: Apache-2.0
#include "client/http/http_message.hpp"

#include "actors/authoring/json_text_check.hpp"
#include "persistence/records/text.hpp"

namespace perdura::client {

std::string_view http_request::header(std::string_view name) const {
  for (const http_header& each : headers)
    if (persistence::equal_ignoring_case(each.name, name))
      return each.value;
  return {};
}

http_response error_response(int status, const char* code,
                             std::string_view sentence) {
  http_response response{status, "{\"Message\":"};
  response.body += actors::json_string(sentence);
  response.body += ",\"Code\":";
  response.body += actors::json_string(code);
  response.body += '}';
  if (status == 503)
    response.headers.push_back({"Retry-After", "1"});
  return response;
}

} // namespace perdura::client
