/// Network namespaces of this process's own, on one bridge, between which
/// packets can be dropped one way or both.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace perdura::tests {

class cut_network {
public:
  /// Empty: it can be had. Otherwise why not: no root, no `ip` or `nft`, a
  /// kernel or container that does not allow it.
  static std::string why_not();

  /// @throws std::runtime_error
  explicit cut_network(std::size_t hosts);
  /// Removes all of it, whatever has happened.
  ~cut_network();

  cut_network(const cut_network&) = delete;
  cut_network& operator=(const cut_network&) = delete;

  const std::string& netns(std::size_t host) const {
    return hosts_.at(host);
  }

  static std::string address(std::size_t host);

  /// What one sends does not reach the other any more; nobody is told.
  void cut_one_way(std::size_t from, std::size_t to);
  void cut(std::size_t one, std::size_t other);
  void heal();

  /// Sends a datagram, and looks whether it comes.
  bool packets_pass(std::size_t from, std::size_t to) const;

private:
  void build(std::size_t hosts);
  void remove();

  std::string bridge_;
  std::vector<std::string> hosts_;
};

/// NODE.pem, NODE-key.pem and ca.pem, as `perdura tls init` makes them.
void make_certificates(const std::filesystem::path& directory,
                       const std::vector<std::string>& nodes,
                       const std::vector<std::string>& addresses);

} // namespace perdura::tests
