#include "actors/authoring/orchestration_context.hpp"

#include "actors/execution/orchestration_engine.hpp"

namespace perdura::actors {

const std::string& orchestration_context::instance_id() const {
  return engine_->who().instance;
}

const std::string& orchestration_context::execution_id() const {
  return engine_->who().execution;
}

const std::string& orchestration_context::parent_instance_id() const {
  return engine_->who().parent;
}

const std::string& orchestration_context::name() const {
  return engine_->who().name;
}

const std::string& orchestration_context::version() const {
  return engine_->who().version;
}

timestamp orchestration_context::current_time() const {
  return engine_->now();
}

std::string orchestration_context::new_guid() {
  return engine_->new_guid();
}

bool orchestration_context::is_replaying() const {
  return engine_->is_replaying();
}

// The numbers are spdlog's levels.
void orchestration_context::log_info(std::string_view text) {
  engine_->log(2, text);
}

void orchestration_context::log_warn(std::string_view text) {
  engine_->log(3, text);
}

void orchestration_context::log_error(std::string_view text) {
  engine_->log(4, text);
}

detail::slot_id
orchestration_context::ask_activity(std::string_view name, std::string input,
                                    const activity_options& options) {
  return engine_->ask_activity(name, std::move(input), options);
}

detail::slot_id orchestration_context::ask_sub_orchestration(
  std::string_view name, std::string input,
  const sub_orchestration_options& options) {
  return engine_->ask_sub_orchestration(name, std::move(input), options);
}

detail::slot_id orchestration_context::ask_timer(timestamp fire_at) {
  return engine_->ask_timer(fire_at);
}

detail::slot_id
orchestration_context::ask_event(std::string_view name,
                                 std::optional<timestamp> until) {
  return engine_->ask_event(name, until);
}

void orchestration_context::decide_event(std::string_view instance,
                                         std::string_view name,
                                         std::string data) {
  engine_->send_event(instance, name, std::move(data));
}

void orchestration_context::decide_continuation(std::string input,
                                                bool keep_events) {
  engine_->continue_as_new(std::move(input), keep_events);
}

void orchestration_context::decide_custom_status(std::string status) {
  engine_->set_custom_status(std::move(status));
}

timestamp orchestration_context::after(duration delay) const {
  // `delay` is at most half of what fits, and so is a time of today.
  return engine_->now() + delay;
}

namespace detail {

bool is_settled(orchestration_engine& engine, slot_id id) {
  return engine.is_settled(id);
}

settled take(orchestration_engine& engine, slot_id id) {
  return engine.take(id);
}

void cancel(orchestration_engine& engine, slot_id id) {
  engine.cancel(id);
}

void suspend_on(orchestration_engine& engine, slot_id id,
                promise_base& waiter) {
  engine.suspend_on(id, waiter);
}

void forget(orchestration_engine& engine, promise_base& waiter) noexcept {
  engine.forget(waiter);
}

void continue_with(orchestration_engine& engine,
                   std::coroutine_handle<> next) noexcept {
  engine.continue_with(next);
}

slot_id gather_all(orchestration_engine& engine,
                   std::span<const slot_id> members) {
  return engine.gather_all(members);
}

slot_id gather_any(orchestration_engine& engine,
                   std::span<const slot_id> members) {
  return engine.gather_any(members);
}

void throw_first_failure(orchestration_engine& engine, slot_id group) {
  engine.throw_first_failure(group);
}

slot_id member_of(orchestration_engine& engine, slot_id group,
                  std::size_t index) {
  return engine.member_of(group, index);
}

std::size_t members_of(orchestration_engine& engine, slot_id group) {
  return engine.members_of(group);
}

std::size_t winner_of(orchestration_engine& engine, slot_id group) {
  return engine.winner_of(group);
}

orchestration_engine& engine_of(orchestration_context& ctx) {
  return *ctx.engine_;
}

} // namespace detail

} // namespace perdura::actors
