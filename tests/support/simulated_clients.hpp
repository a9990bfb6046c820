/// The clients of a simulated cluster: they ask through any node's door,
/// repeat through another one what was not answered, keep a log of what they
/// were told, and hold each answer against what is durable at that moment.
#pragma once

#include "tests/support/simulated_node.hpp"

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace perdura::tests {

/// An instance that a client has thought of, and what should come of it.
struct subject {
  instance_id id;
  std::string name;
  std::string input;
  /// Empty: it depends on events, see the checks.
  std::string output;
  std::vector<std::string> events; ///< Names that it can do something with.
  bool is_started = false;         ///< Acknowledged.
  bool fails = false;              ///< In the end, if nobody rewinds it.
  bool is_terminated = false;      ///< Somebody asked for it.
  bool is_purged = false;
  bool is_replaced = false; ///< Perhaps there was another execution.
  bool is_fed_by_sender = false;
};

/// One request with all its repetitions.
struct operation {
  management_request request;
  std::size_t subject = 0;
  moment made{};
  moment answered{};
  bool is_over = false; ///< Answered, or nobody waits any more.
  bool is_answered = false;
  bool is_withdrawn = false; ///< Never sent, by its claim.
  bool is_patient = false;
  unsigned attempts = 0;
  std::optional<unsigned> door; ///< Always this one; any if it is empty.
  management_answer answer;
  std::set<std::uint64_t> under_way; ///< Tickets.
};

class simulated_clients : public door_keeper {
public:
  simulated_clients(simulated_world& world, cluster::placement owners,
                    std::vector<std::unique_ptr<simulated_node>>& nodes)
    : world_(world), owners_(std::move(owners)), nodes_(nodes) {}

  /// Another door; those of the nodes come first.
  void add_door(simulated_process& door) {
    doors_.push_back(&door);
  }

  /// One random operation.
  void act();

  void submit(management_request request, std::size_t about,
              std::optional<unsigned> door = std::nullopt);

  void answered(std::uint64_t ticket, management_answer answer) override;
  void question_answered(std::uint64_t ticket,
                         result<cluster::question_answer> answer) override;
  void process_died(unsigned number) override;

  bool all_over() const {
    return open_ == 0;
  }

  /// What is not over, for a complaint.
  std::string first_open() const;

  std::vector<subject> subjects;
  std::vector<operation> operations;

  request_id next_request();

  simulated_node& owner_of(const instance_id& id) const;
  partition_id place(const instance_id& id) const;

  /// What is durable of an instance; null if there is none.
  const ledger_instance* durable(const instance_id& id) const;

  /// At rest: the log is held against what is durable.
  void check();

private:
  struct attempt {
    std::size_t operation = 0;
    unsigned door = 0;
    cluster::claim_ptr claim;
  };

  void start_one();
  void start_again();
  void raise(std::size_t about);
  void ask_question();
  void try_again(std::size_t number, moment least, moment most);
  void send(std::size_t number);
  void time_out(std::uint64_t ticket);
  void finish(std::size_t number);
  void check_answer(const operation& one, const management_answer& answer);
  void check_status(const instance_status& seen);
  std::optional<std::size_t> any_started(bool with_events);

  void check_subject(const subject& one);
  void check_output(const subject& one, const ledger_instance& instance);
  void check_events(std::size_t number, const ledger_instance& instance);
  void check_doors();
  void check_withdrawn(const operation& one);

  simulated_world& world_;
  const cluster::placement owners_;
  std::vector<std::unique_ptr<simulated_node>>& nodes_;
  std::vector<simulated_process*> doors_;
  std::map<std::uint64_t, attempt> attempts_;
  std::map<std::uint64_t, std::pair<unsigned, unsigned>> questions_;
  std::uint64_t last_ticket_ = 0;
  unsigned requests_ = 0;
  int payloads_ = 0;
  std::size_t open_ = 0;
  /// The longest history seen of an execution.
  std::map<execution_id, std::vector<history_event>> seen_;
};

} // namespace perdura::tests
