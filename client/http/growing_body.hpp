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
/// before a byte of the body has arrived. This body never allocates more than
/// twice of what has arrived, and never more than the announced length.
struct growing_body {
  using value_type = std::string;

  class reader {
  public:
    template <bool IsRequest, class Fields>
    reader(boost::beast::http::header<IsRequest, Fields>&, value_type& body)
      : body_(body) {}

    void init(const boost::optional<std::uint64_t>& announced,
              boost::system::error_code& failure) {
      announced_ = announced.value_or(0);
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
        reserve_for(body_.size() + part.size());
        body_.append(static_cast<const char*>(part.data()), part.size());
        size += part.size();
      }
      return size;
    }

    void finish(boost::system::error_code& failure) {
      failure = {};
    }

  private:
    /// Allocates the announced length if the string would otherwise grow beyond
    /// it.
    void reserve_for(std::size_t size) {
      if (size <= body_.capacity() || size > announced_
          || announced_ >= 2 * size)
        return;
      // A new string, because that of a growing one is doubled.
      value_type grown;
      grown.reserve(static_cast<std::size_t>(announced_));
      grown.append(body_);
      body_.swap(grown);
    }

    value_type& body_;
    std::uint64_t announced_ = 0; ///< 0 if the length is not announced.
  };
};

} // namespace perdura::client
