// SPDX-License-Identifier: Apache-2.0
// The creation of a hub that is interrupted, and directories with other data.
#include "persistence/journal/lane_check.hpp"
#include "persistence/journal/verify.hpp"

#include "damage_tools.hpp"
#include <boost/test/unit_test.hpp>

namespace perdura::persistence {

using namespace testing;
namespace fs = std::filesystem;

namespace {

/// Interrupts a creation after a step, as a crash would. Returns false if the
/// creation has fewer steps.
bool interrupt_creation(const fs::path& directory, const hub_identity& hub,
                        std::uint32_t step) {
  const auto made = create_hub(directory, hub, small_maps,
                               [&](std::uint32_t n) { return n == step; });
  BOOST_TEST((made || made.code() == errc::shutting_down));
  return !made;
}

/// Checks that a directory contains this hub, sound and ready.
void check_is_ready(const fs::path& directory, const hub_identity& hub) {
  const auto stored = read_hub(directory);
  BOOST_TEST_REQUIRE(!!stored);
  BOOST_TEST((*stored == hub));
  const auto checked = verify_hub(directory, small_maps);
  BOOST_TEST_REQUIRE(!!checked);
  BOOST_TEST(checked->problems.empty());
  BOOST_TEST(!fs::exists(directory / "hub.creating"));
  lmdb_journal_options options;
  options.directory = directory;
  options.map_bytes = small_maps;
  options.disk_limits.reserve_bytes = 0;
  BOOST_TEST((open_code(options) == errc::ok));
}

/// A directory in which a creation was interrupted after the given step.
class interrupted_directory {
public:
  explicit interrupted_directory(std::uint32_t step = 11,
                                 std::uint32_t lanes = 1) {
    BOOST_TEST_REQUIRE(interrupt_creation(hub(), small_hub(4, lanes), step));
  }

  fs::path hub() const {
    return directory_.path() / "hub";
  }

  /// Checks that a creation refuses the directory and changes nothing.
  void check_is_refused(const char* what) const {
    const auto before = content_of(hub());
    BOOST_TEST((create_hub(hub(), small_hub(), small_maps).code()
                == errc::storage_foreign),
               what);
    BOOST_TEST((content_of(hub()) == before), what);
  }

private:
  temporary_directory directory_;
};

} // namespace

BOOST_AUTO_TEST_SUITE(hub_directory)

// A process is killed with SIGKILL after each change of the file system.
BOOST_AUTO_TEST_CASE(creation_that_was_killed_at_any_step_is_done_again) {
  std::uint32_t step = 1;
  for (int code = 128 + SIGKILL; code == 128 + SIGKILL; ++step) {
    temporary_directory directory;
    const fs::path place = directory.path() / "hub";
    code = in_child([&] {
      return create_hub(place, small_hub(4, 2), small_maps,
                        [&](std::uint32_t n) {
                          if (n == step)
                            ::kill(::getpid(), SIGKILL);
                          return false;
                        })
               ? 0
               : 1;
    });
    BOOST_TEST_CONTEXT("step " << step) {
      BOOST_TEST((code == 0 || code == 128 + SIGKILL));
      if (fs::exists(place / "hub")) {
        BOOST_TEST(verify_hub(place, small_maps)->problems.empty());
        continue;
      }
      BOOST_TEST((read_hub(place).code() == errc::storage_missing));
      const hub_identity again = small_hub();
      BOOST_TEST(!!create_hub(place, again, small_maps));
      check_is_ready(place, again);
    }
  }
  BOOST_TEST(step > 20U);
}

// The creation that replaces an interrupted one is interrupted too.
BOOST_AUTO_TEST_CASE(creation_that_was_interrupted_twice_is_done_again) {
  for (const std::uint32_t first : {1, 2, 4, 6, 9, 14, 20}) {
    bool is_interrupted = true;
    for (std::uint32_t second = 1; is_interrupted; ++second) {
      temporary_directory directory;
      const fs::path place = directory.path() / "hub";
      BOOST_TEST_REQUIRE(interrupt_creation(place, small_hub(8, 2), first));
      is_interrupted = interrupt_creation(place, small_hub(4, 1), second);
      if (fs::exists(place / "hub"))
        continue;
      const hub_identity again = small_hub(6, 3);
      BOOST_TEST(!!create_hub(place, again, small_maps),
                 "steps " << first << " and " << second);
      check_is_ready(place, again);
    }
  }
}

// As after a power failure: the files are empty, cut off or contain zeros.
BOOST_AUTO_TEST_CASE(files_that_a_creation_has_not_synced_do_not_matter) {
  for (const char* name : {"lane-0/journal/data.mdb", "lane-0/views/data.mdb",
                           "lane-0/journal/lock.mdb"})
    for (const std::size_t size : {0, 100, 4096, 5000, 8192}) {
      const interrupted_directory place;
      const fs::path file = place.hub() / name;
      std::string bytes = read_file(file).substr(0, size);
      write_file(file, bytes);
      const hub_identity hub = small_hub();
      BOOST_TEST(!!create_hub(place.hub(), hub, small_maps), name << size);
      check_is_ready(place.hub(), hub);
      const interrupted_directory other;
      write_file(other.hub() / name, std::string(size, '\0'));
      BOOST_TEST(!!create_hub(other.hub(), hub, small_maps), name << size);
      check_is_ready(other.hub(), hub);
    }
  const interrupted_directory first(2);
  const std::string text = read_file(first.hub() / "hub.creating");
  for (const std::size_t size : {0, 5, 21, 40, 80}) {
    temporary_directory directory;
    write_file(directory.path() / "hub.creating", text.substr(0, size));
    const hub_identity hub = small_hub();
    BOOST_TEST(!!create_hub(directory.path(), hub, small_maps), size);
    check_is_ready(directory.path(), hub);
  }
}

// Nothing that a creation has not written is removed or replaced.
BOOST_AUTO_TEST_CASE(directory_with_other_data_is_refused_and_unchanged) {
  for (const char* name :
       {"notes", "lane-1", "lane-0/notes", "lane-0/journal/notes",
        "lane-0/views/data.mdb.bak", ".hidden"}) {
    const interrupted_directory place;
    write_file(place.hub() / name, "other data");
    place.check_is_refused(name);
  }
  {
    const interrupted_directory place;
    fs::create_directory(place.hub() / "lane-7");
    place.check_is_refused("a lane that the hub does not have");
  }
  {
    const interrupted_directory place;
    fs::rename(place.hub() / "lane-0", place.hub().parent_path() / "elsewhere");
    fs::create_directory_symlink(place.hub().parent_path() / "elsewhere",
                                 place.hub() / "lane-0");
    place.check_is_refused("a link");
  }
  {
    const interrupted_directory place;
    fs::remove(place.hub() / "hub.creating");
    place.check_is_refused("lanes without a marker");
  }
  {
    const interrupted_directory place;
    write_file(place.hub() / "hub.creating", "other data");
    place.check_is_refused("another file with the name of the marker");
  }
  {
    const interrupted_directory place;
    const std::string text = read_file(place.hub() / "hub.creating");
    write_file(place.hub() / "hub.creating", text.substr(0, 60));
    place.check_is_refused("a marker that is cut off, beside lanes");
  }
}

// The file `hub` of a hub with turns was renamed.
BOOST_AUTO_TEST_CASE(lanes_with_turns_are_never_removed) {
  for (const char* other :
       {"lane-0/journal/data.mdb", "lane-0/views/data.mdb"}) {
    lmdb_storage storage;
    write_turns(storage);
    fs::remove(storage.hub() / "lock");
    fs::rename(storage.hub() / "hub", storage.hub() / "hub.creating");
    // One of the files is like that of a new hub.
    fs::remove(storage.hub() / other);
    const auto before = content_of(storage.hub());
    BOOST_TEST((create_hub(storage.hub(), small_hub(), small_maps).code()
                == errc::storage_foreign));
    BOOST_TEST((content_of(storage.hub()) == before));
  }
}

BOOST_AUTO_TEST_CASE(two_creations_at_the_same_time_do_not_disturb_each_other) {
  temporary_directory directory;
  errc second = errc::ok;
  const hub_identity hub = small_hub();
  BOOST_TEST(
    !!create_hub(directory.path(), hub, small_maps, [&](std::uint32_t n) {
      if (n == 5)
        second = create_hub(directory.path(), small_hub(), small_maps).code();
      return false;
    }));
  BOOST_TEST((second == errc::storage_in_use));
  check_is_ready(directory.path(), hub);
}

// Finding H17: `serve --data-dir a/b` with `a` missing.
BOOST_AUTO_TEST_CASE(
  missing_parent_directories_are_created_for_the_owner_only) {
  temporary_directory directory;
  fs::permissions(directory.path(), fs::perms(0755));
  for (const char* name : {"a/b", "c/d/e/f", "g/", "a/b2", "h/./i"}) {
    const hub_identity hub = small_hub();
    const fs::path place = directory.path() / name;
    BOOST_TEST(!!create_hub(place, hub, small_maps), name);
    check_is_ready(place, hub);
  }
  for (const char* name : {"a", "a/b", "c", "c/d", "c/d/e", "h", "h/i"})
    BOOST_TEST((fs::status(directory.path() / name).permissions()
                == fs::perms::owner_all),
               name);
  BOOST_TEST((fs::status(directory.path()).permissions() == fs::perms(0755)));
  write_file(directory.path() / "file", "other data");
  BOOST_TEST((create_hub(directory.path() / "file/hub", small_hub()).code()
              == errc::storage_failed));
}

// A power failure before the sync of `hub.creating` can leave its size without
// its bytes.
BOOST_AUTO_TEST_CASE(creation_follows_a_first_file_of_zeros) {
  const std::string head = "perdura hub, format ";
  for (const std::string& bytes :
       {std::string(), std::string(1, '\0'), std::string(180, '\0'),
        head.substr(0, 7) + std::string(170, '\0'),
        head + "2\n" + std::string(120, '\0')}) {
    const temporary_directory directory;
    std::ofstream(directory.path() / "hub.creating", std::ios::binary) << bytes;
    const auto created = create_hub(directory.path(), small_hub(), small_maps);
    BOOST_TEST((created ? "" : created.error().message) == "");
  }
  // Zeros beside other files are not the rest of a creation.
  const temporary_directory directory;
  std::ofstream(directory.path() / "hub.creating") << std::string(180, '\0');
  std::ofstream(directory.path() / "other") << "x";
  BOOST_TEST((create_hub(directory.path(), small_hub(), small_maps).code()
              == errc::storage_foreign));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::persistence
