// SPDX-License-Identifier: Apache-2.0
#include "persistence/records/identity.hpp"
#include "persistence/records/keys.hpp"
#include "persistence/records/text.hpp"

#include <boost/test/unit_test.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <set>

namespace perdura::persistence {

BOOST_AUTO_TEST_SUITE(identity)

// Checks valid IDs, and IDs that break one rule each: length, reserved
// characters, control characters, malformed UTF-8.
BOOST_AUTO_TEST_CASE(instance_id_rules_are_enforced) {
  for (const std::string& id :
       {std::string("a"), std::string("order-17"), std::string("a@b"),
        std::string("\xC3\xA4\xF0\x9F\x98\x80"), std::string(256, 'x'),
        std::string("a b%2F")})
    BOOST_TEST(static_cast<bool>(check_instance_id(id)), id);
  for (const std::string& id :
       {std::string(), std::string(257, 'x'), std::string("@a"),
        std::string("a/b"), std::string("a\\b"), std::string("a#b"),
        std::string("a?b"), std::string("a\nb"), std::string("a\x7F"),
        std::string("a\xC2\x85"), std::string("a\0b", 3),
        std::string("\xC0\x80"), std::string("\xED\xA0\x80"),
        std::string("\xF4\x90\x80\x80"), std::string("\xE2\x82"),
        std::string("\xFF")})
    BOOST_TEST((check_instance_id(id).code() == errc::invalid_instance_id), id);
}

// Generates a thousand random IDs.
BOOST_AUTO_TEST_CASE(random_ids_are_32_hex_digits_and_unique) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i)
    seen.insert(random_hex32());
  BOOST_TEST(seen.size() == 1000U);
  for (const std::string& id : seen)
    BOOST_TEST(
      (id.size() == 32
       && id.find_first_not_of("0123456789abcdef") == std::string::npos));
}

// Rows of instances that are created at the same time are neighbours in the
// store, because their IDs begin with the time.
BOOST_AUTO_TEST_CASE(time_ordered_ids_sort_by_time_and_are_unique) {
  std::set<std::string> seen;
  std::string before;
  for (int ms = 1; ms <= 1000; ++ms) {
    const timestamp now{std::chrono::milliseconds(1'790'000'000'000 + ms)};
    const std::string id = ordered_hex32(now);
    BOOST_REQUIRE((id.size() == 32 && id > before));
    before = id;
    seen.insert(ordered_hex32(now));
    seen.insert(id);
  }
  BOOST_TEST(seen.size() == 2000U);
}

// The generator buffers random bytes. A child process must not use the bytes
// that its parent has buffered.
BOOST_AUTO_TEST_CASE(forked_child_generates_other_random_ids) {
  static_cast<void>(random_hex32());
  std::array<int, 2> pipe{};
  BOOST_REQUIRE(::pipe(pipe.data()) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string its = random_hex32();
    const ssize_t sent = ::write(pipe[1], its.data(), its.size());
    ::_exit(sent == 32 ? 0 : 1);
  }
  std::string its(32, '\0');
  BOOST_TEST(::read(pipe[0], its.data(), its.size()) == 32);
  int status = 0;
  ::waitpid(child, &status, 0);
  ::close(pipe[0]);
  ::close(pipe[1]);
  BOOST_TEST(its != random_hex32());
}

// LMDB limits the size of a key.
BOOST_AUTO_TEST_CASE(keys_of_the_longest_id_fit_the_key_size_limit) {
  const std::string id(instance_id_size_max, 'x');
  const partition_id p{65535};
  const timestamp t = timestamp::max();
  for (const std::string& key :
       {instance_key(p, id, row_kind::history, 1), due_key(p, t, id, 1),
        activity_key(p, id, 1), created_key(p, t, id),
        status_key(p, runtime_status::failed, t, id)})
    BOOST_TEST(key.size() <= key_size_max);
}

// Range scans over the views rely on this order.
BOOST_AUTO_TEST_CASE(keys_sort_in_the_order_of_their_fields) {
  const partition_id p{3};
  const auto at = [](std::int64_t x) { return timestamp(duration(x)); };
  BOOST_TEST((created_key(p, at(-1), "b") < created_key(p, at(0), "a")));
  BOOST_TEST((created_key(p, at(255), "b") < created_key(p, at(256), "a")));
  BOOST_TEST((created_key(p, at(1), "a") < created_key(p, at(1), "b")));
  BOOST_TEST((instance_key(p, "a", row_kind::history, 9)
              < instance_key(p, "a!", row_kind::record)));
  const auto place = parse_due_key(due_key(p, at(-7), "order-1", 9));
  BOOST_TEST((place && place->fire_at == at(-7) && place->id == "order-1"
              && place->sequence == 9));
  BOOST_TEST(after_prefix("a\xFF") == "b");
  BOOST_TEST(after_prefix("\xFF\xFF").empty());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::persistence
