// SPDX-License-Identifier: Apache-2.0
/// The access keys of the HTTP API, and the tokens that are derived from the
/// keys. A token authorizes operations on one instance.
///
/// Keys are stored and compared as SHA-256 digests, in constant time.
#pragma once

#include "client/http/routes.hpp"
#include <perdura/persistence/records/error.hpp>
#include <perdura/persistence/records/ids.hpp>

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::client {

/// The smallest and the largest size of a key in characters. Shorter keys could
/// be guessed.
inline constexpr std::size_t key_size_min = 16;
inline constexpr std::size_t key_size_max = 256;

/// One line of a file of keys. The members refer to the parsed text.
struct key_line {
  std::string_view word; ///< "manage", "read", or empty if missing.
  std::string_view key;  ///< Empty for a blank line or a comment.
};

/// Parses `manage KEY`, `read KEY` or `KEY`. A "#" begins a comment.
key_line parse_key_line(std::string_view line);

/// Removes the first key from a comma-separated list and returns it. Returns
/// an empty text at the end of the list.
std::string_view next_key(std::string_view& list);

/// The set of valid keys. Thread-safe after the last call of `add_lines` and
/// `add_list`.
class access_keys {
public:
  /// Adds the keys of a file. Each line is `manage KEY` or `read KEY`. Blank
  /// lines are ignored; a "#" begins a comment.
  /// @error errc::invalid_argument  A line is not valid. The sentence names
  ///                                the line and never shows the key.
  persistence::result<void> add_lines(std::string_view text,
                                      const std::string& file_name);

  /// Adds comma-separated keys, all with the same right.
  /// @param name  Names the origin of the list in the error's sentence.
  /// @error errc::invalid_argument  A key is not valid.
  persistence::result<void> add_list(access right, std::string_view text,
                                     const std::string& name);

  /// Loads the keys of `file`, unless this path is empty, and those of the
  /// environment variables PERDURA_KEYS and PERDURA_KEYS_READ. Must be called
  /// before other threads start, because it reads the environment.
  /// @error errc::invalid_argument  The file cannot be read, other users may
  ///                                read it, a key is not valid, or there are
  ///                                keys but none that may manage.
  static persistence::result<access_keys>
  load(const std::filesystem::path& file);

  bool empty() const {
    return keys_.empty();
  }

  std::size_t count(access right) const;

  /// The right of a key that a caller has sent; `access::none` if the key is
  /// unknown. The time taken depends only on the length of `sent` and on the
  /// number of keys.
  access access_of(std::string_view sent) const;

  /// The first eight hexadecimal digits of the key's SHA-256, which identify
  /// the key in logs without revealing it.
  static std::string name_of(std::string_view sent);

  // --- Tokens ---------------------------------------------------------------

  /// A token that authorizes these operations on one instance of a hub until
  /// `expires`. `operations` are letters of `route::operation`. The token is
  /// signed with the first key that may manage; it is empty if there is none.
  ///
  /// @param created_at  The token is valid only for the instance that was
  ///                    created at this time, not for a later one with the same
  ///                    ID. The epoch means that it is valid for any.
  ///
  /// Form: "t2.OPERATIONS.SECONDS.CREATED.MAC", where SECONDS is the Unix time
  /// of the expiry, CREATED is `created_at` in microseconds, and MAC is an
  /// HMAC-SHA256 with a secret derived from the key. A token for any instance
  /// has the form "t1.OPERATIONS.SECONDS.MAC". A token contains only characters
  /// that a URL may contain without an escape.
  std::string make_token(std::string_view hub_id, std::string_view instance,
                         std::string_view operations,
                         persistence::timestamp expires,
                         persistence::timestamp created_at = {}) const;

  /// Whether a token authorizes the operation with this letter on the
  /// instance. A token becomes invalid when it expires, or when the key that
  /// signed it is removed.
  bool token_allows(std::string_view token, std::string_view hub_id,
                    std::string_view instance, char letter,
                    persistence::timestamp now) const {
    return created_at_of(token, hub_id, instance, letter, now).has_value();
  }

  /// As `token_allows`, but returns the `created_at` of the token: the caller
  /// must check the time of the instance. No value if the token does not
  /// authorize the operation.
  std::optional<persistence::timestamp>
  created_at_of(std::string_view token, std::string_view hub_id,
                std::string_view instance, char letter,
                persistence::timestamp now) const;

private:
  using digest = std::array<unsigned char, 32>;

  struct known_key {
    access right = access::none;
    digest hash{};
    digest token_secret{}; ///< Derived from the key.
  };

  persistence::result<void> add(access right, std::string_view key,
                                const std::string& place);
  static std::string mac_of(const digest& secret, std::string_view hub_id,
                            std::string_view instance,
                            std::string_view operations,
                            std::string_view expires, std::string_view created);

  std::vector<known_key> keys_;
};

} // namespace perdura::client
