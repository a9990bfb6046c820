#include "client/api/node_host.hpp"

#include "actors/authoring/json_text_check.hpp"
#include "client/http/http_client.hpp"
#include "client/http/http_server.hpp"
#include "client/http/ip_address.hpp"
#include "client/http/json.hpp"
#include "client/http/management_api.hpp"
#include "client/http/tls_context.hpp"
#include "cluster/node/node.hpp"
#include <perdura/actors/authoring/management_payload.hpp>

#include <atomic>

namespace perdura::client {

namespace {

/// As it stands in a URL.
std::string authority_of(const std::string& address, std::uint16_t port) {
  const bool is_v6 = address.find(':') != std::string::npos;
  return (is_v6 ? '[' + address + ']' : address) + ':' + std::to_string(port);
}

/// An address that others can reach wants keys and TLS, or somebody who has
/// said that he knows.
result<void> check_exposure(const door_config& door, const access_keys& keys) {
  const std::string place
    = "The HTTP door may not listen on " + door.address + ": ";
  if (is_loopback(door.address) || door.insecure)
    return {};
  if (!is_address(door.address))
    return {}; // Listening says what is wrong with it.
  if (keys.empty())
    return error{errc::invalid_argument,
                 place
                   + "without keys (http.keys_file, or PERDURA_KEYS) anybody "
                     "who reaches it could manage the instances. Use a "
                     "loopback address (--http 127.0.0.1:"
                   + std::to_string(door.port)
                   + "), or set http.insecure if the network is to be "
                     "trusted."};
  if (door.tls_certificate_file.empty())
    return error{errc::invalid_argument,
                 place
                   + "without TLS (http.tls.certificate_file and "
                     "http.tls.key_file) keys could be read on their way."};
  return {};
}

result<std::unique_ptr<http_server>>
open_door(const door_config& door, std::shared_ptr<tls_context> tls) {
  auto server = http_server::listen({door, std::move(tls)});
  if (!server && server.code() == errc::unavailable)
    return error{errc::unavailable,
                 server.error().message + " Choose another one with --http "
                   + authority_of(door.address, door.port + 1) + "."};
  return server;
}

management_api_config api_config_of(const door_config& door,
                                    const std::string& url,
                                    const cluster::node& node,
                                    access_keys keys) {
  management_api_config api;
  api.origin = url;
  api.public_url = door.public_url;
  while (api.public_url.ends_with('/'))
    api.public_url.pop_back();
  api.forwarded_headers = door.forwarded_headers;
  api.token_lifetime = door.token_lifetime;
  api.waits_max = door.waits_max;
  api.gatekeeper.keys = std::move(keys);
  api.gatekeeper.hub_id = node.hub_id();
  api.gatekeeper.bind_address = door.address;
  api.gatekeeper.hosts = door.hosts;
  // Who is sent there may come by that name.
  if (const auto url_given = parse_url(api.public_url); url_given)
    api.gatekeeper.hosts.push_back(url_given->host);
  api.task_hub = node.config().task_hub;
  api.is_ready = [&node] { return node.is_ready(); };
  api.statistics = [&node] { return node.statistics(); };
  api.own_counts = [&node] { return node.own_counts(); };
  api.reports = [&node] { return node.reports(); };
  return api;
}

} // namespace

class node_host::impl {
public:
  /// Until the node has recovered, the door says so.
  void answer(http_request request, http_responder responder) {
    if (is_open) {
      api->handle(std::move(request), std::move(responder));
      return;
    }
    if (request.target == "/healthz")
      responder.respond({200, R"({"status":"ok"})"});
    else
      responder.respond(to_response(
        {errc::unavailable, "The node is starting; try again soon."}));
  }

  // In the order of their making; the door closes first.
  std::unique_ptr<cluster::node> node;
  std::unique_ptr<management_api> api;
  std::unique_ptr<http_server> server;
  std::atomic<bool> is_open{false};
  std::string url;
  std::string keys;
};

node_host::node_host() : impl_(std::make_unique<impl>()) {}

node_host::~node_host() {
  stop();
}

result<std::unique_ptr<node_host>>
node_host::start(node_host_config config,
                 std::shared_ptr<const actors::registry> functions) {
  std::unique_ptr<node_host> host(new node_host);
  impl& parts = *host->impl_;
  access_keys keys;
  if (config.http) {
    auto loaded = access_keys::load(config.door.keys_file);
    if (!loaded)
      return loaded.error();
    keys = std::move(*loaded);
    if (auto ok = check_exposure(config.door, keys); !ok)
      return ok.error();
    if (!keys.empty())
      parts.keys = std::to_string(keys.count(access::manage)) + " to manage, "
                   + std::to_string(keys.count(access::read)) + " to read";
    auto tls = tls_context::load(config.door.tls_certificate_file,
                                 config.door.tls_key_file);
    if (!tls)
      return tls.error();
    const char* scheme = *tls ? "https://" : "http://";
    auto server = open_door(config.door, std::move(*tls));
    if (!server)
      return server.error();
    parts.server = std::move(*server);
    parts.url
      = scheme + authority_of(config.door.address, parts.server->port());
  }
  auto opened = cluster::node::open(config.node, std::move(functions));
  if (!opened)
    return opened.error();
  parts.node = std::move(*opened);

  if (parts.server) {
    management_api_config api
      = api_config_of(config.door, parts.url, *parts.node, std::move(keys));
    api.connections = [&parts] { return parts.server->connections(); };
    parts.api = std::make_unique<management_api>(
      orchestration_client(parts.node->gateway()), std::move(api));
    parts.node->set_payload_maker(
      [door = parts.api.get()](const std::string& id) {
        return door->payload_of(id);
      });
    parts.server->serve(
      [&parts](http_request request, http_responder responder) {
        parts.answer(std::move(request), std::move(responder));
      },
      [&parts](int status) { parts.api->count_refused(status); });
  }
  parts.node->set_url(config.door.public_url.empty() ? parts.url
                                                     : config.door.public_url);
  parts.node->set_stop_listener(std::move(config.must_stop));
  if (config.observe_activity)
    parts.node->set_activity_observer(std::move(config.observe_activity));
  auto begun = parts.node->begin();
  if (!begun)
    return begun.error();
  parts.is_open = true;
  return host;
}

std::uint16_t node_host::http_port() const {
  return impl_->server ? impl_->server->port() : std::uint16_t{0};
}

const std::string& node_host::url() const {
  return impl_->url;
}

std::string node_host::keys_summary() const {
  return impl_->keys;
}

orchestration_client node_host::client() const {
  return orchestration_client(impl_->node->gateway());
}

std::shared_ptr<actors::management_gateway> node_host::gateway() const {
  return impl_->node->gateway();
}

cluster::node& node_host::node() {
  return *impl_->node;
}

std::vector<std::string> node_host::stop() {
  if (impl_->server)
    impl_->server->stop();
  if (!impl_->node)
    return {};
  return impl_->node->stop();
}

} // namespace perdura::client
