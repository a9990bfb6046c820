// SPDX-License-Identifier: Apache-2.0
/// Fuzz targets for all input that an unauthenticated peer can send.
///
/// A target is a function that accepts any bytes, runs the code under test on
/// them and reports the first violated property. libFuzzer calls it through
/// fuzzer_entry.cpp; tests/client/fuzz_seeds_test.cpp calls it directly.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace perdura::tests {

/// A sentence that names the violated property. Empty means no violation.
using violation = std::string;

/// Input: "METHOD TARGET", then a line "Name: value" for each header. Checks
/// the URL parser, the route, the key and the URL in the log.
violation fuzz_routing(std::string_view bytes);

/// Input: a request body. Compares the JSON check with nlohmann's parser. Also
/// checks `parse_start_bindings` and the JSON output of the command line.
violation fuzz_json_intake(std::string_view bytes);

/// Input: the query string of a list request. The same bytes are also parsed as
/// a time and as a continuation token.
violation fuzz_query_filters(std::string_view bytes);

/// Input: the TOML configuration file of a node.
violation fuzz_configuration(std::string_view bytes);

/// Input: an access token for one instance, a line break and the ID of the
/// instance. The same bytes are also parsed as a key file.
violation fuzz_tokens(std::string_view bytes);

/// Input: the packets of another process; packets.cpp describes the format. A
/// router receives them on the connection of its peer, and receives hello
/// packets also on a second connection.
violation fuzz_packets(std::string_view bytes);

struct fuzz_target {
  std::string_view name; ///< Also the name of its corpus and dictionary.
  violation (*run)(std::string_view bytes);
};

std::span<const fuzz_target> fuzz_targets();

/// The name of the target that tests a deliberately faulty function, to show
/// that the target finds the fault. Empty means none. The initial value is the
/// environment variable PERDURA_PLANT. Not thread-safe.
std::string& planted_target();

inline bool is_planted(std::string_view target) {
  return planted_target() == target;
}

} // namespace perdura::tests
