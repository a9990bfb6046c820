// SPDX-License-Identifier: Apache-2.0
#include "actors/authoring/orchestration_context.hpp"

#include "actors/execution/orchestration_engine.hpp"

// Passes the calls of user code on to the engine. The public headers only
// declare the engine, so that user code does not include it.

namespace perdura::actors {

const std::string& orchestration_context::instance_id() const {
  return engine_->identity().instance;
}

const std::string& orchestration_context::execution_id() const {
  return engine_->identity().execution;
}

const std::string& orchestration_context::parent_instance_id() const {
  return engine_->identity().parent;
}

const std::string& orchestration_context::name() const {
  return engine_->identity().name;
}

const std::string& orchestration_context::version() const {
  return engine_->identity().version;
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

void orchestration_context::log_info(std::string_view text) {
  engine_->log(persistence::log_level::info, text);
}

void orchestration_context::log_warn(std::string_view text) {
  engine_->log(persistence::log_level::warning, text);
}

void orchestration_context::log_error(std::string_view text) {
  engine_->log(persistence::log_level::error, text);
}

// --- Requests; the templates of the header have converted the values to JSON -

detail::slot_id orchestration_context::request_activity(
  std::string_view name, std::string input, const activity_options& options) {
  return engine_->request_activity(name, std::move(input), options);
}

detail::slot_id orchestration_context::request_sub_orchestration(
  std::string_view name, std::string input,
  const sub_orchestration_options& options) {
  return engine_->request_sub_orchestration(name, std::move(input), options);
}

detail::slot_id orchestration_context::request_timer(timestamp fire_at,
                                                     bool absolute) {
  return engine_->request_timer(fire_at, absolute);
}

detail::slot_id
orchestration_context::request_event(std::string_view name,
                                     std::optional<timestamp> until) {
  return engine_->request_event(name, until);
}

void orchestration_context::request_send_event(std::string_view instance,
                                               std::string_view name,
                                               std::string data) {
  engine_->send_event(instance, name, std::move(data));
}

void orchestration_context::request_continuation(std::string input,
                                                 bool keep_events,
                                                 next_version version) {
  engine_->continue_as_new(std::move(input), keep_events,
                           version == next_version::same);
}

void orchestration_context::request_custom_status(std::string status) {
  engine_->set_custom_status(std::move(status));
}

timestamp orchestration_context::after(duration delay) const {
  return persistence::saturated_sum(engine_->now(), delay);
}

// --- Functions of the engine that task.hpp and when.hpp declare --------------

namespace detail {

bool is_completed(orchestration_engine& engine, slot_id id) {
  return engine.is_completed(id);
}

slot_answer take_result(orchestration_engine& engine, slot_id id) {
  return engine.take_result(id);
}

void note_unreadable(orchestration_engine& engine, slot_id id) {
  engine.note_unreadable(id);
}

void cancel(orchestration_engine& engine, slot_id id) {
  engine.cancel(id);
}

void suspend_on(orchestration_engine& engine, slot_id id,
                promise_base& waiter) {
  engine.suspend_on(id, waiter);
}

void deregister(orchestration_engine& engine, promise_base& waiter) noexcept {
  engine.deregister(waiter);
}

void continue_with(orchestration_engine& engine,
                   std::coroutine_handle<> next) noexcept {
  engine.continue_with(next);
}

void end_task(orchestration_engine& engine, promise_base& ended) noexcept {
  engine.end_task(ended);
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
