// SPDX-License-Identifier: Apache-2.0
#include "client/cli/progress_line.hpp"

#include <ostream>

namespace perdura::client {

using std::chrono::steady_clock;

progress_line::progress_line(terminal& io, std::string what, std::size_t total)
  : io_(io),
    what_(std::move(what)),
    total_(total),
    last_(steady_clock::now()) {}

progress_line::~progress_line() {
  // Go to the first column and clear the line.
  if (drawn_)
    io_.err << "\r\x1b[K" << std::flush;
}

void progress_line::update(std::size_t count) {
  update(count, {});
}

void progress_line::update(std::size_t count, const std::string& part) {
  // At most ten redraws a second on a screen.
  const auto pause = io_.err_can_redraw ? std::chrono::milliseconds(100)
                                        : std::chrono::milliseconds(5000);
  const auto now = steady_clock::now();
  if (now - last_ < pause)
    return;
  last_ = now;
  const std::string text = std::to_string(count) + " of "
                           + std::to_string(total_) + ' ' + what_
                           + (part.empty() ? "" : ": " + part);
  if (io_.err_can_redraw)
    io_.err << "\r\x1b[K" << text << std::flush;
  else
    io_.err << text << std::endl;
  drawn_ = io_.err_can_redraw;
}

} // namespace perdura::client
