// SPDX-License-Identifier: Apache-2.0
#include "real/cluster_worker.hpp"

#include "client/api/node_host.hpp"
#include "client/examples/samples.hpp"
#include "cluster/node/node.hpp"
#include <perdura/actors/authoring/registry.hpp>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <iostream>
#include <stdexcept>

namespace perdura::tests {

namespace {

/// Writes a line with one call, so that a killed process leaves whole lines.
void write_line(int file, const std::string& line) {
  const std::string whole = line + "\n";
  if (::write(file, whole.data(), whole.size())
      != static_cast<ssize_t>(whole.size()))
    throw std::runtime_error("a line of output cannot be written");
}

void write_status(const char* status, const persistence::error& why) {
  write_line(STDOUT_FILENO, std::string(status) + ' '
                              + std::string(persistence::to_string(why.code))
                              + ' ' + why.message);
}

cluster_worker_options to_options(const std::vector<std::string>& arguments) {
  cluster_worker_options options;
  options.node = arguments.at(0);
  options.data_dir = arguments.at(1);
  options.hub_id = arguments.at(2);
  options.partition_count
    = static_cast<std::uint32_t>(std::stoul(arguments.at(3)));
  options.listen = arguments.at(4);
  options.http_port = static_cast<std::uint16_t>(std::stoul(arguments.at(5)));
  options.certificates = arguments.at(6);
  options.retention = std::chrono::seconds(std::stoll(arguments.at(7)));
  options.nodes.assign(arguments.begin() + 8, arguments.end());
  return options;
}

client::node_host_config to_config(const cluster_worker_options& options) {
  client::node_host_config config;
  config.node.data_dir = options.data_dir;
  config.node.create_hub = true;
  config.node.hub_id = options.hub_id;
  config.node.partition_count = options.partition_count;
  if (options.retention.count() > 0) {
    config.node.retention = options.retention;
    config.node.retention_interval = options.retention / 4;
  }
  cluster::cluster_config& cluster = config.node.cluster;
  cluster.node = options.node;
  cluster.nodes = options.nodes;
  cluster.listen = options.listen;
  if (!options.certificates.empty()) {
    cluster.certificate_file = options.certificates / (options.node + ".pem");
    cluster.key_file = options.certificates / (options.node + "-key.pem");
    cluster.ca_file = options.certificates / "ca.pem";
  }
  config.http.port = options.http_port;
  return config;
}

} // namespace

std::filesystem::path witness_of(const std::filesystem::path& data_dir) {
  return data_dir.string() + ".witness";
}

std::filesystem::path log_of(const std::filesystem::path& data_dir) {
  return data_dir.string() + ".log";
}

std::vector<std::string> to_arguments(const cluster_worker_options& options) {
  std::vector<std::string> arguments{options.node,
                                     options.data_dir.string(),
                                     options.hub_id,
                                     std::to_string(options.partition_count),
                                     options.listen,
                                     std::to_string(options.http_port),
                                     options.certificates.string(),
                                     std::to_string(options.retention.count())};
  arguments.insert(arguments.end(), options.nodes.begin(), options.nodes.end());
  return arguments;
}

int run_cluster_worker(const std::vector<std::string>& arguments) {
  const cluster_worker_options options = to_options(arguments);
  // The log goes to a file and not to a pipe: the test does not read the log
  // continuously, so a pipe could become full and block this process.
  if (std::freopen(log_of(options.data_dir).c_str(), "ae", stderr) == nullptr)
    return 1;
  sigset_t stop_signals;
  ::sigemptyset(&stop_signals);
  ::sigaddset(&stop_signals, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &stop_signals, nullptr);
  const int witness = ::open(witness_of(options.data_dir).c_str(),
                             O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  auto functions = std::make_shared<actors::registry>();
  examples::add_samples(*functions);
  std::atomic<bool> is_refused{false};
  client::node_host_config config = to_config(options);
  config.must_stop = [&](const persistence::error& why) {
    if (!is_refused.exchange(true)) {
      write_status("must-stop", why);
      ::kill(::getpid(), SIGINT);
    }
  };
  config.observe_activity = [witness](const actors::activity_context& ctx) {
    write_line(witness,
               ctx.idempotency_key() + '#' + std::to_string(ctx.attempt()));
  };
  auto host = client::node_host::start(std::move(config), functions);
  if (!host) {
    write_status("refused", host.error());
    return 1;
  }
  write_line(STDOUT_FILENO, "ready " + (*host)->url());
  int got = 0;
  ::sigwait(&stop_signals, &got);
  static_cast<void>((*host)->stop());
  return is_refused ? 3 : 0;
}

} // namespace perdura::tests
