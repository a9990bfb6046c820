/// The keys that open the door, and the tokens made from them that open it
/// for one instance.
#pragma once

#include "client/http/routes.hpp"
#include <perdura/persistence/records/error.hpp>
#include <perdura/persistence/records/ids.hpp>

#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::client {

/// Shorter ones can be guessed.
inline constexpr std::size_t key_size_min = 16;
inline constexpr std::size_t key_size_max = 256;

/// One line of a keys' file.
struct key_line {
  std::string_view word; ///< "manage" or "read"; empty: the key stands alone.
  std::string_view key;  ///< Empty: the line is blank, or a comment.
};

/// What follows a "#" does not count.
key_line parse_key_line(std::string_view line);

/// The next of several keys, separated by commas and blanks; empty at the end.
std::string_view take_key(std::string_view& list);

class access_keys {
public:
  /// A line each: `manage KEY` or `read KEY`. Blank lines, and what follows
  /// a "#", do not count.
  /// @error errc::invalid_argument  Says which line, and never shows the key.
  persistence::result<void> add_lines(std::string_view text,
                                      const std::string& file_name);

  /// Keys of one right, separated by commas.
  persistence::result<void> add_list(access right, std::string_view text,
                                     const std::string& name);

  /// The file, if one is named, and the environment's.
  /// @error errc::invalid_argument  Also: others may read the file, or there
  ///                                are keys but none to manage with.
  static persistence::result<access_keys>
  load(const std::filesystem::path& file);

  bool empty() const {
    return keys_.empty();
  }

  std::size_t count(access right) const;

  /// What a caller who shows this may do. Takes as long for every text of
  /// that length.
  access right_of(std::string_view shown) const;

  /// The first eight hex digits of a key's SHA-256: who it was, for logs.
  static std::string name_of(std::string_view shown);

  // --- Tokens ---------------------------------------------------------------

  /// Opens one instance of a hub for these operations until then; letters as
  /// in `route::operation`. Empty if there is no key to manage with.
  /// Shape: "t1.OPERATIONS.SECONDS.MAC", all of it safe in a URL.
  std::string make_token(std::string_view hub_id, std::string_view instance,
                         std::string_view operations,
                         persistence::timestamp expires) const;

  /// Good as long as the key that made it.
  bool token_allows(std::string_view token, std::string_view hub_id,
                    std::string_view instance, char operation,
                    persistence::timestamp now) const;

private:
  using digest = std::array<unsigned char, 32>;

  struct known_key {
    access right = access::none;
    digest hash{};
    digest token_secret{}; ///< Made of the key, so that none is kept.
  };

  persistence::result<void> add(access right, std::string_view key,
                                const std::string& place);
  static std::string mac_of(const digest& secret, std::string_view hub_id,
                            std::string_view instance,
                            std::string_view operations,
                            std::string_view expires);

  std::vector<known_key> keys_;
};

} // namespace perdura::client
