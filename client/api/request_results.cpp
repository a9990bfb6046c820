// SPDX-License-Identifier: Apache-2.0
#include "client/api/request_results.hpp"

namespace perdura::client {

// A code that is not listed means a refusal: the request failed a check before
// it was sent, or the owner refused it, and nothing was done. Every code that
// leaves the outcome open must be listed.
failure_kind kind_of(errc code) {
  switch (code) {
  case errc::unavailable:
  case errc::overloaded:
    return failure_kind::unavailable;
  case errc::unknown_outcome:
  case errc::shutting_down: // The request may already have been sent.
  case errc::timed_out:
  case errc::cancelled:
  case errc::internal:
    return failure_kind::unknown;
  default:
    return failure_kind::not_done;
  }
}

} // namespace perdura::client
