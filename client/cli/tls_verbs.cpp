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

struct made_file {
  fs::path path;
  std::string text;
  mode_t mode = 0600;
};

fs::path certificate_of(const fs::path& directory, const std::string& name) {
  return directory / (name + ".pem");
}

fs::path key_of(const fs::path& directory, const std::string& name) {
  return directory / (name + "-key.pem");
}

/// All of them, or none.
result<void> write_all(const std::vector<made_file>& files) {
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

result<void> check_names(const std::vector<std::string>& nodes) {
  if (nodes.empty())
    return error{errc::invalid_argument, "--nodes names no node."};
  if (auto good = cluster::check_nodes({}, nodes); !good)
    return good;
  for (const std::string& name : nodes)
    for (const char* own : {"ca", "ca-key", "client", "client-key"})
      if (name == own)
        return error{errc::invalid_argument,
                     "A node may not be called \"" + name
                       + "\" here: that file is made anyway."};
  for (const std::string& name : nodes)
    if (std::find(nodes.begin(), nodes.end(), name + "-key") != nodes.end())
      return error{errc::invalid_argument, "\"" + name + "\" and \"" + name
                                             + "-key\" would have one file."};
  return {};
}

result<std::vector<made_file>> make_files(const tls_init_options& options,
                                          const certificate_authority& ca) {
  const fs::path where = options.directory;
  std::vector<made_file> files;
  const auto add = [&](const std::string& name, const certificate_pair& made) {
    files.push_back({certificate_of(where, name), made.certificate, 0644});
    files.push_back({key_of(where, name), made.key, 0600});
  };
  add("ca", ca.own());
  std::vector<std::string> names = options.nodes;
  names.emplace_back("client");
  for (const std::string& name : names) {
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

/// @error errc::invalid_argument  Something that would be made is there.
result<void> check_absent(const std::vector<made_file>& files) {
  std::error_code ignored;
  for (const made_file& each : files)
    if (fs::exists(fs::symlink_status(each.path, ignored)))
      return error{errc::invalid_argument,
                   each.path.string()
                     + " is there already, and nothing was made. Name another "
                       "directory with --dir, or move the old certificates "
                       "away; nodes with new ones do not know nodes with old "
                       "ones."};
  return {};
}

void show(const tls_init_options& options, const std::string& good_until,
          terminal& io) {
  std::error_code failure;
  fs::path where = fs::absolute(options.directory, failure).lexically_normal();
  if (failure)
    where = options.directory;
  io.out << "Made in " << where.string() << ", good until " << good_until
         << ":\n\n";
  std::vector<std::pair<std::string, std::string>> rows{
    {"  ca.pem", "the authority, which every node trusts"},
    {"  ca-key.pem", "signs certificates: keep it away from the nodes"}};
  for (const std::string& name : options.nodes)
    rows.emplace_back("  " + name + ".pem, " + name + "-key.pem",
                      "for the node of that name");
  rows.emplace_back("  client.pem, client-key.pem",
                    "for a gateway in a service of yours");
  print_pairs(io.out, rows);
  io.out << "\nEach is good for localhost, 127.0.0.1, ::1";
  for (const std::string& host : options.hosts)
    io.out << ", " << host;
  const auto line = [&](const char* key, const fs::path& file) {
    io.out << key << " = " << as_toml(setting_kind::path, file.string())
           << '\n';
  };
  const std::string& first = options.nodes.front();
  io.out << " and its own name.\nIn the configuration of " << first
         << (options.nodes.size() > 1
               ? ", and of the others with their own files"
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
  if (auto absent = check_absent(*files); !absent)
    return fail(io, absent.error());
  if (auto there = make_private_directory(options.directory); !there)
    return fail(io, there.error());
  if (auto written = write_all(*files); !written)
    return fail(io, written.error());
  show(options, ca->good_until(), io);
  return exit_ok;
}

} // namespace perdura::client
