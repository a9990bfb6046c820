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

// Enough that a stall hits one of them, and a node's door has far more.
constexpr std::size_t open_loop_connections = 512;
constexpr std::size_t ended_instances = 1'000; // looked at by `status`
// Some milliseconds each on a slow disk: a median, and no wait that is felt.
constexpr std::size_t probe_commits = 25;
// The longest wait that a node allows, and what it takes to say so.
constexpr std::chrono::seconds patience{330};

const std::string webhook = "/runtime/webhooks/durabletask";

struct load_shape {
  std::size_t in_flight = 0;
  double rate = 0; ///< Open loop; 0: closed.

  std::size_t connections() const {
    return rate > 0 ? open_loop_connections : in_flight;
  }

  std::string text() const {
    return rate > 0 ? figure_text(rate) + " /s"
                    : std::to_string(in_flight) + " in flight";
  }
};

std::vector<load_shape> shapes_of(const bench_plan& plan,
                                  const bench_scenario& what) {
  std::vector<load_shape> all;
  const bool as_it_has = plan.in_flight.empty() && plan.rates.empty();
  for (const std::size_t each : as_it_has ? what.in_flight : plan.in_flight)
    all.push_back({each, 0});
  // Its requests come in threes, of which only one is measured.
  if (what.kind != scenario_kind::event)
    for (const double each : plan.rates)
      all.push_back({0, each});
  return all;
}

/// One scenario under one load: the connections, and the requests as text.
class driver {
public:
  driver(const bench_scenario& what, const load_shape& shape,
         const std::vector<load_door>& doors,
         const std::vector<std::string>& ended)
    : what_(what), shape_(shape) {
    if (what.kind == scenario_kind::event) {
      events_.emplace(doors, shape.in_flight,
                      "bench-" + persistence::random_hex32() + '-');
      return;
    }
    requests_ = std::make_unique<http_load>(doors, shape.connections());
    texts_.resize(doors.size());
    for (std::size_t i = 0; i < doors.size(); ++i) {
      if (what.kind == scenario_kind::wait)
        texts_[i].push_back(
          request_text(doors[i], "POST", what.target, what.body));
      else
        for (const std::string& id : ended)
          texts_[i].push_back(
            request_text(doors[i], "GET", webhook + "/instances/" + id));
    }
  }

  http_load& connections() {
    return events_ ? events_->connections() : *requests_;
  }

  load_outcome run(milliseconds time) {
    if (events_)
      return events_->run(time);
    const auto next = [this](std::size_t connection) -> std::string_view {
      const auto& all = texts_[requests_->door_of(connection)];
      return all[++number_ % all.size()];
    };
    const auto check
      = [](std::size_t, int status, std::string_view) { return status == 200; };
    load_outcome out = shape_.rate > 0
                         ? requests_->run_at(shape_.rate, time, next, check)
                         : requests_->run(time, next, check);
    for (std::uint32_t& each : out.times.all_us)
      each -= std::min(each, what_.own_us);
    return out;
  }

private:
  const bench_scenario& what_;
  load_shape shape_;
  std::optional<event_load> events_;
  std::unique_ptr<http_load> requests_;
  std::vector<std::vector<std::string>> texts_; ///< By door.
  std::size_t number_ = 0;
};

bench_figures figures_of(load_outcome outcome, const node_reading& spent,
                         double own_seconds, double units_each,
                         const std::vector<double>& commits_alone) {
  const double units
    = std::max(1.0, static_cast<double>(outcome.answers) * units_each);
  bench_figures all{
    {"rate_per_s", outcome.rate() * units_each},
    {"p50_ms", outcome.times.at(0.5) / 1e3},
    {"p90_ms", outcome.times.at(0.9) / 1e3},
    {"p99_ms", outcome.times.at(0.99) / 1e3},
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

/// One that others have left may be there: nobody else's IDs begin so.
result<std::vector<std::string>> make_ended(const load_door& door) {
  const std::string prefix = "bench-" + persistence::random_hex32() + '-';
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < ended_instances; ++i)
    ids.push_back(prefix + std::to_string(i));
  http_load load({door}, 16);
  std::size_t number = 0;
  std::string text;
  // The answer comes with the result: then it has ended.
  const load_outcome out = load.run(
    std::chrono::minutes(1),
    [&](std::size_t) {
      text
        = number == ids.size()
            ? std::string()
            : request_text(door, "POST",
                           webhook + "/orchestrators/HelloSequence/"
                             + ids[number++] + "?timeout=30&pollingInterval=1");
      return std::string_view(text);
    },
    [](std::size_t, int status, std::string_view) { return status == 200; });
  if (out.failures != 0 || number != ids.size())
    return error{errc::unavailable,
                 "The instances that are to be looked at could not be run."};
  return ids;
}

class session {
public:
  session(const bench_plan& plan, const bench_target& target,
          const bench_watch& watch)
    : plan_(plan), target_(target), watch_(watch) {}

  result<bench_result> measure(const bench_scenario& what,
                               const load_shape& shape) {
    if (what.kind == scenario_kind::status && ended_.empty()) {
      auto made = make_ended(target_.doors.front());
      if (!made)
        return made.error();
      ended_ = std::move(*made);
    }
    driver load(what, shape, target_.doors, ended_);
    bench_result found{.scenario = what.name,
                       .load = shape.text(),
                       .rate_asked = shape.rate,
                       .unit = what.unit};
    load.connections().set_patience(patience);
    load.connections().on_tick([&] {
      return report(
        found,
        std::chrono::duration<double>(steady_clock::now() - began_).count());
    });
    if (plan_.warm_up.count() > 0)
      static_cast<void>(drive(load, plan_.warm_up));
    for (std::size_t i = 0; i < plan_.rounds && !stopped_; ++i) {
      auto round = measure_round(load, what.units);
      if (!round)
        return round.error();
      found.rounds.push_back(std::move(*round));
    }
    if (stopped_)
      return error{errc::cancelled, "The measurement was stopped."};
    found.figures = middle_of(found.rounds);
    return found;
  }

private:
  bool report(const bench_result& what, double seconds) {
    const double most = std::chrono::duration<double>(now_for_).count();
    if (watch_.progress
        && !watch_.progress(what.scenario + ", " + what.load,
                            done_ + std::min(seconds, most)))
      stopped_ = true;
    return !stopped_;
  }

  load_outcome drive(driver& load, milliseconds time) {
    began_ = steady_clock::now();
    now_for_ = time;
    load_outcome out = load.run(time);
    done_ += std::chrono::duration<double>(time).count();
    return out;
  }

  void try_commits(std::vector<double>& into) {
    if (target_.probe == nullptr)
      return;
    const std::vector<double> more = target_.probe->run(probe_commits);
    into.insert(into.end(), more.begin(), more.end());
  }

  result<bench_figures> measure_round(driver& load, double units_each) {
    std::vector<double> commits_alone;
    try_commits(commits_alone);
    const auto before = read_nodes(target_.doors);
    if (!before)
      return before.error();
    const double own_before = process_cpu_seconds();
    load_outcome outcome = drive(load, plan_.time);
    const double own = process_cpu_seconds() - own_before;
    const auto after = read_nodes(target_.doors);
    if (!after)
      return after.error();
    try_commits(commits_alone);
    return figures_of(std::move(outcome), *after - *before, own, units_each,
                      commits_alone);
  }

  const bench_plan& plan_;
  const bench_target& target_;
  const bench_watch& watch_;
  std::vector<std::string> ended_;
  steady_clock::time_point began_;
  milliseconds now_for_{0};
  double done_ = 0;
  bool stopped_ = false;
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
                       const bench_watch& watch,
                       const std::function<void(bench_result)>& add) {
  session all(plan, target, watch);
  for (const bench_scenario& each : plan.scenarios)
    for (const load_shape& shape : shapes_of(plan, each)) {
      auto found = all.measure(each, shape);
      if (!found)
        return found.error();
      add(std::move(*found));
    }
  return {};
}

} // namespace perdura::client
