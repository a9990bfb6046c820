// SPDX-License-Identifier: Apache-2.0
// What the history records of exceptions and values of the program.
#include "tests/actors/single_orchestrator.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <exception>
#include <functional>
#include <limits>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace perdura::actors::test {

namespace {

/// The failure of an exception that `f` throws.
failure_details failure_in(const std::function<void()>& f) {
  try {
    f();
  } catch (...) {
    return failure_of(std::current_exception());
  }
  return {};
}

struct no_text : std::exception {
  const char* what() const noexcept override {
    return nullptr;
  }
};

struct point_of_chart {
  double x = 0;
  double y = 0;
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(point_of_chart, x, y)

/// Suspends without telling the engine, as an await does that g++ 12 has
/// compiled wrongly.
struct lost_await {
  using perdura_awaitable = void;

  bool await_ready() const noexcept {
    return false;
  }

  void await_suspend(std::coroutine_handle<>) const noexcept {}

  void await_resume() const noexcept {}
};

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

} // namespace

BOOST_AUTO_TEST_SUITE(failures)

// Regression: the message was "unknown exception".
BOOST_AUTO_TEST_CASE(thrown_text_is_the_message) {
  BOOST_TEST(failure_in([] { throw "no stock"; }).message == "no stock");
  BOOST_TEST(failure_in([] { throw std::string("no stock"); }).message
             == "no stock");
  BOOST_TEST(failure_in([] { throw std::string_view("no stock"); }).message
             == "no stock");
  BOOST_TEST(failure_in([] { throw "no stock"; }).type == "const char*");
  const char* none = nullptr;
  BOOST_TEST(failure_in([&] { throw none; }).message == "");
  BOOST_TEST(failure_in([] { throw 5; }).type == "int");
  BOOST_TEST(failure_in([] { throw std::string("\xFF"); }).message
             == "\xEF\xBF\xBD");
}

// Regression: std::string(nullptr) ended the process.
BOOST_AUTO_TEST_CASE(exception_without_a_text_has_a_message) {
  BOOST_TEST(failure_in([] { throw no_text(); }).message
             == "an exception without a text");
  registry functions;
  functions.add_activity("A", [] { throw no_text(); });
  activity_context context({});
  const auto outcome = functions.run_activity("A", context, "null");
  BOOST_TEST(std::get<failure_details>(outcome).message
             == "an exception without a text");
}

// Regression: only the text of the outermost exception was kept.
BOOST_AUTO_TEST_CASE(nested_exceptions_are_named_in_the_message) {
  const auto nested = [](int levels) {
    std::function<void(int)> thrower = [&](int left) {
      if (left == 0)
        throw std::out_of_range("level 0");
      try {
        thrower(left - 1);
      } catch (...) {
        std::throw_with_nested(
          std::runtime_error("level " + std::to_string(left)));
      }
    };
    return failure_in([&] { thrower(levels); });
  };
  BOOST_TEST(nested(0).message == "level 0");
  BOOST_TEST(nested(1).message
             == "level 1; caused by std::out_of_range: level 0");
  BOOST_TEST(nested(2).message
             == "level 2; caused by std::runtime_error: level 1; caused by "
                "std::out_of_range: level 0");
  // The type of an exception with a nested one is that of the program.
  BOOST_TEST(nested(1).type == "std::runtime_error");

  // An exception that is no std::exception can have a cause, too.
  struct refusal {};

  const auto around = [](auto thrown) {
    return failure_in([&] {
      try {
        throw std::out_of_range("level 0");
      } catch (...) {
        std::throw_with_nested(thrown);
      }
    });
  };
  BOOST_TEST(around(std::string("text")).message
             == "text; caused by std::out_of_range: level 0");
  BOOST_TEST(around(std::string("text")).type == "std::string");
  BOOST_TEST(around(refusal{}).message
             == "unknown exception; caused by std::out_of_range: level 0");
  // The number of exceptions and the length of the message have limits.
  BOOST_TEST(nested(100).message.find("level 84") != std::string::npos);
  BOOST_TEST(nested(100).message.find("level 83") == std::string::npos);
  BOOST_TEST(failure_in([] {
               try {
                 throw std::string(failure_message_bytes_max, 'x');
               } catch (...) {
                 std::throw_with_nested(no_text());
               }
             }).message.size()
             <= failure_message_bytes_max);
}

// Regression: the result was 0, or the process ended by a signal.
BOOST_AUTO_TEST_CASE(coroutine_without_co_return_fails) {
  detail::task_promise<int> promise;
  BOOST_CHECK_EXCEPTION(
    promise.take(), std::logic_error, [](const std::logic_error& failure) {
      return std::string_view(failure.what()).find("without co_return")
             != std::string_view::npos;
    });
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(payloads)

// Regression: NaN and infinity became null, and the reader was blamed.
BOOST_AUTO_TEST_CASE(numbers_that_json_does_not_have_are_refused_when_written) {
  for (const double bad : {infinity, -infinity, not_a_number}) {
    BOOST_CHECK_THROW(to_payload(bad), payload_error);
    BOOST_CHECK_THROW(to_payload(static_cast<float>(bad)), payload_error);
    BOOST_CHECK_THROW(to_payload(std::optional<double>(bad)), payload_error);
    BOOST_CHECK_THROW(to_payload(std::vector<double>{1, bad}), payload_error);
    BOOST_CHECK_THROW(to_payload(std::map<std::string, double>{{"a", bad}}),
                      payload_error);
    BOOST_CHECK_THROW(to_payload(point_of_chart{1, bad}), payload_error);
    BOOST_CHECK_THROW(to_payload(json{{"a", {1, {{"b", bad}}}}}),
                      payload_error);
  }
  BOOST_TEST(to_payload(std::numeric_limits<double>::max()).size() > 10U);
  BOOST_TEST(to_payload(point_of_chart{0, -0.5}) == R"({"x":0.0,"y":-0.5})");
}

// Plain texts, arrays of them, and integers are written without the JSON
// library. The result is the same text.
BOOST_AUTO_TEST_CASE(values_are_written_as_the_json_library_writes_them) {
  const std::vector<std::string> texts{"",
                                       "a",
                                       "plain text",
                                       "with \"quotes\"",
                                       "back\\slash",
                                       "line\nbreak",
                                       "ü",
                                       "~",
                                       "\x7f",
                                       std::string(1, 0),
                                       std::string(100, 'x')};
  for (const std::string& text : texts) {
    BOOST_TEST(to_payload(text) == json(text).dump());
    BOOST_TEST(to_payload(std::string_view(text)) == json(text).dump());
    for (const std::string& other : texts) {
      const std::vector<std::string> both{text, other};
      BOOST_TEST(to_payload(both) == json(both).dump());
    }
  }
  BOOST_TEST(to_payload("literal") == R"("literal")");
  BOOST_TEST(to_payload(std::vector<std::string>{}) == "[]");
  BOOST_TEST(to_payload(std::vector<std::string>{""}) == R"([""])");
  BOOST_TEST(to_payload(std::vector<std::string>{"["}) == R"(["["])");
  BOOST_CHECK_THROW(to_payload("\xff"), payload_error);
  BOOST_CHECK_THROW(to_payload(std::vector<std::string>{"a", "\xff"}),
                    payload_error);
  const auto check_limits = [](auto zero) {
    using number = decltype(zero);
    for (const number each : {std::numeric_limits<number>::min(), zero,
                              std::numeric_limits<number>::max()})
      BOOST_TEST(to_payload(each) == json(each).dump());
  };
  check_limits(std::int8_t{});
  check_limits(std::uint8_t{});
  check_limits(std::int16_t{});
  check_limits(0);
  check_limits(0U);
  check_limits(std::int64_t{});
  check_limits(std::uint64_t{});
  BOOST_TEST(to_payload(true) == "true");
  BOOST_TEST(to_payload('a') == json('a').dump());
}

// Each place at which an orchestrator writes a value fails where it is written.
BOOST_AUTO_TEST_CASE(unwritable_values_fail_the_call_that_writes_them) {
  const std::vector<std::function<void(orchestration_context&)>> writes{
    [](auto& ctx) { ctx.set_custom_status(not_a_number); },
    [](auto& ctx) { ctx.send_event("other", "Go", infinity); },
    [](auto& ctx) { ctx.continue_as_new(not_a_number); },
    [](auto& ctx) { ctx.template call_activity<int>("A", infinity).cancel(); },
    [](auto& ctx) {
      ctx.template call_sub_orchestration<int>("B", not_a_number).cancel();
    }};
  static std::function<void(orchestration_context&)> write;
  for (const auto& each : writes) {
    write = each;
    turn_driver run(
      registry_with([](orchestration_context& ctx) -> task<std::string> {
        try {
          write(ctx);
        } catch (const payload_error& refused) {
          co_return refused.what();
        }
        co_return "not refused";
      }),
      "Ship");
    run.turn();
    BOOST_TEST(std::get<completed_result>(run.last.result)
                 .result.find("JSON has no infinity and no NaN")
               != std::string::npos);
  }
  turn_driver output(registry_with([](orchestration_context&) -> task<double> {
                       co_return not_a_number;
                     }),
                     "Ship");
  output.turn();
  BOOST_TEST(std::get<failed_result>(output.last.result).failure.type
             == "payload_error");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(stopped_code)

// Regression: an instance whose code had stopped in a miscompiled await was
// Running for ever, with no line in the log.
BOOST_AUTO_TEST_CASE(code_that_waits_for_nothing_is_held_with_its_name) {
  const auto check = [](const std::shared_ptr<registry>& functions,
                        int results) {
    turn_driver run(functions, "Ship");
    for (int i = 0; i < results; ++i) {
      run.turn();
      run.complete(static_cast<task_sequence>(i + 1), "true");
    }
    run.turn();
    const auto* held = std::get_if<held_result>(&run.last.result);
    BOOST_REQUIRE(held != nullptr);
    BOOST_TEST(held->reason.message.find("the code of Ship waits for nothing")
               == 0U);
  };
  check(registry_with([](orchestration_context&) -> task<int> {
          co_await lost_await();
          co_return 1;
        }),
        0);
  check(registry_with([](orchestration_context& ctx) -> task<int> {
          const bool go = co_await ctx.call_activity<bool>("Check");
          if (go)
            co_await lost_await();
          co_return 1;
        }),
        1);
  static const auto helper = [](orchestration_context& ctx) -> task<int> {
    const bool go = co_await ctx.call_activity<bool>("Check");
    if (go)
      co_await lost_await();
    co_return 1;
  };
  check(registry_with([](orchestration_context& ctx) -> task<int> {
          const int one = co_await helper(ctx);
          co_return one;
        }),
        1);
}

// A task of a when_all or when_any has stopped, although other coroutines of
// the instance wait.
BOOST_AUTO_TEST_CASE(task_that_waits_for_nothing_is_held) {
  struct code {
    static task<int> stop(orchestration_context& ctx) {
      co_await ctx.call_activity("Call");
      co_await lost_await();
      co_return 1;
    }

    static task<int> stop_at_once(orchestration_context&) {
      co_await lost_await();
      co_return 1;
    }

    static task<int> end_at_once(orchestration_context&) {
      co_return 1;
    }
  };

  turn_driver first(registry_with([](orchestration_context& ctx) -> task<int> {
                      auto timer = ctx.create_timer(std::chrono::hours(1));
                      co_await when_any(timer, code::stop_at_once(ctx),
                                        code::end_at_once(ctx));
                      co_return 0;
                    }),
                    "Ship");
  first.turn();
  BOOST_TEST(std::holds_alternative<held_result>(first.last.result));
  turn_driver later(registry_with([](orchestration_context& ctx) -> task<int> {
                      auto timer = ctx.create_timer(std::chrono::hours(1));
                      co_await when_all(code::stop(ctx), timer);
                      co_return 0;
                    }),
                    "Ship");
  later.turn();
  later.complete(2);
  later.turn();
  BOOST_TEST(std::holds_alternative<held_result>(later.last.result));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::actors::test
