// SPDX-License-Identifier: Apache-2.0
/// A gateway without a node: keeps what it receives, and answers at once.
#pragma once

#include "actors/interface/management.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace perdura::tests {

/// Not thread-safe.
class recording_gateway : public actors::management_gateway {
public:
  using actors::management_gateway::submit;

  std::uint64_t submit(actors::management_request request, callback done,
                       actors::if_owner_unavailable) override {
    requests.push_back(std::move(request));
    if (on_submit)
      on_submit();
    actors::management_answer sent = answer;
    sent.id = actors::instance_of(requests.back());
    if (!is_silent) {
      done(std::move(sent));
      return 0;
    }
    pending.emplace(requests.size(), std::move(done));
    return requests.size();
  }

  void cancel(std::uint64_t number) override {
    ++cancelled;
    actors::management_answer sent;
    sent.code = persistence::errc::cancelled;
    pending.at(number)(std::move(sent));
    pending.erase(number);
  }

  persistence::result<persistence::instance_page>
  query(const persistence::instance_query& query,
        persistence::duration) override {
    queries.push_back(query);
    return persistence::instance_page{};
  }

  persistence::result<actors::instance_counts>
  count(bool, persistence::duration) override {
    return actors::instance_counts{};
  }

  std::vector<std::pair<persistence::instance_id, std::string>>
  stuck() override {
    return {};
  }

  actors::management_payload
  payload_of(const persistence::instance_id&) const override {
    return {};
  }

  bool is_seed_compatible() const override {
    return false;
  }

  /// Called at each request, before it is answered.
  std::function<void()> on_submit;
  /// If set, requests are not answered until they are cancelled.
  bool is_silent = false;
  actors::management_answer answer; ///< Sent with the ID of the request.
  std::vector<actors::management_request> requests;
  std::vector<persistence::instance_query> queries;
  std::map<std::uint64_t, callback> pending;
  std::uint64_t cancelled = 0;
};

} // namespace perdura::tests
