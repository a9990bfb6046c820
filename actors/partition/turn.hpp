/// One turn of a partition: what it writes, and the effects that are held
/// back until the writes are durable.
#pragma once

#include "actors/interface/management.hpp"
#include "actors/interface/work_item.hpp"
#include "persistence/records/turn_writes.hpp"

#include <variant>
#include <vector>

namespace perdura::actors {

struct answer_effect {
  reply_to to;
  management_answer answer;
};

/// Answered from the journal, or with what the turn itself has made of the
/// instance: one read, any number of askers.
struct read_effect {
  std::vector<reply_to> to;
  get_status request;
  std::shared_ptr<const instance_status> known; ///< Null: to be read.
};

struct activity_effect {
  activity_work_item item;
};

struct outbox_effect {
  outbox_message message;
};

struct acknowledge_effect {
  partition_id to{};
  std::uint64_t sequence = 0;
};

struct log_effect {
  int level = 2; ///< As spdlog's: 2 info, 3 warn, 4 error.
  std::string text;
};

/// All of them are outside effects: none leaves before its cause is durable.
using effect = std::variant<answer_effect, read_effect, activity_effect,
                            outbox_effect, acknowledge_effect, log_effect>;

struct turn {
  /// Partition, epoch, sequence, now and outbox numbers are filled in when the
  /// turn is journaled; a turn that writes nothing is not.
  turn_writes writes;
  std::vector<effect> effects;
  /// Messages from other partitions that this turn makes durable.
  std::vector<dedup_mark> sources;

  bool writes_nothing() const {
    return writes.instances.empty() && writes.outbox.empty()
           && writes.outbox_acknowledged.empty() && writes.marks.empty()
           && sources.empty();
  }
};

} // namespace perdura::actors
