// SPDX-License-Identifier: Apache-2.0
#include "client/cli/tls_verbs.hpp"

#include "client/cli/certificate_authority.hpp"
#include "client/cli/private_file.hpp"
#include "client/configuration/setting_value.hpp"
#include "cluster/placement/placement.hpp"

#include <algorithm>
#include <filesystem>
#include <ostream>
#include <system_error>

namespace perdura::client {

namespace fs = std::filesystem;
using persistence::errc;
using persistence::error;
using persistence::result;

namespace {

/// A file to be written. Key files have mode 0600, certificates 0644.
struct new_file {
  fs::path path;
  std::string text;
  mode_t mode = 0600;
};

/// The file of a certificate. `name` is the name of a node, "ca" for the
/// authority, or "client" for the gateway.
fs::path certificate_of(const fs::path& directory, const std::string& name) {
  return directory / (name + ".pem");
}

/// The file of the private key of the certificate with this name.
fs::path key_of(const fs::path& directory, const std::string& name) {
  return directory / (name + "-key.pem");
}

/// Writes all files. If one fails, the files written before are removed.
result<void> write_all(const std::vector<new_file>& files) {
  std::error_code ignored;
  for (std::size_t i = 0; i < files.size(); ++i)
    if (auto ok = write_new_file(files[i].path, files[i].text, files[i].mode);
        !ok) {
      while (i-- > 0)
        fs::remove(files[i].path, ignored);
      return ok;
    }
  return {};
}

/// @error errc::invalid_argument  A name is not a valid node name, or two
///                                certificates would have the same file.
result<void> check_names(const std::vector<std::string>& nodes) {
  if (nodes.empty())
    return error{errc::invalid_argument,
                 "--nodes must name at least one node."};
  if (auto good = cluster::check_nodes({}, nodes); !good)
    return good;
  for (const std::string& name : nodes)
    for (const char* own : {"ca", "ca-key", "client", "client-key"})
      if (name == own)
        return error{errc::invalid_argument,
                     "A node may not be called \"" + name
                       + "\": a file of that name is always created."};
  for (const std::string& name : nodes)
    // NAME-key.pem is the key file of the node NAME. It would also be the
    // certificate file of a node that is named NAME-key.
    if (std::find(nodes.begin(), nodes.end(), name + "-key") != nodes.end())
      return error{errc::invalid_argument, "\"" + name + "\" and \"" + name
                                             + "-key\" need the same file."};
  return {};
}

/// Creates all keys and certificates in memory; nothing is written yet.
result<std::vector<new_file>> make_files(const tls_init_options& options,
                                         const certificate_authority& ca) {
  const fs::path where = options.directory;
  std::vector<new_file> files;
  const auto add = [&](const std::string& name, const certificate_pair& made) {
    files.push_back({certificate_of(where, name), made.certificate, 0644});
    files.push_back({key_of(where, name), made.key, 0600});
  };
  add("ca", ca.authority_pair());
  std::vector<std::string> names = options.nodes;
  names.emplace_back("client");
  for (const std::string& name : names) {
    // With the loopback names, the certificates can also be used for a cluster
    // on one machine.
    std::vector<std::string> hosts{"localhost", "127.0.0.1", "::1"};
    hosts.push_back(name);
    hosts.insert(hosts.end(), options.hosts.begin(), options.hosts.end());
    auto made = ca.issue(name, hosts);
    if (!made)
      return made.error();
    add(name, *made);
  }
  return files;
}

/// @error errc::invalid_argument  A file to be created exists.
result<void> check_absent(const std::vector<new_file>& files) {
  std::error_code ignored;
  for (const new_file& each : files)
    // symlink_status also finds a symbolic link without a target.
    if (fs::exists(fs::symlink_status(each.path, ignored)))
      return error{errc::invalid_argument,
                   each.path.string()
                     + " exists; nothing was created. Name another directory "
                       "with --dir, or move the old certificates away. Nodes "
                       "with new certificates do not trust nodes with old "
                       "ones."};
  return {};
}

/// Prints the files, the names for which the certificates are valid, and the
/// settings that the first node needs. Paths are absolute.
void print_summary(const tls_init_options& options,
                   const std::string& valid_until, terminal& io) {
  std::error_code failure;
  fs::path where = fs::absolute(options.directory, failure).lexically_normal();
  if (failure)
    where = options.directory;
  io.out << "Created in " << where.string() << ", valid until " << valid_until
         << ":\n\n";
  std::vector<std::pair<std::string, std::string>> rows{
    {"  ca.pem", "the certificate authority, which every node trusts"},
    {"  ca-key.pem",
     "its key, which signs certificates: keep it off the nodes"}};
  for (const std::string& name : options.nodes)
    rows.emplace_back("  " + name + ".pem, " + name + "-key.pem",
                      "certificate and key of the node");
  rows.emplace_back("  client.pem, client-key.pem",
                    "for a client gateway in your own service");
  print_pairs(io.out, rows);
  io.out << "\nEach is valid for localhost, 127.0.0.1, ::1";
  for (const std::string& host : options.hosts)
    io.out << ", " << host;
  const auto line = [&](const char* key, const fs::path& file) {
    io.out << key << " = " << as_toml(setting_kind::path, file.string())
           << '\n';
  };
  const std::string& first = options.nodes.front();
  io.out << " and its own name.\nAdd these lines to the configuration of "
         << first
         << (options.nodes.size() > 1 ? "; the other nodes use their own files"
                                      : "")
         << ":\n\n[cluster.tls]\n";
  line("certificate_file", certificate_of(where, first));
  line("key_file", key_of(where, first));
  line("ca_file", certificate_of(where, "ca"));
}

} // namespace

int tls_init_verb(const tls_init_options& options, terminal& io) {
  if (auto good = check_names(options.nodes); !good)
    return fail(io, good.error());
  auto ca = certificate_authority::make(options.days);
  if (!ca)
    return fail(io, ca.error());
  auto files = make_files(options, *ca);
  if (!files)
    return fail(io, files.error());
  // All problems that can be foreseen are reported before anything is written.
  if (auto absent = check_absent(*files); !absent)
    return fail(io, absent.error());
  if (auto there = make_private_directory(options.directory); !there)
    return fail(io, there.error());
  if (auto written = write_all(*files); !written)
    return fail(io, written.error());
  print_summary(options, ca->valid_until(), io);
  return exit_ok;
}

} // namespace perdura::client
