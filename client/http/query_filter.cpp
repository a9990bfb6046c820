// SPDX-License-Identifier: Apache-2.0
#include "client/http/query_filter.hpp"

#include "client/http/http_message.hpp"
#include "client/http/query_parameters.hpp"
#include "persistence/records/text.hpp"

#include <algorithm>
#include <charconv>

namespace perdura::client {

namespace {

/// The value of a parameter; empty if it is missing.
std::string text_of(const request_target& target, std::string_view parameter) {
  const std::string* value = target.find(parameter);
  return value == nullptr ? std::string() : *value;
}

/// Sets `into` to the time in a parameter. If the parameter is missing, `into`
/// stays empty.
result<void> set_time(const request_target& target, const char* parameter,
                      time_bound bound, std::optional<point_in_time>& into) {
  auto time = parse_time(target, parameter, bound);
  if (!time)
    return time.error();
  // Some clients send the year 1 as createdTimeFrom for "no limit". The epoch
  // has the same effect, because no instance is older than the epoch.
  if (*time)
    into = std::max(**time, timestamp{});
  return {};
}

/// Adds the statuses from every parameter with the name runtimeStatus.
result<void> parse_statuses(const request_target& target,
                            std::vector<runtime_status>& into) {
  for (const auto& [name, value] : target.query) {
    if (!persistence::equal_ignoring_case(name, "runtimeStatus"))
      continue;
    // Each parameter may hold several statuses, separated by commas.
    std::string_view left = value;
    while (!left.empty()) {
      const std::size_t end = left.find(',');
      std::string_view item = left.substr(0, end);
      left.remove_prefix(end == left.npos ? left.size() : end + 1);
      while (item.starts_with(' '))
        item.remove_prefix(1);
      while (item.ends_with(' '))
        item.remove_suffix(1);
      if (item.empty())
        continue;
      runtime_status status{};
      // Some clients send the number of the status instead of its name.
      if (item.size() == 1 && item[0] >= '0' && item[0] <= '7')
        status = static_cast<runtime_status>(item[0] - '0');
      else if (!parse_runtime_status(item, status))
        return error{errc::invalid_argument,
                     "runtimeStatus \"" + std::string(item)
                       + "\" is not known; there are Running, Completed, "
                         "ContinuedAsNew, Failed, Canceled, Terminated, "
                         "Pending and Suspended."};
      into.push_back(status);
    }
  }
  return {};
}

} // namespace

result<instance_filter> parse_filter(const request_target& target) {
  instance_filter filter;
  if (auto ok = set_time(target, "createdTimeFrom", time_bound::begin,
                         filter.created_from);
      !ok)
    return ok.error();
  if (auto ok
      = set_time(target, "createdTimeTo", time_bound::end, filter.created_to);
      !ok)
    return ok.error();
  if (auto ok = parse_statuses(target, filter.statuses); !ok)
    return ok.error();
  filter.instance_id_prefix = text_of(target, "instanceIdPrefix");
  filter.name = text_of(target, "name");
  filter.version = text_of(target, "version");
  filter.parent = text_of(target, "parent");
  filter.root = text_of(target, "root");
  filter.show_input = target.flag("showInput", true);
  filter.partial = target.flag("partial", false);
  const std::string top = text_of(target, "top");
  if (!top.empty()) {
    const char* end = top.data() + top.size();
    // The range is checked later by `check_filter`.
    const auto [rest, failure] = std::from_chars(top.data(), end, filter.top);
    if (failure != std::errc() || rest != end)
      return error{errc::invalid_argument,
                   "top is a number from 1 to 1,000; this is \"" + top + "\"."};
  }
  return filter;
}

} // namespace perdura::client
