// SPDX-License-Identifier: Apache-2.0
#include "tests/support/certificate.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <memory>
#include <stdexcept>

namespace perdura::tests {

namespace {

template <class T, void (*Free)(T*)>
struct freed {
  void operator()(T* it) const {
    Free(it);
  }
};

using key_handle = std::unique_ptr<EVP_PKEY, freed<EVP_PKEY, EVP_PKEY_free>>;
using certificate_handle = std::unique_ptr<X509, freed<X509, X509_free>>;

void add_extension(X509* to, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, to, to, nullptr, nullptr, 0);
  X509_EXTENSION* made = X509V3_EXT_conf_nid(nullptr, &context, kind, value);
  if (made == nullptr || X509_add_ext(to, made, -1) != 1)
    throw std::runtime_error("no certificate extension");
  X509_EXTENSION_free(made);
}

/// Writes a file with mode 0600; `write` returns 1 on success, as OpenSSL does.
template <class Write>
void write_file(const std::filesystem::path& path, Write write) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr)
    throw std::runtime_error("cannot write " + path.string());
  const bool ok = write(file) == 1;
  std::fclose(file);
  if (!ok)
    throw std::runtime_error("cannot write " + path.string());
  std::filesystem::permissions(path, std::filesystem::perms(0600));
}

} // namespace

certificate_files certificate_in(const std::filesystem::path& directory) {
  return {directory / "node.pem", directory / "node.key"};
}

certificate_files make_certificate(const std::filesystem::path& directory) {
  const key_handle key(EVP_EC_gen("P-256"));
  const certificate_handle made(X509_new());
  X509* it = made.get();
  X509_set_version(it, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(it), 1);
  X509_gmtime_adj(X509_getm_notBefore(it), -60);
  X509_gmtime_adj(X509_getm_notAfter(it), 3600);
  X509_set_pubkey(it, key.get());
  X509_NAME* name = X509_get_subject_name(it);
  X509_NAME_add_entry_by_txt(
    name, "CN", MBSTRING_ASC,
    reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
  X509_set_issuer_name(it, name);
  add_extension(it, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(it, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
  if (X509_sign(it, key.get(), EVP_sha256()) == 0)
    throw std::runtime_error("no certificate");
  const certificate_files files{directory / "node.pem", directory / "node.key"};
  write_file(files.certificate,
             [&](std::FILE* file) { return PEM_write_X509(file, it); });
  write_file(files.key, [&](std::FILE* file) {
    return PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr,
                                nullptr);
  });
  return files;
}

} // namespace perdura::tests
