// SPDX-License-Identifier: Apache-2.0
/// Orchestrators for tests, and an activity that fails on demand.
#pragma once

#include <perdura/actors/authoring/registry.hpp>

#include <map>
#include <memory>
#include <string>

namespace perdura::tests {

/// Controls and records the calls of the activity Step; the key is its input.
struct step_control {
  std::map<std::string, int> failures; ///< Calls left to fail; −1 means all.
  std::map<std::string, int> calls;
};

/// Adds the activity Give, which returns its input, the activity Step, and
/// these orchestrators. Rethrows also needs the samples.
///   Give      input x: calls the activity Give(x) and returns its result
///   Waits     waits for the event "Go" and returns its payload
///   Collect   input n: waits for n events "E" and returns their payloads
///   Family    input {name, input, count}: starts `count` children with the IDs
///             "<id>-<i>" and returns their outputs
///   Sender    input {to, count}: sends `count` events "E" with the payloads
///             0, 1, … to the instance `to`
///   Loop      input n: continues as new n times without waiting
///   Abandon   input false: calls Give(1), does not await it, waits for the
///             event "Continue" and continues as new with the input true;
///             input true: does the same as Waits
///   AddKeep   adds the payload of the event "Add" to its input and continues
///             as new with the sum; returns the sum on the event "Stop"
///   AddDrop   does the same, but unprocessed events are dropped
///   Rethrows  returns ["first", x, "last"] from three calls. The call of x
///             fails until the instance is rewound; its failure is caught, and
///             thrown again after the last call. x is the result of an
///             activity, or with the input true of the sub-orchestration
///             FailsOnce
///   Tree      input n: starts two sub-orchestrations Tree with n - 1, one
///             after the other, and returns n. If n is odd, it does not wait
///             for them
///   Chains    tasks in when_all and when_any that call Give; waits for the
///             events "Go" and "Stop" and returns their texts
///   ChainLoop input n: continues as new n times from a task of a when_all
///   FailingChains  tasks in a when_all with the activity FailsUntilRewound of
///             the examples
///   Steps     input [names]: calls Step(name) for each and returns the names
void add_test_functions(actors::registry& functions,
                        std::shared_ptr<step_control> control = nullptr);

/// Adds only the activity Step.
void add_step(actors::registry& functions,
              std::shared_ptr<step_control> control);

} // namespace perdura::tests
