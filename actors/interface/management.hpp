/// What may be asked of one instance from outside, and what is answered.
#pragma once

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

using namespace persistence;

/// Where an answer goes: a door (gateway) and its own number for the request.
/// Number 0: nobody wants an answer.
struct reply_to {
  std::uint64_t door = 0;
  std::uint64_t correlation = 0;

  explicit operator bool() const {
    return correlation != 0;
  }
};

/// A live ID is refused (already_exists) unless `get_or_start`; a finished one
/// is replaced by a new execution.
struct start_instance {
  instance_id id;
  std::string name;
  std::string version; ///< Empty: the orchestrator's default version.
  std::string input = "null";
  execution_id execution; ///< Random, given by the gateway.
  timestamp scheduled_at{};
  bool get_or_start = false;
  request_id request;
};

template <class I>
auto inspect(I& f, start_instance& x) {
  return f(x.id, x.name, x.version, x.input, x.execution, x.scheduled_at,
           x.get_or_start, x.request);
}

struct get_status {
  instance_id id;
  bool show_input = true;
  bool show_history = false;
};

template <class I>
auto inspect(I& f, get_status& x) {
  return f(x.id, x.show_input, x.show_history);
}

struct raise_event {
  instance_id id;
  std::string name;
  std::string data = "null";
  request_id request;
};

template <class I>
auto inspect(I& f, raise_event& x) {
  return f(x.id, x.name, x.data, x.request);
}

struct terminate_instance {
  instance_id id;
  std::string reason; ///< Plain text; stored as a JSON string.
  bool recursive = false;
  request_id request;
};

template <class I>
auto inspect(I& f, terminate_instance& x) {
  return f(x.id, x.reason, x.recursive, x.request);
}

struct suspend_instance {
  instance_id id;
  std::string reason;
  request_id request;
};

template <class I>
auto inspect(I& f, suspend_instance& x) {
  return f(x.id, x.reason, x.request);
}

struct resume_instance {
  instance_id id;
  std::string reason;
  request_id request;
};

template <class I>
auto inspect(I& f, resume_instance& x) {
  return f(x.id, x.reason, x.request);
}

struct rewind_instance {
  instance_id id;
  std::string reason;
  request_id request;
};

template <class I>
auto inspect(I& f, rewind_instance& x) {
  return f(x.id, x.reason, x.request);
}

struct purge_instance {
  instance_id id;
};

template <class I>
auto inspect(I& f, purge_instance& x) {
  return f(x.id);
}

enum class wait_for : std::uint8_t { started, finished };

/// Answered at once if it is so already, else when it becomes so.
struct wait_instance {
  instance_id id;
  wait_for what = wait_for::finished;
};

template <class I>
auto inspect(I& f, wait_instance& x) {
  return f(x.id, x.what);
}

/// Forgets the waits that were registered with this reply_to.
struct cancel_wait {
  instance_id id;
};

template <class I>
auto inspect(I& f, cancel_wait& x) {
  return f(x.id);
}

/// Sent to other nodes by its place in this list. Append; never reorder.
using management_request
  = std::variant<start_instance, get_status, raise_event, terminate_instance,
                 suspend_instance, resume_instance, rewind_instance,
                 purge_instance, wait_instance, cancel_wait>;

inline const instance_id& instance_of(const management_request& request) {
  return std::visit([](const auto& x) -> const instance_id& { return x.id; },
                    request);
}

/// One instance as a client sees it.
struct instance_status {
  instance_row row; ///< `input` is empty unless it was asked for.
  std::vector<history_event> history;     ///< Empty unless it was asked for.
  std::vector<std::string> unread_events; ///< Names, in order.
};

template <class I>
auto inspect(I& f, instance_status& x) {
  return f(x.row, x.history, x.unread_events);
}

struct management_answer {
  errc code = errc::ok;
  std::string message; ///< A sentence if `code` is not ok.
  instance_id id;
  execution_id execution; ///< Of a start.
  bool started = false;   ///< Of a start: its first turn is durable.
  bool created = false;   ///< Of a start: false if get-or-start found one.
  std::shared_ptr<const instance_status> status; ///< Of status and waits.
};

struct instance_counts {
  status_counts counts{};
  std::vector<std::uint32_t> missing; ///< Partitions nobody answered for.
};

/// Of a question to all nodes, unless its caller has less time.
inline constexpr duration query_time_max = std::chrono::seconds(35);

/// What a request does when the owner of its instance is away.
enum class if_away : std::uint8_t {
  refuse, ///< Answered *unavailable* at once; nothing was done.
  wait,   ///< It waits for the owner, until it is cancelled.
};

/// The gateway as those below the client see it: takes a request for any
/// instance, answers once: on a thread of its own, or on the caller's before
/// `submit` returns.
class management_gateway {
public:
  using callback = std::function<void(management_answer)>;

  virtual ~management_gateway() = default;

  /// Returns a number to cancel the request by.
  std::uint64_t submit(management_request request, callback done) {
    return submit(std::move(request), std::move(done), if_away::refuse);
  }

  virtual std::uint64_t submit(management_request request, callback done,
                               if_away what)
    = 0;

  /// Nobody waits any more: `done` is called, unless it has been called
  /// already: with errc::unavailable if the request still waited for its owner
  /// (nothing was done, nor will be), else with errc::cancelled.
  virtual void cancel(std::uint64_t number) = 0;

  /// One page over all partitions of all nodes. Blocks while the views catch
  /// up.
  /// @error errc::unavailable  A node is away, and `query.partial` is not set.
  /// Likewise when one has not answered within `time_out`.
  virtual result<instance_page> query(const instance_query& query,
                                      duration time_out = query_time_max)
    = 0;
  virtual result<instance_counts> count(bool partial = false,
                                        duration time_out = query_time_max)
    = 0;

  /// Instances whose turn does not come back or whose code does not fit, each
  /// with a sentence.
  virtual std::vector<std::pair<instance_id, std::string>> stuck() = 0;

  /// The webhook URLs of an instance; empty strings if there is no HTTP door.
  virtual management_payload payload_of(const instance_id& id) const = 0;

  /// `compat = "seed"`: no status before an instance has run.
  virtual bool is_seed_compatible() const = 0;
};

} // namespace perdura::actors
