#include "client/load/event_load.hpp"

namespace perdura::client {

using std::chrono::steady_clock;

namespace {

const std::string webhook = "/runtime/webhooks/durabletask";

} // namespace

// Connection 2i starts and waits, connection 2i + 1 raises.
event_load::event_load(const std::vector<load_door>& doors, std::size_t at_once,
                       std::string prefix)
  : doors_(doors),
    prefix_(std::move(prefix)),
    load_(doors, 2 * at_once),
    places_(at_once) {}

void event_load::begin(std::size_t index) {
  place& it = places_[index];
  it = {.id = prefix_ + std::to_string(++number_), .answers_missing = 1};
  const std::size_t on = 2 * index;
  load_.ask(on, request_text(doors_[load_.door_of(on)], "POST",
                             webhook + "/orchestrators/Approval/" + it.id));
}

void event_load::raise(std::size_t index) {
  place& it = places_[index];
  const std::size_t waiter = 2 * index;
  const std::size_t raiser = waiter + 1;
  it.is_started = true;
  it.answers_missing = 2;
  const std::string path = webhook + "/instances/" + it.id;
  load_.ask(waiter, request_text(doors_[load_.door_of(waiter)], "GET",
                                 path + "?waitSeconds=30"));
  it.raised_at = steady_clock::now();
  load_.ask(raiser, request_text(doors_[load_.door_of(raiser)], "POST",
                                 path + "/raiseEvent/Approval", "true"));
}

void event_load::note(const place& whose, const load_answer& answer) {
  ++outcome_.answers;
  outcome_.times.all_us.push_back(static_cast<std::uint32_t>(
    std::chrono::duration_cast<std::chrono::microseconds>(answer.at
                                                          - whose.raised_at)
      .count()));
}

void event_load::take(const load_answer& answer) {
  const std::size_t index = answer.connection / 2;
  place& it = places_[index];
  const bool is_wait = it.is_started && answer.connection % 2 == 0;
  it.failed = it.failed || answer.status != (is_wait ? 200 : 202);
  if (is_wait)
    note(it, answer);
  if (!it.is_started && !it.failed) {
    raise(index);
    return;
  }
  if (--it.answers_missing > 0)
    return;
  outcome_.failures += it.failed ? 1 : 0;
  if (answer.at < until_)
    begin(index);
}

load_outcome event_load::run(std::chrono::milliseconds time) {
  const auto from = steady_clock::now();
  until_ = from + time;
  outcome_ = {};
  for (std::size_t i = 0; i < places_.size(); ++i)
    begin(i);
  const auto handed = [this](const load_answer& answer) { take(answer); };
  while (load_.open() > 0 && load_.wait(std::chrono::seconds(1), handed))
    continue;
  outcome_.failures += load_.open();
  outcome_.seconds
    = std::chrono::duration<double>(steady_clock::now() - from).count();
  return std::move(outcome_);
}

} // namespace perdura::client
