// SPDX-License-Identifier: Apache-2.0
/// Awaiting several requests at once: `when_all` waits for all of them, for
/// example after a fan-out; `when_any` for the first, for example for a
/// time-out.
#pragma once

#include <perdura/actors/authoring/task.hpp>

#include <cstddef>
#include <span>
#include <stdexcept>
#include <tuple>
#include <utility>
#include <vector>

namespace perdura::actors {

namespace detail {

/// Makes a group that is completed when all its members are completed.
slot_id gather_all(orchestration_engine& engine,
                   std::span<const slot_id> members);

/// Makes a group that is completed as soon as one member is completed. If
/// several members are completed already, `winner_of` returns the first of
/// these in the list.
slot_id gather_any(orchestration_engine& engine,
                   std::span<const slot_id> members);

/// If members have failed or were cancelled, throws the failure of the first of
/// these members in the list.
void throw_first_failure(orchestration_engine& engine, slot_id group);

/// These functions return, in this order: the member at `index`; the number of
/// members; the index of the member that completed a group of gather_any.
slot_id member_of(orchestration_engine& engine, slot_id group,
                  std::size_t index);
std::size_t members_of(orchestration_engine& engine, slot_id group);
std::size_t winner_of(orchestration_engine& engine, slot_id group);

/// Returns the engine that the context passes its calls to.
orchestration_engine& engine_of(orchestration_context& ctx);

/// The common part of the awaitables below: suspends until the group is
/// completed.
class pending_group {
public:
  using perdura_awaitable = void;

  pending_group(orchestration_engine& engine, slot_id id)
    : engine_(&engine), id_(id) {}

  bool await_ready() const {
    return is_completed(*engine_, id_);
  }

  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> waiter) const {
    suspend_on(*engine_, id_, waiter.promise());
  }

protected:
  template <class R>
  R member(std::size_t index) const {
    return pending<R>(*engine_, member_of(*engine_, id_, index)).await_resume();
  }

  template <class R>
  value_of<R> value(std::size_t index) const {
    if constexpr (std::is_void_v<R>) {
      member<void>(index);
      return unit();
    } else {
      return member<R>(index);
    }
  }

  orchestration_engine* engine_;
  slot_id id_;
};

template <class R>
std::vector<slot_id> ids_of(const std::vector<pending<R>>& members) {
  std::vector<slot_id> ids;
  ids.reserve(members.size());
  for (const pending<R>& member : members)
    ids.push_back(member.id());
  return ids;
}

} // namespace detail

/// The result of when_all for a list. Awaiting it gives a std::vector<R> in the
/// order of the list, or nothing if R is void.
template <class R>
class [[nodiscard]] pending_all : public detail::pending_group {
public:
  using pending_group::pending_group;

  auto await_resume() const {
    detail::throw_first_failure(*engine_, id_);
    const std::size_t count = detail::members_of(*engine_, id_);
    if constexpr (std::is_void_v<R>) {
      for (std::size_t i = 0; i < count; ++i)
        member<void>(i);
    } else {
      std::vector<R> values;
      values.reserve(count);
      for (std::size_t i = 0; i < count; ++i)
        values.push_back(member<R>(i));
      return values;
    }
  }
};

/// The result of when_all for arguments. Awaiting it gives a tuple in the order
/// of the arguments, with `unit` in the place of void.
template <class... R>
class [[nodiscard]] pending_tuple : public detail::pending_group {
public:
  using pending_group::pending_group;

  std::tuple<value_of<R>...> await_resume() const {
    detail::throw_first_failure(*engine_, id_);
    return values(std::index_sequence_for<R...>());
  }

private:
  template <std::size_t... I>
  std::tuple<value_of<R>...> values(std::index_sequence<I...>) const {
    // Braces guarantee evaluation from left to right.
    return std::tuple<value_of<R>...>{this->template value<R>(I)...};
  }
};

/// Identifies the request that completed first, by its index or by comparison:
/// `if (first == deadline) …`. Awaiting that request does not suspend; it gives
/// the value or throws.
class first_of {
public:
  first_of(std::size_t index, detail::slot_id id) : index_(index), id_(id) {}

  std::size_t index() const {
    return index_;
  }

  template <class R>
  friend bool operator==(const first_of& first, const pending<R>& one) {
    return first.id_ == one.id();
  }

private:
  std::size_t index_;
  detail::slot_id id_;
};

/// The result of when_any. Awaiting it gives a first_of.
class [[nodiscard]] pending_any : public detail::pending_group {
public:
  using pending_group::pending_group;

  first_of await_resume() const {
    const std::size_t index = detail::winner_of(*engine_, id_);
    return {index, detail::member_of(*engine_, id_, index)};
  }
};

static_assert(
  std::is_trivially_destructible_v<pending<
    std::
      string>> && std::is_trivially_destructible_v<pending_all<json>> && std::is_trivially_destructible_v<pending_any> && !std::is_aggregate_v<pending_any>);

/// Waits until all requests are completed, even if one has failed. Awaiting the
/// result gives a tuple of the values. If requests have failed, it throws the
/// failure of the first of them in the order of the arguments.
template <class... R>
  requires(sizeof...(R) > 0)

pending_tuple<R...> when_all(pending<R>... members) {
  const detail::slot_id ids[] = {members.id()...};
  auto& engine = std::get<0>(std::tuple(members...)).engine();
  return {engine, detail::gather_all(engine, ids)};
}

/// Waits until all requests of a list are completed. Awaiting the result gives
/// a vector of the values. If requests have failed, it throws the failure of
/// the first of them in the list. An empty list is completed at once.
template <class R>
pending_all<R> when_all(orchestration_context& ctx,
                        const std::vector<pending<R>>& members) {
  auto& engine = detail::engine_of(ctx);
  return {engine, detail::gather_all(engine, detail::ids_of(members))};
}

/// Waits until the first request succeeds, fails or is cancelled. The other
/// requests continue: cancel a timer or a wait that is no longer needed.
template <class... R>
  requires(sizeof...(R) > 0)

pending_any when_any(pending<R>... members) {
  const detail::slot_id ids[] = {members.id()...};
  auto& engine = std::get<0>(std::tuple(members...)).engine();
  return {engine, detail::gather_any(engine, ids)};
}

/// Waits until the first request of a list succeeds, fails or is cancelled.
/// @throws std::invalid_argument  The list is empty.
template <class R>
pending_any when_any(orchestration_context& ctx,
                     const std::vector<pending<R>>& members) {
  if (members.empty())
    throw std::invalid_argument("when_any needs at least one member");
  auto& engine = detail::engine_of(ctx);
  return {engine, detail::gather_any(engine, detail::ids_of(members))};
}

} // namespace perdura::actors
