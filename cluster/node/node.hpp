/// One node: journal, partitions, router, activities, put together.
#pragma once

#include <perdura/cluster/node/node_config.hpp>
#include <perdura/cluster/node/node_report.hpp>
#include <perdura/persistence/records/distribution.hpp>
#include <perdura/persistence/records/error.hpp>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace perdura::actors {
class activity_context;
class registry;
class management_gateway;
struct management_payload;
} // namespace perdura::actors

namespace perdura::cluster {

struct node_statistics {
  std::uint64_t commits = 0;
  std::uint64_t views_commits = 0;
  std::uint64_t turns = 0;
  std::uint64_t journal_bytes = 0;
  std::uint64_t starts = 0;
  std::uint64_t orchestration_turns = 0;
  std::uint64_t replays = 0;
  std::uint64_t completed = 0;
  std::uint64_t failed = 0;
  std::uint64_t terminated = 0;
  std::uint64_t continued = 0;
  std::uint64_t activities = 0;
  std::uint64_t results_stale = 0;
  std::uint64_t events_discarded = 0;
  std::uint64_t messages_repeated = 0;
  std::uint64_t evictions = 0;
  std::uint64_t instances_live = 0;  ///< In memory now.
  std::uint64_t outbox_messages = 0; ///< To other partitions, on their way.
  persistence::distribution commit_turns;
  persistence::distribution commit_time_us;
};

class node {
public:
  /// Opens (or creates) the data directory. Nothing runs yet.
  /// @error errc::storage_missing, storage_in_use, storage_format,
  ///        storage_foreign, storage_damaged, invalid_argument
  static persistence::result<std::unique_ptr<node>>
  open(node_config config, std::shared_ptr<const actors::registry> functions);

  /// Stops.
  ~node();

  node(const node&) = delete;
  node& operator=(const node&) = delete;

  /// Where this node's URLs begin; before `begin`. Null: no HTTP door.
  using payload_maker
    = std::function<actors::management_payload(const std::string& instance)>;
  void set_payload_maker(payload_maker make);

  /// Told of each attempt of an activity before it runs, on its thread;
  /// before `begin`. For tracing, and for tests that count.
  using activity_observer
    = std::function<void(const actors::activity_context&)>;
  void set_activity_observer(activity_observer observe);

  /// Where its HTTP door is, for other nodes and clients; before `begin`.
  void set_url(std::string url);

  /// Told, on any thread, when the others refuse this node because its data is
  /// not what it was: it must be stopped. Before `begin`.
  using stop_listener = std::function<void(const persistence::error&)>;
  void set_stop_listener(stop_listener tell);

  /// Recovers and serves; returns when every partition does.
  persistence::result<void> begin();

  /// Takes no more requests, lets running activities end within
  /// `stop_patience`, makes everything durable, closes. Idempotent.
  /// Returns the names of the activities that would not end; the process is
  /// then best ended without destructors.
  std::vector<std::string> stop();

  /// The door of this process, good until `stop`.
  std::shared_ptr<actors::management_gateway> gateway() const;

  const node_config& config() const;
  const std::string& hub_id() const;
  node_statistics statistics() const;

  /// Instances on this node alone, by runtime status.
  persistence::result<std::array<std::uint64_t, 8>> own_counts() const;

  /// What each node that owns partitions says of itself. Blocks.
  std::vector<reported_node> reports() const;

  /// Returns when every other node has been met since `begin`; false if not
  /// within that time.
  bool wait_for_peers(persistence::duration time_out) const;

  /// Returns when another node has let this one in, which a new directory
  /// waits for before it serves; false if none has within that time.
  bool wait_until_admitted(persistence::duration time_out) const;

  /// False while it recovers or stops, or when no scheduler thread is spare.
  bool is_ready() const;

private:
  node();
  class impl;
  std::unique_ptr<impl> impl_;
};

} // namespace perdura::cluster
