// SPDX-License-Identifier: Apache-2.0
#include "persistence/process/work_notes.hpp"
#include "tests/support/temp_directory.hpp"

#include "in_child.hpp"
#include <boost/test/unit_test.hpp>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace perdura::persistence {

namespace {

/// Runs `work` with new notes in a process that then dies.
template <class F>
void die_in(const std::filesystem::path& directory, F work) {
  testing::in_child([&] {
    for (const int number : {SIGFPE, SIGILL})
      ::signal(number, SIG_DFL); // as in_child does for the others
    auto notes = work_notes::open(directory, 8).value();
    work(*notes);
    ::kill(::getpid(), SIGKILL);
    return 0;
  });
}

process_end_notes read_notes(const std::filesystem::path& directory) {
  return work_notes::open(directory, 8).value()->previous();
}

} // namespace

BOOST_AUTO_TEST_SUITE(work_notes_suite)

BOOST_AUTO_TEST_CASE(notes_survive_the_process) {
  tests::temp_directory home;
  die_in(home.path(), [](work_notes& notes) {
    { const work_notes::running ended(&notes, work_kind::turn, "ended", ""); }
    const work_notes::running turn(&notes, work_kind::turn, "a", "");
    std::thread([&] {
      const work_notes::running activity(&notes, work_kind::activity, "b",
                                         "Charge");
      ::kill(::getpid(), SIGKILL);
    }).join();
  });
  const process_end_notes end = read_notes(home.path());
  BOOST_TEST(!end.clean);
  BOOST_TEST(end.same_boot);
  BOOST_REQUIRE(end.running.size() == 2U);
  std::vector<work_id> works{end.running[0].work, end.running[1].work};
  std::sort(works.begin(), works.end());
  BOOST_TEST((works[0] == work_id{work_kind::turn, "a", ""}));
  BOOST_TEST((works[1] == work_id{work_kind::activity, "b", "Charge"}));
  BOOST_TEST(!end.running[0].marked);
}

BOOST_AUTO_TEST_CASE(clean_end_and_first_start_are_no_deaths) {
  tests::temp_directory home;
  BOOST_TEST(read_notes(home.path()).clean);
  die_in(home.path(), [](work_notes& notes) { notes.note_clean_end(); });
  BOOST_TEST(read_notes(home.path()).clean);
  die_in(home.path(), [](work_notes&) {});
  BOOST_TEST(!read_notes(home.path()).clean);
}

// The signals of the code itself, and a stack that is used up.
BOOST_AUTO_TEST_CASE(fatal_signals_mark_the_work_of_their_thread) {
  for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
    tests::temp_directory home;
    die_in(home.path(), [&](work_notes& notes) {
      work_notes::mark_fatal_signals();
      const work_notes::running bystander(&notes, work_kind::turn, "a", "");
      std::thread([&] {
        const work_notes::running culprit(&notes, work_kind::activity, "b",
                                          "B");
        ::raise(number);
      }).join();
    });
    const process_end_notes end = read_notes(home.path());
    BOOST_REQUIRE(end.running.size() == 2U);
    for (const work_left& left : end.running)
      BOOST_TEST(left.marked == (left.work.instance == "b"));
  }
}

BOOST_AUTO_TEST_CASE(exception_that_leaves_the_work_marks_it) {
  tests::temp_directory home;
  die_in(home.path(), [](work_notes& notes) {
    try {
      const work_notes::running work(&notes, work_kind::turn, "a", "");
      throw 17;
    } catch (int) {
      notes.note_fault("b");
    }
  });
  const process_end_notes end = read_notes(home.path());
  BOOST_REQUIRE(end.running.size() == 2U);
  BOOST_TEST(end.running[0].marked);
  BOOST_TEST(end.running[1].marked);
}

BOOST_AUTO_TEST_CASE(turns_without_return_are_hung_after_some_ticks) {
  tests::temp_directory home;
  die_in(home.path(), [](work_notes& notes) {
    const work_notes::running work(&notes, work_kind::turn, "a", "");
    for (std::uint32_t i = 0; i < work_notes::hung_ticks; ++i)
      notes.tick();
    if (notes.hung().size() == 1)
      ::kill(::getpid(), SIGKILL);
  });
  const process_end_notes end = read_notes(home.path());
  BOOST_REQUIRE(end.running.size() == 1U);
  BOOST_TEST(end.running[0].hung);
}

BOOST_AUTO_TEST_CASE(suspects_are_kept) {
  tests::temp_directory home;
  const std::vector<work_suspect> suspects{
    {{work_kind::activity, "a", "A"}, 3, true, false},
    {{work_kind::turn, std::string(256, 'b'), ""}, 2, false, false}};
  work_notes::open(home.path(), 8).value()->store(suspects, true);
  BOOST_TEST((work_notes::open(home.path(), 20).value()->previous_suspects()
              == suspects));
  // They stay until others are stored.
  BOOST_TEST((work_notes::open(home.path(), 4).value()->previous_suspects()
              == suspects));
  work_notes::open(home.path(), 4).value()->store({}, false);
  BOOST_TEST(
    work_notes::open(home.path(), 4).value()->previous_suspects().empty());
}

// Files of other contents: empty, short, of another program, and random bits.
BOOST_AUTO_TEST_CASE(file_that_is_not_valid_is_replaced) {
  tests::temp_directory home;
  const auto file = home.path() / work_notes::file_name;
  for (const std::string& text :
       {std::string(), std::string("PWNOTE1\n"), std::string(300'000, 'x'),
        "PWNOTE1\n" + std::string(300'000, '\xff')}) {
    std::ofstream(file, std::ios::trunc) << text;
    auto opened = work_notes::open(home.path(), 8);
    BOOST_REQUIRE(static_cast<bool>(opened));
    const work_notes::running work(opened->get(), work_kind::turn, "a", "");
    BOOST_TEST((*opened)->any_running());
  }
}

BOOST_AUTO_TEST_CASE(without_free_slots_nothing_is_noted) {
  tests::temp_directory home;
  auto notes = work_notes::open(home.path(), 1).value();
  const work_notes::running first(notes.get(), work_kind::turn, "a", "");
  std::thread([&] {
    const work_notes::running second(notes.get(), work_kind::turn, "b", "");
    BOOST_TEST(notes->any_running());
  }).join();
  BOOST_TEST(notes->any_running());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::persistence
