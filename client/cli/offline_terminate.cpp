// SPDX-License-Identifier: Apache-2.0
#include "client/cli/offline_terminate.hpp"

#include "actors/partition/partition_processor.hpp"
#include "client/api/request_checks.hpp"
#include "client/cli/hub_verbs.hpp"
#include "cluster/placement/partition_map.hpp"
#include "cluster/placement/placement.hpp"
#include "persistence/journal/lmdb_journal.hpp"
#include "persistence/records/clock.hpp"

#include <array>
#include <optional>
#include <ostream>

namespace perdura::client {

using persistence::errc;
using persistence::error;
using persistence::result;

namespace {

/// The environment of a partition that runs nothing and sends nothing: what it
/// would send stays in its outbox.
class offline_host final : public actors::partition_host {
public:
  void answer(actors::reply_to, actors::management_answer given) override {
    answer_ = std::move(given);
  }

  void run_turn(actors::orchestration_work_item) override {}

  void drop_run(const actors::instance_id&) override {}

  void run_activity(actors::activity_work_item) override {}

  void send(actors::partition_message, actors::partition_id) override {}

  void acknowledge(actors::partition_acknowledgement,
                   actors::partition_id) override {}

  void log(persistence::log_level, const std::string&) override {}

  const std::optional<actors::management_answer>& given() const {
    return answer_;
  }

private:
  std::optional<actors::management_answer> answer_;
};

result<void> terminate_in(persistence::manual_journal& journal,
                          const control_verb_options& options) {
  const persistence::hub_identity& hub = journal.hub();
  const std::string& id = options.target.id;
  const auto partition = cluster::partition_of(id, hub.partition_count);
  const cluster::placement owners = cluster::placement_of(hub);
  if (owners.owner_of(partition) != hub.node)
    return error{errc::not_found, "Instance \"" + id + "\" belongs to node \""
                                    + owners.owner_of(partition)
                                    + "\"; use the data directory of that "
                                      "node."};
  actors::partition_config config;
  config.id = partition;
  config.partition_count = hub.partition_count;
  config.partition_of = cluster::partition_of;
  config.paused = true;
  offline_host host;
  actors::partition_processor processor(std::move(config), journal, journal,
                                        persistence::system_clock(), host);
  // The journal reports each commit to the partition that has made it.
  std::optional<persistence::journal_position> reached;
  journal.listen(partition,
                 [&](persistence::journal_position now) { reached = now; });
  const auto commit = [&] {
    journal.commit();
    if (reached)
      processor.on_durable(*reached);
  };
  if (auto recovered = processor.recover(); !recovered)
    return recovered;
  commit();
  std::array<actors::inbound, 1> batch{actors::management_inbound{
    {1, 1},
    actors::terminate_instance{id, options.reason, options.recursive, {}}}};
  processor.process_batch(batch);
  commit();
  journal.listen(partition, {});
  if (!host.given())
    return error{errc::internal,
                 "The termination of \"" + id + "\" got no answer."};
  if (host.given()->code != errc::ok)
    return error{host.given()->code, host.given()->message};
  return {};
}

} // namespace

int terminate_offline(const std::string& data_dir,
                      const control_verb_options& options, terminal& io) {
  if (options.target.id.empty())
    return fail(io, {errc::invalid_argument,
                     "terminate --offline needs the ID of an instance."});
  if (auto usable = check_access(data_dir); !usable)
    return fail(io, usable.error());
  persistence::lmdb_journal_options opening;
  opening.directory = data_dir;
  opening.manual = true;
  auto journal = persistence::open_lmdb_journal(std::move(opening));
  if (!journal)
    return fail(io, journal.error());
  if (auto done = terminate_in(**journal, options); !done)
    return fail(io, done.error());
  (*journal)->close();
  io.out << "1 instance terminated.\n";
  return exit_ok;
}

} // namespace perdura::client
