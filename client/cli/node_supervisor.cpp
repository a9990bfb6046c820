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

// The last words of a node's banner.
constexpr std::string_view ready_line = "Press Ctrl-C to stop.";

// A line that does not end is passed on in pieces.
constexpr std::size_t line_bytes_max = std::size_t{64} * 1024;

sigset_t watched() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGCHLD);

  // Under nohup it is ignored, and stays so.
  struct sigaction hang_up {};

  if (::sigaction(SIGHUP, nullptr, &hang_up) == 0
      && hang_up.sa_handler != SIG_IGN)
    sigaddset(&set, SIGHUP);
  return set;
}

/// This binary, also when another one has been put in its place.
std::string own_program() {
  std::error_code failure;
  const fs::path path = fs::read_symlink("/proc/self/exe", failure);
  return !failure && fs::exists(path, failure) ? path.string()
                                               : "/proc/self/exe";
}

std::string in_seconds(milliseconds time) {
  return std::to_string(
           std::chrono::duration_cast<std::chrono::seconds>(time).count())
         + " s";
}

std::string how_it_ended(int status) {
  if (WIFEXITED(status))
    return "ended with exit code " + std::to_string(WEXITSTATUS(status));
  const char* name = ::strsignal(WTERMSIG(status));
  return "was ended by signal " + std::to_string(WTERMSIG(status)) + " ("
         + (name == nullptr ? "unknown" : name) + ')';
}

void close_pipe(int& descriptor) {
  if (descriptor >= 0)
    ::close(descriptor);
  descriptor = -1;
}

/// What the child does between fork and exec: nothing that may wait for
/// another thread of the parent.
[[noreturn]] void become(const std::vector<char*>& argv, const char* program,
                         pid_t parent, int out, int err, const sigset_t& mask) {
  // kill -9 of the parent reaches the child, too.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // A terminal sends Ctrl-C to all of a group: the parent passes it on.
  ::setpgid(0, 0);
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  ::sigprocmask(SIG_SETMASK, &mask, nullptr);
  // Dead before the prctl was there.
  if (::getppid() == parent)
    ::execv(program, argv.data());
  ::_exit(127);
}

} // namespace

node_supervisor::node_supervisor(terminal& io, supervisor_times times)
  : io_(io), times_(times), program_(own_program()) {
  const sigset_t set = watched();
  ::sigprocmask(SIG_BLOCK, &set, &mask_before_);
  // Ignored, as some parents leave it, it would leave no child to wait for.
  ::signal(SIGCHLD, SIG_DFL);
  // Who reads our output may leave; that shall not end us without the nodes.
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
    return error{errc::unavailable, "The system gives no signal descriptor."};
  for (const supervised_node& each : nodes) {
    child& added = children_.emplace_back();
    added.what = each;
    if (!launch(added))
      return error{errc::unavailable,
                   "No process can be made for " + each.name + "."};
  }
  const time_point until = steady_clock::now() + times_.ready_max;
  while (!stop_requested_) {
    for (const child& each : children_)
      if (each.pid < 0)
        return error{errc::unavailable,
                     each.what.name + " " + each.ending
                       + " before the cluster was up; its lines above say "
                         "why."};
    const std::string late = names_of_those_not_ready();
    if (late.empty())
      break;
    if (steady_clock::now() >= until)
      return error{errc::unavailable, "After " + in_seconds(times_.ready_max)
                                        + " not yet ready: " + late + "."};
    turn(until);
  }
  phase_ = phase::serving;
  return {};
}

void node_supervisor::serve() {
  while (!stop_requested_) {
    std::optional<time_point> next;
    for (const child& each : children_)
      if (each.restart_at && (!next || *each.restart_at < *next))
        next = each.restart_at;
    turn(next);
    restart_due();
  }
}

void node_supervisor::stop() {
  phase_ = phase::stopping;
  signal_all(SIGINT);
  const time_point patience = steady_clock::now() + times_.stop_max;
  std::optional<time_point> until = patience;
  while (any_runs()) {
    if (until && steady_clock::now() >= *until) {
      for (const child& each : children_)
        if (each.pid > 0)
          say(each.what.name + " did not end within "
              + in_seconds(times_.stop_max)
              + " and is killed. What is unfinished runs again at the next "
                "start.");
      signal_all(SIGKILL);
      until.reset();
    }
    turn(until);
  }
}

pid_t node_supervisor::pid_of(std::string_view name) const {
  for (const child& each : children_)
    if (each.what.name == name)
      return each.pid;
  return -1;
}

/// Waits for the next event, or that time, and deals with what is there.
void node_supervisor::turn(std::optional<time_point> until) {
  // Without a descriptor (-1) nothing is waited for.
  std::vector<pollfd> waits{{signals_, POLLIN, 0},
                            {reader_left_ ? -1 : io_.out_descriptor, 0, 0}};
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
    reader_left_ = true;
    stop_requested_ = true;
  }
  std::size_t at = 2;
  for (child& each : children_)
    for (stream* from : {&each.out, &each.err})
      if (waits[at++].revents != 0)
        read_lines(each, *from);
  // Last: what a child said before its end has been passed on by then.
  if (waits[0].revents != 0)
    take_signals();
}

void node_supervisor::take_signals() {
  signalfd_siginfo came{};
  bool child_ended = false;
  while (::read(signals_, &came, sizeof came) == sizeof came) {
    if (came.ssi_signo == SIGCHLD)
      child_ended = true;
    else
      ask_to_stop(static_cast<int>(came.ssi_signo));
  }
  if (child_ended)
    reap();
}

void node_supervisor::ask_to_stop(int signal) {
  // Who passes a Ctrl-C on (timeout, a package runner) lets it come twice.
  constexpr auto same_wish = std::chrono::seconds(1);
  const time_point now = steady_clock::now();
  if (!stop_requested_) {
    stop_requested_ = true;
    stop_requested_at_ = now;
    return;
  }
  if (now - stop_requested_at_ < same_wish)
    return;
  signal_all(SIGKILL); // What is durable, is.
  std::_Exit(128 + signal);
}

void node_supervisor::reap() {
  for (child& each : children_) {
    int status = 0;
    if (each.pid > 0 && ::waitpid(each.pid, &status, WNOHANG) == each.pid)
      note_end(each, status);
  }
}

void node_supervisor::note_end(child& who, int status) {
  for (stream* from : {&who.out, &who.err}) {
    read_lines(who, *from);
    if (!from->unread.empty())
      take_line(who, from == &who.out, from->unread);
    from->unread.clear();
    close_pipe(from->descriptor);
  }
  // No banner after all.
  for (const std::string& line : who.held)
    io_.out << who.what.name << " | " << line << std::endl;
  who.held.clear();
  const std::string pid = " (pid " + std::to_string(who.pid) + ") ";
  who.pid = -1;
  who.ending = how_it_ended(status);
  if (phase_ != phase::serving || stop_requested_)
    return;
  restart_later(who);
  say(who.what.name + pid + who.ending
      + (who.is_ready ? "" : " before it served") + "; it starts again in "
      + in_seconds(who.wait) + ".");
}

void node_supervisor::restart_later(child& who) {
  if (who.restart_at)
    return;
  const time_point now = steady_clock::now();
  const bool was_calm = who.is_ready && now - who.started_at >= times_.calm;
  who.wait = who.wait == milliseconds(0) || was_calm
               ? times_.restart_wait
               : std::min(who.wait * 2, times_.restart_wait_max);
  who.restart_at = now + who.wait;
}

void node_supervisor::restart_due() {
  for (child& each : children_) {
    if (stop_requested_ || !each.restart_at
        || *each.restart_at > steady_clock::now())
      continue;
    each.restart_at.reset();
    if (!launch(each))
      restart_later(each);
  }
}

bool node_supervisor::launch(child& who) {
  std::vector<std::string> words{"perdura"};
  words.insert(words.end(), who.what.arguments.begin(),
               who.what.arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words)
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
      become(argv, program_.c_str(), parent, out[1], err[1], mask_before_);
  }
  close_pipe(out[1]);
  close_pipe(err[1]);
  if (made < 0) {
    close_pipe(out[0]);
    close_pipe(err[0]);
    return false;
  }
  ::fcntl(out[0], F_SETFL, O_NONBLOCK);
  ::fcntl(err[0], F_SETFL, O_NONBLOCK);
  who.out = {out[0], {}};
  who.err = {err[0], {}};
  who.pid = made;
  who.is_ready = false;
  who.started_at = steady_clock::now();
  return true;
}

/// All that is there.
void node_supervisor::read_lines(child& who, stream& from) {
  std::array<char, 16384> bytes;
  while (from.descriptor >= 0) {
    const ssize_t got = ::read(from.descriptor, bytes.data(), bytes.size());
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0 && errno == EAGAIN)
      return;
    if (got <= 0) {
      close_pipe(from.descriptor); // Its end is told by the process's.
      return;
    }
    from.unread.append(bytes.data(), static_cast<std::size_t>(got));
    std::size_t begin = 0;
    for (std::size_t end = 0;
         (end = from.unread.find('\n', begin)) != std::string::npos;
         begin = end + 1)
      take_line(who, &from == &who.out, from.unread.substr(begin, end - begin));
    from.unread.erase(0, begin);
    if (from.unread.size() >= line_bytes_max) {
      take_line(who, &from == &who.out, from.unread);
      from.unread.clear();
    }
  }
}

void node_supervisor::take_line(child& who, bool is_out,
                                const std::string& line) {
  if (is_out && !who.is_ready) {
    if (line != ready_line) {
      who.held.push_back(line);
      return;
    }
    who.held.clear();
    who.is_ready = true;
    who.skip_blank = true;
    if (phase_ == phase::serving)
      say(who.what.name + " serves again (pid " + std::to_string(who.pid)
          + ").");
    return;
  }
  if (is_out && who.skip_blank) {
    who.skip_blank = false;
    if (line.empty())
      return;
  }
  (is_out ? io_.out : io_.err) << who.what.name << " | " << line << std::endl;
}

void node_supervisor::say(const std::string& sentence) {
  io_.err << "perdura: " << sentence << std::endl;
}

void node_supervisor::signal_all(int signal) {
  for (const child& each : children_)
    if (each.pid > 0)
      ::kill(each.pid, signal);
}

bool node_supervisor::any_runs() const {
  return std::any_of(children_.begin(), children_.end(),
                     [](const child& each) { return each.pid > 0; });
}

std::string node_supervisor::names_of_those_not_ready() const {
  std::string names;
  for (const child& each : children_)
    if (!each.is_ready)
      names += (names.empty() ? "" : ", ") + each.what.name;
  return names;
}

} // namespace perdura::client
