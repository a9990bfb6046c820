/// Others on the network who say nothing.
#pragma once

#include <chrono>
#include <cstdint>

namespace perdura::tests {

/// A port of loopback where whoever comes is let in and told nothing.
class silent_host {
public:
  silent_host();
  ~silent_host();

  silent_host(const silent_host&) = delete;
  silent_host& operator=(const silent_host&) = delete;

  std::uint16_t port() const {
    return port_;
  }

  /// Lets guests in one by one, up to the first that says something; how long
  /// that stayed after its first word.
  /// @error std::runtime_error  Nothing happened for 20 s.
  std::chrono::steady_clock::duration stay_of_first() const;

private:
  int door_;
  std::uint16_t port_ = 0;
};

/// Connects to a port of loopback, says nothing, and stays until it is shown
/// out; how long that took.
/// @error std::runtime_error  Nothing happened for 20 s.
std::chrono::steady_clock::duration stay_of_silent_guest(std::uint16_t port);

} // namespace perdura::tests
