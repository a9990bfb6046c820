// SPDX-License-Identifier: Apache-2.0
/// The webhook URLs of one instance.
#pragma once

#include <string>

namespace perdura::actors {

/// The HTTP API's URLs for managing one instance, for example to give to an
/// external system. The URLs contain the placeholders `{eventName}` and
/// `{text}` literally; the caller of the URL replaces them. A URL may contain
/// a key, which is a secret.
/// @source HttpManagementPayload of Durable Functions.
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
