/// The partition at work: messages in, turns to the journal, effects out when
/// their cause is durable. Live path and recovery are this one code path; the
/// actor around it, and the harnesses of the tests, only carry messages.
#pragma once

#include "actors/partition/partition_state.hpp"
#include "persistence/journal/journal.hpp"
#include "persistence/records/clock.hpp"

#include <memory>
#include <span>
#include <variant>

namespace perdura::actors {

struct management_inbound {
  reply_to from;
  management_request request;
};

using inbound = std::variant<management_inbound, turn_outcome, activity_result,
                             partition_message, partition_acknowledgement>;

/// What the partition asks of the world. Called by `take`, `on_durable` and
/// `recover`, on their caller's thread.
class partition_host {
public:
  virtual ~partition_host() = default;
  virtual void answer(reply_to to, management_answer answer) = 0;
  virtual void run_turn(orchestration_work_item item) = 0;
  virtual void drop_run(const instance_id& id) = 0;
  virtual void run_activity(activity_work_item item) = 0;
  virtual void send(partition_message message, partition_id to) = 0;
  virtual void acknowledge(partition_acknowledgement note, partition_id to) = 0;
  virtual void log(int level, const std::string& text) = 0;

  /// The turns of this call are with the journal, and `journal::gathered` is
  /// to be called for them.
  virtual void gathered() {}
};

struct wake_time {
  timestamp at{};
  /// Hardly ever is anything due then: a few milliseconds later will do, if
  /// that spares a wake-up.
  bool may_be_late = false;
};

class partition_processor {
public:
  /// Journal, clock and host must outlive it.
  partition_processor(partition_config config, journal& ledger,
                      const clock& time, partition_host& host);
  ~partition_processor();

  partition_processor(const partition_processor&) = delete;
  partition_processor& operator=(const partition_processor&) = delete;

  /// Loads what is durable, raises the epoch and derives again what was under
  /// way. Once, before anything else.
  result<void> recover();

  /// Takes what has arrived as one batch; an empty batch looks only at what
  /// time has brought.
  void take(std::span<inbound> batch);

  /// The journal has reached this place: effects leave that were held.
  void on_durable(journal_position reached);

  /// The owner of these partitions is there again: what it has not
  /// acknowledged is sent again, a window at a time.
  void resend(std::span<const partition_id> to);

  /// When `take` wants to be called although nothing arrives.
  wake_time wake_at() const;

  const partition_state& state() const {
    return state_;
  }

  /// Instances whose turn is out for long, or whose code does not fit.
  std::vector<std::pair<instance_id, std::string>> stuck() const;

private:
  struct deferred_message {
    journal_position until = 0;
    inbound message;
  };

  struct timer_refill {
    journal_position until = 0;
    timestamp after{};
    timestamp last{};
  };

  struct turn_out_since {
    timestamp since{};
    instance_id id;
    turn_number number = 0;
  };

  timestamp now() const;
  live_instance* load(const instance_id& id, timestamp now);

  void handle(inbound& message, timestamp now);
  void handle_request(management_inbound& message, timestamp now);
  void handle_partition(partition_message& message, timestamp now);
  turn step_partition(partition_message& message, dedup_mark source,
                      timestamp now);
  bool defer_until_durable(const instance_id& id, inbound message);
  void settle(const instance_id& id, timestamp now);

  void emit(turn next, const instance_id& about, timestamp now);
  void journal_turn(turn& next, timestamp now);
  void tell_gathered();
  void answer_reads(turn& next);
  void hold(journal_position until, std::vector<effect> effects);
  void perform(effect& due);
  void perform_read(const read_effect& read);

  bool still_waits(timestamp since, const instance_id& id) const;
  void look_at_time(timestamp now);
  void extend_timers(timestamp now);
  void refill_timers();
  void dispatch(timestamp now);
  void dispatch_one(const instance_id& id, live_instance& live, timestamp now);

  // partition_eviction.cpp
  void keep(const instance_id& id, live_instance& live, timestamp now);
  void evict(timestamp now);
  void evict_ended();
  void forget(const instance_id& id, const live_instance& live);
  void drop_runs();

  // partition_outbox.cpp
  void send_from_outbox(outbox_message message);
  void send_window(partition_id to);
  void take_acknowledgement(const partition_acknowledgement& note,
                            timestamp now);

  // partition_marks.cpp
  void settle_earlier(turn& next, timestamp now);
  std::optional<instance_id> take_overtaken(const turn& next);
  void settle_into(turn& next, const instance_id& id, timestamp now);

  // partition_recovery.cpp
  void restore(partition_snapshot snapshot);
  result<std::vector<effect>> open_work(const partition_snapshot& snapshot);

  partition_state state_;
  journal& journal_;
  const clock& clock_;
  partition_host& host_;
  journal_position last_ = 0;    ///< Newest turn given to the journal.
  bool has_gathered_ = false;    ///< Some in this call.
  journal_position durable_ = 0; ///< Of this partition, as told.
  std::map<journal_position, std::vector<effect>> held_;
  std::deque<deferred_message> deferred_;
  std::vector<instance_id> undurable_; ///< Replays that wait for the disk.
  std::deque<timer_refill> refills_;
  std::deque<turn_out_since> turns_out_;
  idle_list idle_; ///< One entry each.
  /// They have ended; by the position that makes it durable.
  std::deque<std::pair<journal_position, instance_id>> ended_;
  std::optional<timestamp> acknowledge_at_;
  std::map<partition_id, std::uint64_t> outbox_sent_; ///< Durable, and sent.
  /// Being sent again: the last of the window that is out.
  std::map<partition_id, std::uint64_t> resending_;
};

} // namespace perdura::actors
