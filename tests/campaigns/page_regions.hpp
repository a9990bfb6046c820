// SPDX-License-Identifier: Apache-2.0
/// Divides the data files of a lane into regions by the role of their bytes,
/// so that a campaign can damage each role as often as the others.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

namespace perdura::tests {

/// The role of the bytes of a region.
enum class page_role : std::uint8_t {
  meta,           ///< The two meta pages.
  branch,         ///< Branch pages.
  leaf_structure, ///< Heads, offsets and sizes in leaf pages; roots of tables.
  instance_row,   ///< Views: key or value of a row of an instance.
  index_row,      ///< Views: key or value of an index row of an instance.
  hub_row,        ///< Views: rows of the hub, of a partition or of counts.
  journal_record, ///< Journal: the header and the records.
  overflow_head,  ///< Heads of the pages of large values.
  instance_value, ///< Views: large value of an instance.
  free_list,      ///< Lists of free pages.
  unused,         ///< Free pages, and gaps in used pages.
  hub_file,       ///< The file `hub`, which has no pages.
};

inline constexpr std::size_t page_roles = 12;

std::string_view name_of(page_role role);

struct page_region {
  page_role role = page_role::unused;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

/// The regions of a sound data file, in the state that LMDB uses.
/// @param is_journal  The file is a journal, else views.
std::vector<page_region> regions_of(const std::filesystem::path& file,
                                    bool is_journal);

} // namespace perdura::tests
