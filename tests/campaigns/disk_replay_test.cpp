// SPDX-License-Identifier: Apache-2.0
// The states after a power failure follow from writes and syncs alone.
#include "tests/persistence/storage_kinds.hpp"

#include "campaigns/disk_replay.hpp"
#include <boost/test/unit_test.hpp>
#include <fcntl.h>
#include <unistd.h>

#include <functional>
#include <set>

namespace perdura::tests {

using persistence::testing::temporary_directory;
namespace fs = std::filesystem;

namespace {

/// Opens a file, works on it and closes it.
void with_file(const fs::path& path, int flags,
               const std::function<void(int)>& work) {
  const int file = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  BOOST_TEST_REQUIRE(file >= 0);
  work(file);
  ::close(file);
}

void write_at(int file, const std::string& bytes, off_t offset) {
  BOOST_TEST_REQUIRE(::pwrite(file, bytes.data(), bytes.size(), offset)
                     == static_cast<ssize_t>(bytes.size()));
}

void sync_directory(const fs::path& path) {
  with_file(path, O_RDONLY, [](int file) { BOOST_TEST(::fsync(file) == 0); });
}

/// Records the work, and returns the content of the file `file` in many states
/// after a power failure at its end: "none" if it is missing.
std::set<std::string>
contents_after(const std::function<void(const fs::path&)>& before,
               const std::function<void(const fs::path&)>& work) {
  const temporary_directory place;
  before(place.path());
  disk_recorder recorder(place.path());
  work(place.path());
  const disk_record record = recorder.stop();
  disk_replay replay(record);
  replay.run_to(record.operations.size());
  BOOST_TEST((replay.written() == read_content(place.path())));
  std::set<std::string> found;
  std::mt19937_64 random(1);
  for (int i = 0; i < 2000; ++i) {
    const disk_content content = replay.after_power_failure(random);
    const auto file = content.find("file");
    found.insert(file == content.end() ? "none" : file->second.value());
  }
  return found;
}

const std::string a_sector(disk_sector_size, 'a');
const std::string b_sector(disk_sector_size, 'b');
const std::string zeros(disk_sector_size, '\0');

void nothing(const fs::path&) {}

void with_one_sector(const fs::path& place) {
  with_file(place / "file", O_CREAT | O_WRONLY,
            [](int file) { write_at(file, a_sector, 0); });
}

} // namespace

BOOST_AUTO_TEST_SUITE(disk_replay_suite)

BOOST_AUTO_TEST_CASE(synced_file_and_entry_are_there) {
  const auto found = contents_after(nothing, [](const fs::path& place) {
    with_file(place / "file", O_CREAT | O_WRONLY, [](int file) {
      write_at(file, a_sector, 0);
      BOOST_TEST(::fdatasync(file) == 0);
    });
    sync_directory(place);
  });
  BOOST_TEST((found == std::set<std::string>{a_sector}));
}

BOOST_AUTO_TEST_CASE(entry_is_lost_without_the_sync_of_its_directory) {
  const auto found = contents_after(nothing, [](const fs::path& place) {
    with_file(place / "file", O_CREAT | O_WRONLY, [](int file) {
      write_at(file, a_sector, 0);
      BOOST_TEST(::fsync(file) == 0);
    });
  });
  BOOST_TEST((found == std::set<std::string>{"none", a_sector}));
}

// Each sector by itself; the length may be there without the bytes.
BOOST_AUTO_TEST_CASE(write_without_a_sync_is_there_in_any_part) {
  const auto found = contents_after(with_one_sector, [](const fs::path& place) {
    with_file(place / "file", O_WRONLY,
              [](int file) { write_at(file, b_sector + b_sector, 0); });
  });
  BOOST_TEST((found
              == std::set<std::string>{a_sector, b_sector, a_sector + zeros,
                                       b_sector + zeros, a_sector + b_sector,
                                       b_sector + b_sector}));
}

BOOST_AUTO_TEST_CASE(write_after_the_sync_is_not_durable) {
  const auto found = contents_after(with_one_sector, [](const fs::path& place) {
    with_file(place / "file", O_WRONLY, [](int file) {
      BOOST_TEST(::fdatasync(file) == 0);
      write_at(file, b_sector, 0);
    });
  });
  BOOST_TEST((found == std::set<std::string>{a_sector, b_sector}));
}

// With O_DSYNC the write itself is durable, and others are not, except in the
// same page of the kernel.
BOOST_AUTO_TEST_CASE(write_with_o_dsync_is_durable_alone) {
  const auto found = contents_after(
    [](const fs::path& place) {
      with_file(place / "file", O_CREAT | O_WRONLY,
                [](int file) { write_at(file, std::string(8192, 'a'), 0); });
    },
    [](const fs::path& place) {
      with_file(place / "file", O_WRONLY, [&](int file) {
        write_at(file, "1", 0);
        write_at(file, "2", 4096);
        with_file(place / "file", O_WRONLY | O_DSYNC,
                  [](int meta) { write_at(meta, "3", 8000); });
      });
    });
  std::set<std::string> heads;
  for (const std::string& each : found) {
    heads.insert(each.substr(0, 1) + each[4096] + each[8000]);
    BOOST_TEST(each.size() == 8192U);
  }
  BOOST_TEST((heads == std::set<std::string>{"a23", "123"}));
}

BOOST_AUTO_TEST_CASE(renamed_file_is_the_old_or_the_new_one) {
  const auto rename_new = [](bool syncs) {
    return contents_after(with_one_sector, [&](const fs::path& place) {
      with_file(place / "new", O_CREAT | O_WRONLY, [&](int file) {
        write_at(file, b_sector, 0);
        if (syncs)
          BOOST_TEST(::fsync(file) == 0);
      });
      BOOST_TEST(::rename((place / "new").c_str(), (place / "file").c_str())
                 == 0);
    });
  };
  BOOST_TEST((rename_new(true) == std::set<std::string>{a_sector, b_sector}));
  // Without the sync of the file, its bytes can be missing.
  BOOST_TEST((rename_new(false)
              == std::set<std::string>{"", zeros, a_sector, b_sector}));
}

BOOST_AUTO_TEST_CASE(removed_file_may_be_there_again) {
  const auto found = contents_after(with_one_sector, [](const fs::path& place) {
    BOOST_TEST(::unlink((place / "file").c_str()) == 0);
  });
  BOOST_TEST((found == std::set<std::string>{"none", a_sector}));
}

BOOST_AUTO_TEST_CASE(file_that_was_emptied_may_have_its_bytes) {
  const auto found = contents_after(with_one_sector, [](const fs::path& place) {
    with_file(place / "file", O_WRONLY | O_TRUNC,
              [](int file) { write_at(file, "b", 0); });
  });
  BOOST_TEST(found.contains(a_sector));
  BOOST_TEST(found.contains(""));
  BOOST_TEST(found.contains("b"));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
