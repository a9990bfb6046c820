// SPDX-License-Identifier: Apache-2.0
#include "client/http/access_keys.hpp"

#include "client/http/bounded_read.hpp"
#include "persistence/records/text.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>

namespace perdura::client {

using persistence::errc;
using persistence::error;
using persistence::result;
using persistence::timestamp;

namespace {

using digest = std::array<unsigned char, 32>;

digest sha256(std::string_view text) {
  digest out{};
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), out.data(), &size, EVP_sha256(),
             nullptr);
  return out;
}

/// The MAC of a text.
/// @source RFC 2104.
digest hmac_sha256(std::string_view key, std::string_view text) {
  digest out{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(),
       out.data(), &size);
  return out;
}

std::string hex(std::span<const unsigned char> bytes) {
  return persistence::to_hex(
    {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

/// Compares in constant time, so that timing reveals no part of a MAC.
bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size()
         && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

/// The text without leading and trailing blanks and line ends.
std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(blanks);
  if (first == text.npos)
    return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

/// The Unix time in whole seconds, as in a token.
std::string seconds_of(timestamp time) {
  return std::to_string(
    std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count());
}

/// Removes the text up to the next dot from the front, and returns it.
std::string_view next_field(std::string_view& text) {
  const std::size_t end = text.find('.');
  const std::string_view field = text.substr(0, end);
  text.remove_prefix(end == text.npos ? text.size() : end + 1);
  return field;
}

/// First field of a token: the version of its format.
constexpr std::string_view token_version = "t2";
constexpr std::string_view unbound_token_version = "t1"; // For any instance.

/// The microseconds since 1970, as in a token.
std::string microseconds_of(timestamp time) {
  return std::to_string(time.time_since_epoch().count());
}

/// The number that is the whole text; empty if the text is none.
std::optional<std::int64_t> parse_number(std::string_view text) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, failure] = std::from_chars(text.data(), end, number);
  if (failure != std::errc() || rest != end)
    return std::nullopt;
  return number;
}

} // namespace

key_line parse_key_line(std::string_view line) {
  // Everything after a "#" is a comment, so a key in a file cannot contain one.
  line = trimmed(line.substr(0, line.find('#')));
  const std::size_t blank = line.find_first_of(" \t");
  const std::string_view word = line.substr(0, blank);
  // A line of one word is a key, as in a file for `--key-file`, even if the
  // word is "read".
  if (blank != line.npos && (word == "manage" || word == "read"))
    return {word, trimmed(line.substr(blank))};
  return {{}, line};
}

std::string_view next_key(std::string_view& list) {
  // Skips empty entries, so a trailing comma is no error.
  while (!list.empty()) {
    const std::size_t end = list.find(',');
    const std::string_view key = trimmed(list.substr(0, end));
    list.remove_prefix(end == list.npos ? list.size() : end + 1);
    if (!key.empty())
      return key;
  }
  return {};
}

result<void> access_keys::add(access right, std::string_view key,
                              const std::string& place) {
  const bool plain
    = std::all_of(key.begin(), key.end(), persistence::is_graphic);
  if (!plain || key.size() < key_size_min || key.size() > key_size_max)
    return error{errc::invalid_argument,
                 place + ": a key has " + std::to_string(key_size_min) + " to "
                   + std::to_string(key_size_max)
                   + " printable ASCII characters without blanks; `openssl "
                     "rand -hex 32` makes a good one."};
  // Only digests of the key are stored. The secret for tokens is derived from
  // the key and a fixed text, so it differs from the digest with which keys are
  // compared.
  known_key known;
  known.right = right;
  known.hash = sha256(key);
  known.token_secret = hmac_sha256(key, "perdura instance token 1");
  keys_.push_back(known);
  return {};
}

result<void> access_keys::add_lines(std::string_view text,
                                    const std::string& file_name) {
  // Lines are counted from 1 for the error sentences, which never contain the
  // key.
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    const auto [word, key] = parse_key_line(line);
    if (key.empty())
      continue;
    const std::string place = file_name + ":" + std::to_string(number);
    const bool is_read = word == "read";
    if (word.empty())
      return error{errc::invalid_argument,
                   place + ": a line is `manage KEY` or `read KEY`."};
    if (auto ok = add(is_read ? access::read : access::manage, key, place); !ok)
      return ok;
  }
  return {};
}

result<void> access_keys::add_list(access right, std::string_view text,
                                   const std::string& name) {
  for (auto key = next_key(text); !key.empty(); key = next_key(text))
    if (auto ok = add(right, key, name); !ok)
      return ok;
  return {};
}

result<access_keys> access_keys::load(const std::filesystem::path& file) {
  access_keys keys;
  if (!file.empty()) {
    struct stat facts {};

    std::ifstream in(file, std::ios::binary);
    // Opening a directory succeeds, but reading it fails later.
    if (!in || ::stat(file.c_str(), &facts) != 0 || S_ISDIR(facts.st_mode))
      return error{errc::invalid_argument, "The file of keys \"" + file.string()
                                             + "\" cannot be read."};
    // A file to which the group or other users have any right is refused. The
    // program ssh also refuses a private key file with such rights.
    if ((facts.st_mode & (S_IRWXG | S_IRWXO)) != 0)
      return error{errc::invalid_argument,
                   "Other users may read the file of keys \"" + file.string()
                     + "\"; run `chmod 600` on it."};
    constexpr std::size_t keys_bytes_max = std::size_t{1024} * 1024;
    const auto text
      = read_bounded(in, keys_bytes_max, '"' + file.string() + '"');
    if (!text)
      return text.error();
    if (auto ok = keys.add_lines(*text, file.string()); !ok)
      return ok.error();
    // An empty file is an error: without a key, every caller could do
    // everything.
    if (keys.empty())
      return error{errc::invalid_argument,
                   "The file of keys \"" + file.string() + "\" has no key."};
  }
  for (const auto& [name, right] :
       {std::pair("PERDURA_KEYS", access::manage),
        std::pair("PERDURA_KEYS_READ", access::read)}) {
    // `getenv` is safe here, because no other thread has started yet.
    const char* value = std::getenv(name); // NOLINT(concurrency-mt-unsafe)
    if (value == nullptr)
      continue;
    if (auto ok = keys.add_list(right, value, name); !ok)
      return ok.error();
  }
  // Without a key that may manage, no instance could be started, and no token
  // could be signed.
  if (!keys.empty() && keys.count(access::manage) == 0)
    return error{errc::invalid_argument,
                 "There are keys that may read, but no key that may manage; "
                 "add a line `manage KEY`."};
  return keys;
}

std::size_t access_keys::count(access right) const {
  return static_cast<std::size_t>(
    std::count_if(keys_.begin(), keys_.end(), [right](const known_key& key) {
      return key.right == right;
    }));
}

access access_keys::access_of(std::string_view sent) const {
  const digest hash = sha256(sent);
  access right = access::none;
  for (const known_key& key : keys_)
    // All keys are compared, so that the time does not depend on the position
    // of the matching one.
    if (CRYPTO_memcmp(key.hash.data(), hash.data(), hash.size()) == 0)
      right = std::max(right, key.right);
  return right;
}

std::string access_keys::name_of(std::string_view sent) {
  const digest hash = sha256(sent);
  // 32 bits are enough to distinguish the keys of a node, but too few to
  // recover a key from them.
  return hex(std::span(hash).first(4));
}

// --- Tokens -----------------------------------------------------------------

std::string access_keys::mac_of(const digest& secret, std::string_view hub_id,
                                std::string_view instance,
                                std::string_view operations,
                                std::string_view expires,
                                std::string_view created) {
  // Only the last field may hold a line break, so two different lists of fields
  // never give the same text. No operations equal the version.
  std::string text(hub_id);
  const auto add = [&text](std::string_view field) {
    text += '\n';
    text += field;
  };
  if (!created.empty())
    add(token_version);
  add(operations);
  add(expires);
  if (!created.empty())
    add(created);
  add(instance);
  const std::string_view key(reinterpret_cast<const char*>(secret.data()),
                             secret.size());
  return hex(hmac_sha256(key, text));
}

std::string access_keys::make_token(std::string_view hub_id,
                                    std::string_view instance,
                                    std::string_view operations,
                                    timestamp expires,
                                    timestamp created_at) const {
  // The first key that may manage signs the token. To replace a key, put the
  // new key before the old one; tokens that the old key has signed stay valid
  // until the old key is removed.
  for (const known_key& key : keys_) {
    if (key.right != access::manage)
      continue;
    const bool is_bound = created_at != timestamp{};
    const std::string until = seconds_of(expires);
    const std::string created
      = is_bound ? microseconds_of(created_at) : std::string();
    return std::string(is_bound ? token_version : unbound_token_version) + '.'
           + std::string(operations) + '.' + until + '.'
           + (is_bound ? created + '.' : created)
           + mac_of(key.token_secret, hub_id, instance, operations, until,
                    created);
  }
  return {};
}

std::optional<timestamp> access_keys::created_at_of(std::string_view token,
                                                    std::string_view hub_id,
                                                    std::string_view instance,
                                                    char letter,
                                                    timestamp now) const {
  // The fields are read from the left; the rest of the text is the MAC.
  const std::string_view version = next_field(token);
  const bool is_bound = version == token_version;
  if (!is_bound && version != unbound_token_version)
    return std::nullopt;
  const std::string_view operations = next_field(token);
  const std::string_view expires = next_field(token);
  const std::string_view created
    = is_bound ? next_field(token) : std::string_view();
  const std::string_view mac = token;
  // The MAC covers the text of the numbers, so the caller cannot change them.
  const auto until = parse_number(expires);
  const auto created_at
    = is_bound ? parse_number(created) : std::optional<std::int64_t>(0);
  if (!until || !created_at || operations.find(letter) == operations.npos)
    return std::nullopt;
  // All keys are tried, so that the time taken does not depend on the key.
  bool is_authentic = false;
  for (const known_key& key : keys_)
    if (key.right == access::manage)
      is_authentic |= equal_in_constant_time(
        mac, mac_of(key.token_secret, hub_id, instance, operations, expires,
                    created));
  if (!is_authentic || now.time_since_epoch() >= std::chrono::seconds(*until))
    return std::nullopt;
  return timestamp(persistence::duration(*created_at));
}

} // namespace perdura::client
