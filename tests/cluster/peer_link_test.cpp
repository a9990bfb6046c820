// SPDX-License-Identifier: Apache-2.0
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

/// One end of a link, with the messages and events that it has reported.
struct link_side {
  explicit link_side(std::uint64_t first_session)
    : link({}, [n = first_session]() mutable { return n++; }) {
    link.set_hello("hello of " + std::to_string(first_session));
  }

  void take(const std::string& bytes, steady_time now) {
    note(link.receive(decode_packet(bytes).value(), now));
  }

  void take(const packets& all, steady_time now) {
    for (const std::string& one : all)
      take(one, now);
  }

  void note(peer_link::outcome what) {
    if (what.session_ended)
      ends.push_back(*what.session_ended);
    ups += what.session_began ? 1 : 0;
    for (std::string& message : what.messages)
      received.push_back(std::move(message));
  }

  peer_link link;
  std::vector<std::string> received;
  std::vector<std::string> ends; ///< Reasons for the ends of sessions.
  int ups = 0;                   ///< Number of established sessions.
};

struct two_sides {
  packets from_a() {
    return a.link.drain_packets(now);
  }

  packets from_b() {
    return b.link.drain_packets(now);
  }

  /// Exchanges packets until neither side sends any.
  void deliver_packets() {
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

  void establish_session() {
    a.link.path_opened(now);
    b.link.path_opened(now);
    tick();
    deliver_packets();
    BOOST_REQUIRE(a.link.is_up());
    BOOST_REQUIRE(b.link.is_up());
  }

  /// Lets time pass and exchanges packets. The packets of a are lost if
  /// `delivers_from_a` is false, and those of b if `delivers_from_b` is false.
  void advance_time(steady_time time, bool delivers_from_a = true,
                    bool delivers_from_b = true) {
    for (const steady_time end = now + time; now < end;) {
      now += 20ms;
      tick();
      for (int i = 0; i < 3; ++i) {
        const packets there = from_a();
        const packets back = from_b();
        if (delivers_from_a)
          b.take(there, now);
        if (delivers_from_b)
          a.take(back, now);
      }
    }
  }

  link_side a{1000};
  link_side b{2000};
  steady_time now = 1h;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(peer_link_suite, two_sides)

// --- Sessions ----------------------------------------------------------------

// The second side opens its path after the hello of the first side was sent.
BOOST_AUTO_TEST_CASE(session_is_established_from_either_side) {
  a.link.path_opened(now);
  a.note(a.link.tick(now));
  b.link.path_opened(now);
  deliver_packets();
  BOOST_TEST(a.link.is_up());
  BOOST_TEST(b.link.is_up());
  BOOST_TEST(a.ups == 1);
  BOOST_TEST(b.ups == 1);
  a.link.send("to b");
  b.link.send("to a");
  deliver_packets();
  BOOST_TEST(a.received == packets{"to a"}, boost::test_tools::per_element());
  BOOST_TEST(b.received == packets{"to b"}, boost::test_tools::per_element());
}

// Packets are lost, duplicated and reordered for two seconds; then both sides
// must establish a session that works.
BOOST_AUTO_TEST_CASE(session_is_established_despite_lost_hellos) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    two_sides w;
    std::mt19937_64 chance(seed);
    w.a.link.path_opened(w.now);
    w.b.link.path_opened(w.now);
    packets to_a;
    packets to_b;
    const auto some = [&](packets& waiting, packets more, link_side& to) {
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
    w.advance_time(3s); // without faults
    BOOST_TEST(w.a.link.is_up());
    BOOST_TEST(w.b.link.is_up());
    w.a.received.clear();
    w.b.received.clear();
    w.a.link.send("x");
    w.b.link.send("y");
    w.deliver_packets();
    BOOST_TEST(w.b.received == packets{"x"}, boost::test_tools::per_element());
    BOOST_TEST(w.a.received == packets{"y"}, boost::test_tools::per_element());
  }
}

// A packet of the old session arrives after the new session was established.
BOOST_AUTO_TEST_CASE(data_of_an_ended_session_is_dropped) {
  establish_session();
  a.link.send("old");
  const packets old = from_a();
  b.note(b.link.reset("test"));
  advance_time(1s);
  BOOST_TEST(a.link.is_up());
  BOOST_TEST(b.link.is_up());
  BOOST_TEST(a.ends.size() == 1);
  b.take(old, now);
  BOOST_TEST(b.received.empty());
  a.link.send("new");
  deliver_packets();
  BOOST_TEST(b.received == packets{"new"}, boost::test_tools::per_element());
}

// When the session ends, b has received half of a long message, and a has not
// yet sent another message.
BOOST_AUTO_TEST_CASE(partial_message_does_not_leak_into_a_new_session) {
  establish_session();
  const std::string half(packet_bytes_max, 'x');
  a.link.send(half + "rest");
  const packets cut = from_a();
  BOOST_REQUIRE(cut.size() == 2);
  b.take(cut[0], now); // the first half of the message
  a.link.send("not sent yet");
  a.note(a.link.reset("test"));
  advance_time(1s);
  BOOST_TEST(a.link.is_up());
  a.link.send("new");
  deliver_packets();
  b.take(cut[1], now);
  BOOST_TEST(b.received == packets{"new"}, boost::test_tools::per_element());
  BOOST_TEST(!b.link.is_congested());
}

// A hello with a new session number ends the old session on the other side.
BOOST_AUTO_TEST_CASE(restarted_side_begins_a_new_session) {
  establish_session();
  link_side again{3000};
  again.link.path_opened(now);
  again.note(again.link.tick(now));
  b.take(again.link.drain_packets(now), now);
  BOOST_TEST(b.ends.size() == 1);
  BOOST_TEST(b.ends[0].find("new session") != std::string::npos);
  again.take(from_b(), now);
  b.take(again.link.drain_packets(now), now);
  BOOST_TEST(again.link.is_up());
  BOOST_TEST(b.link.is_up());
  BOOST_TEST(b.ups == 2);
}

// Messages that are sent without a session are dropped.
BOOST_AUTO_TEST_CASE(closed_path_ends_the_session) {
  establish_session();
  a.note(a.link.path_closed("cable"));
  b.note(b.link.path_closed("cable"));
  BOOST_TEST(a.ends == packets{"cable"}, boost::test_tools::per_element());
  BOOST_TEST((a.link.wake_at() == steady_time::max()));
  advance_time(2s);
  BOOST_TEST(!a.link.is_up());
  a.link.send("without a session");
  BOOST_TEST(from_a().empty());
  establish_session();
  BOOST_TEST(a.ups == 2);
}

// --- Order and completeness --------------------------------------------------

// Each of two packets arrives several times.
BOOST_AUTO_TEST_CASE(duplicate_packets_are_delivered_once) {
  establish_session();
  a.link.send("one");
  const packets first = from_a();
  a.link.send("two");
  const packets second = from_a();
  for (const packets& each : {first, first, second, first, second})
    b.take(each, now);
  const packets both{"one", "two"};
  BOOST_TEST(b.received == both, boost::test_tools::per_element());
  BOOST_TEST(b.ends.empty());
}

// Sixty packets arrive in random order.
BOOST_AUTO_TEST_CASE(reordered_packets_are_delivered_in_order) {
  establish_session();
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
  BOOST_TEST(b.received == expected, boost::test_tools::per_element());
  BOOST_TEST(b.link.is_up());
}

// A packet that is still missing after a time limit ends the session on both
// sides; no later message is delivered out of order.
BOOST_AUTO_TEST_CASE(lost_packet_ends_the_session) {
  establish_session();
  a.link.send("lost");
  from_a();
  a.link.send("sent too early");
  deliver_packets();
  BOOST_TEST(b.received.empty());
  advance_time(1s);
  BOOST_REQUIRE(b.ends.size() == 1);
  BOOST_TEST(b.ends[0].find("lost on the way") != std::string::npos);
  BOOST_TEST(a.ends.size() == 1);
  BOOST_TEST(b.received.empty());
  BOOST_TEST(a.link.is_up()); // in a new session
  BOOST_TEST(b.link.is_up());
}

// No later packet shows the gap, but the next heartbeat does.
BOOST_AUTO_TEST_CASE(loss_of_the_last_packet_is_detected) {
  establish_session();
  a.link.send("lost, and nothing follows");
  from_a();
  advance_time(1s); // a heartbeat shows the gap
  BOOST_TEST(b.ends.size() == 1);
}

// The missing packet arrives after 200 ms, before the time limit.
BOOST_AUTO_TEST_CASE(late_packet_keeps_the_session) {
  establish_session();
  a.link.send("one");
  const packets late = from_a();
  a.link.send("two");
  deliver_packets();
  advance_time(200ms);
  b.take(late, now);
  advance_time(2s);
  const packets both{"one", "two"};
  BOOST_TEST(b.received == both, boost::test_tools::per_element());
  BOOST_TEST(b.ends.empty());
}

// The buffer for packets after a gap is bounded.
BOOST_AUTO_TEST_CASE(too_many_reordered_packets_end_the_session) {
  establish_session();
  a.link.send("lost");
  from_a();
  for (int i = 0; i < 100; ++i) {
    a.link.send("more");
    b.take(from_a(), now);
  }
  BOOST_REQUIRE(b.ends.size() == 1);
  BOOST_TEST(b.received.empty());
}

// Messages of several packets and empty messages keep their content and order.
BOOST_AUTO_TEST_CASE(long_message_is_split_into_packets) {
  establish_session();
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
  BOOST_REQUIRE(b.received.size() == 4);
  BOOST_TEST(b.received[0] == "before");
  BOOST_TEST((b.received[1] == longest));
  BOOST_TEST(b.received[2].empty());
  BOOST_TEST(b.received[3] == "after");
}

// The length in the frame of a message exceeds the limit.
BOOST_AUTO_TEST_CASE(oversized_message_ends_the_session) {
  establish_session();
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

// The sender reports congestion when the bytes that are not acknowledged reach
// the limit.
BOOST_AUTO_TEST_CASE(link_is_congested_until_packets_are_acknowledged) {
  establish_session();
  const std::string bytes(packet_bytes_max, 'x');
  packets sent;
  for (std::size_t i = 0; i < unacknowledged_bytes_max / bytes.size(); ++i) {
    BOOST_TEST(!a.link.is_congested());
    a.link.send(bytes);
    for (std::string& one : from_a())
      sent.push_back(std::move(one));
  }
  BOOST_TEST(a.link.is_congested());
  b.take(sent, now);
  advance_time(400ms); // a heartbeat acknowledges
  BOOST_TEST(!a.link.is_congested());
}

// --- Time --------------------------------------------------------------------

// For a minute the sides exchange heartbeats but no messages.
BOOST_AUTO_TEST_CASE(heartbeats_keep_a_session_up) {
  establish_session();
  advance_time(1min);
  BOOST_TEST(a.ups == 1);
  BOOST_TEST(b.ups == 1);
  BOOST_TEST(a.ends.empty());
  BOOST_TEST(b.ends.empty());
}

// All packets are lost for 1.3 s. Afterwards the sides establish a new session.
BOOST_AUTO_TEST_CASE(silence_ends_a_session_on_both_sides) {
  establish_session();
  advance_time(1s, false, false);
  BOOST_TEST(a.link.is_up()); // not yet
  advance_time(300ms, false, false);
  BOOST_TEST(!a.link.is_up());
  BOOST_TEST(!b.link.is_up());
  BOOST_REQUIRE(a.ends.size() == 1);
  BOOST_TEST(a.ends[0].find("nothing was heard") != std::string::npos);
  advance_time(1s);
  BOOST_TEST(a.ups == 2);
  BOOST_TEST(b.ups == 2);
}

// Packets of b are lost; packets of a arrive.
BOOST_AUTO_TEST_CASE(loss_in_one_direction_ends_the_session_on_both_sides) {
  establish_session();
  advance_time(3s, true, false);
  BOOST_TEST(!a.link.is_up());
  BOOST_TEST(!b.link.is_up());
  BOOST_TEST(b.ups == 1); // no new session
  advance_time(1s);
  BOOST_TEST(a.link.is_up());
  BOOST_TEST(b.link.is_up());
}

// Without a path there is no deadline; with an established session the deadline
// is the next heartbeat.
BOOST_AUTO_TEST_CASE(wake_at_returns_the_next_deadline) {
  BOOST_TEST((a.link.wake_at() == steady_time::max()));
  a.link.path_opened(now);
  BOOST_TEST((a.link.wake_at() <= now));
  b.link.path_opened(now);
  tick();
  deliver_packets();
  BOOST_TEST((a.link.wake_at() > now));
  BOOST_TEST((a.link.wake_at() <= now + link_times{}.heartbeat_interval));
}

// --- Random faults -----------------------------------------------------------

// Packets are lost, duplicated and reordered at random. Within each session the
// received numbers have no gap, and sessions do not mix.
BOOST_AUTO_TEST_CASE(each_session_delivers_a_dense_prefix_over_lossy_links) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    two_sides w;
    std::mt19937_64 chance(seed);
    w.a.link.path_opened(w.now);
    w.b.link.path_opened(w.now);
    packets in_flight;
    int next = 0;
    for (int i = 0; i < 400; ++i) {
      w.now += 10ms;
      w.tick();
      if (w.a.link.is_up() && chance() % 2 == 0)
        w.a.link.send(std::to_string(w.a.link.session()) + " "
                      + std::to_string(next++));
      for (std::string& one : w.from_a())
        if (chance() % 30 != 0)
          in_flight.push_back(std::move(one));
      if (!in_flight.empty() && chance() % 2 == 0)
        in_flight.push_back(in_flight[chance() % in_flight.size()]);
      while (in_flight.size() > chance() % 5) {
        const std::size_t n = chance() % in_flight.size();
        w.b.take(in_flight[n], w.now);
        in_flight.erase(in_flight.begin() + static_cast<std::ptrdiff_t>(n));
      }
      w.a.take(w.from_b(), w.now);
    }

    std::string session;
    int last = -1;
    for (const std::string& one : w.b.received) {
      const std::size_t blank = one.find(' ');
      const int number = std::stoi(one.substr(blank));
      if (one.substr(0, blank) == session)
        BOOST_TEST(number == last + 1);
      else
        BOOST_TEST(number > last);
      session = one.substr(0, blank);
      last = number;
    }
    BOOST_TEST(!w.b.received.empty());
  }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
