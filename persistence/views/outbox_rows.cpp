// SPDX-License-Identifier: Apache-2.0
#include "persistence/views/outbox_rows.hpp"

#include "persistence/records/message_bytes.hpp"
#include "persistence/views/rows.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace perdura::persistence {

namespace {

/// Walks over the rows of one destination, in the order of their sequences,
/// from `first` on. A row of which one bit of the key is flipped is read under
/// its original key.
class outbox_walk {
public:
  outbox_walk(const row_reader& rows, partition_id from, partition_id to,
              std::uint64_t first)
    : cursor_(rows.walk(table::outbox)),
      prefix_(outbox_key(from, to, 0).substr(0, outbox_prefix_size)),
      first_(first),
      more_(seek_behind_sound(*cursor_, table::outbox,
                              outbox_key(from, to, first))) {
    skip_to_destination();
  }

  /// False behind the last row of the destination.
  bool is_at_row() const {
    return more_;
  }

  /// The sequence of the current row. If the row is not sound, it is what the
  /// damaged key states.
  std::uint64_t sequence() const {
    return sequence_;
  }

  bool is_sound_row() const {
    return is_sound_;
  }

  std::string_view key() const {
    return key_;
  }

  std::string_view value() const {
    return cursor_->value();
  }

  void next() {
    more_ = cursor_->next();
    skip_to_destination();
  }

private:
  // Two partitions of two bytes each.
  static constexpr std::size_t outbox_prefix_size = 4;

  /// Moves on to a row of the destination, if the current one is another.
  void skip_to_destination() {
    for (; more_; more_ = cursor_->next()) {
      key_ = cursor_->key();
      is_sound_ = is_sound(*cursor_, table::outbox);
      if (!is_sound_)
        if (const auto original = key_before_damage(*cursor_, table::outbox)) {
          key_ = *original;
          is_sound_ = true;
        }
      sequence_ = number_of(key_).value_or(0);
      if (key_.starts_with(prefix_) && sequence_ >= first_)
        return;
      // Only the key of a sound row shows that the rows of the destination have
      // ended.
      if (is_sound_ && key_.compare(0, outbox_prefix_size, prefix_) > 0)
        break;
    }
    more_ = false;
  }

  std::unique_ptr<row_cursor> cursor_;
  std::string prefix_;
  std::uint64_t first_;
  bool more_;
  std::string key_;
  std::uint64_t sequence_ = 0;
  bool is_sound_ = false;
};

/// Returns the message in the turns in memory, or null.
const outbox_message* find_pending(const pending_layers& pending,
                                   partition_id partition, partition_id to,
                                   std::uint64_t sequence) {
  for (auto layer = pending.layers().rbegin(); layer != pending.layers().rend();
       ++layer)
    if (const pending_partition* part = (*layer)->find(partition)) {
      const auto found = part->outbox.find({index_of(to), sequence});
      if (found != part->outbox.end())
        return &found->second;
    }
  return nullptr;
}

} // namespace

std::vector<outbox_range>
find_outbox_ranges(const row_reader& rows, partition_id partition,
                   const std::vector<outbox_mark>& lasts) {
  std::vector<outbox_range> found;
  for (const auto& [to, last] : lasts) {
    std::uint64_t first = last + 1;
    // Damaged rows in front of the first sound one are messages too, if their
    // numbers continue those of the sound ones.
    std::set<std::uint64_t> damaged;
    for (outbox_walk at(rows, partition, to, 0); at.is_at_row(); at.next()) {
      if (at.is_sound_row()) {
        first = at.sequence();
        break;
      }
      damaged.insert(at.sequence());
    }
    while (first > 1 && damaged.contains(first - 1))
      --first;
    found.push_back({to, first, std::max(last, first - 1)});
  }
  return found;
}

outbox_page read_outbox(const row_reader& rows, const pending_layers& pending,
                        partition_id partition, const outbox_range& range,
                        std::size_t bytes_max) {
  const auto& [to, first, last] = range;
  std::map<std::uint64_t, outbox_message> stored;
  std::uint64_t end = last;
  std::size_t bytes = 0;
  for (outbox_walk at(rows, partition, to, first); at.is_at_row(); at.next()) {
    if (!at.is_sound_row())
      continue;
    if (at.sequence() > end)
      break;
    auto message
      = decode_row<outbox_message>(table::outbox, at.key(), at.value());
    bytes += message_bytes_of(message);
    stored.insert_or_assign(at.sequence(), std::move(message));
    if (bytes >= bytes_max)
      end = at.sequence();
  }
  outbox_page page;
  bytes = 0;
  for (std::uint64_t i = first; i <= end; ++i) {
    if (const auto row = stored.find(i); row != stored.end()) {
      page.messages.push_back(std::move(row->second));
    } else if (const auto* message = find_pending(pending, partition, to, i)) {
      page.messages.push_back(*message);
    } else {
      page.messages.push_back({to, i, {}, event_send{}});
      page.damage.push_back("message " + std::to_string(i) + " from partition "
                            + std::to_string(index_of(partition))
                            + " to partition " + std::to_string(index_of(to))
                            + " is lost: its row of the outbox is damaged");
    }
    bytes += message_bytes_of(page.messages.back());
    if (bytes >= bytes_max)
      break;
  }
  return page;
}

} // namespace perdura::persistence
