// SPDX-License-Identifier: Apache-2.0
// The durability rule: only the partition_processor has a mutable durable side,
// and only durable_store::apply changes it.
#include "tests/conventions/source_tree.hpp"

#include <boost/test/unit_test.hpp>

#include <regex>

namespace perdura::tests {

namespace {

/// The files that own or define the durable side.
bool may_hold_a_store(const source_file& file) {
  static const std::regex owners(
    "^actors/partition/"
    "(durable_partition\\.[ch]pp|partition_processor\\.hpp)$");
  return std::regex_match(file.path, owners);
}

findings durable_side_is_constant(const source_file& file) {
  static const std::regex writable(
    "\\bdurable_partition\\s*[&*]|\\bconst_cast\\b|\\bdurable_store\\b");
  static const std::regex constant(
    "\\bconst (actors::)?durable_partition\\s*[&*]");
  if (file.layer() != "actors" || file.folder() != "actors/partition"
      || may_hold_a_store(file))
    return {};
  source_file without = file;
  without.text = std::regex_replace(code_of(file.text, false), constant, "");
  return matches_in(without, writable,
                    "only a durable_store has the durable side mutable");
}

} // namespace

BOOST_AUTO_TEST_SUITE(durability)

BOOST_AUTO_TEST_CASE(only_the_store_has_the_durable_side_mutable) {
  check(
    durable_side_is_constant,
    {{"actors/partition/step_start.cpp",
      "turn step(durable_partition& durable);\n"},
     {"actors/partition/steps.hpp", "turn step(durable_partition* x);\n"},
     {"actors/partition/step_event.cpp",
      "auto& x = const_cast<stored_instance&>(*rows);\n"},
     {"actors/partition/turn.hpp", "durable_store store;\n"},
     {"actors/partition/step_turn.cpp",
      "void f(durable_partition &durable);\n"}},
    {{"actors/partition/step_start.cpp",
      "turn step(const durable_partition& durable);\n"},
     {"actors/partition/durable_partition.hpp", "class durable_store {};\n"},
     {"actors/partition/partition_processor.hpp", "durable_store store_;\n"},
     {"actors/partition/steps.hpp", "// a durable_partition& is refused\n"},
     {"actors/partition/turn.hpp", "const actors::durable_partition* view;\n"}},
    cpp_files());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
