// SPDX-License-Identifier: Apache-2.0
// Tokens for one instance, and key files. A token that no key of the node has
// signed must give no access. A signed token must give access to its instance
// and operations only.
#include "client/http/access_keys.hpp"
#include "tests/fuzz/fuzz_targets.hpp"

#include <charconv>
#include <chrono>
#include <cstdlib>

namespace perdura::tests {

namespace {

using namespace perdura::client;

constexpr std::string_view hub = "hub-1";
constexpr persistence::timestamp now{std::chrono::seconds(1'800'000'000)};
constexpr std::string_view operations = "getswrp";

const access_keys& keys() {
  static const access_keys made = [] {
    access_keys some;
    if (!some.add_lines("manage master-key-0123456789\n"
                        "read reader-key-0123456789\n",
                        "keys"))
      std::abort();
    return some;
  }();
  return made;
}

/// With the planted fault the expiry time is not checked.
bool allows(std::string_view token, std::string_view instance, char operation,
            persistence::timestamp at = now) {
  if (is_planted("tokens"))
    at = {};
  return keys().token_allows(token, hub, instance, operation, at);
}

/// True if the node would create exactly this token for the instance and the
/// operation, and if the token has not expired.
bool is_genuine(std::string_view token, std::string_view instance,
                char operation) {
  const std::size_t first = token.find('.');
  const std::size_t second
    = first == token.npos ? first : token.find('.', first + 1);
  const std::size_t third
    = second == token.npos ? second : token.find('.', second + 1);
  if (third == token.npos)
    return false;
  const std::string_view letters = token.substr(first + 1, second - first - 1);
  const std::string_view time = token.substr(second + 1, third - second - 1);
  std::int64_t seconds = 0;
  std::from_chars(time.data(), time.data() + time.size(), seconds);
  // A time above this limit is out of the range of the clock.
  if (seconds > 100'000'000'000
      || seconds < now.time_since_epoch() / std::chrono::seconds(1))
    return false;
  const persistence::timestamp until{std::chrono::seconds(seconds)};
  return letters.find(operation) != letters.npos && until > now
         && keys().make_token(hub, instance, letters, until) == token;
}

violation check_foreign_token(std::string_view token,
                              std::string_view instance) {
  for (const char operation : operations)
    if (allows(token, instance, operation)
        && !is_genuine(token, instance, operation))
      return "a token gives access that it was not created for";
  return {};
}

/// Checks that a token of this instance gives access to the instance, and to
/// nothing else.
violation check_own(std::string_view instance) {
  using std::chrono::seconds;
  const std::string own
    = keys().make_token(hub, instance, "gt", now + seconds(60));
  if (!allows(own, instance, 'g') || !allows(own, instance, 't'))
    return "a token does not give the access that it was created for";
  if (allows(own, instance, 'p'))
    return "a token allows another operation";
  if (allows(own, std::string(instance) + 'x', 'g')
      || (!instance.empty() && allows(own, instance.substr(1), 'g')))
    return "a token allows access to another instance";
  if (allows(own, instance, 'g', now + seconds(60)))
    return "a token is accepted after its expiry";
  if (keys().token_allows(own, "hub-2", instance, 'g', now))
    return "a token allows access to another hub";
  return {};
}

/// An error message about a key file must not contain a word of the file that
/// is long enough to be a key.
violation check_keys_file(std::string_view text) {
  access_keys some;
  const auto ok = some.add_lines(text, "keys");
  if (ok)
    return {};
  constexpr std::string_view blanks = " \t\r\n";
  while (!text.empty()) {
    const std::size_t end = text.find_first_of(blanks);
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    if (word.size() >= key_size_min
        && ok.error().message.find(word) != std::string::npos)
      return "an error message contains a key: " + ok.error().message;
  }
  return {};
}

} // namespace

violation fuzz_tokens(std::string_view bytes) {
  const std::size_t end = bytes.find('\n');
  const std::string_view token = bytes.substr(0, end);
  const std::string_view instance
    = end == bytes.npos ? std::string_view() : bytes.substr(end + 1);
  if (keys().access_of(token) != access::none
      && token != "master-key-0123456789" && token != "reader-key-0123456789")
    return "an unknown key is accepted";
  if (auto found = check_foreign_token(token, instance); !found.empty())
    return found;
  if (auto found = check_own(instance); !found.empty())
    return found;
  return check_keys_file(bytes);
}

} // namespace perdura::tests
