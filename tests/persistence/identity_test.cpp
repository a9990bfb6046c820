#include "persistence/records/identity.hpp"
#include "persistence/records/keys.hpp"

#include <boost/test/unit_test.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <set>

namespace perdura::persistence {

BOOST_AUTO_TEST_SUITE(identity)

BOOST_AUTO_TEST_CASE(instance_ids_follow_the_rules) {
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

BOOST_AUTO_TEST_CASE(random_ids_are_32_hex_digits_and_differ) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i)
    seen.insert(random_hex32());
  BOOST_TEST(seen.size() == 1000U);
  for (const std::string& id : seen)
    BOOST_TEST(
      (id.size() == 32
       && id.find_first_not_of("0123456789abcdef") == std::string::npos));
}

// Rows of instances that are made at one time lie side by side.
BOOST_AUTO_TEST_CASE(ids_of_later_times_come_later_and_differ) {
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

// What a process has in stock is not for its child, too.
BOOST_AUTO_TEST_CASE(a_forked_child_has_random_ids_of_its_own) {
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

BOOST_AUTO_TEST_CASE(keys_of_the_longest_id_fit) {
  const std::string id(instance_id_size_max, 'x');
  const partition_id p{65535};
  const timestamp t = timestamp::max();
  for (const std::string& key :
       {instance_key(p, id, row_kind::history, 1), due_key(p, t, id, 1),
        activity_key(p, id, 1), created_key(p, t, id),
        status_key(p, runtime_status::failed, t, id)})
    BOOST_TEST(key.size() <= key_size_max);
}

BOOST_AUTO_TEST_CASE(keys_lie_in_the_order_of_what_they_say) {
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
