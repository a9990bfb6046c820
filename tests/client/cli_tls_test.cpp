#include "tests/client/command_line_runner.hpp"
#include "tests/support/temp_directory.hpp"

#include <boost/test/unit_test.hpp>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

using namespace perdura::tests;
namespace fs = std::filesystem;

namespace {

template <class T>
using handle = std::shared_ptr<T>;

struct tls_fixture {
  outcome make(std::vector<std::string> words = {}) {
    words.insert(words.begin(), {"tls", "init", "--dir", where.string()});
    return run_perdura(words);
  }

  template <class Read>
  auto read(const std::string& name, Read how) {
    std::FILE* file = std::fopen((where / name).c_str(), "r");
    BOOST_REQUIRE_MESSAGE(file != nullptr, name);
    auto* made = how(file);
    std::fclose(file);
    BOOST_REQUIRE_MESSAGE(made != nullptr, name);
    return made;
  }

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

  /// As the other end of a connection judges it.
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
  fs::path where = directory.path() / "tls";
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(cli_tls, tls_fixture)

BOOST_AUTO_TEST_CASE(init_makes_what_nodes_know_each_other_by) {
  const outcome made = make({"--nodes", "node-1,node-2", "--host",
                             "ship.example", "--host", "10.0.0.1"});
  BOOST_TEST(made.code == 0);
  BOOST_TEST(made.err.empty());
  BOOST_TEST(made.says(
    "[cluster.tls]\ncertificate_file = \"" + (where / "node-1.pem").string()
    + "\"\nkey_file = \"" + (where / "node-1-key.pem").string()
    + "\"\nca_file = \"" + (where / "ca.pem").string() + "\"\n"));
  BOOST_TEST((mode(where) == fs::perms(0700)));
  for (const std::string name : {"ca", "node-1", "node-2", "client"}) {
    BOOST_TEST((mode(where / (name + "-key.pem")) == fs::perms(0600)), name);
    BOOST_TEST(X509_check_private_key(certificate(name + ".pem").get(),
                                      key(name + "-key.pem").get())
                 == 1,
               name);
  }
  for (const std::string name : {"node-1", "node-2", "client"}) {
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

BOOST_AUTO_TEST_CASE(another_authority_is_not_believed) {
  BOOST_TEST(make().code == 0);
  temp_directory elsewhere;
  const fs::path own = where / "ca.pem";
  BOOST_TEST(
    run_perdura({"tls", "init", "--dir", elsewhere.path().string()}).code == 0);
  fs::copy_file(elsewhere.path() / "ca.pem", own,
                fs::copy_options::overwrite_existing);
  BOOST_TEST(!verifies("node-1", X509_PURPOSE_SSL_SERVER));
}

BOOST_AUTO_TEST_CASE(nothing_that_is_there_is_written_over) {
  BOOST_TEST(make().code == 0);
  const auto text = [&] {
    std::ifstream file(where / "node-3-key.pem");
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::string before = text();
  const outcome again = make();
  BOOST_TEST(again.code == 2);
  BOOST_TEST(again.out.empty());
  BOOST_TEST(again.complains((where / "ca.pem").string()
                             + " is there already, and nothing was made."));
  BOOST_TEST(text() == before);
  // Also if only a part of it is there.
  fs::remove(where / "ca.pem");
  fs::remove(where / "ca-key.pem");
  BOOST_TEST(make().code == 2);
  BOOST_TEST(!fs::exists(where / "ca.pem"));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_is_a_sentence) {
  BOOST_TEST(make({"--nodes", "A"}).complains("no name for a node"));
  BOOST_TEST(make({"--nodes", "a,a"}).complains("twice"));
  BOOST_TEST(make({"--nodes", "ca"}).complains("may not be called \"ca\""));
  BOOST_TEST(make({"--host", "a,URI:b"}).complains("\"URI:b\" is neither"));
  BOOST_TEST(make({"--host", "a b"}).complains("\"a b\" is neither"));
  BOOST_TEST(make({"--days", "0"}).code == 2);
  BOOST_TEST(!fs::exists(where));
  std::ofstream(where) << "a file";
  const outcome refused = make();
  BOOST_TEST(refused.code == 4);
  BOOST_TEST(refused.complains(where.string()));
}

BOOST_AUTO_TEST_SUITE_END()
