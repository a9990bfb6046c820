// SPDX-License-Identifier: Apache-2.0
#include "real/sample_runs.hpp"

#include <functional>
#include <optional>
#include <stdexcept>

namespace perdura::tests {

using client::orchestration_client;
using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr std::chrono::seconds run_time_max{120};
constexpr milliseconds retry_interval{20};
constexpr std::chrono::seconds wait_slice{5};
constexpr std::size_t kinds = 18;

const json hello
  = json::array({"Hello Tokyo!", "Hello Seattle!", "Hello London!"});

} // namespace

// --- The expected ends -------------------------------------------------------

sample_run make_sample_run(std::size_t n, std::mt19937& random) {
  const auto below
    = [&](unsigned limit) { return static_cast<long>(random() % limit); };
  sample_run run;
  const long some = below(1000);
  const std::string payload
    = json{{"by", "it-" + std::to_string(some)}, {"n", some}}.dump();
  switch (n % kinds) {
  case 0:
    run.name = n % 2 == 0 ? "HelloSequence" : "E1_HelloSequence";
    run.output = hello;
    break;
  case 1: {
    run.name = "FanOutFanIn";
    const long many = 1 + below(40);
    run.input = std::to_string(many);
    // The sum of the squares of the numbers from 0 to `many` - 1.
    run.output = (many - 1) * many * (2 * many - 1) / 6;
    break;
  }
  case 2:
    run.name = "Echo";
    run.input = payload;
    run.output = json::parse(payload);
    break;
  case 3:
    run.name = "Approval";
    run.events = {{"Approval", payload}};
    run.output = json::parse(payload);
    break;
  case 4:
    run.name = "ApprovalWithTimeout";
    run.input = "600000";
    run.events = {{"Approval", payload}};
    run.output = json::parse(payload);
    break;
  case 5:
    run.name = "ApprovalWithTimeout";
    run.input = std::to_string(20 + below(400));
    run.output = "timed out";
    break;
  case 6: // The events are raised in the reverse order of the waits.
    run.name = "TwoEvents";
    run.events = {{"B", payload}, {"A", std::to_string(some)}};
    run.output = json::array({some, json::parse(payload)});
    break;
  case 7:
    run.name = "Sleep";
    run.input = std::to_string(20 + below(800));
    run.output = "slept";
    break;
  case 8:
    run.name = "Monitor";
    run.input = R"({"interval_ms":25,"polls":9,"ready_at":6})";
    run.output = {{"ready", true}, {"polls", 6}};
    break;
  case 9:
  case 17:
    run.name = "Parent";
    run.children = static_cast<std::size_t>(2 + below(4));
    run.input = std::to_string(run.children);
    run.output = json(run.children, hello);
    break;
  case 10:
    run.name = "Fails";
    run.status = "Failed";
    break;
  case 11:
    run.name = "FailsOnce";
    run.is_rewound = true;
    run.output = json::array({"Hello Tokyo!", "recovered"});
    break;
  case 12:
    run.name = "Retries";
    run.input = std::to_string(1 + below(4));
    run.output = "ok";
    break;
  case 13:
    run.name = "SetStatus";
    run.events = {{"Go", "null"}};
    run.output = "ok";
    break;
  case 14:
    run.name = "Eternal";
    run.input = std::to_string(2 + below(6));
    run.output = "done";
    break;
  case 15:
    run.name = "Counter";
    for (int i = 0; i < 8; ++i) {
      const long more = 1 + below(100);
      run.events.emplace_back("Add", std::to_string(more));
      run.sum += more;
    }
    run.output = run.sum;
    break;
  default: // Runs until it is terminated.
    run.name = "Eternal";
    run.input = "-1";
    run.is_terminated = true;
    run.status = "Terminated";
    run.output = "enough";
    break;
  }
  run.id = "run-" + std::to_string(n) + '-' + run.name;
  return run;
}

std::string check_end(const sample_run& run, const json& status) {
  const json& output = status["output"];
  const bool is_expected
    = status["runtimeStatus"] == run.status
      && (run.status == "Failed"
            ? output.dump().find("kaboom") != std::string::npos
            : output == run.output);
  if (is_expected)
    return {};
  return run.id + " should have ended as " + run.status + " with "
         + run.output.dump() + ", and is " + status.dump();
}

std::map<std::string, json> list_instances(const http_endpoint& endpoint) {
  std::map<std::string, json> all;
  std::string token;
  do {
    auto reply = send_request(
      endpoint, {.target = "/instances?top=1000", .continuation = token});
    if (!reply || reply->status != 200)
      throw std::runtime_error(endpoint.url + " does not list: "
                               + (reply ? reply->body : "no answer"));
    for (json& each : json::parse(reply->body))
      if (!all.emplace(each["instanceId"], each).second)
        throw std::runtime_error(endpoint.url + " lists twice: " + each.dump());
    token = reply->header("x-ms-continuation-token");
  } while (!token.empty());
  return all;
}

// --- The driver --------------------------------------------------------------

/// A request that changes something, in one form for HTTP and one for the C++
/// client.
struct sample_driver::change {
  std::string operation;
  std::string target;
  std::string body;
  std::string key;
  std::function<client::result<void>(orchestration_client&)> by_client;
};

/// The work of one thread: drives one orchestration after the other.
class sample_driver::worker {
public:
  worker(sample_driver& all, unsigned seed) : all_(all), random_(seed) {}

  /// @throws std::runtime_error  The run did not end as expected.
  void drive(const sample_run& run) {
    run_ = &run;
    until_ = steady_clock::now() + run_time_max;
    repeat_until_acknowledged(start());
    {
      const std::lock_guard lock(all_.mutex_);
      ++all_.begun_;
    }
    all_.changed_.notify_all();
    int n = 0;
    for (const auto& [name, data] : run.events)
      repeat_until_acknowledged(
        raise(name, data, "event-" + std::to_string(++n)));
    if (run.name == "Counter") {
      wait_for_sum();
      repeat_until_acknowledged(raise("Stop", "null", "stop"));
    }
    if (run.is_terminated)
      repeat_until_acknowledged(terminate());
    json status = wait();
    if (run.is_rewound) {
      if (status["runtimeStatus"] != "Failed")
        throw std::runtime_error(run.id + " should have failed first, and is "
                                 + status.dump());
      repeat_until_acknowledged(rewind());
      status = wait();
    }
    if (const std::string wrong = check_end(run, status); !wrong.empty())
      throw std::runtime_error(wrong);
  }

  std::size_t repeats() const {
    return repeats_;
  }

private:
  std::string instance() const {
    return "/instances/" + run_->id;
  }

  change start() {
    client::start_options options;
    options.instance_id = run_->id;
    options.request_id = run_->id + "-start";
    options.until_running = false;
    return {"start", "/orchestrators/" + run_->name + '/' + run_->id,
            run_->input, options.request_id,
            [this, options](orchestration_client& client) {
              auto id = client.start_json(run_->name, run_->input, options);
              return id ? client::result<void>() : id.error();
            }};
  }

  change raise(const std::string& name, const std::string& data,
               const std::string& number) {
    const std::string key = run_->id + '-' + number;
    return {"raise " + name, instance() + "/raiseEvent/" + name, data, key,
            [=, this](orchestration_client& client) {
              return client.raise_event_json(run_->id, name, data, key);
            }};
  }

  change terminate() {
    const std::string key = run_->id + "-terminate";
    return {"terminate", instance() + "/terminate?reason=enough", "", key,
            [this, key](orchestration_client& client) {
              return client.terminate(run_->id, "enough", false, key);
            }};
  }

  change rewind() {
    const std::string key = run_->id + "-rewind";
    return {"rewind", instance() + "/rewind?reason=fixed", "", key,
            [this, key](orchestration_client& client) {
              return client.rewind(run_->id, "fixed", key);
            }};
  }

  /// Chooses an endpoint or the C++ client at random, each with the same
  /// probability. The result is null if the C++ client is chosen.
  const http_endpoint* next_endpoint() {
    const std::size_t endpoints = all_.endpoints_.size();
    const std::size_t n
      = random_() % (endpoints + (all_.client_ == nullptr ? 0 : 1));
    return n < endpoints ? &all_.endpoints_[n] : nullptr;
  }

  void repeat_until_acknowledged(const change& wanted) {
    for (;; ++repeats_, pause(wanted.operation)) {
      if (const http_endpoint* endpoint = next_endpoint()) {
        const auto reply = send_request(*endpoint, {.method = "POST",
                                                    .target = wanted.target,
                                                    .body = wanted.body,
                                                    .key = wanted.key});
        if (reply && reply->status == 202)
          return;
        if (reply && reply->status != 503 && reply->status != 504)
          fail(wanted.operation, std::to_string(reply->status) + reply->body);
      } else {
        orchestration_client client = *all_.client_;
        const auto done = wanted.by_client(client);
        if (done)
          return;
        if (client::kind_of(done.code()) == client::failure_kind::not_done)
          fail(wanted.operation, done.error().message);
      }
    }
  }

  /// Waits for the end of the instance and returns its status object.
  json wait() {
    for (;; pause("wait")) {
      if (const http_endpoint* endpoint = next_endpoint()) {
        const auto reply = send_request(
          *endpoint, {.target = instance() + "?waitSeconds="
                                + std::to_string(wait_slice.count())});
        if (reply && reply->status == 200)
          return json::parse(reply->body);
        if (reply && reply->status != 202 && reply->status != 503)
          fail("wait", std::to_string(reply->status) + reply->body);
      } else {
        orchestration_client client = *all_.client_;
        const auto ended = client.wait_for_completion(run_->id, wait_slice);
        if (ended)
          return json::parse(client::to_json(*ended));
        if (ended.code() != client::errc::timed_out
            && client::kind_of(ended.code()) == client::failure_kind::not_done)
          fail("wait", ended.error().message);
      }
    }
  }

  /// Polls the custom status until it shows the sum of the events, because no
  /// request can wait for a custom status. A larger number fails the run,
  /// because it means that an event was counted twice.
  void wait_for_sum() {
    for (;; pause("sum")) {
      const http_endpoint* endpoint = next_endpoint();
      const auto reply = endpoint != nullptr
                           ? send_request(*endpoint, {.target = instance()})
                           : std::nullopt;
      if (!reply || reply->status == 503)
        continue;
      const json status = json::parse(reply->body, nullptr, false);
      if (reply->status != 202)
        fail("sum", std::to_string(reply->status) + reply->body);
      const json& sum = status["customStatus"];
      if (sum == run_->sum)
        return;
      if (sum.is_number() && sum > run_->sum)
        fail("sum", "the sum is more than " + std::to_string(run_->sum) + ": "
                      + reply->body);
    }
  }

  void pause(const std::string& operation) {
    if (steady_clock::now() > until_)
      fail(operation, "not done in time");
    std::this_thread::sleep_for(retry_interval);
  }

  [[noreturn]] void fail(const std::string& operation, const std::string& why) {
    throw std::runtime_error(run_->id + ": " + operation + ": " + why);
  }

  sample_driver& all_;
  std::mt19937 random_;
  const sample_run* run_ = nullptr;
  steady_clock::time_point until_;
  std::size_t repeats_ = 0;
};

sample_driver::sample_driver(std::vector<sample_run> runs,
                             std::vector<http_endpoint> endpoints,
                             const orchestration_client* client,
                             std::size_t threads, unsigned seed)
  : runs_(std::move(runs)), endpoints_(std::move(endpoints)), client_(client) {
  for (std::size_t i = 0; i < threads; ++i)
    threads_.emplace_back(
      [this, mine = seed + i] { work(static_cast<unsigned>(mine)); });
}

sample_driver::~sample_driver() {
  static_cast<void>(finish());
}

void sample_driver::work(unsigned seed) {
  worker own(*this, seed);
  for (std::unique_lock lock(mutex_); next_ < runs_.size();) {
    const sample_run& run = runs_[next_++];
    lock.unlock();
    std::string failure_text;
    try {
      own.drive(run);
    } catch (const std::exception& failure) {
      failure_text = failure.what();
    }
    lock.lock();
    ++ended_;
    if (!failure_text.empty())
      failures_.push_back(std::move(failure_text));
    changed_.notify_all();
  }
  const std::lock_guard lock(mutex_);
  repeats_ += own.repeats();
}

void sample_driver::wait_for_begun(std::size_t count) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock,
                [&] { return begun_ >= count || ended_ == runs_.size(); });
}

const std::vector<std::string>& sample_driver::finish() {
  for (std::thread& each : threads_)
    each.join();
  threads_.clear();
  return failures_;
}

} // namespace perdura::tests
