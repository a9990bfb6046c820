// SPDX-License-Identifier: Apache-2.0
#include "cluster/transport/envelope.hpp"
#include "tests/support/loopback_peer.hpp"

#include <boost/test/unit_test.hpp>

#include <random>
#include <string>
#include <vector>

namespace perdura::tests {

using namespace cluster;
using namespace persistence;

namespace {

const timestamp noon{std::chrono::hours(12)};

placement placement_of_two_nodes() {
  return {{"node-1", "node-2"}, {0, 1, 0, 1}};
}

peer_hello hello_of(const node_id& node) {
  peer_hello hello;
  hello.hub_id = "hub";
  hello.partition_count = 4;
  hello.owners = placement_of_two_nodes();
  hello.node = node;
  hello.directory = "d";
  return hello;
}

actors::management_answer full_answer() {
  actors::management_answer answer;
  answer.id = "order-17";
  answer.started = true;
  answer.created_at = noon;
  auto status = std::make_shared<actors::instance_status>();
  status->row.id = "order-17";
  status->row.record.name = "Ship";
  status->row.record.status = runtime_status::completed;
  status->row.record.created_at = noon;
  status->row.input = R"({"a":12345678901234567890})";
  status->row.output = "\"done\"";
  history_event event;
  event.time = noon;
  event.body = execution_started{};
  status->history.push_back(event);
  status->unread_events = {"Approval", "Approval"};
  answer.status = std::move(status);
  return answer;
}

/// One envelope of every kind, and one for every management request.
std::vector<envelope> sample_envelopes() {
  std::vector<envelope> all;
  actors::start_instance start;
  start.id = "a";
  start.name = "Ship";
  start.version = "2";
  start.input = "[1]";
  start.scheduled_at = noon;
  start.get_or_start = true;
  start.request = "r-1";
  for (const actors::management_request& request :
       {actors::management_request(start),
        actors::management_request(actors::get_status{"a", false, true}),
        actors::management_request(actors::raise_event{"a", "Go", "1", "r"}),
        actors::management_request(
          actors::terminate_instance{"a", "why", true, "r"}),
        actors::management_request(actors::suspend_instance{"a", "why", "r"}),
        actors::management_request(actors::resume_instance{"a", "why", "r"}),
        actors::management_request(actors::rewind_instance{"a", "why", "r"}),
        actors::management_request(actors::purge_instance{"a"}),
        actors::management_request(
          actors::wait_instance{"a", actors::wait_for::started}),
        actors::management_request(actors::cancel_wait{"a"})})
    all.emplace_back(remote_request{9, request});
  all.emplace_back(remote_cancel{9});
  all.emplace_back(to_remote(9, full_answer()));
  remote_message message;
  message.to = static_cast<partition_id>(3);
  message.from = static_cast<partition_id>(1);
  message.message.sequence = 5;
  message.message.to_instance = "b";
  all.emplace_back(message);
  all.emplace_back(remote_acknowledgement{static_cast<partition_id>(3),
                                          static_cast<partition_id>(1), 5});
  instance_query query;
  query.created_from = noon;
  query.statuses = {runtime_status::failed};
  query.id_prefix = "order-";
  query.top = 10;
  query.token = "t";
  all.emplace_back(remote_query{11, query});
  all.emplace_back(remote_query{12, count_query{}});
  all.emplace_back(remote_query{13, report_query{}});
  instance_page page;
  page.rows.push_back(full_answer().status->row);
  page.token = "next";
  all.emplace_back(remote_query_answer{11, errc::ok, {}, page});
  all.emplace_back(
    remote_query_answer{12, errc::ok, {}, counts_answer{{1, 2, 3}}});
  node_report report;
  report.node = "node-2";
  report.partitions = {1, 3};
  report.counts = {0, 5};
  report.orchestrators = {"Ship@2"};
  report.peers.push_back({"node-1", true, noon, {}});
  report.stuck.emplace_back("a", "why");
  report.unready.emplace_back("disk_full", "why");
  all.emplace_back(remote_query_answer{13, errc::unavailable, "no", report});
  return all;
}

std::string hex(const std::string& bytes) {
  std::string out;
  for (const char c : bytes) {
    constexpr char digits[] = "0123456789abcdef";
    out += digits[static_cast<unsigned char>(c) >> 4U];
    out += digits[static_cast<unsigned char>(c) & 15U];
  }
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(envelope_suite)

// Encodes and decodes every kind of envelope and every management request.
BOOST_AUTO_TEST_CASE(every_envelope_kind_round_trips) {
  std::size_t kinds = 0;
  for (const envelope& each : sample_envelopes()) {
    const std::string bytes = encode_envelope(each);
    const auto back = decode_envelope(bytes);
    BOOST_REQUIRE(back);
    BOOST_TEST(back->index() == each.index());
    BOOST_TEST(hex(encode_envelope(*back)) == hex(bytes));
    kinds = std::max(kinds, each.index() + 1);
  }
  BOOST_TEST(kinds == std::variant_size_v<envelope>);
}

// Nodes of different versions exchange these bytes, so the encoding must not
// change.
BOOST_AUTO_TEST_CASE(wire_bytes_match_the_golden_bytes) {
  BOOST_TEST(hex(encode_envelope(remote_cancel{13}))
             == "01920191"
                "0d");
  BOOST_TEST(hex(encode_hello(hello_of("node-1")))
             == "019c02a3687562049292a66e6f64652d31a66e6f64652d329400010001"
                "a66e6f64652d31a164a0c2a000a000");
  BOOST_TEST(hex(encode_refusal({errc::storage_foreign, "no", true}))
             == "01934"
                "1a26e6fc3");
  BOOST_TEST(hex(encode_envelope(
               remote_request{9, actors::raise_event{"a", "Go", "1", "r"}}))
             == "0192009209920295a161a2476fa131a17200");
}

// The bytes of a node that does not know the newest field of a request.
BOOST_AUTO_TEST_CASE(request_without_its_newest_field_is_read) {
  const std::string older("\x01\x92\x00\x92\x09\x92\x02\x94\xa1"
                          "a\xa2Go\xa1"
                          "1\xa1r",
                          17);
  const auto read = decode_envelope(older);
  BOOST_REQUIRE(read);
  const auto& request
    = std::get<actors::raise_event>(std::get<remote_request>(*read).request);
  BOOST_TEST(request.name == "Go");
  BOOST_TEST(request.request == "r");
  BOOST_TEST((request.created_at == timestamp{}));
}

// Record, input, history and unread events survive the conversion to an
// envelope and back. The answer to a refused request has no status.
BOOST_AUTO_TEST_CASE(answer_carries_the_full_status) {
  const auto back
    = decode_envelope(encode_envelope(to_remote(9, full_answer())));
  BOOST_REQUIRE(back);
  const auto answer = to_local(std::get<remote_answer>(*back));
  const auto before = full_answer();
  BOOST_TEST(answer.id == before.id);
  BOOST_TEST(answer.started);
  BOOST_TEST((answer.created_at == noon));
  BOOST_REQUIRE(answer.status != nullptr);
  BOOST_TEST(answer.status->row.input == before.status->row.input);
  BOOST_TEST((answer.status->row.record == before.status->row.record));
  BOOST_TEST((answer.status->history == before.status->history));
  BOOST_TEST(answer.status->unread_events.size() == 2U);
  actors::management_answer refused;
  refused.code = errc::not_found;
  refused.message = "no";
  const auto gone = to_local(to_remote(1, refused));
  BOOST_TEST((gone.code == errc::not_found));
  BOOST_TEST((gone.status == nullptr));
}

// Truncated bytes and bytes of another protocol give an error. The decoder does
// not crash on randomly changed bytes.
BOOST_AUTO_TEST_CASE(malformed_envelopes_are_refused) {
  for (const envelope& each : sample_envelopes()) {
    const std::string bytes = encode_envelope(each);
    for (std::size_t size = 0; size < bytes.size(); ++size)
      BOOST_TEST(!decode_envelope(std::string_view(bytes).substr(0, size)));
  }
  BOOST_TEST(!decode_envelope("GET / HTTP/1.1\r\n\r\n"));
  // A random change gives an error or another envelope.
  std::mt19937_64 random(20261122);
  for (const envelope& each : sample_envelopes())
    for (int i = 0; i < 500; ++i) {
      std::string bytes = encode_envelope(each);
      bytes[random() % bytes.size()] = static_cast<char>(random());
      if (const auto back = decode_envelope(bytes))
        encode_envelope(*back);
    }
}

// Each difference between the hello messages of two nodes is named in the
// error.
// Sizes that the bytes announce are not allocated, and neither is a multiple of
// their own size. Regression: each byte of an envelope of 256 MiB became a
// value of 24 bytes before its type was checked.
BOOST_AUTO_TEST_CASE(announced_sizes_are_not_allocated) {
#ifdef __SANITIZE_ADDRESS__
  // AddressSanitizer keeps freed memory for a while, up to 256 MiB.
  constexpr std::size_t memory_max = std::size_t{160 + 256} << 20U;
#else
  constexpr std::size_t memory_max = std::size_t{160} << 20U;
#endif
  const std::string four("\xff\xff\xff\xff");
  std::vector<std::string> hostile;
  for (const char type : {'\xdd', '\xdf', '\xdb', '\xc6', '\xc9'})
    hostile.push_back(type + four + "some bytes");
  hostile.push_back("\x92\x00\x92\x01\xdd" + four);    // inside a variant
  hostile.emplace_back(std::size_t{1} << 20U, '\x91'); // nested lists
  hostile.emplace_back(std::size_t{1} << 20U, '\x81'); // nested maps
  // Many values of one byte, in one list and in lists of lists.
  const std::string many(std::size_t{16} << 20U, '\x01');
  hostile.push_back("\xdd" + std::string("\x01\x00\x00\x00", 4) + many);
  hostile.emplace_back(many.size(), '\x90');
  hostile.back().insert(0, "\xdd" + std::string("\x01\x00\x00\x00", 4));
  for (const std::string& bytes : hostile) {
    const std::string record = static_cast<char>(1) + bytes;
    const peak_memory used;
    BOOST_TEST(!decode_envelope(record));
    BOOST_TEST(!decode_hello(record));
    BOOST_TEST(!decode_refusal(record));
    BOOST_TEST(used.growth() < memory_max);
  }
}

BOOST_AUTO_TEST_CASE(incompatible_hello_is_refused_with_a_reason) {
  const peer_hello ours = hello_of("node-1");
  BOOST_TEST(static_cast<bool>(check_hello(ours, hello_of("node-2"))));
  const auto refused = [&](auto change, const std::string& word) {
    peer_hello theirs = hello_of("node-2");
    change(theirs);
    const auto outcome = check_hello(ours, theirs);
    BOOST_REQUIRE_MESSAGE(!outcome, word);
    BOOST_TEST(outcome.error().message.find(word) != std::string::npos,
               outcome.error().message);
  };
  refused([](peer_hello& x) { x.format = 3; }, "wire format 3");
  refused([](peer_hello& x) { x.hub_id = "other"; }, "hub other");
  refused([](peer_hello& x) { x.partition_count = 8; }, "8 partitions");
  refused([](peer_hello& x) { x.owners.owners[0] = 1; }, "another placement");
  refused([](peer_hello& x) { x.node = "node-1"; }, "name of this node");
  refused([](peer_hello& x) { x.node = "node-3"; }, "not among the nodes");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
