// SPDX-License-Identifier: Apache-2.0
// The last resort for exceptions of Perdura's own code.
#include "persistence/process/guarded_call.hpp"
#include "persistence/process/process_counters.hpp"
#include "persistence/process/process_end.hpp"

#include "in_child.hpp"
#include <boost/test/unit_test.hpp>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>

namespace perdura::persistence {

namespace {

/// Runs `work` in a process of its own, whose `on_fatal` writes the sentence to
/// a pipe. Returns the exit code and what was written.
template <class F>
std::pair<int, std::string> end_of(F work) {
  std::array<int, 2> ends{};
  BOOST_REQUIRE(::pipe(ends.data()) == 0);
  const int code = testing::in_child([&] {
    set_on_fatal([to = ends[1]](const std::string& sentence) {
      static_cast<void>(::write(to, sentence.data(), sentence.size()));
    });
    work();
    return 0;
  });
  ::close(ends[1]);
  std::string text(4096, '\0');
  text.resize(static_cast<std::size_t>(
    std::max<ssize_t>(::read(ends[0], text.data(), text.size()), 0)));
  ::close(ends[0]);
  return {code, text};
}

/// An exception whose text is null, as a class of a library may have it.
struct null_text : std::exception {
  const char* what() const noexcept override {
    return nullptr;
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(process_end)

BOOST_AUTO_TEST_CASE(exception_of_a_thread_ends_the_process_with_code_70) {
  const auto [code, text] = end_of([] {
    std::thread([] {
      run_thread_body("the thread of a test", [] { throw std::bad_alloc(); });
    }).join();
  });
  BOOST_TEST(code == exit_code_fault);
  BOOST_TEST(text.starts_with("Perdura has failed in the thread of a test: "));
  BOOST_TEST(text.find("bad_alloc") != text.npos);
}

BOOST_AUTO_TEST_CASE(failed_disk_ends_the_process_with_code_74) {
  const auto [code, text] = end_of([] { end_process("the disk has failed"); });
  BOOST_TEST(code == exit_code_storage);
  BOOST_TEST(text == "the disk has failed");
}

BOOST_AUTO_TEST_CASE(exceptions_without_a_text_have_a_sentence) {
  const auto text_of = [](const auto& value) {
    return exception_text(std::make_exception_ptr(value));
  };
  BOOST_TEST(text_of(std::runtime_error("kaboom")) == "kaboom");
  BOOST_TEST(text_of(null_text()) == "an exception without a text");
  BOOST_TEST(text_of(17) == "an exception of an unknown type");
  BOOST_TEST(exception_text(nullptr) == "std::terminate was called");
}

BOOST_AUTO_TEST_CASE(failing_listener_does_not_change_the_exit_code) {
  const int code = testing::in_child([] {
    set_on_fatal([](const std::string&) { throw std::runtime_error("no"); });
    end_after_fault("a test", std::make_exception_ptr(std::bad_alloc()));
    return 0;
  });
  BOOST_TEST(code == exit_code_fault);
}

// Regression: two threads that fail at the same time called the function twice.
BOOST_AUTO_TEST_CASE(listener_is_called_once) {
  const auto [code, text] = end_of([] {
    std::array<std::thread, 8> threads;
    for (std::thread& each : threads)
      each = std::thread(
        [] { run_thread_body("x", [] { throw std::runtime_error("y"); }); });
    for (std::thread& each : threads)
      each.join();
  });
  BOOST_TEST(code == exit_code_fault);
  BOOST_TEST(text.find("Perdura has failed", 1) == text.npos);
}

BOOST_AUTO_TEST_CASE(terminate_ends_the_process_with_code_70) {
  const auto [code, text] = end_of([] {
    end_after_fault_on_terminate();
    std::thread([] { throw std::runtime_error("in a thread"); }).join();
  });
  BOOST_TEST(code == exit_code_fault);
  BOOST_TEST(text.find("in a thread") != text.npos);
}

// Regression: the text of the line was built outside the guard, so an exception
// in it ended the process.
BOOST_AUTO_TEST_CASE(exception_in_the_description_of_a_callback_is_caught) {
  const auto before = counters_of_process().callback_failures.load();
  const auto describe = []() -> std::string { throw std::bad_alloc(); };
  BOOST_TEST(!guarded_call(log_channel::actors, describe,
                           [] { throw std::runtime_error("kaboom"); }));
  BOOST_TEST(!guarded_call(log_channel::actors, describe, [] { throw 17; }));
  BOOST_TEST(guarded_call(log_channel::actors, describe, [] {}));
  BOOST_TEST(counters_of_process().callback_failures.load() == before + 2);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::persistence
