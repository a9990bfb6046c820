// SPDX-License-Identifier: Apache-2.0
#include "actors/partition/steps.hpp"

#include <algorithm>
#include <set>

namespace perdura::actors {

using namespace persistence;

namespace {

// Above `request_keys_max` less this number, the requests that wait for their
// turns are counted too. Counting them takes time in proportion to them.
constexpr std::uint64_t keys_waiting_expected = 4'096;

/// Collects the fields of a request into the text that is hashed. The length of
/// each field precedes it, so that two requests never have the same text.
class content_text {
public:
  void add(std::string_view field) {
    add(std::uint64_t{field.size()});
    text_ += field;
  }

  void add(std::uint64_t number) {
    for (unsigned shift = 0; shift < 64; shift += 8)
      text_ += static_cast<char>(number >> shift);
  }

  /// Adds the hash of a text that may be long.
  void add_hash(std::string_view field) {
    const hash128 hash = hash128_of(field);
    add(hash.high);
    add(hash.low);
  }

  hash128 hash() const {
    return hash128_of(text_);
  }

private:
  std::string text_;
};

void add_fields(content_text& to, const start_instance& x) {
  to.add(std::uint64_t{x.is_restart});
  if (x.is_restart)
    return;
  to.add(x.name);
  to.add(x.version);
  to.add_hash(x.input);
  to.add(static_cast<std::uint64_t>(x.scheduled_at.time_since_epoch().count()));
  to.add(std::uint64_t{x.get_or_start});
}

void add_fields(content_text& to, const raise_event& x) {
  to.add(x.name);
  to.add_hash(x.data);
}

void add_fields(content_text& to, const start_or_raise& x) {
  to.add(x.name);
  to.add(x.version);
  to.add_hash(x.input);
  to.add(x.event);
  to.add_hash(x.data);
}

void add_fields(content_text& to, const terminate_instance& x) {
  to.add(x.reason);
  to.add(std::uint64_t{x.recursive});
}

/// Suspend, resume, rewind, purge and release.
template <class Request>
void add_fields(content_text& to, const Request& x) {
  if constexpr (requires { x.reason; })
    to.add(x.reason);
  if constexpr (requires { x.force; })
    if (x.force) // without it, the content is that of older programs
      to.add(std::uint64_t{1});
}

const request_id& request_id_of(const management_request& request) {
  static const request_id none;
  return std::visit(
    [](const auto& x) -> const request_id& {
      if constexpr (requires { x.request; })
        return x.request;
      else
        return none;
    },
    request);
}

bool has_key(const request_identity& request, const hash128& key) {
  return request && request.key == key;
}

/// Returns true if the request, or one that it repeats, waits for a turn.
bool is_waiting(loaded_instance loaded, const hash128& key) {
  if (!loaded)
    return false;
  if (const auto& start = loaded.live->starting)
    if (has_key(start->request, key)
        || std::any_of(
          start->joined.begin(), start->joined.end(),
          [&](const joined_start& each) { return has_key(each.request, key); }))
      return true;
  const auto& arrived = loaded.live->arrived;
  return std::any_of(
    arrived.begin(), arrived.end(),
    [&](const arrived_message& each) { return has_key(each.request, key); });
}

/// The number of requests with a request ID that wait for their turns.
std::uint64_t count_waiting_keys(const volatile_partition& live) {
  std::set<std::string_view> seen;
  std::uint64_t count = 0;
  for (const auto& [since, id] : live.turn_waits) {
    const auto found = live.instances.find(id);
    if (found == live.instances.end() || !seen.insert(id).second)
      continue;
    if (const auto& start = found->second.starting) {
      count += start->request ? 1U : 0U;
      for (const joined_start& each : start->joined)
        count += each.request ? 1U : 0U;
    }
    for (const arrived_message& each : found->second.arrived)
      count += each.request ? 1U : 0U;
  }
  return count;
}

/// Returns true if no further answer can be recorded.
bool is_at_bound(const durable_partition& durable,
                 const volatile_partition& live) {
  const partition_config& config = durable.config;
  // The greatest size of a row: that of a start.
  static const std::uint64_t row_bytes
    = request_row_bytes({.execution = pack_execution(std::string(32, '0'))});
  std::uint64_t keys = 0;
  std::uint64_t bytes = 0;
  for (const request_count& window : durable.request_windows) {
    keys += window.keys;
    bytes += window.bytes;
  }
  const auto has_space = [&](std::uint64_t more) {
    return keys + more <= config.request_keys_max
           && bytes + more * row_bytes <= config.request_key_bytes_max;
  };
  return !has_space(keys_waiting_expected)
         && (!has_space(1) || !has_space(count_waiting_keys(live) + 1));
}

/// The answer that a program before format 3 has recorded with the instance.
std::optional<management_answer> older_answer(const stored_instance& stored,
                                              const request_id& request) {
  for (const request_record& known : stored.requests) {
    if (known.id != request)
      continue;
    management_answer answer;
    answer.code = known.code;
    (known.code == errc::ok ? answer.id : answer.message) = known.detail;
    // Only a recorded answer to a start contains an execution ID.
    answer.execution = known.execution;
    answer.created = !known.execution.empty();
    answer.started = stored.record.status != runtime_status::pending;
    return answer;
  }
  return std::nullopt;
}

} // namespace

bool means_other_instance(const management_request& request,
                          loaded_instance loaded) {
  const timestamp meant = std::visit(
    [](const auto& x) {
      if constexpr (requires { x.created_at; })
        return x.created_at;
      else
        return timestamp{};
    },
    request);
  if (meant == timestamp{} || !loaded)
    return false;
  if (const auto& start = loaded.live->starting)
    return start->accepted_at != meant;
  return loaded.durable && loaded.durable->record.created_at != meant;
}

request_identity identity_of(const management_request& request) {
  const request_id& given = request_id_of(request);
  if (given.empty())
    return {};
  request_identity identity;
  identity.key = request_key_of(instance_of(request), given);
  content_text content;
  content.add(instance_of(request));
  content.add(given);
  content.add(std::uint64_t{request.index()});
  std::visit([&](const auto& x) { add_fields(content, x); }, request);
  identity.content = content.hash();
  return identity;
}

// The request ID begins with the kind of the operation, which the caller has
// not chosen.
turn refuse_reused(reply_to to, const instance_id& id,
                   const request_id& request) {
  const std::size_t slash = request.find('/');
  return refuse(to, errc::request_id_reused,
                "The request_id \""
                  + request.substr(slash == request.npos ? 0 : slash + 1)
                  + "\" was used for another request to instance \"" + id
                  + "\"; nothing was done. Use a new request_id for a new "
                    "request.");
}

void record_answer(turn& into, const request_identity& request,
                   const management_answer& answer) {
  if (!request)
    return;
  auto& changes = into.writes.requests;
  if (!changes)
    changes.emplace();
  request_row row;
  row.content = request.content;
  row.code = answer.code;
  row.created = answer.created;
  row.execution = pack_execution(answer.execution);
  changes->rows.push_back({request.key, std::move(row)});
}

void record_success(turn& into, const request_identity& request,
                    reply_to from) {
  if (!request || !from)
    return;
  if (into.writes.requests)
    for (const request_write& each : into.writes.requests->rows)
      if (each.key == request.key)
        return;
  for (const effect& each : into.effects)
    if (const auto* sent = std::get_if<answer_effect>(&each);
        sent != nullptr && sent->to.gateway == from.gateway
        && sent->to.correlation == from.correlation
        && sent->answer.code == errc::ok)
      return record_answer(into, request, sent->answer);
}

turn step_repeat(const durable_partition& durable, volatile_partition& live,
                 const management_request& request,
                 const request_identity& identity, const request_row& known,
                 reply_to from) {
  const instance_id& id = instance_of(request);
  if (known.content != identity.content)
    return refuse_reused(from, id, request_id_of(request));
  ++live.counters.requests_repeated;
  if (known.code != errc::ok)
    return refuse(from, known.code,
                  "The request to instance \"" + id
                    + "\" was refused when it was first made: "
                    + std::string(sentence_of(known.code)));
  management_answer answer;
  answer.id = id;
  answer.execution = unpack_execution(known.execution);
  answer.created = known.created;
  const loaded_instance loaded = find(durable, live, id);
  answer.started = !known.execution.empty() && loaded && loaded.durable
                   && loaded.durable->record.status != runtime_status::pending;
  return answer_only(from, std::move(answer));
}

std::optional<turn> step_new_key(const durable_partition& durable,
                                 volatile_partition& live,
                                 const management_request& request,
                                 const request_identity& identity,
                                 reply_to from) {
  const instance_id& id = instance_of(request);
  const loaded_instance loaded = find(durable, live, id);
  const auto& since = durable.meta.requests_since;
  if (loaded && loaded.durable && !loaded.live->starting && since
      && live.now < *since + request_key_time)
    if (auto before = older_answer(*loaded.durable, request_id_of(request))) {
      ++live.counters.requests_repeated;
      return answer_only(from, std::move(*before));
    }
  if (is_waiting(loaded, identity.key) || !is_at_bound(durable, live))
    return std::nullopt;
  ++live.counters.request_keys_refused;
  return refuse(from, errc::overloaded,
                "Too many request IDs are recorded (limits.request_keys_max, "
                "limits.request_key_bytes_max); the request to instance \""
                  + id
                  + "\" was not carried out. Try again later, or send it "
                    "without a request_id.");
}

} // namespace perdura::actors
