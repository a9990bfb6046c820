/// The one table of settings: what each is called in a configuration file,
/// what it is for, what it may hold, and where it lands.
#pragma once

#include "client/configuration/configuration.hpp"
#include "client/configuration/setting_value.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::client {

struct setting {
  std::string_view path; ///< Section and key, e.g. "http.port".
  setting_kind kind = setting_kind::text;
  std::string_view help; ///< A sentence, with the unit where there is one.
  /// What else it is called: the member of the struct, an older name.
  std::string_view alias = {};
  /// Of counts, times (microseconds) and sizes.
  std::int64_t min = 0;
  std::int64_t max = 0;
  /// Of a choice.
  std::vector<std::string_view> words = {};
  std::function<setting_value(const configuration&)> get = {};
  /// The value is of the setting's kind and in range.
  std::function<void(configuration&, const setting_value&)> set = {};

  std::string_view section() const {
    return path.substr(0, path.rfind('.'));
  }

  std::string_view key() const {
    return path.substr(path.rfind('.') + 1);
  }

  /// What a value must be, e.g. "a whole number from 0 to 65535".
  std::string wanted() const;

  /// Empty if the value is in range, else the whole sentence.
  std::string objection(const setting_value& value) const;
};

/// In the order in which they are shown: section by section.
/// Not in it, for they make sense in code alone: `node_host_config::http`
/// (without a door nothing could reach the binary's node).
const std::vector<setting>& settings();

/// Null if there is none.
const setting* find_setting(std::string_view path);

/// The setting or section that was meant by an unknown one, e.g. "hub.
/// partitions" for "node.partition_count"; empty if none is near.
std::string_view nearest_setting(std::string_view path);

/// What is wrong with a whole configuration though each value is in range: a
/// text that is no address, a file that lacks its other half.
struct discord {
  std::string_view path; ///< The setting that it is about.
  std::string sentence;
};

std::vector<discord> find_discords(const configuration& values);

} // namespace perdura::client
