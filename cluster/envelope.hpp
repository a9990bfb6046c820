/// What nodes say to each other, as bytes: the only thing that crosses.
#pragma once

#include "actors/management.hpp"
#include "cluster/placement.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace perdura::cluster {

/// Raised when nodes of an older program must refuse.
inline constexpr std::uint32_t wire_format = 1;

/// The first word of a session, from both sides.
struct peer_hello {
  std::uint32_t format = wire_format;
  std::string hub_id;
  std::uint32_t partition_count = 0;
  placement owners;
  node_id node;              ///< Who speaks.
  std::uint64_t session = 0; ///< Random; another one after each start.
};

template <class I>
auto inspect(I& f, placement& x) {
  return f(x.nodes, x.owners);
}

template <class I>
auto inspect(I& f, peer_hello& x) {
  return f(x.format, x.hub_id, x.partition_count, x.owners, x.node, x.session);
}

/// The session is not wanted; why, as a sentence.
struct peer_refusal {
  std::string why;
};

template <class I>
auto inspect(I& f, peer_refusal& x) {
  return f(x.why);
}

/// `number` is the asking node's own, and comes back with the answer.
struct remote_request {
  std::uint64_t number = 0;
  actors::management_request request;
};

template <class I>
auto inspect(I& f, remote_request& x) {
  return f(x.number, x.request);
}

struct remote_answer {
  std::uint64_t number = 0;
  persistence::errc code = persistence::errc::ok;
  std::string message;
  persistence::instance_id id;
  persistence::execution_id execution;
  bool started = false;
  bool created = false;
  std::optional<actors::instance_status> status;
};

template <class I>
auto inspect(I& f, remote_answer& x) {
  return f(x.number, x.code, x.message, x.id, x.execution, x.started, x.created,
           x.status);
}

remote_answer to_remote(std::uint64_t number,
                        const actors::management_answer& answer);
actors::management_answer to_local(remote_answer answer);

/// From partition to partition, each at least once.
struct remote_message {
  persistence::partition_id from{};
  persistence::partition_id to{};
  persistence::outbox_message message;
};

template <class I>
auto inspect(I& f, remote_message& x) {
  return f(x.from, x.to, x.message);
}

/// `from` has made everything up to `sequence` durable.
struct remote_acknowledgement {
  persistence::partition_id from{};
  persistence::partition_id to{};
  std::uint64_t sequence = 0;
};

template <class I>
auto inspect(I& f, remote_acknowledgement& x) {
  return f(x.from, x.to, x.sequence);
}

/// A page of what the node owns.
struct remote_query {
  std::uint64_t number = 0;
  persistence::instance_query query;
};

template <class I>
auto inspect(I& f, remote_query& x) {
  return f(x.number, x.query);
}

struct remote_page {
  std::uint64_t number = 0;
  persistence::errc code = persistence::errc::ok;
  std::string message;
  persistence::instance_page page;
};

template <class I>
auto inspect(I& f, remote_page& x) {
  return f(x.number, x.code, x.message, x.page);
}

/// How many instances of each status the node owns.
struct remote_count {
  std::uint64_t number = 0;
};

template <class I>
auto inspect(I& f, remote_count& x) {
  return f(x.number);
}

struct remote_counts {
  std::uint64_t number = 0;
  persistence::errc code = persistence::errc::ok;
  std::string message;
  std::vector<std::uint64_t> counts; ///< By runtime status.
};

template <class I>
auto inspect(I& f, remote_counts& x) {
  return f(x.number, x.code, x.message, x.counts);
}

/// Says that there is still somebody.
struct heartbeat {
  std::uint64_t number = 0;
};

template <class I>
auto inspect(I& f, heartbeat& x) {
  return f(x.number);
}

/// Sent by its place in this list. Append; never reorder.
using envelope
  = std::variant<peer_hello, peer_refusal, remote_request, remote_answer,
                 remote_message, remote_acknowledgement, remote_query,
                 remote_page, remote_count, remote_counts, heartbeat>;

std::string encode_envelope(const envelope& what);

/// Bytes of a stranger, or of a newer node.
/// @error errc::invalid_argument  They are no envelope.
persistence::result<envelope> decode_envelope(std::string_view bytes);

/// May the two nodes be of one cluster? `theirs` came first in a session.
/// @error errc::storage_foreign   Another hub; names both.
/// @error errc::storage_format    Another wire format.
/// @error errc::invalid_argument  Another number of partitions, or another
///                                placement, or not a node of it.
persistence::result<void> check_hello(const peer_hello& ours,
                                      const peer_hello& theirs);

} // namespace perdura::cluster
