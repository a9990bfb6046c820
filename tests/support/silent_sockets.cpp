#include "tests/support/silent_sockets.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <stdexcept>

namespace perdura::tests {

using std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds patience = std::chrono::seconds(20);

void demand(bool good, const char* what) {
  if (!good)
    throw std::runtime_error(what);
}

void await_readable(int socket) {
  pollfd wanted{socket, POLLIN, 0};
  demand(::poll(&wanted, 1, static_cast<int>(patience.count())) == 1,
         "nothing happened on a socket for 20 s");
}

class open_socket {
public:
  explicit open_socket(int socket) : socket_(socket) {
    demand(socket >= 0, "no socket");
  }

  ~open_socket() {
    ::close(socket_);
  }

  open_socket(const open_socket&) = delete;
  open_socket& operator=(const open_socket&) = delete;

  /// When the other side first said something, if it did before it went.
  std::optional<steady_clock::time_point> listen_to_the_end() const {
    std::optional<steady_clock::time_point> first_word;
    std::array<char, 4096> words{};
    for (;;) {
      await_readable(socket_);
      if (::recv(socket_, words.data(), words.size(), 0) <= 0)
        return first_word;
      if (!first_word)
        first_word = steady_clock::now();
    }
  }

private:
  int socket_;
};

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons(port);
  return at;
}

int new_socket() {
  return ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

} // namespace

silent_host::silent_host() : door_(new_socket()) {
  sockaddr_in at = loopback(0);
  socklen_t size = sizeof(at);
  auto* address = reinterpret_cast<sockaddr*>(&at);
  demand(::bind(door_, address, size) == 0 && ::listen(door_, SOMAXCONN) == 0
           && ::getsockname(door_, address, &size) == 0,
         "no port");
  port_ = ntohs(at.sin_port);
}

silent_host::~silent_host() {
  ::close(door_);
}

steady_clock::duration silent_host::stay_of_first() const {
  for (;;) {
    await_readable(door_);
    const open_socket guest(::accept4(door_, nullptr, nullptr, SOCK_CLOEXEC));
    if (const auto first_word = guest.listen_to_the_end())
      return steady_clock::now() - *first_word;
  }
}

steady_clock::duration stay_of_silent_guest(std::uint16_t port) {
  const int socket = new_socket();
  const open_socket guest(socket);
  const sockaddr_in at = loopback(port);
  demand(::connect(socket, reinterpret_cast<const sockaddr*>(&at), sizeof(at))
           == 0,
         "nobody listens there");
  const auto since = steady_clock::now();
  guest.listen_to_the_end();
  return steady_clock::now() - since;
}

} // namespace perdura::tests
