// SPDX-License-Identifier: Apache-2.0
#include "real/failing_allocations.hpp"

#include <sys/prctl.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

namespace perdura::tests {

namespace {

/// The failure to come. Without dynamic initialisation, because operator new
/// runs before that.
struct planned_failure {
  std::atomic<bool> armed{false};
  std::atomic<bool> failed{false};
  std::atomic<std::int64_t> left{0};
  std::array<char, 16> thread{};
};

constinit planned_failure planned;

bool is_on_chosen_thread() {
  std::array<char, 16> name{};
  ::prctl(PR_GET_NAME, name.data(), 0, 0, 0);
  return std::strcmp(name.data(), planned.thread.data()) == 0;
}

/// Returns true if this allocation has to fail.
bool takes_failure() {
  if (!planned.armed.load(std::memory_order_acquire) || !is_on_chosen_thread()
      || planned.left.fetch_sub(1) != 1)
    return false;
  planned.armed = false;
  planned.failed = true;
  return true;
}

} // namespace

void fail_allocation_of(const std::string& thread_name, std::uint64_t n) {
  planned.armed = false;
  planned.failed = false;
  planned.left = static_cast<std::int64_t>(n);
  planned.thread.fill('\0');
  thread_name.copy(planned.thread.data(), planned.thread.size() - 1);
  planned.armed.store(true, std::memory_order_release);
}

bool end_failing_allocations() {
  planned.armed = false;
  return planned.failed;
}

} // namespace perdura::tests

#ifdef __SANITIZE_ADDRESS__
/// AddressSanitizer has forms of new of its own that do not call the function
/// below, while every delete calls the one below. It must not compare them.
extern "C" const char*
__asan_default_options() { // NOLINT(bugprone-reserved-identifier)
  return "alloc_dealloc_mismatch=0";
}
#endif

// The other forms of new and delete call these two.
void* operator new(std::size_t size) {
  if (perdura::tests::takes_failure())
    throw std::bad_alloc();
  if (void* made = std::malloc(size == 0 ? 1 : size))
    return made;
  throw std::bad_alloc();
}

void operator delete(void* pointer) noexcept {
  std::free(pointer);
}

void operator delete(void* pointer, std::size_t) noexcept {
  std::free(pointer);
}
