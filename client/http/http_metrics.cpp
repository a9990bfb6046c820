// SPDX-License-Identifier: Apache-2.0
#include "client/http/http_metrics.hpp"

#include "client/http/process_usage.hpp"
#include "persistence/process/process_counters.hpp"
#include <perdura/client/api/orchestration_status.hpp>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <vector>

namespace perdura::client {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

namespace {

/// The index of a status code in `codes`. A code that has no counter of its own
/// has the last index.
std::size_t index_of(int status) {
  const auto found
    = std::find(http_metrics::codes.begin(), http_metrics::codes.end(), status);
  return found == http_metrics::codes.end()
           ? http_metrics::codes.size() - 1
           : static_cast<std::size_t>(found - http_metrics::codes.begin());
}

using label_list = std::vector<ClientMetric::Label>;

/// Collects the metric families of one page.
class page {
public:
  /// Begins a metric family. The samples that follow belong to it.
  void family(const char* name, MetricType type, const char* help) {
    families_.push_back({name, help, type, {}});
  }

  /// Adds a family with one value without labels.
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

  /// Adds a value to the newest family.
  template <class Number>
  void sample(label_list labels, Number value) {
    ClientMetric metric;
    metric.label = std::move(labels);
    // Prometheus values are doubles; counts above 2^53 lose their last digits.
    const auto number = static_cast<double>(value);
    if (families_.back().type == MetricType::Counter)
      metric.counter.value = number;
    else
      metric.gauge.value = number;
    families_.back().metric.push_back(std::move(metric));
  }

  /// Adds a histogram to the newest family. All histograms show the same
  /// buckets, so that they can be added up over routes and nodes.
  /// @param unit  The number by which values are divided, e.g. 1e6 for values
  ///              in microseconds that are shown in seconds.
  void histogram(label_list labels, const persistence::histogram& values,
                 double unit) {
    // The largest bound is 2^26, which is about 67 s for microseconds.
    constexpr std::size_t last = 26;
    ClientMetric metric;
    metric.label = std::move(labels);
    // A bucket of Prometheus also counts the values of all smaller buckets. A
    // bucket of `values` does not; the upper bound of its bucket i is 2^i.
    std::uint64_t count = 0;
    for (std::size_t i = 0; i + 1 < persistence::histogram::bucket_count; ++i) {
      count += values.counts[i];
      if (i <= last)
        metric.histogram.bucket.push_back(
          {count, static_cast<double>(std::uint64_t{1} << i) / unit});
    }
    // The last bucket has no upper bound, so it counts all values.
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

/// Adds the counters of the partitions, in the order of
/// `partition_counter_table`. Table entries with the same metric name form one
/// family and differ in the label `status`.
void add_node(page& out, const cluster::node_statistics& node) {
  std::string_view family;
  for (const actors::partition_counter& each :
       actors::partition_counter_table) {
    if (family != each.metric)
      out.family(each.metric, MetricType::Counter, each.help);
    family = each.metric;
    label_list labels;
    if (each.status != nullptr)
      labels.push_back({"status", each.status});
    out.sample(std::move(labels), node.*each.value);
  }
  out.gauge("perdura_instances_live", "Instances in memory.",
            node.instances_live);
}

/// The counters and histograms of the journal.
void add_journal(page& out, const cluster::node_statistics& node) {
  for (const persistence::journal_counter& each :
       persistence::journal_counter_table)
    out.counter(each.metric, each.help, node.*each.value);
  for (const persistence::journal_histogram& each :
       persistence::journal_histogram_table) {
    out.family(each.metric, MetricType::Histogram, each.help);
    out.histogram({}, node.*each.values, each.unit);
  }
}

/// The metrics of the process, under the names that Prometheus defines.
/// @source Prometheus, "Writing client libraries", standard and runtime
///         collectors.
void add_process(page& out) {
  out.counter("process_cpu_seconds_total",
              "User and system CPU time of the node's process.",
              process_cpu_seconds());
  // The second number is the size of the resident set in pages; see proc(5).
  std::ifstream memory("/proc/self/statm");
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  memory >> size >> resident;
  out.gauge("process_resident_memory_bytes",
            "Resident memory, including mapped files.",
            resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)));
}

/// The counters of the process, which belong to no node.
void add_process_counters(page& out) {
  const auto& counters = persistence::counters_of_process();
  out.counter("perdura_callback_failures_total",
              "Exceptions of callbacks and hooks of the program.",
              counters.callback_failures.load());
  out.counter("perdura_thread_failures_total",
              "Threads that the system refused to create.",
              counters.thread_failures.load());
  out.counter("perdura_cluster_connections_refused_total",
              "Connections to the cluster port that were closed because the "
              "peer is not a process of Perdura.",
              counters.refused_cluster_connections.load());
}

} // namespace

void http_metrics::count(route_id route, int status, std::uint64_t time_us) {
  // Relaxed order suffices: each counter is read alone, and a page may show
  // numbers of slightly different moments.
  const auto row = static_cast<std::size_t>(route);
  requests_[row][index_of(status)].fetch_add(1, std::memory_order_relaxed);
  times_[row].add(time_us);
}

std::uint64_t http_metrics::requests(route_id route, int status) const {
  return requests_[static_cast<std::size_t>(route)][index_of(status)].load(
    std::memory_order_relaxed);
}

std::string metrics_page(const http_metrics& http, const http_gauges& gauges,
                         const cluster::node_statistics& node,
                         const persistence::status_counts& instances) {
  page out;
  out.family("perdura_instances", MetricType::Gauge,
             "Stored instances, by status.");
  for (std::size_t i = 0; i < instances.size(); ++i)
    out.sample(
      {{"status", std::string(to_string(static_cast<runtime_status>(i)))}},
      instances[i]);
  add_node(out, node);
  add_journal(out, node);
  add_process(out);
  out.gauge("perdura_http_connections", "Open HTTP connections.",
            gauges.connections);
  out.gauge("perdura_http_waits",
            "HTTP requests that wait for the end of an instance.",
            gauges.waits);
  out.gauge("perdura_http_buffered_bytes",
            "Bodies and unread answers of HTTP requests in memory.",
            gauges.buffered_bytes);
  add_process_counters(out);
  out.family("perdura_http_requests_total", MetricType::Counter,
             "Answered HTTP requests, by route and status code.");
  for (std::size_t i = 0; i < route_count; ++i)
    for (const int code : http_metrics::codes)
      // Combinations that have not occurred are left out, because there are
      // several hundred combinations.
      if (const auto id = static_cast<route_id>(i);
          const std::uint64_t count = http.requests(id, code))
        out.sample({{"route", std::string(to_string(id))},
                    {"status", code == 0 ? "other" : std::to_string(code)}},
                   count);
  out.family("perdura_http_request_seconds", MetricType::Histogram,
             "Time from the receipt of a request to its response, including "
             "waits, by route, in seconds.");
  for (std::size_t i = 0; i < route_count; ++i) {
    const auto id = static_cast<route_id>(i);
    const persistence::histogram times = http.time_us(id);
    // A route that has not been called has no histogram.
    if (times.sum != 0 || times.counts[0] != 0)
      out.histogram({{"route", std::string(to_string(id))}}, times, 1e6);
  }
  return out.text();
}

} // namespace perdura::client
