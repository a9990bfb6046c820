// SPDX-License-Identifier: Apache-2.0
/// Network namespaces on one bridge, between which a test can drop packets in
/// one direction or in both.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace perdura::tests {

/// Creates the namespaces with `ip` and drops packets with `nft`. The names
/// carry the process ID, so that several test programs can run at once.
class namespace_network {
public:
  /// Empty if the network can be created. Otherwise the reason why it cannot:
  /// the user is not root, `ip` or `nft` is missing, or the kernel or the
  /// container does not allow it.
  static std::string unavailable_reason();

  /// Creates one namespace for each host.
  /// @throws std::runtime_error  A command failed; its message holds the
  /// output.
  explicit namespace_network(std::size_t hosts);
  /// Removes all namespaces, also after a failure.
  ~namespace_network();

  namespace_network(const namespace_network&) = delete;
  namespace_network& operator=(const namespace_network&) = delete;

  const std::string& netns(std::size_t host) const {
    return hosts_.at(host);
  }

  /// The IPv4 address of the host.
  static std::string address(std::size_t host);

  /// Drops the packets that `from` sends to `to`. Neither host gets an error.
  void cut_one_way(std::size_t from, std::size_t to);
  /// Drops the packets between two hosts in both directions.
  void cut(std::size_t one, std::size_t other);
  /// Ends all cuts.
  void heal();

  /// Sends one datagram and returns whether it arrives.
  bool packets_pass(std::size_t from, std::size_t to) const;

private:
  void build(std::size_t hosts);
  void remove();

  std::string bridge_;
  std::vector<std::string> hosts_;
};

/// Writes NODE.pem and NODE-key.pem for each node, and ca.pem, in the format of
/// `perdura tls init`. `addresses[i]` is the address of `nodes[i]`.
void make_certificates(const std::filesystem::path& directory,
                       const std::vector<std::string>& nodes,
                       const std::vector<std::string>& addresses);

} // namespace perdura::tests
