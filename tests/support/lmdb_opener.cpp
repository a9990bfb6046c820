// SPDX-License-Identifier: Apache-2.0
#include "tests/support/lmdb_opener.hpp"

#include "persistence/journal/lmdb_journal.hpp"
#include "tests/support/temp_directory.hpp"

namespace perdura::tests {

using namespace actors;
using namespace persistence;

journal_opener make_lmdb_opener(std::uint32_t partitions) {
  auto place = std::make_shared<temp_directory>(temp_directory::in_memory());
  hub_identity hub;
  hub.hub_id = std::string(32, '0');
  hub.name = "test";
  hub.partition_count = partitions;
  const auto directory = place->path() / "hub";
  // Small maps and no reserve file, because the file system may be in memory.
  const lmdb_map_sizes small{.journal = 64U << 20U, .views = 64U << 20U};
  create_hub(directory, hub, small).value();
  return [place, directory, small](crash_hook crash) {
    lmdb_journal_options options;
    options.directory = directory;
    options.map_bytes = small;
    options.disk_limits.reserve_bytes = 0;
    options.manual = true; // without committer and views threads
    options.crash = std::move(crash);
    return open_lmdb_journal(std::move(options)).value();
  };
}

} // namespace perdura::tests
