// SPDX-License-Identifier: Apache-2.0
/// The results of the client API that are more than one status: pages, counts,
/// the outcome of a wait, and what is known after a failure.
#pragma once

#include <perdura/actors/authoring/management_payload.hpp>
#include <perdura/client/api/orchestration_status.hpp>
#include <perdura/persistence/records/error.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace perdura::client {

using actors::management_payload;
using persistence::errc;

/// An instance whose start is durable.
struct started_instance {
  std::string instance_id;
  bool has_run = false; ///< The first turn of the instance is durable, too.
  /// When the instance was created. The epoch if the answer does not say it, as
  /// that to a repeat of a request.
  persistence::timestamp created_time{};
  /// This request, or the one that it repeats, has started the instance. False
  /// if a live instance had the ID.
  bool is_new = false;
};

/// One page of a query.
struct status_page {
  /// Ordered by created time, then by instance ID. A page may have fewer than
  /// `top` instances, or none, even if it is not the last page.
  std::vector<orchestration_status> instances;
  /// Argument of `list_instances` for the next page. Empty on the last page.
  std::string continuation_token;
  /// Partitions of unreachable nodes. Empty unless `partial` was set.
  std::vector<std::uint32_t> missing_partitions;
};

/// Numbers of instances by status.
struct counted_instances {
  /// Indexed by the number of the `runtime_status`.
  std::array<std::uint64_t, 8> by_status{};
  /// Partitions of unreachable nodes, which are not counted.
  std::vector<std::uint32_t> missing_partitions;
};

/// The outcome of an instance, or the URLs for requesting the outcome later.
struct completion_or_check_status {
  bool completed = false;      ///< The instance has ended, with any status.
  orchestration_status status; ///< Set if `completed`.
  management_payload payload;  ///< The management URLs of the instance.
};

/// Whether a failed operation has taken effect.
enum class failure_kind : std::uint8_t {
  /// The request was refused, and nothing was done. A repeat would be refused
  /// too, as long as the cause persists.
  not_done,
  /// The owner of the instance did not accept the request. Nothing was done;
  /// try again.
  unavailable,
  /// The operation may have been done or not. A repeat with the same
  /// request_id is safe.
  unknown,
};

/// The kind of a failure with this code.
failure_kind kind_of(errc code);

} // namespace perdura::client
