// SPDX-License-Identifier: Apache-2.0
#include "client/load/node_reading.hpp"

#include <charconv>

namespace perdura::client {

using persistence::errc;
using persistence::error;

double sample_of(std::string_view page, std::string_view name) {
  for (std::size_t at = page.find(name); at != page.npos;
       at = page.find(name, at + 1)) {
    const std::size_t end = at + name.size();
    // The name must begin a line: the name of another sample can end with the
    // same text, and comment lines contain the name.
    const bool begins_line = at == 0 || page[at - 1] == '\n';
    if (!begins_line || end >= page.size() || page[end] != ' ')
      continue;
    double value = 0;
    std::from_chars(page.data() + end + 1, page.data() + page.size(), value);
    return value;
  }
  return 0;
}

node_reading& node_reading::operator+=(const node_reading& other) {
  cpu_seconds += other.cpu_seconds;
  resident_bytes += other.resident_bytes;
  journal_commits += other.journal_commits;
  views_commits += other.views_commits;
  turns += other.turns;
  return *this;
}

node_reading node_reading::operator-(const node_reading& before) const {
  // resident_bytes keeps the value of this reading.
  node_reading since = *this;
  since.cpu_seconds -= before.cpu_seconds;
  since.journal_commits -= before.journal_commits;
  since.views_commits -= before.views_commits;
  since.turns -= before.turns;
  return since;
}

node_reading parse_metrics(std::string_view page) {
  // The metrics whose names begin with `process_` are those that all Prometheus
  // client libraries define.
  node_reading found;
  found.cpu_seconds = sample_of(page, "process_cpu_seconds_total");
  found.resident_bytes = sample_of(page, "process_resident_memory_bytes");
  found.journal_commits = sample_of(page, "perdura_journal_commits_total");
  found.views_commits = sample_of(page, "perdura_views_commits_total");
  found.turns = sample_of(page, "perdura_journal_turns_total");
  return found;
}

persistence::result<node_reading>
read_nodes(const std::vector<load_endpoint>& endpoints) {
  node_reading all;
  // The nodes are read one after the other, so the readings of a cluster are
  // some milliseconds apart.
  for (const load_endpoint& endpoint : endpoints) {
    http_url url;
    url.host = endpoint.host;
    url.port = endpoint.port;
    http_request request;
    request.method = "GET";
    request.target = "/metrics";
    if (!endpoint.key.empty())
      request.headers.push_back({"x-functions-key", endpoint.key});
    const auto reply
      = send_http_request(url, request, std::chrono::seconds(30));
    if (!reply)
      return reply.error();
    if (reply->status != 200)
      return error{errc::unavailable, endpoint.authority()
                                        + " does not return its metrics: it "
                                          "answered with HTTP status "
                                        + std::to_string(reply->status) + '.'};
    all += parse_metrics(reply->body);
  }
  return all;
}

} // namespace perdura::client
