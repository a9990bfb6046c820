// SPDX-License-Identifier: Apache-2.0
#include "client/cli/node_verbs.hpp"

#include "client/api/node_host.hpp"
#include "client/cli/first_orchestration.hpp"
#include "client/cli/hub_verbs.hpp"
#include "client/cli/node_start.hpp"
#include "client/cli/signal_watch.hpp"
#include "client/cli/temporary_folder.hpp"
#include "client/examples/samples.hpp"
#include "persistence/process/logging.hpp"
#include "persistence/process/thread_start.hpp"
#include <perdura/actors/authoring/registry.hpp>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <ostream>
#include <system_error>

namespace perdura::client {

using persistence::errc;
using persistence::error;

namespace {

/// Stops the node. If activities do not end in time, prints their names and
/// ends the process at once, with the exit code `code`.
void stop(node_host& host, temporary_folder& folder, int code, terminal& io) {
  const std::vector<std::string> left = host.stop();
  if (left.empty())
    return;
  std::string names;
  for (const std::string& each : left)
    names += (names.empty() ? "" : ", ") + each;
  io.err << "perdura: These activities did not end in time: " << names
         << ". Unfinished work runs again at the next start." << std::endl;
  // The threads of the activities cannot be ended, so destructors, which would
  // wait for them, must not run.
  io.out << std::flush;
  folder.remove();
  std::_Exit(code);
}

/// Waits until a stop is requested. `dev` also ends when the reader of its
/// output has closed the pipe (`perdura dev | head`); `serve` continues without
/// a reader.
void wait_until_stopped(signal_watch& signals, bool is_dev, terminal& io) {
  if (!is_dev) {
    signals.wait();
    return;
  }
  while (!io.output_closed() && !signals.wait_for(std::chrono::seconds(1)))
    continue;
}

/// The exit code after a stop. A stop by a signal is a normal end. If other
/// nodes refused this node, the reason is printed and logged.
int exit_code_of_stop(signal_watch& signals, terminal& io) {
  const std::string why = signals.reason();
  if (why.empty())
    return exit_ok;
  const std::string sentence = "This node stops. " + why;
  persistence::log(persistence::log_channel::client,
                   persistence::log_level::error, sentence);
  fail(io, {errc::storage_foreign, sentence});
  return exit_node_refused;
}

/// Runs the node of `dev` and of `serve` until it is stopped. Returns the exit
/// code of the process.
int serve(configuration values, bool is_dev, bool once, terminal& io) {
  // Signals are blocked before the node starts its threads. The folder is
  // declared before the node, so that it is removed after the node has stopped.
  std::optional<signal_watch> watch;
  try {
    watch.emplace();
  } catch (const std::system_error&) {
    return fail(io, {errc::unavailable,
                     persistence::refused_threads_sentence("the process")});
  }
  signal_watch& signals = *watch;
  temporary_folder folder;
  node_host_config& config = values.host;
  const bool temporary = config.node.data_dir.empty();
  if (temporary) {
    if (auto made = folder.make("perdura-dev"); !made)
      return fail(io, made.error());
    config.node.data_dir = folder.path();
  }
  persistence::set_log_level(values.log.level);
  if (!values.log.audit_file.empty())
    if (auto opened = persistence::open_audit_file(values.log.audit_file);
        !opened)
      return fail(io, opened.error());
  signals.limit_stalled_stop(config.node.stop_patience,
                             config.node.disk_stall_time);
  auto functions = std::make_shared<actors::registry>();
  examples::add_samples(*functions);
  // Called on a thread of the node; see node_host_config.
  config.must_stop
    = [&signals](const error& why) { signals.request_stop(why.message); };
  auto started = node_host::start(config, functions);
  if (!started)
    return fail(io, started.error());
  node_host& host = **started;
  wait_for_admission(host, signals, io);
  print_banner(host, *functions, temporary, io);
  int code = exit_ok;
  if (is_dev && !signals.stop_requested())
    code = run_first_orchestration(host, io);
  if (!once) {
    wait_until_stopped(signals, is_dev, io);
    code = exit_code_of_stop(signals, io);
  }
  stop(host, folder, code, io);
  return code;
}

} // namespace

int dev_verb(const node_verb_options& options, terminal& io) {
  sourced_configuration all = gather_configuration(options.configuration);
  if (!all.problems.empty())
    return fail_with_problems(io, all);
  cluster::node_config& config = all.values.host.node;
  config.create_hub = true;
  if (!config.data_dir.empty())
    if (auto usable = check_access(config.data_dir.string()); !usable)
      return fail(io, usable.error());
  // The default level is warning, so that log lines of a normal start do not
  // hide the result.
  if (!options.configuration.log_level)
    all.values.log.level = persistence::log_level::warning;
  return serve(std::move(all.values), true, options.once, io);
}

int serve_verb(const node_verb_options& options, terminal& io) {
  sourced_configuration all = gather_configuration(options.configuration);
  if (!all.problems.empty())
    return fail_with_problems(io, all);
  if (auto named = check_data_dir(all.values, "serve"); !named)
    return fail(io, named.error());
  all.values.host.node.paused = options.paused;
  return serve(std::move(all.values), false, false, io);
}

} // namespace perdura::client
