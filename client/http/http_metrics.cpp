// SPDX-License-Identifier: Apache-2.0
#include "client/http/http_metrics.hpp"

#include "client/http/process_usage.hpp"
#include "persistence/process/process_counters.hpp"
#include <perdura/client/api/orchestration_status.hpp>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
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
  out.gauge("perdura_instances_live_bytes",
            "Size of the unread events, results, open tasks and custom "
            "statuses of the instances in memory "
            "(limits.idle_instance_bytes_max).",
            node.instances_live_bytes);
  out.gauge("perdura_request_keys",
            "Recorded answers to requests with a request ID "
            "(limits.request_keys_max, for each partition).",
            node.request_keys);
  out.gauge("perdura_request_key_bytes",
            "Size on disk of these answers (limits.request_key_bytes_max, for "
            "each partition).",
            node.request_key_bytes);
  out.gauge("perdura_instances_damaged",
            "Instances that cannot be used because stored rows are damaged, as "
            "far as they were used.",
            node.damage.instances);
  out.gauge("perdura_quarantined_messages",
            "Messages from other partitions that wait for the repair of a "
            "damaged instance.",
            node.damage.messages);
  out.gauge("perdura_quarantined_bytes", "Size of these messages.",
            node.damage.bytes);
  out.gauge("perdura_quarantine_streams_waiting",
            "Partitions whose messages wait because no more messages for "
            "damaged instances can be stored.",
            node.damage.streams_waiting);
  out.gauge("perdura_message_streams_broken",
            "Pairs of partitions whose messages have a gap that does not "
            "close, or whose numbers are not consistent.",
            node.damage.streams_broken);
  out.gauge("perdura_instances_stuck",
            "Instances that cannot continue; `perdura list --stuck` names "
            "them.",
            node.instances_stuck);
  out.gauge("perdura_orchestrators_paused",
            "Orchestrators that are paused by name on this node.",
            node.orchestrators_paused);
  out.gauge("perdura_trees_ending",
            "Trees of sub-orchestrations that are being terminated: some "
            "partition has not ended its part yet.",
            node.trees_ending);
  out.gauge("perdura_turns_running", "Orchestrators that run now.",
            node.turns_running);
  out.gauge("perdura_turns_waiting",
            "Orchestrators that wait for a thread (node.scheduler_threads).",
            node.turns_waiting);
}

// Destinations with more than this are left out, the ones with the youngest
// messages first.
constexpr std::size_t destinations_max = 100;

/// The messages to other partitions.
void add_outbox(page& out, const cluster::node_statistics& node) {
  const actors::outbox_figures& outbox = node.outbox;
  out.gauge("perdura_outbox_messages",
            "Messages to other partitions that are not acknowledged.",
            outbox.messages);
  out.gauge("perdura_outbox_memory_messages",
            "Those of them that are in memory; the others are on disk.",
            outbox.memory_messages);
  out.gauge("perdura_outbox_memory_bytes", "Size of the messages in memory.",
            outbox.memory_bytes);
  out.gauge("perdura_outbox_turns_waiting",
            "Instances whose next turn waits because too many messages to a "
            "partition are not acknowledged (limits.outbox_messages_max).",
            outbox.turns_waiting);
  auto oldest_first = outbox.destinations;
  std::stable_sort(
    oldest_first.begin(), oldest_first.end(),
    [](const auto& one, const auto& two) { return one.oldest > two.oldest; });
  if (oldest_first.size() > destinations_max)
    oldest_first.resize(destinations_max);
  const auto family = [&](const char* name, const char* help, auto value_of) {
    out.family(name, MetricType::Gauge, help);
    for (const actors::outbox_destination& each : oldest_first)
      out.sample({{"partition", std::to_string(each.partition)}},
                 value_of(each));
  };
  family("perdura_outbox_destination_messages",
         "Messages that are not acknowledged, by destination; at most 100 "
         "destinations, those with the oldest messages.",
         [](const auto& each) { return each.messages; });
  family("perdura_outbox_destination_oldest_seconds",
         "How long the oldest of them has waited since this process began.",
         [](const auto& each) {
           return std::chrono::duration<double>(each.oldest).count();
         });
}

/// The activities of the node, by name.
void add_activities(page& out, const cluster::node_statistics& node) {
  const auto family = [&](const char* name, const char* help, auto value_of) {
    out.family(name, MetricType::Gauge, help);
    for (const actors::activity_load& each : node.activities)
      out.sample({{"name", each.name}}, value_of(each));
  };
  family("perdura_activities_running",
         "Runs of activities, by name, including given-up ones.",
         [](const auto& each) { return each.running; });
  family("perdura_activities_given_up",
         "Runs that have exceeded their time-out and still occupy a thread.",
         [](const auto& each) { return each.given_up; });
  family("perdura_activities_queued",
         "Activities that wait for a thread or for the limit of their name.",
         [](const auto& each) { return each.queued; });
  family("perdura_activity_oldest_seconds",
         "How long the oldest run of the name has lasted.",
         [](const auto& each) {
           return std::chrono::duration<double>(each.oldest).count();
         });
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

/// The space of the data files and of the disk, and writes that hang.
void add_storage(page& out, const cluster::node_statistics& node) {
  const persistence::storage_space& space = node.storage;
  out.gauge("perdura_storage_full",
            "1 while new starts and events are refused for lack of space.",
            space.full == persistence::full_cause::none ? 0 : 1);
  out.gauge("perdura_storage_used_bytes",
            "Size of the stored data, without free pages.", space.used);
  out.gauge("perdura_storage_file_bytes",
            "What the data files take from the disk.", space.files);
  out.gauge("perdura_storage_file_free_bytes",
            "Free pages inside the data files.", space.files_free);
  out.gauge("perdura_disk_free_bytes",
            "Space that is free on the disk of the data directory.",
            space.disk_free);
  out.gauge("perdura_disk_size_bytes",
            "Size of the disk of the data directory.", space.disk_size);
  out.gauge("perdura_disk_reserve_bytes",
            "Space on the disk that is reserved now (limits.disk_reserve).",
            space.reserve);
  out.gauge("perdura_disk_write_seconds",
            "How long the oldest write to the disk has been in progress.",
            std::chrono::duration<double>(node.sync_time).count());
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
  out.counter("perdura_wall_clock_steps_total",
              "Times that the wall clock was set by at least 5 s.",
              counters.wall_clock_steps.load());
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
  add_outbox(out, node);
  add_activities(out, node);
  add_journal(out, node);
  add_storage(out, node);
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
