// SPDX-License-Identifier: Apache-2.0
// A list over index rows with damaged keys: LMDB's search compares keys, so a
// damaged one can lead it to another place.
#include "damage_tools.hpp"
#include <boost/test/unit_test.hpp>

#include <array>
#include <cstdint>
#include <set>

namespace perdura::persistence {

using namespace testing;
namespace fs = std::filesystem;

namespace {

constexpr std::uint32_t listed_instances = 40;
constexpr std::uint32_t listed_partitions = 2;

std::string listed_id(std::uint32_t i) {
  return "order-" + std::to_string(i);
}

/// Writes the instances to the views, in turn in the partitions.
void write_listed(lmdb_storage& storage) {
  auto j = storage.open();
  std::array<partition_sequence, listed_partitions> sequences{};
  for (std::uint32_t i = 0; i < listed_instances; ++i) {
    const std::uint32_t p = i % listed_partitions;
    j->append(start_turn(partition_id(p), ++sequences.at(p), listed_id(i),
                         1'000'000 + i * 1'000));
  }
  j->commit();
  j->flush_views(false);
}

/// The result of a walk through all pages.
struct walked_list {
  std::set<std::string> ids;
  std::size_t repeated = 0; ///< Sound rows that were listed again.
  std::size_t errors = 0;
  bool is_refused = false; ///< A page is an error.
  bool is_endless = false;
};

walked_list walk_list(const journal& j, instance_query query) {
  std::vector<partition_id> partitions;
  for (std::uint32_t p = 0; p < listed_partitions; ++p)
    partitions.push_back(partition_id(p));
  walked_list walked;
  std::size_t pages = 0;
  do {
    const auto page = j.query(partitions, query);
    if (!page) {
      walked.is_refused = true;
      return walked;
    }
    for (const instance_row& row : page->rows)
      if (!row.error.empty())
        ++walked.errors;
      else if (!walked.ids.insert(row.id).second)
        ++walked.repeated;
    query.token = page->token;
    walked.is_endless = ++pages > 3 * listed_instances;
  } while (!query.token.empty() && !walked.is_endless);
  return walked;
}

/// The places of all keys of one index in the file of the views: the offset of
/// each byte after the first byte of the partition.
std::vector<std::size_t> key_bytes(const std::string& file, bool by_status) {
  std::vector<std::size_t> places;
  for (std::uint32_t i = 0; i < listed_instances; ++i) {
    const partition_id partition{i % listed_partitions};
    const timestamp created = at(1'000'000 + i * 1'000);
    const std::string key = by_status
                              ? status_key(partition, runtime_status::running,
                                           created, listed_id(i))
                              : created_key(partition, created, listed_id(i));
    for (std::size_t found = file.find(key); found != file.npos;
         found = file.find(key, found + 1))
      for (std::size_t byte = 1; byte < key.size(); ++byte)
        places.push_back(found + byte);
  }
  return places;
}

/// Flips bits of the keys, and checks the list each time. Every row but the
/// damaged one is there once, and the damaged one is an error.
void check_damaged_keys(bool by_status) {
  lmdb_storage storage(listed_partitions);
  write_listed(storage);
  const std::string sound = read_file(storage.hub() / views_name);
  // A prime number of bits is left out, so that all bytes of a key are hit.
  constexpr std::size_t step = 31;
  const auto places = key_bytes(sound, by_status);
  BOOST_TEST(places.size() >= listed_instances * 16U);
  const std::size_t count = places.size() * 8 / step;

  enum : int { right, missing, repeated, endless, silent };

  const auto outcomes = each_in_child(count, [&](std::size_t i) -> int {
    std::string bytes = sound;
    char& byte = bytes[places[i * step / 8]];
    byte = static_cast<char>(byte ^ (1 << (i * step % 8)));
    write_file(storage.hub() / views_name, bytes);
    auto options = storage.options();
    options.manual = true;
    const auto opened = open_lmdb_journal(std::move(options));
    if (!opened)
      return right;
    for (const std::size_t top : {3, 7, 100}) {
      instance_query query;
      query.top = top;
      if (by_status)
        query.statuses = {runtime_status::running};
      const walked_list walked = walk_list(**opened, query);
      if (walked.is_endless)
        return endless;
      if (walked.repeated > 0)
        return repeated;
      if (!walked.is_refused
          && walked.ids.size() + walked.errors < listed_instances)
        return missing;
      if (!walked.is_refused && walked.ids.size() < listed_instances
          && walked.errors == 0)
        return silent;
      if (walked.ids.size() + 1 < listed_instances && !walked.is_refused)
        return missing;
    }
    return right;
  });
  for (std::size_t i = 0; i < outcomes.size(); ++i)
    BOOST_TEST(outcomes[i] == right, "byte " << places[i * step / 8] << " bit "
                                             << i * step % 8 << ": "
                                             << outcomes[i]);
}

} // namespace

BOOST_AUTO_TEST_SUITE(damaged_lists)

BOOST_AUTO_TEST_CASE(flipped_bits_in_keys_of_by_created_hide_no_other_row) {
  check_damaged_keys(false);
}

BOOST_AUTO_TEST_CASE(flipped_bits_in_keys_of_by_status_hide_no_other_row) {
  check_damaged_keys(true);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::persistence
