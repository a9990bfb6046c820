// SPDX-License-Identifier: Apache-2.0
/// The results that the activity pool delivers. Plain functions.
#pragma once

#include "actors/interface/messages.hpp"
#include <perdura/actors/authoring/registry.hpp>

#include <chrono>
#include <string>
#include <utility>
#include <variant>

namespace perdura::actors {

/// Returns the result of an item, addressed to the task that it belongs to.
inline activity_result result_of(const activity_work_item& item,
                                 persistence::history_body outcome) {
  return {item.partition, item.instance, item.execution, item.sequence,
          std::move(outcome)};
}

/// Returns task_completed or task_failed.
inline persistence::history_body body_of(const activity_work_item& item,
                                         activity_outcome&& outcome) {
  if (auto* text = std::get_if<std::string>(&outcome))
    return persistence::task_completed{item.sequence, std::move(*text)};
  return persistence::task_failed{
    item.sequence, std::move(std::get<failure_details>(outcome))};
}

/// Returns the failure of an item that has exceeded its time-out `limit`.
/// `what` is the beginning of the sentence, such as "the activity did not end".
inline activity_result timed_out(const activity_work_item& item, duration limit,
                                 const char* what) {
  const auto ms
    = std::chrono::duration_cast<std::chrono::milliseconds>(limit).count();
  return result_of(item, persistence::task_failed{
                           item.sequence,
                           {"timed_out", std::string(what) + " within "
                                           + std::to_string(ms) + " ms"}});
}

} // namespace perdura::actors
