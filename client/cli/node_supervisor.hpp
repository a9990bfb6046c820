/// Nodes as child processes: starts them, passes on what they print, starts
/// again what dies, and takes them all down with itself, however it ends.
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

struct supervised_node {
  std::string name;
  std::vector<std::string> arguments; ///< Of this binary.
};

struct supervisor_times {
  /// All must be ready by then when they first start.
  std::chrono::milliseconds ready_max = std::chrono::seconds(30);
  /// Whoever has not ended by then when asked to is killed.
  std::chrono::milliseconds stop_max = std::chrono::seconds(20);
  /// Before one that died starts again; doubled each time, up to the second,
  /// until it has served for `calm`.
  std::chrono::milliseconds restart_wait = std::chrono::seconds(1);
  std::chrono::milliseconds restart_wait_max = std::chrono::seconds(10);
  std::chrono::milliseconds calm = std::chrono::seconds(30);
};

/// One thread, which waits for whatever comes first: a line, the end of a
/// child, a signal, a time.
class node_supervisor {
public:
  /// From here on SIGINT, SIGTERM and SIGHUP ask for a stop; another one a
  /// second later or more kills the nodes and ends the process at once.
  /// Before any thread begins: it would inherit what is blocked.
  node_supervisor(terminal& io, supervisor_times times);

  /// Kills what still runs.
  ~node_supervisor();

  node_supervisor(const node_supervisor&) = delete;
  node_supervisor& operator=(const node_supervisor&) = delete;

  /// Returns when each has said that it serves, or when a stop was asked for.
  /// Their lines then go to `io` with their names in front, their banners do
  /// not.
  /// @error errc::unavailable  Names who ended, or did not get there in time.
  persistence::result<void> start(const std::vector<supervised_node>& nodes);

  /// Returns when a stop was asked for, or nobody reads the output any more.
  void serve();

  /// Asks all to end, and returns when they have.
  void stop();

  bool stop_requested() const {
    return stop_requested_;
  }

  /// -1 while it does not run.
  pid_t pid_of(std::string_view name) const;

private:
  using time_point = std::chrono::steady_clock::time_point;

  /// The end of a pipe that is read, and the line that is not whole yet.
  struct stream {
    int descriptor = -1;
    std::string unread;
  };

  struct child {
    supervised_node what;
    pid_t pid = -1;
    stream out;
    stream err;
    bool is_ready = false;
    bool skip_blank = false;       ///< The line behind the banner.
    std::vector<std::string> held; ///< A banner, unless it ends before.
    std::string ending;            ///< How it ended, for a sentence.
    time_point started_at;
    std::chrono::milliseconds wait{0}; ///< Before it starts the next time.
    std::optional<time_point> restart_at;
  };

  enum class phase : std::uint8_t { starting, serving, stopping };

  void turn(std::optional<time_point> until);
  void take_signals();
  void ask_to_stop(int signal);
  void reap();
  void note_end(child& who, int status);
  void restart_later(child& who);
  void restart_due();
  bool launch(child& who);
  void read_lines(child& who, stream& from);
  void take_line(child& who, bool is_out, const std::string& line);
  void say(const std::string& sentence);
  void signal_all(int signal);
  bool any_runs() const;
  std::string names_of_those_not_ready() const;

  terminal& io_;
  supervisor_times times_;
  std::string program_;
  sigset_t mask_before_{};
  int signals_ = -1;
  phase phase_ = phase::starting;
  std::list<child> children_;
  bool reader_left_ = false;
  bool stop_requested_ = false;
  time_point stop_requested_at_;
};

} // namespace perdura::client
