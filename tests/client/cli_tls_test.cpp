// SPDX-License-Identifier: Apache-2.0
// `perdura tls init`, which creates a certificate authority and certificates
// for nodes and clients.
#include "tests/client/command_line_runner.hpp"
#include "tests/support/temp_directory.hpp"

#include <boost/test/unit_test.hpp>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <vector>

using namespace perdura::tests;
namespace fs = std::filesystem;

namespace {

template <class T>
using handle = std::shared_ptr<T>;

struct tls_fixture {
  outcome init(std::vector<std::string> words = {}) {
    words.insert(words.begin(), {"tls", "init", "--dir", tls_dir.string()});
    return run_perdura(words);
  }

  template <class Read>
  auto read(const std::string& name, Read how) {
    std::FILE* file = std::fopen((tls_dir / name).c_str(), "r");
    BOOST_REQUIRE_MESSAGE(file != nullptr, name);
    auto* made = how(file);
    std::fclose(file);
    BOOST_REQUIRE_MESSAGE(made != nullptr, name);
    return made;
  }

  /// Reads a certificate from the created directory. The test fails if the file
  /// is missing or invalid.
  handle<X509> certificate(const std::string& name) {
    return {read(name,
                 [](std::FILE* file) {
                   return PEM_read_X509(file, nullptr, nullptr, nullptr);
                 }),
            X509_free};
  }

  handle<EVP_PKEY> key(const std::string& name) {
    return {read(name,
                 [](std::FILE* file) {
                   return PEM_read_PrivateKey(file, nullptr, nullptr, nullptr);
                 }),
            EVP_PKEY_free};
  }

  /// Verifies a certificate against ca.pem, as the peer of a connection does.
  bool verifies(const std::string& name, int purpose,
                const std::string& host = {}) {
    const auto ca = certificate("ca.pem");
    const auto shown = certificate(name + ".pem");
    const handle<X509_STORE> store(X509_STORE_new(), X509_STORE_free);
    X509_STORE_add_cert(store.get(), ca.get());
    const handle<X509_STORE_CTX> context(X509_STORE_CTX_new(),
                                         X509_STORE_CTX_free);
    X509_STORE_CTX_init(context.get(), store.get(), shown.get(), nullptr);
    X509_STORE_CTX_set_purpose(context.get(), purpose);
    X509_VERIFY_PARAM* wanted = X509_STORE_CTX_get0_param(context.get());
    if (!host.empty()
        && X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) != 1)
      X509_VERIFY_PARAM_set1_host(wanted, host.c_str(), host.size());
    return X509_verify_cert(context.get()) == 1;
  }

  fs::perms mode(const fs::path& path) {
    return fs::status(path).permissions();
  }

  temp_directory directory;
  fs::path tls_dir = directory.path() / "tls";
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(cli_tls, tls_fixture)

// Each certificate is valid for servers and clients, for loopback, for the
// given hosts and for the name of its node. Private files are readable by their
// owner only.
BOOST_AUTO_TEST_CASE(init_creates_certificates_that_nodes_accept) {
  const outcome made = init({"--nodes", "node-1,node-2", "--host",
                             "ship.example", "--host", "10.0.0.1"});
  BOOST_TEST(made.code == 0);
  BOOST_TEST(made.err.empty());
  BOOST_TEST(made.out_contains(
    "[cluster.tls]\ncertificate_file = \"" + (tls_dir / "node-1.pem").string()
    + "\"\nkey_file = \"" + (tls_dir / "node-1-key.pem").string()
    + "\"\nca_file = \"" + (tls_dir / "ca.pem").string() + "\"\n"));
  BOOST_TEST((mode(tls_dir) == fs::perms(0700)));
  for (const std::string name : {"ca", "node-1", "node-2", "client"}) {
    BOOST_TEST((mode(tls_dir / (name + "-key.pem")) == fs::perms(0600)), name);
    BOOST_TEST(X509_check_private_key(certificate(name + ".pem").get(),
                                      key(name + "-key.pem").get())
                 == 1,
               name);
  }
  // No server, and so no node, may have the certificate of a client.
  BOOST_TEST(verifies("client", X509_PURPOSE_SSL_CLIENT));
  BOOST_TEST(!verifies("client", X509_PURPOSE_SSL_SERVER));
  for (const std::string name : {"node-1", "node-2"}) {
    BOOST_TEST(verifies(name, X509_PURPOSE_SSL_SERVER), name);
    BOOST_TEST(verifies(name, X509_PURPOSE_SSL_CLIENT), name);
    for (const std::string host :
         {"localhost", "127.0.0.1", "::1", "ship.example", "10.0.0.1"})
      BOOST_TEST(verifies(name, X509_PURPOSE_SSL_SERVER, host),
                 name << " at " << host);
    BOOST_TEST(verifies(name, X509_PURPOSE_SSL_SERVER, name));
    BOOST_TEST(!verifies(name, X509_PURPOSE_SSL_SERVER, "other.example"));
    BOOST_TEST(!verifies(name, X509_PURPOSE_CRL_SIGN), name);
  }
  BOOST_TEST(!verifies("node-1", X509_PURPOSE_SSL_SERVER, "node-2"));
}

// Regression: certificates could be created only all at once, with a new
// authority, so that a node could be added only while no node ran.
BOOST_AUTO_TEST_CASE(add_creates_a_certificate_that_the_other_nodes_accept) {
  BOOST_TEST(init().code == 0);
  const auto add = [this](std::vector<std::string> words) {
    words.insert(words.begin(), {"tls", "add", "--dir", tls_dir.string()});
    return run_perdura(words);
  };
  const outcome made = add({"node-4", "--host", "four.example"});
  BOOST_TEST(made.code == 0, made.err);
  BOOST_TEST(made.out_contains("certificate_file = \""
                               + (tls_dir / "node-4.pem").string()));
  BOOST_TEST(verifies("node-4", X509_PURPOSE_SSL_SERVER, "four.example"));
  BOOST_TEST(verifies("node-4", X509_PURPOSE_SSL_SERVER, "node-4"));
  BOOST_TEST((mode(tls_dir / "node-4-key.pem") == fs::perms(0600)));
  BOOST_TEST(add({"reports", "--client"}).code == 0);
  BOOST_TEST(verifies("reports", X509_PURPOSE_SSL_CLIENT));
  BOOST_TEST(!verifies("reports", X509_PURPOSE_SSL_SERVER));
  // A refused command changes nothing.
  BOOST_TEST(add({"node-4"}).err_contains("tls renew node-4"));
  BOOST_TEST(add({"node-1"}).err_contains("exists"));
  BOOST_TEST(add({"ca"}).err_contains("may not be called"));
  BOOST_TEST(add({"ca", "--client"}).err_contains("exists"));
  BOOST_TEST(add({"Node"}).err_contains("not a valid node name"));
  BOOST_TEST(add({"node-5", "--host", "a b"}).err_contains("neither"));
  fs::remove(tls_dir / "ca-key.pem");
  const outcome keyless = add({"node-5"});
  BOOST_TEST(keyless.code == 2);
  BOOST_TEST(keyless.err_contains("ca-key.pem"));
  BOOST_TEST(!fs::exists(tls_dir / "node-5.pem"));
}

BOOST_AUTO_TEST_CASE(renew_keeps_name_hosts_and_key) {
  BOOST_TEST(init({"--nodes", "node-1,node-2", "--host", "10.0.0.1", "--host",
                   "ship.example"})
               .code
             == 0);
  const auto renew = [this](const std::string& name) {
    return run_perdura({"tls", "renew", "--dir", tls_dir.string(), name});
  };
  const auto text = [&](const std::string& name) {
    std::ifstream file(tls_dir / name);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::string key_before = text("node-1-key.pem");
  const std::string before = text("node-1.pem");
  const outcome renewed = renew("node-1");
  BOOST_TEST(renewed.code == 0, renewed.err);
  BOOST_TEST(text("node-1.pem") != before);
  BOOST_TEST(text("node-1-key.pem") == key_before);
  BOOST_TEST((mode(tls_dir / "node-1.pem") == fs::perms(0644)));
  for (const std::string host :
       {"localhost", "127.0.0.1", "::1", "10.0.0.1", "ship.example", "node-1"})
    BOOST_TEST(verifies("node-1", X509_PURPOSE_SSL_SERVER, host), host);
  BOOST_TEST(renew("client").code == 0);
  BOOST_TEST(!verifies("client", X509_PURPOSE_SSL_SERVER));
  BOOST_TEST(verifies("client", X509_PURPOSE_SSL_CLIENT));
  BOOST_TEST(renew("node-7").err_contains("node-7.pem"));
  BOOST_TEST(renew("ca").err_contains("cannot be renewed"));
  // A certificate of another authority, and a key of another certificate.
  fs::copy_file(tls_dir / "node-2-key.pem", tls_dir / "node-1-key.pem",
                fs::copy_options::overwrite_existing);
  BOOST_TEST(renew("node-1").err_contains("not a certificate of this"));
  temp_directory elsewhere;
  BOOST_TEST(
    run_perdura({"tls", "init", "--dir", elsewhere.path().string()}).code == 0);
  for (const char* name : {"node-2.pem", "node-2-key.pem"})
    fs::copy_file(elsewhere.path() / name, tls_dir / name,
                  fs::copy_options::overwrite_existing);
  BOOST_TEST(renew("node-2").err_contains("not a certificate of this"));
}

BOOST_AUTO_TEST_CASE(certificate_of_another_authority_is_rejected) {
  BOOST_TEST(init().code == 0);
  temp_directory elsewhere;
  const fs::path own = tls_dir / "ca.pem";
  BOOST_TEST(
    run_perdura({"tls", "init", "--dir", elsewhere.path().string()}).code == 0);
  fs::copy_file(elsewhere.path() / "ca.pem", own,
                fs::copy_options::overwrite_existing);
  BOOST_TEST(!verifies("node-1", X509_PURPOSE_SSL_SERVER));
}

// The certificates of a new authority would not be trusted by nodes that use
// the existing certificates.
BOOST_AUTO_TEST_CASE(existing_files_are_not_overwritten) {
  BOOST_TEST(init().code == 0);
  const auto text = [&] {
    std::ifstream file(tls_dir / "node-3-key.pem");
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::string before = text();
  const outcome again = init();
  BOOST_TEST(again.code == 2);
  BOOST_TEST(again.out.empty());
  BOOST_TEST(again.err_contains((tls_dir / "ca.pem").string()
                                + " exists; nothing was created."));
  BOOST_TEST(text() == before);
  // If only some of the files exist, nothing is created either.
  fs::remove(tls_dir / "ca.pem");
  fs::remove(tls_dir / "ca-key.pem");
  BOOST_TEST(init().code == 2);
  BOOST_TEST(!fs::exists(tls_dir / "ca.pem"));
}

// The files that a killed command has left (finding S7).
BOOST_AUTO_TEST_CASE(interrupted_commands_say_what_to_remove) {
  BOOST_TEST(init().code == 0);
  std::vector<fs::path> all;
  for (const auto& entry : fs::directory_iterator(tls_dir))
    all.push_back(entry.path());
  std::sort(all.begin(), all.end());
  const auto add = [this](std::vector<std::string> words) {
    words.insert(words.begin(), {"tls", "add", "--dir", tls_dir.string()});
    return run_perdura(words);
  };
  BOOST_TEST(!init().err_contains("interrupted"));
  while (all.size() > 1) {
    fs::remove(all.back());
    all.pop_back();
    const outcome again = init();
    BOOST_TEST(again.code == 2);
    BOOST_TEST(again.err_contains("was interrupted, remove"), again.err);
    for (const fs::path& each : all)
      BOOST_TEST(again.err_contains(each.string()), again.err);
  }
  fs::remove(all.front());
  BOOST_TEST(init().code == 0);
  BOOST_TEST(add({"node-4"}).code == 0);
  for (const char* name : {"node-4.pem", "node-4-key.pem"}) {
    fs::remove(tls_dir / name);
    const outcome again = add({"node-4"});
    BOOST_TEST(again.err_contains("was interrupted. Remove"), again.err);
    for (const char* left : {"node-4.pem", "node-4-key.pem"})
      fs::remove(tls_dir / left);
    BOOST_TEST(add({"node-4"}).code == 0);
  }
}

BOOST_AUTO_TEST_CASE(invalid_arguments_are_reported) {
  BOOST_TEST(init({"--nodes", "A"}).err_contains("not a valid node name"));
  BOOST_TEST(init({"--nodes", "a,a"}).err_contains("twice"));
  BOOST_TEST(init({"--nodes", "ca"}).err_contains("may not be called \"ca\""));
  BOOST_TEST(init({"--host", "a,URI:b"}).err_contains("\"URI:b\" is neither"));
  BOOST_TEST(init({"--host", "a b"}).err_contains("\"a b\" is neither"));
  BOOST_TEST(init({"--days", "0"}).code == 2);
  BOOST_TEST(!fs::exists(tls_dir));
  std::ofstream(tls_dir) << "a file";
  const outcome refused = init();
  BOOST_TEST(refused.code == 4);
  BOOST_TEST(refused.err_contains(tls_dir.string()));
}

BOOST_AUTO_TEST_SUITE_END()
