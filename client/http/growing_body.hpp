// SPDX-License-Identifier: Apache-2.0
/// The body of a request for Boost.Beast, which allocates what has arrived.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/optional.hpp>
#include <boost/system/error_code.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace perdura::client {

/// Beast's own string_body reserves the length that Content-Length announces,
/// before a byte of the body has arrived.
struct growing_body {
  using value_type = std::string;

  class reader {
  public:
    template <bool IsRequest, class Fields>
    reader(boost::beast::http::header<IsRequest, Fields>&, value_type& body)
      : body_(body) {}

    void init(const boost::optional<std::uint64_t>&,
              boost::system::error_code& failure) {
      failure = {};
    }

    template <class Buffers>
    std::size_t put(const Buffers& buffers,
                    boost::system::error_code& failure) {
      failure = {};
      std::size_t size = 0;
      for (auto it = boost::asio::buffer_sequence_begin(buffers);
           it != boost::asio::buffer_sequence_end(buffers); ++it) {
        const boost::asio::const_buffer part = *it;
        body_.append(static_cast<const char*>(part.data()), part.size());
        size += part.size();
      }
      return size;
    }

    void finish(boost::system::error_code& failure) {
      failure = {};
    }

  private:
    value_type& body_;
  };
};

} // namespace perdura::client
