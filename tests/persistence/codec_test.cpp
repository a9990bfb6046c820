// SPDX-License-Identifier: Apache-2.0
#include "persistence/records/codec_engine.hpp"

#include "journal_harness.hpp"
#include <boost/test/unit_test.hpp>

namespace perdura::persistence {

using namespace testing;

namespace {

std::string to_hex(std::string_view bytes) {
  std::string text;
  for (char c : bytes) {
    text.push_back("0123456789abcdef"[static_cast<unsigned char>(c) >> 4U]);
    text.push_back("0123456789abcdef"[static_cast<unsigned char>(c) & 15U]);
  }
  return text;
}

std::string from_hex(const std::string& text) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    bytes.push_back(
      static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16)));
  return bytes;
}

instance_record some_record() {
  instance_record x;
  x.name = "ship";
  x.version = "2";
  x.execution = "e1";
  x.status = runtime_status::suspended;
  x.status_resumed = runtime_status::running;
  x.created_at = at(1'700'000'000'000'000);
  x.last_updated_at = at(1'700'000'000'000'001);
  x.ended_at = at(-1);
  x.scheduled_at = at(5);
  x.parent = {"parent", "e0", 7};
  x.history_count = 12;
  x.history_bytes = 3456;
  x.output_event = 11;
  x.next_sequence = 4;
  x.next_inbox = 2;
  x.generation = 1;
  x.turn_due = true;
  x.held = "code does not fit";
  x.place = {"root", at(42), 3};
  return x;
}

/// One event of every kind, in the order of the variant.
std::vector<history_event> all_events() {
  std::vector<history_event> events;
  const auto add = [&](history_body body) {
    events.push_back(
      {at(static_cast<std::int64_t>(events.size())), std::move(body)});
  };
  add(orchestrator_started{});
  add(execution_started{"ship", "2", "{}", "e1", {"p", "e0", 3}, at(9), 1});
  add(task_scheduled{1, "Pack", "1", 2, duration(5), duration(6)});
  add(task_completed{1, "\"r\""});
  add(task_failed{2, {"std::runtime_error", "broken"}});
  add(timer_created{3, at(77)});
  add(timer_fired{3, at(77)});
  add(sub_orchestration_instance_created{4, "child", "", "c-1", "[]"});
  add(sub_orchestration_instance_completed{4, "null"});
  add(sub_orchestration_instance_failed{5, {"t", "m"}});
  add(event_raised{"Approval", "true"});
  add(event_sent{6, "other", "Paid", "2"});
  add(execution_suspended{"wait"});
  add(execution_resumed{"go"});
  add(execution_terminated{"\"stop\""});
  add(execution_rewound{"again", 4, {8, 9}, {{1, 7}}, 8});
  add(execution_completed{completion_status::failed, "\"f\"", {"t", "m"}});
  add(continue_as_new{"{}"});
  add(orchestrator_completed{{2, 5}});
  return events;
}

turn_writes some_turn() {
  turn_writes turn = start_turn(partition_id(3), 9, "order-17");
  instance_write& write = turn.instances[0];
  write.reset = true;
  write.custom_status = "\"packing\"";
  write.history_first = 1;
  write.tasks_closed.push_back({1, task_kind::timer, at(5)});
  write.tasks_opened.emplace_back(2, open_task{});
  write.inbox_removed = {1, 2};
  write.inbox_put.emplace_back(3,
                               inbox_message{{at(4), event_raised{"a", "1"}}});
  write.requests.push_back({"r1", errc::already_exists, "there", "e1"});
  turn.outbox.push_back(
    {partition_id(1), 4, "p", child_ended{"e0", 3, true, "", {"t", "m"}}});
  turn.outbox.push_back(
    {partition_id(1), 5, "c", child_start{"n", "v", "1", {}}});
  turn.outbox.push_back({partition_id(1), 6, "c", child_rewind{"r", {}}});
  turn.outbox.push_back({partition_id(1), 7, "c", child_terminate{"r", {}}});
  turn.outbox.push_back({partition_id(1), 8, "c", event_send{"n", "1"}});
  turn.outbox_acknowledged.push_back({partition_id(2), 3});
  turn.marks.push_back({partition_id(0), 12});
  return turn;
}

/// Checks that bytes of an earlier format are still readable.
template <class T>
void check_readable(const T& record, const std::string& hex) {
  const auto read = decode<T>(from_hex(hex));
  BOOST_REQUIRE(read);
  BOOST_TEST((*read == record));
}

/// Compares the encoding with golden bytes and decodes the golden bytes. When a
/// field is appended, the expected bytes change, and a check that the old bytes
/// are still readable must be added.
template <class T>
void check_golden(const T& record, const std::string& hex) {
  const std::string bytes = encode(record);
  BOOST_TEST(to_hex(bytes) == hex);
  const auto again = decode<T>(from_hex(hex));
  BOOST_REQUIRE(again);
  BOOST_TEST((*again == record));
}

} // namespace

BOOST_AUTO_TEST_SUITE(codec)

// Fields that fit into one byte are written without the packer. The bytes are
// those of the packer.
BOOST_AUTO_TEST_CASE(short_forms_are_those_of_the_packer) {
  const auto written = [](const auto& field) {
    std::string bytes;
    codec_engine::writer made(bytes);
    made.put(field);
    made.finish();
    return bytes;
  };
  const auto packed = [](const auto& field) {
    msgpack::sbuffer bytes;
    msgpack::pack(bytes, field);
    return std::string(bytes.data(), bytes.size());
  };
  for (const std::uint64_t x : {0ULL, 1ULL, 127ULL, 128ULL, 255ULL, 256ULL,
                                65'535ULL, 65'536ULL, 4'294'967'296ULL, ~0ULL})
    BOOST_TEST(to_hex(written(x)) == to_hex(packed(x)));
  for (const std::int64_t x : {0LL, 1LL, 127LL, 128LL, -1LL, -32LL, -33LL,
                               -128LL, -129LL, -40'000LL, 4'294'967'296LL})
    BOOST_TEST(to_hex(written(x)) == to_hex(packed(x)));
  for (const std::size_t size :
       {0U, 1U, 31U, 32U, 255U, 256U, 511U, 512U, 513U, 70'000U}) {
    const std::string text(size, 't');
    BOOST_TEST(to_hex(written(text)) == to_hex(packed(text)));
    const std::vector<std::uint64_t> numbers(size, 7);
    BOOST_TEST(to_hex(written(numbers)) == to_hex(packed(numbers)));
  }
  BOOST_TEST(to_hex(written(true)) == to_hex(packed(true)));
  BOOST_TEST(to_hex(written(false)) == to_hex(packed(false)));
  BOOST_TEST(to_hex(written(std::optional<bool>())) == "c0");
}

// Records on existing disks must stay readable, so the encoding of every record
// type is compared with bytes written earlier.
BOOST_AUTO_TEST_CASE(encoded_bytes_match_the_golden_bytes) {
  check_golden(
    some_record(),
    "01dc0015a473686970a132a265310700cf00060a24181e4000cf00060a24181e"
    "4001ff0593a6706172656e74a26530070ccd0d800b040201c3b1636f64652064"
    "6f6573206e6f742066697494a4726f6f742a03900000");
  check_golden(open_task{task_kind::timer, "n", at(300), "c", 4, 2},
               "019902a16ecd012ca163040200c2c0");
  check_golden(inbox_message{{at(4), event_raised{"a", "1"}}},
               "01919204920a92a161a131");
  check_golden(request_record{"r1", errc::already_exists, "there", "e1"},
               "0194a2723102a57468657265a26531");
  check_golden(outbox_message{partition_id(1), 8, "c", event_send{"n", "1"}},
               "01940108a163920492a16ea131");
  check_golden(dedup_mark{partition_id(2), 300}, "019202cd012c");
  check_golden(outbox_mark{partition_id(2), 300}, "019202cd012c");
  check_golden(partition_meta{"i", 2, 3, at(4)}, "0198a169020304c0c090929090");
  check_golden(
    request_row{{1, 2}, elapsed_time(duration(3)), errc::ok, true, "e"},
    "01959201020300c3a165");
  check_golden(
    hub_identity{"h", "perdura", 32, 1, at(4), "n", {"n", "m"}, {0, 1}, "d"},
    "019aa168a770657264757261200104a16e92a16ea16d920001a16400");
  check_golden(journal_record{1, 0, 5, 1, {{partition_id(3), 2, 9, {{"tb"}}}}},
               "019601000501919403020991c402746200");
  check_golden(std::uint64_t{70000}, "01ce00011170");
  check_golden(std::string("true"), "01a474727565");
  check_golden(
    all_events(),
    "01dc00139200920091009201920197a473686970a132a27b7da2653193a170a2"
    "6530030901920292029601a45061636ba131020506920392039201a322722292"
    "049204920292b27374643a3a72756e74696d655f6572726f72a662726f6b656e"
    "9205920593034dc29206920692034d920792079504a56368696c64a0a3632d31"
    "a25b5d920892089204a46e756c6c92099209920592a174a16d920a920a92a841"
    "7070726f76616ca474727565920b920b9406a56f74686572a450616964a13292"
    "0c920c91a477616974920d920d91a2676f920e920e91a62273746f7022920f92"
    "0f98a5616761696e04920809919201070800c290921092109403a322662292a1"
    "74a16d93c290909211921191a27b7d9212921291920205");
  execution_rewound rewound{"again", 4, {8}, {}, 8};
  rewound.rule = rewind_rule::from_cause;
  rewound.repeats_failures = true;
  rewound.dropped = {3};
  check_golden(history_event{at(1), rewound},
               "019201920f98a5616761696e049108900801c39103");
  execution_completed failed{completion_status::failed, "1", {"t", "m"}};
  failed.causes = {true, {5}, {{"Go", 2}}};
  check_golden(history_event{at(1), failed},
               "01920192109403a13192a174a16d93c391059192a2476f02");
  check_golden(
    some_turn(),
    "019b030109cd03e8919ca86f726465722d3137c2c3dc0015a473686970a0d920"
    "3031323334353637383961626364656630313233343536373839616263646566"
    "0006cd03e8cd03e8000093a0a000020000010100c2a094a00000900000a92270"
    "61636b696e6722019292cd03e89200910092cd03e8920197a473686970a0ad7b"
    "226f72646572223a2031377dd920303132333435363738396162636465663031"
    "323334353637383961626364656693a0a000000091930102059192029901a000"
    "a0000100c2c0920102919203919204920a92a161a1319194a2723102a5746865"
    "7265a2653195940104a170920195a2653003c3a092a174a16d940105a1639200"
    "95a16ea176a13193a0a00094a0000090940106a163920292a17293a0a0009401"
    "07a163920392a17293a0a000940108a163920492a16ea131919202039192000c"
    "c0c090");
  check_golden(request_count{1, 2, 300}, "01930102cd012c");
  turn_writes records;
  records.requests.emplace();
  records.requests->rows.push_back(
    {{1, 2}, {{1, 2}, elapsed_time(duration(3)), errc::ok, true, "e"}});
  records.requests->count = {7, 1, 70};
  records.requests->removed_before = 5;
  check_golden(records, "019b0000000090909090c09491929201029592010203"
                        "00c3a1659307014605c090");
}

// Format 3 began without the fields that were appended later.
BOOST_AUTO_TEST_CASE(first_records_of_format_3_decode_with_default_values) {
  check_readable(
    some_record(),
    "01dc0014a473686970a132a265310700cf00060a24181e4000cf00060a24181e"
    "4001ff0593a6706172656e74a26530070ccd0d800b040201c3b1636f64652064"
    "6f6573206e6f742066697494a4726f6f742a039000");
  check_readable(open_task{task_kind::timer, "n", at(300), "c", 4, 2},
                 "019802a16ecd012ca163040200c2");
}

// Format 2 had no anchors, no rules and no ancestors, and timers had no scale.
BOOST_AUTO_TEST_CASE(records_of_format_2_decode_with_default_values) {
  check_readable(
    some_record(),
    "01dc0013a473686970a132a265310700cf00060a24181e4000cf00060a24181e"
    "4001ff0593a6706172656e74a26530070ccd0d800b040201c3b1636f64652064"
    "6f6573206e6f742066697493a4726f6f742a03");
  check_readable(open_task{task_kind::timer, "n", at(300), "c", 4, 2},
                 "019602a16ecd012ca1630402");
  check_readable(partition_meta{"i", 2, 3, at(4)}, "0194a169020304");
  check_readable(
    hub_identity{"h", "perdura", 32, 1, at(4), "n", {"n", "m"}, {0, 1}, "d"},
    "0199a168a770657264757261200104a16e92a16ea16d920001a164");
  check_readable(
    journal_record{1, 0, 5, 1, {{partition_id(3), 2, 9, {{"tb"}}}}},
    "019501000501919403020991c4027462");
  check_readable(
    all_events(),
    "01dc001392009200909201920197a473686970a132a27b7da2653193a170a265"
    "30030901920292029601a45061636ba131020506920392039201a32272229204"
    "9204920292b27374643a3a72756e74696d655f6572726f72a662726f6b656e92"
    "05920592034d9206920692034d920792079504a56368696c64a0a3632d31a25b"
    "5d920892089204a46e756c6c92099209920592a174a16d920a920a92a8417070"
    "726f76616ca474727565920b920b9406a56f74686572a450616964a132920c92"
    "0c91a477616974920d920d91a2676f920e920e91a62273746f7022920f920f95"
    "a5616761696e049208099192010708921092109303a322662292a174a16d9211"
    "921191a27b7d9212921291920205");
  check_readable(
    some_turn(),
    "0198030109cd03e8919ca86f726465722d3137c2c3dc0013a473686970a0d920"
    "3031323334353637383961626364656630313233343536373839616263646566"
    "0006cd03e8cd03e8000093a0a000020000010100c2a093a00000a9227061636b"
    "696e6722019292cd03e892009092cd03e8920197a473686970a0ad7b226f7264"
    "6572223a2031377dd92030313233343536373839616263646566303132333435"
    "3637383961626364656693a0a000000091930102059192029601a000a0000192"
    "0102919203919204920a92a161a1319194a2723102a57468657265a265319594"
    "0104a170920195a2653003c3a092a174a16d940105a163920095a16ea176a131"
    "93a0a00093a00000940106a163920292a17293a0a000940107a163920392a172"
    "93a0a000940108a163920492a16ea131919202039192000c");
}

// Written by a program of format 3 that recorded answers with the instances.
BOOST_AUTO_TEST_CASE(records_without_answers_of_a_partition_are_readable) {
  check_readable(partition_meta{"i", 2, 3, at(4)}, "0195a169020304c0");
  check_readable(turn_writes{}, "01990000000090909090c0");
}

// Format 1 had no place in the tree. Its bytes are those of the first release.
BOOST_AUTO_TEST_CASE(records_of_format_1_decode_as_those_of_roots) {
  instance_record record = some_record();
  record.place = {};
  check_readable(
    record, "01dc0012a473686970a132a265310700cf00060a24181e4000cf00060a24181e"
            "4001ff0593a6706172656e74a26530070ccd0d800b040201c3b1636f64652064"
            "6f6573206e6f7420666974");
  check_readable(
    some_turn(),
    "0198030109cd03e8919ca86f726465722d3137c2c3dc0012a473686970a0d920"
    "3031323334353637383961626364656630313233343536373839616263646566"
    "0006cd03e8cd03e8000093a0a000020000010100c2a0a9227061636b696e6722"
    "019292cd03e892009092cd03e8920197a473686970a0ad7b226f72646572223a"
    "2031377dd9203031323334353637383961626364656630313233343536373839"
    "61626364656693a0a000000091930102059192029601a000a000019201029192"
    "03919204920a92a161a1319194a2723102a57468657265a2653195940104a170"
    "920195a2653003c3a092a174a16d940105a163920094a16ea176a13193a0a000"
    "940106a163920292a17293a0a000940107a163920392a17293a0a000940108a1"
    "63920492a16ea131919202039192000c");
}

BOOST_AUTO_TEST_CASE(random_turns_decode_to_what_was_encoded) {
  turn_generator generator(3, 4);
  model model_so_far;
  for (int i = 0; i < 300; ++i) {
    const turn_writes turn = generator.next(model_so_far);
    model_so_far.add_turn(turn);
    const auto again = decode<turn_writes>(encode(turn));
    BOOST_REQUIRE(again);
    BOOST_TEST((*again == turn));
  }
}

// The list contains every alternative of the variant, in its order.
BOOST_AUTO_TEST_CASE(every_event_kind_has_its_protocol_name) {
  const auto events = all_events();
  BOOST_TEST(events.size() == std::variant_size_v<history_body>);
  for (std::size_t i = 0; i < events.size(); ++i)
    BOOST_TEST(events[i].body.index() == i);
  BOOST_TEST(name_of(events[3].body) == std::string("TaskCompleted"));
  BOOST_TEST(name_of(events[18].body) == std::string("OrchestratorCompleted"));
}

// A later version may append fields to a record. Both older and newer records
// stay readable.
BOOST_AUTO_TEST_CASE(missing_fields_get_defaults_and_extra_ones_are_skipped) {
  // An array of one field: version byte, fixarray 1, fixstr "abc".
  const auto shorter = decode<instance_record>(from_hex("0191a3616263"));
  BOOST_REQUIRE(shorter);
  BOOST_TEST(shorter->name == "abc");
  BOOST_TEST(shorter->next_sequence == 1U);
  // A mark with two more fields: an array and a text.
  const auto longer = decode<dedup_mark>(from_hex("019402cd012c92c001a178"));
  BOOST_REQUIRE(longer);
  BOOST_TEST((*longer == dedup_mark{partition_id(2), 300}));
}

// The error names the version found and the supported one.
BOOST_AUTO_TEST_CASE(unknown_record_version_is_refused_and_named) {
  std::string bytes = encode(some_record());
  bytes[0] = 9;
  const auto refused = decode<instance_record>(bytes);
  BOOST_TEST((refused.code() == errc::storage_format));
  BOOST_TEST(refused.error().message.find("version 9") != std::string::npos);
  BOOST_TEST(refused.error().message.find("version 1") != std::string::npos);
}

// Decodes every prefix of an encoded turn, and the encoding with one extra
// byte.
BOOST_AUTO_TEST_CASE(truncated_bytes_are_refused) {
  const std::string bytes = encode(some_turn());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    BOOST_TEST(!decode<turn_writes>(std::string_view(bytes).substr(0, size)));
  BOOST_TEST(!decode<turn_writes>(bytes + "x"));
}

// Decodes an encoded turn with each single bit flipped, and random bytes.
// Decoding must return a record or an error.
BOOST_AUTO_TEST_CASE(decoding_damaged_bytes_never_crashes) {
  const std::string bytes = encode(some_turn());
  for (std::size_t i = 0; i < bytes.size() * 8; ++i) {
    std::string flipped = bytes;
    flipped[i / 8] = static_cast<char>(flipped[i / 8] ^ (1 << (i % 8)));
    if (const auto read = decode<turn_writes>(flipped))
      BOOST_TEST(!encode(*read).empty());
  }
  std::mt19937_64 random(11);
  for (int i = 0; i < 20'000; ++i) {
    std::string garbage(1, 1);
    for (std::size_t n = random() % 40; n > 0; --n)
      garbage.push_back(static_cast<char>(random()));
    if (const auto read = decode<turn_writes>(garbage))
      BOOST_TEST(!encode(*read).empty());
  }
}

// An input that claims four billion elements, or that is nested very deeply,
// must be refused before memory is allocated for the elements or levels.
BOOST_AUTO_TEST_CASE(huge_length_prefix_allocates_nothing) {
  // msgpack headers array 32, str 32, bin 32 and map 32 with huge lengths.
  for (const char* hex : {"01ddffffffff", "0191dbffffffff", "0191c6ffffffff",
                          "01dfffffffff", "01dd7fffffff90"})
    BOOST_TEST(!decode<turn_writes>(from_hex(hex)));
  BOOST_TEST(!decode<turn_writes>("\x01" + std::string(100'000, '\x91')));
}

// Values of enumerations are used as array indexes, so decoding must check
// their range.
BOOST_AUTO_TEST_CASE(out_of_range_enumerator_is_refused) {

  BOOST_TEST(!decode<instance_record>(from_hex("0194a0a0a008")));
  BOOST_TEST(!decode<open_task>(from_hex("019100")));
  BOOST_TEST(!decode<open_task>(from_hex("019106")));
  BOOST_TEST(static_cast<bool>(decode<open_task>(from_hex("019105"))));
  // A number of 33 bits in a field of 32 bits.
  BOOST_TEST(!decode<dedup_mark>(from_hex("0191cf0000000100000000")));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::persistence
