/// What strangers can send, judged: each target takes any bytes and says which
/// promise they broke. For libFuzzer and for the ordinary tests.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace perdura::tests {

/// A sentence; empty: every promise held.
using broken_promise = std::string;

/// "METHOD TARGET", then a line "Name: value" for each header: URL, route,
/// key, and what the log shows of it.
broken_promise fuzz_routing(std::string_view bytes);

/// A body: our check against nlohmann's parser, start bindings, and what the
/// command line makes of JSON.
broken_promise fuzz_json_intake(std::string_view bytes);

/// What stands behind the `?` of a query; also as a time and a page's token.
broken_promise fuzz_query_filters(std::string_view bytes);

/// A node's TOML file.
broken_promise fuzz_configuration(std::string_view bytes);

/// A token, a line break, an instance; also as a file of keys.
broken_promise fuzz_tokens(std::string_view bytes);

/// What comes by a path from another process: lines "KIND TEXT", see the
/// source. A router that takes it, with a peer and without.
broken_promise fuzz_packets(std::string_view bytes);

struct fuzz_target {
  std::string_view name; ///< Also of its corpus and dictionary.
  broken_promise (*run)(std::string_view bytes);
};

std::span<const fuzz_target> fuzz_targets();

/// The target whose function under test is wrong on purpose, to show that it
/// is found out; PERDURA_PLANT in the environment says which at the start.
std::string& planted_target();

inline bool is_planted(std::string_view target) {
  return planted_target() == target;
}

} // namespace perdura::tests
