#include "client/http/door_metrics.hpp"

#include "client/http/process_usage.hpp"
#include <perdura/client/api/orchestration_status.hpp>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <vector>

namespace perdura::client {

using persistence::distribution;
using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

namespace {

std::size_t index_of(int status) {
  const auto found
    = std::find(door_metrics::codes.begin(), door_metrics::codes.end(), status);
  return found == door_metrics::codes.end()
           ? door_metrics::codes.size() - 1
           : static_cast<std::size_t>(found - door_metrics::codes.begin());
}

using label_list = std::vector<ClientMetric::Label>;

/// The families of one page.
class page {
public:
  void family(const char* name, MetricType type, const char* help) {
    families_.push_back({name, help, type, {}});
  }

  template <class Number>
  void counter(const char* name, const char* help, Number value) {
    family(name, MetricType::Counter, help);
    sample({}, value);
  }

  template <class Number>
  void gauge(const char* name, const char* help, Number value) {
    family(name, MetricType::Gauge, help);
    sample({}, value);
  }

  /// Of the newest family.
  template <class Number>
  void sample(label_list labels, Number value) {
    ClientMetric metric;
    metric.label = std::move(labels);
    const auto number = static_cast<double>(value);
    if (families_.back().type == MetricType::Counter)
      metric.counter.value = number;
    else
      metric.gauge.value = number;
    families_.back().metric.push_back(std::move(metric));
  }

  /// `unit`: how many of what was counted make one of what is shown. All of
  /// one name show the same buckets, so that they can be added up.
  void histogram(label_list labels, const distribution& values, double unit) {
    constexpr std::size_t last = 26; // 2^26 us: beyond a minute.
    ClientMetric metric;
    metric.label = std::move(labels);
    std::uint64_t count = 0;
    for (std::size_t i = 0; i + 1 < distribution::bucket_count; ++i) {
      count += values.counts[i];
      if (i <= last)
        metric.histogram.bucket.push_back(
          {count, static_cast<double>(std::uint64_t{1} << i) / unit});
    }
    count += values.counts.back();
    metric.histogram.bucket.push_back(
      {count, std::numeric_limits<double>::infinity()});
    metric.histogram.sample_count = count;
    metric.histogram.sample_sum = static_cast<double>(values.sum) / unit;
    families_.back().metric.push_back(std::move(metric));
  }

  std::string text() const {
    std::ostringstream out;
    prometheus::TextSerializer().Serialize(out, families_);
    return out.str();
  }

private:
  std::vector<MetricFamily> families_;
};

void add_node(page& out, const cluster::node_statistics& node) {
  out.counter("perdura_orchestrations_started_total",
              "Orchestrations accepted, sub-orchestrations among them.",
              node.starts);
  out.family("perdura_orchestrations_ended_total", MetricType::Counter,
             "Executions that ended, by how they ended.");
  out.sample({{"status", "Completed"}}, node.completed);
  out.sample({{"status", "Failed"}}, node.failed);
  out.sample({{"status", "Terminated"}}, node.terminated);
  out.sample({{"status", "ContinuedAsNew"}}, node.continued);
  out.counter("perdura_orchestrator_turns_total",
              "Turns of orchestrator functions.", node.orchestration_turns);
  out.counter("perdura_replays_total",
              "Times that a history was replayed to bring code back.",
              node.replays);
  out.counter("perdura_evictions_total", "Idle instances that left memory.",
              node.evictions);
  out.counter("perdura_activities_total", "Attempts of activities.",
              node.activities);
  out.counter("perdura_results_stale_total",
              "Results that came for what is not waited for any more.",
              node.results_stale);
  out.counter("perdura_events_discarded_total",
              "External events that nobody waited for and that were dropped.",
              node.events_discarded);
  out.counter("perdura_messages_repeated_total",
              "Messages between partitions that had come before.",
              node.messages_repeated);
  out.gauge("perdura_instances_live", "Instances in memory.",
            node.instances_live);
}

void add_journal(page& out, const cluster::node_statistics& node) {
  out.counter("perdura_journal_commits_total", "Commits of the journal.",
              node.commits);
  out.counter("perdura_views_commits_total", "Commits of the views.",
              node.views_commits);
  out.counter("perdura_journal_turns_total", "Turns written to the journal.",
              node.turns);
  out.counter("perdura_journal_bytes_total", "Bytes written to the journal.",
              node.journal_bytes);
  out.family("perdura_journal_commit_turns", MetricType::Histogram,
             "How many turns a commit carried.");
  out.histogram({}, node.commit_turns, 1);
  out.family("perdura_journal_commit_seconds", MetricType::Histogram,
             "Writing and syncing a commit.");
  out.histogram({}, node.commit_time_us, 1e6);
}

/// @source Prometheus, "Writing client libraries", standard and runtime
///         collectors: these names, seconds and bytes.
void add_process(page& out) {
  out.counter("process_cpu_seconds_total",
              "User and system CPU time of the node's process.",
              process_cpu_seconds());
  // proc(5): the second number is the resident set, in pages.
  std::ifstream memory("/proc/self/statm");
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  memory >> size >> resident;
  out.gauge("process_resident_memory_bytes",
            "Resident memory, mapped files among it.",
            resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)));
}

} // namespace

void door_metrics::count(route_id route, int status, std::uint64_t time_us) {
  const auto row = static_cast<std::size_t>(route);
  requests_[row][index_of(status)].fetch_add(1, std::memory_order_relaxed);
  times_[row].add(time_us);
}

std::uint64_t door_metrics::requests(route_id route, int status) const {
  return requests_[static_cast<std::size_t>(route)][index_of(status)].load(
    std::memory_order_relaxed);
}

std::string metrics_page(const door_metrics& door, const door_gauges& gauges,
                         const cluster::node_statistics& node,
                         const persistence::status_counts& instances) {
  page out;
  out.family("perdura_instances", MetricType::Gauge,
             "Stored instances by their status.");
  for (std::size_t i = 0; i < instances.size(); ++i)
    out.sample(
      {{"status", std::string(to_string(static_cast<runtime_status>(i)))}},
      instances[i]);
  add_node(out, node);
  add_journal(out, node);
  add_process(out);
  out.gauge("perdura_http_connections", "Open connections.",
            gauges.connections);
  out.gauge("perdura_http_waits", "Callers that wait for a completion.",
            gauges.waits);
  out.family("perdura_http_requests_total", MetricType::Counter,
             "Answered requests by route and status code.");
  for (std::size_t i = 0; i < route_count; ++i)
    for (const int code : door_metrics::codes)
      if (const auto id = static_cast<route_id>(i);
          const std::uint64_t count = door.requests(id, code))
        out.sample({{"route", std::string(to_string(id))},
                    {"status", code == 0 ? "other" : std::to_string(code)}},
                   count);
  out.family("perdura_http_request_seconds", MetricType::Histogram,
             "From the whole request to its answer, by route; waits included.");
  for (std::size_t i = 0; i < route_count; ++i) {
    const auto id = static_cast<route_id>(i);
    const distribution times = door.time_us(id);
    if (times.sum != 0 || times.counts[0] != 0)
      out.histogram({{"route", std::string(to_string(id))}}, times, 1e6);
  }
  return out.text();
}

} // namespace perdura::client
