// SPDX-License-Identifier: Apache-2.0
// Keys of a node, key files, and tokens that give access to one instance.
#include "client/http/access_keys.hpp"
#include "tests/support/temp_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <string>

namespace perdura::tests {

using client::access;
using client::access_keys;
using persistence::timestamp;
using std::chrono::seconds;

namespace {

const std::string first = "first-key-0123456789";
const std::string second = "second-key-0123456789";
const std::string reader = "reader-key-0123456789";

/// Two manage keys and one read key, with comments and irregular blanks.
access_keys three_keys() {
  access_keys keys;
  keys
    .add_lines("# keys of this node\nmanage " + first + "\n\n  manage\t"
                 + second + "  # the new one\r\nread " + reader + "\n",
               "keys")
    .value();
  return keys;
}

const timestamp noon{std::chrono::hours(12)};

} // namespace

BOOST_AUTO_TEST_SUITE(access_keys_suite)

// Two valid keys allow clients to change their key without an outage.
BOOST_AUTO_TEST_CASE(several_keys_are_valid_at_once) {
  const access_keys keys = three_keys();
  BOOST_TEST((keys.access_of(first) == access::manage));
  BOOST_TEST((keys.access_of(second) == access::manage));
  BOOST_TEST((keys.access_of(reader) == access::read));
  for (const std::string& wrong :
       {std::string(), first.substr(1), first + ' ', std::string("manage"),
        "manage " + first, std::string(1, '\0') + first})
    BOOST_TEST((keys.access_of(wrong) == access::none), wrong);
}

BOOST_AUTO_TEST_CASE(invalid_line_is_reported_without_its_key) {
  for (const std::string& line :
       {std::string("secret-that-stands-alone"),
        std::string("write secret-of-an-odd-right"),
        std::string("manage short"),
        std::string("manage secret with blanks in between"),
        "manage " + std::string(257, 'x'),
        std::string("manage s\xC3\xA4"
                    "cret-secret-secret")}) {
    access_keys keys;
    const auto outcome = keys.add_lines("\n" + line, "k");
    BOOST_REQUIRE_MESSAGE(!outcome, line);
    BOOST_TEST(outcome.error().message.starts_with("k:2: "));
    BOOST_TEST(outcome.error().message.find("secret") == std::string::npos);
  }
}

// The command line reads its key file with the parser of the node.
BOOST_AUTO_TEST_CASE(key_lines_and_key_lists_are_parsed) {
  using client::parse_key_line;
  BOOST_TEST(parse_key_line(" manage\tk1 # new\r").key == "k1");
  BOOST_TEST(parse_key_line("read k2").word == "read");
  BOOST_TEST(parse_key_line("k3").key == "k3");
  BOOST_TEST(parse_key_line("k3").word.empty());
  BOOST_TEST(parse_key_line("# manage k").key.empty());
  std::string_view list = " , k1 ,,k2,";
  BOOST_TEST(client::next_key(list) == "k1");
  BOOST_TEST(client::next_key(list) == "k2");
  BOOST_TEST(client::next_key(list).empty());
}

BOOST_AUTO_TEST_CASE(key_file_must_be_readable_by_its_owner_only) {
  const temp_directory directory;
  const auto file = directory.path() / "keys";
  std::ofstream(file) << "manage " << first << '\n';
  std::filesystem::permissions(file, std::filesystem::perms(0640));
  const auto open_to_others = access_keys::load(file);
  BOOST_REQUIRE(!open_to_others);
  BOOST_TEST(open_to_others.error().message.find("chmod 600")
             != std::string::npos);
  std::filesystem::permissions(file, std::filesystem::perms(0600));
  BOOST_TEST(access_keys::load(file).value().count(access::manage) == 1U);

  std::ofstream(file) << "# nothing\n";
  BOOST_TEST(!access_keys::load(file));
  std::ofstream(file) << "read " << reader << '\n';
  BOOST_TEST(!access_keys::load(file)); // No key has the right to manage.
  BOOST_TEST(!access_keys::load(directory.path() / "none"));
  BOOST_TEST(!access_keys::load(directory.path()));
  BOOST_TEST(access_keys::load({}).value().empty());
}

// Each letter stands for an allowed operation: g reads the status, t
// terminates, e raises events.
BOOST_AUTO_TEST_CASE(token_is_limited_to_an_instance_operations_and_a_time) {
  const access_keys keys = three_keys();
  const std::string token
    = keys.make_token("hub", "order-17", "gt", noon + seconds(60));
  const auto allows = [&](const std::string& shown, const char* hub,
                          const char* id, char what, timestamp now) {
    return keys.token_allows(shown, hub, id, what, now);
  };
  BOOST_TEST(allows(token, "hub", "order-17", 'g', noon));
  BOOST_TEST(allows(token, "hub", "order-17", 't', noon));
  BOOST_TEST(!allows(token, "hub", "order-17", 'e', noon));
  BOOST_TEST(!allows(token, "hub", "order-18", 'g', noon));
  BOOST_TEST(!allows(token, "other", "order-17", 'g', noon));
  BOOST_TEST(!allows(token, "hub", "order-17", 'g', noon + seconds(60)));
}

BOOST_AUTO_TEST_CASE(token_is_bound_to_the_time_of_an_instance) {
  const access_keys keys = three_keys();
  const auto bound_to = [&](timestamp created) {
    return keys.make_token("hub", "a", "g", noon + seconds(60), created);
  };
  const timestamp first = noon - seconds(3);
  const timestamp second = first + std::chrono::microseconds(1);
  const auto created_at_of = [&](const std::string& token, const char* id) {
    return keys.created_at_of(token, "hub", id, 'g', noon);
  };
  BOOST_TEST((created_at_of(bound_to(first), "a") == first));
  BOOST_TEST((created_at_of(bound_to(second), "a") == second));
  BOOST_TEST((created_at_of(bound_to({}), "a") == timestamp{}));
  BOOST_TEST(!created_at_of(bound_to(first), "b"));
  // The time is a part of the MAC.
  const std::string token = bound_to(first);
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == '1' ? '2' : '1';
    BOOST_TEST(!created_at_of(changed, "a"), changed);
    BOOST_TEST(!created_at_of(token.substr(0, i), "a"));
  }
  // A bound token cannot be read as an unbound one for another ID.
  const std::string time = std::to_string(first.time_since_epoch().count());
  std::string unbound = token;
  unbound.replace(0, 2, "t1").erase(unbound.find(time), time.size() + 1);
  BOOST_TEST(!created_at_of(unbound, "a"));
  BOOST_TEST(!keys.created_at_of(unbound, "hub", time + "\na", 'g', noon));
}

BOOST_AUTO_TEST_CASE(token_with_any_changed_character_is_rejected) {
  const access_keys keys = three_keys();
  const std::string token
    = keys.make_token("hub", "a", "g", noon + seconds(60));
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == '1' ? '2' : '1';
    BOOST_TEST(!keys.token_allows(changed, "hub", "a", 'g', noon), changed);
    BOOST_TEST(!keys.token_allows(token.substr(0, i), "hub", "a", 'g', noon));
  }
  // A token with an extra character, an expiry that is out of range, or a
  // negative expiry is refused.
  BOOST_TEST(!keys.token_allows(token + '0', "hub", "a", 'g', noon));
  BOOST_TEST(
    !keys.token_allows("t1.g.99999999999999999999.00", "hub", "a", 'g', noon));
  BOOST_TEST(!keys.token_allows("t1.g.-1.", "hub", "a", 'g', noon));
}

// A token is signed with a manage key. Removing the key revokes its tokens.
BOOST_AUTO_TEST_CASE(token_is_valid_as_long_as_its_key) {
  access_keys old_keys;
  old_keys.add_lines("manage " + first, "k").value();
  const std::string token
    = old_keys.make_token("hub", "a", "g", noon + seconds(60));
  access_keys both;
  both.add_lines("manage " + second + "\nmanage " + first, "k").value();
  BOOST_TEST(both.token_allows(token, "hub", "a", 'g', noon));
  access_keys new_keys;
  new_keys.add_lines("manage " + second, "k").value();
  BOOST_TEST(!new_keys.token_allows(token, "hub", "a", 'g', noon));
  // A read key cannot sign a token. A node that has the text of a manage key as
  // a read key refuses the tokens that were signed with that manage key.
  access_keys reading;
  reading.add_lines("read " + first, "k").value();
  BOOST_TEST(reading.make_token("hub", "a", "g", noon).empty());
  BOOST_TEST(!reading.token_allows(token, "hub", "a", 'g', noon));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
