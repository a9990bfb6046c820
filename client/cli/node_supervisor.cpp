// SPDX-License-Identifier: Apache-2.0
#include "client/cli/node_supervisor.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>
#include <ostream>

namespace perdura::client {

namespace fs = std::filesystem;
using persistence::errc;
using persistence::error;
using persistence::result;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

// The last line of a node's banner that is not blank; see print_banner in
// node_verbs.cpp. This line shows that the node serves.
constexpr std::string_view ready_line = "Press Ctrl-C to stop.";

// When the unprinted part of a line has reached this size, it is printed
// without waiting for the end of the line.
constexpr std::size_t line_bytes_max = std::size_t{64} * 1024;

/// The signals that request a stop, and SIGCHLD, which reports the end of a
/// node.
sigset_t supervisor_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGCHLD);

  // nohup(1) starts a program with SIGHUP ignored; SIGHUP must then stay
  // ignored.
  struct sigaction hangup_action {};

  if (::sigaction(SIGHUP, nullptr, &hangup_action) == 0
      && hangup_action.sa_handler != SIG_IGN)
    sigaddset(&set, SIGHUP);
  return set;
}

/// The path of the running binary. If its file was removed or replaced since
/// the start, the path is /proc/self/exe, which still opens the running binary.
std::string own_executable() {
  std::error_code failure;
  const fs::path path = fs::read_symlink("/proc/self/exe", failure);
  return !failure && fs::exists(path, failure) ? path.string()
                                               : "/proc/self/exe";
}

/// The time in whole seconds, e.g. "20 s".
std::string in_seconds(milliseconds time) {
  return std::to_string(
           std::chrono::duration_cast<std::chrono::seconds>(time).count())
         + " s";
}

/// Describes a status of waitpid(2), e.g. "ended with exit code 1".
std::string exit_text(int status) {
  if (WIFEXITED(status))
    return "ended with exit code " + std::to_string(WEXITSTATUS(status));
  const char* name = ::strsignal(WTERMSIG(status));
  return "was ended by signal " + std::to_string(WTERMSIG(status)) + " ("
         + (name == nullptr ? "unknown" : name) + ')';
}

/// Closes the descriptor, unless it is -1, and sets it to -1.
void close_pipe(int& descriptor) {
  if (descriptor >= 0)
    ::close(descriptor);
  descriptor = -1;
}

/// Runs in the child after fork: executes the node's program with `out` and
/// `err` as its output streams. Only async-signal-safe functions may be called
/// here. Exit code 127 means that the program could not be started.
[[noreturn]] void exec_child(const std::vector<char*>& argv,
                             const char* program, pid_t parent, int out,
                             int err, const sigset_t& mask) {
  // The kernel kills the child when the parent has ended, even if SIGKILL ended
  // the parent.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // A terminal sends Ctrl-C to the whole process group. The child has its own
  // group, so that only the parent receives Ctrl-C and stops the child.
  ::setpgid(0, 0);
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  ::sigprocmask(SIG_SETMASK, &mask, nullptr);
  // If the parent died before prctl took effect, do not start the node.
  if (::getppid() == parent)
    ::execv(program, argv.data());
  ::_exit(127);
}

} // namespace

node_supervisor::node_supervisor(terminal& io, supervisor_times times)
  : io_(io), times_(times), program_(own_executable()) {
  const sigset_t set = supervisor_signals();
  ::sigprocmask(SIG_BLOCK, &set, &mask_before_);
  // The parent process may have left SIGCHLD ignored; waitpid would then report
  // no child.
  ::signal(SIGCHLD, SIG_DFL);
  // A closed output pipe must not end this process: the nodes must be stopped
  // first.
  ::signal(SIGPIPE, SIG_IGN);
  signals_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

node_supervisor::~node_supervisor() {
  signal_all(SIGKILL);
  for (child& each : children_) {
    if (each.pid > 0)
      ::waitpid(each.pid, nullptr, 0);
    close_pipe(each.out.descriptor);
    close_pipe(each.err.descriptor);
  }
  close_pipe(signals_);
  ::sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
}

result<void> node_supervisor::start(const std::vector<supervised_node>& nodes) {
  if (signals_ < 0)
    return error{errc::unavailable, "Cannot create a signal descriptor."};
  for (const supervised_node& each : nodes) {
    child& added = children_.emplace_back();
    added.spec = each;
    if (!launch(added))
      return error{errc::unavailable,
                   "Cannot create a process for " + each.name + "."};
  }
  // Each iteration handles the events of one poll and then looks at the state
  // of all nodes, because one event can change several of them.
  const time_point until = steady_clock::now() + times_.ready_max;
  while (!stop_requested_) {
    for (const child& each : children_)
      if (each.pid < 0)
        return error{
          errc::unavailable,
          each.spec.name + " " + each.exit_description
            + " before the cluster was ready; see its output above."};
    const std::string late = unready_names();
    if (late.empty())
      break;
    if (steady_clock::now() >= until)
      return error{errc::unavailable, "Not ready after "
                                        + in_seconds(times_.ready_max) + ": "
                                        + late + "."};
    poll_once(until);
  }
  phase_ = phase::serving;
  return {};
}

void node_supervisor::serve() {
  while (!stop_requested_) {
    // The time of the earliest planned restart. If no restart is planned,
    // poll_once waits only for events.
    std::optional<time_point> next;
    for (const child& each : children_)
      if (each.restart_at && (!next || *each.restart_at < *next))
        next = each.restart_at;
    poll_once(next);
    restart_due_children();
  }
}

void node_supervisor::stop() {
  phase_ = phase::stopping;
  signal_all(SIGINT);
  const time_point kill_at = steady_clock::now() + times_.stop_max;
  // The time at which the nodes are killed; empty after that, because killed
  // nodes end without further action.
  std::optional<time_point> until = kill_at;
  while (any_running()) {
    if (until && steady_clock::now() >= *until) {
      for (const child& each : children_)
        if (each.pid > 0)
          print_message(
            each.spec.name + " did not end within "
            + in_seconds(times_.stop_max)
            + " and is killed. Unfinished work runs again at the next start.");
      signal_all(SIGKILL);
      until.reset();
    }
    poll_once(until);
  }
}

pid_t node_supervisor::pid_of(std::string_view name) const {
  for (const child& each : children_)
    if (each.spec.name == name)
      return each.pid;
  return -1;
}

/// Waits for the next event, at most until `until`, and handles all events that
/// are ready.
void node_supervisor::poll_once(std::optional<time_point> until) {
  // poll(2) ignores entries whose descriptor is -1. It reports the error of a
  // pipe without a reader even if no event is requested.
  std::vector<pollfd> waits{{signals_, POLLIN, 0},
                            {output_closed_ ? -1 : io_.out_descriptor, 0, 0}};
  for (const child& each : children_) {
    waits.push_back({each.out.descriptor, POLLIN, 0});
    waits.push_back({each.err.descriptor, POLLIN, 0});
  }
  int time_out = -1;
  if (until) {
    const auto left
      = std::chrono::ceil<milliseconds>(*until - steady_clock::now());
    time_out = static_cast<int>(std::clamp<std::int64_t>(
      left.count(), 0, std::numeric_limits<int>::max()));
  }
  if (::poll(waits.data(), waits.size(), time_out) <= 0)
    return;
  if ((waits[1].revents & (POLLERR | POLLHUP)) != 0) {
    output_closed_ = true;
    stop_requested_ = true;
  }
  std::size_t at = 2;
  for (child& each : children_)
    for (stream* from : {&each.out, &each.err})
      if (waits[at++].revents != 0)
        read_lines(each, *from);
  // Signals are handled last, so that the output of a child that has ended is
  // printed before its end is reported.
  if (waits[0].revents != 0)
    handle_signals();
}

void node_supervisor::handle_signals() {
  signalfd_siginfo info{};
  bool child_ended = false;
  while (::read(signals_, &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGCHLD)
      child_ended = true;
    else
      handle_stop_signal(static_cast<int>(info.ssi_signo));
  }
  if (child_ended)
    reap();
}

/// The first signal requests a stop; a later one kills the nodes and exits.
void node_supervisor::handle_stop_signal(int signal) {
  // If the parent forwards Ctrl-C, as timeout(1) does, the signal arrives
  // twice. Both signals count as one request.
  constexpr auto repeat_window = std::chrono::seconds(1);
  const time_point now = steady_clock::now();
  if (!stop_requested_) {
    stop_requested_ = true;
    stop_requested_at_ = now;
    return;
  }
  if (now - stop_requested_at_ < repeat_window)
    return;
  signal_all(SIGKILL); // Safe: committed data survives a kill.
  std::_Exit(128 + signal);
}

/// Collects the exit status of each child that has ended. Several children may
/// have ended when one SIGCHLD arrives, so all children are checked.
void node_supervisor::reap() {
  for (child& each : children_) {
    int status = 0;
    if (each.pid > 0 && ::waitpid(each.pid, &status, WNOHANG) == each.pid)
      handle_exit(each, status);
  }
}

/// Prints the remaining output of a child that has ended. In phase `serving`,
/// plans its restart.
void node_supervisor::handle_exit(child& node, int status) {
  for (stream* from : {&node.out, &node.err}) {
    read_lines(node, *from);
    if (!from->unread.empty())
      handle_line(node, from == &node.out, from->unread);
    from->unread.clear();
    close_pipe(from->descriptor);
  }
  // If the node ended before its banner was complete, the collected lines of
  // the banner were not printed yet.
  for (const std::string& line : node.banner_lines)
    io_.out << node.spec.name << " | " << line << std::endl;
  node.banner_lines.clear();
  const std::string pid = " (pid " + std::to_string(node.pid) + ") ";
  node.pid = -1;
  node.exit_description = exit_text(status);
  if (phase_ != phase::serving || stop_requested_)
    return;
  schedule_restart(node);
  print_message(node.spec.name + pid + node.exit_description
                + (node.is_ready ? "" : " before it served")
                + "; it starts again in " + in_seconds(node.restart_delay)
                + ".");
}

/// Sets the time of the next restart. The delay doubles, unless the node served
/// and ran for at least stable_min.
void node_supervisor::schedule_restart(child& node) {
  if (node.restart_at)
    return;
  const time_point now = steady_clock::now();
  const bool was_stable
    = node.is_ready && now - node.started_at >= times_.stable_min;
  node.restart_delay
    = node.restart_delay == milliseconds(0) || was_stable
        ? times_.restart_wait
        : std::min(node.restart_delay * 2, times_.restart_wait_max);
  node.restart_at = now + node.restart_delay;
}

/// Restarts the nodes whose delay has passed. If a node cannot be started, the
/// next attempt follows after a longer delay.
void node_supervisor::restart_due_children() {
  for (child& each : children_) {
    if (stop_requested_ || !each.restart_at
        || *each.restart_at > steady_clock::now())
      continue;
    each.restart_at.reset();
    if (!launch(each))
      schedule_restart(each);
  }
}

/// Starts the process of a node. Returns false if no pipe or process can be
/// created.
bool node_supervisor::launch(child& node) {
  std::vector<std::string> argument_strings{"perdura"};
  argument_strings.insert(argument_strings.end(), node.spec.arguments.begin(),
                          node.spec.arguments.end());
  // `argv` refers to `argument_strings`. Both are built before fork, because
  // the child may not allocate memory.
  std::vector<char*> argv;
  for (std::string& word : argument_strings)
    argv.push_back(word.data());
  argv.push_back(nullptr);
  std::array<int, 2> out{-1, -1};
  std::array<int, 2> err{-1, -1};
  pid_t made = -1;
  const pid_t parent = ::getpid();
  if (::pipe2(out.data(), O_CLOEXEC) == 0
      && ::pipe2(err.data(), O_CLOEXEC) == 0) {
    made = ::fork();
    if (made == 0)
      exec_child(argv, program_.c_str(), parent, out[1], err[1], mask_before_);
  }
  close_pipe(out[1]);
  close_pipe(err[1]);
  if (made < 0) {
    close_pipe(out[0]);
    close_pipe(err[0]);
    return false;
  }
  // The pipes must not block: read_lines reads until no more bytes are ready.
  ::fcntl(out[0], F_SETFL, O_NONBLOCK);
  ::fcntl(err[0], F_SETFL, O_NONBLOCK);
  node.out = {out[0], {}};
  node.err = {err[0], {}};
  node.pid = made;
  node.is_ready = false;
  node.started_at = steady_clock::now();
  return true;
}

/// Reads all bytes that are ready and handles the complete lines. The rest
/// stays in `from.unread`, at most line_bytes_max.
void node_supervisor::read_lines(child& node, stream& from) {
  std::array<char, 16384> bytes;
  while (from.descriptor >= 0) {
    const ssize_t got = ::read(from.descriptor, bytes.data(), bytes.size());
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0 && errno == EAGAIN)
      return;
    if (got <= 0) {
      close_pipe(from.descriptor); // SIGCHLD reports the end of the node.
      return;
    }
    from.unread.append(bytes.data(), static_cast<std::size_t>(got));
    std::size_t begin = 0;
    for (std::size_t end = 0;
         (end = from.unread.find('\n', begin)) != std::string::npos;
         begin = end + 1)
      handle_line(node, &from == &node.out,
                  from.unread.substr(begin, end - begin));
    from.unread.erase(0, begin);
    if (from.unread.size() >= line_bytes_max) {
      handle_line(node, &from == &node.out, from.unread);
      from.unread.clear();
    }
  }
}

/// Collects the lines of the banner until ready_line appears, then prints each
/// further line with the node's name.
void node_supervisor::handle_line(child& node, bool is_out,
                                  const std::string& line) {
  if (is_out && !node.is_ready) {
    if (line != ready_line) {
      node.banner_lines.push_back(line);
      return;
    }
    node.banner_lines.clear();
    node.is_ready = true;
    node.skip_blank = true;
    if (phase_ == phase::serving)
      print_message(node.spec.name + " serves again (pid "
                    + std::to_string(node.pid) + ").");
    return;
  }
  if (is_out && node.skip_blank) {
    node.skip_blank = false;
    if (line.empty())
      return;
  }
  (is_out ? io_.out : io_.err) << node.spec.name << " | " << line << std::endl;
}

void node_supervisor::print_message(const std::string& sentence) {
  io_.err << "perdura: " << sentence << std::endl;
}

void node_supervisor::signal_all(int signal) {
  for (const child& each : children_)
    if (each.pid > 0)
      ::kill(each.pid, signal);
}

bool node_supervisor::any_running() const {
  return std::any_of(children_.begin(), children_.end(),
                     [](const child& each) { return each.pid > 0; });
}

std::string node_supervisor::unready_names() const {
  std::string names;
  for (const child& each : children_)
    if (!each.is_ready)
      names += (names.empty() ? "" : ", ") + each.spec.name;
  return names;
}

} // namespace perdura::client
