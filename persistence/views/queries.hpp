// SPDX-License-Identifier: Apache-2.0
/// Queries over many instances: filters, pages and continuation tokens.
#pragma once

#include "persistence/records/error.hpp"
#include "persistence/records/records.hpp"

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace perdura::persistence {

/// A query. An instance is returned if it passes all filters that are set.
struct instance_query {
  std::optional<timestamp> created_from; ///< Created at or after this time.
  std::optional<timestamp> created_to;   ///< Created at or before this time.
  std::vector<runtime_status> statuses;  ///< Any of these; empty means all.
  std::string id_prefix; ///< The ID begins with this; empty means all.
  std::string name;      ///< The orchestrator's name; empty means all.
  /// Only instances that are finished and ended at or before this time.
  std::optional<timestamp> ended_before;
  /// Only sub-orchestrations in the trees of these roots, by their IDs; empty
  /// means all instances.
  std::vector<instance_id> roots;
  std::size_t top = 100; ///< Maximum rows of a page, 1 to `page_rows_max`.
  std::string token; ///< The previous page's token; empty for the first page.
  /// Used if a node cannot be reached. If true, the page leaves out the
  /// partitions of the node and lists them as missing. If false, the query
  /// returns an error.
  bool partial = false;
  std::string version; ///< The orchestrator's version; empty means all.
  instance_id parent;  ///< Only children of this instance; empty means all.
};

template <class I>
auto inspect(I& f, instance_query& x) {
  return f(x.created_from, x.created_to, x.statuses, x.id_prefix, x.name,
           x.ended_before, x.top, x.token, x.partial, x.version, x.parent,
           x.roots);
}

/// Maximum number of rows in a page. The C++ client also uses it as the default
/// page size of an iteration.
inline constexpr std::size_t page_rows_max = 1000;

/// The position at which a page ended; the next page begins after it. A token
/// is the text form of a position. It refers to no state on a node, so it is
/// valid on every node of the hub and does not expire.
struct page_position {
  timestamp created_at{};
  instance_id id;

  bool operator==(const page_position&) const = default;
  auto operator<=>(const page_position&) const = default;
};

/// One instance in a page. If its rows are damaged, or an index row and the
/// instance do not fit together, only `id`, `error` and the time of creation
/// (as far as it is known) are set; the filters may not apply to it.
struct instance_row {
  instance_id id;
  instance_record record;
  std::string custom_status; ///< JSON text.
  std::string input;         ///< JSON text.
  std::string output;        ///< JSON text; "null" if there is none yet.
  std::string error; ///< The sentence of errc::storage_damaged; else empty.
  /// Set for a damaged row of an index, whose key says nothing certain about
  /// its place: the ID of the instance after it, or of the last one, whose time
  /// of creation is in `record`. The row stays on the page of that instance and
  /// does not count for `top`.
  instance_id place;
};

/// The place of a row in the order of a page.
inline page_position place_of(const instance_row& row) {
  return {row.record.created_at, row.place.empty() ? row.id : row.place};
}

/// Cuts a page of sorted rows at the last place up to which it is complete, and
/// behind `top` rows; rows without a place of their own do not count.
/// @param complete  The last place up to which all rows are known; empty if
///                  all are. Is set to the end of the page if rows follow.
void cut_page(std::vector<instance_row>& rows, std::size_t top,
              std::optional<page_position>& complete);

template <class I>
auto inspect(I& f, instance_row& x) {
  return f(x.id, x.record, x.custom_status, x.input, x.output, x.error,
           x.place);
}

/// One page of a query, ordered by (created_at, id). An instance that exists
/// and passes the filters during the whole iteration over the pages appears in
/// exactly one of them.
struct instance_page {
  std::vector<instance_row> rows;
  /// Requests the next page; empty after the last page. A page with a token
  /// may have fewer rows than `top`, or none.
  std::string token;
  /// Partitions that are not included, because their owners could not be
  /// reached. Empty unless the query allows a partial page.
  std::vector<std::uint32_t> missing;
};

template <class I>
auto inspect(I& f, instance_page& x) {
  return f(x.rows, x.token, x.missing);
}

/// The text form of a position.
std::string to_token(const page_position& position);

/// @error errc::invalid_argument  `to_token` did not produce the text.
result<page_position> parse_token(const std::string& token);

/// Number of instances in each status, indexed by runtime_status.
using status_counts = std::array<std::uint64_t, 8>;

} // namespace perdura::persistence
