// SPDX-License-Identifier: Apache-2.0
// Writes the golden directories. Each is a data directory of the first release
// as kill -9 left it. A description of its content is written beside it.
//
// This file uses the headers of commit 4957661 and is linked with the libraries
// of that commit; ../README.md has the command. It records how the directories
// were made. No build compiles it. Do not adapt it to newer code, and do not
// write the directories again.
//
//   golden_writer write OUT      writes the directories and descriptions to OUT
//   golden_writer describe DIR   prints the content of a data directory; DIR is
//                                opened and changed, so use a copy
//   golden_writer node …         one node, driven over its standard input
#include "cluster/node.hpp"
#include "cluster/partition_map.hpp"
#include "cluster/placement.hpp"
#include "persistence/clock.hpp"
#include <perdura/client/node_host.hpp>

#include "golden_description.hpp"
#include "golden_functions.hpp"
#include <arpa/inet.h>
#include <fcntl.h>
#include <lmdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <future>
#include <iostream>
#include <sstream>
#include <stdexcept>

// --- The clock ---------------------------------------------------------------

namespace perdura::persistence {

// The linker takes these definitions instead of those in clock.cpp. The
// writer's clock begins at 2025-01-06T08:00:00Z, so that a timer that is due in
// a golden directory is due on every machine that opens it.
std::chrono::microseconds clock_shift{0};

const clock& system_clock() {
  class shifted_clock : public clock {
  public:
    timestamp now() const override {
      return std::chrono::time_point_cast<duration>(
               std::chrono::system_clock::now())
             - clock_shift;
    }
  };

  static const shifted_clock instance;
  return instance;
}

} // namespace perdura::persistence

namespace perdura::golden {

namespace fs = std::filesystem;

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ordered = nlohmann::ordered_json;

namespace {

constexpr std::chrono::sys_seconds clock_begin
  = std::chrono::sys_days(std::chrono::year(2025) / 1 / 6) + hours(8);

constexpr const char* hub_of_three = "90170000000000000000000000000003";
constexpr std::uint32_t partitions_of_one = 8;
constexpr std::uint32_t partitions_of_three = 12;

void pause_for(milliseconds time) {
  ::poll(nullptr, 0, static_cast<int>(time.count()));
}

// --- Syncs -------------------------------------------------------------------

/// Once this is true, syncs are counted, and the second counted sync waits at a
/// gate.
std::atomic<bool> holds_second_sync{false};

// --- A node, driven by lines -------------------------------------------------

/// Describes a status in one line, for example
/// "Running custom null output null held  events ExecutionStarted …".
std::string text_of(const client::orchestration_status& status) {
  std::string text = client::to_string(status.status);
  text += " custom " + status.custom_status + " output " + status.output
          + " held " + status.held;
  for (const std::string& each : status.unread_events)
    text += " unread " + each;
  text += " events";
  for (const persistence::history_event& event : status.history)
    text += std::string(" ") + persistence::name_of(event.body);
  return text;
}

template <class T>
void must(const persistence::result<T>& done) {
  if (!done)
    throw std::runtime_error(done.error().message);
}

class node_commands {
public:
  explicit node_commands(client::orchestration_client client)
    : client_(std::move(client)) {}

  /// @throws std::exception  The command failed.
  void obey(const std::string& line) {
    std::istringstream words(line);
    std::string verb;
    std::string id;
    words >> verb >> id;
    const auto rest = [&] {
      std::string text;
      std::getline(words >> std::ws, text);
      return text;
    };
    const auto word = [&] {
      std::string text;
      words >> text;
      return text;
    };
    if (verb == "start" || verb == "start-at" || verb == "accept") {
      client::start_options options;
      options.instance_id = id;
      options.request_id = ("start-" + id).substr(0, 100);
      options.until_running = verb == "start";
      if (verb == "start-at")
        client::parse_iso(word(), options.scheduled_at);
      const std::string name = word();
      must(client_.start_json(name, rest(), options));
    } else if (verb == "accept-hundred") {
      accept_hundred(id, word());
    } else if (verb == "replace") {
      client::start_options options;
      options.instance_id = id;
      const std::string name = word();
      must(client_.start_json(name, rest(), options));
    } else if (verb == "raise") {
      const std::string event = word();
      must(client_.raise_event_json(id, event, rest()));
    } else if (verb == "suspend") {
      must(client_.suspend(id, rest()));
    } else if (verb == "terminate") {
      must(client_.terminate(id, rest()));
    } else if (verb == "terminate-all") {
      must(client_.terminate(id, rest(), true));
    } else if (verb == "rewind") {
      must(client_.rewind(id, rest()));
    } else if (verb == "purge") {
      must(client_.purge(id));
    } else if (verb == "until") {
      await_text(id, rest());
    } else if (verb == "open") {
      gates().open(id + ' ' + rest());
    } else if (verb == "hold-second-sync") {
      holds_second_sync = true;
    } else if (verb == "at-gate") {
      const std::string name = id + ' ' + rest();
      if (!gates().await_waiting(name))
        throw std::runtime_error("no caller waits at " + name);
    } else {
      throw std::runtime_error("unknown verb");
    }
  }

private:
  /// Starts PREFIX100 to PREFIX199 together, so that few commits store all of
  /// them.
  void accept_hundred(const std::string& prefix, const std::string& name) {
    std::vector<std::future<persistence::result<std::string>>> answers;
    for (int i = 100; i < 200; ++i) {
      auto answer
        = std::make_shared<std::promise<persistence::result<std::string>>>();
      answers.push_back(answer->get_future());
      client::start_options options;
      options.instance_id = prefix + std::to_string(i);
      client_.start_async(name, "null", options, [answer](auto started) {
        answer->set_value(std::move(started));
      });
    }
    for (auto& each : answers)
      must(each.get());
  }

  void await_text(const std::string& id, const std::string& wanted) {
    client::status_options options;
    options.show_history = true;
    std::string text;
    for (int i = 0; i < 4000; ++i) {
      const auto status = client_.get_status(id, options);
      text = !status   ? status.error().message
             : *status ? text_of(**status)
                       : "no such instance";
      if (text.find(wanted) != text.npos)
        return;
      pause_for(milliseconds(5));
    }
    throw std::runtime_error(id + " is not \"" + wanted + "\" but: " + text);
  }

  client::orchestration_client client_;
};

/// node DIR SHIFT_US first|later PARTITIONS [HUB NODE NAME=HOST:PORT…]
int run_node(const std::vector<std::string>& words) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  client::node_host_config config;
  config.http = false;
  config.node.data_dir = words.at(0);
  persistence::clock_shift = std::chrono::microseconds(std::stoll(words.at(1)));
  const bool later = words.at(2) == "later";
  config.node.partition_count
    = static_cast<std::uint32_t>(std::stoul(words.at(3)));
  config.node.create_hub = true;
  config.node.retention = persistence::duration(0);
  config.node.task_hub = "golden";
  if (words.size() > 4) {
    config.node.hub_id = words.at(4);
    config.node.cluster.node = words.at(5);
    config.node.cluster.nodes.assign(words.begin() + 6, words.end());
  }
  auto host = client::node_host::start(std::move(config), functions_of(later));
  if (!host || !(*host)->node().wait_for_peers(seconds(20))) {
    std::cout << "error "
              << (host ? "the nodes do not meet" : host.error().message)
              << std::endl;
    return 1;
  }
  std::cout << "ok ready" << std::endl;
  node_commands commands((*host)->client().with({seconds(20), false}));
  for (std::string line; std::getline(std::cin, line);) {
    try {
      commands.obey(line);
      std::cout << "ok" << std::endl;
    } catch (const std::exception& failure) {
      std::cout << "error " << failure.what() << std::endl;
    }
  }
  ::_exit(0);
}

/// Returns "PREFIX-N". N is the least number for which node `node` (1 to 3)
/// owns the partition of this ID.
std::string id_on(int node, const std::string& prefix) {
  static const cluster::placement owners
    = cluster::place({"node-1", "node-2", "node-3"}, partitions_of_three)
        .value();
  for (int n = 1;; ++n) {
    std::string id = prefix + '-' + std::to_string(n);
    if (owners.owner_of(cluster::partition_of(id, partitions_of_three))
        == "node-" + std::to_string(node))
      return id;
  }
}

/// "@2:waiting" becomes `id_on(2, "waiting")`.
std::string expanded(std::string line) {
  for (std::size_t at = 0; (at = line.find('@', at)) != line.npos;) {
    const std::size_t end = line.find_first_of(" \"", at);
    const std::string prefix = line.substr(at + 3, end - at - 3);
    line.replace(at, std::min(end, line.size()) - at,
                 id_on(line[at + 1] - '0', prefix));
  }
  return line;
}

/// A process that runs `run_node`. It is ended by SIGKILL only.
class node_process {
public:
  explicit node_process(std::vector<std::string> words) {
    words.insert(words.begin(), {"/proc/self/exe", "node"});
    std::vector<char*> arguments;
    for (std::string& each : words)
      arguments.push_back(each.data());
    arguments.push_back(nullptr);
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    if (::pipe2(in.data(), O_CLOEXEC) != 0
        || ::pipe2(out.data(), O_CLOEXEC) != 0)
      throw std::runtime_error("no pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(in[0], STDIN_FILENO);
      ::dup2(out[1], STDOUT_FILENO);
      ::execv(arguments[0], arguments.data());
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    to_ = in[1];
    from_ = ::fdopen(out[0], "r");
  }

  ~node_process() {
    kill();
  }

  node_process(const node_process&) = delete;
  node_process& operator=(const node_process&) = delete;

  void expect_ok(const std::string& what) {
    std::array<char, 4096> line{};
    const char* said
      = std::fgets(line.data(), static_cast<int>(line.size()), from_);
    if (said == nullptr || std::string_view(said).substr(0, 2) != "ok")
      throw std::runtime_error(what + ": " + (said ? said : "it ended"));
  }

  void tell(const std::string& line) {
    const std::string whole = line + "\n";
    if (::write(to_, whole.data(), whole.size()) < 0)
      throw std::runtime_error("the node is gone");
    expect_ok(line);
  }

  /// Sends each line of the script; " # " begins a comment.
  void tell_all(const std::string& script) {
    std::istringstream lines(script);
    for (std::string line; std::getline(lines, line);) {
      line = line.substr(0, line.find(" # "));
      line.erase(0, line.find_first_not_of(' '));
      line.erase(line.find_last_not_of(' ') + 1);
      if (!line.empty())
        tell(expanded(line));
    }
  }

  void signal(int number) const {
    ::kill(pid_, number);
  }

  /// SIGSTOP; returns when the process has stopped.
  void freeze() const {
    signal(SIGSTOP);
    ::waitpid(pid_, nullptr, WUNTRACED);
  }

  void kill() {
    if (pid_ <= 0)
      return;
    signal(SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    ::close(to_);
    std::fclose(from_);
    pid_ = -1;
  }

private:
  pid_t pid_ = -1;
  int to_ = -1;
  std::FILE* from_ = nullptr;
};

// --- Writing -----------------------------------------------------------------

/// Cuts the file after the last page that LMDB has allocated. The pages behind
/// it are zeros that the node appended when it opened the file.
void drop_unused_pages(const fs::path& environment) {
  MDB_env* env = nullptr;
  MDB_envinfo info{};
  MDB_stat stat{};
  if (mdb_env_create(&env) != 0 || mdb_env_set_maxdbs(env, 20) != 0
      || mdb_env_open(env, environment.c_str(), MDB_RDONLY | MDB_NOLOCK, 0600)
           != 0
      || mdb_env_info(env, &info) != 0 || mdb_env_stat(env, &stat) != 0)
    throw std::runtime_error("cannot look at " + environment.string());
  mdb_env_close(env);
  const std::uintmax_t used = (info.me_last_pgno + 1) * stat.ms_psize;
  const fs::path file = environment / "data.mdb";
  if (fs::file_size(file) > used)
    fs::resize_file(file, used);
}

/// Copies the files without which a data directory cannot be opened. The locks
/// and the reserve are not among them.
void keep(const fs::path& from, const fs::path& to) {
  fs::create_directories(to);
  fs::copy_file(from / "hub", to / "hub");
  for (const char* part : {"journal", "views"}) {
    const fs::path place = fs::path("lane-0") / part;
    fs::create_directories(to / place);
    fs::copy_file(from / place / "data.mdb", to / place / "data.mdb");
    drop_unused_pages(to / place);
  }
}

/// Indents the upper `levels` levels; a deeper value is written on one line.
std::string text_of(const ordered& value, int levels, int indent = 1) {
  if (levels == 0 || !value.is_object() || value.empty())
    return value.dump();
  std::string text = "{";
  for (const auto& [key, member] : value.items()) {
    text += text.size() == 1 ? "\n" : ",\n";
    text.append(static_cast<std::size_t>(indent), ' ');
    text
      += ordered(key).dump() + ": " + text_of(member, levels - 1, indent + 1);
  }
  return text + "\n" + std::string(static_cast<std::size_t>(indent - 1), ' ')
         + "}";
}

void write_text(const fs::path& file, const ordered& value, int levels = 2) {
  std::ofstream(file) << text_of(value, levels) << '\n';
}

/// Works on a copy, because reading brings the views up to date.
ordered describe_copy(const fs::path& directory, const fs::path& work) {
  const fs::path copy = work / "described";
  fs::remove_all(copy);
  fs::copy(directory, copy, fs::copy_options::recursive);
  ordered out = describe(copy);
  fs::remove_all(copy);
  return out;
}

/// Longer than the time after which the views are flushed.
constexpr milliseconds until_views_follow{2500};

std::string shift_text() {
  static const auto shift
    = std::chrono::time_point_cast<std::chrono::microseconds>(
        std::chrono::system_clock::now())
      - clock_begin;
  return std::to_string(
    std::chrono::duration_cast<std::chrono::microseconds>(shift).count());
}

void write_one_node(const fs::path& out, const fs::path& work) {
  const fs::path directory = work / "one_node";
  const std::vector<std::string> words{directory.string(), shift_text(),
                                       "first",
                                       std::to_string(partitions_of_one)};
  {
    node_process node(words);
    node.expect_ok("start");
    node.tell("start large Echo \"" + std::string(40'000, 'x') + "\"");
    node.tell("start " + std::string(256, 'i') + " AwaitEvent null");
    node.tell_all(R"(
      start greeted Greetings null
      start verbatim Echo {"z":1,"a":12345678901234567890,"text":"na\u00efve 日本","numbers":[1.50,-0.0,1e3]}
      start übung-日本 Greetings null
      start failed Refused null
      start failed-and-kept Refused null
      start failed-beside-result RefusedBesideGate null
      start rewound-and-ended Refused null
      start rewound-and-waiting RefusedThenEvent null
      start rewound-and-failed-again Refused null
      start rewound-twice-and-waiting RefusedThenEvent null
      start handled-then-failed HandlesThenFails null
      start terminated AwaitEvent null
      start terminated-beside-activity BehindGate "dropped"
      start completed-beside-activity LeavesActivity null
      start replaced Greetings null
      start purged Greetings null
      start waiting AwaitEvent null
      start wait-timed-out AwaitEventFor 600000
      start timer-past SleepFor 600000
      start timer-past-at SleepUntil 1736154000   # 2025-01-06T09:00:00Z
      start timer-far SleepUntil 32472144000   # 2999-01-01T00:00:00Z
      start timer-or-event TimerOrEvent null
      start counter Counter null
      start custom-status ShowsStatus null
      start buffered TwoEvents null
      start parent ParentOf ["parent-child-1","parent-child-2",""]
      start family Generations 2
      start family-ended Generations 2
      start activity-open BehindGate "one"
      start fan-out FanOut null
      start retry-waiting Retries 600000
      start retry-running Retries 20
      start suspended-event AwaitEvent null
      start suspended-result BehindGate "two"
      start suspended-timer SleepFor 600000
      start receiver AwaitEvent null
      start sender Sends "receiver"
      start split TwoEvents null
      start terminated-late AwaitEvent null
      start purged-late Greetings null
      start event-in-turn SlowToTake null
      start held-orchestrator Retired null
      start held-version Versioned null
      start held-code Changed null
      start held-late Retired null
      start-at scheduled-past 2025-01-06T09:00:00Z Greetings null
      start-at scheduled-far 2999-01-01T00:00:00Z Greetings null
      start-at scheduled-with-event 2025-01-06T09:00:00Z AwaitEvent null
      start-at scheduled-suspended 2025-01-06T09:00:00Z Greetings null
      start child-retry-waiting RetriesChild 600000

      until greeted Completed
      until verbatim Completed
      until large Completed
      until übung-日本 Completed
      until receiver Completed
      until sender Completed
      until scheduled-past Pending
      until scheduled-far Pending
      raise scheduled-with-event Go "before the start"
      suspend scheduled-suspended to look at it
      until scheduled-suspended Suspended
      until child-retry-waiting TimerCreated

      until failed Failed
      until failed-and-kept Failed
      until failed-beside-result Failed
      at-gate gate failed-beside-result
      open gate failed-beside-result   # Its result comes after the failure.
      until rewound-and-ended Failed
      open grant rewound-and-ended
      rewind rewound-and-ended access was granted
      until rewound-and-ended Completed
      until rewound-and-waiting Failed
      open grant rewound-and-waiting
      rewind rewound-and-waiting access was granted
      until rewound-and-waiting OrchestratorStarted TaskCompleted OrchestratorCompleted

      until handled-then-failed Failed
      until rewound-and-failed-again Failed
      rewind rewound-and-failed-again it fails again
      until rewound-and-failed-again ExecutionRewound OrchestratorStarted OrchestratorCompleted OrchestratorStarted TaskFailed ExecutionCompleted
      until rewound-twice-and-waiting Failed
      rewind rewound-twice-and-waiting it fails again
      until rewound-twice-and-waiting ExecutionRewound OrchestratorStarted OrchestratorCompleted OrchestratorStarted TaskFailed ExecutionCompleted
      open grant rewound-twice-and-waiting
      rewind rewound-twice-and-waiting access was granted
      until rewound-twice-and-waiting OrchestratorStarted TaskCompleted OrchestratorCompleted

      at-gate gate terminated-beside-activity
      terminate terminated-beside-activity while its activity runs
      at-gate gate completed-beside-activity
      until completed-beside-activity Completed
      terminate terminated no longer needed
      until replaced Completed
      replace replaced Greetings null
      until replaced Completed
      until purged Completed
      purge purged
      until purged-late Completed

      raise counter Add 5
      until counter custom 5
      raise counter Add 7
      until counter custom 12
      raise buffered B "first b"
      raise buffered B "second b"
      until buffered unread B unread B
      raise split A "a in the views"
      until split EventRaised

      until parent-child-1 Running
      until parent-child-2 Running
      raise parent-child-2 Go "two"
      until parent SubOrchestrationInstanceCompleted
      until family-child-child Running
      until family-ended-child-child Running
      raise family-ended-child-child Go "ended"
      until family-ended Completed

      at-gate gate activity-open
      at-gate gate fan-out
      until fan-out TaskCompleted OrchestratorCompleted
      until retry-waiting TimerCreated
      at-gate gate retry-running
      until held-code TaskCompleted OrchestratorCompleted

      suspend suspended-event to look at it
      until suspended-event Suspended
      raise suspended-event Go "while suspended"
      at-gate gate suspended-result
      suspend suspended-result to look at it
      until suspended-result Suspended
      open gate suspended-result
      suspend suspended-timer to look at it
      until suspended-timer Suspended
    )");
    pause_for(milliseconds(300)); // The node stores the results.
    node.kill();
  }
  std::vector<std::string> later = words;
  later[2] = "later";
  node_process node(later);
  node.expect_ok("start again");
  node.tell_all(R"(
    raise held-orchestrator Go "held data"
    raise held-version Go "held data"
    raise held-code Go "held data"
    until held-orchestrator which this node does not have
    until held-version which this node does not have
    until held-code the code now asks for activity Gate
    at-gate gate activity-open
    at-gate gate fan-out
    at-gate gate retry-running
    until counter custom 12
  )");
  pause_for(until_views_follow);
  // The changes that follow are written to the journal only: the process is
  // killed before the next flush of the views.
  node.tell_all(R"(
    start late-waiting AwaitEvent null
    start late-timer-past SleepFor 600000
    start late-activity-open BehindGate "late"
    start late-greeted Greetings null
    start late-versioned Versioned null
    raise counter Add 30
    raise held-late Go "late data"
    raise event-in-turn Go "in the turn"
    raise split B "b in the journal"
    terminate terminated-late at the last moment
    purge purged-late
    accept late-first-turn SlowToBegin null
    until late-greeted Completed
    until counter custom 42
    until held-late which this node does not have
    until split Completed
    at-gate turn event-in-turn
    at-gate turn late-first-turn
    until event-in-turn unread Go
    at-gate gate late-activity-open
  )");
  node.kill();
  keep(directory, out / "one_node");
  write_text(out / "one_node.json", describe_copy(out / "one_node", work));
}

/// The flush of the views consists of two transactions. The process is killed
/// after the first one, while it waits in the second sync.
void write_one_node_in_flush(const fs::path& out, const fs::path& work) {
  const fs::path directory = work / "one_node_in_flush";
  node_process node({directory.string(), shift_text(), "first",
                     std::to_string(partitions_of_one)});
  node.expect_ok("start");
  node.tell_all(R"(
    start early Greetings null
    start changed TwoEvents null
    start purged Greetings null
    until early Completed
    until purged Completed
  )");
  pause_for(until_views_follow);
  node.tell("raise changed A \"before the flush\"");
  node.tell("purge purged");
  node.tell("accept-hundred waiting- AwaitEvent");
  node.tell_all(R"(
    hold-second-sync now
    at-gate second sync
  )");
  node.kill();
  keep(directory, out / "one_node_in_flush");
  write_text(out / "one_node_in_flush.json",
             describe_copy(out / "one_node_in_flush", work));
}

/// Ports of 127.0.0.1 that are free now.
std::vector<std::uint16_t> free_ports(std::size_t count) {
  std::vector<int> sockets;
  std::vector<std::uint16_t> ports;
  for (std::size_t i = 0; i < count; ++i) {
    sockets.push_back(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof place;
    auto* address = reinterpret_cast<sockaddr*>(&place);
    if (::bind(sockets.back(), address, size) != 0
        || ::getsockname(sockets.back(), address, &size) != 0)
      throw std::runtime_error("no free port");
    ports.push_back(ntohs(place.sin_port));
  }
  for (const int each : sockets)
    ::close(each);
  return ports;
}

void write_three_nodes(const fs::path& out, const fs::path& work) {
  std::vector<std::string> nodes;
  for (const std::uint16_t port : free_ports(3))
    nodes.push_back("node-" + std::to_string(nodes.size() + 1)
                    + "=127.0.0.1:" + std::to_string(port));
  fs::create_directories(work / "three_nodes");
  std::vector<std::unique_ptr<node_process>> processes;
  for (int i = 1; i <= 3; ++i) {
    const std::string name = "node-" + std::to_string(i);
    std::vector<std::string> words{
      (work / "three_nodes" / name).string(), shift_text(), "first",
      std::to_string(partitions_of_three),    hub_of_three, name};
    words.insert(words.end(), nodes.begin(), nodes.end());
    processes.push_back(std::make_unique<node_process>(words));
  }
  node_process& one = *processes[0];
  node_process& two = *processes[1];
  node_process& three = *processes[2];
  for (const auto& each : processes)
    each->expect_ok("start");

  one.tell_all(R"(
    start @1:greeted Greetings null
    start @2:greeted Greetings null
    start @3:greeted Greetings null
    start @1:waiting AwaitEvent null
    start @2:waiting AwaitEvent null
    start @3:waiting AwaitEvent null
    start @1:timer-past SleepFor 600000
    start @2:timer-past SleepFor 600000
    start @3:timer-past SleepFor 600000
    start @3:counter Counter null
    start @1:counting CountsGo null
    start @1:parent CallsChild {"name":"AwaitEvent","id":"@2:child"}
    start @3:receiver AwaitEvent null
    start @3:late-receiver AwaitEvent null
    start @3:ending-parent CallsChild {"name":"AwaitEvent","id":"@2:ending-child"}
    start @1:terminating-parent CallsChild {"name":"AwaitEvent","id":"@3:terminated-child"}
    start @1:rewinding-parent CallsChild {"name":"Refused","id":"@3:rewound-child"}
    until @1:greeted Completed
    until @2:greeted Completed
    until @3:greeted Completed
    raise @3:counter Add 5
    until @3:counter custom 5
    until @2:child Running
    until @2:ending-child Running
    until @3:terminated-child Running
    until @3:rewound-child Failed
    until @1:rewinding-parent Failed
  )");
  one.tell_all("start @1:activity-open BehindGate \"first\"\n"
               "at-gate gate @1:activity-open");
  two.tell_all("start @2:activity-open BehindGate \"second\"\n"
               "at-gate gate @2:activity-open");
  three.tell_all("start @3:activity-open BehindGate \"third\"\n"
                 "at-gate gate @3:activity-open");
  pause_for(until_views_follow);

  // Node 1 is stopped, so it acknowledges nothing; the messages of node 3 wait
  // in its socket. Node 3 is killed; then node 1 continues and takes the
  // messages.
  one.freeze();
  three.tell_all(R"(
    start @3:unanswered-parent CallsChild {"name":"AwaitEvent","id":"@1:child-started-once"}
    start @3:unanswered-sender Sends "@1:counting"
    start @3:late-waiting AwaitEvent null
  )");
  pause_for(milliseconds(100));
  three.kill();
  one.signal(SIGCONT);

  // Sends each kind of message to partitions of the killed node.
  one.tell_all(R"(
    until @1:child-started-once Running
    until @1:counting EventRaised
    start @1:starting-parent CallsChild {"name":"Greetings","id":"@3:child-to-start"}
    until @1:starting-parent SubOrchestrationInstanceCreated
    start @2:sender Sends "@3:receiver"
    until @2:sender Completed
    raise @2:ending-child Go "ended while the parent was away"
    until @2:ending-child Completed
    terminate-all @1:terminating-parent the whole family
    until @1:terminating-parent Terminated
    rewind @1:rewinding-parent access was granted
    until @1:rewinding-parent Running
  )");
  pause_for(until_views_follow);
  one.tell_all(R"(
    start @1:late-sender Sends "@3:late-receiver"
    start @2:late-waiting AwaitEvent null
    until @1:late-sender Completed
  )");
  one.signal(SIGKILL);
  two.signal(SIGKILL);
  one.kill();
  two.kill();

  ordered described;
  for (int i = 1; i <= 3; ++i) {
    const std::string name = "node-" + std::to_string(i);
    keep(work / "three_nodes" / name, out / "three_nodes" / name);
    described[name] = describe_copy(out / "three_nodes" / name, work);
  }
  write_text(out / "three_nodes.json", described, 3);
}

} // namespace

void before_sync() {
  static std::atomic<int> syncs{0};
  if (holds_second_sync && ++syncs == 2)
    gates().pass("second sync");
}

int run(const std::vector<std::string>& words) {
  ::signal(SIGPIPE, SIG_IGN);
  if (words.size() == 2 && words[0] == "describe") {
    std::cout << describe(words[1]).dump(1) << '\n';
    return 0;
  }
  if (words.size() > 4 && words[0] == "node")
    return run_node({words.begin() + 1, words.end()});
  if (words.size() != 2 || words[0] != "write") {
    std::cerr << "golden_writer write OUT | describe DIR\n";
    return 2;
  }
  std::string work = (fs::temp_directory_path() / "golden-XXXXXX").string();
  if (::mkdtemp(work.data()) == nullptr)
    throw std::runtime_error("no temporary directory");
  write_one_node(words[1], work);
  write_one_node_in_flush(words[1], work);
  write_three_nodes(words[1], work);
  fs::remove_all(work);
  return 0;
}

} // namespace perdura::golden

/// Replaces the function of the C library; LMDB then calls this one.
extern "C" int fdatasync(int file) {
  perdura::golden::before_sync();
  return static_cast<int>(::syscall(SYS_fdatasync, file));
}

int main(int argc, char** argv) {
  try {
    return perdura::golden::run({argv + 1, argv + argc});
  } catch (const std::exception& failure) {
    std::cerr << failure.what() << '\n';
    return 1;
  }
}
