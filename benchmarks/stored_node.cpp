// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/stored_node.hpp"

#include "client/cli/json_view.hpp"
#include "client/cli/progress_line.hpp"
#include "client/http/http_client.hpp"
#include "client/load/node_reading.hpp"

#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <thread>

namespace perdura::benchmarks {

using client::bench_figures;
using client::http_load;
using client::load_outcome;
using client::node_reading;
using client::request_text;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

const std::string webhook = "/runtime/webhooks/durabletask";
// The number of instances that one request starts. The node starts them one
// after the other.
constexpr std::size_t starts_per_request = 10;
constexpr std::size_t connections = 256; // Used to send starts and events.

/// The ID of an instance. All IDs have the same length, so that IDs sort by
/// number and a prefix selects a range of numbers.
std::string id_of(std::size_t number) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "waiting-%07zu", number);
  return text.data();
}

/// Maps a request number (from 0) to the number of one of the `count` stored
/// instances, so that consecutive requests use distant instances. The first
/// `count` numbers map to different instances as long as `count` is not a
/// multiple of the prime 7,919.
std::size_t scattered(std::size_t number, std::size_t count) {
  return number * 7'919 % count;
}

/// The terminal of this process, for progress lines.
client::terminal& standard_terminal() {
  static client::terminal io{.in = std::cin,
                             .out = std::cout,
                             .err = std::cerr,
                             .err_can_redraw = ::isatty(STDERR_FILENO) == 1};
  return io;
}

/// Starts the node. If the node does not serve, prints the reason and ends the
/// program. Idle instances leave memory after 2 s, so that `wait_for_eviction`
/// is short.
std::unique_ptr<client::child_node>
open_node(const std::filesystem::path& directory) {
  // The child inherits the memory of this process, so unused memory is returned
  // to the system first.
  ::malloc_trim(0);
  client::node_host_config config;
  config.node.data_dir = directory;
  config.node.create_hub = true;
  config.node.idle_instance_time_max = std::chrono::seconds(2);
  config.http.port = 0;
  auto node = client::child_node::start(std::move(config));
  if (!node) {
    std::cerr << node.error().message << '\n';
    std::exit(1);
  }
  return std::move(*node);
}

/// The figures that most measurements return.
bench_figures figures_of(load_outcome out) {
  return {{"p50_ms", out.times.percentile(0.5) / 1e3},
          {"p99_ms", out.times.percentile(0.99) / 1e3},
          {"max_ms", out.times.max() / 1e3},
          {"failures", static_cast<double>(out.failures)}};
}

/// The disk space that a file occupies, in MiB: the size of its allocated
/// blocks. A sparse file occupies less than its length.
double mib_on_disk(const std::filesystem::path& file) {
  struct stat found {};

  if (::stat(file.c_str(), &found) != 0)
    return 0;
  constexpr double block = 512; // stat(2): the unit of st_blocks
  return static_cast<double>(found.st_blocks) * block / (1 << 20);
}

/// A request that starts the instances from number `from` up to, but not
/// including, `to`.
std::string starts_text(std::size_t from, std::size_t to) {
  std::string body = "[";
  for (std::size_t i = from; i < to; ++i)
    body += (i == from ? "" : ",")
            + (R"({"FunctionName":"Approval","InstanceId":")" + id_of(i))
            + "\"}";
  return request_text("POST", "/orchestrators", body + ']');
}

} // namespace

stored_node::stored_node(const std::filesystem::path& directory)
  : directory_(directory),
    node_(open_node(directory)),
    endpoints_{{.port = node_->port()}} {}

bench_figures stored_node::start(std::size_t from, std::size_t to) {
  client::progress_line line(standard_terminal(), "started", to);
  std::size_t next = from;
  std::string text;
  http_load load(endpoints_, connections);
  load.on_tick([&] {
    line.update(next);
    return true;
  });
  const auto before = client::read_nodes(endpoints_).value();
  const load_outcome out = load.run(
    std::chrono::hours(24),
    [&](std::size_t) -> std::string_view {
      if (next >= to)
        return {};
      // The last request may start fewer instances than the others.
      const std::size_t first = next;
      next = std::min(to, next + starts_per_request);
      return text = starts_text(first, next);
    },
    [](std::size_t, int status, std::string_view) { return status == 202; });
  const auto spent = client::read_nodes(endpoints_).value() - before;
  const auto count = static_cast<double>(to - from);
  return {{"rate_per_s", count / out.seconds},
          {"cpu_us", spent.cpu_seconds * 1e6 / count},
          {"journal_commits", spent.journal_commits / count},
          {"views_commits", spent.views_commits / count},
          {"failures", static_cast<double>(out.failures)}};
}

double stored_node::wait_for_eviction() {
  const auto until = steady_clock::now() + std::chrono::minutes(1);
  double live = metric("perdura_instances_live");
  while (live > 0 && steady_clock::now() < until) {
    // The node evicts an instance after its idle time; poll until then.
    std::this_thread::sleep_for(milliseconds(250));
    live = metric("perdura_instances_live");
  }
  return live;
}

bench_figures stored_node::run_hello(milliseconds time) {
  constexpr std::size_t in_flight = 16;
  const std::string text
    = request_text("POST", "/orchestrators/HelloSequence/wait?timeout=30");
  http_load load(endpoints_, in_flight);
  // The cost of the load is the difference of two readings of the node's
  // counters.
  const auto before = client::read_nodes(endpoints_).value();
  load_outcome out = load.run(
    time, [&](std::size_t) { return std::string_view(text); },
    [](std::size_t, int status, std::string_view) { return status == 200; });
  const auto spent = client::read_nodes(endpoints_).value() - before;
  const auto count = std::max(1.0, static_cast<double>(out.responses));
  return {{"rate_per_s", out.rate()},
          {"p50_ms", out.times.percentile(0.5) / 1e3},
          {"p99_ms", out.times.percentile(0.99) / 1e3},
          {"cpu_us", spent.cpu_seconds * 1e6 / count},
          {"journal_commits", spent.journal_commits / count},
          {"views_commits", spent.views_commits / count},
          {"failures", static_cast<double>(out.failures)}};
}

bench_figures stored_node::measure_requests(
  std::size_t times, const std::function<std::string(std::size_t)>& path,
  std::string_view expected) {
  http_load load(endpoints_, 1);
  std::size_t next = 0;
  std::string text;
  // The run ends when the first function returns an empty request; the ten
  // minutes are only a limit.
  return figures_of(load.run(
    std::chrono::minutes(10),
    [&](std::size_t) -> std::string_view {
      if (next == times)
        return {};
      return text = request_text("GET", path(next++));
    },
    [&](std::size_t, int status, std::string_view body) {
      return (status == 200 || status == 202)
             && body.find(expected) != body.npos;
    }));
}

namespace {

/// The value of a header in the head of a response; empty if there is no such
/// header. `name` includes the colon and the blank.
std::string_view header_in(std::string_view head, std::string_view name) {
  const std::size_t at = head.find(name);
  if (at == head.npos)
    return {};
  head.remove_prefix(at + name.size());
  return head.substr(0, head.find("\r\n"));
}

/// The number of times that `part` occurs in `text`.
std::size_t count_in(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != text.npos;
       at = text.find(part, at + part.size()))
    ++found;
  return found;
}

/// Collects the pages of one query. A page may be short or empty although more
/// pages follow; only a page without a continuation token is the last one.
struct page_walk {
  std::size_t rows = 0;
  std::size_t pages = 0;
  std::string token;   ///< Continuation token; empty after the last page.
  bool failed = false; ///< The last response had another status than 200.

  void add_page(const client::load_response& response) {
    ++pages;
    failed = response.status != 200;
    rows += count_in(response.body, "\"instanceId\"");
    token = header_in(response.head, "x-ms-continuation-token: ");
  }
};

} // namespace

bench_figures stored_node::measure_page_queries(
  std::size_t times, const std::function<std::string(std::size_t)>& path) {
  constexpr std::size_t expected = 100;
  http_load load(endpoints_, 1);
  load_outcome all;
  std::size_t rows = 0;
  std::size_t pages = 0;
  for (std::size_t i = 0; i < times; ++i) {
    // The latency of a query is the time of all its pages together.
    page_walk one;
    const auto from = steady_clock::now();
    do {
      std::string text = request_text("GET", path(i));
      if (!one.token.empty())
        // Insert the header before the empty line that ends the head.
        text.insert(text.size() - 2,
                    "x-ms-continuation-token: " + one.token + "\r\n");
      load.send(0, text);
      while (load.pending() > 0
             && load.wait(std::chrono::seconds(1), [&](const auto& response) {
                  one.add_page(response);
                }))
        continue;
    } while (!one.failed && !one.token.empty() && one.rows < expected);
    all.times.values_us.push_back(static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now()
                                                            - from)
        .count()));
    all.failures += one.failed ? 1 : 0;
    rows += one.rows;
    pages += one.pages;
  }
  // The mean numbers of rows and pages show whether the queries returned what
  // was expected.
  bench_figures figures = figures_of(std::move(all));
  const auto count = static_cast<double>(times);
  figures.push_back({"rows", static_cast<double>(rows) / count});
  figures.push_back({"pages", static_cast<double>(pages) / count});
  return figures;
}

bench_figures stored_node::measure_status(std::size_t times,
                                          std::size_t count) {
  // The instances wait for an event, so their status is Running.
  return measure_requests(
    times,
    [&](std::size_t i) {
      return webhook + "/instances/" + id_of(scattered(i, count));
    },
    "\"Running\"");
}

bench_figures stored_node::measure_pages_by_prefix(std::size_t times,
                                                   std::size_t count) {
  return measure_page_queries(times, [&](std::size_t i) {
    // 100 IDs have this prefix: the last two digits are cut off.
    std::string prefix = id_of(scattered(i, count));
    prefix.resize(prefix.size() - 2);
    return webhook + "/instances?top=100&runtimeStatus=Running"
           + "&instanceIdPrefix=" + prefix;
  });
}

bench_figures stored_node::measure_pages_by_time(std::size_t times,
                                                 std::size_t count) {
  const auto created = [&](std::size_t number) {
    return client::json_unquoted(client::json_member(
      body_of(webhook + "/instances/" + id_of(number)), "createdTime"));
  };
  // The filter selects the second half of the instances, so that a scan of the
  // first half would be visible in the latency.
  const std::string from = created(count / 2);
  const std::string to = created(count - 1);
  return measure_page_queries(times, [&](std::size_t) {
    return webhook + "/instances?top=100&runtimeStatus=Running&name=Approval"
           + "&createdTimeFrom=" + from + "&createdTimeTo=" + to;
  });
}

bench_figures stored_node::measure_counts(std::size_t times) {
  // Each response must contain the status Running, because instances that wait
  // for an event have this status.
  return measure_requests(
    times, [](std::size_t) { return std::string("/perdura/count"); },
    "\"Running\"");
}

bench_figures stored_node::measure_events(std::size_t times,
                                          std::size_t count) {
  http_load load(endpoints_, 2);
  load_outcome all;
  for (std::size_t i = 0; i < times; ++i) {
    const std::string path
      = webhook + "/instances/" + id_of(scattered(i, count));
    // Connection 0 waits for the instance, connection 1 raises the event. The
    // latency includes the start of the wait.
    const auto from = steady_clock::now();
    load.send(0, request_text("GET", path + "?waitSeconds=30"));
    load.send(1, request_text("POST", path + "/raiseEvent/Approval", "true"));
    const auto handler = [&](const client::load_response& response) {
      const bool is_waiter = response.connection == 0;
      all.failures += response.status == (is_waiter ? 200 : 202) ? 0 : 1;
      if (is_waiter)
        all.times.values_us.push_back(static_cast<std::uint32_t>(
          std::chrono::duration_cast<std::chrono::microseconds>(
            response.received_at - from)
            .count()));
    };
    while (load.pending() > 0 && load.wait(std::chrono::seconds(1), handler))
      continue;
  }
  return figures_of(std::move(all));
}

bench_figures stored_node::complete_all(std::size_t count) {
  // Events are raised as fast as the node accepts them; the progress line shows
  // the events that were sent.
  client::progress_line line(standard_terminal(), "completed", count);
  std::size_t next = 0;
  std::string text;
  http_load load(endpoints_, connections);
  load.on_tick([&] {
    line.update(next);
    return true;
  });
  const load_outcome out = load.run(
    std::chrono::hours(24),
    [&](std::size_t) -> std::string_view {
      if (next == count)
        return {};
      return text = request_text("POST",
                                 webhook + "/instances/" + id_of(next++)
                                   + "/raiseEvent/Approval",
                                 "true");
    },
    // Status 410 means that the instance completed in an earlier measurement.
    [](std::size_t, int status, std::string_view) {
      return status == 202 || status == 410;
    });
  // An event is acknowledged before its instance completes, so wait for the
  // last instances, at most one minute.
  double running = 1;
  for (int polls = 0; polls < 240 && running > 0; ++polls) {
    running = metric("perdura_instances{status=\"Running\"}");
    if (running > 0)
      std::this_thread::sleep_for(milliseconds(250));
  }
  return {{"events_per_s", static_cast<double>(count) / out.seconds},
          {"replays", metric("perdura_replays_total")},
          {"running", running},
          {"failures", static_cast<double>(out.failures) + running}};
}

/// Returns the body of the response to a GET request. Ends the program if there
/// is no response within one minute.
std::string stored_node::body_of(const std::string& target) const {
  client::http_url url;
  url.port = node_->port();
  client::http_request request;
  request.method = "GET";
  request.target = target;
  return client::send_http_request(url, request, std::chrono::minutes(1))
    .value()
    .body;
}

/// The value of one sample of the node's metrics.
double stored_node::metric(std::string_view name) const {
  return client::sample_of(body_of("/metrics"), name);
}

double stored_node::journal_mib() const {
  return mib_on_disk(directory_ / "lane-0/journal/data.mdb");
}

double stored_node::views_mib() const {
  return mib_on_disk(directory_ / "lane-0/views/data.mdb");
}

} // namespace perdura::benchmarks
