/// One session after the other with one other process, over packets that may
/// be lost, repeated or overtake each other. Within a session everything
/// arrives once and in order; what cannot be told to have arrived ends it.
///
///   A: hello(a, 0) ──▶ B        B knows a
///   A ◀── hello(b, a) :B        A knows that B knows a: up
///   A: hello(a, b) ──▶ B        B: up
///   data 1, 2, 3 … both ways; a gap or silence: down, a new session
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

/// Monotone, since any moment before; never the wall clock.
using moment = persistence::duration;

struct link_times {
  moment heartbeat_interval = std::chrono::milliseconds(200);
  moment silence_max = std::chrono::seconds(1);
  /// Between two hellos that are not answered.
  moment hello_interval = std::chrono::milliseconds(200);
};

/// Bytes on their way that the other side has not confirmed: beyond, it does
/// not keep up, and new requests are refused.
inline constexpr std::size_t unconfirmed_bytes_max = std::size_t{64} << 20U;

/// One message of the stream: a history is at most 64 MiB, and its frame.
inline constexpr std::size_t stream_message_bytes_max = std::size_t{256} << 20U;

class peer_link {
public:
  /// What has come of a packet or of time, in order.
  struct outcome {
    std::optional<std::string> went_down; ///< Why; before all the others.
    bool went_up = false;
    std::vector<std::string> messages;
  };

  /// `random` gives sessions their numbers, never 0.
  peer_link(link_times times, std::function<std::uint64_t()> random);

  /// What its hellos say; before anything else.
  void introduce(std::string hello) {
    hello_ = std::move(hello);
  }

  /// There is a way to the other side, perhaps after another one.
  void path_opened(moment now);
  outcome path_closed(const std::string& why);

  bool has_path() const {
    return has_path_;
  }

  bool is_up() const {
    return up_;
  }

  /// New with each session, for those who must not mix them up.
  std::uint64_t session() const {
    return mine_;
  }

  bool is_crowded() const {
    return unconfirmed_bytes_ > unconfirmed_bytes_max;
  }

  /// A packet of any kind but a refusal; a hello only after it was checked.
  outcome take(const packet& what, moment now);

  /// Heartbeats, hellos, silence.
  outcome tick(moment now);
  moment wake_at() const;

  /// Only while it is up.
  void send(std::string_view message);

  /// What goes to the transport now, each at most packet_bytes_max and a head.
  std::vector<std::string> take_packets(moment now);

  /// Ends the session, as if the other side had gone.
  outcome reset(const std::string& why);

private:
  void go_down(outcome& to, const std::string& why);
  void go_up(outcome& to, moment now);
  void take_hello(const packet& what, outcome& to, moment now);
  void take_data(const packet& what, outcome& to, moment now);
  void take_stream(outcome& to);
  void confirm(std::uint64_t taken);
  void note_sent_by_other(std::uint64_t number, moment now);
  void send_hello(moment now);
  void cut_stream();

  link_times times_;
  std::function<std::uint64_t()> random_;
  std::string hello_;
  bool has_path_ = false;
  bool up_ = false;
  std::uint64_t mine_ = 0;
  std::uint64_t theirs_ = 0;
  moment heard_{};
  moment next_hello_{};
  moment next_heartbeat_{};

  // Out.
  std::uint64_t sent_ = 0; ///< Number of the last data packet.
  std::string stream_out_;
  std::vector<std::string> packets_;
  std::deque<std::pair<std::uint64_t, std::size_t>> unconfirmed_;
  std::size_t unconfirmed_bytes_ = 0;

  // In.
  std::uint64_t taken_ = 0;
  std::uint64_t known_ = 0; ///< The other side has sent up to it.
  std::optional<moment> gap_since_;
  std::map<std::uint64_t, std::string> early_; ///< They have overtaken others.
  std::string stream_in_;
};

} // namespace perdura::cluster
