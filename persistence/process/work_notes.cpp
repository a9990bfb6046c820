// SPDX-License-Identifier: Apache-2.0
#include "persistence/process/work_notes.hpp"

#include <perdura/persistence/records/ids.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>
#include <fstream>
#include <limits>

namespace perdura::persistence {

namespace {

constexpr std::size_t text_bytes_max = 256; // instance IDs and names have less

/// A text of at most `text_bytes_max` bytes; a longer one is cut.
struct noted_text {
  std::uint16_t size;
  char bytes[text_bytes_max];

  void set(std::string_view text) {
    size = static_cast<std::uint16_t>(text.copy(bytes, text_bytes_max));
  }

  std::string get() const {
    return {bytes, std::min<std::size_t>(size, text_bytes_max)};
  }
};

/// A place for one piece of work that runs. A process may die between any two
/// writes: `state` is set last and cleared first.
struct work_slot {
  std::atomic<std::uint32_t> state; ///< A `slot_state`.
  std::atomic<std::uint32_t> ticks; ///< Calls of `tick` since the begin.
  std::atomic<std::uint32_t> mark;  ///< Not 0: the work ended the process.
  work_kind kind;
  std::int64_t began; ///< By the clock that counts since the boot, in ns.
  noted_text instance;
  noted_text name;
};

enum slot_state : std::uint32_t { is_free = 0, is_taken = 1, is_running = 2 };

struct suspect_row {
  std::uint32_t deaths; ///< 0: the row is empty.
  std::uint8_t held;
  std::uint8_t hung;
  work_kind kind;
  noted_text instance;
  noted_text name;
};

constexpr std::array<char, 8> file_magic{'P', 'W', 'N', 'O',
                                         'T', 'E', '1', '\n'};

struct file_head {
  std::array<char, 8> magic;
  std::uint64_t slots;
  std::array<char, 40> boot_id;
  std::atomic<std::int64_t> alive; ///< The last sign of life, as `began`.
  std::atomic<std::uint32_t> clean;
  suspect_row suspects[work_notes::suspects_max];
};

// Another build of the same version reads the same file.
static_assert(std::is_trivially_copyable_v<noted_text>);
static_assert(std::atomic<std::int64_t>::is_always_lock_free);

/// Nanoseconds since the boot, including the time in which the machine sleeps.
std::int64_t since_boot() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::array<char, 40> boot_id() {
  std::array<char, 40> id{};
  std::ifstream("/proc/sys/kernel/random/boot_id").read(id.data(), 36);
  return id;
}

std::size_t bytes_of(std::size_t slots) {
  return sizeof(file_head) + slots * sizeof(work_slot);
}

file_head& head_of(void* memory) {
  return *static_cast<file_head*>(memory);
}

work_slot* slots_of(void* memory) {
  return reinterpret_cast<work_slot*>(static_cast<char*>(memory)
                                      + sizeof(file_head));
}

// The slot of the work that the thread runs. Read by the signal handler.
constinit thread_local work_slot* current_slot = nullptr;

/// The stack of the signal handlers of one thread, so that a stack overflow can
/// be marked. Made when the thread runs its first work.
class signal_stack {
public:
  signal_stack() {
    stack_t before{};
    if (::sigaltstack(nullptr, &before) != 0
        || (before.ss_flags & SS_DISABLE) == 0)
      return; // the program has set one
    memory_ = std::malloc(stack_bytes);
    if (memory_ == nullptr)
      return;
    stack_t own{};
    own.ss_sp = memory_;
    own.ss_size = stack_bytes;
    ::sigaltstack(&own, nullptr);
  }

  ~signal_stack() {
    if (memory_ == nullptr)
      return;
    stack_t none{};
    none.ss_flags = SS_DISABLE;
    ::sigaltstack(&none, nullptr);
    std::free(memory_);
  }

  signal_stack(const signal_stack&) = delete;
  signal_stack& operator=(const signal_stack&) = delete;

private:
  static constexpr std::size_t stack_bytes = 16 * 1'024;
  void* memory_ = nullptr;
};

constexpr std::array<int, 5> fatal_signals{SIGSEGV, SIGBUS, SIGFPE, SIGILL,
                                           SIGABRT};
std::array<struct sigaction, fatal_signals.size()> actions_before;
std::atomic<bool> handlers_are_set{false};

/// Marks the work and restores the handler that was set before: when this one
/// returns, the instruction fails again, or the signal is raised again.
void on_fatal_signal(int number, siginfo_t* /*info*/, void* /*context*/) {
  if (current_slot != nullptr)
    current_slot->mark = static_cast<std::uint32_t>(number);
  for (std::size_t i = 0; i < fatal_signals.size(); ++i)
    if (fatal_signals[i] == number)
      ::sigaction(number, &actions_before[i], nullptr);
  ::raise(number); // delivered when this handler returns
}

// Greater than every signal number.
constexpr std::uint32_t fault_mark = 1'000;

/// Reads what is in the file; nothing if it is not valid.
void read_previous(int descriptor, process_end_notes& end,
                   std::vector<work_suspect>& suspects) {
  struct stat about {};

  if (::fstat(descriptor, &about) != 0
      || static_cast<std::size_t>(about.st_size) < sizeof(file_head))
    return;
  const auto bytes = static_cast<std::size_t>(about.st_size);
  void* const memory
    = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, descriptor, 0);
  if (memory == MAP_FAILED)
    return;
  const file_head& head = head_of(memory);
  if (head.magic == file_magic && head.slots <= bytes
      && bytes_of(head.slots) <= bytes) {
    end.clean = head.clean != 0;
    end.same_boot = head.boot_id == boot_id();
    const work_slot* const slots = slots_of(memory);
    std::int64_t alive = head.alive;
    const auto runs = [&](const work_slot& slot) {
      return slot.state == is_running
             && (slot.kind == work_kind::turn
                 || slot.kind == work_kind::activity);
    };
    for (std::size_t i = 0; i < head.slots; ++i)
      if (runs(slots[i]))
        alive = std::max(alive, slots[i].began);
    for (std::size_t i = 0; i < head.slots; ++i)
      if (runs(slots[i]))
        end.running.push_back(
          {{slots[i].kind, slots[i].instance.get(), slots[i].name.get()},
           std::chrono::nanoseconds(
             std::max<std::int64_t>(alive - slots[i].began, 0)),
           slots[i].mark != 0,
           slots[i].kind == work_kind::turn
             && slots[i].ticks >= work_notes::hung_ticks});
    for (const suspect_row& row : head.suspects)
      if (row.deaths != 0
          && (row.kind == work_kind::turn || row.kind == work_kind::activity))
        suspects.push_back({{row.kind, row.instance.get(), row.name.get()},
                            row.deaths,
                            row.held != 0,
                            row.hung != 0});
  }
  ::munmap(memory, bytes);
}

error cannot(const char* doing, const std::filesystem::path& file) {
  return {errc::storage_failed, std::string(doing) + " " + file.string() + ": "
                                  + std::strerror(errno)};
}

} // namespace

work_notes::work_notes(std::filesystem::path file, int descriptor,
                       std::size_t slots)
  : file_(std::move(file)),
    descriptor_(descriptor),
    slots_(slots),
    bytes_(bytes_of(slots)) {}

work_notes::~work_notes() {
  if (memory_ != nullptr)
    ::munmap(memory_, bytes_);
  ::close(descriptor_);
}

// The space is allocated, because a write to a hole of a mapped file on a full
// disk would end the process.
result<std::unique_ptr<work_notes>>
work_notes::open(const std::filesystem::path& directory,
                 std::size_t slots_max) {
  const std::filesystem::path file = directory / file_name;
  const int descriptor
    = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0)
    return cannot("opening", file);
  std::unique_ptr<work_notes> made(new work_notes(file, descriptor, slots_max));
  read_previous(descriptor, made->previous_, made->previous_suspects_);
  if (::posix_fallocate(descriptor, 0, static_cast<off_t>(made->bytes_)) != 0)
    return cannot("allocating", file);
  void* const memory = ::mmap(nullptr, made->bytes_, PROT_READ | PROT_WRITE,
                              MAP_SHARED, descriptor, 0);
  if (memory == MAP_FAILED)
    return cannot("mapping", file);
  made->memory_ = memory;
  // The suspects stay as they are until `store`: the process may die before.
  file_head& head = head_of(memory);
  const bool was_valid = head.magic == file_magic;
  if (!was_valid)
    std::memset(static_cast<void*>(&head), 0, sizeof head);
  std::memset(static_cast<void*>(slots_of(memory)), 0,
              slots_max * sizeof(work_slot));
  head.slots = slots_max;
  head.boot_id = boot_id();
  head.alive = since_boot();
  head.clean = 0;
  head.magic = file_magic;
  return made;
}

void work_notes::store(const std::vector<work_suspect>& suspects, bool sync) {
  file_head& head = head_of(memory_);
  for (std::size_t i = 0; i < suspects_max; ++i) {
    suspect_row& row = head.suspects[i];
    row.deaths = 0;
    if (i >= suspects.size())
      continue;
    row.kind = suspects[i].work.kind;
    row.held = suspects[i].held ? 1 : 0;
    row.hung = suspects[i].hung ? 1 : 0;
    row.instance.set(suspects[i].work.instance);
    row.name.set(suspects[i].work.name);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    row.deaths = suspects[i].deaths;
  }
  if (sync)
    static_cast<void>(::fdatasync(descriptor_));
}

void work_notes::note_clean_end() {
  head_of(memory_).clean = 1;
}

bool work_notes::any_running() const {
  const work_slot* const slots = slots_of(memory_);
  return std::any_of(slots, slots + slots_, [](const work_slot& slot) {
    return slot.state == is_running;
  });
}

void work_notes::tick() {
  head_of(memory_).alive = since_boot();
  work_slot* const slots = slots_of(memory_);
  for (std::size_t i = 0; i < slots_; ++i)
    if (slots[i].state == is_running)
      ++slots[i].ticks;
}

std::vector<std::pair<work_id, std::uint32_t>> work_notes::hung() const {
  std::vector<std::pair<work_id, std::uint32_t>> found;
  const work_slot* const slots = slots_of(memory_);
  for (std::size_t i = 0; i < slots_; ++i) {
    const work_slot& slot = slots[i];
    if (slot.state != is_running || slot.kind != work_kind::turn
        || slot.ticks < hung_ticks)
      continue;
    work_id work{slot.kind, slot.instance.get(), slot.name.get()};
    const std::uint32_t ticks = slot.ticks;
    // The slot may have been reused while it was read.
    if (slot.state == is_running && ticks >= hung_ticks)
      found.emplace_back(std::move(work), ticks);
  }
  return found;
}

// A thread looks for a free slot where it found one before, so threads seldom
// compete for a slot.
work_notes::running::running(work_notes* notes, work_kind kind,
                             std::string_view instance, std::string_view name)
  : exceptions_(std::uncaught_exceptions()) {
  if (notes == nullptr || current_slot != nullptr)
    return;
  static thread_local signal_stack stack;
  static thread_local std::size_t hint = 0;
  work_slot* const slots = slots_of(notes->memory_);
  for (std::size_t i = 0; i < notes->slots_; ++i) {
    const std::size_t at = (hint + i) % notes->slots_;
    std::uint32_t expected = is_free;
    if (!slots[at].state.compare_exchange_strong(expected, is_taken))
      continue;
    hint = at;
    work_slot& slot = slots[at];
    slot.kind = kind;
    slot.mark.store(0, std::memory_order_relaxed);
    slot.ticks.store(0, std::memory_order_relaxed);
    slot.began = since_boot();
    slot.instance.set(instance);
    slot.name.set(name);
    slot.state.store(is_running);
    slot_ = current_slot = &slot;
    return;
  }
}

work_notes::running::~running() {
  if (slot_ == nullptr)
    return;
  current_slot = nullptr;
  auto& slot = *static_cast<work_slot*>(slot_);
  // User code throws nothing to here: the process is about to end.
  if (std::uncaught_exceptions() > exceptions_)
    slot.mark = fault_mark;
  else
    slot.state.store(is_free);
}

void work_notes::note_fault(std::string_view instance) {
  work_slot* const slots = slots_of(memory_);
  for (std::size_t i = 0; i < slots_; ++i) {
    std::uint32_t expected = is_free;
    if (!slots[i].state.compare_exchange_strong(expected, is_taken))
      continue;
    slots[i].kind = work_kind::turn;
    slots[i].began = since_boot();
    slots[i].instance.set(instance);
    slots[i].name.set({});
    slots[i].mark = fault_mark;
    slots[i].state = is_running;
    return;
  }
}

void work_notes::mark_fatal_signals() {
  if (handlers_are_set.exchange(true))
    return;

  struct sigaction own {};

  own.sa_sigaction = on_fatal_signal;
  own.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  sigemptyset(&own.sa_mask);
  for (std::size_t i = 0; i < fatal_signals.size(); ++i)
    ::sigaction(fatal_signals[i], &own, &actions_before[i]);
}

} // namespace perdura::persistence
