// SPDX-License-Identifier: Apache-2.0
#include "client/cli/tls_verbs.hpp"

#include "client/cli/certificate_authority.hpp"
#include "client/cli/private_file.hpp"
#include "client/cli/table.hpp"
#include "client/configuration/setting_value.hpp"
#include "client/http/bounded_read.hpp"
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

/// The hosts of a certificate. With the loopback names, the certificates can
/// also be used for a cluster on one machine.
std::vector<std::string> hosts_for(const std::string& name,
                                   const std::vector<std::string>& further) {
  std::vector<std::string> hosts{"localhost", "127.0.0.1", "::1", name};
  hosts.insert(hosts.end(), further.begin(), further.end());
  return hosts;
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
    auto made = ca.issue(name, hosts_for(name, options.hosts),
                         name == "client" ? certificate_role::client
                                          : certificate_role::node);
    if (!made)
      return made.error();
    add(name, *made);
  }
  return files;
}

/// The files that exist. A symbolic link without a target exists, too.
std::vector<fs::path> existing_of(const std::vector<new_file>& files) {
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const new_file& each : files)
    if (fs::exists(fs::symlink_status(each.path, ignored)))
      found.push_back(each.path);
  return found;
}

/// @error errc::invalid_argument  A file to be created exists.
result<void> check_absent(const std::vector<new_file>& files) {
  const std::vector<fs::path> existing = existing_of(files);
  if (existing.empty())
    return {};
  std::string sentence
    = existing.front().string()
      + " exists; nothing was created. Name another directory with --dir, or "
        "move the old certificates away. Nodes with new certificates do not "
        "trust nodes with old ones.";
  if (existing.size() < files.size()) {
    sentence += " If an earlier \"perdura tls init\" was interrupted, remove "
                "what it has left, and repeat the command:";
    for (const fs::path& each : existing)
      sentence += ' ' + each.string();
    sentence += '.';
  }
  return error{errc::invalid_argument, std::move(sentence)};
}

/// Prints the settings by which a node uses its certificate.
void print_settings(const fs::path& directory, const std::string& node,
                    terminal& io) {
  const auto line = [&](const char* key, const fs::path& file) {
    io.out << key << " = " << as_toml(setting_kind::path, file.string())
           << '\n';
  };
  io.out << "[cluster.tls]\n";
  line("certificate_file", certificate_of(directory, node));
  line("key_file", key_of(directory, node));
  line("ca_file", certificate_of(directory, "ca"));
}

/// The directory as an absolute path, if the system can tell it.
fs::path shown_directory(const std::string& directory) {
  std::error_code failure;
  const fs::path where = fs::absolute(directory, failure).lexically_normal();
  return failure ? fs::path(directory) : where;
}

/// Prints the files, the names for which the certificates are valid, and the
/// settings that the first node needs. Paths are absolute.
void print_summary(const tls_init_options& options,
                   const std::string& valid_until, terminal& io) {
  const fs::path where = shown_directory(options.directory);
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
  const std::string& first = options.nodes.front();
  io.out << " and its own name.\nAdd these lines to the configuration of "
         << first
         << (options.nodes.size() > 1 ? "; the other nodes use their own files"
                                      : "")
         << ":\n\n";
  print_settings(where, first, io);
}

/// Reads a file of the directory.
/// @error errc::invalid_argument  It cannot be read.
result<std::string> read_file(const fs::path& path) {
  constexpr std::size_t pem_bytes_max = std::size_t{1024} * 1024;
  auto text = read_file_bounded(path, pem_bytes_max);
  if (!text)
    return error{errc::invalid_argument,
                 text.error().message
                   + " Name the directory that \"perdura tls init\" has "
                     "created with --dir."};
  return text;
}

/// Reads a certificate and its key.
result<certificate_pair> read_pair(const fs::path& directory,
                                   const std::string& name) {
  auto certificate = read_file(certificate_of(directory, name));
  if (!certificate)
    return certificate.error();
  auto key = read_file(key_of(directory, name));
  if (!key)
    return key.error();
  return certificate_pair{std::move(*certificate), std::move(*key)};
}

/// Loads the authority of the directory.
result<certificate_authority> load_authority(const fs::path& directory,
                                             int days) {
  auto pair = read_pair(directory, "ca");
  if (!pair)
    return pair.error();
  return certificate_authority::load(*pair, days);
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

int tls_add_verb(const tls_name_options& options, terminal& io) {
  if (auto good = check_names({options.name}); !good && !options.for_client)
    return fail(io, good.error());
  if (auto good = cluster::check_nodes({}, {options.name}); !good)
    return fail(io, good.error());
  auto ca = load_authority(options.directory, options.days);
  if (!ca)
    return fail(io, ca.error());
  auto made = ca->issue(options.name, hosts_for(options.name, options.hosts),
                        options.for_client ? certificate_role::client
                                           : certificate_role::node);
  if (!made)
    return fail(io, made.error());
  const fs::path where = options.directory;
  const std::vector<new_file> files{
    {certificate_of(where, options.name), made->certificate, 0644},
    {key_of(where, options.name), made->key, 0600}};
  const std::vector<fs::path> existing = existing_of(files);
  if (!existing.empty())
    return fail(io,
                {errc::invalid_argument,
                 existing.front().string() + " exists; nothing was created. "
                   + (existing.size() == files.size()
                        ? "\"perdura tls renew " + options.name
                            + "\" renews a certificate."
                        : "Its other file does not exist: an earlier "
                          "\"perdura tls add\" was interrupted. Remove the "
                          "file, and repeat the command.")});
  if (auto written = write_all(files); !written)
    return fail(io, written.error());
  const fs::path shown = shown_directory(options.directory);
  io.out << "Created " << options.name << ".pem and " << options.name
         << "-key.pem in " << shown.string() << ", valid until "
         << ca->valid_until() << ".\n";
  if (options.for_client) {
    io.out << "They are for a client gateway only; no node accepts them as "
              "those of a node.\n";
    return exit_ok;
  }
  io.out << "The other nodes need no change. Add these lines to the "
            "configuration of "
         << options.name << ":\n\n";
  print_settings(shown, options.name, io);
  return exit_ok;
}

int tls_renew_verb(const tls_name_options& options, terminal& io) {
  if (options.name == "ca")
    return fail(io, {errc::invalid_argument,
                     "The authority itself cannot be renewed: all nodes would "
                     "have to get its new certificate at the same time. Create "
                     "another authority with \"perdura tls init\" in another "
                     "directory."});
  if (auto good = cluster::check_nodes({}, {options.name}); !good)
    return fail(io, good.error());
  const fs::path where = options.directory;
  auto ca = load_authority(where, options.days);
  if (!ca)
    return fail(io, ca.error());
  auto before = read_pair(where, options.name);
  if (!before)
    return fail(io, before.error());
  auto made = ca->renew(*before);
  if (!made)
    return fail(io, made.error());
  const fs::path file = certificate_of(where, options.name);
  if (auto written = replace_file(file, made->certificate, 0644); !written)
    return fail(io, written.error());
  io.out << "Renewed " << shown_directory(file.string()).string()
         << ", valid until " << ca->valid_until()
         << ". Its key is the same.\nCopy it to " << options.name
         << ". The node uses it for new connections; it need not be "
            "restarted.\n";
  return exit_ok;
}

} // namespace perdura::client
