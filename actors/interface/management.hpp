// SPDX-License-Identifier: Apache-2.0
/// Management requests, their answers, and the gateway that accepts them.
#pragma once

#include "actors/interface/instance_details.hpp"
#include "persistence/views/queries.hpp"
#include <perdura/actors/authoring/management_payload.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace perdura::actors {

using persistence::duration;
using persistence::errc;
using persistence::execution_id;
using persistence::history_event;
using persistence::instance_id;
using persistence::instance_page;
using persistence::instance_query;
using persistence::instance_row;
using persistence::request_id;
using persistence::result;
using persistence::status_counts;
using persistence::timestamp;

/// The destination of an answer: a gateway, and the number that the gateway
/// gave the request. Number 0 means that no answer is sent.
struct reply_to {
  std::uint64_t gateway = 0;
  std::uint64_t correlation = 0;

  explicit operator bool() const {
    return correlation != 0;
  }
};

/// Starts an instance. If a finished instance has the ID, the new one replaces
/// it. If an unfinished instance has the ID, the answer is
/// errc::already_exists or, with `get_or_start`, success with the ID of its
/// execution.
struct start_instance {
  instance_id id;
  std::string name;
  std::string version;        ///< Empty means the greatest registered version.
  std::string input = "null"; ///< JSON text.
  execution_id execution;     ///< Random; the gateway sets it.
  timestamp scheduled_at{};   ///< A time in the past means at once.
  bool get_or_start = false;
  request_id request; ///< See `request_id`; may be empty.
  /// The start repeats an earlier instance, whose name and input the sender has
  /// read. A repeat of the request may carry another name and input, because
  /// the instance may have changed.
  bool is_restart = false;
  /// The ID was generated for this request, and the request reaches its
  /// partition at most once: no instance with this ID exists. Not sent to other
  /// nodes, because a request to another node may be repeated.
  bool id_is_new = false;
};

template <class I>
auto inspect(I& f, start_instance& x) {
  return f(x.id, x.name, x.version, x.input, x.execution, x.scheduled_at,
           x.get_or_start, x.request, x.is_restart);
}

/// Reads the status of one instance.
struct get_status {
  instance_id id;
  bool show_input = true;
  bool show_history = false;
  bool show_details = false; ///< See `instance_details`.
};

template <class I>
auto inspect(I& f, get_status& x) {
  return f(x.id, x.show_input, x.show_history, x.show_details);
}

/// Sends an external event to an unfinished instance.
///
/// This request and those below that change an instance may have the time at
/// which the instance was created. A request for an instance that was created
/// at another time is refused with errc::forbidden: the sender means an earlier
/// instance with the same ID. The epoch means any instance.
struct raise_event {
  instance_id id;
  std::string name;
  std::string data = "null"; ///< JSON text.
  request_id request;
  timestamp created_at{}; ///< See above.
};

template <class I>
auto inspect(I& f, raise_event& x) {
  return f(x.id, x.name, x.data, x.request, x.created_at);
}

/// Ends an unfinished instance; its output is the reason. Activities that are
/// running are not stopped.
struct terminate_instance {
  instance_id id;
  std::string reason; ///< Plain text; stored as a JSON string.
  /// Also terminate all sub-orchestrations below the instance, and refuse those
  /// that are started later. The instance itself may be finished.
  bool recursive = false;
  request_id request;
  timestamp created_at{}; ///< See raise_event.
};

template <class I>
auto inspect(I& f, terminate_instance& x) {
  return f(x.id, x.reason, x.recursive, x.request, x.created_at);
}

/// Stops dispatching turns of the instance until it is resumed. Messages that
/// arrive while the instance is suspended are kept.
struct suspend_instance {
  instance_id id;
  std::string reason;
  request_id request;
  timestamp created_at{}; ///< See raise_event.
};

template <class I>
auto inspect(I& f, suspend_instance& x) {
  return f(x.id, x.reason, x.request, x.created_at);
}

/// Resumes a suspended instance and delivers the messages that were kept.
struct resume_instance {
  instance_id id;
  std::string reason;
  request_id request;
  timestamp created_at{}; ///< See raise_event.
};

template <class I>
auto inspect(I& f, resume_instance& x) {
  return f(x.id, x.reason, x.request, x.created_at);
}

/// Runs the failed tasks of a failed instance again.
struct rewind_instance {
  instance_id id;
  std::string reason;
  request_id request;
  timestamp created_at{}; ///< See raise_event.
};

template <class I>
auto inspect(I& f, rewind_instance& x) {
  return f(x.id, x.reason, x.request, x.created_at);
}

/// Deletes a finished instance and its history.
struct purge_instance {
  instance_id id;
  request_id request;
  /// Also purges an instance with activities that have not ended: those that
  /// have not begun never run.
  bool force = false;
  timestamp created_at{}; ///< See raise_event.
};

template <class I>
auto inspect(I& f, purge_instance& x) {
  return f(x.id, x.request, x.force, x.created_at);
}

enum class wait_for : std::uint8_t { started, finished };

/// Waits until the instance has started or finished. The answer is sent at
/// once if that has happened already.
struct wait_instance {
  instance_id id;
  wait_for what = wait_for::finished;
};

template <class I>
auto inspect(I& f, wait_instance& x) {
  return f(x.id, x.what);
}

/// Lets a held instance run again: one whose code has ended the process again
/// and again, or does not match its history. An instance that is not held is
/// not changed.
struct release_instance_request {
  instance_id id;
  request_id request;
};

template <class I>
auto inspect(I& f, release_instance_request& x) {
  return f(x.id, x.request);
}

/// Pauses all instances of an orchestrator on all nodes, or lets them run
/// again. The answer states that one partition has stored the request durably;
/// it passes it to the others, also to nodes that are away now.
struct pause_orchestrator {
  /// No instance: the ID decides which partition takes the request. It begins
  /// with "@", as no instance's ID does.
  instance_id id;
  std::string name; ///< The orchestrator's name; all versions of it.
  bool is_paused = true;
  std::string reason; ///< Plain text; may be empty.
};

template <class I>
auto inspect(I& f, pause_orchestrator& x) {
  return f(x.id, x.name, x.is_paused, x.reason);
}

/// Cancels the wait_instance requests that name the same instance and have the
/// same reply_to as this request. Neither the cancelled requests nor this
/// request get an answer.
struct cancel_wait {
  instance_id id;
};

template <class I>
auto inspect(I& f, cancel_wait& x) {
  return f(x.id);
}

/// Sends an external event to the unfinished instance with the ID. If there is
/// none, starts one and sends it the event: the start and the event become
/// durable together. A finished instance with the ID is replaced, as by
/// start_instance; a scheduled one counts as unfinished.
struct start_or_raise {
  instance_id id;
  // For the start; not used if an unfinished instance has the ID.
  std::string name;
  std::string version;        ///< Empty means the greatest registered version.
  std::string input = "null"; ///< JSON text.
  execution_id execution;     ///< Random; the gateway sets it.
  // For the event.
  std::string event;         ///< The name of the event.
  std::string data = "null"; ///< JSON text.
  request_id request;        ///< See `request_id`; may be empty.
};

template <class I>
auto inspect(I& f, start_or_raise& x) {
  return f(x.id, x.name, x.version, x.input, x.execution, x.event, x.data,
           x.request);
}

/// Every management request. The index in this list identifies the type on the
/// wire between nodes: append new types, never reorder.
using management_request
  = std::variant<start_instance, get_status, raise_event, terminate_instance,
                 suspend_instance, resume_instance, rewind_instance,
                 purge_instance, wait_instance, cancel_wait,
                 release_instance_request, pause_orchestrator, start_or_raise>;

/// The ID of the instance that the request concerns, or the one that decides
/// where it goes.
inline const instance_id& instance_of(const management_request& request) {
  return std::visit([](const auto& x) -> const instance_id& { return x.id; },
                    request);
}

/// One instance as clients see it.
struct instance_status {
  instance_row row; ///< `input` is empty unless the request asked for it.
  std::vector<history_event> history; ///< Empty unless requested.
  /// Names of the buffered events that the orchestrator has not consumed, in
  /// order of arrival.
  std::vector<std::string> unread_events;
  /// Empty unless requested, and if the owner runs a program that does not know
  /// the request.
  std::optional<instance_details> details = std::nullopt;
};

template <class I>
auto inspect(I& f, instance_status& x) {
  return f(x.row, x.history, x.unread_events, x.details);
}

/// The answer to any management request.
struct management_answer {
  errc code = errc::ok;
  std::string message; ///< A sentence for the user if `code` is not ok.
  instance_id id;
  // For a start, also a start_or_raise:
  execution_id execution; ///< Set for a status and a wait, too.
  bool started = false;   ///< The first turn is durable.
  bool created = false;   ///< This request created the instance.
  std::shared_ptr<const instance_status> status; ///< For status and waits.
  /// For a start: when the instance was created. The epoch if it is not known,
  /// as in the answer to a repeat.
  timestamp created_at{};
};

/// The error for a request that means an earlier instance with this ID.
inline persistence::error other_instance_error(const instance_id& id) {
  return {errc::forbidden,
          "The request means an earlier instance with the ID \"" + id
            + "\", which was purged or replaced since. It does not apply to "
              "the instance that has the ID now."};
}

/// Number of instances in each runtime status.
struct instance_counts {
  status_counts counts{};
  std::vector<std::uint32_t> missing; ///< Partitions that did not answer.
};

/// Longest time that a query over all nodes takes, unless the caller sets a
/// shorter one.
inline constexpr duration query_time_max = std::chrono::seconds(35);

/// The handling of a request while the node that owns its instance is not
/// reachable.
enum class if_owner_unavailable : std::uint8_t {
  /// The gateway answers errc::unavailable at once and does not execute the
  /// request.
  refuse,
  /// The request waits until the owner is reachable or `cancel` is called.
  wait,
};

/// Accepts management requests for any instance of the hub, whichever node owns
/// it. Clients and activities use this interface. Thread-safe.
class management_gateway {
public:
  using callback = std::function<void(management_answer)>;

  virtual ~management_gateway() = default;

  /// Submits a request. `done` is called exactly once: on the thread that
  /// brings the answer, which is a partition's or the router's; on the thread
  /// that calls `cancel` or closes the gateway; or on the caller's thread,
  /// before `submit` returns unless the caller is itself a deeply nested
  /// `done`.
  ///
  /// `done` must not block, because a blocked partition runs no instance. It
  /// may call `submit` and `cancel`. An exception of `done` is logged and has
  /// no other effect. Returns a number for `cancel`.
  std::uint64_t submit(management_request request, callback done) {
    return submit(std::move(request), std::move(done),
                  if_owner_unavailable::refuse);
  }

  virtual std::uint64_t submit(management_request request, callback done,
                               if_owner_unavailable policy)
    = 0;

  /// Ends the wait for an answer. `number` is the result of `submit`. If `done`
  /// has not been called yet, it is called with one of two codes:
  /// errc::unavailable if the request was still waiting for its owner, in which
  /// case it is never executed; otherwise errc::cancelled, in which case it may
  /// have been executed.
  virtual void cancel(std::uint64_t number) = 0;

  /// Returns one page over all partitions of all nodes. Blocks until each node
  /// has answered.
  /// @error errc::unavailable  A node is not reachable or has not answered
  ///                           within `time_out`, and `query.partial` is not
  ///                           set.
  virtual result<instance_page> query(const instance_query& query,
                                      duration time_out = query_time_max)
    = 0;

  /// Counts the instances of all partitions in each status. With `partial`,
  /// partitions of nodes that do not answer are listed as missing. Errors as
  /// for `query`.
  virtual result<instance_counts> count(bool partial = false,
                                        duration time_out = query_time_max)
    = 0;

  /// Returns the instances of this node that are held, and those whose current
  /// turn has been running for longer than `turn_stuck_time`; each with the
  /// reason.
  virtual std::vector<std::pair<instance_id, std::string>> stuck() = 0;

  /// Returns the webhook URLs of an instance. The URLs are empty if there is
  /// no HTTP API.
  virtual management_payload payload_of(const instance_id& id) const = 0;

  /// Returns true if the setting `compat` is "seed". The client API and the
  /// HTTP API then show an instance only after its first turn has run.
  virtual bool is_seed_compatible() const = 0;
};

} // namespace perdura::actors
