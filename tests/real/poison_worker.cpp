// SPDX-License-Identifier: Apache-2.0
#include "real/poison_worker.hpp"

#include "client/api/node_host.hpp"
#include "client/examples/samples.hpp"
#include <perdura/actors/authoring/orchestration_context.hpp>
#include <perdura/actors/authoring/registry.hpp>

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <stdexcept>

namespace perdura::tests {

namespace {

// Large enough that the calls are not tail calls.
int overflow_stack(int depth) { // NOLINT(misc-no-recursion)
  volatile char bytes[4096];
  bytes[0] = static_cast<char>(depth);
  return depth < 0 ? 0 : overflow_stack(depth + 1) + bytes[0];
}

[[noreturn]] void throw_in_noexcept() noexcept {
  std::abort();
}

void die(const std::string& how) {
  if (how == "signal_kill")
    ::kill(::getpid(), SIGKILL);
  else if (how == "null_pointer")
    ::raise(SIGSEGV);
  else if (how == "abort")
    throw_in_noexcept();
  else if (how == "stack_overflow")
    overflow_stack(1);
  else if (how == "exit")
    std::_Exit(7);
}

} // namespace

int run_poison_worker(const std::vector<std::string>& arguments) {
  sigset_t stop_signals;
  ::sigemptyset(&stop_signals);
  ::sigaddset(&stop_signals, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &stop_signals, nullptr);
  auto functions = std::make_shared<actors::registry>();
  examples::add_samples(*functions);
  functions->add_activity("Dies", [](const std::string& how) { die(how); });
  functions->add_orchestrator("CallsDies",
                              [](actors::orchestration_context& ctx,
                                 std::string how) -> actors::task<std::string> {
                                co_await ctx.call_activity<void>("Dies", how);
                                co_return "alive";
                              });
  functions->add_orchestrator("DiesInCode",
                              [](actors::orchestration_context& ctx,
                                 std::string how) -> actors::task<std::string> {
                                co_await ctx.call_activity<std::string>(
                                  "SayHello", std::string("x"));
                                die(how);
                                co_return "alive";
                              });
  functions->add_orchestrator(
    "Hangs", [](actors::orchestration_context&) -> actors::task<> {
      for (;;)
        ::pause();
      co_return;
    });
  client::node_host_config config;
  config.node.scheduler_threads = 2;
  config.node.stop_patience = std::chrono::milliseconds(20);
  config.node.data_dir = arguments.at(0);
  config.node.create_hub = true;
  config.node.partition_count = 4;
  config.node.paused = arguments.size() > 1 && arguments[1] == "paused";
  config.http.port = 0;
  auto host = client::node_host::start(std::move(config), functions);
  if (!host) {
    std::cout << "refused " << host.error().message << std::endl;
    return 1;
  }
  std::cout << "ready " << (*host)->url() << std::endl;
  int got = 0;
  ::sigwait(&stop_signals, &got);
  static_cast<void>((*host)->stop());
  std::_Exit(0); // an orchestrator may still run
}

} // namespace perdura::tests
