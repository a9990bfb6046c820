// SPDX-License-Identifier: Apache-2.0
#include "cluster/placement/partition_map.hpp"

#include <boost/test/unit_test.hpp>

#include <array>
#include <cmath>
#include <random>
#include <string>
#include <vector>

namespace perdura::tests {

using cluster::partition_of;
using persistence::index_of;

BOOST_AUTO_TEST_SUITE(partition_map)

// Golden vectors: XXH3-64 with seed 0, modulo the number of partitions. If the
// function changed, instances of existing hubs would not be found.
BOOST_AUTO_TEST_CASE(partition_of_an_id_never_changes) {
  struct golden {
    std::string id;
    std::uint32_t of_32;
    std::uint32_t of_7;
    std::uint32_t of_4096;
  };

  const std::vector<golden> vectors{
    {"", 2, 4, 1218},
    {"a", 31, 1, 3615},
    {"order-17", 30, 1, 3006},
    {"instance-000001", 5, 4, 2885},
    {"d3b72dddefce4e758d92f4d411567177", 0, 2, 3040},
    {"\xC3\x84pfel", 28, 6, 3580},
  };
  for (const golden& one : vectors) {
    BOOST_TEST(index_of(partition_of(one.id, 32)) == one.of_32);
    BOOST_TEST(index_of(partition_of(one.id, 7)) == one.of_7);
    BOOST_TEST(index_of(partition_of(one.id, 4096)) == one.of_4096);
  }
}

// The number of IDs in each of 32 partitions differs from the mean by less than
// 3 %.
BOOST_AUTO_TEST_CASE(million_ids_spread_evenly) {
  constexpr std::size_t ids = 1'000'000;
  constexpr double mean = ids / 32.0;
  std::mt19937_64 random(20261122);
  std::array<std::size_t, 32> counts{};
  for (std::size_t i = 0; i < ids; ++i)
    ++counts.at(index_of(partition_of(std::to_string(random()), 32)));
  for (const std::size_t count : counts)
    BOOST_TEST(std::abs(static_cast<double>(count) - mean) < mean * 0.03);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
