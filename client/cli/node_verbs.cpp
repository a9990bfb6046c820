#include "client/cli/node_verbs.hpp"

#include "client/api/node_host.hpp"
#include "client/cli/json_view.hpp"
#include "client/cli/node_connection.hpp"
#include "client/cli/signal_watch.hpp"
#include "client/cli/temporary_folder.hpp"
#include "client/examples/samples.hpp"
#include "client/http/access_keys.hpp"
#include "cluster/node/node.hpp"
#include "cluster/placement/hub_creation.hpp"
#include "persistence/process/logging.hpp"
#include <perdura/actors/authoring/registry.hpp>

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <ostream>

namespace perdura::client {

using persistence::errc;
using persistence::error;
using persistence::result;
using std::chrono::steady_clock;

namespace {

void print_banner(node_host& host, const actors::registry& functions,
                  bool temporary, terminal& io) {
  const cluster::node_config& config = host.node().config();
  std::string names;
  for (const auto* each : functions.orchestrators())
    names += (names.empty() ? "" : ", ") + each->name();
  // Lines of at most 80 columns; the names hang below each other.
  std::vector<std::pair<std::string, std::string>> pairs{
    {"  HTTP", host.url()},
    {"  Metrics", host.url() + "/metrics"},
    {"  Data directory", config.data_dir.string()},
    {"  Partitions", std::to_string(config.partition_count)}};
  if (const std::string keys = host.keys_summary(); !keys.empty())
    pairs.insert(pairs.begin() + 2, {"  Keys", keys});
  constexpr std::size_t width = 60;
  std::string label = "  Samples";
  while (!names.empty()) {
    std::size_t end = names.size();
    if (end > width)
      end = names.rfind(", ", width) + 1;
    pairs.emplace_back(label, names.substr(0, end));
    names.erase(0, std::min(end + 1, names.size()));
    label.clear();
  }
  io.out << "Perdura " << PERDURA_VERSION << "\n\n";
  print_pairs(io.out, pairs);
  io.out << '\n';
  if (temporary)
    io.out << "Nothing is kept when it stops; --data-dir DIR keeps it.\n";
  io.out << "Press Ctrl-C to stop.\n" << std::endl;
}

/// What this process's own door takes; empty: it wants none.
std::string first_key() {
  const char* keys = std::getenv("PERDURA_KEYS");
  std::string_view all = keys == nullptr ? "" : keys;
  return std::string(take_key(all));
}

/// Starts HelloSequence over the HTTP door and shows what comes of it.
int run_first(node_host& host, terminal& io) {
  const auto began = steady_clock::now();
  auto url = parse_url(host.url());
  if (!url)
    return fail(io, url.error());
  node_connection node(*url, {first_key(), {}});
  auto started = node.ask("POST", "/orchestrators/HelloSequence");
  if (!started)
    return fail(io, started.error());
  const std::string id = json_plain(json_member(started->body, "id"));
  auto status = node.follow(id, std::chrono::seconds(30));
  if (!status)
    return fail(io, status.error());
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
    steady_clock::now() - began);
  const std::string state = json_plain(json_member(*status, "runtimeStatus"));
  io.out << "HelloSequence " << id << ": " << state << " in " << took.count()
         << " ms\n"
         << json_compact(json_member(*status, "output").value_or("null"))
         << std::endl;
  return state == "Completed" ? exit_ok : exit_instance_failed;
}

/// Ends the node. Activities that would not end go down with the process.
void stop(node_host& host, temporary_folder& folder, int code, terminal& io) {
  const std::vector<std::string> left = host.stop();
  if (left.empty())
    return;
  std::string names;
  for (const std::string& each : left)
    names += (names.empty() ? "" : ", ") + each;
  io.err << "perdura: still running, and given up: " << names
         << ". What is unfinished runs again at the next start." << std::endl;
  io.out << std::flush;
  folder.remove();
  std::_Exit(code);
}

/// What is tried out in a pipe (`perdura dev | head`) ends with its reader; a
/// service goes on without one.
void wait_for_the_end(signal_watch& signals, bool is_dev, terminal& io) {
  if (!is_dev) {
    signals.wait();
    return;
  }
  while (!io.out_gone() && !signals.wait_for(std::chrono::seconds(1)))
    continue;
}

/// A signal is an end like any other; a reason is said.
int code_of_end(signal_watch& signals, terminal& io) {
  const std::string why = signals.reason();
  if (why.empty())
    return exit_ok;
  const std::string sentence = "This node stops. " + why;
  persistence::log(persistence::log_room::client, persistence::log_level::error,
                   sentence);
  fail(io, {errc::storage_foreign, sentence});
  return exit_node_refused;
}

/// @error errc::invalid_argument  Neither file nor flags name a directory.
/// @error errc::storage_failed  It may not be used.
result<void> check_data_dir(const configuration& values,
                            const std::string& verb) {
  if (!values.host.node.data_dir.empty())
    return check_access(values.host.node.data_dir.string());
  return error{errc::invalid_argument,
               verb
                 + " wants a data directory: --data-dir DIR, or "
                   "node.data_dir in the file of --config."};
}

/// The banner says that the cluster can be used: nodes that start together
/// meet in some milliseconds. One that is away is not waited for, unless the
/// directory is new: it serves when another node has met it.
void await_the_others(node_host& host, signal_watch& signals, terminal& io) {
  constexpr auto soon = std::chrono::seconds(1);
  constexpr auto step = std::chrono::milliseconds(200); // between signals
  if (host.node().wait_for_peers(soon) || host.node().wait_until_admitted(step))
    return;
  io.out << "The data directory is new; this node serves when another one of "
            "the cluster has met it."
         << std::endl;
  while (!signals.stop_requested() && !host.node().wait_until_admitted(step))
    continue;
}

int serve(configuration values, bool is_dev, bool once, terminal& io) {
  signal_watch signals;
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
  auto functions = std::make_shared<actors::registry>();
  examples::add_samples(*functions);
  config.must_stop
    = [&signals](const error& why) { signals.wake(why.message); };
  auto started = node_host::start(config, functions);
  if (!started)
    return fail(io, started.error());
  node_host& host = **started;
  await_the_others(host, signals, io);
  print_banner(host, *functions, temporary, io);
  int code = exit_ok;
  if (is_dev && !signals.stop_requested())
    code = run_first(host, io);
  if (!once) {
    wait_for_the_end(signals, is_dev, io);
    code = code_of_end(signals, io);
  }
  stop(host, folder, code, io);
  return code;
}

} // namespace

result<void> check_access(const std::string& data_dir) {
  if (::access(data_dir.c_str(), R_OK | W_OK | X_OK) == 0 || errno != EACCES)
    return {};
  return error{errc::storage_failed, "Cannot use the data directory " + data_dir
                                       + ": permission denied."};
}

int dev_verb(const node_verb_options& options, terminal& io) {
  sourced_configuration all = gather_configuration(options.configuration);
  if (!all.problems.empty())
    return fail_with_problems(io, all);
  cluster::node_config& config = all.values.host.node;
  config.create_hub = true;
  if (!config.data_dir.empty())
    if (auto usable = check_access(config.data_dir.string()); !usable)
      return fail(io, usable.error());
  // Below the banner stand results, not how a node comes up.
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
  return serve(std::move(all.values), false, false, io);
}

int hub_create_verb(const node_verb_options& options, terminal& io) {
  sourced_configuration all = gather_configuration(options.configuration);
  if (!all.problems.empty())
    return fail_with_problems(io, all);
  if (auto named = check_data_dir(all.values, "hub create"); !named)
    return fail(io, named.error());
  const cluster::node_config& config = all.values.host.node;
  auto hub = cluster::create_hub(config);
  if (!hub)
    return fail(io, hub.error());
  io.out << "Hub \"" << hub->name << "\" with " << hub->partition_count
         << " partitions created in " << config.data_dir.string() << ".\n";
  std::vector<std::pair<std::string, std::string>> pairs;
  if (!hub->node.empty()) {
    const auto owned = cluster::placement_of(*hub).owned_by(hub->node);
    std::string list;
    for (const auto each : owned)
      list += (list.empty() ? "" : ", ")
              + std::to_string(persistence::index_of(each));
    pairs = {{"  Node", hub->node},
             {"  Owns", std::to_string(owned.size())
                          + " of them: " + shortened(list, 60)}};
  }
  pairs.emplace_back("  Hub ID", hub->hub_id);
  print_pairs(io.out, pairs);
  return exit_ok;
}

} // namespace perdura::client
