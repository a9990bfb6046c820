// SPDX-License-Identifier: Apache-2.0
/// Runs nodes as child processes of `cluster up`: starts them, prints their
/// output, and restarts nodes that end. No node outlives this process, even if
/// this process is killed.
#pragma once

#include "client/cli/terminal.hpp"

#include <signal.h>
#include <sys/types.h>

#include <chrono>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::client {

/// A node to run.
struct supervised_node {
  std::string name;
  /// The arguments of `perdura`, without the program's name. The command must
  /// print the banner of `serve` when the node serves.
  std::vector<std::string> arguments;
};

/// Time limits of the supervisor.
struct supervisor_times {
  /// How long the first start of all nodes may take.
  std::chrono::milliseconds ready_max = std::chrono::seconds(30);
  /// How long the nodes may take to stop. Nodes that still run after this time
  /// are killed.
  std::chrono::milliseconds stop_max = std::chrono::seconds(20);
  /// The delay before a node that ended is restarted for the first time. The
  /// delay doubles with each restart, up to restart_wait_max. If the node
  /// served and ran for stable_min before it ended, the delay is restart_wait
  /// again.
  std::chrono::milliseconds restart_wait = std::chrono::seconds(1);
  std::chrono::milliseconds restart_wait_max = std::chrono::seconds(10);
  std::chrono::milliseconds stable_min = std::chrono::seconds(30);
};

/// Single-threaded: one poll(2) loop waits for output of the nodes, the end of
/// a node, signals and timers.
class node_supervisor {
public:
  /// From now on, SIGINT, SIGTERM and SIGHUP request a stop. A further signal,
  /// at least one second later, kills the nodes and ends this process at once.
  /// Construct the supervisor before this process starts a thread: the signals
  /// must be blocked in all threads.
  node_supervisor(terminal& io, supervisor_times times);

  /// Kills the nodes that still run, and waits for their ends. Restores the
  /// signal mask.
  ~node_supervisor();

  node_supervisor(const node_supervisor&) = delete;
  node_supervisor& operator=(const node_supervisor&) = delete;

  /// Starts the nodes. Returns when all have printed their banner, which shows
  /// that they serve, or when a stop was requested. The banners are not shown;
  /// later lines are printed to `io` with the node's name in front. @error
  /// errc::unavailable  A node ended, or was not ready in time; the message
  /// names the node.
  persistence::result<void> start(const std::vector<supervised_node>& nodes);

  /// Prints output and restarts nodes. Returns when a stop was requested, or
  /// when the reader of the output has closed its end.
  void serve();

  /// Sends SIGINT to all nodes and returns when they have ended. Nodes that
  /// still run after stop_max are killed.
  void stop();

  bool stop_requested() const {
    return stop_requested_;
  }

  /// The process ID of a node; -1 while the node does not run.
  pid_t pid_of(std::string_view name) const;

private:
  using time_point = std::chrono::steady_clock::time_point;

  /// The read end of a pipe, and the bytes of an incomplete line.
  struct stream {
    int descriptor = -1;
    std::string unread;
  };

  /// A node and its current process.
  struct child {
    supervised_node spec;
    pid_t pid = -1;
    stream out;
    stream err;
    bool is_ready = false;
    bool skip_blank = false;               ///< Omit the next line if blank.
    std::vector<std::string> banner_lines; ///< Lines before ready_line.
    std::string exit_description;          ///< E.g. "ended with exit code 1".
    time_point started_at;
    std::chrono::milliseconds restart_delay{0}; ///< Before the next restart.
    std::optional<time_point> restart_at;
  };

  /// The end of a node is an error during `starting`, leads to a restart during
  /// `serving`, and is expected during `stopping`.
  enum class phase : std::uint8_t { starting, serving, stopping };

  void poll_once(std::optional<time_point> until);
  void handle_signals();
  void handle_stop_signal(int signal);
  void reap();
  void handle_exit(child& node, int status);
  void schedule_restart(child& node);
  void restart_due_children();
  bool launch(child& node);
  void read_lines(child& node, stream& from);
  void handle_line(child& node, bool is_out, const std::string& line);
  void print_message(const std::string& sentence);
  void signal_all(int signal);
  bool any_running() const;
  std::string unready_names() const;

  terminal& io_;
  supervisor_times times_;
  std::string program_;
  sigset_t mask_before_{}; ///< Restored in each child and in the destructor.
  int signals_ = -1;       ///< The descriptor of signalfd(2).
  phase phase_ = phase::starting;
  std::list<child> children_; ///< One entry for each node, running or not.
  bool output_closed_ = false;
  bool stop_requested_ = false;
  time_point stop_requested_at_;
};

} // namespace perdura::client
