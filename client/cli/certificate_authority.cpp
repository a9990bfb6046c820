// SPDX-License-Identifier: Apache-2.0
#include "client/cli/certificate_authority.hpp"

#include "client/http/ip_address.hpp"
#include "persistence/records/text.hpp"

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <ctime>

namespace perdura::client {

using persistence::errc;
using persistence::error;
using persistence::result;

// The class certificate_authority::parts has members of these types, so they
// are not in an unnamed namespace.
namespace certificate_detail {

/// Frees an object of OpenSSL; the handles below own one object each.
template <class T, void (*Free)(T*)>
struct openssl_deleter {
  void operator()(T* pointer) const {
    Free(pointer);
  }
};

/// openssl_deleter needs a function without a result, but BIO_free returns a
/// number.
inline void free_bio(BIO* pointer) {
  BIO_free(pointer);
}

using key_handle
  = std::unique_ptr<EVP_PKEY, openssl_deleter<EVP_PKEY, EVP_PKEY_free>>;
using certificate_handle
  = std::unique_ptr<X509, openssl_deleter<X509, X509_free>>;
using number_handle = std::unique_ptr<BIGNUM, openssl_deleter<BIGNUM, BN_free>>;
using time_handle
  = std::unique_ptr<ASN1_TIME, openssl_deleter<ASN1_TIME, ASN1_STRING_free>>;
using bio_handle = std::unique_ptr<BIO, openssl_deleter<BIO, free_bio>>;
using names_handle
  = std::unique_ptr<GENERAL_NAMES,
                    openssl_deleter<GENERAL_NAMES, GENERAL_NAMES_free>>;
using extension_handle
  = std::unique_ptr<X509_EXTENSION,
                    openssl_deleter<X509_EXTENSION, X509_EXTENSION_free>>;

} // namespace certificate_detail

namespace {

using namespace certificate_detail;

// The clock of another machine may be behind by up to this time.
constexpr long clock_skew_seconds = 5 * 60;

/// An error with the reason that OpenSSL gave, if any. Clears OpenSSL's error
/// queue of this thread.
error failed(const std::string& what) {
  const unsigned long code = ERR_get_error();
  const char* reason = ERR_reason_error_string(code);
  ERR_clear_error();
  return {errc::internal,
          "The " + what + " could not be created"
            + (reason == nullptr ? "" : std::string(" (") + reason + ')')
            + '.'};
}

/// A certificate extension in OpenSSL's text form, e.g. "critical,CA:FALSE".
struct extension {
  int kind; ///< A constant NID_….
  std::string value;
};

/// Adds an extension. Returns false if OpenSSL failed. OpenSSL needs the
/// certificate and the issuer's certificate, because it computes key
/// identifiers from their keys.
bool add(X509* to, X509* issuer, const extension& wanted) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
  const extension_handle made(
    X509V3_EXT_conf_nid(nullptr, &context, wanted.kind, wanted.value.c_str()));
  return made != nullptr && X509_add_ext(to, made.get(), -1) == 1;
}

/// Sets a random serial number of 127 bits.
/// @source RFC 5280, 4.1.2.2: positive and at most 20 bytes long.
bool set_serial(X509* of) {
  const number_handle number(BN_new());
  return number != nullptr
         && BN_rand(number.get(), 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1
         && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(of))
              != nullptr;
}

/// Sets the common name (CN) of the subject. Returns false if OpenSSL failed.
bool set_name(X509* of, const std::string& name) {
  return X509_NAME_add_entry_by_txt(
           X509_get_subject_name(of), "CN", MBSTRING_UTF8,
           reinterpret_cast<const unsigned char*>(name.data()),
           static_cast<int>(name.size()), -1, 0)
         == 1;
}

/// A certificate without validity period, extensions and signature. Null if
/// OpenSSL failed.
certificate_handle unsigned_certificate(const std::string& name,
                                        EVP_PKEY* key) {
  certificate_handle made(X509_new());
  X509* certificate = made.get();
  const bool ok = certificate != nullptr
                  && X509_set_version(certificate, X509_VERSION_3) == 1
                  && set_serial(certificate) && set_name(certificate, name)
                  && X509_set_pubkey(certificate, key) == 1;
  return ok ? std::move(made) : nullptr;
}

/// Adds the extensions and signs the certificate with the issuer's key. The
/// signature covers all fields of the certificate, so no field may be set
/// later.
bool sign(X509* certificate, X509* issuer, EVP_PKEY* key,
          const std::vector<extension>& extensions) {
  return X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1
         && std::all_of(extensions.begin(), extensions.end(),
                        [&](const extension& each) {
                          return add(certificate, issuer, each);
                        })
         && X509_sign(certificate, key, EVP_sha256()) != 0;
}

/// Returns the PEM text that `write` produces; empty if `write` failed. `write`
/// calls a PEM_write_bio_… function and returns its result.
template <class Write>
std::string pem_of(Write write) {
  const bio_handle memory(BIO_new(BIO_s_mem()));
  if (memory == nullptr || write(memory.get()) != 1)
    return {};
  char* text = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

/// The certificate and the key as PEM text. The key is not encrypted.
result<certificate_pair> pem_pair_of(X509* certificate, EVP_PKEY* key) {
  certificate_pair out;
  out.certificate
    = pem_of([&](BIO* to) { return PEM_write_bio_X509(to, certificate); });
  out.key = pem_of([&](BIO* to) {
    return PEM_write_bio_PrivateKey(to, key, nullptr, nullptr, 0, nullptr,
                                    nullptr);
  });
  if (out.certificate.empty() || out.key.empty())
    return failed("certificate");
  return out;
}

/// Reads a certificate from PEM text. Null if the text is not valid.
certificate_handle read_pem_certificate(const std::string& text) {
  const bio_handle memory(
    BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  return certificate_handle(
    memory == nullptr
      ? nullptr
      : PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr));
}

/// Reads a private key from PEM text. Null if the text is not valid.
key_handle read_pem_key(const std::string& text) {
  const bio_handle memory(
    BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  return key_handle(
    memory == nullptr
      ? nullptr
      : PEM_read_bio_PrivateKey(memory.get(), nullptr, nullptr, nullptr));
}

/// The common name of a certificate; empty if it has none.
std::string name_of(X509* certificate) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  const ASN1_STRING* name
    = at < 0 ? nullptr
             : X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
  if (name == nullptr)
    return {};
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(name)),
          static_cast<std::size_t>(ASN1_STRING_length(name))};
}

/// The text of a numeric address in a certificate, e.g. "10.0.0.1". Empty if it
/// has another size than an address.
std::string address_text(const ASN1_OCTET_STRING* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int size = ASN1_STRING_length(address);
  const int family = size == 4 ? AF_INET : AF_INET6;
  if (size != 4 && size != 16)
    return {};
  if (::inet_ntop(family, ASN1_STRING_get0_data(address), text.data(),
                  static_cast<socklen_t>(text.size()))
      == nullptr)
    return {};
  return text.data();
}

/// The host names and numeric addresses for which a certificate is valid.
std::vector<std::string> hosts_of(X509* certificate) {
  std::vector<std::string> hosts;
  const names_handle all(static_cast<GENERAL_NAMES*>(
    X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; all != nullptr && i < sk_GENERAL_NAME_num(all.get()); ++i) {
    const GENERAL_NAME* one = sk_GENERAL_NAME_value(all.get(), i);
    if (one->type == GEN_DNS)
      hosts.emplace_back(
        reinterpret_cast<const char*>(ASN1_STRING_get0_data(one->d.dNSName)),
        static_cast<std::size_t>(ASN1_STRING_length(one->d.dNSName)));
    else if (one->type == GEN_IPADD)
      hosts.push_back(address_text(one->d.iPAddress));
  }
  return hosts;
}

/// True if the text holds only characters of host names. Other characters, such
/// as a comma or a colon, are syntax in OpenSSL's text for alternative names.
/// @source RFC 1035, 2.3.4: a name has at most 255 bytes on the wire, which are
///         253 characters as text.
bool is_host_name(const std::string& text) {
  return !text.empty() && text.size() <= 253
         && std::all_of(text.begin(), text.end(), [](char c) {
              return persistence::is_letter_or_digit(c) || c == '-' || c == '_'
                     || c == '.';
            });
}

/// OpenSSL's text form of the alternative names, e.g. "DNS:node-1,IP:10.0.0.1".
result<std::string> alternative_names(const std::vector<std::string>& hosts) {
  std::string all;
  for (const std::string& host : hosts) {
    const bool is_numeric = is_address(host);
    if (!is_numeric && !is_host_name(host))
      return error{errc::invalid_argument,
                   "\"" + host
                     + "\" is neither a host name nor a numeric address."};
    all += (all.empty() ? "" : ",") + std::string(is_numeric ? "IP:" : "DNS:")
           + host;
  }
  return all;
}

} // namespace

struct certificate_authority::parts {
  certificate_detail::key_handle key;
  certificate_detail::certificate_handle certificate;
  certificate_detail::time_handle until; ///< End of the certificates it signs.
  certificate_pair pem;

  /// Creates a certificate for a key.
  result<certificate_pair> sign_for(EVP_PKEY* subject, const std::string& name,
                                    const std::vector<std::string>& hosts,
                                    certificate_role role) const {
    auto names = alternative_names(hosts);
    if (!names)
      return names.error();
    const certificate_handle made = unsigned_certificate(name, subject);
    X509* to = made.get();
    std::vector<extension> extensions{
      {NID_basic_constraints, "critical,CA:FALSE"},
      {NID_key_usage, "critical,digitalSignature"},
      {NID_ext_key_usage,
       role == certificate_role::node ? "serverAuth,clientAuth" : "clientAuth"},
      {NID_subject_key_identifier, "hash"},
      {NID_authority_key_identifier, "keyid:always"}};
    if (!names->empty())
      extensions.push_back({NID_subject_alt_name, *names});
    if (to == nullptr
        || X509_gmtime_adj(X509_getm_notBefore(to), -clock_skew_seconds)
             == nullptr
        || X509_set1_notAfter(to, until.get()) != 1
        || !sign(to, certificate.get(), key.get(), extensions))
      return failed("certificate for \"" + name + "\"");
    return pem_pair_of(to, subject);
  }
};

certificate_authority::certificate_authority(std::unique_ptr<parts> made)
  : parts_(std::move(made)) {}

certificate_authority::~certificate_authority() = default;
certificate_authority::certificate_authority(
  certificate_authority&&) noexcept = default;
certificate_authority&
certificate_authority::operator=(certificate_authority&&) noexcept = default;

result<certificate_authority> certificate_authority::make(int days) {
  ERR_clear_error();
  auto made = std::make_unique<parts>();
  made->key.reset(EVP_EC_gen("P-256"));
  if (made->key == nullptr)
    return failed("key");
  // The authority signs its own certificate. pathlen:0 means that it cannot
  // sign certificates of further authorities.
  made->certificate
    = unsigned_certificate("Perdura cluster authority", made->key.get());
  X509* certificate = made->certificate.get();
  if (certificate == nullptr
      || X509_gmtime_adj(X509_getm_notBefore(certificate), -clock_skew_seconds)
           == nullptr
      || X509_time_adj_ex(X509_getm_notAfter(certificate), days, 0, nullptr)
           == nullptr
      || !sign(certificate, certificate, made->key.get(),
               {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                {NID_key_usage, "critical,keyCertSign,cRLSign"},
                {NID_subject_key_identifier, "hash"}}))
    return failed("certificate");
  auto pem = pem_pair_of(certificate, made->key.get());
  if (!pem)
    return pem.error();
  made->pem = std::move(*pem);
  made->until.reset(ASN1_STRING_dup(X509_get0_notAfter(certificate)));
  return certificate_authority(std::move(made));
}

result<certificate_authority>
certificate_authority::load(const certificate_pair& pem, int days) {
  ERR_clear_error();
  auto made = std::make_unique<parts>();
  made->pem = pem;
  made->certificate = read_pem_certificate(pem.certificate);
  made->key = read_pem_key(pem.key);
  X509* certificate = made->certificate.get();
  const bool fits = certificate != nullptr && made->key != nullptr
                    && X509_check_private_key(certificate, made->key.get()) == 1
                    && X509_check_ca(certificate) > 0;
  ERR_clear_error();
  if (!fits)
    return error{errc::invalid_argument,
                 "These files are not a certificate authority and its key."};
  const ASN1_TIME* end = X509_get0_notAfter(certificate);
  if (X509_cmp_current_time(end) <= 0)
    return error{errc::invalid_argument,
                 "The certificate authority is not valid any more. Create a "
                 "new one with \"perdura tls init\"."};
  made->until.reset(X509_time_adj_ex(nullptr, days, 0, nullptr));
  if (made->until == nullptr)
    return failed("certificate");
  if (ASN1_TIME_compare(made->until.get(), end) > 0)
    made->until.reset(ASN1_STRING_dup(end));
  return certificate_authority(std::move(made));
}

const certificate_pair& certificate_authority::authority_pair() const {
  return parts_->pem;
}

std::string certificate_authority::valid_until() const {
  // strftime overwrites the initial text, which has the length of every date in
  // this form. ASN.1 times are in UTC.
  std::tm time{};
  std::string text = "2000-01-01";
  if (ASN1_TIME_to_tm(parts_->until.get(), &time) == 1)
    text.resize(std::strftime(text.data(), text.size() + 1, "%Y-%m-%d", &time));
  return text;
}

result<certificate_pair>
certificate_authority::issue(const std::string& name,
                             const std::vector<std::string>& hosts,
                             certificate_role role) const {
  ERR_clear_error();
  const key_handle key(EVP_EC_gen("P-256"));
  if (key == nullptr)
    return failed("key");
  return parts_->sign_for(key.get(), name, hosts, role);
}

result<certificate_pair>
certificate_authority::renew(const certificate_pair& old) const {
  ERR_clear_error();
  const certificate_handle before = read_pem_certificate(old.certificate);
  const key_handle key = read_pem_key(old.key);
  const bool fits
    = before != nullptr && key != nullptr
      && X509_check_private_key(before.get(), key.get()) == 1
      && X509_check_issued(parts_->certificate.get(), before.get()) == X509_V_OK
      && X509_verify(before.get(), parts_->key.get()) == 1;
  ERR_clear_error();
  if (!fits)
    return error{errc::invalid_argument,
                 "The files are not a certificate of this authority and its "
                 "key."};
  const std::string name = name_of(before.get());
  const bool is_node
    = name != "client"
      && X509_check_purpose(before.get(), X509_PURPOSE_SSL_SERVER, 0) == 1;
  return parts_->sign_for(key.get(), name, hosts_of(before.get()),
                          is_node ? certificate_role::node
                                  : certificate_role::client);
}

} // namespace perdura::client
