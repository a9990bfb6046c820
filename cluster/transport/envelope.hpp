// SPDX-License-Identifier: Apache-2.0
/// The messages between processes and their encoding. Only bytes that are
/// encoded here cross from one process to another.
///
/// Every `inspect` below fixes the order in which fields are sent. A change of
/// a field, or of the order, is a new wire format.
#pragma once

#include "actors/interface/management.hpp"
#include "actors/interface/work_item.hpp"
#include "cluster/placement/peer_hello.hpp"
#include "cluster/transport/node_report.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace perdura::cluster {

/// The answer to a hello whose sender is refused.
struct peer_refusal {
  persistence::errc code = persistence::errc::internal;
  std::string why; ///< A sentence with the reason.

  /// The refused node has another data directory than before. It must stop: it
  /// would answer "not found" for instances of its earlier directory.
  bool must_stop = false;
};

template <class I>
auto inspect(I& f, peer_refusal& x) {
  return f(x.code, x.why, x.must_stop);
}

// The decoding functions accept bytes of a peer that is not authenticated.
// @error errc::invalid_argument  The bytes are not a valid hello or refusal.

std::string encode_hello(const peer_hello& hello);
persistence::result<peer_hello> decode_hello(std::string_view bytes);
std::string encode_refusal(const peer_refusal& refusal);
persistence::result<peer_refusal> decode_refusal(std::string_view bytes);

/// A request for an instance that the receiver owns. `number` is chosen by the
/// sender and stands in the answer.
struct remote_request {
  std::uint64_t number = 0;
  actors::management_request request;
};

template <class I>
auto inspect(I& f, remote_request& x) {
  return f(x.number, x.request);
}

/// The answer to a remote_request: a management_answer with the status by
/// value.
struct remote_answer {
  std::uint64_t number = 0; ///< The number of the remote_request.

  // The fields of management_answer; see there.
  persistence::errc code = persistence::errc::ok;
  std::string message;
  persistence::instance_id id;
  persistence::execution_id execution;
  bool started = false;
  bool created = false;
  std::optional<actors::instance_status> status;
  persistence::timestamp created_at{};
};

template <class I>
auto inspect(I& f, remote_answer& x) {
  return f(x.number, x.code, x.message, x.id, x.execution, x.started, x.created,
           x.status, x.created_at);
}

/// These functions convert an answer between the form inside a process and the
/// form that is sent. `to_local(to_remote(n, x))` equals `x`.
remote_answer to_remote(std::uint64_t number,
                        const actors::management_answer& answer);
actors::management_answer to_local(remote_answer answer);

/// A message from one partition to another. The sending partition repeats it
/// until it is acknowledged, so the receiver may see it more than once.
struct remote_message {
  persistence::partition_id from{};
  persistence::partition_id to{};
  persistence::outbox_message message;
};

template <class I>
auto inspect(I& f, remote_message& x) {
  return f(x.from, x.to, x.message);
}

/// Acknowledges to partition `to` that partition `from` has received its
/// messages up to number `sequence`, and has made them durable.
struct remote_acknowledgement {
  persistence::partition_id from{};
  persistence::partition_id to{};
  std::uint64_t sequence = 0;
  /// See actors::partition_acknowledgement.
  std::optional<actors::outbox_statement> stated = std::nullopt;
};

template <class I>
auto inspect(I& f, remote_acknowledgement& x) {
  return f(x.from, x.to, x.sequence, x.stated);
}

/// The caller of a request no longer waits for the answer.
struct remote_cancel {
  std::uint64_t number = 0; ///< The number of the remote_request.
};

template <class I>
auto inspect(I& f, remote_cancel& x) {
  return f(x.number);
}

/// Asks for the number of instances of each status that the node owns.
struct count_query {};

template <class I>
auto inspect(I& f, count_query&) {
  return f();
}

/// Asks for a node_report.
struct report_query {};

template <class I>
auto inspect(I& f, report_query&) {
  return f();
}

/// A query about all instances that a node owns, or about the node itself.
/// The index of an alternative is sent over the wire: append, never reorder.
using node_query
  = std::variant<persistence::instance_query, count_query, report_query>;

/// The answer to a count_query.
struct counts_answer {
  std::vector<std::uint64_t> counts; ///< The index is the runtime status.
};

template <class I>
auto inspect(I& f, counts_answer& x) {
  return f(x.counts);
}

/// The index of an alternative is sent over the wire: append, never reorder.
using node_query_answer
  = std::variant<persistence::instance_page, counts_answer, node_report>;

/// Runs a query on the receiving node. `number` is chosen by the sender and
/// stands in the answer.
struct remote_query {
  std::uint64_t number = 0;
  node_query query;
};

template <class I>
auto inspect(I& f, remote_query& x) {
  return f(x.number, x.query);
}

/// The answer to a remote_query.
struct remote_query_answer {
  std::uint64_t number = 0; ///< The number of the remote_query.
  persistence::errc code = persistence::errc::ok;
  std::string message;      ///< A sentence if `code` is not ok.
  node_query_answer answer; ///< Only valid if `code` is ok.
};

template <class I>
auto inspect(I& f, remote_query_answer& x) {
  return f(x.number, x.code, x.message, x.answer);
}

/// One message between two processes. The index of an alternative is sent over
/// the wire: append, never reorder.
using envelope
  = std::variant<remote_request, remote_cancel, remote_answer, remote_message,
                 remote_acknowledgement, remote_query, remote_query_answer>;

std::string encode_envelope(const envelope& what);

/// The bytes may come from a peer that is not authenticated or has a newer
/// program.
/// @error errc::invalid_argument  The bytes are not a valid envelope.
persistence::result<envelope> decode_envelope(std::string_view bytes);

/// Checks that the two processes may have a session. Between a client and a
/// node only the wire format must agree; two nodes must belong to one hub.
/// @error errc::storage_format    The wire formats differ.
/// @error errc::storage_foreign   The hubs differ; the message names both.
/// @error errc::invalid_argument  The numbers of partitions or the placements
///                                differ, both processes have the same name, or
///                                the other process is not a node of the hub.
persistence::result<void> check_hello(const peer_hello& ours,
                                      const peer_hello& theirs);

} // namespace perdura::cluster
