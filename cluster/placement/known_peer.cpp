// SPDX-License-Identifier: Apache-2.0
#include "cluster/placement/known_peer.hpp"

namespace perdura::cluster {

using persistence::errc;
using persistence::error;
using persistence::result;

namespace {

/// The remedy if the newest state of a node is lost.
constexpr const char* adopt_advice
  = "If that directory is lost for good, run `perdura hub adopt DIR "
    "--accept-loss` on this one: the cluster then accepts it, without the data "
    "that it lacks.";

} // namespace

result<known_peer> continue_peer(const known_peer* known,
                                 const peer_hello& hello) {
  const known_peer next{hello.directory, hello.start_number, hello.run,
                        hello.adopted_at};
  if (known == nullptr || *known == next)
    return next;
  const std::string node = "Node \"" + hello.node + "\" has connected with ";
  if (known->directory != hello.directory) {
    if (hello.adopted_at > known->adopted_at)
      return next;
    return error{errc::storage_foreign,
                 node
                   + "another data directory than before: the data in its "
                     "earlier directory would be missing. Start it with its "
                     "earlier directory, or restore that from a backup. "
                   + adopt_advice};
  }
  const std::string number = std::to_string(hello.start_number);
  if (hello.start_number < known->start_number)
    return error{errc::storage_foreign,
                 node + "start " + number + " of its data directory, but start "
                   + std::to_string(known->start_number)
                   + " of it was connected before: this is an older copy of "
                     "the directory, or another copy of it has been started "
                     "since. Start the node with the directory that has the "
                     "newest state, and remove the other copies. "
                   + adopt_advice};
  if (hello.start_number == known->start_number && hello.run != known->run)
    return error{errc::storage_foreign,
                 node + "start " + number
                   + " of its data directory, but another process was "
                     "connected with the same start: two copies of the "
                     "directory are in use. Start the node with the directory "
                     "that has the newest state, and remove the other copies. "
                   + adopt_advice};
  return next;
}

} // namespace perdura::cluster
