// SPDX-License-Identifier: Apache-2.0
/// The templates behind codec.hpp. Include this header only to encode record
/// types that codec.hpp does not list, such as messages between nodes: it
/// includes msgpack.hpp, which adds two seconds to the compilation of a file.
#pragma once

#include "persistence/records/codec.hpp"

#include <msgpack.hpp>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>
#include <map>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace perdura::persistence::codec_engine {

// --- Kinds of fields ---------------------------------------------------------

template <class T>
struct is_time : std::false_type {};

template <class C, class D>
struct is_time<std::chrono::time_point<C, D>> : std::true_type {};

template <class T>
struct is_duration : std::false_type {};

template <class R, class P>
struct is_duration<std::chrono::duration<R, P>> : std::true_type {};

template <class T>
struct is_optional : std::false_type {};

template <class T>
struct is_optional<std::optional<T>> : std::true_type {};

template <class T>
struct is_vector : std::false_type {};

template <class T>
struct is_vector<std::vector<T>> : std::true_type {};

template <class T>
struct is_map : std::false_type {};

template <class K, class V>
struct is_map<std::map<K, V>> : std::true_type {};

template <class T>
struct is_pair : std::false_type {};

template <class A, class B>
struct is_pair<std::pair<A, B>> : std::true_type {};

template <class T>
struct is_variant : std::false_type {};

template <class... Ts>
struct is_variant<std::variant<Ts...>> : std::true_type {};

/// True if `number` may be converted to the enumeration E. A damaged or hostile
/// input can contain any number. For runtime_status, task_kind and
/// completion_status, only the numbers of their enumerators are accepted,
/// because callers use these values without a check, for example as indexes of
/// arrays. For any other enumeration, all numbers from 0 to the maximum of its
/// underlying type are accepted.
template <class E>
bool is_value_of(std::int64_t number) {
  if constexpr (std::is_same_v<E, runtime_status>)
    return number >= 0 && number <= 7;
  else if constexpr (std::is_same_v<E, task_kind>)
    return number >= 1 && number <= 5;
  else if constexpr (std::is_same_v<E, completion_status>)
    return number == 1 || number == 3;
  else
    return number >= 0
           && number <= static_cast<std::int64_t>(
                std::numeric_limits<std::underlying_type_t<E>>::max());
}

// --- Writing -----------------------------------------------------------------

/// The output stream that msgpack::packer requires. It collects the small
/// writes of the packer, most of which have one to nine bytes, in a block and
/// appends whole blocks to `out`; `flush` appends the rest. The destructor
/// appends nothing, because a failed allocation in it would end the process.
class appender {
public:
  explicit appender(std::string& out) : out_(out) {}

  appender(const appender&) = delete;
  appender& operator=(const appender&) = delete;

  void write(const char* data, std::size_t size) {
    if (size > sizeof(block_) - used_)
      return write_through(data, size);
    // Most writes have one byte, for which memcpy is a call that does not pay.
    if (size == 1)
      block_[used_] = *data;
    else
      std::memcpy(block_ + used_, data, size);
    used_ += size;
  }

  [[gnu::always_inline]] void write_byte(std::uint8_t byte) {
    if (used_ == sizeof(block_)) [[unlikely]]
      flush();
    block_[used_++] = static_cast<char>(byte);
  }

  void flush() {
    out_.append(block_, used_);
    used_ = 0;
  }

private:
  [[gnu::noinline]] void write_through(const char* data, std::size_t size) {
    flush();
    out_.append(data, size);
  }

  std::string& out_;
  std::size_t used_ = 0;
  char block_[512];
};

/// Encodes records. A writer is passed to `inspect` as its first argument.
/// `out` is complete after `finish`.
class writer {
public:
  explicit writer(std::string& out) : sink_(out), packer_(sink_) {}

  /// Writes a record as an array. Called by `inspect` with all fields.
  template <class... Ts>
  bool operator()(Ts&... fields) {
    put_array(sizeof...(fields));
    (put(fields), ...);
    return true;
  }

  /// Writes one field. Its C++ type determines the msgpack type.
  template <class T>
  void put(const T& x) {
    if constexpr (std::is_same_v<T, bool>) {
      sink_.write_byte(x ? true_byte : false_byte);
    } else if constexpr (std::is_enum_v<T>) {
      put_natural(static_cast<std::uint64_t>(x));
    } else if constexpr (std::is_unsigned_v<T>) {
      put_natural(x);
    } else if constexpr (std::is_integral_v<T>) {
      put_integer(x);
    } else if constexpr (std::is_same_v<T, std::string>) {
      if (x.size() < short_text_max)
        sink_.write_byte(static_cast<std::uint8_t>(text_byte | x.size()));
      else
        packer_.pack_str(checked_size(x.size()));
      sink_.write(x.data(), x.size());
    } else if constexpr (std::is_same_v<T, encoded_turn>) {
      packer_.pack_bin(checked_size(x.bytes.size()));
      packer_.pack_bin_body(x.bytes.data(),
                            static_cast<std::uint32_t>(x.bytes.size()));
    } else if constexpr (is_time<T>::value) {
      put_integer(x.time_since_epoch().count());
    } else if constexpr (is_duration<T>::value) {
      put_integer(x.count());
    } else if constexpr (is_optional<T>::value) {
      if (x)
        put(*x);
      else
        sink_.write_byte(nil_byte);
    } else if constexpr (is_vector<T>::value || is_map<T>::value) {
      put_array(checked_size(x.size()));
      for (const auto& item : x)
        put(item);
    } else if constexpr (is_pair<T>::value) {
      put_array(2);
      put(x.first);
      put(x.second);
    } else if constexpr (is_variant<T>::value) {
      put_array(2);
      put_natural(x.index());
      std::visit([this](const auto& body) { put(body); }, x);
    } else {
      // `inspect` takes a mutable record, because it serves readers too. The
      // writer does not change the record.
      inspect(*this, const_cast<T&>(x));
    }
  }

  /// Appends to `out` what was put and is not in it yet. Called last.
  void finish() {
    sink_.flush();
  }

private:
  // Most fields are small, and msgpack stores those in one byte, or in one byte
  // before the text. They are written here: the calls of the packer for them
  // took half of the time of encoding a turn. The packer writes all others.
  // Source: the MessagePack specification, "Formats".
  static constexpr std::uint8_t nil_byte = 0xc0;
  static constexpr std::uint8_t false_byte = 0xc2;
  static constexpr std::uint8_t true_byte = 0xc3;
  static constexpr std::uint8_t text_byte = 0xa0;
  static constexpr std::uint8_t array_byte = 0x90;
  static constexpr std::uint64_t one_byte_max = 0x80; ///< Numbers below it.
  static constexpr std::size_t short_text_max = 32;   ///< Texts below it.
  static constexpr std::size_t short_array_max = 16;  ///< Arrays below it.

  [[gnu::always_inline]] void put_natural(std::uint64_t x) {
    if (x < one_byte_max)
      sink_.write_byte(static_cast<std::uint8_t>(x));
    else
      packer_.pack_uint64(x);
  }

  [[gnu::always_inline]] void put_integer(std::int64_t x) {
    if (x >= 0 && x < static_cast<std::int64_t>(one_byte_max))
      sink_.write_byte(static_cast<std::uint8_t>(x));
    else
      packer_.pack_int64(x);
  }

  [[gnu::always_inline]] void put_array(std::size_t size) {
    if (size < short_array_max)
      sink_.write_byte(static_cast<std::uint8_t>(array_byte | size));
    else
      packer_.pack_array(static_cast<std::uint32_t>(size));
  }

  /// Returns the size as msgpack stores it.
  /// @throws std::length_error The size does not fit into 32 bits.
  static std::uint32_t checked_size(std::size_t size) {
    if (size > std::numeric_limits<std::uint32_t>::max())
      throw std::length_error("a field above 4 GiB cannot be written");
    return static_cast<std::uint32_t>(size);
  }

  appender sink_;
  msgpack::packer<appender> packer_;
};

// --- Reading -----------------------------------------------------------------

// Decoding has two steps. The tokenizer checks that the bytes are msgpack and
// lists the values in it; the reader then fills a record from the list.

/// The msgpack types that the writer produces.
enum class token_kind : std::uint8_t {
  nil,
  boolean,
  natural,
  negative,
  text,
  binary,
  array,
};

/// One value in the input, or the beginning of an array.
struct token {
  token_kind kind = token_kind::nil;
  /// The size in bytes of text or binary data, the number of elements of an
  /// array, or the value of any other token.
  std::uint64_t number = 0;
  /// For text and binary data: the bytes in the input. Otherwise null.
  const char* data = nullptr;
};

/// Converts bytes to a flat list of tokens. Each token stands for at least one
/// byte of the input, so false sizes in a damaged input cannot make the list
/// longer than the input. The functions return false to stop the parser.
struct tokenizer : msgpack::null_visitor {
  std::vector<token> tokens;
  std::size_t depth = 0; ///< Number of arrays that are open.
  std::size_t tokens_max = std::numeric_limits<std::size_t>::max();

  bool add(token_kind kind, std::uint64_t number, const char* data = nullptr) {
    if (tokens.size() == tokens_max)
      return false;
    tokens.push_back({kind, number, data});
    return true;
  }

  bool visit_nil() {
    return add(token_kind::nil, 0);
  }

  bool visit_boolean(bool v) {
    return add(token_kind::boolean, v ? 1 : 0);
  }

  bool visit_positive_integer(std::uint64_t v) {
    return add(token_kind::natural, v);
  }

  bool visit_negative_integer(std::int64_t v) {
    return add(token_kind::negative, static_cast<std::uint64_t>(v));
  }

  bool visit_str(const char* v, std::uint32_t size) {
    return add(token_kind::text, size, v);
  }

  bool visit_bin(const char* v, std::uint32_t size) {
    return add(token_kind::binary, size, v);
  }

  bool start_array(std::uint32_t size) {
    return ++depth <= codec_depth_max && add(token_kind::array, size);
  }

  bool end_array() {
    --depth;
    return true;
  }

  // The writer produces none of the following types.
  bool visit_float32(float) {
    return false;
  }

  bool visit_float64(double) {
    return false;
  }

  bool visit_ext(const char*, std::uint32_t) {
    return false;
  }

  bool start_map(std::uint32_t) {
    return false;
  }
};

/// Fills records from tokens. A reader is passed to `inspect` as its first
/// argument. After the first mismatch the content of the record is undefined
/// and `complete` returns false.
class reader {
public:
  explicit reader(const std::vector<token>& tokens)
    : next_(tokens.data()), end_(tokens.data() + tokens.size()) {}

  /// Reads an array into the fields of a record. Called by `inspect` with all
  /// fields. Fields that the array does not have keep their values; elements
  /// beyond the last field are skipped.
  template <class... Ts>
  bool operator()(Ts&... fields) {
    std::uint64_t left = expect_array();
    (get_field(fields, left), ...);
    for (; left > 0 && !failed_; --left)
      skip();
    return !failed_;
  }

  /// Reads one field. A number that does not fit into the type of the field is
  /// a mismatch.
  template <class T>
  void get(T& x) {
    if (failed_)
      return;
    if constexpr (std::is_same_v<T, bool>) {
      x = expect(token_kind::boolean).number != 0;
    } else if constexpr (std::is_enum_v<T>) {
      const std::uint64_t number = expect(token_kind::natural).number;
      if (number > static_cast<std::uint64_t>(
            std::numeric_limits<std::int64_t>::max())
          || !is_value_of<T>(static_cast<std::int64_t>(number)))
        fail();
      else
        x = static_cast<T>(number);
    } else if constexpr (std::is_unsigned_v<T>) {
      const std::uint64_t number = expect(token_kind::natural).number;
      if (number > std::numeric_limits<T>::max())
        fail();
      else
        x = static_cast<T>(number);
    } else if constexpr (std::is_same_v<T, std::string>) {
      const token t = expect(token_kind::text);
      x.assign(t.data ? t.data : "", t.data ? t.number : 0);
    } else if constexpr (std::is_same_v<T, encoded_turn>) {
      const token t = expect(token_kind::binary);
      x.bytes.assign(t.data ? t.data : "", t.data ? t.number : 0);
    } else if constexpr (is_time<T>::value) {
      x = T(typename T::duration(expect_signed()));
    } else if constexpr (is_duration<T>::value) {
      x = T(expect_signed());
    } else if constexpr (is_optional<T>::value) {
      if (next_ != end_ && next_->kind == token_kind::nil) {
        ++next_;
        x.reset();
      } else {
        get(x.emplace());
      }
    } else if constexpr (is_vector<T>::value) {
      const std::uint64_t size = expect_array();
      x.clear();
      // The input may be damaged, so `size` may be far too large. Therefore
      // space for at most 64 elements is reserved; the list grows as elements
      // are read.
      x.reserve(std::min<std::uint64_t>(size, 64));
      for (std::uint64_t i = 0; i < size && !failed_; ++i)
        get(x.emplace_back());
    } else if constexpr (is_map<T>::value) {
      const std::uint64_t size = expect_array();
      x.clear();
      for (std::uint64_t i = 0; i < size && !failed_; ++i) {
        std::pair<typename T::key_type, typename T::mapped_type> item;
        get(item);
        x.insert_or_assign(std::move(item.first), std::move(item.second));
      }
    } else if constexpr (is_pair<T>::value) {
      (*this)(x.first, x.second);
    } else if constexpr (is_variant<T>::value) {
      get_variant(x);
    } else {
      inspect(*this, x);
    }
  }

  /// True if all tokens were read and all of them matched.
  bool complete() const {
    return !failed_ && next_ == end_;
  }

private:
  /// Reads the next field if the array has further elements. `left` is the
  /// number of these elements; it is decremented.
  template <class T>
  void get_field(T& field, std::uint64_t& left) {
    if (left == 0 || failed_)
      return;
    --left;
    get(field);
  }

  /// Reads a variant, which is stored as [index, fields].
  template <class... Ts>
  void get_variant(std::variant<Ts...>& x) {
    std::uint64_t left = expect_array();
    if (left < 2)
      return fail();
    const std::uint64_t tag = expect(token_kind::natural).number;
    if (failed_ || tag >= sizeof...(Ts))
      return fail();
    emplace_at(x, tag, std::index_sequence_for<Ts...>());
    for (left -= 2; left > 0 && !failed_; --left)
      skip();
  }

  /// Reads the alternative with the index `tag`.
  template <class V, std::size_t... Is>
  void emplace_at(V& x, std::uint64_t tag, std::index_sequence<Is...>) {
    ((tag == Is ? get(x.template emplace<Is>()) : void()), ...);
  }

  /// Consumes the next token; fails if it is of another kind.
  token expect(token_kind kind) {
    if (failed_ || next_ == end_ || next_->kind != kind) {
      fail();
      return {kind, 0, nullptr};
    }
    return *next_++;
  }

  /// Consumes the beginning of an array and returns its number of elements. The
  /// number is not checked: the input may have fewer tokens.
  std::uint64_t expect_array() {
    return expect(token_kind::array).number;
  }

  /// Consumes an integer. msgpack stores negative and other integers as
  /// different types.
  std::int64_t expect_signed() {
    if (!failed_ && next_ != end_ && next_->kind == token_kind::negative)
      return static_cast<std::int64_t>((next_++)->number);
    const std::uint64_t number = expect(token_kind::natural).number;
    if (number > static_cast<std::uint64_t>(
          std::numeric_limits<std::int64_t>::max())) {
      fail();
      return 0;
    }
    return static_cast<std::int64_t>(number);
  }

  /// Skips one value, including its elements if it is an array.
  void skip() {
    std::uint64_t open = 1;
    while (open > 0) {
      if (next_ == end_)
        return fail();
      if (next_->kind == token_kind::array)
        open += next_->number;
      ++next_;
      --open;
    }
  }

  void fail() {
    failed_ = true;
  }

  const token* next_;
  const token* end_;
  bool failed_ = false;
};

/// Returns errc::storage_damaged with the message "a record is `defect`".
inline error damaged(const char* defect) {
  return {errc::storage_damaged, std::string("a record is ") + defect};
}

/// Appends the version byte and the encoded record to `out`.
template <class T>
void encode_record(std::string& out, const T& record) {
  out.push_back(static_cast<char>(codec_version));
  writer made(out);
  made.put(record);
  made.finish();
}

/// Checks the version byte and decodes the record. Errors as for `decode`.
/// @param tokens_max  The largest number of values in a record that may come
///                    from another process: each takes 24 bytes of memory while
///                    it is decoded, and as little as one byte in `bytes`.
template <class T>
result<T> decode_record(std::string_view bytes,
                        std::size_t tokens_max
                        = std::numeric_limits<std::size_t>::max()) {
  if (bytes.size() < 2)
    return damaged("empty");
  const auto version = static_cast<unsigned char>(bytes.front());
  if (version != codec_version)
    return error{errc::storage_format, "a record was written in version "
                                         + std::to_string(version)
                                         + "; this program reads version "
                                         + std::to_string(codec_version)};
  bytes.remove_prefix(1);
  tokenizer visitor;
  visitor.tokens_max = tokens_max;
  std::size_t offset = 0;
  try {
    if (!msgpack::parse(bytes.data(), bytes.size(), offset, visitor)
        || offset != bytes.size())
      return damaged("incomplete");
  } catch (const msgpack::parse_error&) {
    return damaged("not msgpack");
  }
  T record;
  reader source(visitor.tokens);
  source.get(record);
  if (!source.complete())
    return damaged("not of the expected type");
  return record;
}

} // namespace perdura::persistence::codec_engine
