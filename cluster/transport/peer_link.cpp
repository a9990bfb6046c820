#include "cluster/transport/peer_link.hpp"

#include "persistence/records/keys.hpp"

#include <algorithm>
#include <utility>

namespace perdura::cluster {

namespace {

// Packets that overtake others wait for them; more of them are a loss.
constexpr std::size_t early_max = 64;

constexpr std::size_t frame_size = sizeof(std::uint64_t);

} // namespace

peer_link::peer_link(link_times times, std::function<std::uint64_t()> random)
  : times_(times), random_(std::move(random)), mine_(random_()) {}

// --- Paths and sessions ------------------------------------------------------

void peer_link::path_opened(moment now) {
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
    go_down(out, why);
  return out;
}

void peer_link::go_down(outcome& to, const std::string& why) {
  up_ = false;
  to.went_up = false;
  to.messages.clear();
  to.went_down = why;
  mine_ = random_();
  theirs_ = 0;
  sent_ = 0;
  stream_out_.clear();
  packets_.clear();
  unconfirmed_.clear();
  unconfirmed_bytes_ = 0;
  taken_ = 0;
  known_ = 0;
  gap_since_.reset();
  early_.clear();
  stream_in_.clear();
  next_hello_ = moment{};
}

void peer_link::go_up(outcome& to, moment now) {
  up_ = true;
  to.went_up = true;
  heard_ = now;
  next_heartbeat_ = now + times_.heartbeat_interval;
}

void peer_link::send_hello(moment now) {
  packet hello;
  hello.kind = packet_kind::hello;
  hello.from = mine_;
  hello.to = theirs_;
  hello.bytes = hello_;
  packets_.push_back(encode_packet(hello));
  next_hello_ = now + times_.hello_interval;
}

// --- In ----------------------------------------------------------------------

peer_link::outcome peer_link::take(const packet& what, moment now) {
  outcome out;
  if (what.kind == packet_kind::hello) {
    take_hello(what, out, now);
    return out;
  }
  // Of a session that has ended, or has not begun here.
  if (what.to != mine_ || what.from != theirs_ || theirs_ == 0)
    return out;
  if (!up_)
    go_up(out, now);
  heard_ = now;
  confirm(what.taken);
  if (what.kind == packet_kind::data)
    take_data(what, out, now);
  else if (what.kind == packet_kind::heartbeat)
    note_sent_by_other(what.number, now);
  return out;
}

void peer_link::take_hello(const packet& what, outcome& to, moment now) {
  if (what.from == 0)
    return;
  if (what.from != theirs_) {
    if (up_)
      go_down(to, "it has begun a new session");
    theirs_ = what.from;
  }
  const bool was_up = up_;
  if (what.to == mine_ && !up_)
    go_up(to, now);
  if (up_)
    heard_ = now;
  if (!was_up || what.to != mine_)
    send_hello(now);
}

void peer_link::take_data(const packet& what, outcome& to, moment now) {
  if (what.number <= taken_ || early_.contains(what.number))
    return; // repeated
  if (what.number != taken_ + 1) {
    if (early_.size() >= early_max) {
      go_down(to, "messages were lost on the way");
      return;
    }
    early_.emplace(what.number, what.bytes);
    note_sent_by_other(what.number, now);
    return;
  }
  stream_in_ += what.bytes;
  ++taken_;
  while (!early_.empty() && early_.begin()->first == taken_ + 1) {
    stream_in_ += early_.begin()->second;
    early_.erase(early_.begin());
    ++taken_;
  }
  note_sent_by_other(what.number, now);
  take_stream(to);
}

/// Takes whole messages off the stream: eight bytes of size before each.
void peer_link::take_stream(outcome& to) {
  std::size_t at = 0;
  while (stream_in_.size() - at >= frame_size) {
    const std::uint64_t size
      = persistence::parse_big_endian(
          std::string_view(stream_in_).substr(at, frame_size))
          .value_or(0);
    if (size > stream_message_bytes_max) {
      go_down(to, "it sends a message that is too long");
      return;
    }
    if (stream_in_.size() - at - frame_size < size)
      break;
    to.messages.push_back(stream_in_.substr(at + frame_size, size));
    at += frame_size + size;
  }
  stream_in_.erase(0, at);
}

/// A gap that does not close within two heartbeats is a loss.
void peer_link::note_sent_by_other(std::uint64_t number, moment now) {
  known_ = std::max(known_, number);
  if (known_ <= taken_)
    gap_since_.reset();
  else if (!gap_since_)
    gap_since_ = now;
}

void peer_link::confirm(std::uint64_t taken) {
  while (!unconfirmed_.empty() && unconfirmed_.front().first <= taken) {
    unconfirmed_bytes_ -= unconfirmed_.front().second;
    unconfirmed_.pop_front();
  }
}

// --- Out ---------------------------------------------------------------------

void peer_link::send(std::string_view message) {
  if (!up_)
    return;
  stream_out_ += persistence::big_endian(message.size());
  stream_out_ += message;
  if (stream_out_.size() >= packet_bytes_max)
    cut_stream();
}

void peer_link::cut_stream() {
  std::string_view rest = stream_out_;
  while (!rest.empty()) {
    packet piece;
    piece.kind = packet_kind::data;
    piece.from = mine_;
    piece.to = theirs_;
    piece.number = ++sent_;
    piece.taken = taken_;
    piece.bytes = rest.substr(0, packet_bytes_max);
    rest.remove_prefix(piece.bytes.size());
    unconfirmed_.emplace_back(sent_, piece.bytes.size());
    unconfirmed_bytes_ += piece.bytes.size();
    packets_.push_back(encode_packet(piece));
  }
  stream_out_.clear();
}

std::vector<std::string> peer_link::take_packets(moment now) {
  cut_stream();
  if (up_ && now >= next_heartbeat_) {
    packet beat;
    beat.kind = packet_kind::heartbeat;
    beat.from = mine_;
    beat.to = theirs_;
    beat.number = sent_;
    beat.taken = taken_;
    packets_.push_back(encode_packet(beat));
    next_heartbeat_ = now + times_.heartbeat_interval;
  }
  return std::exchange(packets_, {});
}

// --- Time --------------------------------------------------------------------

peer_link::outcome peer_link::tick(moment now) {
  outcome out;
  if (up_ && now - heard_ > times_.silence_max)
    go_down(out, "nothing was heard of it for too long");
  else if (up_ && gap_since_
           && now - *gap_since_ > 2 * times_.heartbeat_interval)
    go_down(out, "messages were lost on the way");
  if (!up_ && has_path_ && now >= next_hello_)
    send_hello(now);
  return out;
}

moment peer_link::wake_at() const {
  if (up_)
    return std::min(next_heartbeat_, heard_ + times_.silence_max);
  return has_path_ ? next_hello_ : moment::max();
}

} // namespace perdura::cluster
