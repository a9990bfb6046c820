#include "cluster/routing/question_actor.hpp"

namespace perdura::cluster {

question_actor::behavior_type question_behavior(question_actor::pointer self,
                                                question_look look) {
  return {
    [self, look = std::move(look)](const question_note& x) {
      self->send(
        x.from,
        lookup_note{x.ticket,
                    std::make_shared<persistence::result<question_answer>>(
                      look(x.asked))});
    },
  };
}

} // namespace perdura::cluster
