/// Orchestrations that only tests want, and activities that fail when told.
#pragma once

#include <perdura/actors/authoring/registry.hpp>

#include <map>
#include <memory>
#include <string>

namespace perdura::tests {

/// What the activity Step does, by its name: it fails so many times yet.
struct switchboard {
  std::map<std::string, int> failures; ///< −1: until told otherwise.
  std::map<std::string, int> calls;
};

/// Adds the orchestrators
///   Give      input x: activity Give(x), which returns x
///   Waits     the payload of event "Go"
///   Collect   input n: the payloads of n events "E", in order
///   Family    input {name, input, count}: so many children "<id>-<i>"
///   Sender    input {to, count}: sends so many events "E", 0, 1, …
///   Loop      input n: continues as new n times, at once
///   Abandon   asks for Give(1), does not wait, continues as new as Waits does
///   AddKeep   continues as new with each "Add", "Stop" ends it with the sum;
///   AddDrop   … events that were not taken are dropped
///   Steps     input [names]: Step of each, in sequence; returns them
/// and the activities Give and Step.
void add_test_functions(actors::registry& functions,
                        std::shared_ptr<switchboard> switches = nullptr);

/// Step, as a part of other registries.
void add_step(actors::registry& functions,
              std::shared_ptr<switchboard> switches);

} // namespace perdura::tests
