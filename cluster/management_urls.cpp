#include "cluster/management_urls.hpp"

namespace perdura::cluster {

std::string encode_url_part(std::string_view text) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const bool unreserved = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')
                            || (c >= '0' && c <= '9') || c == '-' || c == '.'
                            || c == '_' || c == '~';
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
  std::string common = "taskHub=" + encode_url_part(base.task_hub)
                       + "&connection=" + encode_url_part(base.connection);
  if (!base.code.empty())
    common += "&code=" + encode_url_part(base.code);
  const auto with_reason = [&](const char* operation) {
    return instance + "/" + operation + "?reason={text}&" + common;
  };
  actors::management_payload payload;
  payload.id = id;
  payload.status_query_get_uri = instance + "?" + common;
  payload.send_event_post_uri = instance + "/raiseEvent/{eventName}?" + common;
  payload.terminate_post_uri = with_reason("terminate");
  payload.rewind_post_uri = with_reason("rewind");
  payload.purge_history_delete_uri = instance + "?" + common;
  payload.restart_post_uri = instance + "/restart?" + common;
  payload.suspend_post_uri = with_reason("suspend");
  payload.resume_post_uri = with_reason("resume");
  return payload;
}

} // namespace perdura::cluster
