// SPDX-License-Identifier: Apache-2.0
#include "actors/authoring/registry.hpp"

#include <boost/test/unit_test.hpp>

#include <stdexcept>
#include <thread>

namespace perdura::actors::test {

namespace {

task<int> answer(orchestration_context&) {
  co_return 42;
}

activity_call a_call(std::string name = "A") {
  activity_call call;
  call.instance = "order-17";
  call.execution = "e1";
  call.sequence = 4;
  call.name = std::move(name);
  call.attempt = 2;
  return call;
}

std::string run(const registry& r, const std::string& name,
                const std::string& input = "null") {
  activity_context ctx(a_call(name));
  auto outcome = r.run_activity(name, ctx, input);
  if (auto* text = std::get_if<std::string>(&outcome))
    return *text;
  auto& failure = std::get<failure_details>(outcome);
  return failure.type + "! " + failure.message;
}

int plain_function(int x) noexcept {
  return x + 1;
}

struct celsius {
  double degrees = 0;
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(celsius, degrees)

struct my_failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

} // namespace

BOOST_AUTO_TEST_SUITE(registry_suite)

// Names are case-sensitive. The default version is the greatest one.
BOOST_AUTO_TEST_CASE(orchestrator_is_found_by_name_and_exact_version) {
  registry r;
  r.add_orchestrator("Ship", answer)
    .add_orchestrator("Ship", answer, {.version = "1.9"})
    .add_orchestrator("Ship", answer, {.version = "1.10"})
    .add_orchestrator("Bill", answer);
  BOOST_TEST(r.find_orchestrator("Ship", "1.9")->version() == "1.9");
  BOOST_TEST(r.find_orchestrator("Ship", "")->version() == "");
  BOOST_TEST(!r.find_orchestrator("Ship", "2"));
  BOOST_TEST(!r.find_orchestrator("ship", ""));
  BOOST_TEST(*r.default_version("Ship") == "1.10");
  BOOST_TEST(*r.default_version("Bill") == "");
  BOOST_TEST(!r.default_version("Missing"));
  std::string names;
  for (auto* entry : r.orchestrators())
    names += entry->name() + " " + entry->version() + ";";
  BOOST_TEST(names == "Bill ;Ship ;Ship 1.9;Ship 1.10;");
}

// Versions are compared part by part, numbers as numbers and all else as text.
BOOST_AUTO_TEST_CASE(versions_compare_numerically) {
  const char* ascending[]
    = {"", "1", "1.2", "1.10", "1.10-beta", "2", "2.0", "10"};
  for (std::size_t i = 0; i < std::size(ascending); ++i)
    for (std::size_t j = 0; j < std::size(ascending); ++j)
      BOOST_TEST(is_version_less(ascending[i], ascending[j]) == (i < j),
                 ascending[i] << " < " << ascending[j]);
  BOOST_TEST(is_version_less("1.0", "1.00") != is_version_less("1.00", "1.0"));
}

// A name is 1 to 256 bytes of UTF-8 without control characters.
BOOST_AUTO_TEST_CASE(invalid_and_duplicate_names_are_refused) {
  registry r;
  r.add_orchestrator("Ship", answer).add_activity("A", [] {});
  BOOST_CHECK_THROW(r.add_orchestrator("Ship", answer), std::invalid_argument);
  BOOST_CHECK_THROW(r.add_activity("A", [] {}), std::invalid_argument);
  for (std::string bad : {std::string(), std::string(257, 'a'),
                          std::string("a\nb"), std::string("\xFF"),
                          std::string("\xED\xA0\x80"), std::string("a\x7F")}) {
    BOOST_CHECK_THROW(r.add_orchestrator(bad, answer), std::invalid_argument);
    BOOST_CHECK_THROW(r.add_activity(bad, [] {}), std::invalid_argument);
  }
  r.add_activity(std::string(256, 'a'), [] {});
  r.add_activity("\xC3\x9C"
                 "berweisung \xF0\x9F\x9A\x80",
                 [] {});
  BOOST_CHECK_THROW(r.add_orchestrator("B", answer, {.version = "\n"}),
                    std::invalid_argument);
}

// The partition reads these options.
BOOST_AUTO_TEST_CASE(orchestrator_options_are_stored) {
  registry r;
  r.add_orchestrator("Ship", answer,
                     {.external_events = external_event_policy::discard,
                      .retention = std::chrono::hours(1)});
  const auto& options = r.find_orchestrator("Ship", "")->options();
  BOOST_TEST((options.external_events == external_event_policy::discard));
  BOOST_TEST((options.retention == std::chrono::hours(1)));
}

// An activity can be a function, a lambda, a move-only callable or a
// std::function. Its context, input and output are optional.
BOOST_AUTO_TEST_CASE(activities_accept_many_signatures) {
  registry r;
  auto unique = std::make_unique<int>(5);
  r.add_activity("Function", plain_function)
    .add_activity("Nothing", [] {})
    .add_activity("Struct", [](const celsius& c) { return c; })
    .add_activity("MoveOnly", [u = std::move(unique)](int x) { return x + *u; })
    .add_activity("Text", [](json_text in) { return in; })
    .add_activity("Optional",
                  [](std::optional<int> x) -> std::optional<int> {
                    return x ? std::optional(*x + 1) : std::nullopt;
                  })
    .add_activity("Context",
                  [](activity_context& ctx) { return ctx.idempotency_key(); })
    .add_activity("Both",
                  [](activity_context& ctx, std::string text) {
                    return text + std::to_string(ctx.attempt());
                  })
    .add_activity("Std", std::function<int(int)>(plain_function));
  BOOST_TEST(run(r, "Function", "1") == "2");
  BOOST_TEST(run(r, "Nothing") == "null");
  BOOST_TEST(run(r, "Struct", R"({"degrees":21.5})") == R"({"degrees":21.5})");
  BOOST_TEST(run(r, "MoveOnly", "1") == "6");
  BOOST_TEST(run(r, "Optional", "1") == "2");
  BOOST_TEST(run(r, "Optional", "null") == "null");
  BOOST_TEST(run(r, "Context") == "\"order-17/e1/4\"");
  BOOST_TEST(run(r, "Both", "\"x\"") == "\"x2\"");
  BOOST_TEST(run(r, "Std", "7") == "8");
}

// json_text is neither parsed nor formatted. An output that is not JSON is a
// failure.
BOOST_AUTO_TEST_CASE(json_text_activity_passes_its_input_verbatim) {
  registry r;
  r.add_activity("Text", [](json_text in) { return in; })
    .add_activity("Bad", [] { return json_text("{nope"); });
  const std::string text
    = R"({"z":1,"a":123456789012345678901234567890,"d": 1.50})";
  BOOST_TEST(run(r, "Text", text) == text);
  BOOST_TEST(run(r, "Bad").starts_with(
    "payload_error! the output of activity Bad cannot be written as JSON"));
}

// The failure carries the type and the message of the exception. Inputs and
// outputs that cannot be converted are failures too.
BOOST_AUTO_TEST_CASE(every_exception_becomes_a_failure) {
  registry r;
  r.add_activity("Std", [] { throw std::runtime_error("card declined"); })
    .add_activity("Mine", [] { throw my_failure("x"); })
    .add_activity("Int", [] { throw 7; })
    .add_activity("Input", [](int) {})
    .add_activity("Output", [] { return std::string("\xFF"); })
    .add_activity("What", [] {
      throw std::runtime_error("a\xFF"
                               "b");
    });
  BOOST_TEST(run(r, "Std") == "std::runtime_error! card declined");
  BOOST_TEST(run(r, "Mine").ends_with("my_failure! x"));
  BOOST_TEST(run(r, "Int") == "int! unknown exception");
  BOOST_TEST(run(r, "Input", "\"x\"")
             == "payload_error! the input of activity Input does not fit its "
                "type: type must be number, but is string");
  BOOST_TEST(run(r, "Output")
               .starts_with("payload_error! the output of activity Output "
                            "cannot be written as JSON: "
                            "invalid UTF-8"));
  BOOST_TEST(run(r, "What")
             == "std::runtime_error! a\xEF\xBF\xBD"
                "b");
  BOOST_TEST(run(r, "Unknown")
             == "unknown_activity! no activity \"Unknown\" is registered on "
                "this node");
}

// The limits of size and depth also apply to json_text.
BOOST_AUTO_TEST_CASE(oversized_output_fails_and_names_the_limit) {
  registry r;
  r.add_activity("Long", [] { return std::string(payload_bytes_max, 'x'); })
    .add_activity("Fits",
                  [] { return std::string(payload_bytes_max - 2, 'x'); })
    .add_activity("Deep",
                  [](std::size_t levels) {
                    json value = 1;
                    for (std::size_t i = 0; i < levels; ++i)
                      value = json::array({std::move(value)});
                    return value;
                  })
    .add_activity("DeepText", [](std::size_t levels) {
      return json_text(std::string(levels, '[') + std::string(levels, ']'));
    });
  BOOST_TEST(run(r, "Long")
             == "limit_exceeded! payload_bytes_max: the output of activity "
                "Long takes 1048578 bytes, 1048576 are allowed");
  BOOST_TEST(run(r, "Fits").size() == payload_bytes_max);
  for (const char* name : {"Deep", "DeepText"}) {
    BOOST_TEST(run(r, name, "64").starts_with("[[["));
    BOOST_TEST(
      run(r, name, "65")
        .starts_with(
          "limit_exceeded! payload_depth_max: the output of activity "));
  }
}

// The message of an exception can have any length.
BOOST_AUTO_TEST_CASE(long_failure_message_is_truncated) {
  registry r;
  r.add_activity("Long", [] {
    throw std::runtime_error(std::string(failure_message_bytes_max + 5, 'x'));
  });
  BOOST_TEST(run(r, "Long").size()
             == failure_message_bytes_max + std::size("std::runtime_error! ")
                  - 1);
}

// The activity pool reads these limits.
BOOST_AUTO_TEST_CASE(activity_limits_are_returned) {
  registry r;
  r.add_activity("A", [] {}, {.concurrency_max = 3}).add_activity("B", [] {});
  BOOST_TEST(r.find_activity_limits("A")->concurrency_max == 3U);
  BOOST_TEST(r.find_activity_limits("B")->concurrency_max == 0U);
  BOOST_TEST(!r.find_activity_limits("C"));
  BOOST_TEST(r.has_activity("A"));
  BOOST_TEST(!r.has_activity("C"));
  BOOST_TEST((r.activity_names() == std::vector<std::string>{"A", "B"}));
}

// Without a server, a context has no management URLs and throws if they are
// requested.
BOOST_AUTO_TEST_CASE(activity_context_returns_its_fields) {
  auto cancelled = std::make_shared<std::atomic<bool>>(false);
  activity_call call = a_call();
  call.cancelled = cancelled;
  call.deadline = timestamp(std::chrono::seconds(5));
  call.payload_of = [](const std::string& id) {
    management_payload urls;
    urls.id = id;
    urls.status_query_get_uri = "http://" + id;
    return urls;
  };
  activity_context ctx(std::move(call));
  BOOST_TEST(ctx.instance_id() == "order-17");
  BOOST_TEST(ctx.execution_id() == "e1");
  BOOST_TEST(ctx.activity_name() == "A");
  BOOST_TEST((ctx.deadline() == timestamp(std::chrono::seconds(5))));
  BOOST_TEST(!ctx.cancellation_requested());
  std::thread([&] { *cancelled = true; }).join();
  BOOST_TEST(ctx.cancellation_requested());
  BOOST_TEST(ctx.management_payload().status_query_get_uri
             == "http://order-17");
  BOOST_TEST(ctx.management_payload("b").id == "b");
  BOOST_TEST(!ctx.gateway());
  activity_context bare(a_call());
  BOOST_TEST(!bare.cancellation_requested());
  BOOST_CHECK_THROW(bare.management_payload(), std::runtime_error);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::actors::test
