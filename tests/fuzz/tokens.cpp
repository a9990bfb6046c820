// A stranger's token for one instance, and a file of keys. What no key of ours
// has signed opens nothing; what a key has signed opens just that.
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

/// Wrong if planted: the time is not looked at.
bool allows(std::string_view token, std::string_view instance, char operation,
            persistence::timestamp at = now) {
  if (is_planted("tokens"))
    at = {};
  return keys().token_allows(token, hub, instance, operation, at);
}

/// Would we have written this very text for the instance, and is it in time?
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
  // Further ones leave the clock's range.
  if (seconds > 100'000'000'000
      || seconds < now.time_since_epoch() / std::chrono::seconds(1))
    return false;
  const persistence::timestamp until{std::chrono::seconds(seconds)};
  return letters.find(operation) != letters.npos && until > now
         && keys().make_token(hub, instance, letters, until) == token;
}

broken_promise check_stranger(std::string_view token,
                              std::string_view instance) {
  for (const char operation : operations)
    if (allows(token, instance, operation)
        && !is_genuine(token, instance, operation))
      return "a token that nobody made, or made for something else, opens";
  return {};
}

/// One that was made for this instance opens it, and no more.
broken_promise check_own(std::string_view instance) {
  using std::chrono::seconds;
  const std::string own
    = keys().make_token(hub, instance, "gt", now + seconds(60));
  if (!allows(own, instance, 'g') || !allows(own, instance, 't'))
    return "a token does not open what it was made for";
  if (allows(own, instance, 'p'))
    return "a token opens for another operation";
  if (allows(own, std::string(instance) + 'x', 'g')
      || (!instance.empty() && allows(own, instance.substr(1), 'g')))
    return "a token opens another instance";
  if (allows(own, instance, 'g', now + seconds(60)))
    return "a token opens after its time";
  if (keys().token_allows(own, "hub-2", instance, 'g', now))
    return "a token opens another hub";
  return {};
}

/// No word of a file of keys that is long enough for a key is in a sentence.
broken_promise check_keys_file(std::string_view text) {
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
      return "a sentence shows a key: " + ok.error().message;
  }
  return {};
}

} // namespace

broken_promise fuzz_tokens(std::string_view bytes) {
  const std::size_t end = bytes.find('\n');
  const std::string_view token = bytes.substr(0, end);
  const std::string_view instance
    = end == bytes.npos ? std::string_view() : bytes.substr(end + 1);
  if (keys().right_of(token) != access::none && token != "master-key-0123456789"
      && token != "reader-key-0123456789")
    return "a key that is none opens";
  if (auto broken = check_stranger(token, instance); !broken.empty())
    return broken;
  if (auto broken = check_own(instance); !broken.empty())
    return broken;
  return check_keys_file(bytes);
}

} // namespace perdura::tests
