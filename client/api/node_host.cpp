// SPDX-License-Identifier: Apache-2.0
#include "client/api/node_host.hpp"

#include "client/http/http_client.hpp"
#include "client/http/http_server.hpp"
#include "client/http/ip_address.hpp"
#include "client/http/json.hpp"
#include "client/http/management_api.hpp"
#include "client/http/tls_context.hpp"
#include "cluster/node/node.hpp"
#include "persistence/process/process_end.hpp"
#include "persistence/process/thread_start.hpp"
#include "persistence/process/work_notes.hpp"

#include <atomic>
#include <system_error>

namespace perdura::client {

namespace {

/// Address and port in the form that URLs use, e.g. "[::1]:7071".
std::string authority_of(const std::string& address, std::uint16_t port) {
  const bool is_v6 = address.find(':') != std::string::npos;
  return (is_v6 ? '[' + address + ']' : address) + ':' + std::to_string(port);
}

/// Returns an error if other machines can reach the address, `insecure` is not
/// set, and the keys or TLS are missing.
result<void> check_exposure(const http_api_config& http,
                            const access_keys& keys) {
  const std::string place
    = "The HTTP API may not listen on " + http.address + ": ";
  // A loopback address needs no keys. Without keys, every user of this machine
  // may manage the instances.
  if (is_loopback(http.address) || http.insecure)
    return {};
  // `http_server::listen` refuses a text that is not an address, with a better
  // sentence.
  if (!is_address(http.address))
    return {};
  if (keys.empty())
    return error{errc::invalid_argument,
                 place
                   + "without keys (http.keys_file, or PERDURA_KEYS) every "
                     "client that reaches the address could manage the "
                     "instances. Use a loopback address (--http 127.0.0.1:"
                   + std::to_string(http.port)
                   + "), or set http.insecure if the network can be "
                     "trusted."};
  if (http.tls_certificate_file.empty())
    return error{errc::invalid_argument,
                 place
                   + "without TLS (http.tls.certificate_file and "
                     "http.tls.key_file) the keys could be read on the "
                     "network. Set both files, or set http.insecure if the "
                     "network can be trusted."};
  return {};
}

/// Binds the port. Requests are served later, by `http_server::serve`.
result<std::unique_ptr<http_server>>
make_http_server(const http_api_config& http,
                 std::shared_ptr<tls_context> tls) {
  auto server = http_server::listen({http, std::move(tls)});
  if (!server && server.code() == errc::unavailable)
    return error{errc::unavailable,
                 server.error().message + " Choose another port with --http "
                   + authority_of(http.address, http.port + 1) + "."};
  return server;
}

/// Makes the settings of the HTTP API from those of the node host. The
/// functions in the result refer to `node`, which must outlive the API.
management_api_config api_config_of(const http_api_config& http,
                                    const std::string& url,
                                    const cluster::node& node,
                                    access_keys keys) {
  management_api_config api;
  api.origin = url;
  api.public_url = http.public_url;
  // A path that begins with a slash is appended to this text, so the text must
  // not end with a slash.
  while (api.public_url.ends_with('/'))
    api.public_url.pop_back();
  api.forwarded_headers = http.forwarded_headers;
  api.token_lifetime = http.token_lifetime;
  api.waits_max = http.waits_max;
  api.access_control.keys = std::move(keys);
  api.access_control.hub_id = node.hub_id();
  api.access_control.bind_address = http.address;
  api.access_control.hosts = http.hosts;
  // A client that uses a URL with `public_url` sends the host of `public_url`
  // in the Host header, so this host must be accepted.
  if (const auto url_given = parse_url(api.public_url); url_given)
    api.access_control.hosts.push_back(url_given->host);
  api.task_hub = node.config().task_hub;
  api.unready_reasons = [&node] { return node.unready_reasons(); };
  api.statistics = [&node] { return node.statistics(); };
  api.own_counts = [&node] { return node.own_counts(); };
  api.reports = [&node] { return node.reports(); };
  return api;
}

} // namespace

class node_host::impl {
public:
  /// Handles a request. Until the node has recovered, only /healthz succeeds.
  void handle(http_request request, http_responder responder) {
    if (is_recovered) {
      api->handle(std::move(request), std::move(responder));
      return;
    }
    // The HTTP server already serves requests while the node recovers.
    responder.respond(starting_response(request));
  }

  /// Authorizes a request before its body is read.
  std::optional<http_response> admit(const http_request& request) const {
    if (!is_recovered)
      return starting_response(request);
    return api->admit(request);
  }

  // The members are destroyed from the last to the first: the HTTP server, then
  // the API, then the node. The server and the API both use the node.
  std::unique_ptr<cluster::node> node;
  std::unique_ptr<management_api> api;
  std::unique_ptr<http_server> server;
  /// Set by `start` when the node accepts requests; read by the HTTP threads.
  std::atomic<bool> is_recovered{false};
  std::string url;
  /// The result of `keys_summary`.
  std::string keys;
};

node_host::node_host() : impl_(std::make_unique<impl>()) {}

node_host::~node_host() {
  stop();
}

result<std::unique_ptr<node_host>>
node_host::start(node_host_config config,
                 std::shared_ptr<const actors::registry> functions) try {
  std::unique_ptr<node_host> host(new node_host);
  impl& parts = *host->impl_;
  access_keys keys;
  // The port is bound before the data directory is opened, so that a port in
  // use is reported before a directory is created.
  if (config.http_enabled) {
    // Reads the environment, so it must run before the server has threads.
    auto loaded = access_keys::load(config.http.keys_file);
    if (!loaded)
      return loaded.error();
    keys = std::move(*loaded);
    if (auto ok = check_exposure(config.http, keys); !ok)
      return ok.error();
    if (!keys.empty())
      parts.keys = std::to_string(keys.count(access::manage)) + " to manage, "
                   + std::to_string(keys.count(access::read)) + " to read";
    auto tls = tls_context::load(config.http.tls_certificate_file,
                                 config.http.tls_key_file);
    if (!tls)
      return tls.error();
    const char* scheme = *tls ? "https://" : "http://";
    auto server = make_http_server(config.http, std::move(*tls));
    if (!server)
      return server.error();
    parts.server = std::move(*server);
    parts.url
      = scheme + authority_of(config.http.address, parts.server->port());
  }
  if (config.mark_fatal_signals)
    persistence::work_notes::mark_fatal_signals();
  if (config.on_fatal)
    persistence::set_on_fatal(std::move(config.on_fatal));
  // If this fails, the destructor of `host` closes the port.
  auto opened = cluster::node::open(config.node, std::move(functions));
  if (!opened)
    return opened.error();
  parts.node = std::move(*opened);

  if (parts.server) {
    management_api_config api
      = api_config_of(config.http, parts.url, *parts.node, std::move(keys));
    api.connections = [&parts] { return parts.server->connections(); };
    api.buffered_bytes = [&parts] { return parts.server->buffered_bytes(); };
    parts.api = std::make_unique<management_api>(
      orchestration_client(parts.node->gateway()), std::move(api));
    // The activities and the client API of this process show the same URLs as
    // the HTTP API.
    parts.node->set_payload_maker(
      [api = parts.api.get()](const std::string& id) {
        return api->payload_of(id);
      });
    // The HTTP server serves requests from here on, so that /healthz responds
    // during a long recovery.
    parts.server->serve(
      [&parts](http_request request, http_responder responder) {
        parts.handle(std::move(request), std::move(responder));
      },
      [&parts](int status) { parts.api->count_refused(status); },
      [&parts](const http_request& request) { return parts.admit(request); });
  }
  // Other nodes and `perdura cluster status` receive this URL. All setters must
  // be called before `begin`.
  parts.node->set_url(config.http.public_url.empty() ? parts.url
                                                     : config.http.public_url);
  parts.node->set_stop_listener(std::move(config.must_stop));
  if (config.observe_activity)
    parts.node->set_activity_observer(std::move(config.observe_activity));
  // Recovers the partitions and binds the cluster port. Blocks until every
  // partition of this node serves requests.
  auto begun = parts.node->begin();
  if (!begun)
    return begun.error();
  parts.is_recovered = true;
  return host;

} catch (const std::system_error& refused) {

  // Thrown by std::thread. `host` ends everything that has been started.
  if (refused.code() != std::errc::resource_unavailable_try_again)
    throw;
  return error{errc::unavailable,
               persistence::refused_threads_sentence("the node")};
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
  // The node stops after the server, whose requests use it. There is no node if
  // `start` has failed before opening it.
  if (!impl_->node)
    return {};
  return impl_->node->stop();
}

} // namespace perdura::client
