// SPDX-License-Identifier: Apache-2.0
#include <perdura/persistence/records/error.hpp>

namespace perdura::persistence {

// The switches in `to_string` and `sentence_of` have no default case, so that
// the compiler warns about a code without a name or a sentence. The line after
// each switch handles numbers that are not error codes of this program, for
// example from a newer peer node.

std::string_view to_string(errc code) {
  switch (code) {
  case errc::ok:
    return "ok";
  case errc::not_found:
    return "not_found";
  case errc::already_exists:
    return "already_exists";
  case errc::already_finished:
    return "already_finished";
  case errc::not_failed:
    return "not_failed";
  case errc::not_finished:
    return "not_finished";
  case errc::unknown_orchestrator:
    return "unknown_orchestrator";
  case errc::unknown_activity:
    return "unknown_activity";
  case errc::request_id_reused:
    return "request_id_reused";
  case errc::invalid_instance_id:
    return "invalid_instance_id";
  case errc::invalid_name:
    return "invalid_name";
  case errc::invalid_json:
    return "invalid_json";
  case errc::json_too_deep:
    return "json_too_deep";
  case errc::payload_too_large:
    return "payload_too_large";
  case errc::invalid_argument:
    return "invalid_argument";
  case errc::timed_out:
    return "timed_out";
  case errc::cancelled:
    return "cancelled";
  case errc::unavailable:
    return "unavailable";
  case errc::shutting_down:
    return "shutting_down";
  case errc::overloaded:
    return "overloaded";
  case errc::limit_exceeded:
    return "limit_exceeded";
  case errc::storage_full:
    return "storage_full";
  case errc::unknown_outcome:
    return "unknown_outcome";
  case errc::storage_failed:
    return "storage_failed";
  case errc::storage_damaged:
    return "storage_damaged";
  case errc::storage_format:
    return "storage_format";
  case errc::storage_in_use:
    return "storage_in_use";
  case errc::storage_missing:
    return "storage_missing";
  case errc::storage_foreign:
    return "storage_foreign";
  case errc::epoch_fenced:
    return "epoch_fenced";
  case errc::unauthorized:
    return "unauthorized";
  case errc::forbidden:
    return "forbidden";
  case errc::nondeterministic:
    return "nondeterministic";
  case errc::task_failed:
    return "task_failed";
  case errc::unsupported:
    return "unsupported";
  case errc::internal:
    return "internal";
  }
  return "unknown";
}

std::string_view sentence_of(errc code) {
  switch (code) {
  case errc::ok:
    return "Success.";
  case errc::not_found:
    return "There is no instance with this ID.";
  case errc::already_exists:
    return "A live instance has this ID.";
  case errc::already_finished:
    return "The instance has ended.";
  case errc::not_failed:
    return "Only a failed instance can be rewound.";
  case errc::not_finished:
    return "Only a finished instance can be purged.";
  case errc::unknown_orchestrator:
    return "No orchestrator of this name is registered.";
  case errc::unknown_activity:
    return "No activity of this name is registered.";
  case errc::request_id_reused:
    return "The request ID was used for another request to the instance.";
  case errc::invalid_instance_id:
    return "An instance ID is 1 to 256 bytes of UTF-8 without / \\ # ?, "
           "control characters or a leading @.";
  case errc::invalid_name:
    return "The name is empty or too long.";
  case errc::invalid_json:
    return "The payload is not valid JSON.";
  case errc::json_too_deep:
    return "The JSON is nested too deeply.";
  case errc::payload_too_large:
    return "The payload is too large.";
  case errc::invalid_argument:
    return "An argument is not valid.";
  case errc::timed_out:
    return "The time allowed for the request has passed.";
  case errc::cancelled:
    return "The operation was cancelled.";
  case errc::unavailable:
    return "The partition's owner cannot be reached now; try again later.";
  case errc::shutting_down:
    return "The node is shutting down.";
  case errc::overloaded:
    return "Too many requests are in progress; try again later.";
  case errc::limit_exceeded:
    return "A limit on the instance is reached.";
  case errc::storage_full:
    return "The storage is full; purge finished instances or free disk space.";
  case errc::unknown_outcome:
    return "The connection to the partition's owner was lost before it "
           "answered; the request may or may not have been carried out.";
  case errc::storage_failed:
    return "The storage reported an error.";
  case errc::storage_damaged:
    return "The storage is damaged.";
  case errc::storage_format:
    return "The storage has another format version.";
  case errc::storage_in_use:
    return "Another process uses this data directory.";
  case errc::storage_missing:
    return "There is no hub in this directory.";
  case errc::storage_foreign:
    return "The directory contains a different hub than expected.";
  case errc::epoch_fenced:
    return "The partition has a newer owner.";
  case errc::unauthorized:
    return "The node requires a key.";
  case errc::forbidden:
    return "This request is not permitted.";
  case errc::nondeterministic:
    return "The orchestrator's decisions differ from its history.";
  case errc::task_failed:
    return "A task failed.";
  case errc::unsupported:
    return "This request is not supported.";
  case errc::internal:
    return "This is a defect of Perdura.";
  }
  return "An unknown error.";
}

} // namespace perdura::persistence
