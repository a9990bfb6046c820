/// Waiting for several things at once: fan-out and fan-in, time-outs, races.
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

/// A slot that is finished when all of `members` are.
slot_id gather_all(orchestration_engine& engine,
                   std::span<const slot_id> members);
/// A slot that is finished when one of `members` is; the earliest wins, among
/// those finished already the one that stands first.
slot_id gather_any(orchestration_engine& engine,
                   std::span<const slot_id> members);
/// Throws the failure of the first member, in order, that has one.
void throw_first_failure(orchestration_engine& engine, slot_id group);
slot_id member_of(orchestration_engine& engine, slot_id group,
                  std::size_t index);
std::size_t members_of(orchestration_engine& engine, slot_id group);
std::size_t winner_of(orchestration_engine& engine, slot_id group);

orchestration_engine& engine_of(orchestration_context& ctx);

/// What the three handles below share: they suspend until the group is done.
class pending_group {
public:
  using perdura_awaitable = void;

  pending_group(orchestration_engine& engine, slot_id id)
    : engine_(&engine), id_(id) {}

  bool await_ready() const {
    return is_settled(*engine_, id_);
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

/// Gives std::vector<R>, in the order of the arguments; nothing for void.
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

/// Gives a tuple, in the order of the arguments; `unit` stands for void.
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
    // Braces: evaluated in order.
    return std::tuple<value_of<R>...>{this->template value<R>(I)...};
  }
};

/// Which one was first: `if (first == deadline) …`, or by its index. That one
/// is finished, and awaiting it gives its value or throws.
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

/// Waits for all of them, also if one fails; then throws the first failure in
/// the order of the arguments, or gives all values.
template <class... R>
  requires(sizeof...(R) > 0)

pending_tuple<R...> when_all(pending<R>... members) {
  const detail::slot_id ids[] = {members.id()...};
  auto& engine = std::get<0>(std::tuple(members...)).engine();
  return {engine, detail::gather_all(engine, ids)};
}

/// The context is needed because there may be no member; then it is done.
template <class R>
pending_all<R> when_all(orchestration_context& ctx,
                        const std::vector<pending<R>>& members) {
  auto& engine = detail::engine_of(ctx);
  return {engine, detail::gather_all(engine, detail::ids_of(members))};
}

/// Waits for the first of them to succeed, fail or be cancelled. The others
/// go on: cancel a timer that is no longer wanted.
template <class... R>
  requires(sizeof...(R) > 0)

pending_any when_any(pending<R>... members) {
  const detail::slot_id ids[] = {members.id()...};
  auto& engine = std::get<0>(std::tuple(members...)).engine();
  return {engine, detail::gather_any(engine, ids)};
}

/// @throws std::invalid_argument  No member: it would never be done.
template <class R>
pending_any when_any(orchestration_context& ctx,
                     const std::vector<pending<R>>& members) {
  if (members.empty())
    throw std::invalid_argument("when_any of nothing would wait for ever");
  auto& engine = detail::engine_of(ctx);
  return {engine, detail::gather_any(engine, detail::ids_of(members))};
}

} // namespace perdura::actors
