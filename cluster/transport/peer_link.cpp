// SPDX-License-Identifier: Apache-2.0
#include "cluster/transport/peer_link.hpp"

#include "persistence/records/keys.hpp"

#include <algorithm>
#include <utility>

namespace perdura::cluster {

namespace {

// The number of data packets that are kept while an earlier one is missing. If
// one more arrives, the missing packet is considered lost, and the session
// ends.
constexpr std::size_t out_of_order_max = 64;

// In the stream each message is preceded by its size as a 64-bit big-endian
// number.
constexpr std::size_t frame_size = sizeof(std::uint64_t);

} // namespace

peer_link::peer_link(link_times times, std::function<std::uint64_t()> random)
  : times_(times), random_(std::move(random)), local_session_(random_()) {}

// --- Paths and sessions ------------------------------------------------------

void peer_link::path_opened(steady_time now) {
  has_path_ = true;
  next_hello_ = now;
}

peer_link::outcome peer_link::path_closed(const std::string& why) {
  has_path_ = false;
  return reset(why);
}

peer_link::outcome peer_link::reset(const std::string& why) {
  outcome out;
  if (up_)
    end_session(out, why);
  return out;
}

/// Forgets everything about the session and chooses a new session number, so
/// that packets of the old session are recognised and ignored. The next `tick`
/// sends a hello at once.
void peer_link::end_session(outcome& to, const std::string& why) {
  up_ = false;
  to.session_began = false;
  to.messages.clear(); // not delivered: their session has ended
  to.session_ended = why;
  local_session_ = random_();
  remote_session_ = 0;
  last_sent_ = 0;
  stream_out_.clear();
  packets_.clear();
  unacknowledged_.clear();
  unacknowledged_bytes_ = 0;
  received_ = 0;
  highest_announced_ = 0;
  gap_since_.reset();
  out_of_order_.clear();
  stream_in_.clear();
  next_hello_ = steady_time{};
}

/// Called as soon as this side knows that the other side has received its
/// session number.
void peer_link::begin_session(outcome& to, steady_time now) {
  up_ = true;
  to.session_began = true;
  last_heard_at_ = now;
  next_heartbeat_ = now + times_.heartbeat_interval;
}

/// Queues a hello. If this side knows the session number of the other side, the
/// hello contains that number, which proves that a hello of the other side has
/// arrived.
void peer_link::send_hello(steady_time now) {
  packet hello;
  hello.kind = packet_kind::hello;
  hello.from = local_session_;
  hello.to = remote_session_;
  hello.bytes = hello_;
  packets_.push_back(encode_packet(hello));
  next_hello_ = now + times_.hello_interval;
}

// --- Receiving ---------------------------------------------------------------

peer_link::outcome peer_link::receive(const packet& what, steady_time now) {
  outcome out;
  if (what.kind == packet_kind::hello) {
    receive_hello(what, out, now);
    return out;
  }
  // Ignore packets of a session that has ended or is not known here yet.
  if (what.to != local_session_ || what.from != remote_session_
      || remote_session_ == 0)
    return out;
  // The other side sends data and heartbeats only in an established session, so
  // it has received the last hello of this side.
  if (!up_)
    begin_session(out, now);
  last_heard_at_ = now;
  acknowledge(what.acknowledged);
  if (what.kind == packet_kind::data)
    receive_data(what, out, now);
  else if (what.kind == packet_kind::heartbeat)
    note_announced(what.number, now);
  return out;
}

/// Handles a hello, with which the other side begins a session or answers a
/// hello of this side. If the hello names this side's session number, the other
/// side has received a hello of this side.
void peer_link::receive_hello(const packet& what, outcome& to,
                              steady_time now) {
  if (what.from == 0)
    return;
  if (what.from != remote_session_) {
    if (up_)
      end_session(to, "it has begun a new session");
    remote_session_ = what.from;
  }
  const bool was_up = up_;
  if (what.to == local_session_ && !up_)
    begin_session(to, now);
  if (up_)
    last_heard_at_ = now;
  // The hello is answered unless a session was up before and the hello contains
  // this side's session number. If such a hello were answered as well, both
  // sides would answer each other's hellos for ever.
  if (!was_up || what.to != local_session_)
    send_hello(now);
}

/// Handles a data packet. The next packet in order is appended to the stream,
/// together with the kept packets that follow it. A packet that arrives before
/// an earlier one is kept. A packet that was received before is ignored.
void peer_link::receive_data(const packet& what, outcome& to, steady_time now) {
  if (what.number <= received_ || out_of_order_.contains(what.number))
    return; // repeated
  if (what.number != received_ + 1) {
    if (out_of_order_.size() >= out_of_order_max) {
      end_session(to, "messages were lost on the way");
      return;
    }
    out_of_order_.emplace(what.number, what.bytes);
    note_announced(what.number, now);
    return;
  }
  stream_in_ += what.bytes;
  ++received_;
  while (!out_of_order_.empty()
         && out_of_order_.begin()->first == received_ + 1) {
    stream_in_ += out_of_order_.begin()->second;
    out_of_order_.erase(out_of_order_.begin());
    ++received_;
  }
  note_announced(what.number, now);
  extract_messages(to);
}

/// Moves the complete messages at the beginning of the stream to the outcome.
/// The beginning of an incomplete message stays in the stream.
void peer_link::extract_messages(outcome& to) {
  std::size_t at = 0;
  while (stream_in_.size() - at >= frame_size) {
    const std::uint64_t size
      = persistence::parse_big_endian(
          std::string_view(stream_in_).substr(at, frame_size))
          .value_or(0);
    if (size > stream_message_bytes_max) {
      end_session(to, "it sends a message that is too long");
      return;
    }
    if (stream_in_.size() - at - frame_size < size)
      break;
    to.messages.push_back(stream_in_.substr(at + frame_size, size));
    at += frame_size + size;
  }
  stream_in_.erase(0, at);
}

/// Notes that the other side has sent the data packet `number`. If a packet is
/// missing, also notes since when; if the gap stays open, `tick` ends the
/// session.
void peer_link::note_announced(std::uint64_t number, steady_time now) {
  highest_announced_ = std::max(highest_announced_, number);
  if (highest_announced_ <= received_)
    gap_since_.reset();
  else if (!gap_since_)
    gap_since_ = now;
}

/// Notes that the other side has received all data packets up to number
/// `acknowledged`. A number beyond the last packet sent counts as the number of
/// that packet.
void peer_link::acknowledge(std::uint64_t acknowledged) {
  while (!unacknowledged_.empty()
         && unacknowledged_.front().first <= acknowledged) {
    unacknowledged_bytes_ -= unacknowledged_.front().second;
    unacknowledged_.pop_front();
  }
}

// --- Sending -----------------------------------------------------------------

void peer_link::send(std::string_view message) {
  if (!up_)
    return;
  // Packets are usually formed in `drain_packets`, so that many small messages
  // share a packet. When the bytes of a full packet have been collected,
  // packets are formed at once, so that little is copied.
  stream_out_ += persistence::big_endian(message.size());
  stream_out_ += message;
  if (stream_out_.size() >= packet_bytes_max)
    split_into_packets();
}

/// Splits the part of the stream that is not sent yet into data packets of at
/// most packet_bytes_max bytes. One packet may hold several messages.
void peer_link::split_into_packets() {
  std::string_view rest = stream_out_;
  while (!rest.empty()) {
    packet piece;
    piece.kind = packet_kind::data;
    piece.from = local_session_;
    piece.to = remote_session_;
    piece.number = ++last_sent_;
    piece.acknowledged = received_;
    piece.bytes = rest.substr(0, packet_bytes_max);
    rest.remove_prefix(piece.bytes.size());
    unacknowledged_.emplace_back(last_sent_, piece.bytes.size());
    unacknowledged_bytes_ += piece.bytes.size();
    packets_.push_back(encode_packet(piece));
  }
  stream_out_.clear();
}

std::vector<std::string> peer_link::drain_packets(steady_time now) {
  split_into_packets();
  // The heartbeat comes behind the data packets: its number announces the last
  // data packet, so that the other side notices if that packet is lost.
  if (up_ && now >= next_heartbeat_) {
    packet beat;
    beat.kind = packet_kind::heartbeat;
    beat.from = local_session_;
    beat.to = remote_session_;
    beat.number = last_sent_;
    beat.acknowledged = received_;
    packets_.push_back(encode_packet(beat));
    next_heartbeat_ = now + times_.heartbeat_interval;
  }
  return std::exchange(packets_, {});
}

// --- Time --------------------------------------------------------------------

peer_link::outcome peer_link::tick(steady_time now) {
  outcome out;
  if (up_ && now - last_heard_at_ > times_.silence_max)
    end_session(out, "nothing was heard from it for too long");
  // A packet that was only reordered is expected within two heartbeats.
  else if (up_ && gap_since_
           && now - *gap_since_ > 2 * times_.heartbeat_interval)
    end_session(out, "messages were lost on the way");
  if (!up_ && has_path_ && now >= next_hello_)
    send_hello(now);
  return out;
}

steady_time peer_link::wake_at() const {
  if (up_)
    return std::min(next_heartbeat_, last_heard_at_ + times_.silence_max);
  return has_path_ ? next_hello_ : steady_time::max();
}

} // namespace perdura::cluster
