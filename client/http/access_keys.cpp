#include "client/http/access_keys.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>

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

digest hmac_sha256(std::string_view key, std::string_view text) {
  digest out{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(),
       out.data(), &size);
  return out;
}

std::string hex(std::span<const unsigned char> bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const unsigned char byte : bytes) {
    out += digits[byte >> 4U];
    out += digits[byte & 15U];
  }
  return out;
}

bool same(std::string_view a, std::string_view b) {
  return a.size() == b.size()
         && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(blanks);
  if (first == text.npos)
    return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::string seconds_of(timestamp time) {
  return std::to_string(
    std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count());
}

/// What stands before the next dot.
std::string_view take_field(std::string_view& text) {
  const std::size_t end = text.find('.');
  const std::string_view field = text.substr(0, end);
  text.remove_prefix(end == text.npos ? text.size() : end + 1);
  return field;
}

constexpr std::string_view token_mark = "t1";

} // namespace

key_line parse_key_line(std::string_view line) {
  line = trimmed(line.substr(0, line.find('#')));
  const std::size_t blank = line.find_first_of(" \t");
  const std::string_view word = line.substr(0, blank);
  if (blank != line.npos && (word == "manage" || word == "read"))
    return {word, trimmed(line.substr(blank))};
  return {{}, line};
}

std::string_view take_key(std::string_view& list) {
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
  const bool plain = std::all_of(key.begin(), key.end(),
                                 [](char c) { return c > 0x20 && c < 0x7F; });
  if (!plain || key.size() < key_size_min || key.size() > key_size_max)
    return error{errc::invalid_argument,
                 place + ": a key has " + std::to_string(key_size_min) + " to "
                   + std::to_string(key_size_max)
                   + " printable ASCII characters without blanks; `openssl "
                     "rand -hex 32` makes a good one."};
  known_key known;
  known.right = right;
  known.hash = sha256(key);
  known.token_secret = hmac_sha256(key, "perdura instance token 1");
  keys_.push_back(known);
  return {};
}

result<void> access_keys::add_lines(std::string_view text,
                                    const std::string& file_name) {
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
  for (auto key = take_key(text); !key.empty(); key = take_key(text))
    if (auto ok = add(right, key, name); !ok)
      return ok;
  return {};
}

result<access_keys> access_keys::load(const std::filesystem::path& file) {
  access_keys keys;
  if (!file.empty()) {
    struct stat facts {};

    std::ifstream in(file, std::ios::binary);
    if (!in || ::stat(file.c_str(), &facts) != 0 || S_ISDIR(facts.st_mode))
      return error{errc::invalid_argument,
                   "The keys' file \"" + file.string() + "\" cannot be read."};
    if ((facts.st_mode & (S_IRWXG | S_IRWXO)) != 0)
      return error{errc::invalid_argument, "Others may read the keys' file \""
                                             + file.string()
                                             + "\"; say `chmod 600` to it."};
    const std::string text(std::istreambuf_iterator<char>(in), {});
    if (auto ok = keys.add_lines(text, file.string()); !ok)
      return ok.error();
    if (keys.empty())
      return error{errc::invalid_argument,
                   "The keys' file \"" + file.string() + "\" has no key."};
  }
  for (const auto& [name, right] :
       {std::pair("PERDURA_KEYS", access::manage),
        std::pair("PERDURA_KEYS_READ", access::read)}) {
    // Read once, before other threads are there.
    const char* value = std::getenv(name); // NOLINT(concurrency-mt-unsafe)
    if (value == nullptr)
      continue;
    if (auto ok = keys.add_list(right, value, name); !ok)
      return ok.error();
  }
  if (!keys.empty() && keys.count(access::manage) == 0)
    return error{errc::invalid_argument,
                 "There are keys to read with, but none to manage with; add a "
                 "line `manage KEY`."};
  return keys;
}

std::size_t access_keys::count(access right) const {
  return static_cast<std::size_t>(
    std::count_if(keys_.begin(), keys_.end(), [right](const known_key& key) {
      return key.right == right;
    }));
}

access access_keys::right_of(std::string_view shown) const {
  const digest hash = sha256(shown);
  access right = access::none;
  for (const known_key& key : keys_)
    if (CRYPTO_memcmp(key.hash.data(), hash.data(), hash.size()) == 0)
      right = std::max(right, key.right);
  return right;
}

std::string access_keys::name_of(std::string_view shown) {
  const digest hash = sha256(shown);
  return hex(std::span(hash).first(4));
}

// --- Tokens -----------------------------------------------------------------

std::string access_keys::mac_of(const digest& secret, std::string_view hub_id,
                                std::string_view instance,
                                std::string_view operations,
                                std::string_view expires) {
  // No field but the last can hold a line break, so none can be shifted.
  std::string text(hub_id);
  for (const std::string_view field : {operations, expires, instance}) {
    text += '\n';
    text += field;
  }
  const std::string_view key(reinterpret_cast<const char*>(secret.data()),
                             secret.size());
  return hex(hmac_sha256(key, text));
}

std::string access_keys::make_token(std::string_view hub_id,
                                    std::string_view instance,
                                    std::string_view operations,
                                    timestamp expires) const {
  for (const known_key& key : keys_) {
    if (key.right != access::manage)
      continue;
    const std::string until = seconds_of(expires);
    return std::string(token_mark) + '.' + std::string(operations) + '.' + until
           + '.'
           + mac_of(key.token_secret, hub_id, instance, operations, until);
  }
  return {};
}

bool access_keys::token_allows(std::string_view token, std::string_view hub_id,
                               std::string_view instance, char operation,
                               timestamp now) const {
  if (take_field(token) != token_mark)
    return false;
  const std::string_view operations = take_field(token);
  const std::string_view expires = take_field(token);
  const std::string_view mac = token;
  std::int64_t until = 0;
  const char* end = expires.data() + expires.size();
  const auto [rest, failure] = std::from_chars(expires.data(), end, until);
  if (failure != std::errc() || rest != end
      || operations.find(operation) == operations.npos)
    return false;
  bool is_ours = false;
  for (const known_key& key : keys_)
    if (key.right == access::manage)
      is_ours |= same(
        mac, mac_of(key.token_secret, hub_id, instance, operations, expires));
  return is_ours && now.time_since_epoch() < std::chrono::seconds(until);
}

} // namespace perdura::client
