// SPDX-License-Identifier: Apache-2.0
/// What a node remembers about another one, and the decision whether a hello
/// continues it.
#pragma once

#include "cluster/placement/peer_hello.hpp"

#include <cstdint>
#include <string>

namespace perdura::cluster {

/// The data directory of another node, and its newest start that was admitted.
struct known_peer {
  std::string directory;               ///< peer_hello::directory.
  std::uint64_t start_number = 0;      ///< 0 if it was never stated.
  std::string run;                     ///< peer_hello::run of that start.
  persistence::timestamp adopted_at{}; ///< peer_hello::adopted_at.

  bool operator==(const known_peer&) const = default;
};

/// Decides whether the node that sends `hello` may have a session. `known` is
/// null if nothing is remembered about it. A hello continues what is known if
/// it is of the same directory and of a later start, or of the same start in
/// the same process; or if its directory was adopted later than the known one.
/// Pure and thread-safe.
/// @return What is to be remembered before the node is admitted; equal to
///         `*known` if nothing changes.
/// @error errc::storage_foreign  The hello does not continue what is known: the
///                               node uses another directory, an older copy of
///                               it, or a second process runs on a copy.
persistence::result<known_peer> continue_peer(const known_peer* known,
                                              const peer_hello& hello);

} // namespace perdura::cluster
