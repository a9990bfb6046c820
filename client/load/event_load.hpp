// SPDX-License-Identifier: Apache-2.0
/// Measures the time from raising an event until the result arrives at a caller
/// that waits for the end of the instance.
#pragma once

#include "client/load/http_load.hpp"

namespace perdura::client {

/// A closed loop of instances of the sample Approval. For each instance it
/// sends three requests: start the instance, wait for its end, raise the event.
///
/// Not thread-safe.
class event_load {
public:
  /// Keeps `instances_at_once` instances in flight and opens two connections
  /// for each. `prefix` begins the instance IDs; no other instance in the task
  /// hub may have an ID with this prefix.
  /// @throws std::runtime_error  The constructor of http_load has thrown.
  event_load(const std::vector<load_endpoint>& endpoints,
             std::size_t instances_at_once, std::string prefix);

  /// Runs for this time. A latency is the time from sending the event until
  /// the response to the waiting request has arrived. Each instance with an
  /// unexpected response counts as one failure.
  load_outcome run(std::chrono::milliseconds time);

  /// The connections. The caller can set a tick function and a timeout on them.
  http_load& connections() {
    return load_;
  }

private:
  /// Runs one instance after the other, with two of the connections.
  struct slot {
    std::string id;          ///< ID of the current instance.
    bool is_started = false; ///< The node has accepted the start.
    bool failed = false;     ///< A response had an unexpected status.
    /// The number of requests for the current instance that have no response
    /// yet.
    int pending_responses = 0;
    load_response::time_point raised_at;
  };

  void start_instance(std::size_t index);
  void raise_event(std::size_t index);
  void handle_response(const load_response& response);
  void record_latency(const slot& source, const load_response& response);

  std::vector<load_endpoint> endpoints_;
  std::string prefix_;
  http_load load_;
  std::vector<slot> slots_;
  /// The number of instances so far, which is part of the next instance ID.
  std::uint64_t number_ = 0;
  load_response::time_point end_at_; ///< No instance starts after this time.
  load_outcome outcome_;
};

} // namespace perdura::client
