#include "tests/simulation/scenario.hpp"
#include "tests/support/disk.hpp"
#include "tests/support/history_text.hpp"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <set>

// Clients that do anything at any time, messages in any order, lost and
// repeated ones, crashes at any point; in the end every promise is held to.

namespace perdura::tests {

namespace {

using namespace std::chrono_literals;

constexpr int first_payload = 1000; ///< Below: those of Sender.

struct request_made {
  deterministic_node::ticket ticket = 0;
  management_request what;
  unsigned made = 0; ///< Moment; 0 is before all.
  unsigned answered = 0;
  errc code = errc::ok;
  bool created = false;
};

class random_walk {
public:
  explicit random_walk(std::uint64_t seed, planted_faults faults = {})
    : chance_(seed), node_(options(seed, faults)) {}

  std::vector<std::string> run() {
    for (int i = 0; i < 60; ++i) {
      act();
      for (int moves = below(15); moves > 0; --moves)
        step();
      if (below(30) == 0)
        node_.crash_and_recover();
      if (below(10) == 0) {
        node_.clock.advance(duration(below(2'000'000)));
        note_answers();
      }
    }
    crashes_ = false;
    end_all();
    node_.check_at_rest();
    check();
    std::vector<std::string> wrong = node_.complaints;
    wrong.insert(wrong.end(), wrong_.begin(), wrong_.end());
    return wrong;
  }

  unsigned lives() const {
    return node_.life();
  }

private:
  int below(int most) {
    return std::uniform_int_distribution<>(0, most - 1)(chance_);
  }

  node_options options(std::uint64_t seed, planted_faults faults) {
    node_options how;
    how.faults = faults;
    how.functions = sample_functions();
    how.seed = seed;
    how.loss = seed % 2 == 0 ? 0.15 : 0;
    if (seed % 3 == 0)
      how.adjust
        = [](partition_config& config) { config.idle_instances_max = 0; };
    if (seed % 5 == 0)
      how.open = open_in_memory(how.partitions, 2);
    else if (seed % 20 == 1)
      how.open = open_on_lmdb(how.partitions);
    how.crash = [this](crash_point) { return crashes_ && below(80) == 0; };
    return how;
  }

  void complain(std::string sentence) {
    wrong_.push_back(std::move(sentence));
  }

  void step() {
    node_.move();
    note_answers();
  }

  void note_answers() {
    ++moment_;
    for (request_made& one : requests_)
      if (one.answered == 0)
        if (const management_answer* answer = node_.answer_to(one.ticket)) {
          one.answered = moment_;
          one.code = answer->code;
          one.created = answer->created;
        }
  }

  void submit(management_request request) {
    ++moment_;
    request_made made;
    made.what = request;
    made.made = moment_;
    made.ticket = node_.submit(std::move(request));
    requests_.push_back(std::move(made));
  }

  request_id next() {
    return "request-" + std::to_string(requests_.size() + 1);
  }

  instance_id any_id() {
    return "w" + std::to_string(below(6));
  }

  void act() {
    const instance_id id = any_id();
    const int what = below(100);
    if (what < 35)
      start(id);
    else if (what < 65)
      raise(id);
    else if (what < 70)
      submit(terminate_instance{id, "walk", below(2) == 0, next()});
    else if (what < 76)
      submit(suspend_instance{id, "walk", next()});
    else if (what < 84)
      submit(resume_instance{id, "walk", next()});
    else if (what < 92)
      submit(rewind_instance{id, "walk", next()});
    else if (what < 95)
      submit(purge_instance{id});
    else if (what < 98)
      submit(get_status{id, true, true});
    else
      submit(wait_instance{id, wait_for::started});
  }

  void start(const instance_id& id) {
    static const std::pair<const char*, const char*> kinds[] = {
      {"Give", "[1,2]"},
      {"Collect", "3"},
      {"Waits", "null"},
      {"Family", R"({"name":"Give","input":7,"count":3})"},
      {"Sender", R"({"to":"w1","count":3})"},
      {"Sleep", "20000"},
      {"Retries", "2"},
      {"Retries", "5"},
      {"AddKeep", "0"},
      {"Loop", "3"},
      {"Eternal", "3"},
      {"FanOutFanIn", "6"},
    };
    const auto& [name, input] = kinds[below(std::size(kinds))];
    start_instance start;
    start.id = id;
    start.name = name;
    start.input = input;
    start.request = next();
    start.execution = "execution-" + start.request;
    start.get_or_start = below(4) == 0;
    if (below(6) == 0)
      start.scheduled_at = node_.clock.now() + duration(below(5'000'000));
    submit(std::move(start));
  }

  void raise(const instance_id& id) {
    static const char* const names[] = {"E", "e", "Add", "Add", "Go", "Stop"};
    submit(raise_event{id, names[below(std::size(names))],
                       std::to_string(first_payload + payloads_++), next()});
  }

  void await_answers() {
    const bool all = node_.run_until([&] {
      note_answers();
      return std::all_of(requests_.begin(), requests_.end(),
                         [](const auto& one) { return one.answered != 0; });
    });
    if (!all)
      complain("a request is never answered");
  }

  void end_all() {
    // Waits for the start of what never starts are not answered.
    for (request_made& one : requests_)
      if (std::holds_alternative<wait_instance>(one.what) && one.answered == 0)
        one.answered = moment_;
    await_answers();
    for (int i = 0; i < 6; ++i)
      submit(resume_instance{"w" + std::to_string(i), "end", next()});
    await_answers();
    node_.pass(2min);
    check_progress();
    for (int i = 0; i < 6; ++i)
      submit(terminate_instance{"w" + std::to_string(i), "end", false, next()});
    await_answers();
    node_.pass(1min);
  }

  /// Nobody waits who has nothing to wait for.
  void check_progress() {
    static const std::set<std::string> waiting
      = {"Collect", "Waits", "AddKeep"};
    for (const instance_row& row : node_.rows())
      if (!is_finished(row.record.status) && !waiting.contains(row.record.name))
        complain("\"" + row.id + "\" does not get on: " + to_text(row.record));
  }

  // --- The oracle -----------------------------------------------------------

  void check() {
    for (const instance_row& row : node_.rows()) {
      rows_[row.id] = row;
      check_row(row);
    }
    for (int i = 0; i < 6; ++i) {
      const instance_id id = "w" + std::to_string(i);
      check_start(id);
      check_events(id);
    }
  }

  /// I1 and I2: one end, and the right one.
  void check_row(const instance_row& row) {
    const runtime_status status = row.record.status;
    const std::string what = "\"" + row.id + "\" (" + row.record.name + ")";
    if (!is_finished(status)) {
      complain(what + " has not ended: " + to_text(row.record));
      return;
    }
    if (status == runtime_status::failed
        && !(row.record.name == "Retries" && row.input == "5")
        && row.record.name != "Family")
      complain(what + " has failed: " + row.output);
    if (status != runtime_status::completed)
      return;
    static const std::map<std::string, std::string> outputs
      = {{"Waits", ""},         {"Collect", ""},        {"AddKeep", ""},
         {"Family", "[7,7,7]"}, {"Sender", "\"sent\""}, {"Sleep", "\"slept\""},
         {"Retries", "\"ok\""}, {"Loop", "\"looped\""}, {"Eternal", "\"done\""},
         {"FanOutFanIn", "55"}};
    const auto known = outputs.find(row.record.name);
    const std::string wanted
      = known == outputs.end() ? row.input : known->second;
    if (!wanted.empty() && row.output != wanted)
      complain(what + " has ended with " + row.output + ", wanted " + wanted);
    if (row.record.name == "Collect") {
      json given = json::array();
      for (const history_event& event : node_.history_of(row.id))
        if (const auto* raised = std::get_if<event_raised>(&event.body))
          given.push_back(json::parse(raised->input));
      if (json::parse(row.output) != given)
        complain(what + " has returned " + row.output + ", it was given "
                 + given.dump());
    }
  }

  /// The last start that made it, and whether the ID was purged behind it.
  const request_made* last_start(const instance_id& id, bool& purged) {
    const request_made* last = nullptr;
    for (const request_made& one : requests_) {
      if (instance_of(one.what) != id || one.code != errc::ok)
        continue;
      if (std::holds_alternative<start_instance>(one.what) && one.created
          && (last == nullptr || one.answered >= last->answered))
        last = &one;
    }
    purged = false;
    for (const request_made& one : requests_)
      if (last != nullptr && instance_of(one.what) == id
          && std::holds_alternative<purge_instance>(one.what)
          && one.answered >= last->made)
        purged = true;
    return last;
  }

  void check_start(const instance_id& id) {
    bool purged = false;
    if (last_start(id, purged) != nullptr && !purged && !rows_.contains(id))
      complain("\"" + id + "\" was started and is gone");
  }

  /// I3: each acknowledged event is there once, taken or unread, in order.
  void check_events(const instance_id& id) {
    bool purged = false;
    const request_made* start = last_start(id, purged);
    if (start == nullptr || purged || !rows_.contains(id))
      return;
    std::map<std::string, std::vector<std::size_t>> places;
    std::size_t place = 0;
    long unread_adds = 0;
    for (const history_event& event : node_.history_of(id))
      if (const auto* raised = std::get_if<event_raised>(&event.body))
        places[raised->input].push_back(place++);
    const std::optional<stored_instance> stored = node_.stored(id);
    if (!stored)
      return;
    for (const auto& [number, message] : stored->inbox)
      if (const auto* raised = std::get_if<event_raised>(&message.event.body)) {
        places[raised->input].push_back(place++);
        if (raised->name == "Add")
          unread_adds += std::stol(raised->input);
      }
    std::vector<const request_made*> sure;
    long adds = 0;
    bool unsure = false;
    for (const request_made& one : requests_) {
      const auto* event = std::get_if<raise_event>(&one.what);
      if (event == nullptr || event->id != id)
        continue;
      const auto found = places.find(event->data);
      const std::size_t times
        = found == places.end() ? 0 : found->second.size();
      if (times > 1)
        complain("event " + event->data + " is in \"" + id + "\" "
                 + std::to_string(times) + " times");
      if (one.code != errc::ok) {
        if (times > 0)
          complain("event " + event->data + " was refused and is in \"" + id
                   + "\"");
        continue;
      }
      if (one.made <= start->answered) {
        // Perhaps it was for the instance before.
        unsure = unsure || one.answered >= start->made;
        continue;
      }
      sure.push_back(&one);
      if (event->name == "Add")
        adds += std::stol(event->data);
      if (times == 0 && rows_[id].record.generation == 0)
        complain("event " + event->data + " was acknowledged by \"" + id
                 + "\" and is lost");
    }
    for (const request_made* a : sure)
      for (const request_made* b : sure) {
        const auto& x = std::get<raise_event>(a->what);
        const auto& y = std::get<raise_event>(b->what);
        if (a->answered >= b->made || !equal_names(x.name, y.name)
            || places[x.data].empty() || places[y.data].empty())
          continue;
        if (places[x.data].front() > places[y.data].front())
          complain("events " + x.data + " and " + y.data
                   + " have changed places in \"" + id + "\"");
      }
    const instance_row& row = rows_[id];
    if (row.record.name == "AddKeep" && !unsure
        && row.record.status == runtime_status::completed
        && std::stol(row.output) + unread_adds != adds)
      complain("\"" + id + "\" has added up " + row.output + " with "
               + std::to_string(unread_adds) + " unread, wanted "
               + std::to_string(adds));
  }

  std::mt19937_64 chance_;
  bool crashes_ = true;
  deterministic_node node_;
  std::vector<request_made> requests_;
  std::map<instance_id, instance_row> rows_;
  std::vector<std::string> wrong_;
  unsigned moment_ = 0;
  int payloads_ = 0;
};

/// How many of so many walks find something.
int walks_that_complain(planted_faults faults) {
  int red = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    random_walk walk(seed, faults);
    red += walk.run().empty() ? 0 : 1;
  }
  return red;
}

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

} // namespace

BOOST_AUTO_TEST_SUITE(random_walks)

BOOST_AUTO_TEST_CASE(every_walk_keeps_every_promise) {
  const std::uint64_t only = number_from("PERDURA_WALK_SEED", 0);
  const std::uint64_t count = number_from("PERDURA_WALKS", 400);
  const std::uint64_t first = only != 0 ? only : 1;
  const std::uint64_t last = only != 0 ? only : count;
  unsigned lives = 0;
  int red = 0;
  for (std::uint64_t seed = first; seed <= last && red < 5; ++seed) {
    random_walk walk(seed);
    const std::vector<std::string> wrong = walk.run();
    lives += walk.lives();
    if (wrong.empty())
      continue;
    ++red;
    for (const std::string& sentence : wrong)
      BOOST_ERROR("seed " << seed << ": " << sentence);
    BOOST_ERROR("again: PERDURA_WALK_SEED="
                << seed
                << " build/release/tests/tests_simulation"
                   " --run_test=random_walks");
  }
  BOOST_TEST(red == 0);
  BOOST_TEST_MESSAGE(last - first + 1 << " walks, " << lives << " lives");
}

BOOST_AUTO_TEST_CASE(planted_bugs_are_met) {
  BOOST_TEST(walks_that_complain({}) == 0);
  BOOST_TEST(walks_that_complain({.early_effects = true}) > 10);
  BOOST_TEST(walks_that_complain({.lost_outbox = true}) > 5);
  BOOST_TEST(walks_that_complain({.lost_marks = true}) > 5);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
