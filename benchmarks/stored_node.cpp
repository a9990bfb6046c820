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
// Of one request with many starts; they are accepted one after the other.
constexpr std::size_t starts_each = 10;
constexpr std::size_t connections = 256;

std::string id_of(std::size_t number) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "waiting-%07zu", number);
  return text.data();
}

/// Here and there, each once: 7,919 is a prime, and no count's divisor.
std::size_t scattered(std::size_t number, std::size_t count) {
  return number * 7'919 % count;
}

client::terminal& screen() {
  static client::terminal io{.in = std::cin,
                             .out = std::cout,
                             .err = std::cerr,
                             .err_can_redraw = ::isatty(STDERR_FILENO) == 1};
  return io;
}

std::unique_ptr<client::child_node>
open_node(const std::filesystem::path& directory) {
  // What this process holds would be counted as the node's.
  ::malloc_trim(0);
  client::node_host_config config;
  config.node.data_dir = directory;
  config.node.create_hub = true;
  config.node.idle_instance_time_max = std::chrono::seconds(2);
  config.door.port = 0;
  auto node = client::child_node::start(std::move(config));
  if (!node) {
    std::cerr << node.error().message << '\n';
    std::exit(1);
  }
  return std::move(*node);
}

bench_figures figures_of(load_outcome out) {
  return {{"p50_ms", out.times.at(0.5) / 1e3},
          {"p99_ms", out.times.at(0.99) / 1e3},
          {"max_ms", out.times.max() / 1e3},
          {"failures", static_cast<double>(out.failures)}};
}

double mib_on_disk(const std::filesystem::path& file) {
  struct stat found {};

  if (::stat(file.c_str(), &found) != 0)
    return 0;
  constexpr double block = 512; // stat(2): the unit of st_blocks
  return static_cast<double>(found.st_blocks) * block / (1 << 20);
}

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
    doors_{{.port = node_->port()}} {}

bench_figures stored_node::start(std::size_t from, std::size_t to) {
  client::progress_line line(screen(), "started", to);
  std::size_t next = from;
  std::string text;
  http_load load(doors_, connections);
  load.on_tick([&] {
    line.reached(next);
    return true;
  });
  const auto before = client::read_nodes(doors_).value();
  const load_outcome out = load.run(
    std::chrono::hours(24),
    [&](std::size_t) -> std::string_view {
      if (next >= to)
        return {};
      const std::size_t first = next;
      next = std::min(to, next + starts_each);
      return text = starts_text(first, next);
    },
    [](std::size_t, int status, std::string_view) { return status == 202; });
  const auto spent = client::read_nodes(doors_).value() - before;
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
    // The eviction's own time is what is waited for.
    std::this_thread::sleep_for(milliseconds(250));
    live = metric("perdura_instances_live");
  }
  return live;
}

bench_figures stored_node::run_hello(milliseconds time) {
  constexpr std::size_t in_flight = 16;
  const std::string text
    = request_text("POST", "/orchestrators/HelloSequence/wait?timeout=30");
  http_load load(doors_, in_flight);
  const auto before = client::read_nodes(doors_).value();
  load_outcome out = load.run(
    time, [&](std::size_t) { return std::string_view(text); },
    [](std::size_t, int status, std::string_view) { return status == 200; });
  const auto spent = client::read_nodes(doors_).value() - before;
  const auto count = std::max(1.0, static_cast<double>(out.answers));
  return {{"rate_per_s", out.rate()},
          {"p50_ms", out.times.at(0.5) / 1e3},
          {"p99_ms", out.times.at(0.99) / 1e3},
          {"cpu_us", spent.cpu_seconds * 1e6 / count},
          {"journal_commits", spent.journal_commits / count},
          {"views_commits", spent.views_commits / count},
          {"failures", static_cast<double>(out.failures)}};
}

bench_figures
stored_node::ask_each(std::size_t times,
                      const std::function<std::string(std::size_t)>& path,
                      std::string_view wanted) {
  http_load load(doors_, 1);
  std::size_t next = 0;
  std::string text;
  return figures_of(load.run(
    std::chrono::minutes(10),
    [&](std::size_t) -> std::string_view {
      if (next == times)
        return {};
      return text = request_text("GET", path(next++));
    },
    [&](std::size_t, int status, std::string_view body) {
      return (status == 200 || status == 202) && body.find(wanted) != body.npos;
    }));
}

namespace {

/// The value of a header; empty if it is not there.
std::string_view header_in(std::string_view head, std::string_view name) {
  const std::size_t at = head.find(name);
  if (at == head.npos)
    return {};
  head.remove_prefix(at + name.size());
  return head.substr(0, head.find("\r\n"));
}

std::size_t count_in(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != text.npos;
       at = text.find(part, at + part.size()))
    ++found;
  return found;
}

/// A page may be short, or empty, although more follow.
struct hundred {
  std::size_t rows = 0;
  std::size_t pages = 0;
  std::string token;
  bool failed = false;

  void take(const client::load_answer& answer) {
    ++pages;
    failed = answer.status != 200;
    rows += count_in(answer.body, "\"instanceId\"");
    token = header_in(answer.head, "x-ms-continuation-token: ");
  }
};

} // namespace

bench_figures
stored_node::ask_hundreds(std::size_t times,
                          const std::function<std::string(std::size_t)>& path) {
  constexpr std::size_t wanted = 100;
  http_load load(doors_, 1);
  load_outcome all;
  std::size_t rows = 0;
  std::size_t pages = 0;
  for (std::size_t i = 0; i < times; ++i) {
    hundred one;
    const auto from = steady_clock::now();
    do {
      std::string text = request_text("GET", path(i));
      if (!one.token.empty())
        text.insert(text.size() - 2,
                    "x-ms-continuation-token: " + one.token + "\r\n");
      load.ask(0, text);
      while (load.open() > 0
             && load.wait(std::chrono::seconds(1),
                          [&](const auto& answer) { one.take(answer); }))
        continue;
    } while (!one.failed && !one.token.empty() && one.rows < wanted);
    all.times.all_us.push_back(static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now()
                                                            - from)
        .count()));
    all.failures += one.failed ? 1 : 0;
    rows += one.rows;
    pages += one.pages;
  }
  bench_figures figures = figures_of(std::move(all));
  const auto count = static_cast<double>(times);
  figures.push_back({"rows", static_cast<double>(rows) / count});
  figures.push_back({"pages", static_cast<double>(pages) / count});
  return figures;
}

bench_figures stored_node::ask_status(std::size_t times, std::size_t count) {
  return ask_each(
    times,
    [&](std::size_t i) {
      return webhook + "/instances/" + id_of(scattered(i, count));
    },
    "\"Running\"");
}

bench_figures stored_node::ask_pages_by_prefix(std::size_t times,
                                               std::size_t count) {
  return ask_hundreds(times, [&](std::size_t i) {
    // A hundred of them begin like this.
    std::string prefix = id_of(scattered(i, count));
    prefix.resize(prefix.size() - 2);
    return webhook + "/instances?top=100&runtimeStatus=Running"
           + "&instanceIdPrefix=" + prefix;
  });
}

bench_figures stored_node::ask_pages_by_time(std::size_t times,
                                             std::size_t count) {
  const auto created = [&](std::size_t number) {
    return client::json_plain(client::json_member(
      body_of(webhook + "/instances/" + id_of(number)), "createdTime"));
  };
  // From the middle on: whoever walked there would be seen.
  const std::string from = created(count / 2);
  const std::string to = created(count - 1);
  return ask_hundreds(times, [&](std::size_t) {
    return webhook + "/instances?top=100&runtimeStatus=Running&name=Approval"
           + "&createdTimeFrom=" + from + "&createdTimeTo=" + to;
  });
}

bench_figures stored_node::ask_counts(std::size_t times) {
  return ask_each(
    times, [](std::size_t) { return std::string("/perdura/count"); },
    "\"Running\"");
}

bench_figures stored_node::wake(std::size_t times, std::size_t count) {
  http_load load(doors_, 2);
  load_outcome all;
  for (std::size_t i = 0; i < times; ++i) {
    const std::string path
      = webhook + "/instances/" + id_of(scattered(i, count));
    const auto from = steady_clock::now();
    load.ask(0, request_text("GET", path + "?waitSeconds=30"));
    load.ask(1, request_text("POST", path + "/raiseEvent/Approval", "true"));
    const auto take = [&](const client::load_answer& answer) {
      const bool is_waiter = answer.connection == 0;
      all.failures += answer.status == (is_waiter ? 200 : 202) ? 0 : 1;
      if (is_waiter)
        all.times.all_us.push_back(static_cast<std::uint32_t>(
          std::chrono::duration_cast<std::chrono::microseconds>(answer.at
                                                                - from)
            .count()));
    };
    while (load.open() > 0 && load.wait(std::chrono::seconds(1), take))
      continue;
  }
  return figures_of(std::move(all));
}

bench_figures stored_node::complete_all(std::size_t count) {
  client::progress_line line(screen(), "woken", count);
  std::size_t next = 0;
  std::string text;
  http_load load(doors_, connections);
  load.on_tick([&] {
    line.reached(next);
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
    // Some have ended before: they were woken one by one.
    [](std::size_t, int status, std::string_view) {
      return status == 202 || status == 410;
    });
  double running = 1;
  for (int looks = 0; looks < 240 && running > 0; ++looks) {
    running = metric("perdura_instances{status=\"Running\"}");
    if (running > 0)
      std::this_thread::sleep_for(milliseconds(250));
  }
  return {{"events_per_s", static_cast<double>(count) / out.seconds},
          {"replays", metric("perdura_replays_total")},
          {"running", running},
          {"failures", static_cast<double>(out.failures) + running}};
}

std::string stored_node::body_of(const std::string& target) const {
  client::http_url url;
  url.port = node_->port();
  client::http_request request;
  request.method = "GET";
  request.target = target;
  return client::http_ask(url, request, std::chrono::minutes(1)).value().body;
}

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
