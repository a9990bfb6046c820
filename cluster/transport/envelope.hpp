/// What nodes say to each other, as bytes: the only thing that crosses.
#pragma once

#include "actors/interface/management.hpp"
#include "cluster/node/node_report.hpp"
#include "cluster/placement/placement.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace perdura::cluster {

/// Raised when nodes of an older program must refuse.
inline constexpr std::uint32_t wire_format = 1;

/// Who speaks: the first word of a session, from both sides.
struct peer_hello {
  std::uint32_t format = wire_format;
  std::string hub_id; ///< Of a client: empty, it takes any hub.
  std::uint32_t partition_count = 0;
  placement owners;
  node_id node;          ///< Empty: a client, which owns nothing.
  std::string directory; ///< hub_identity::directory_id.
  std::string url;       ///< Where its HTTP door is; empty: it has none.
  bool seed_compatible = false;
  std::string task_hub;
};

template <class I>
auto inspect(I& f, placement& x) {
  return f(x.nodes, x.owners);
}

template <class I>
auto inspect(I& f, peer_hello& x) {
  return f(x.format, x.hub_id, x.partition_count, x.owners, x.node, x.directory,
           x.url, x.seed_compatible, x.task_hub);
}

/// The session is not wanted; why, as a sentence.
struct peer_refusal {
  persistence::errc code = persistence::errc::internal;
  std::string why;
  /// The refused node's data was lost, or it stands in for another: it must
  /// not serve.
  bool must_stop = false;
};

template <class I>
auto inspect(I& f, peer_refusal& x) {
  return f(x.code, x.why, x.must_stop);
}

std::string encode_hello(const peer_hello& hello);
persistence::result<peer_hello> decode_hello(std::string_view bytes);
std::string encode_refusal(const peer_refusal& refusal);
persistence::result<peer_refusal> decode_refusal(std::string_view bytes);

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

/// Nobody waits for that request any more.
struct remote_cancel {
  std::uint64_t number = 0;
};

template <class I>
auto inspect(I& f, remote_cancel& x) {
  return f(x.number);
}

/// How many instances of each status the node owns.
struct count_question {};

template <class I>
auto inspect(I& f, count_question&) {
  return f();
}

/// How the node is.
struct report_question {};

template <class I>
auto inspect(I& f, report_question&) {
  return f();
}

/// What a node can be asked about all that it owns.
using question
  = std::variant<persistence::instance_query, count_question, report_question>;

struct counts_answer {
  std::vector<std::uint64_t> counts; ///< By runtime status.
};

template <class I>
auto inspect(I& f, counts_answer& x) {
  return f(x.counts);
}

using question_answer
  = std::variant<persistence::instance_page, counts_answer, node_report>;

struct remote_question {
  std::uint64_t number = 0;
  question asked;
};

template <class I>
auto inspect(I& f, remote_question& x) {
  return f(x.number, x.asked);
}

struct remote_reply {
  std::uint64_t number = 0;
  persistence::errc code = persistence::errc::ok;
  std::string message;
  question_answer answer;
};

template <class I>
auto inspect(I& f, remote_reply& x) {
  return f(x.number, x.code, x.message, x.answer);
}

/// Sent by its place in this list. Append; never reorder.
using envelope
  = std::variant<remote_request, remote_cancel, remote_answer, remote_message,
                 remote_acknowledgement, remote_question, remote_reply>;

std::string encode_envelope(const envelope& what);

/// Bytes of a stranger, or of a newer node.
/// @error errc::invalid_argument  They are no envelope.
persistence::result<envelope> decode_envelope(std::string_view bytes);

/// May the two be of one cluster? A client and a node always.
/// @error errc::storage_foreign   Another hub; names both.
/// @error errc::storage_format    Another wire format.
/// @error errc::invalid_argument  Another number of partitions, or another
///                                placement, or not a node of it.
persistence::result<void> check_hello(const peer_hello& ours,
                                      const peer_hello& theirs);

} // namespace perdura::cluster
