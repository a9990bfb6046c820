#include "client/cli/certificate_authority.hpp"

#include "client/http/ip_address.hpp"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>

namespace perdura::client {

using persistence::errc;
using persistence::error;
using persistence::result;

namespace {

template <class T, void (*Free)(T*)>
struct freed {
  void operator()(T* it) const {
    Free(it);
  }
};

void free_bio(BIO* it) {
  BIO_free(it);
}

using key_handle = std::unique_ptr<EVP_PKEY, freed<EVP_PKEY, EVP_PKEY_free>>;
using certificate_handle = std::unique_ptr<X509, freed<X509, X509_free>>;
using number_handle = std::unique_ptr<BIGNUM, freed<BIGNUM, BN_free>>;
using bio_handle = std::unique_ptr<BIO, freed<BIO, free_bio>>;
using extension_handle
  = std::unique_ptr<X509_EXTENSION, freed<X509_EXTENSION, X509_EXTENSION_free>>;

// Clocks of machines differ.
constexpr long early_seconds = 5 * 60;

error failed(const std::string& what) {
  const unsigned long code = ERR_get_error();
  const char* reason = ERR_reason_error_string(code);
  ERR_clear_error();
  return {errc::internal,
          "No " + what + " could be made"
            + (reason == nullptr ? "" : std::string(" (") + reason + ')')
            + '.'};
}

struct extension {
  int kind;
  std::string value;
};

bool add(X509* to, X509* issuer, const extension& wanted) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
  const extension_handle made(
    X509V3_EXT_conf_nid(nullptr, &context, wanted.kind, wanted.value.c_str()));
  return made != nullptr && X509_add_ext(to, made.get(), -1) == 1;
}

/// RFC 5280, 4.1.2.2: positive, at most 20 bytes; nobody may guess it.
bool set_serial(X509* of) {
  const number_handle number(BN_new());
  return number != nullptr
         && BN_rand(number.get(), 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1
         && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(of))
              != nullptr;
}

bool set_name(X509* of, const std::string& name) {
  return X509_NAME_add_entry_by_txt(
           X509_get_subject_name(of), "CN", MBSTRING_UTF8,
           reinterpret_cast<const unsigned char*>(name.data()),
           static_cast<int>(name.size()), -1, 0)
         == 1;
}

/// Everything but its times and its signature.
certificate_handle draft(const std::string& name, EVP_PKEY* key) {
  certificate_handle made(X509_new());
  X509* it = made.get();
  const bool ok = it != nullptr && X509_set_version(it, X509_VERSION_3) == 1
                  && set_serial(it) && set_name(it, name)
                  && X509_set_pubkey(it, key) == 1;
  return ok ? std::move(made) : nullptr;
}

bool sign(X509* it, X509* issuer, EVP_PKEY* key,
          const std::vector<extension>& extensions) {
  return X509_set_issuer_name(it, X509_get_subject_name(issuer)) == 1
         && std::all_of(
           extensions.begin(), extensions.end(),
           [&](const extension& each) { return add(it, issuer, each); })
         && X509_sign(it, key, EVP_sha256()) != 0;
}

template <class Write>
std::string pem_of(Write write) {
  const bio_handle memory(BIO_new(BIO_s_mem()));
  if (memory == nullptr || write(memory.get()) != 1)
    return {};
  char* text = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

result<certificate_pair> written(X509* certificate, EVP_PKEY* key) {
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

/// What a commas-and-colons text of OpenSSL may hold without meaning more.
bool is_host_name(const std::string& text) {
  return !text.empty() && text.size() <= 253
         && std::all_of(text.begin(), text.end(), [](char c) {
              return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
                     || (c >= '0' && c <= '9') || c == '-' || c == '_'
                     || c == '.';
            });
}

result<std::string> alternative_names(const std::vector<std::string>& hosts) {
  std::string all;
  for (const std::string& host : hosts) {
    const bool is_numeric = is_address(host);
    if (!is_numeric && !is_host_name(host))
      return error{errc::invalid_argument,
                   "\"" + host
                     + "\" is neither a host's name nor a numeric address."};
    all += (all.empty() ? "" : ",") + std::string(is_numeric ? "IP:" : "DNS:")
           + host;
  }
  return all;
}

} // namespace

struct certificate_authority::parts {
  key_handle key;
  certificate_handle certificate;
  certificate_pair pem;
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
  made->certificate = draft("Perdura cluster authority", made->key.get());
  X509* it = made->certificate.get();
  if (it == nullptr
      || X509_gmtime_adj(X509_getm_notBefore(it), -early_seconds) == nullptr
      || X509_time_adj_ex(X509_getm_notAfter(it), days, 0, nullptr) == nullptr
      || !sign(it, it, made->key.get(),
               {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                {NID_key_usage, "critical,keyCertSign,cRLSign"},
                {NID_subject_key_identifier, "hash"}}))
    return failed("certificate");
  auto pem = written(it, made->key.get());
  if (!pem)
    return pem.error();
  made->pem = std::move(*pem);
  return certificate_authority(std::move(made));
}

const certificate_pair& certificate_authority::own() const {
  return parts_->pem;
}

std::string certificate_authority::good_until() const {
  std::tm time{};
  std::string text = "2000-01-01";
  if (ASN1_TIME_to_tm(X509_get0_notAfter(parts_->certificate.get()), &time)
      == 1)
    text.resize(std::strftime(text.data(), text.size() + 1, "%Y-%m-%d", &time));
  return text;
}

result<certificate_pair>
certificate_authority::issue(const std::string& name,
                             const std::vector<std::string>& hosts) const {
  ERR_clear_error();
  auto names = alternative_names(hosts);
  if (!names)
    return names.error();
  const key_handle key(EVP_EC_gen("P-256"));
  if (key == nullptr)
    return failed("key");
  const certificate_handle made = draft(name, key.get());
  X509* it = made.get();
  X509* issuer = parts_->certificate.get();
  std::vector<extension> extensions{
    {NID_basic_constraints, "critical,CA:FALSE"},
    {NID_key_usage, "critical,digitalSignature"},
    {NID_ext_key_usage, "serverAuth,clientAuth"},
    {NID_subject_key_identifier, "hash"},
    {NID_authority_key_identifier, "keyid:always"}};
  if (!names->empty())
    extensions.push_back({NID_subject_alt_name, *names});
  if (it == nullptr || X509_set1_notBefore(it, X509_get0_notBefore(issuer)) != 1
      || X509_set1_notAfter(it, X509_get0_notAfter(issuer)) != 1
      || !sign(it, issuer, parts_->key.get(), extensions))
    return failed("certificate for \"" + name + "\"");
  return written(it, key.get());
}

} // namespace perdura::client
