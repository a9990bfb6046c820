#include "cluster/transport/peer_link.hpp"
#include "persistence/records/keys.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace perdura::tests {

using namespace cluster;
using namespace std::chrono_literals;

namespace {

using packets = std::vector<std::string>;

/// One side, and what has come of it.
struct side {
  explicit side(std::uint64_t first_session)
    : link({}, [n = first_session]() mutable { return n++; }) {
    link.introduce("hello of " + std::to_string(first_session));
  }

  void take(const std::string& bytes, moment now) {
    note(link.take(decode_packet(bytes).value(), now));
  }

  void take(const packets& all, moment now) {
    for (const std::string& one : all)
      take(one, now);
  }

  void note(peer_link::outcome what) {
    if (what.went_down)
      ends.push_back(*what.went_down);
    ups += what.went_up ? 1 : 0;
    for (std::string& message : what.messages)
      got.push_back(std::move(message));
  }

  peer_link link;
  std::vector<std::string> got;
  std::vector<std::string> ends; ///< Why sessions have ended.
  int ups = 0;
};

struct two_sides {
  packets from_a() {
    return a.link.take_packets(now);
  }

  packets from_b() {
    return b.link.take_packets(now);
  }

  /// Carries packets until there are none.
  void flow() {
    for (;;) {
      const packets there = from_a();
      const packets back = from_b();
      if (there.empty() && back.empty())
        return;
      b.take(there, now);
      a.take(back, now);
    }
  }

  void tick() {
    a.note(a.link.tick(now));
    b.note(b.link.tick(now));
  }

  void meet() {
    a.link.path_opened(now);
    b.link.path_opened(now);
    tick();
    flow();
    BOOST_REQUIRE(a.link.is_up());
    BOOST_REQUIRE(b.link.is_up());
  }

  /// Time passes; what is sent arrives, unless a side is not heard.
  void pass(moment time, bool hears_a = true, bool hears_b = true) {
    for (const moment end = now + time; now < end;) {
      now += 20ms;
      tick();
      for (int i = 0; i < 3; ++i) {
        const packets there = from_a();
        const packets back = from_b();
        if (hears_a)
          b.take(there, now);
        if (hears_b)
          a.take(back, now);
      }
    }
  }

  side a{1000};
  side b{2000};
  moment now = 1h;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(peer_link_suite, two_sides)

// --- Sessions ----------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_session_comes_up_whoever_speaks_first) {
  a.link.path_opened(now);
  a.note(a.link.tick(now));
  b.link.path_opened(now); // the other side has come
  flow();
  BOOST_TEST(a.link.is_up());
  BOOST_TEST(b.link.is_up());
  BOOST_TEST(a.ups == 1);
  BOOST_TEST(b.ups == 1);
  a.link.send("to b");
  b.link.send("to a");
  flow();
  BOOST_TEST(a.got == packets{"to a"}, boost::test_tools::per_element());
  BOOST_TEST(b.got == packets{"to b"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_session_comes_up_whatever_becomes_of_its_hellos) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    two_sides w;
    std::mt19937_64 chance(seed);
    w.a.link.path_opened(w.now);
    w.b.link.path_opened(w.now);
    packets to_a;
    packets to_b;
    const auto some = [&](packets& waiting, packets more, side& to) {
      for (std::string& one : more) {
        if (chance() % 3 == 0)
          continue; // lost
        if (chance() % 3 == 0)
          waiting.push_back(one);
        waiting.push_back(std::move(one));
      }
      std::shuffle(waiting.begin(), waiting.end(), chance);
      for (std::uint64_t n = chance() % (waiting.size() + 1); n > 0; --n) {
        to.take(waiting.back(), w.now);
        waiting.pop_back();
      }
    };
    for (int i = 0; i < 100; ++i) {
      w.now += 20ms;
      w.tick();
      some(to_b, w.from_a(), w.b);
      some(to_a, w.from_b(), w.a);
    }
    w.b.take(to_b, w.now);
    w.a.take(to_a, w.now);
    w.pass(3s); // the weather is fine again
    BOOST_TEST(w.a.link.is_up());
    BOOST_TEST(w.b.link.is_up());
    w.a.got.clear();
    w.b.got.clear();
    w.a.link.send("x");
    w.b.link.send("y");
    w.flow();
    BOOST_TEST(w.b.got == packets{"x"}, boost::test_tools::per_element());
    BOOST_TEST(w.a.got == packets{"y"}, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(data_of_a_session_that_has_ended_is_nothing) {
  meet();
  a.link.send("old");
  const packets old = from_a();
  b.note(b.link.reset("test"));
  pass(1s);
  BOOST_TEST(a.link.is_up());
  BOOST_TEST(b.link.is_up());
  BOOST_TEST(a.ends.size() == 1);
  b.take(old, now);
  BOOST_TEST(b.got.empty());
  a.link.send("new");
  flow();
  BOOST_TEST(b.got == packets{"new"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(nothing_of_an_old_session_appears_in_a_new_one) {
  meet();
  const std::string half(packet_bytes_max, 'x');
  a.link.send(half + "rest");
  const packets cut = from_a();
  BOOST_REQUIRE(cut.size() == 2);
  b.take(cut[0], now); // half a message is there
  a.link.send("not sent yet");
  a.note(a.link.reset("test"));
  pass(1s);
  BOOST_TEST(a.link.is_up());
  a.link.send("new");
  flow();
  b.take(cut[1], now);
  BOOST_TEST(b.got == packets{"new"}, boost::test_tools::per_element());
  BOOST_TEST(!b.link.is_crowded());
}

BOOST_AUTO_TEST_CASE(a_restarted_side_begins_a_new_session) {
  meet();
  side again{3000};
  again.link.path_opened(now);
  again.note(again.link.tick(now));
  b.take(again.link.take_packets(now), now);
  BOOST_TEST(b.ends.size() == 1);
  BOOST_TEST(b.ends[0].find("new session") != std::string::npos);
  again.take(from_b(), now);
  b.take(again.link.take_packets(now), now);
  BOOST_TEST(again.link.is_up());
  BOOST_TEST(b.link.is_up());
  BOOST_TEST(b.ups == 2);
}

BOOST_AUTO_TEST_CASE(a_path_that_ends_ends_the_session_until_the_next_one) {
  meet();
  a.note(a.link.path_closed("cable"));
  b.note(b.link.path_closed("cable"));
  BOOST_TEST(a.ends == packets{"cable"}, boost::test_tools::per_element());
  BOOST_TEST((a.link.wake_at() == moment::max()));
  pass(2s);
  BOOST_TEST(!a.link.is_up());
  a.link.send("nobody is there");
  BOOST_TEST(from_a().empty());
  meet();
  BOOST_TEST(a.ups == 2);
}

// --- The stream --------------------------------------------------------------

BOOST_AUTO_TEST_CASE(what_comes_twice_is_taken_once) {
  meet();
  a.link.send("one");
  const packets first = from_a();
  a.link.send("two");
  const packets second = from_a();
  for (const packets& each : {first, first, second, first, second})
    b.take(each, now);
  const packets both{"one", "two"};
  BOOST_TEST(b.got == both, boost::test_tools::per_element());
  BOOST_TEST(b.ends.empty());
}

BOOST_AUTO_TEST_CASE(what_overtakes_is_put_in_order) {
  meet();
  packets sent;
  packets expected;
  for (int i = 0; i < 60; ++i) {
    expected.push_back(std::to_string(i));
    a.link.send(expected.back());
    for (std::string& one : from_a())
      sent.push_back(std::move(one));
  }
  std::mt19937_64 chance(7);
  std::shuffle(sent.begin(), sent.end(), chance);
  b.take(sent, now);
  BOOST_TEST(b.got == expected, boost::test_tools::per_element());
  BOOST_TEST(b.link.is_up());
}

BOOST_AUTO_TEST_CASE(a_gap_that_does_not_close_ends_the_session) {
  meet();
  a.link.send("lost");
  from_a();
  a.link.send("taken too early");
  flow();
  BOOST_TEST(b.got.empty());
  pass(1s);
  BOOST_REQUIRE(b.ends.size() == 1);
  BOOST_TEST(b.ends[0].find("lost on the way") != std::string::npos);
  BOOST_TEST(a.ends.size() == 1);
  BOOST_TEST(b.got.empty());
  BOOST_TEST(a.link.is_up()); // a new one
  BOOST_TEST(b.link.is_up());
}

BOOST_AUTO_TEST_CASE(the_last_packet_is_missed_too) {
  meet();
  a.link.send("lost, and nothing follows");
  from_a();
  pass(1s); // a heartbeat tells
  BOOST_TEST(b.ends.size() == 1);
}

BOOST_AUTO_TEST_CASE(a_gap_that_closes_in_time_is_no_harm) {
  meet();
  a.link.send("one");
  const packets late = from_a();
  a.link.send("two");
  flow();
  pass(200ms);
  b.take(late, now);
  pass(2s);
  const packets both{"one", "two"};
  BOOST_TEST(b.got == both, boost::test_tools::per_element());
  BOOST_TEST(b.ends.empty());
}

BOOST_AUTO_TEST_CASE(too_many_that_overtake_are_a_loss) {
  meet();
  a.link.send("lost");
  from_a();
  for (int i = 0; i < 100; ++i) {
    a.link.send("more");
    b.take(from_a(), now);
  }
  BOOST_REQUIRE(b.ends.size() == 1);
  BOOST_TEST(b.got.empty());
}

BOOST_AUTO_TEST_CASE(a_long_message_crosses_in_pieces) {
  meet();
  std::string longest;
  for (std::size_t i = 0; i < 5 * packet_bytes_max + 12'345; ++i)
    longest += static_cast<char>(i * 31 % 251);
  a.link.send("before");
  a.link.send(longest);
  a.link.send("");
  a.link.send("after");
  const packets sent = from_a();
  BOOST_TEST(sent.size() == 7);
  const std::size_t head = encode_packet({}).size();
  for (const std::string& one : sent)
    BOOST_TEST(one.size() <= packet_bytes_max + head);
  b.take(sent, now);
  BOOST_REQUIRE(b.got.size() == 4);
  BOOST_TEST(b.got[0] == "before");
  BOOST_TEST((b.got[1] == longest));
  BOOST_TEST(b.got[2].empty());
  BOOST_TEST(b.got[3] == "after");
}

BOOST_AUTO_TEST_CASE(a_message_that_is_too_long_ends_the_session) {
  meet();
  std::string frame
    = persistence::big_endian(std::uint64_t{stream_message_bytes_max} + 1);
  packet what;
  what.kind = packet_kind::data;
  what.from = a.link.session();
  what.to = b.link.session();
  what.number = 1;
  what.bytes = frame;
  b.take(encode_packet(what), now);
  BOOST_REQUIRE(b.ends.size() == 1);
  BOOST_TEST(b.ends[0].find("too long") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(who_does_not_keep_up_is_crowded_until_it_does) {
  meet();
  const std::string bytes(packet_bytes_max, 'x');
  packets sent;
  for (std::size_t i = 0; i < unconfirmed_bytes_max / bytes.size(); ++i) {
    BOOST_TEST(!a.link.is_crowded());
    a.link.send(bytes);
    for (std::string& one : from_a())
      sent.push_back(std::move(one));
  }
  BOOST_TEST(a.link.is_crowded());
  b.take(sent, now);
  pass(400ms); // a heartbeat confirms
  BOOST_TEST(!a.link.is_crowded());
}

// --- Time --------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(heartbeats_keep_a_session_up) {
  meet();
  pass(1min);
  BOOST_TEST(a.ups == 1);
  BOOST_TEST(b.ups == 1);
  BOOST_TEST(a.ends.empty());
  BOOST_TEST(b.ends.empty());
}

BOOST_AUTO_TEST_CASE(silence_ends_a_session_on_both_sides) {
  meet();
  pass(1s, false, false);
  BOOST_TEST(a.link.is_up()); // not yet
  pass(300ms, false, false);
  BOOST_TEST(!a.link.is_up());
  BOOST_TEST(!b.link.is_up());
  BOOST_REQUIRE(a.ends.size() == 1);
  BOOST_TEST(a.ends[0].find("nothing was heard") != std::string::npos);
  pass(1s);
  BOOST_TEST(a.ups == 2);
  BOOST_TEST(b.ups == 2);
}

BOOST_AUTO_TEST_CASE(silence_of_one_side_ends_the_session_on_both) {
  meet();
  pass(3s, true, false); // b is not heard
  BOOST_TEST(!a.link.is_up());
  BOOST_TEST(!b.link.is_up());
  BOOST_TEST(b.ups == 1); // and does not come up again
  pass(1s);
  BOOST_TEST(a.link.is_up());
  BOOST_TEST(b.link.is_up());
}

BOOST_AUTO_TEST_CASE(a_link_says_when_it_wants_to_be_looked_at) {
  BOOST_TEST((a.link.wake_at() == moment::max()));
  a.link.path_opened(now);
  BOOST_TEST((a.link.wake_at() <= now));
  b.link.path_opened(now);
  tick();
  flow();
  BOOST_TEST((a.link.wake_at() > now));
  BOOST_TEST((a.link.wake_at() <= now + link_times{}.heartbeat_interval));
}

// --- Anything at all ---------------------------------------------------------

BOOST_AUTO_TEST_CASE(whatever_the_weather_each_session_is_a_whole_prefix) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    two_sides w;
    std::mt19937_64 chance(seed);
    w.a.link.path_opened(w.now);
    w.b.link.path_opened(w.now);
    packets flying;
    int next = 0;
    for (int i = 0; i < 400; ++i) {
      w.now += 10ms;
      w.tick();
      if (w.a.link.is_up() && chance() % 2 == 0)
        w.a.link.send(std::to_string(w.a.link.session()) + " "
                      + std::to_string(next++));
      for (std::string& one : w.from_a())
        if (chance() % 30 != 0)
          flying.push_back(std::move(one));
      if (!flying.empty() && chance() % 2 == 0)
        flying.push_back(flying[chance() % flying.size()]);
      while (flying.size() > chance() % 5) {
        const std::size_t n = chance() % flying.size();
        w.b.take(flying[n], w.now);
        flying.erase(flying.begin() + static_cast<std::ptrdiff_t>(n));
      }
      w.a.take(w.from_b(), w.now);
    }
    // Within a session numbers are dense; sessions do not mix.
    std::string session;
    int last = -1;
    for (const std::string& one : w.b.got) {
      const std::size_t blank = one.find(' ');
      const int number = std::stoi(one.substr(blank));
      if (one.substr(0, blank) == session)
        BOOST_TEST(number == last + 1);
      else
        BOOST_TEST(number > last);
      session = one.substr(0, blank);
      last = number;
    }
    BOOST_TEST(!w.b.got.empty());
  }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
