/// The webhook URLs of one instance, to hand to whoever shall watch it.
#pragma once

#include <string>

namespace perdura::actors {

/// `{eventName}` and `{text}` stand in the URLs as literal braces.
/// @source Durable Functions' HttpManagementPayload.
struct management_payload {
  std::string id;
  std::string status_query_get_uri;
  std::string send_event_post_uri;
  std::string terminate_post_uri;
  std::string rewind_post_uri;
  std::string purge_history_delete_uri;
  std::string restart_post_uri;
  std::string suspend_post_uri;
  std::string resume_post_uri;
};

} // namespace perdura::actors
