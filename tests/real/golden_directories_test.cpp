// SPDX-License-Identifier: Apache-2.0
// Opens data directories that the first release wrote. They lie in
// tests/golden; the README there describes each instance.
#include "client/api/node_host.hpp"
#include "cluster/node/node.hpp"
#include "persistence/journal/compact.hpp"
#include "persistence/journal/lmdb_journal.hpp"
#include "persistence/records/checksum.hpp"
#include "persistence/views/rows.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/patience.hpp"
#include "tests/support/reserved_ports.hpp"

#include "real/golden_endings.hpp"
#include "real/golden_functions.hpp"
#include "real/golden_reading.hpp"
#include <boost/test/unit_test.hpp>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace perdura::tests {

namespace {

namespace fs = std::filesystem;

using client::orchestration_client;
using nlohmann::json;
using persistence::errc;

const std::vector<std::string> all_directories{
  "one_node", "one_node_in_flush", "three_nodes/node-1", "three_nodes/node-2",
  "three_nodes/node-3"};

// --- Checks ------------------------------------------------------------------

std::string sha256_of(const std::string& bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  BOOST_TEST_REQUIRE(EVP_Digest(bytes.data(), bytes.size(), digest.data(),
                                &size, EVP_sha256(), nullptr)
                     == 1);
  std::string text;
  for (unsigned i = 0; i < size; ++i) {
    constexpr const char* digits = "0123456789abcdef";
    text += digits[digest[i] >> 4U];
    text += digits[digest[i] & 15U];
  }
  return text;
}

/// Runs `perdura check` and returns its output and its exit code. The check
/// runs in a process of its own, because damaged data may end the process.
std::pair<std::string, int> check(const fs::path& directory) {
  child_process program(
    {std::getenv("PERDURA_BINARY"), "check", "--data-dir", directory.string()});
  std::string text;
  while (const auto line = program.receive(patience))
    text += *line + '\n';
  return {text, program.wait()};
}

/// Flips the lowest bit of the first byte of each occurrence of `text` in the
/// file, so that the record is damaged in every copy of its page. Returns the
/// number of occurrences.
int flip_bit_of(const fs::path& file, const std::string& text) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  stream.clear();
  int flipped = 0;
  for (std::size_t at = 0; (at = bytes.find(text, at)) != bytes.npos; ++at) {
    stream.seekp(static_cast<std::streamoff>(at));
    stream.put(static_cast<char>(bytes[at] ^ 1));
    ++flipped;
  }
  return flipped;
}

fs::path journal_file(const fs::path& directory) {
  return persistence::journal_directory(directory, 0) / "data.mdb";
}

fs::path views_file(const fs::path& directory) {
  return persistence::views_directory(directory, 0) / "data.mdb";
}

// --- Nodes -------------------------------------------------------------------

/// Counts the runs of activities on all nodes, by idempotency key.
class activity_log {
public:
  void add(const actors::activity_context& ctx) {
    std::lock_guard lock(mutex_);
    ++runs_[ctx.idempotency_key()];
  }

  int runs_of(const std::string& key) const {
    std::lock_guard lock(mutex_);
    const auto found = runs_.find(key);
    return found == runs_.end() ? 0 : found->second;
  }

private:
  mutable std::mutex mutex_;
  std::map<std::string, int> runs_;
};

persistence::result<std::unique_ptr<client::node_host>>
open_node(const fs::path& directory, activity_log& log,
          golden_program program = golden_program::complete,
          cluster::cluster_config cluster = {}) {
  client::node_host_config config;
  config.http_enabled = false;
  config.node.data_dir = directory;
  config.node.scheduler_threads = 2;
  // 0 means that instances are kept for ever. With the default they would be
  // purged, because they ended long ago.
  config.node.retention = persistence::duration(0);
  config.node.cluster = std::move(cluster);
  config.observe_activity
    = [&log](const actors::activity_context& ctx) { log.add(ctx); };
  return client::node_host::start(std::move(config), golden_functions(program));
}

/// The three nodes of the cluster on reserved ports of 127.0.0.1. The addresses
/// may differ from those of the nodes that wrote the directories.
class golden_cluster {
public:
  golden_cluster() {
    for (std::size_t i = 0; i < 3; ++i) {
      copies_.push_back(
        std::make_unique<golden_copy>("three_nodes/" + name(i)));
      entries_.push_back(name(i)
                         + "=127.0.0.1:" + std::to_string(ports_.at(i)));
    }
  }

  static std::string name(std::size_t i) {
    return "node-" + std::to_string(i + 1);
  }

  void start(activity_log& log) {
    for (std::size_t i = 0; i < 3; ++i) {
      cluster::cluster_config cluster;
      cluster.node = name(i);
      cluster.nodes = entries_;
      hosts_.push_back(open_node(directory(i), log, golden_program::complete,
                                 std::move(cluster))
                         .value());
    }
    for (const auto& host : hosts_)
      BOOST_TEST_REQUIRE(host->node().wait_for_peers(patience));
  }

  void stop() {
    for (const auto& host : hosts_)
      BOOST_TEST(host->stop().empty());
    hosts_.clear();
  }

  orchestration_client client(std::size_t i) const {
    return hosts_.at(i)->client().with({patience, true});
  }

  const fs::path& directory(std::size_t i) const {
    return copies_.at(i)->path();
  }

private:
  reserved_ports ports_{3};
  std::vector<std::unique_ptr<golden_copy>> copies_;
  std::vector<std::string> entries_;
  std::vector<std::unique_ptr<client::node_host>> hosts_;
};

// --- Instances ---------------------------------------------------------------

std::string status_name_of(orchestration_client& client,
                           const std::string& id) {
  return client::to_string(client.get_status(id).value().value().status);
}

json history_of(orchestration_client& client, const std::string& id) {
  client::status_options options;
  options.show_history = true;
  const auto status = client.get_status(id, options).value().value();
  json history = json::array();
  for (const persistence::history_event& event : status.history)
    history.push_back(describe_event(event));
  return history;
}

void expect_timer_fired(orchestration_client& client, const std::string& id,
                        const std::string& fire_at) {
  const json history = history_of(client, id);
  BOOST_TEST(std::any_of(history.begin(), history.end(), [&](const json& each) {
    return each["event"] == "TimerFired" && each["fireAt"] == fire_at;
  }));
}

/// Waits until the instance has ended as expected, and checks that its history
/// begins with the written events.
void expect_ending(orchestration_client& client, const golden_ending& expected,
                   const json& instances) {
  BOOST_TEST_CONTEXT(expected.id) {
    const auto ended = client.wait_for_completion(expected.id, patience);
    BOOST_TEST_REQUIRE(bool(ended), (ended ? "" : ended.error().message));
    BOOST_TEST(client::to_string(ended->status)
               == client::to_string(expected.status));
    BOOST_TEST(ended->output == expected.output);
    // An instance that is not in the description was created later, by a
    // message in an outbox. It has no written history.
    if (!instances.contains(expected.id))
      return;
    const json& written = instances[expected.id];
    const json history = history_of(client, expected.id);
    if (history[0]["execution"] != written["record"]["execution"])
      return; // The instance has continued as new, with a new history.
    BOOST_TEST_REQUIRE(history.size() >= written["history"].size());
    for (std::size_t i = 0; i < written["history"].size(); ++i)
      for (const std::string& each :
           differences(written["history"][i], history[i]))
        BOOST_ERROR("event " << i << each);
  }
}

/// Checks that each instance ends as expected, and that `endings` contains
/// every written instance.
void expect_endings(orchestration_client& client,
                    const std::vector<golden_ending>& endings,
                    const json& instances) {
  std::set<std::string> named;
  for (const golden_ending& each : endings) {
    named.insert(each.id);
    expect_ending(client, each, instances);
  }
  for (const auto& [id, instance] : instances.items())
    BOOST_TEST(named.contains(id), "no expected ending for " << id);
}

/// Checks that an activity whose result was written does not run again, and
/// that an activity without a result runs once with the same key.
void expect_activities(const activity_log& log, const json& instances) {
  for (const auto& [id, instance] : instances.items()) {
    const std::string prefix
      = id + '/' + instance["record"]["execution"].get<std::string>() + '/';
    std::set<std::string> done;
    for (const char* place : {"history", "inbox"})
      for (const json& event : instance[place])
        if (event["event"] == "TaskCompleted" || event["event"] == "TaskFailed")
          done.insert(prefix + event["sequence"].dump());
    for (const std::string& key : done)
      BOOST_TEST(log.runs_of(key) == 0, key);
    for (const json& task : instance["tasks"]) {
      const std::string key = prefix + task["sequence"].dump();
      if (task["kind"] == "activity" && !done.contains(key))
        BOOST_TEST(log.runs_of(key) == 1, key);
    }
  }
}

/// Checks that no work is left in the directories of the stopped nodes. An
/// outbox may still contain a message that its receiver has already stored,
/// because the acknowledgement of a message is stored with a later turn.
void expect_rest(const std::vector<fs::path>& directories) {
  json partitions = json::object();
  for (const fs::path& directory : directories) {
    const json found = describe_directory(directory);
    partitions.update(found["partitions"]);
    for (const auto& [id, instance] : found["instances"].items()) {
      BOOST_TEST(instance["tasks"].empty(), id);
      BOOST_TEST(!instance["record"]["turnDue"].get<bool>(), id);
    }
    const auto [said, code] = check(directory);
    BOOST_TEST(code == 0, said);
  }
  const auto taken_of = [&](const json& to, const std::string& from) {
    for (const json& mark : partitions[to.dump()]["marks"])
      if (mark["from"].dump() == from)
        return mark["sequence"].get<int>();
    return 0;
  };
  for (const auto& [from, partition] : partitions.items())
    for (const json& message : partition["outbox"])
      BOOST_TEST(message["sequence"].get<int>()
                   <= taken_of(message["to"], from),
                 message.dump());
}

/// The written instances of all three nodes.
json instances_of_three_nodes() {
  const json nodes = golden_description("three_nodes");
  json all = json::object();
  for (const json& node : nodes)
    all.update(node["instances"]);
  return all;
}

/// The written description of a directory, e.g. "three_nodes/node-1".
json description_of(const std::string& directory) {
  const std::size_t slash = directory.find('/');
  const json all = golden_description(directory.substr(0, slash));
  return slash == directory.npos ? all : all[directory.substr(slash + 1)];
}

constexpr std::uint32_t later_format = persistence::storage_format + 1;

/// Changes the format number of the hub file and corrects its checksum.
void raise_format_of_hub(const fs::path& directory) {
  std::ifstream in(directory / "hub", std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  const std::size_t line = text.find('\n');
  BOOST_TEST_REQUIRE(line != text.npos);
  text.resize(text.size() - persistence::checksum_size);
  text.replace(0, line, "perdura hub, format " + std::to_string(later_format));
  text += persistence::big_endian(persistence::checksum_of(text));
  std::ofstream(directory / "hub", std::ios::binary) << text;
}

void raise_format_of_views(const fs::path& directory) {
  // Creates the tables that the first release did not have.
  const auto rows = persistence::lmdb_rows::open_older(
    persistence::views_directory(directory, 0), persistence::views_map_bytes,
    {});
  const auto writer = rows->write();
  persistence::typed_row_writer(*writer).put(persistence::table::meta,
                                             persistence::format_key,
                                             std::uint64_t{later_format});
  writer->commit();
}

} // namespace

BOOST_AUTO_TEST_SUITE(golden_directories)

BOOST_AUTO_TEST_CASE(files_of_the_first_release_are_unchanged) {
  std::istringstream lines(read_golden_file("SHA256SUMS"));
  std::vector<std::string> names;
  for (std::string sum, name; lines >> sum >> name;) {
    names.push_back(name);
    BOOST_TEST(sha256_of(read_golden_file(name)) == sum, name);
  }
  BOOST_TEST(names == golden_files(), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(perdura_check_finds_every_directory_sound) {
  for (const std::string& name : all_directories) {
    const golden_copy copy(name);
    const auto [said, code] = check(copy.path());
    BOOST_TEST(code == 0, name << ": " << said);
    const json written = description_of(name);
    const std::string instances
      = "Read: " + written["journal"]["instancesInTheViews"].dump()
        + " instances, ";
    BOOST_TEST(said.starts_with(instances), said);
  }
}

BOOST_AUTO_TEST_CASE(content_of_the_first_release_is_read_as_it_was_written) {
  for (const std::string& name : all_directories) {
    const golden_copy copy(name);
    const json read = describe_directory(copy.path());
    json written = description_of(name);
    // The member `journal` describes the files, not the content.
    written.erase("journal");
    for (const std::string& each : differences(written, read))
      BOOST_ERROR(name << each);
    BOOST_TEST(read["instances"].size() == written["instances"].size(), name);
  }
}

BOOST_AUTO_TEST_CASE(value_that_is_read_differently_is_reported) {
  const golden_copy copy("three_nodes/node-1");
  const json read = describe_directory(copy.path());
  json written = description_of("three_nodes/node-1");
  written.erase("journal");
  BOOST_TEST(differences(written, read).empty());
  json other = written;
  other["instances"]["greeted-1"]["history"][5]["result"] = "\"Hello Paris!\"";
  BOOST_TEST(differences(other, read).size() == 1U);
  other = written;
  other["partitions"]["10"]["outbox"].erase(0);
  BOOST_TEST(!differences(other, read).empty());
  other = written;
  other["instances"]["waiting-1"]["record"]["fieldOfLater"] = 1;
  BOOST_TEST(differences(other, read).size() == 1U);
}

BOOST_AUTO_TEST_CASE(one_node_directory_of_the_first_release_runs_to_its_end) {
  const golden_copy copy("one_node");
  const json instances = golden_description("one_node")["instances"];
  const std::vector<golden_ending> endings = endings_of_one_node(instances);
  activity_log log;
  {
    const auto host = open_node(copy.path(), log).value();
    orchestration_client client = host->client();
    const auto custom = client.get_status("custom-status").value().value();
    BOOST_TEST(custom.custom_status == R"({"stage":"two","n":2})");
    for (const char* id : {"suspended-event", "suspended-result",
                           "suspended-timer", "scheduled-suspended"})
      BOOST_TEST(status_name_of(client, id) == "Suspended", id);
    continue_one_node(client, instances);
    expect_endings(client, endings, instances);
    expect_activities(log, instances);
    expect_timer_fired(client, "timer-past-at", "2025-01-06T09:00:00Z");
    for (const char* id : {"purged", "purged-late"})
      BOOST_TEST(!client.get_status(id).value().has_value(), id);
    BOOST_TEST(client.get_status_all().value().size() == endings.size());
    BOOST_TEST(host->stop().empty());
  }
  expect_rest({copy.path()});
  const auto again = open_node(copy.path(), log).value();
  orchestration_client client = again->client();
  expect_endings(client, endings, instances);
}

BOOST_AUTO_TEST_CASE(
  instance_held_by_the_first_release_stays_held_without_its_code) {
  const golden_copy copy("one_node");
  activity_log log;
  const auto host = open_node(copy.path(), log, golden_program::second).value();
  orchestration_client client = host->client();
  const std::map<std::string, std::string> reasons{
    {"held-orchestrator", "Retired"},
    {"held-late", "Retired"},
    {"held-version", "version 1"},
    {"held-code", "Greet"}};
  for (const auto& [id, reason] : reasons) {
    const auto status = client.get_status(id).value().value();
    BOOST_TEST(status_name_of(client, id) == "Running", id);
    BOOST_TEST((status.held.find(reason) != status.held.npos),
               id << ": " << status.held);
  }
}

BOOST_AUTO_TEST_CASE(
  directory_killed_within_a_flush_of_its_views_loses_nothing) {
  const golden_copy copy("one_node_in_flush");
  const json instances = golden_description("one_node_in_flush")["instances"];
  const std::vector<golden_ending> endings = endings_of_one_node_in_flush();
  activity_log log;
  {
    const auto host = open_node(copy.path(), log).value();
    orchestration_client client = host->client();
    continue_one_node_in_flush(client);
    expect_endings(client, endings, instances);
    BOOST_TEST(!client.get_status("purged").value().has_value());
    BOOST_TEST(client.get_status_all().value().size() == endings.size());
    BOOST_TEST(host->stop().empty());
  }
  expect_rest({copy.path()});
}

BOOST_AUTO_TEST_CASE(
  three_node_directories_of_the_first_release_run_to_their_end) {
  golden_cluster nodes;
  const json instances = instances_of_three_nodes();
  const std::vector<golden_ending> endings = endings_of_three_nodes();
  activity_log log;
  nodes.start(log);
  orchestration_client client = nodes.client(0);
  continue_three_nodes(client);
  // If a message arrived a second time, counting-2 would count it twice. The
  // test therefore ends counting-2 last, with the event Stop.
  for (const golden_ending& each : endings)
    if (each.id != "counting-2")
      expect_ending(client, each, instances);
  client.raise_event("counting-2", "Stop").value();
  // Each node answers for all instances.
  for (std::size_t i = 0; i < 3; ++i) {
    orchestration_client any = nodes.client(i);
    expect_endings(any, endings, instances);
    BOOST_TEST(any.get_status_all().value().size() == endings.size());
  }
  expect_activities(log, instances);
  // Node 3 sends the start of this child a second time; the child must not
  // start again.
  const auto once = client.get_status("child-started-once-1").value().value();
  BOOST_TEST(once.execution_id
             == instances["child-started-once-1"]["record"]["execution"]);
  nodes.stop();
  expect_rest({nodes.directory(0), nodes.directory(1), nodes.directory(2)});
}

BOOST_AUTO_TEST_CASE(flipped_bit_in_a_journal_record_is_refused) {
  const golden_copy copy("one_node");
  BOOST_TEST_REQUIRE(
    flip_bit_of(journal_file(copy.path()), "at the last moment") > 0);
  const auto [said, code] = check(copy.path());
  BOOST_TEST(code != 0);
  BOOST_TEST((said.find("is damaged") != said.npos), said);
  activity_log log;
  const auto host = open_node(copy.path(), log);
  BOOST_TEST_REQUIRE(!host);
  BOOST_TEST((host.code() == errc::storage_damaged), host.error().message);
}

BOOST_AUTO_TEST_CASE(flipped_bit_in_a_row_of_the_views_is_refused) {
  const golden_copy copy("one_node");
  BOOST_TEST_REQUIRE(flip_bit_of(views_file(copy.path()), R"("stage":"two")")
                     > 0);
  const auto [said, code] = check(copy.path());
  BOOST_TEST(code != 0);
  BOOST_TEST((said.find("is damaged") != said.npos), said);
  activity_log log;
  const auto host = open_node(copy.path(), log).value();
  const auto status = host->client().get_status("custom-status");
  BOOST_TEST_REQUIRE(!status);
  BOOST_TEST((status.code() == errc::storage_damaged), status.error().message);
}

BOOST_AUTO_TEST_CASE(directory_of_a_later_format_is_refused_with_a_sentence) {
  for (const auto& raise_format :
       {raise_format_of_hub, raise_format_of_views}) {
    const golden_copy copy("one_node");
    raise_format(copy.path());
    activity_log log;
    const auto host = open_node(copy.path(), log);
    BOOST_TEST_REQUIRE(!host);
    BOOST_TEST((host.code() == errc::storage_format), host.error().message);
    const std::string later = "format " + std::to_string(later_format);
    BOOST_TEST((host.error().message.find(later) != std::string::npos),
               host.error().message);
  }
}

BOOST_AUTO_TEST_CASE(directory_of_an_older_format_is_not_compacted) {
  for (const char* name : {"one_node", "one_node_in_flush"}) {
    const golden_copy copy(name);
    const auto content = [&] {
      std::ifstream file(copy.path() / "lane-0/views/data.mdb",
                         std::ios::binary);
      return std::string(std::istreambuf_iterator<char>(file), {});
    };
    const std::string before = content();
    BOOST_TEST(!before.empty());
    const auto compacted = persistence::compact_hub(copy.path());
    BOOST_TEST((compacted.code() == errc::storage_format));
    BOOST_TEST((content() == before));
  }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
