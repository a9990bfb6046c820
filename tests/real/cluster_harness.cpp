#include "real/cluster_harness.hpp"

#include "cluster/placement/partition_map.hpp"
#include "cluster/placement/placement.hpp"
#include "persistence/records/identity.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <nlohmann/json.hpp>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <thread>

namespace perdura::tests {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr std::size_t node_count = 3;
constexpr milliseconds ask_again_after{5};

cluster::placement placement_of(const std::vector<std::string>& entries,
                                std::uint32_t partition_count) {
  std::vector<std::string> names;
  for (const std::string& each : entries)
    names.push_back(each.substr(0, each.find('=')));
  return cluster::place(names, partition_count).value();
}

} // namespace

held_port::held_port()
  : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const int on = 1; // Ours and the server's, and nobody listens on ours.
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof place;
  auto* address = reinterpret_cast<sockaddr*>(&place);
  if (socket_ < 0
      || ::setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0
      || ::bind(socket_, address, size) != 0
      || ::getsockname(socket_, address, &size) != 0)
    throw std::system_error(errno, std::generic_category(), "no free port");
  number_ = ntohs(place.sin_port);
}

held_port::~held_port() {
  ::close(socket_);
}

in_namespace::in_namespace(const std::string& name) {
  if (name.empty())
    return;
  back_ = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  const int there
    = ::open(("/run/netns/" + name).c_str(), O_RDONLY | O_CLOEXEC);
  const bool is_there = there >= 0 && ::setns(there, CLONE_NEWNET) == 0;
  const int why = errno;
  ::close(there);
  if (!is_there)
    throw std::system_error(why, std::generic_category(), name);
}

in_namespace::~in_namespace() {
  if (back_ < 0)
    return;
  if (::setns(back_, CLONE_NEWNET) != 0)
    std::abort(); // It would ask the wrong ones from now on.
  ::close(back_);
}

// --- A node ------------------------------------------------------------------

cluster_node::cluster_node(cluster_worker_options options, std::string netns)
  : options_(std::move(options)), netns_(std::move(netns)) {}

void cluster_node::spawn() {
  std::vector<std::string> words;
  if (!netns_.empty())
    words = {"ip", "netns", "exec", netns_};
  words.push_back(std::filesystem::read_symlink("/proc/self/exe"));
  words.emplace_back("--cluster-worker");
  for (std::string& each : to_words(options_))
    words.push_back(std::move(each));
  process_ = std::make_unique<child_process>(words);
}

std::string cluster_node::next_line(milliseconds time_out) {
  return process_->receive(time_out).value_or("");
}

void cluster_node::start() {
  spawn();
  expect_ready();
}

void cluster_node::expect_ready() {
  const std::string line = next_line();
  if (!line.starts_with("ready "))
    throw std::runtime_error(name() + " does not serve, but says \"" + line
                             + "\"; its log:\n" + log());
}

void cluster_node::kill() {
  process_.reset();
}

void cluster_node::pause() {
  ::kill(process_->pid(), SIGSTOP);
  ::waitpid(process_->pid(), nullptr, WUNTRACED);
}

void cluster_node::go_on() {
  ::kill(process_->pid(), SIGCONT);
}

int cluster_node::stop() {
  process_->interrupt();
  return wait();
}

int cluster_node::wait() {
  const int code = process_->wait();
  process_.reset();
  return code;
}

std::string cluster_node::log() const {
  std::ostringstream text;
  text << std::ifstream(log_of(options_.data_dir)).rdbuf();
  return text.str();
}

void wait_until_met(const std::vector<cluster_node*>& nodes) {
  const auto sees_all = [](const client::http_reply& reply) {
    const auto said = nlohmann::json::parse(reply.body, nullptr, false);
    if (reply.status != 200 || said.is_discarded())
      return false;
    for (const auto& node : said["nodes"]) {
      if (!node["isUp"].get<bool>())
        return false;
      for (const auto& peer : node["peers"])
        if (!peer["isUp"].get<bool>())
          return false;
    }
    return true;
  };
  for (const cluster_node* each : nodes)
    if (!ask_until(each->door(), {.target = "/perdura/cluster"}, sees_all))
      throw std::runtime_error(each->name() + " does not meet the others:\n"
                               + each->log());
}

// --- Three of them -----------------------------------------------------------

local_cluster::local_cluster() {
  const std::string hub_id = persistence::random_hex32();
  for (std::size_t i = 0; i < node_count; ++i)
    entries_.push_back("node-" + std::to_string(i + 1)
                       + "=127.0.0.1:" + std::to_string(ports_[i].number()));
  for (std::size_t i = 0; i < node_count; ++i) {
    cluster_worker_options options;
    options.node = "node-" + std::to_string(i + 1);
    options.data_dir = home_.path() / options.node;
    options.hub_id = hub_id;
    options.nodes = entries_;
    options.http_port = ports_[node_count + i].number();
    nodes_.push_back(std::make_unique<cluster_node>(std::move(options)));
  }
}

void local_cluster::start() {
  for (const auto& each : nodes_)
    each->spawn();
  for (const auto& each : nodes_)
    each->expect_ready();
  wait_until_met();
}

std::vector<door> local_cluster::doors() const {
  std::vector<tests::door> all;
  for (const auto& each : nodes_)
    all.push_back(each->door());
  return all;
}

std::vector<cluster_node*> local_cluster::nodes() const {
  std::vector<cluster_node*> all;
  for (const auto& each : nodes_)
    all.push_back(each.get());
  return all;
}

std::size_t local_cluster::owner_of(const std::string& id) const {
  const std::uint32_t count = nodes_.front()->options().partition_count;
  const cluster::placement owners = placement_of(entries_, count);
  return owners.owners[persistence::index_of(cluster::partition_of(id, count))];
}

std::string local_cluster::id_on(std::size_t node,
                                 const std::string& prefix) const {
  for (int i = 0;; ++i)
    if (std::string id = prefix + '-' + std::to_string(i); owner_of(id) == node)
      return id;
}

std::string local_cluster::partitions_of(std::size_t node) const {
  std::string all;
  const cluster::placement owners
    = placement_of(entries_, nodes_.front()->options().partition_count);
  for (const persistence::partition_id each :
       owners.owned_by(nodes_.at(node)->name()))
    all
      += (all.empty() ? "" : ",") + std::to_string(persistence::index_of(each));
  return all;
}

// --- Doors -------------------------------------------------------------------

std::optional<client::http_reply> ask(const door& at,
                                      const question_to_door& what) {
  client::http_request request;
  request.method = what.method;
  const bool is_site = what.target.starts_with("/perdura/")
                       || what.target == "/readyz" || what.target == "/metrics";
  request.target
    = (is_site ? "" : "/runtime/webhooks/durabletask") + what.target;
  request.body = what.body;
  if (!what.body.empty())
    request.headers.push_back({"Content-Type", "application/json"});
  if (!what.key.empty())
    request.headers.push_back({"Idempotency-Key", what.key});
  if (!what.continuation.empty())
    request.headers.push_back({"x-ms-continuation-token", what.continuation});
  const in_namespace there(at.netns);
  auto reply = client::http_ask(client::parse_url(at.url).value(), request,
                                what.time_out);
  if (!reply)
    return std::nullopt;
  return std::move(*reply);
}

bool ask_until(const door& at, const question_to_door& what,
               const std::function<bool(const client::http_reply&)>& wanted,
               milliseconds time_out) {
  const auto until = steady_clock::now() + time_out;
  do {
    if (const auto reply = ask(at, what); reply && wanted(*reply))
      return true;
    std::this_thread::sleep_for(ask_again_after);
  } while (steady_clock::now() < until);
  return false;
}

} // namespace perdura::tests
