// SPDX-License-Identifier: Apache-2.0
#include "client/cli/filter_check.hpp"

#include <perdura/client/api/orchestration_status.hpp>

#include <chrono>

namespace perdura::client {

using persistence::errc;
using persistence::error;
using persistence::result;
using persistence::timestamp;

CLI::Validator iso_time() {
  return {[](std::string& text) {
            timestamp time{};
            return parse_iso(text, time)
                     ? std::string()
                     : "must be a time (ISO 8601), e.g. 2026-11-30T12:00:00Z, "
                       "not \""
                         + text + '"';
          },
          ""};
}

CLI::Validator status_name() {
  return {[](std::string& text) {
            const std::size_t first = text.find_first_not_of(' ');
            if (first == text.npos)
              return std::string("must not be empty");
            // Blanks may follow the commas.
            const std::string name
              = text.substr(first, text.find_last_not_of(' ') - first + 1);
            persistence::runtime_status status{};
            if (parse_runtime_status(name, status)
                || (name.size() == 1 && name[0] >= '0' && name[0] <= '7'))
              return std::string();
            return "must be Pending, Running, Suspended, ContinuedAsNew, "
                   "Completed, Failed, Terminated or Canceled, not \""
                   + name + '"';
          },
          ""};
}

result<void> check_range(const filter_options& filter) {
  timestamp from{};
  timestamp to{};
  if (!parse_iso(filter.created_from, from)
      || !parse_iso(filter.created_to, to))
    return {};
  // As in the HTTP API, an end without a fraction includes its whole second.
  if (filter.created_to.find_first_of(".,") == std::string::npos)
    to += std::chrono::seconds(1) - std::chrono::microseconds(1);
  if (from <= to)
    return {};
  return error{errc::invalid_argument,
               "The time of --created-from or --since is after the time of "
               "--created-to: no instance can match."};
}

} // namespace perdura::client
