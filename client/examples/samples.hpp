// SPDX-License-Identifier: Apache-2.0
/// The sample orchestrations and their activities, which `perdura dev` serves
/// and which the tests and benchmarks run.
#pragma once

#include <perdura/workflow.hpp>

namespace perdura::examples {

/// Registers the sample orchestrators:
///   HelloSequence        Calls three activities in sequence. Returns their
///                        greetings. Also registered as E1_HelloSequence.
///   Sequence             Input n. Calls n activities in sequence. Returns n.
///   FanOutFanIn          Input n. Calls n activities at the same time. Returns
///                        the sum of the squares of 0 to n - 1.
///   Echo                 Returns its input, byte for byte.
///   Approval             Waits for the event "Approval". Returns its data.
///   ApprovalWithTimeout  Input: milliseconds. As Approval, but returns "timed
///                        out" if the event does not arrive in this time.
///   TwoEvents            Waits for the events "A" and "B". Returns an array
///                        with the data of both.
///   Sleep                Input: milliseconds. Waits, then returns "slept".
///   Monitor              Polls an activity; see `monitor_input`. Returns e.g.
///                        `{"ready":true,"polls":3}`.
///   Parent               Input n. Runs HelloSequence n times at the same time,
///                        as sub-orchestrations. Returns their outputs.
///   Fails                Calls an activity that always fails.
///   FailsOnce            Fails. Completes after it has been rewound once.
///   Retries              Input n. Calls an activity whose first n attempts
///                        fail, with at most 5 attempts. Returns "ok".
///   SetStatus            Sets a custom status and waits for the event "Go".
///   Eternal              Input n. Waits 30 ms and continues as new, n times.
///                        Returns "done".
///   Counter              Adds up the numbers of the events "Add" until the
///                        event "Stop". Returns the sum.
///
/// Also registers their activities SayHello, Square, IsReady, AlwaysFails,
/// FailsUntilRewound and FailsAtFirst.
/// @throws std::invalid_argument  One of the names is already registered.
void add_samples(perdura::registry& functions);

/// Input of Monitor, e.g. `{"interval_ms":1000,"polls":5}`.
struct monitor_input {
  long interval_ms = 1000; ///< Time between two polls.
  long polls = 5;          ///< Largest number of polls.
  long ready_at = 3;       ///< The first successful poll, counted from 1.
};

} // namespace perdura::examples
