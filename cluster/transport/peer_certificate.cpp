// SPDX-License-Identifier: Apache-2.0
#include "cluster/transport/peer_certificate.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>

namespace perdura::cluster {

using persistence::errc;
using persistence::error;
using persistence::result;

namespace {

/// Frees an object of OpenSSL.
template <class T, auto Free>
struct freed_by {
  void operator()(T* object) const {
    Free(object);
  }
};

using file_handle = std::unique_ptr<BIO, freed_by<BIO, BIO_free_all>>;
using x509_handle = std::unique_ptr<X509, freed_by<X509, X509_free>>;
using pkey_handle
  = std::unique_ptr<EVP_PKEY, freed_by<EVP_PKEY, EVP_PKEY_free>>;
using names_handle
  = std::unique_ptr<GENERAL_NAMES, freed_by<GENERAL_NAMES, GENERAL_NAMES_free>>;

std::string text_of(const ASN1_STRING* from) {
  unsigned char* bytes = nullptr;
  const int size = ASN1_STRING_to_UTF8(&bytes, from);
  if (size < 0)
    return {};
  std::string text(reinterpret_cast<char*>(bytes),
                   static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  return text;
}

std::vector<std::string> common_names(X509* of) {
  std::vector<std::string> names;
  const X509_NAME* subject = X509_get_subject_name(of);
  for (int at = -1;
       (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;)
    names.push_back(
      text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))));
  return names;
}

std::vector<std::string> dns_names(X509* of) {
  std::vector<std::string> names;
  const names_handle all(static_cast<GENERAL_NAMES*>(
    X509_get_ext_d2i(of, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; all != nullptr && i < sk_GENERAL_NAME_num(all.get()); ++i) {
    const GENERAL_NAME* one = sk_GENERAL_NAME_value(all.get(), i);
    if (one->type == GEN_DNS)
      names.push_back(text_of(one->d.dNSName));
  }
  return names;
}

bool names_node(const peer_certificate& certificate, const std::string& node) {
  return std::find(certificate.names.begin(), certificate.names.end(), node)
         != certificate.names.end();
}

std::string shown_names(const peer_certificate& certificate) {
  std::string all;
  for (const std::string& name : certificate.names)
    all += (all.empty() ? "\"" : ", \"") + name + '"';
  return all.empty() ? "no name" : all;
}

/// The way in which an operator gets the right certificate for a node.
std::string advice(const std::string& node) {
  return "Create a certificate for this node with \"perdura tls add " + node
         + "\" in the directory of the certificate authority, and set "
           "cluster.tls.certificate_file and cluster.tls.key_file of "
         + node + " to its files.";
}

/// The date of a certificate, e.g. "Nov 29 10:00:00 2026 GMT".
std::string date_of(const ASN1_TIME* time) {
  const file_handle memory(BIO_new(BIO_s_mem()));
  if (memory == nullptr || ASN1_TIME_print(memory.get(), time) != 1)
    return "an unknown date";
  char* text = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

} // namespace

peer_certificate read_certificate(x509_st* from) {
  peer_certificate read;
  read.names = common_names(from);
  if (read.names.empty())
    read.names = dns_names(from);
  read.may_serve = X509_check_purpose(from, X509_PURPOSE_SSL_SERVER, 0) == 1;
  ERR_clear_error();
  return read;
}

result<void> check_certificate(const peer_certificate& has,
                               const peer_hello& hello) {
  if (hello.node.empty())
    return {}; // a client: the TLS handshake has checked the rest
  if (!names_node(has, hello.node))
    return error{errc::forbidden, "A process that introduces itself as node \""
                                    + hello.node + "\" has a certificate for "
                                    + shown_names(has) + ". "
                                    + advice(hello.node)};
  if (!has.may_serve)
    return error{errc::forbidden, "A process that introduces itself as node \""
                                    + hello.node
                                    + "\" has a certificate for clients only. "
                                    + advice(hello.node)};
  return {};
}

result<void> check_own_certificate(const cluster_config& cluster) {
  const std::string file = cluster.certificate_file.string();
  const std::string what
    = "The certificate " + file + " (cluster.tls.certificate_file) ";
  ERR_clear_error();
  const file_handle bytes(BIO_new_file(file.c_str(), "r"));
  const x509_handle own(
    bytes ? PEM_read_bio_X509(bytes.get(), nullptr, nullptr, nullptr)
          : nullptr);
  ERR_clear_error();
  if (own == nullptr)
    return error{errc::invalid_argument, what + "is not a PEM certificate."};
  const file_handle key_bytes(
    BIO_new_file(cluster.key_file.string().c_str(), "r"));
  const pkey_handle key(key_bytes ? PEM_read_bio_PrivateKey(
                          key_bytes.get(), nullptr, nullptr, nullptr)
                                  : nullptr);
  const bool fits
    = key != nullptr && X509_check_private_key(own.get(), key.get()) == 1;
  ERR_clear_error();
  if (!fits)
    return error{errc::invalid_argument, what + "does not belong to the key "
                                           + cluster.key_file.string()
                                           + " (cluster.tls.key_file)."};
  const peer_certificate read = read_certificate(own.get());
  const std::string name = cluster.node.empty() && !read.names.empty()
                             ? read.names.front()
                             : cluster.node;
  const ASN1_TIME* from = X509_get0_notBefore(own.get());
  const ASN1_TIME* until = X509_get0_notAfter(own.get());
  if (X509_cmp_current_time(from) >= 0 || X509_cmp_current_time(until) <= 0)
    return error{errc::invalid_argument,
                 what + "is valid from " + date_of(from) + " to "
                   + date_of(until)
                   + ", and not now. Renew it with \"perdura tls renew " + name
                   + "\" in the directory of the certificate authority."};
  if (X509_check_purpose(own.get(), X509_PURPOSE_SSL_CLIENT, 0) != 1)
    return error{errc::invalid_argument,
                 what
                   + "is not valid for clients. Every process of a cluster "
                     "connects to others, so its certificate needs the "
                     "extended key usage \"client\"."};
  if (cluster.node.empty())
    return {};
  if (!names_node(read, cluster.node))
    return error{errc::invalid_argument,
                 what + "is one for " + shown_names(read)
                   + ", and this is node \"" + cluster.node
                   + "\": the other nodes would refuse it. "
                   + advice(cluster.node)};
  if (!read.may_serve)
    return error{errc::invalid_argument,
                 what + "is valid for clients only. " + advice(cluster.node)};
  return {};
}

} // namespace perdura::cluster
