/// Every setting of a node, with its default, unit and reason.
#pragma once

#include <perdura/persistence/records/ids.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace perdura::cluster {

/// How nodes find and trust each other.
struct cluster_config {
  /// This node's name among `nodes`, e.g. "node-1"; empty: a node alone.
  std::string node;

  /// All nodes of the hub, this one too, each "NAME=HOST:PORT", e.g.
  /// "node-1=127.0.0.1:7171". Names are fixed with the hub, addresses are not.
  std::vector<std::string> nodes;

  /// Where this node listens for the others, "ADDRESS:PORT", the address
  /// numeric; empty: as its own entry in `nodes` says.
  std::string listen;

  /// PEM: the node's certificate with its chain, its key, and the authority
  /// whose certificates are trusted. All three or none; without, only loopback
  /// is allowed, because then nobody shows who he is.
  std::filesystem::path certificate_file;
  std::filesystem::path key_file;
  std::filesystem::path ca_file;

  /// A node tells the others this often that it is there.
  persistence::duration heartbeat_interval = std::chrono::milliseconds(200);

  /// One that is silent for longer is taken for down; at least twice
  /// `heartbeat_interval`.
  persistence::duration silence_max = std::chrono::seconds(1);

  /// A request to another node that is not answered by then has an unknown
  /// outcome. Waits for a completion are not limited.
  persistence::duration request_time_max = std::chrono::seconds(30);

  bool is_alone() const {
    return node.empty();
  }

  bool has_tls() const {
    return !certificate_file.empty();
  }
};

struct node_config {
  /// Holds one hub: its journal and views. Mode 0700, one process at a time.
  std::filesystem::path data_dir;

  /// Make a hub if `data_dir` is missing or empty; otherwise it is refused.
  bool create_hub = false;

  /// 32 hex digits. When a hub is made: its ID, which all nodes of a cluster
  /// must be given (empty for a node alone: a random one). Otherwise: the only
  /// one that is opened (empty: any).
  std::string hub_id;

  /// The hub's name; stands in URLs as `taskHub`. Fixed at its creation.
  std::string task_hub = "perdura";

  /// Logical shards, 1 to 4096. Fixed at the hub's creation.
  std::uint32_t partition_count = 32;

  /// "seed": Durable Functions' documentation of 2018 to the letter, where
  /// the default differs (see the table in the README).
  bool compat_seed = false;

  /// Events that nobody waits for: dropped instead of kept. On with
  /// `compat_seed`; an orchestrator's own policy goes first.
  bool external_events_discard = false;

  /// Code that does not fit its history: fail the instance instead of holding
  /// it until code that fits returns.
  bool nondeterminism_fails = false;

  /// Finished instances are purged this long after their end; 0: never. An
  /// orchestrator's own retention goes first.
  persistence::duration retention = std::chrono::hours(24 * 30);

  /// How often expired instances are looked for.
  persistence::duration retention_interval = std::chrono::minutes(1);

  /// Scheduler threads for actors; 0: two more than there are cores, so that
  /// orchestrators that never await do not stop the node at once.
  std::size_t scheduler_threads = 0;

  /// Activities at once.
  std::size_t activities_max = 64;

  /// Idle instances kept in memory, over all partitions.
  std::size_t idle_instances_max = 4096;

  /// Idle instances leave memory after this.
  persistence::duration idle_instance_time_max = std::chrono::seconds(30);

  /// A message waits this long for its turn before it is made durable alone.
  persistence::duration turn_wait_max = std::chrono::milliseconds(20);

  /// New starts and events are refused beyond it; 0: only the free disk
  /// counts.
  std::uint64_t storage_bytes_max = 0;

  /// How long `stop` waits for activities that are running.
  persistence::duration stop_patience = std::chrono::seconds(10);

  cluster_config cluster;
};

} // namespace perdura::cluster
