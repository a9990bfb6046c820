// SPDX-License-Identifier: Apache-2.0
#include "tests/support/inline_activity.hpp"

#include <utility>
#include <variant>

namespace perdura::tests {

using namespace actors;
using persistence::task_completed;

// The context has no deadline, no cancellation flag and no gateway.
activity_result run_inline(const registry& functions,
                           const activity_work_item& item) {
  activity_call call;
  call.instance = item.instance;
  call.execution = item.execution;
  call.sequence = item.sequence;
  call.name = item.name;
  call.attempt = item.attempt;
  activity_context context(std::move(call));
  activity_outcome ended
    = functions.run_activity(item.name, context, item.input);
  activity_result result;
  result.partition = item.partition;
  result.instance = item.instance;
  result.execution = item.execution;
  result.sequence = item.sequence;
  if (auto* text = std::get_if<std::string>(&ended))
    result.outcome = task_completed{item.sequence, std::move(*text)};
  else
    result.outcome = persistence::task_failed{
      item.sequence, std::get<failure_details>(std::move(ended))};
  return result;
}

} // namespace perdura::tests
