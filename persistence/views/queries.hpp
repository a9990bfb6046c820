/// What may be asked about many instances at once.
#pragma once

#include "persistence/records/error.hpp"
#include "persistence/records/records.hpp"

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace perdura::persistence {

/// Filters are joined by "and"; both ends of the created range are included.
struct instance_query {
  std::optional<timestamp> created_from;
  std::optional<timestamp> created_to;
  std::vector<runtime_status> statuses; ///< Any of them; empty: all.
  std::string id_prefix;
  std::string name;                      ///< Orchestrator; empty: all.
  std::optional<timestamp> ended_before; ///< Finished at or before it.
  std::size_t top = 100;                 ///< Rows a page, 1 to `page_rows_max`.
  std::string token; ///< From the page before; empty: from the start.
  /// Nodes that are away are left out and named, instead of an error.
  bool partial = false;
};

template <class I>
auto inspect(I& f, instance_query& x) {
  return f(x.created_from, x.created_to, x.statuses, x.id_prefix, x.name,
           x.ended_before, x.top, x.token, x.partial);
}

/// Largest page; also the default page of the C++ client's iteration.
inline constexpr std::size_t page_rows_max = 1000;

struct instance_row {
  instance_id id;
  instance_record record;
  std::string custom_status;
  std::string input;  ///< JSON text.
  std::string output; ///< JSON text; "null" if there is none yet.
};

template <class I>
auto inspect(I& f, instance_row& x) {
  return f(x.id, x.record, x.custom_status, x.input, x.output);
}

/// Ordered by (created_at, id). An instance present during the whole walk
/// appears exactly once. `token` empty: the last page; a page may be short,
/// or empty, although a token follows.
struct instance_page {
  std::vector<instance_row> rows;
  std::string token;
  std::vector<std::uint32_t> missing; ///< Partitions nobody answered for.
};

template <class I>
auto inspect(I& f, instance_page& x) {
  return f(x.rows, x.token, x.missing);
}

/// Where a walk stands: after (created_at, id). The token is its text,
/// stateless and valid on every node.
struct page_position {
  timestamp created_at{};
  instance_id id;

  bool operator==(const page_position&) const = default;
};

std::string to_token(const page_position& position);

/// @error errc::invalid_argument  Not a token of ours.
result<page_position> parse_token(const std::string& token);

/// Number of instances by status, indexed by runtime_status.
using status_counts = std::array<std::uint64_t, 8>;

} // namespace perdura::persistence
