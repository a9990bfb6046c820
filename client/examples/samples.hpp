/// The sample orchestrations and their activities: what `perdura dev` serves,
/// and what the tests and benchmarks run.
#pragma once

#include <perdura/actors/authoring/registry.hpp>

namespace perdura::examples {

/// Adds, by name:
///   HelloSequence, E1_HelloSequence   three activities in sequence
///   Sequence            input n: n activities in sequence, n
///   FanOutFanIn         input n: n activities at once, the sum of squares
///   Echo                its input, unchanged to the byte
///   Approval            the payload of event "Approval"
///   ApprovalWithTimeout the same, or "timed out" after input ms
///   TwoEvents           [a, b] of the events "A" and "B"
///   Sleep               "slept", input ms later
///   Monitor             polls an activity; see `monitor_input`
///   Parent              input n: HelloSequence n times as children
///   Fails               an activity throws `kaboom`, always
///   FailsOnce           fails, and completes after one rewind
///   Retries             an activity fails input times; 5 attempts
///   SetStatus           a custom status, until event "Go"
///   Eternal             timer of 30 ms, input times continued as new
///   Counter             sums up events "Add" until "Stop"
/// and the activities SayHello, Square, IsReady, AlwaysFails,
/// FailsUntilRewound, FailsAtFirst.
/// @throws std::invalid_argument  One of the names is taken.
void add_samples(perdura::actors::registry& functions);

/// Input of Monitor, e.g. `{"interval_ms":1000,"polls":5}`: at most so many
/// polls, so far apart. The activity answers true at poll `ready_at`.
/// Output: `{"ready":true,"polls":3}`.
struct monitor_input {
  long interval_ms = 1000;
  long polls = 5;
  long ready_at = 3;
};

} // namespace perdura::examples
