// SPDX-License-Identifier: Apache-2.0
/// The certificates of a cluster for tests.
#pragma once

#include "client/cli/certificate_authority.hpp"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace perdura::tests {

/// Files of a certificate authority, with certificates for two nodes and a
/// client.
class cluster_certificates {
public:
  explicit cluster_certificates(const std::filesystem::path& directory)
    : directory_(directory) {
    std::filesystem::create_directories(directory);
    write("ca.pem", authority_.authority_pair().certificate);
    add("node-1");
    add("node-2");
    add("client", {}, client::certificate_role::client);
  }

  /// Adds a certificate that is valid for 127.0.0.1 and the further hosts.
  void add(const std::string& name, std::vector<std::string> hosts = {},
           client::certificate_role role = client::certificate_role::node) {
    hosts.emplace_back("127.0.0.1");
    const auto issued = authority_.issue(name, hosts, role).value();
    write(name + ".pem", issued.certificate);
    write(name + "-key.pem", issued.key);
  }

  /// Sets the certificate files in a cluster_config or a cluster_client_config.
  template <class Config>
  void apply_to(Config& config, const std::string& name) const {
    config.certificate_file = directory_ / (name + ".pem");
    config.key_file = directory_ / (name + "-key.pem");
    config.ca_file = directory_ / "ca.pem";
  }

private:
  void write(const std::string& name, const std::string& text) const {
    const std::filesystem::path file = directory_ / name;
    std::ofstream(file) << text;
    std::filesystem::permissions(file, std::filesystem::perms::owner_read
                                         | std::filesystem::perms::owner_write);
  }

  std::filesystem::path directory_;
  client::certificate_authority authority_
    = client::certificate_authority::make(1).value();
};

} // namespace perdura::tests
