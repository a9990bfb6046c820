/// One turn's change of one instance while it is being put together: what is
/// written, seen on top of what was there before.
#pragma once

#include "actors/partition/partition_state.hpp"

#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace perdura::actors {

class instance_draft {
public:
  /// Goes on from what is stored.
  instance_draft(instance_id id, const stored_instance& base);

  /// A new instance, or a new execution in the place of a finished one. Its
  /// history begins with `start.started`.
  instance_draft(instance_id id, const arrived_start& start);

  instance_record& record() {
    return write_.record ? *write_.record : write_.record.emplace();
  }

  /// Continue-as-new: history, tasks and waits of the old execution go.
  void begin_execution(history_event started);

  /// Adds an event to the history and returns its place.
  event_index append(timestamp time, history_body body);

  void open(task_sequence sequence, open_task task);

  /// Nothing happens if no such task is open.
  void close(task_sequence sequence);
  void close_all();

  bool is_open(task_sequence sequence) const;
  bool awaits_event(std::string_view name) const;

  void put_inbox(inbox_sequence sequence, history_event event);
  void take_inbox(inbox_sequence sequence);

  void set_custom_status(std::string text) {
    write_.custom_status = std::move(text);
  }

  /// The answer is remembered if the request can be repeated.
  void remember(const request_id& request, const management_answer& answer);

  /// Whether a message in the inbox, as it will be, can be given to a turn.
  bool has_deliverable() const;

  /// Every event still in the inbox, as it will be.
  std::vector<std::pair<inbox_sequence, history_event>> inbox() const;

  instance_write finish(timestamp now) &&;

private:
  const stored_instance* base_ = nullptr; ///< Null: nothing of it remains.
  instance_write write_;
  std::unordered_set<task_sequence> closed_; ///< As in write_.tasks_closed.
  std::unordered_set<inbox_sequence> taken_; ///< As in write_.inbox_taken.
};

/// Payload bytes of an event, as `history_bytes_max` counts them.
std::uint64_t payload_bytes_of(const history_body& body);

/// The execution that follows when `previous` continues as new: derived, so
/// that deciding needs no randomness.
execution_id next_execution(const execution_id& previous,
                            std::uint32_t generation);

} // namespace perdura::actors
