// SPDX-License-Identifier: Apache-2.0
#include "client/load/bench_run.hpp"

#include "client/http/process_usage.hpp"
#include "client/load/commit_probe.hpp"
#include "client/load/event_load.hpp"
#include "client/load/node_reading.hpp"
#include "persistence/records/identity.hpp"

#include <algorithm>
#include <memory>
#include <optional>

namespace perdura::client {

using persistence::errc;
using persistence::error;
using persistence::result;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

// This number of connections is enough for the requests that become due while a
// node stalls. A node accepts far more.
constexpr std::size_t open_loop_connections = 512;
// Completed instances whose status the scenario `status` reads.
constexpr std::size_t status_target_count = 1'000;
// The probe measures this number of commits at a time, which is enough for a
// median. A commit takes a few milliseconds on a slow disk.
constexpr std::size_t probe_commits = 25;
// The longest wait that a node allows is 300 s. The rest is time for the
// response to arrive.
constexpr std::chrono::seconds response_timeout{330};

/// One load: a closed loop or an open loop.
struct load_shape {
  std::size_t in_flight = 0; ///< Requests in flight of a closed loop.
  double rate = 0;           ///< Requests per second of an open loop; else 0.

  std::size_t connections() const {
    return rate > 0 ? open_loop_connections : in_flight;
  }

  /// The name of the load in a report, e.g. "16 in flight" or "2000 /s".
  std::string text() const {
    return rate > 0 ? figure_text(rate) + " /s"
                    : std::to_string(in_flight) + " in flight";
  }
};

/// The loads of one scenario in a plan.
std::vector<load_shape> shapes_of(const bench_plan& plan,
                                  const bench_scenario& scenario) {
  std::vector<load_shape> all;
  const bool use_scenario_defaults
    = plan.in_flight.empty() && plan.rates.empty();
  for (const std::size_t each :
       use_scenario_defaults ? scenario.default_in_flight : plan.in_flight)
    all.push_back({each, 0});
  // The event scenario has no open loop: an instance takes three requests that
  // depend on each other.
  if (scenario.kind != scenario_kind::event)
    for (const double each : plan.rates)
      all.push_back({0, each});
  return all;
}

/// One scenario under one load: the connections and the texts of the requests.
/// The texts are built once, so that building them costs no time during the
/// measurement. `ended` are the instances whose status the scenario `status`
/// reads.
class driver {
public:
  driver(const bench_scenario& scenario, const load_shape& shape,
         const std::vector<load_endpoint>& endpoints,
         const std::vector<std::string>& ended)
    : scenario_(scenario), shape_(shape) {
    if (scenario.kind == scenario_kind::event) {
      events_.emplace(endpoints, shape.in_flight,
                      "bench-" + persistence::random_hex32() + '-');
      return;
    }
    requests_ = std::make_unique<http_load>(endpoints, shape.connections());
    texts_.resize(endpoints.size());
    for (std::size_t i = 0; i < endpoints.size(); ++i) {
      if (scenario.kind == scenario_kind::wait)
        texts_[i].push_back(
          request_text(endpoints[i], "POST", scenario.target, scenario.body));
      else
        for (const std::string& id : ended)
          texts_[i].push_back(
            request_text(endpoints[i], "GET", webhook + "/instances/" + id));
    }
  }

  http_load& connections() {
    return events_ ? events_->connections() : *requests_;
  }

  /// Runs the load for this time. The fixed delay of the scenario is subtracted
  /// from the latencies.
  load_outcome run(milliseconds time) {
    if (events_)
      return events_->run(time);
    const auto next = [this](std::size_t connection) -> std::string_view {
      const auto& all = texts_[requests_->endpoint_of(connection)];
      return all[++number_ % all.size()];
    };
    const auto check
      = [](std::size_t, int status, std::string_view) { return status == 200; };
    load_outcome out
      = shape_.rate > 0
          ? requests_->run_open_loop(shape_.rate, time, next, check)
          : requests_->run(time, next, check);
    for (std::uint32_t& each : out.times.values_us)
      each -= std::min(each, scenario_.fixed_delay_us);
    return out;
  }

private:
  const bench_scenario& scenario_;
  load_shape shape_;
  std::optional<event_load> events_;
  std::unique_ptr<http_load> requests_;
  std::vector<std::vector<std::string>> texts_; ///< By index of the endpoint.
  std::size_t number_ = 0; ///< Requests so far; selects the next text.
};

/// The figures of one round. `spent` is the increase of the nodes' counters
/// during the round; `own_seconds` is the CPU time of this process.
/// `commits_alone` are the times of single commits in microseconds; empty
/// without a probe.
bench_figures figures_of(load_outcome outcome, const node_reading& spent,
                         double own_seconds, double units_per_response,
                         const std::vector<double>& commits_alone) {
  // At least 1, because a round can end without a response.
  const double units = std::max(1.0, static_cast<double>(outcome.responses)
                                       * units_per_response);
  bench_figures all{
    {"rate_per_s", outcome.rate() * units_per_response},
    {"p50_ms", outcome.times.percentile(0.5) / 1e3},
    {"p90_ms", outcome.times.percentile(0.9) / 1e3},
    {"p99_ms", outcome.times.percentile(0.99) / 1e3},
    {"max_ms", outcome.times.max() / 1e3},
    {"cpu_us", spent.cpu_seconds * 1e6 / units},
    {"journal_commits", spent.journal_commits / units},
    {"views_commits", spent.views_commits / units},
    {"turns_per_commit", spent.turns / std::max(1.0, spent.journal_commits)}};
  if (!commits_alone.empty())
    all.push_back({"probe_commit_us", median(commits_alone)});
  all.push_back({"load_cpu_us", own_seconds * 1e6 / units});
  all.push_back({"resident_mib", spent.resident_bytes / (1 << 20)});
  all.push_back({"failures", static_cast<double>(outcome.failures)});
  return all;
}

/// Runs the instances whose status the scenario `status` reads, and returns
/// their IDs. The random prefix makes the IDs differ from those of other
/// instances.
/// @error errc::unavailable  Not all instances completed.
result<std::vector<std::string>>
run_status_targets(const load_endpoint& endpoint) {
  const std::string prefix = "bench-" + persistence::random_hex32() + '-';
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < status_target_count; ++i)
    ids.push_back(prefix + std::to_string(i));
  http_load load({endpoint}, 16);
  // `text` is declared outside of the function below, because http_load
  // requires that a request stays valid until the function is called again.
  std::size_t number = 0;
  std::string text;
  // The node responds with the result, after the instance has completed.
  const load_outcome out = load.run(
    std::chrono::minutes(1),
    [&](std::size_t) {
      text
        = number == ids.size()
            ? std::string()
            : request_text(endpoint, "POST",
                           webhook + "/orchestrators/HelloSequence/"
                             + ids[number++] + "?timeout=30&pollingInterval=1");
      return std::string_view(text);
    },
    [](std::size_t, int status, std::string_view) { return status == 200; });
  if (out.failures != 0 || number != ids.size())
    return error{errc::unavailable,
                 "The instances for the scenario status could not be run."};
  return ids;
}

/// Runs the loads of a plan one after the other and reports the progress.
class bench_session {
public:
  bench_session(const bench_plan& plan, const bench_target& target,
                const bench_observer& observer)
    : plan_(plan), target_(target), observer_(observer) {}

  /// Runs the warm-up and the rounds of one load.
  result<bench_result> measure(const bench_scenario& scenario,
                               const load_shape& shape) {
    if (scenario.kind == scenario_kind::status && status_target_ids_.empty()) {
      auto made = run_status_targets(target_.endpoints.front());
      if (!made)
        return made.error();
      status_target_ids_ = std::move(*made);
    }
    driver load(scenario, shape, target_.endpoints, status_target_ids_);
    bench_result found{.scenario = scenario.name,
                       .load = shape.text(),
                       .rate_asked = shape.rate,
                       .unit = scenario.unit};
    load.connections().set_response_timeout(response_timeout);
    load.connections().on_tick([&] {
      return report(found, std::chrono::duration<double>(steady_clock::now()
                                                         - phase_started_at_)
                             .count());
    });
    if (plan_.warm_up.count() > 0)
      static_cast<void>(run_phase(load, plan_.warm_up));
    for (std::size_t i = 0; i < plan_.rounds && !stopped_; ++i) {
      auto round = measure_round(load, scenario.units_per_response);
      if (!round)
        return round.error();
      found.rounds.push_back(std::move(*round));
    }
    if (stopped_)
      return error{errc::cancelled, "The measurement was stopped."};
    found.figures = median_of_rounds(found.rounds);
    return found;
  }

private:
  /// Reports the progress to the observer; false if the run must stop.
  /// `seconds` is the time since the phase began. If a phase takes longer than
  /// planned, the progress stays at the end of its planned time.
  bool report(const bench_result& what, double seconds) {
    const double planned = std::chrono::duration<double>(phase_time_).count();
    if (observer_.progress
        && !observer_.progress(what.scenario + ", " + what.load,
                               completed_seconds_ + std::min(seconds, planned)))
      stopped_ = true;
    return !stopped_;
  }

  /// Runs a warm-up or a round, and adds its planned time to the progress.
  load_outcome run_phase(driver& load, milliseconds time) {
    phase_started_at_ = steady_clock::now();
    phase_time_ = time;
    load_outcome out = load.run(time);
    completed_seconds_ += std::chrono::duration<double>(time).count();
    return out;
  }

  /// Adds the times of some commits without other load. Does nothing without a
  /// probe.
  void measure_single_commits(std::vector<double>& into) {
    if (target_.probe == nullptr)
      return;
    const std::vector<double> more = target_.probe->run(probe_commits);
    into.insert(into.end(), more.begin(), more.end());
  }

  /// Reads the nodes' counters before and after the load. The single commits
  /// are measured outside of that interval, so that they do not share the disk
  /// with the load.
  result<bench_figures> measure_round(driver& load, double units_per_response) {
    std::vector<double> commits_alone;
    measure_single_commits(commits_alone);
    const auto before = read_nodes(target_.endpoints);
    if (!before)
      return before.error();
    const double own_before = process_cpu_seconds();
    load_outcome outcome = run_phase(load, plan_.time);
    const double own = process_cpu_seconds() - own_before;
    const auto after = read_nodes(target_.endpoints);
    if (!after)
      return after.error();
    measure_single_commits(commits_alone);
    return figures_of(std::move(outcome), *after - *before, own,
                      units_per_response, commits_alone);
  }

  const bench_plan& plan_;
  const bench_target& target_;
  const bench_observer& observer_;
  std::vector<std::string> status_target_ids_;
  // A phase is a warm-up or a round.
  steady_clock::time_point phase_started_at_;
  milliseconds phase_time_{0};   ///< The planned length of this phase.
  double completed_seconds_ = 0; ///< Planned seconds of completed phases.
  bool stopped_ = false;         ///< The observer ended the run.
};

} // namespace

double bench_plan::seconds() const {
  std::size_t loads = 0;
  for (const bench_scenario& each : scenarios)
    loads += shapes_of(*this, each).size();
  const std::chrono::duration<double> each
    = warm_up + static_cast<std::int64_t>(rounds) * time;
  return static_cast<double>(loads) * each.count();
}

result<void> run_bench(const bench_plan& plan, const bench_target& target,
                       const bench_observer& observer,
                       const std::function<void(bench_result)>& add) {
  bench_session session(plan, target, observer);
  for (const bench_scenario& each : plan.scenarios)
    for (const load_shape& shape : shapes_of(plan, each)) {
      auto found = session.measure(each, shape);
      if (!found)
        return found.error();
      add(std::move(*found));
    }
  return {};
}

} // namespace perdura::client
