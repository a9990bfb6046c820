/// Looks up what other nodes ask of this one; looking blocks, so it has a
/// thread of its own (caf::detached).
#pragma once

#include "cluster/routing/router_actor.hpp"

#include <functional>

namespace perdura::cluster {

struct question_note {
  router_control_actor from;
  std::uint64_t ticket = 0;
  question asked;
};

} // namespace perdura::cluster

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdura::cluster::question_note)

namespace perdura::cluster {

using question_actor = caf::typed_actor<caf::reacts_to<question_note>>;

using question_look
  = std::function<persistence::result<question_answer>(const question&)>;

question_actor::behavior_type question_behavior(question_actor::pointer self,
                                                question_look look);

} // namespace perdura::cluster
