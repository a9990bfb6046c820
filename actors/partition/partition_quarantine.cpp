// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/partition_processor.hpp"
#include "actors/partition/steps.hpp"
#include "persistence/records/keys.hpp"
#include "persistence/records/message_bytes.hpp"

#include <algorithm>
#include <set>
#include <utility>

// The part of partition_processor that keeps damaged instances from affecting
// others; see partition_damage.hpp.

namespace perdura::actors {

using namespace persistence;

/// Returns the instance, read from the journal if it is not in memory. Its rows
/// are null if there is no such instance.
result<loaded_instance> partition_processor::load(const instance_id& id) {
  const loaded_instance known = find(id);
  if (!damage_.empty())
    if (const std::string* reason = damage_.set_aside(id))
      return error{errc::storage_damaged, *reason};
  if (known) {
    known.live->touched = live_.now;
    return known;
  }
  // The journal has the newest state of an instance that is not in memory,
  // because an instance is evicted only when all its turns are durable.
  auto stored = reader_.read(durable().config.id, id);
  if (!stored)
    return note_damage(id, partition_damage::extent::rows, stored.error());
  if (!damage_.empty())
    damage_.note_sound(id);
  if (!damage_.work.empty() && damage_.work.contains(id))
    damage_.retry_at = live_.now; // in this batch, or directly after it
  if (!*stored)
    return loaded_instance{};
  live_instance& instance = live_.add(id);
  instance.next_inbox = (*stored)->record.next_inbox;
  instance.touched = live_.now;
  idle_.add(instance.idle, instance, live_.now);
  set_bytes(live_, instance, memory_bytes_of(**stored));
  store_.admit(id, std::move(**stored));
  end_if_member(id);
  return find(id);
}

/// Notes an error of a read, and returns it with the instance's ID.
error partition_processor::note_damage(const instance_id& id,
                                       partition_damage::extent what,
                                       const error& reason) {
  error named{reason.code,
              "Instance \"" + id + "\" cannot be used: " + reason.message};
  if (reason.code != errc::storage_damaged) {
    host_.log(log_level::error, named.message);
    return named;
  }
  if (damage_.note(id, what, named.message))
    host_.log(log_level::error, named.message);
  return named;
}

/// The work of an instance that cannot be read, to which the caller adds. Null
/// if the bound is reached: the work is then derived again from the rows at the
/// next start.
damaged_work* partition_processor::note_damaged_work(const instance_id& id) {
  if (damage_.work.size() >= damaged_instances_max
      && !damage_.work.contains(id))
    return nullptr;
  if (!damage_.retry_at)
    damage_.retry_at = live_.now + durable().config.damage_retry_interval;
  return &damage_.work[id];
}

void partition_processor::handle_unread(const activity_unread& unread) {
  const auto loaded = load(unread.instance);
  // The input was removed with the history of its execution.
  if (loaded
      && (!loaded->durable
          || loaded->durable->record.execution != unread.execution))
    return;
  note_damage(unread.instance, partition_damage::extent::part, unread.reason);
  if (damaged_work* work = note_damaged_work(unread.instance))
    work->activities.insert(unread.sequence);
}

/// Reads the damaged instances for which work or messages wait, and continues
/// with those that can be read.
void partition_processor::retry_damaged(timestamp at) {
  damage_.retry_at.reset();
  for (auto& [id, work] : std::exchange(damage_.work, {})) {
    const auto loaded = load(id);
    if (!loaded) {
      if (damaged_work* kept = note_damaged_work(id))
        *kept = std::move(work);
      continue;
    }
    for (const auto& [scale, task] : work.timers)
      live_.timers_of(scale).tasks.insert(task);
    if (work.turn_due && *loaded)
      make_runnable(live_, *loaded->live);
    if (!work.activities.empty())
      add_recovered(id, work.activities);
  }
  retry_quarantined(at);
}

/// Stops the instances in memory that a flush has set aside. Their messages
/// that are not durable yet become part of the changes that are set aside.
void partition_processor::stop_set_aside(timestamp at) {
  const std::size_t count = reader_.set_aside_count(durable().config.id);
  if (count == damage_.set_aside_seen)
    return;
  damage_.set_aside_seen = count;
  for (const damaged_instance& each : reader_.set_aside(durable().config.id)) {
    if (damage_.set_aside(each.id) != nullptr)
      continue;
    const error named
      = note_damage(each.id, partition_damage::extent::set_aside,
                    {errc::storage_damaged, each.error});
    persist_pending(each.id, at);
    if (const loaded_instance loaded = find(each.id))
      emit(step_set_aside(live_, each.id, loaded, named), each.id, at);
  }
}

/// Stores a message for a damaged instance, and its mark, in one turn. If a
/// bound is reached, the message is not accepted, and its source keeps it.
void partition_processor::quarantine(partition_message& message, timestamp at) {
  const partition_id from = message.from;
  outbox_message& body = message.message;
  const std::size_t bytes = message_bytes_of(body);
  const auto box = durable().outbox.find(quarantine_partition);
  const std::size_t count
    = box == durable().outbox.end() ? 0 : box->second.kept.size();
  if (count >= quarantined_messages_max
      || damage_.quarantined_bytes + bytes > quarantined_bytes_max) {
    if (damage_.waiting.insert(from).second)
      host_.log(
        log_level::error,
        "the messages of partition " + std::to_string(index_of(from))
          + " wait: " + std::to_string(count)
          + " messages for damaged instances are stored, and the next one is "
            "for instance \""
          + body.to_instance + "\", which is damaged too; repair the instances "
          + "that the list of stuck instances names");
    return;
  }
  damage_.waiting.erase(from);
  damage_.quarantined_bytes += bytes;
  if (!damage_.retry_at)
    damage_.retry_at = live_.now + durable().config.damage_retry_interval;
  const instance_id id = body.to_instance;
  forward(message, quarantine_partition, at);
}

/// Accepts a message and puts it into the outbox for `to`, in one turn.
void partition_processor::forward(partition_message& message, partition_id to,
                                  timestamp at) {
  const dedup_mark source{message.from, message.message.sequence};
  live_.marks_accepted[source.from] = source.sequence;
  const instance_id id = message.message.to_instance;
  turn next;
  next.writes.outbox.push_back({to, 0, id, std::move(message.message.body)});
  next.sources.push_back(source);
  emit(std::move(next), id, at);
}

/// If messages for the instance have left the quarantine and are not accepted
/// yet, puts this one behind them and returns true.
bool partition_processor::follow_released(partition_message& message,
                                          timestamp at) {
  if (damage_.released.empty())
    return false;
  const partition_id own = durable().config.id;
  std::erase_if(damage_.released, [&](const auto& each) {
    return each.second <= live_.marks_accepted[own];
  });
  const auto behind = damage_.released.find(message.message.to_instance);
  if (behind == damage_.released.end() || message.from == own)
    return false;
  behind->second = durable().outbox_head(own) + 1;
  forward(message, own, at);
  return true;
}

/// Reads the instances of the quarantine, and releases the messages of those
/// that can be read.
void partition_processor::retry_quarantined(timestamp at) {
  const auto box = durable().outbox.find(quarantine_partition);
  if (box == durable().outbox.end() || box->second.kept.empty())
    return;
  std::set<instance_id> sound;
  std::set<instance_id> seen;
  for (const auto& [sequence, message] : box->second.kept)
    if (seen.insert(message.to_instance).second && load(message.to_instance))
      sound.insert(message.to_instance);
  if (!sound.empty())
    release(sound, at);
  if (sound.size() < seen.size())
    damage_.retry_at = live_.now + durable().config.damage_retry_interval;
}

/// Moves the messages of these instances to the outbox to this partition. The
/// outbox is acknowledged up to a sequence, so the other messages are written
/// again, with new sequences.
void partition_processor::release(const std::set<instance_id>& sound,
                                  timestamp at) {
  const partition_id own = durable().config.id;
  const stored_outbox& box = durable().outbox.at(quarantine_partition);
  std::uint64_t own_head = durable().outbox_head(own);
  std::size_t bytes = 0;
  turn next;
  next.writes.outbox_acknowledged.push_back({quarantine_partition, box.last});
  for (const auto& [sequence, message] : box.kept) {
    const bool is_sound = sound.contains(message.to_instance);
    next.writes.outbox.push_back({is_sound ? own : quarantine_partition, 0,
                                  message.to_instance, message.body});
    if (is_sound)
      damage_.released[message.to_instance] = ++own_head;
    else
      bytes += message_bytes_of(message);
  }
  damage_.quarantined_bytes = bytes;
  damage_.waiting.clear();
  emit(std::move(next), *sound.begin(), at);
}

/// Counts the messages in the quarantine after a start.
void partition_processor::restore_quarantine(
  const std::vector<std::string>& damage) {
  for (const std::string& sentence : damage) {
    host_.log(log_level::error, sentence);
    damage_.note_row(sentence);
  }
  const auto box = durable().outbox.find(quarantine_partition);
  if (box == durable().outbox.end())
    return;
  for (const auto& [sequence, message] : box->second.kept)
    damage_.quarantined_bytes += message_bytes_of(message);
}

damage_figures partition_processor::damage() const {
  const auto box = durable().outbox.find(quarantine_partition);
  return {damage_.count(),
          box == durable().outbox.end() ? 0 : box->second.kept.size(),
          damage_.quarantined_bytes, damage_.waiting.size(), broken_streams()};
}

} // namespace perdura::actors
