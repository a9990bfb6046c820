// SPDX-License-Identifier: Apache-2.0
#include "actors/authoring/activity_context.hpp"

#include <stdexcept>
#include <utility>

namespace perdura::actors {

activity_context::activity_context(activity_call call)
  : call_(std::move(call)),
    key_(call_.instance + "/" + call_.execution + "/"
         + std::to_string(call_.sequence)) {}

bool activity_context::cancellation_requested() const {
  return call_.cancelled && call_.cancelled->load(std::memory_order_relaxed);
}

management_payload activity_context::management_payload() const {
  return management_payload(call_.instance);
}

management_payload
activity_context::management_payload(const std::string& instance) const {
  if (!call_.payload_of)
    throw std::runtime_error("this node has no HTTP API, so there are no "
                             "URLs for \""
                             + instance + "\"");
  return call_.payload_of(instance);
}

} // namespace perdura::actors
