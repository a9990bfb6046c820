// SPDX-License-Identifier: Apache-2.0
#include "real/worker.hpp"

#include "client/examples/samples.hpp"
#include <perdura/actors/authoring/registry.hpp>
#include <perdura/client/api/orchestration_client.hpp>
#include <perdura/cluster/node/node.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <vector>

namespace perdura::tests {

namespace {

using client::orchestration_client;

/// Writes a line with one call, so that a killed process leaves whole lines.
void append_line(int file, const std::string& line) {
  const std::string whole = line + "\n";
  if (::write(file, whole.data(), whole.size())
      != static_cast<ssize_t>(whole.size()))
    throw std::runtime_error("the witness file cannot be written");
}

template <class T>
std::string answer_of(const persistence::result<T>& done) {
  if (!done)
    return "error " + std::string(to_string(done.code()));
  return "ok";
}

std::string wait_for(orchestration_client& client, const std::string& id) {
  auto ended = client.wait_for_completion(id, std::chrono::seconds(60));
  if (!ended)
    return "error " + std::string(to_string(ended.code()));
  return std::string("ok ") + client::to_string(ended->status) + " "
         + ended->output;
}

std::string run_command(orchestration_client& client, const std::string& line) {
  std::istringstream fields(line);
  std::string verb;
  std::string id;
  fields >> verb;
  if (verb == "start") {
    std::string name;
    std::string input;
    fields >> name >> id;
    std::getline(fields >> std::ws, input);
    client::start_options options;
    options.instance_id = id;
    options.request_id = "start-" + id;
    return answer_of(client.start_json(name, input, options));
  }
  fields >> id;
  if (verb == "raise") {
    std::string event;
    std::string data;
    fields >> event;
    std::getline(fields >> std::ws, data);
    return answer_of(
      client.raise_event_json(id, event, data, "raise-" + id + event));
  }
  if (verb == "rewind")
    return answer_of(client.rewind(id, "fixed", "rewind-" + id));
  if (verb == "wait")
    return wait_for(client, id);
  return "error unknown verb";
}

} // namespace

int run_worker(const std::filesystem::path& directory,
               const std::filesystem::path& witness) {
  const int file
    = ::open(witness.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  auto functions = std::make_shared<actors::registry>();
  examples::add_samples(*functions);
  cluster::node_config config;
  config.data_dir = directory;
  config.create_hub = true;
  config.partition_count = 8;
  auto node = cluster::node::open(config, functions);
  if (!node) {
    std::cout << "error " << node.error().message << std::endl;
    return 1;
  }
  (*node)->set_activity_observer([file](const actors::activity_context& ctx) {
    append_line(file, ctx.idempotency_key());
  });
  if (auto begun = (*node)->begin(); !begun) {
    std::cout << "error " << begun.error().message << std::endl;
    return 1;
  }
  std::cout << "ready" << std::endl;
  orchestration_client client((*node)->gateway());
  for (std::string line; std::getline(std::cin, line) && line != "stop";)
    std::cout << run_command(client, line) << std::endl;
  static_cast<void>((*node)->stop());
  ::close(file);
  return 0;
}

worker_process::worker_process(const std::filesystem::path& directory,
                               const std::filesystem::path& witness) {
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  if (::pipe2(in.data(), O_CLOEXEC) != 0 || ::pipe2(out.data(), O_CLOEXEC) != 0)
    throw std::runtime_error("cannot create a pipe");
  const std::string program = std::filesystem::read_symlink("/proc/self/exe");
  const std::string data_dir = directory;
  const std::string witness_file = witness;
  pid_ = ::fork();
  if (pid_ == 0) {
    ::dup2(in[0], STDIN_FILENO);
    ::dup2(out[1], STDOUT_FILENO);
    std::vector<const char*> arguments{program.c_str(), "--worker",
                                       data_dir.c_str(), witness_file.c_str(),
                                       nullptr};
    ::execv(program.c_str(), const_cast<char* const*>(arguments.data()));
    ::_exit(127);
  }
  ::close(in[0]);
  ::close(out[1]);
  to_ = in[1];
  from_ = out[0];
}

worker_process::~worker_process() {
  kill();
}

void worker_process::send(const std::string& line) {
  const std::string whole = line + "\n";
  if (::write(to_, whole.data(), whole.size()) < 0)
    throw std::runtime_error("the worker has ended");
}

std::optional<std::string>
worker_process::receive(std::chrono::milliseconds time_out) {
  return lines_.receive(from_, time_out);
}

void worker_process::kill() {
  if (pid_ <= 0)
    return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  ::close(to_);
  ::close(from_);
  pid_ = -1;
}

} // namespace perdura::tests
