// SPDX-License-Identifier: Apache-2.0
/// The file `peers` when the file system reports errors.
#include "cluster/placement/peer_register.hpp"
#include "tests/support/contains.hpp"
#include "tests/support/temp_directory.hpp"

#include <boost/test/unit_test.hpp>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <thread>

namespace perdura::tests {

using cluster::peer_register;
using persistence::errc;

namespace {

/// While it lives, this process can write at most `bytes` to a file.
class file_size_limit {
public:
  explicit file_size_limit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit lower = before_;
    lower.rlim_cur = bytes;
    handler_before_ = std::signal(SIGXFSZ, SIG_IGN);
    ::setrlimit(RLIMIT_FSIZE, &lower);
  }

  ~file_size_limit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_before_);
  }

  file_size_limit(const file_size_limit&) = delete;
  file_size_limit& operator=(const file_size_limit&) = delete;

private:
  rlimit before_{};
  void (*handler_before_)(int) = nullptr;
};

} // namespace

BOOST_AUTO_TEST_SUITE(peer_register_suite)

// The name `peers` leads to itself, so the system cannot say whether the file
// exists. To go on without records would admit every data directory.
BOOST_AUTO_TEST_CASE(file_that_cannot_be_examined_is_an_error) {
  temp_directory home;
  std::filesystem::create_symlink("peers", home.path() / "peers");
  const auto opened = peer_register::open(home.path());
  BOOST_REQUIRE(!opened);
  BOOST_TEST((opened.code() == errc::storage_failed));
  BOOST_TEST(contains(opened.error().message, "peers"));
}

// A directory can be opened but not read. The advice to remove a damaged file
// would be wrong here.
BOOST_AUTO_TEST_CASE(file_that_cannot_be_read_is_not_called_damaged) {
  temp_directory home;
  std::filesystem::create_directory(home.path() / "peers");
  const auto opened = peer_register::open(home.path());
  BOOST_REQUIRE(!opened);
  BOOST_TEST((opened.code() == errc::storage_failed));
  BOOST_TEST(contains(opened.error().message, "Cannot read"));
}

// The file system accepts the first ten bytes only.
BOOST_AUTO_TEST_CASE(failed_write_names_its_cause) {
  temp_directory home;
  auto peers = peer_register::open(home.path()).value();
  persistence::result<void> written;
  {
    const file_size_limit limit(10);
    errno = 0;
    written = peers->record_admission();
  }
  BOOST_REQUIRE(!written);
  BOOST_TEST((written.code() == errc::storage_failed));
  BOOST_TEST(contains(written.error().message, "File too large"));
  BOOST_TEST(!peers->was_admitted());
}

// The new file is a pipe, so the write blocks until the test reads: its text is
// longer than what a pipe holds. Then it fails, because a pipe has no storage.
BOOST_AUTO_TEST_CASE(admission_counts_only_when_it_is_durable) {
  temp_directory home;
  auto peers = peer_register::open(home.path()).value();
  cluster::peer_hello hello;
  hello.node = "node-2";
  hello.directory = std::string(std::size_t{1} << 20U, 'd');
  BOOST_REQUIRE(static_cast<bool>(peers->admit(hello)));
  const auto pipe_path = home.path() / "peers.new";
  BOOST_REQUIRE(::mkfifo(pipe_path.c_str(), 0600) == 0);
  persistence::result<void> written;
  std::thread writer([&] { written = peers->record_admission(); });
  const int reader = ::open(pipe_path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool was_early = peers->was_admitted();
  char buffer[4096];
  while (::read(reader, buffer, sizeof buffer) > 0) {
  }
  writer.join();
  ::close(reader);
  BOOST_TEST(!was_early);
  BOOST_TEST(!written);
  BOOST_TEST(!peers->was_admitted());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
