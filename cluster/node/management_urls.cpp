// SPDX-License-Identifier: Apache-2.0
#include "cluster/node/management_urls.hpp"

#include "persistence/records/text.hpp"

namespace perdura::cluster {

// @source RFC 3986, section 2.3 (unreserved characters) and section 2.1
//         (upper-case hex digits).
std::string encode_url_part(std::string_view text) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const bool unreserved = persistence::is_letter_or_digit(c) || c == '-'
                            || c == '.' || c == '_' || c == '~';
    if (unreserved) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

actors::management_payload make_management_payload(const management_base& base,
                                                   std::string_view id) {
  const std::string instance
    = base.origin + base.prefix + "/instances/" + encode_url_part(id);
  const std::string common
    = "taskHub=" + encode_url_part(base.task_hub)
      + "&connection=" + encode_url_part(base.connection);
  // `taskHub` and `connection` stand in every URL, because clients of Durable
  // Functions expect them. The access code is appended last.
  const auto with_code = [&](std::string url, char operation) {
    url += common;
    const std::string code
      = base.code_of ? base.code_of(id, operation) : std::string();
    if (!code.empty())
      url += "&code=" + encode_url_part(code);
    return url;
  };
  // Clients replace the placeholders `{text}` and `{eventName}` before they
  // send the request.
  const auto with_reason = [&](const char* verb, char operation) {
    return with_code(instance + "/" + verb + "?reason={text}&", operation);
  };
  actors::management_payload payload;
  payload.id = id;
  payload.status_query_get_uri = with_code(instance + "?", 'g');
  payload.send_event_post_uri
    = with_code(instance + "/raiseEvent/{eventName}?", 'e');
  payload.terminate_post_uri = with_reason("terminate", 't');
  payload.rewind_post_uri = with_reason("rewind", 'w');
  payload.purge_history_delete_uri = with_code(instance + "?", 'p');
  payload.restart_post_uri = with_code(instance + "/restart?", 'r');
  payload.suspend_post_uri = with_reason("suspend", 's');
  payload.resume_post_uri = with_reason("resume", 'u');
  return payload;
}

} // namespace perdura::cluster
