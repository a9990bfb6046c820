// SPDX-License-Identifier: Apache-2.0
#include "persistence/views/instance_rows.hpp"

#include "persistence/views/rows.hpp"

#include <algorithm>

namespace perdura::persistence {

namespace {

/// Moves to the first row whose key is at or after `prefix`; false if there is
/// none. A damaged key in a page can make LMDB's binary search miss a row that
/// exists. In that case the rows before and after the result are not in order,
/// which this function detects.
/// @throws storage_exception  The rows are not in order.
bool seek_checked(row_cursor& cursor, const std::string& prefix) {
  const bool has_before = cursor.seek_before(prefix);
  if (has_before && cursor.key() >= prefix)
    throw_damaged(table::instances, cursor.key(), "it is out of order");
  const bool found = has_before ? cursor.next() : cursor.seek(prefix);
  if (found && cursor.key() < prefix)
    throw_damaged(table::instances, cursor.key(), "it is out of order");
  return found;
}

/// Searches rows with the prefix, which LMDB has not found, by the keys of
/// sound rows: a damaged key may have led the search astray.
/// @throws storage_exception  There is such a row, or one had such a key before
///   it was damaged.
void confirm_absent(const row_reader& rows, const std::string& prefix) {
  const auto cursor = rows.walk(table::instances);
  for (bool more = seek_behind_sound(*cursor, table::instances, prefix); more;
       more = cursor->next()) {
    const std::string_view key = cursor->key();
    if (!is_sound(*cursor, table::instances)) {
      const auto before = key_before_damage(*cursor, table::instances);
      if (before && before->starts_with(prefix))
        throw_damaged(table::instances, key, "a bit of its key is wrong");
    } else if (key.starts_with(prefix)) {
      throw_damaged(table::instances, key, "it is out of order");
    } else if (key > prefix) {
      return;
    }
  }
}

/// Returns the number of events in a history row, without decoding them: the
/// row begins with the version byte and the head of a msgpack array.
/// @source MessagePack specification, "array format family".
std::uint64_t events_in(std::string_view key, std::string_view row) {
  const std::string_view payload = checked_payload(table::instances, key, row);
  const auto byte = [&](std::size_t i) {
    return std::uint64_t{
      i < payload.size() ? static_cast<unsigned char>(payload[i]) : 0U};
  };
  const auto number = [&](std::size_t size) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i)
      value = value << 8U | byte(2 + i);
    return value;
  };
  switch (byte(1)) {
  case 0xdc:
    return number(2);
  case 0xdd:
    return number(4);
  default:
    return (byte(1) & 0xf0U) == 0x90U ? byte(1) & 0x0fU : 0U;
  }
}

} // namespace

std::vector<history_event>
read_history(const row_reader& rows, partition_id partition,
             const instance_id& id, event_index first, std::size_t count_max) {
  const std::string prefix = instance_key(partition, id, row_kind::history);
  const auto cursor = rows.walk(table::instances);
  // A history row contains consecutive events. Event `first` is in the last
  // row that begins at or before it.
  bool more = cursor->seek_before(instance_key(partition, id, row_kind::history,
                                               std::uint64_t{first} + 1))
              && cursor->key().starts_with(prefix);
  if (!more)
    more = cursor->seek(prefix) && cursor->key().starts_with(prefix);
  std::vector<history_event> events;
  std::uint64_t next_event = first;
  for (; more && events.size() < count_max;
       more = cursor->next() && cursor->key().starts_with(prefix)) {
    const std::uint64_t begin = number_of(cursor->key()).value_or(0);
    auto chunk = decode_row<std::vector<history_event>>(
      table::instances, cursor->key(), cursor->value());
    if (begin > next_event)
      throw_damaged(table::instances, cursor->key(),
                    "events before it are missing");
    for (std::uint64_t i = next_event - begin;
         i < chunk.size() && events.size() < count_max; ++i, ++next_event)
      events.push_back(std::move(chunk[i]));
  }
  return events;
}

/// Reads the state of an instance from the rows; empty if it does not exist.
/// @throws storage_exception  A row is damaged or missing.
std::optional<stored_instance> read_instance(const row_reader& rows,
                                             partition_id partition,
                                             const instance_id& id) {
  std::optional<stored_instance> state;
  const std::string prefix = instance_prefix(partition, id);
  const auto cursor = rows.walk(table::instances);
  // The record is the first row of an instance, and the history is last.
  bool has_history = false;
  std::string last_key;
  for (bool more = seek_checked(*cursor, prefix);
       more && cursor->key().starts_with(prefix); more = cursor->next()) {
    const std::string_view key = cursor->key();
    const std::string_view row = cursor->value();
    last_key = key;
    const auto kind = static_cast<row_kind>(
      key.size() > prefix.size() ? key[prefix.size()] : 0);
    if (!state) {
      if (kind != row_kind::record)
        throw_damaged(table::instances, key, "its instance has no record");
      state.emplace();
    }
    if (kind == row_kind::history) {
      has_history = true;
      break;
    }
    const std::uint64_t number = number_of(key).value_or(0);
    switch (kind) {
    case row_kind::record:
      state->record = decode_row<instance_record>(table::instances, key, row);
      break;
    case row_kind::custom_status:
      state->custom_status
        = decode_row<std::string>(table::instances, key, row);
      break;
    case row_kind::requests:
      state->requests
        = decode_row<std::vector<request_record>>(table::instances, key, row);
      break;
    case row_kind::task:
      state->tasks.emplace(static_cast<task_sequence>(number),
                           decode_row<open_task>(table::instances, key, row));
      break;
    case row_kind::inbox:
      state->inbox.emplace(
        number, decode_row<inbox_message>(table::instances, key, row));
      break;
    default:
      throw_damaged(table::instances, key, "its kind is unknown");
    }
  }
  // The history rows are the last rows of an instance. If the walk has not
  // reached them, a damaged key may have ended it early.
  if (state && !has_history
      && (state->record.history_count > 0
          || !cursor->seek_before(after_prefix(prefix))
          || cursor->key() != last_key))
    throw_damaged(table::instances, last_key, "the rows after it are missing");
  // A damaged key can make the search from the front miss all rows. The search
  // from behind takes another way through the pages.
  if (!state && cursor->seek_before(after_prefix(prefix))
      && cursor->key().starts_with(prefix))
    throw_damaged(table::instances, cursor->key(), "it is out of order");
  if (!state)
    confirm_absent(rows, prefix);
  return state;
}

/// Reads events from the rows, and checks that the rows contain as many events
/// as the record of the instance states.
std::vector<history_event> read_whole_history(const row_reader& rows,
                                              partition_id partition,
                                              const instance_id& id,
                                              event_index first,
                                              std::size_t count_max) {
  auto events = read_history(rows, partition, id, first, count_max);
  const std::string key = instance_key(partition, id, row_kind::record);
  const auto record = get_row<instance_record>(rows, table::instances, key);
  if (!record) {
    if (!events.empty())
      throw_damaged(table::instances, key, "its instance has no record");
    confirm_absent(rows, key);
  } else if (record->history_count > first
             && events.size() < std::min<std::size_t>(
                  count_max, record->history_count - first)) {
    throw_damaged(table::instances, key,
                  "history events that it counts are missing");
  }
  return events;
}

std::string read_custom_status(const row_reader& rows, partition_id partition,
                               const instance_id& id) {
  const std::string record = instance_key(partition, id, row_kind::record);
  const std::string own = instance_key(partition, id, row_kind::custom_status);
  const auto cursor = rows.walk(table::instances);
  if (!cursor->seek(record) || cursor->key() != record)
    throw_damaged(table::instances, record, "it is not found by its key");
  if (!cursor->next())
    return "null";
  // A damaged key does not move its row, so the checksum of the row after the
  // record shows whether its key is the custom status.
  const std::string_view key = cursor->key();
  if (key == own)
    return decode_row<std::string>(table::instances, key, cursor->value());
  checked_payload(table::instances, key, cursor->value());
  if (key < own)
    throw_damaged(table::instances, key, "it is out of order");
  return "null";
}

void check_history_end(const row_reader& rows, partition_id partition,
                       const instance_id& id, event_index count) {
  const std::string prefix = instance_key(partition, id, row_kind::history);
  const auto cursor = rows.walk(table::instances);
  const bool has_rows = cursor->seek_before(after_prefix(prefix))
                        && cursor->key().starts_with(prefix);
  const std::uint64_t end = has_rows
                              ? number_of(cursor->key()).value_or(0)
                                  + events_in(cursor->key(), cursor->value())
                              : 0;
  if (end != count)
    throw_damaged(
      table::instances, instance_key(partition, id, row_kind::record),
      "it counts " + std::to_string(count)
        + " history events, but their rows end at " + std::to_string(end));
}

} // namespace perdura::persistence
