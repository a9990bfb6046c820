// SPDX-License-Identifier: Apache-2.0
/// The clients of a simulated cluster. They send requests through any process,
/// repeat unanswered requests (usually through another process), record all
/// answers, and compare each answer with what is durable at that time.
#pragma once

#include "tests/support/simulated_node.hpp"

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace perdura::tests {

using actors::instance_status;
using persistence::request_id;

/// An instance that a client has started or tried to start, with the result
/// that is expected of it.
struct tracked_instance {
  instance_id id;
  std::string name;
  std::string input;
  /// Expected output. Empty means that the output depends on events or that
  /// there is none.
  std::string output;
  std::vector<std::string> events; ///< Names of events that it waits for.
  bool is_started = false;         ///< The start was acknowledged.
  bool fails = false;              ///< It fails until it is rewound.
  bool terminate_requested = false;
  bool purge_requested = false;
  /// A restart may have created another execution.
  bool restart_requested = false;
  /// Its events come from another orchestration, not from clients.
  bool is_fed_by_sender = false;
};

/// One request with all its repeated attempts.
struct operation {
  management_request request;
  std::size_t instance = 0; ///< Index in `tracked`.
  steady_time made{};
  steady_time answered{};
  bool is_closed = false; ///< Answered or given up.
  bool is_answered = false;
  bool is_withdrawn = false;  ///< Withdrawn before it was sent.
  bool is_deferrable = false; ///< May wait for the owner; can be withdrawn.
  unsigned attempts = 0;
  std::optional<unsigned> process; ///< Empty means any process.
  management_answer answer;
  std::set<std::uint64_t> open_tickets; ///< Attempts without an answer.
};

class simulated_clients : public response_sink {
public:
  simulated_clients(simulator& simulation, cluster::placement owners,
                    std::vector<std::unique_ptr<simulated_node>>& nodes)
    : simulator_(simulation), owners_(std::move(owners)), nodes_(nodes) {}

  /// Adds a process that accepts requests. The nodes must be added first.
  void add_process(simulated_process& process) {
    processes_.push_back(&process);
  }

  /// Sends one random request or query.
  void submit_random_operation();

  /// Sends a request about the instance `tracked[index]`, through `process` or
  /// through a random process.
  void submit(management_request request, std::size_t index,
              std::optional<unsigned> process = std::nullopt);

  void answered(std::uint64_t ticket, management_answer answer) override;
  void query_answered(std::uint64_t ticket,
                      result<cluster::node_query_answer> answer) override;
  void process_crashed(unsigned number) override;

  bool all_closed() const {
    return open_ == 0;
  }

  /// Describes the first request that is still open.
  std::string first_open() const;

  std::vector<tracked_instance> tracked;
  std::vector<operation> operations;

  request_id next_request();

  simulated_node& owner_of(const instance_id& id) const;
  partition_id partition_for(const instance_id& id) const;

  /// Durable state of an instance; null if the instance does not exist.
  const model_instance* durable(const instance_id& id) const;

  /// Compares all recorded answers with the durable state. Called when all
  /// work has ended.
  void check();

private:
  struct attempt {
    std::size_t operation = 0;
    unsigned process = 0;
    cluster::send_or_cancel_ptr token;
  };

  void start_new_instance();
  void start_by_event();
  void restart_instance();
  void raise(std::size_t index);
  void submit_query();
  void schedule_retry(std::size_t number, steady_time least, steady_time most);
  void send(std::size_t number);
  void handle_time_out(std::uint64_t ticket);
  void close_operation(std::size_t number);
  void check_answer(const operation& one, const management_answer& answer);
  bool remembers(const instance_id& id, const request_id& request) const;
  void check_status(const instance_status& seen);
  std::optional<std::size_t> pick_started(bool with_events);

  void check_instance(const tracked_instance& one);
  void check_output(const tracked_instance& one,
                    const model_instance& instance);
  void check_events(std::size_t number, const model_instance& instance);
  void check_starts_by_event();
  void check_processes();
  void check_withdrawn(const operation& one);

  simulator& simulator_;
  const cluster::placement owners_;
  std::vector<std::unique_ptr<simulated_node>>& nodes_;
  std::vector<simulated_process*> processes_;
  std::map<std::uint64_t, attempt> attempts_;
  std::map<std::uint64_t, std::pair<unsigned, unsigned>> queries_;
  std::uint64_t last_ticket_ = 0;
  unsigned requests_ = 0;
  int payloads_ = 0;
  std::size_t open_ = 0;
  /// The longest history that a client has read of each execution.
  std::map<execution_id, std::vector<history_event>> histories_seen_;
};

} // namespace perdura::tests
