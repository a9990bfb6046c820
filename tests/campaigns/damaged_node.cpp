// SPDX-License-Identifier: Apache-2.0
#include "campaigns/damaged_node.hpp"

#include "client/api/node_host.hpp"
#include "client/examples/samples.hpp"
#include "persistence/journal/verify.hpp"
#include "tests/persistence/file_bytes.hpp"
#include "tests/persistence/in_child.hpp"
#include "tests/persistence/storage_kinds.hpp"
#include "tests/support/patience.hpp"
#include <perdura/actors/authoring/registry.hpp>

#include <nlohmann/json.hpp>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <memory>
#include <set>
#include <stdexcept>

namespace perdura::tests {

using client::errc;
using client::orchestration_client;
using client::orchestration_status;
using persistence::testing::read_file;
using persistence::testing::small_maps;
using persistence::testing::write_file;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

/// Exit code of a process that ends because of its storage.
constexpr int storage_exit = 74;
// The node and a hanging request have this time; then SIGALRM ends the process.
constexpr unsigned trial_seconds_max = 120;
constexpr std::chrono::seconds answer_wait_max{15};
constexpr std::size_t waiting_count = 8;

std::unique_ptr<client::node_host> start_node(const fs::path& directory,
                                              std::string* refusal) {
  client::node_host_config config;
  config.node.data_dir = directory;
  config.node.create_hub = true;
  config.node.partition_count = 4;
  config.node.scheduler_threads = 2;
  config.node.activities_max = 2;
  config.http_enabled = false;
  auto functions = std::make_shared<actors::registry>();
  examples::add_samples(*functions);
  auto host = client::node_host::start(std::move(config), functions);
  if (host)
    return std::move(*host);
  if (refusal == nullptr)
    throw std::runtime_error(host.error().message);
  *refusal = host.error().message;
  return nullptr;
}

std::string waiting_id(std::size_t i) {
  return "waiting-" + std::to_string(i);
}

void start_instances(orchestration_client& client, const std::string& name,
                     const std::string& prefix, std::size_t count,
                     const std::string& input = "null") {
  for (std::size_t i = 0; i < count; ++i)
    static_cast<void>(
      client
        .start_json(name, input,
                    {.instance_id = prefix + '-' + std::to_string(i)})
        .value());
}

void wait_for_ends(orchestration_client& client, const std::string& prefix,
                   std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    static_cast<void>(
      client.wait_for_completion(prefix + '-' + std::to_string(i), patience)
        .value());
}

/// The instances that the node stored before its last start.
void make_first_instances(orchestration_client client) {
  start_instances(client, "HelloSequence", "hello", 20);
  start_instances(client, "Echo", "large", 6,
                  '"' + std::string(6000, 'x') + '"');
  start_instances(client, "Parent", "parent", 2, "2");
  start_instances(client, "Fails", "failed", 3);
  start_instances(client, "Sleep", "sleeping", 4, "1000000000");
  wait_for_ends(client, "hello", 20);
  wait_for_ends(client, "large", 6);
  wait_for_ends(client, "parent", 2);
  wait_for_ends(client, "failed", 3);
}

/// The instances that it stored in its last life.
void make_last_instances(orchestration_client client) {
  start_instances(client, "Approval", "waiting", waiting_count);
  start_instances(client, "SetStatus", "status", 2);
  start_instances(client, "Approval", "suspended", 2);
  start_instances(client, "FanOutFanIn", "fan", 4, "3");
  for (int i = 0; i < 2; ++i)
    client.suspend("suspended-" + std::to_string(i), "wait").value();
  wait_for_ends(client, "fan", 4);
}

std::string to_text(const orchestration_status& status) {
  return client::to_json(status);
}

std::string sentence_of(const std::string& what,
                        const persistence::error& why) {
  return what + ": " + why.message;
}

} // namespace

/// One trial, in the child process. The effects are written to a file as they
/// are found, so that those before the end of the process are known.
class damaged_node {
public:
  explicit damaged_node(const damage_subject& subject, fs::path report)
    : subject_(subject), report_(std::move(report)) {}

  void run() {
    const auto checked
      = persistence::verify_hub(subject_.directory(), small_maps);
    const bool is_sound = checked && checked->problems.empty();
    std::string refusal;
    auto host = start_node(subject_.directory(), &refusal);
    if (!host)
      note(damage_effect::refused_start, refusal);
    else
      use(*host);
    if (is_sound && has_effect_)
      note(damage_effect::check_sound, "the check finds nothing");
    if (!host)
      return;
    host->stop();
    host.reset();
    host = start_node(subject_.directory(), &refusal);
    if (!host)
      note(damage_effect::refused_restart, refusal);
    else
      host->stop();
  }

private:
  void note(damage_effect effect, const std::string& sentence) {
    has_effect_ = true;
    std::ofstream(report_, std::ios::app)
      << static_cast<int>(effect) << ' ' << sentence << '\n';
  }

  void use(client::node_host& host) {
    orchestration_client client = host.client();
    read_instances(client);
    read_list(client);
    const auto counts = client.count_instances();
    if (!counts)
      note(damage_effect::error_answer, sentence_of("counts", counts.error()));
    else if (*counts != subject_.expected_.counts)
      note(damage_effect::wrong_answer, "the counts are wrong");
    raise_events(client);
    start_new_ones(client);
    if (concerned_.size() > 2)
      note(damage_effect::spread,
           std::to_string(concerned_.size()) + " instances are concerned");
  }

  void error_about(const std::string& id, const persistence::error& why) {
    concerned_.insert(id);
    note(damage_effect::error_answer, sentence_of(id, why));
  }

  /// A wait for the end of an instance has returned an error.
  void no_end(const std::string& id, const persistence::error& why) {
    error_about(id, why);
    if (why.code == errc::timed_out)
      note(damage_effect::hung, sentence_of(id, why));
  }

  void read_instances(orchestration_client& client) {
    for (const auto& [id, expected] : subject_.expected_.instances) {
      const auto status = client.get_status(
        id, {.show_history = true, .show_history_output = true});
      if (!status)
        error_about(id, status.error());
      else if (!*status)
        note(damage_effect::wrong_answer, id + " is not found");
      else if (to_text(**status) != expected)
        note(damage_effect::wrong_answer,
             id + " is " + to_text(**status) + ", not " + expected);
    }
  }

  void read_list(orchestration_client& client) {
    std::map<std::string, std::string> missing = subject_.expected_.list;
    std::size_t damaged = 0;
    std::string token;
    do {
      const auto page = client.list_instances({.top = 7}, token);
      if (!page) {
        note(damage_effect::spread, sentence_of("the list", page.error()));
        return;
      }
      for (const orchestration_status& each : page->instances) {
        if (!each.error.empty()) {
          ++damaged;
          note(damage_effect::error_answer, each.error);
          continue;
        }
        const auto found = missing.find(each.instance_id);
        if (found == missing.end() || found->second != to_text(each))
          note(damage_effect::wrong_answer,
               "the list has " + to_text(each)
                 + (found == missing.end() ? "" : ", not " + found->second));
        if (found != missing.end())
          missing.erase(found);
      }
      token = page->continuation_token;
    } while (!token.empty());
    if (missing.size() > damaged)
      note(damage_effect::wrong_answer,
           "the list has no " + missing.begin()->first);
  }

  void raise_events(orchestration_client& client) {
    for (std::size_t i = 0; i < waiting_count; ++i) {
      const std::string id = waiting_id(i);
      if (const auto raised = client.raise_event_json(id, "Approval", "7");
          !raised) {
        error_about(id, raised.error());
        if (raised.code() == errc::not_found
            || raised.code() == errc::already_finished)
          note(damage_effect::wrong_answer,
               sentence_of("raise event to " + id, raised.error()));
        continue;
      }
      const auto ended = client.wait_for_completion(id, answer_wait_max);
      if (!ended)
        no_end(id, ended.error());
      else if (ended->output != "7")
        note(damage_effect::wrong_answer, id + " ended with " + ended->output);
    }
  }

  /// New instances, in all partitions.
  void start_new_ones(orchestration_client& client) {
    for (int i = 0; i < 8; ++i) {
      const auto id = client.start_json(
        "Echo", std::to_string(i), {.instance_id = "new-" + std::to_string(i)});
      const auto ended = id ? client.wait_for_completion(*id, answer_wait_max)
                            : client::result<orchestration_status>(id.error());
      if (!ended && ended.code() == errc::timed_out)
        no_end(*id, ended.error());
      else if (!ended)
        note(damage_effect::spread,
             sentence_of("a new instance", ended.error()));
      else if (ended->output != std::to_string(i))
        note(damage_effect::wrong_answer,
             "a new instance ended with " + ended->output);
    }
  }

  const damage_subject& subject_;
  const fs::path report_;
  bool has_effect_ = false;
  std::set<std::string> concerned_;
};

std::string_view name_of(damage_effect effect) {
  static constexpr std::array<std::string_view, damage_effects> names{
    "error",  "refused start", "refused restart",
    "spread", "check sound",   "wrong",
    "ended",  "hung",          "crashed",
  };
  return names[static_cast<std::size_t>(effect)];
}

damage_subject::damage_subject(fs::path place, bool is_killed)
  : place_(std::move(place)), directory_(place_ / "hub") {
  const int made = persistence::testing::in_child([&] {
    try {
      auto host = start_node(directory_, nullptr);
      make_first_instances(host->client());
      host->stop();
      host.reset();
      fs::copy(directory_, place_ / "older", fs::copy_options::recursive);
      host = start_node(directory_, nullptr);
      make_last_instances(host->client());
      if (is_killed)
        ::kill(::getpid(), SIGKILL);
      host->stop();
    } catch (const std::exception& e) {
      write_file(place_ / "failure", e.what());
      return 1;
    }
    return 0;
  });
  if (made != (is_killed ? 128 + SIGKILL : 0))
    throw std::runtime_error("the directory was not made: "
                             + read_file(place_ / "failure"));
  for (const auto& each : fs::recursive_directory_iterator(directory_))
    if (each.is_regular_file() && each.path().filename() != "lock.mdb"
        && each.path().filename() != "reserve")
      files_[fs::relative(each.path(), directory_).string()]
        = read_file(each.path());
  read_answers();
}

void damage_subject::write_files() const {
  // The reserve is kept: making it again takes longer than the trial.
  for (const auto& [name, bytes] : files_)
    write_file(directory_ / name, bytes);
}

/// Reads the answers about the sound directory in a child process.
void damage_subject::read_answers() {
  const fs::path report = place_ / "answers";
  const int code = persistence::testing::in_child([&] {
    try {
      auto host = start_node(directory_, nullptr);
      orchestration_client client = host->client();
      json all;
      for (const auto& each : client.get_status_all({}).value()) {
        all["list"][each.instance_id] = to_text(each);
        all["instances"][each.instance_id] = to_text(
          client
            .get_status(each.instance_id,
                        {.show_history = true, .show_history_output = true})
            .value()
            .value());
      }
      all["counts"] = client.count_instances().value();
      write_file(report, all.dump());
      host->stop();
    } catch (const std::exception& e) {
      write_file(report, e.what());
      return 1;
    }
    return 0;
  });
  if (code != 0)
    throw std::runtime_error("the sound directory is not answered: "
                             + read_file(report));
  const json all = json::parse(read_file(report));
  expected_.instances = all["instances"];
  expected_.list = all["list"];
  expected_.counts = all["counts"];
  write_files();
}

damage_result damage_subject::with_file(const std::string& file,
                                        const std::string& bytes) {
  write_files();
  write_file(directory_ / file, bytes);
  return run_trial();
}

damage_result damage_subject::with_older_files() {
  write_files();
  for (const auto& [name, bytes] : files_)
    if (fs::exists(place_ / "older" / name))
      write_file(directory_ / name, read_file(place_ / "older" / name));
  return run_trial();
}

damage_result damage_subject::run_trial() {
  const fs::path report = place_ / "report";
  fs::remove(report);
  const int code = persistence::testing::in_child([&] {
    ::signal(SIGALRM, SIG_DFL);
    ::alarm(trial_seconds_max);
    try {
      damaged_node(*this, report).run();
    } catch (const std::exception& e) {
      write_file(report,
                 std::to_string(static_cast<int>(damage_effect::crashed)) + ' '
                   + e.what() + '\n');
    }
    return 0;
  });
  damage_result result;
  const auto see = [&](damage_effect effect, const std::string& sentence) {
    result.seen[static_cast<std::size_t>(effect)] = true;
    // The most serious effect has the sentence; they are in this order.
    const bool is_worst
      = std::none_of(result.seen.begin() + static_cast<int>(effect) + 1,
                     result.seen.end(), [](bool seen) { return seen; });
    if (is_worst)
      result.sentence = sentence;
  };
  std::ifstream lines(report);
  int number = 0;
  for (std::string line; lines >> number && std::getline(lines, line);)
    see(static_cast<damage_effect>(number), line);
  if (code == 128 + SIGALRM)
    see(damage_effect::hung, "the trial has not ended");
  else if (code == storage_exit)
    see(damage_effect::ended, "the node has ended with the code 74");
  else if (code != 0)
    see(damage_effect::crashed,
        "the process has ended with " + std::to_string(code));
  return result;
}

} // namespace perdura::tests
