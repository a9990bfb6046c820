#include "client/http/http_message.hpp"

namespace perdura::client {

namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

} // namespace

bool same_letters(std::string_view a, std::string_view b) {
  if (a.size() != b.size())
    return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (lower(a[i]) != lower(b[i]))
      return false;
  return true;
}

std::string_view http_request::header(std::string_view name) const {
  for (const http_header& each : headers)
    if (same_letters(each.name, name))
      return each.value;
  return {};
}

} // namespace perdura::client
