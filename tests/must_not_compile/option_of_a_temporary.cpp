// SPDX-License-Identifier: Apache-2.0
// An option refers to its text, so a temporary string must not compile. The
// test compiles this file once for each value of PERDURA_CASE: case 0 must
// compile, and each other case must be refused.
#include <perdura/actors/authoring/retry_options.hpp>

namespace perdura::actors {

void option_example(const std::string& number, std::string_view view) {
  const std::string id = "order-" + number;
#if PERDURA_CASE == 0
  const sub_orchestration_options all[]
    = {{.instance_id = id},         {.instance_id = "order-1"},
       {.instance_id = view},       {.instance_id = number, .version = "2"},
       {.instance_id = id.c_str()}, {.version = view.substr(1)}};
  static_cast<void>(all);
#elif PERDURA_CASE == 1
  const sub_orchestration_options bad{.instance_id = "order-" + number};
#elif PERDURA_CASE == 2
  const sub_orchestration_options bad{.version = std::string(view)};
#elif PERDURA_CASE == 3
  const sub_orchestration_options bad{.instance_id = std::to_string(5)};
#elif PERDURA_CASE == 4
  sub_orchestration_options bad;
  bad.instance_id = "order-" + number;
#elif PERDURA_CASE == 5
  const std::string made = number;
  const sub_orchestration_options bad{.instance_id = std::move(made)};
#endif
}

} // namespace perdura::actors
