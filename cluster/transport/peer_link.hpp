// SPDX-License-Identifier: Apache-2.0
/// The connection-oriented protocol between two processes, over packets that
/// may be lost, repeated or reordered.
///
/// A link has one session at a time. Within a session every message is
/// delivered once and in order. If a message cannot be delivered, the session
/// ends on both sides and a new one begins; nothing that was sent in one
/// session is delivered in another. Each side chooses a random number for each
/// session (a and b below):
///
///   A: hello(from a, to 0) ──▶ B      B knows a
///   A ◀── hello(from b, to a) :B      A knows that B knows a: session up at A
///   A: hello(from a, to b) ──▶ B      session up at B
///   data 1, 2, 3 … in both directions
///
/// A session ends when a gap in the numbers does not close, when the other side
/// is silent for too long, or when the path closes.
///
/// Keeps more than 10 project includes or 15 members: the numbers, the times
/// and the buffers of both directions of one session.
#pragma once

#include "cluster/transport/packet.hpp"
#include <perdura/persistence/records/ids.hpp>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::cluster {

/// A time on the monotonic clock, as the duration since an arbitrary start.
/// Also used for intervals. It is unrelated to the wall clock.
using steady_time = persistence::duration;

/// The intervals of a link. Both sides should have the same ones.
struct link_times {
  /// A side that has a session sends a heartbeat this often. A gap in the
  /// packet numbers that is open for more than twice this time ends the
  /// session.
  steady_time heartbeat_interval = std::chrono::milliseconds(200);

  /// A session ends when no packet has arrived for longer than this.
  steady_time silence_max = std::chrono::seconds(1);

  /// The time between two hellos while there is a path and no session.
  steady_time hello_interval = std::chrono::milliseconds(200);
};

/// If more than this number of bytes (64 MiB) are sent and not acknowledged,
/// the link is congested, and the router refuses new requests to that node.
inline constexpr std::size_t unacknowledged_bytes_max = std::size_t{64} << 20U;

/// Limit on the size of one message (256 MiB); a longer one ends the session. A
/// history of 64 MiB, the largest allowed, fits with its encoding.
inline constexpr std::size_t stream_message_bytes_max = std::size_t{256} << 20U;

/// One side of the protocol. A link does no input or output and reads no clock:
/// the caller passes in packets and the time, and sends the packets that
/// `drain_packets` returns. Not thread-safe.
class peer_link {
public:
  /// The consequences of a call. The caller handles them in this order.
  struct outcome {
    /// The reason why the session ended; no value if no session ended.
    std::optional<std::string> session_ended;
    bool session_began = false;
    std::vector<std::string> messages; ///< Received in the current session.
  };

  /// `random` supplies the session numbers; it must never return 0.
  peer_link(link_times times, std::function<std::uint64_t()> random);

  /// The encoded peer_hello that this side sends; set before any other call.
  void set_hello(std::string hello) {
    hello_ = std::move(hello);
  }

  /// Packets can reach the other side from now on. A new path may replace an
  /// earlier one.
  void path_opened(steady_time now);

  /// Packets cannot reach the other side any more. Ends the session, if there
  /// is one, with the reason `why`.
  outcome path_closed(const std::string& why);

  bool has_path() const {
    return has_path_;
  }

  /// True while there is a session.
  bool is_up() const {
    return up_;
  }

  /// When the last packet of the current session arrived. Defined while there
  /// is a session.
  steady_time last_heard_at() const {
    return last_heard_at_;
  }

  /// This side's number of the current session, or of the next one if the link
  /// is down. It changes whenever a session ends.
  std::uint64_t session() const {
    return local_session_;
  }

  /// The other side's number of the session; 0 if it is not known.
  std::uint64_t remote_session() const {
    return remote_session_;
  }

  /// True if more than `unacknowledged_bytes_max` bytes are not acknowledged.
  bool is_congested() const {
    return unacknowledged_bytes_ > unacknowledged_bytes_max;
  }

  /// Handles a packet of any kind except a refusal. The caller must have
  /// checked the content of a hello (`check_hello`).
  outcome receive(const packet& what, steady_time now);

  /// Ends a session that was silent for too long or has a gap, and sends a
  /// hello if one is due. Called at `wake_at` or earlier.
  outcome tick(steady_time now);

  /// The time of the next call of `tick`; the maximum if there is no path.
  steady_time wake_at() const;

  /// Appends a message to the session's stream. Does nothing if the link is
  /// down.
  void send(std::string_view message);

  /// Removes and returns the encoded packets that are to be sent now. They
  /// include a heartbeat if one is due.
  std::vector<std::string> drain_packets(steady_time now);

  /// Ends the session, if there is one, with the reason `why`. The path stays
  /// open, and a new session follows.
  outcome reset(const std::string& why);

private:
  void end_session(outcome& to, const std::string& why);
  void begin_session(outcome& to, steady_time now);
  void receive_hello(const packet& what, outcome& to, steady_time now);
  void receive_data(const packet& what, outcome& to, steady_time now);
  void extract_messages(outcome& to);
  void acknowledge(std::uint64_t acknowledged);
  void note_announced(std::uint64_t number, steady_time now);
  void send_hello(steady_time now);
  void split_into_packets();

  link_times times_;
  std::function<std::uint64_t()> random_;
  std::string hello_;
  bool has_path_ = false; ///< A path is open.
  bool up_ = false; ///< A session is established as far as this side knows.
  std::uint64_t local_session_ = 0;  ///< This side's session number.
  std::uint64_t remote_session_ = 0; ///< The other side's; 0 if not known.
  steady_time last_heard_at_{};      ///< When the last packet arrived.
  /// When a hello is due. Used only while there is no session.
  steady_time next_hello_{};
  /// When a heartbeat is due. Used only while there is a session.
  steady_time next_heartbeat_{};

  // Sending.
  std::uint64_t last_sent_ = 0;      ///< Number of the last data packet.
  std::string stream_out_;           ///< Messages that are in no packet yet.
  std::vector<std::string> packets_; ///< Encoded, for `drain_packets`.
  /// Number and size of each data packet that is not acknowledged.
  std::deque<std::pair<std::uint64_t, std::size_t>> unacknowledged_;
  std::size_t unacknowledged_bytes_ = 0; ///< The sum of those sizes.

  // Receiving.
  std::uint64_t received_ = 0; ///< All data packets up to this number arrived.
  /// The highest number of a data packet that the other side is known to have
  /// sent. There is a gap while it is greater than `received_`.
  std::uint64_t highest_announced_ = 0;
  std::optional<steady_time> gap_since_; ///< Set while there is a gap.
  /// Data packets that arrived behind a gap, by number.
  std::map<std::uint64_t, std::string> out_of_order_;
  std::string stream_in_; ///< The beginning of an incomplete message.
};

} // namespace perdura::cluster
