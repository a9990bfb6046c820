// SPDX-License-Identifier: Apache-2.0
#include "persistence/records/message_bytes.hpp"

#include <type_traits>
#include <variant>

namespace perdura::persistence {

std::size_t message_bytes_of(const outbox_message& message) {
  constexpr std::size_t overhead = 256;
  return overhead + message.to_instance.size()
         + std::visit(
           [](const auto& x) -> std::size_t {
             using type = std::decay_t<decltype(x)>;
             if constexpr (std::is_same_v<type, child_start>)
               return x.name.size() + x.version.size() + x.input.size()
                      + x.parent.instance.size() + x.place.root.size()
                      + 8 * x.place.path.size();
             else if constexpr (std::is_same_v<type, child_ended>)
               return x.result.size() + x.failure.message.size();
             else if constexpr (std::is_same_v<type, event_send>)
               return x.name.size() + x.input.size();
             else if constexpr (std::is_same_v<type, rule_notice>)
               return 512; // its texts have limits
             else
               return x.reason.size() + x.parent.instance.size();
           },
           message.body);
}

} // namespace perdura::persistence
