// SPDX-License-Identifier: Apache-2.0
#include "persistence/process/process_end.hpp"

#include "persistence/process/logging.hpp"
#include "persistence/process/write_all.hpp"

#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <thread>

namespace perdura::persistence {

namespace {

/// The function of `set_on_fatal`. Never destroyed.
struct listener_slot {
  std::mutex mutex;
  fatal_listener listener;
};

listener_slot& slot() {
  static auto* const one = new listener_slot;
  return *one;
}

void call_listener(const fatal_listener& listener,
                   const std::string& sentence) noexcept {
  try {
    listener(sentence);
  } catch (...) {
    // The process ends anyway, and the sentence is in the log.
  }
}

/// The call of the listener on a thread of its own, which may outlive the
/// thread that waits for it.
struct listener_call {
  std::mutex mutex;
  std::condition_variable changed;
  bool ended = false;
};

void notify_listener(const std::string& sentence) {
  fatal_listener listener;
  {
    const std::lock_guard lock(slot().mutex);
    listener = std::move(slot().listener);
  }
  if (!listener)
    return;
  const auto call = std::make_shared<listener_call>();
  std::thread runner;
  try {
    runner = std::thread([call, listener, sentence] {
      call_listener(listener, sentence);
      const std::lock_guard lock(call->mutex);
      call->ended = true;
      call->changed.notify_all();
    });
  } catch (...) {
    call_listener(listener, sentence);
    return;
  }
  runner.detach();
  std::unique_lock lock(call->mutex);
  call->changed.wait_for(lock, on_fatal_time_max, [&] { return call->ended; });
}

/// Ends the process with the code. If several threads fail at the same time,
/// one does so and the others wait for it. A failure in here ends the process
/// without further steps.
[[noreturn]] void end_once(int code, std::string_view sentence) noexcept {
  static std::atomic<bool> begun{false};
  static thread_local bool is_here = false;
  if (is_here)
    std::_Exit(code);
  is_here = true;
  if (begun.exchange(true))
    for (;;)
      ::pause();
  try {
    log_last_line(sentence);
  } catch (...) {
    static_cast<void>(write_all(STDERR_FILENO, sentence));
    static_cast<void>(write_all(STDERR_FILENO, "\n"));
  }
  try {
    notify_listener(std::string(sentence));
  } catch (...) {
    // Without memory the listener is not called; the exit code remains.
  }
  // Runs no destructors and no exit handlers: other threads still run.
  std::_Exit(code);
}

} // namespace

void set_on_fatal(fatal_listener listener) {
  const std::lock_guard lock(slot().mutex);
  slot().listener.swap(listener);
}

void end_process(std::string_view reason) noexcept {
  end_once(exit_code_storage, reason);
}

void end_stalled(std::string_view reason) noexcept {
  end_once(exit_code_stalled, reason);
}

std::string exception_text(const std::exception_ptr& cause) {
  if (!cause)
    return "std::terminate was called";
  try {
    std::rethrow_exception(cause);
  } catch (const std::exception& failure) {
    const char* text = failure.what();
    return text == nullptr ? "an exception without a text" : text;
  } catch (...) {
    return "an exception of an unknown type";
  }
}

std::string fault_sentence(std::string_view where,
                           const std::exception_ptr& cause) {
  return "Perdura has failed in " + std::string(where) + ": "
         + exception_text(cause)
         + ". The process ends, because the state in memory may be half "
           "changed. Everything acknowledged so far is durable; start the "
           "process again.";
}

void end_after_fault(std::string_view where,
                     const std::exception_ptr& cause) noexcept {
  std::string sentence;
  try {
    sentence = fault_sentence(where, cause);
  } catch (...) {
    end_once(exit_code_fault,
             "Perdura has failed: no memory. Start the process again.");
  }
  end_once(exit_code_fault, sentence);
}

void end_after_fault_on_terminate() {
  std::set_terminate([] {
    end_after_fault("a thread of the process", std::current_exception());
  });
}

} // namespace perdura::persistence
