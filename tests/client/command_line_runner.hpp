/// Runs the command line as a person would, in this process.
#pragma once

#include "client/cli/command_line.hpp"

#include <sstream>
#include <string>
#include <vector>

namespace perdura::tests {

struct outcome {
  int code = 0;
  std::string out;
  std::string err;

  bool says(const std::string& text) const {
    return out.find(text) != std::string::npos;
  }

  bool complains(const std::string& text) const {
    return err.find(text) != std::string::npos;
  }
};

/// `words` without the program's name; `typed` is what comes over stdin.
inline outcome run_perdura(std::vector<std::string> words,
                           const std::string& typed = {},
                           bool can_ask = false) {
  words.insert(words.begin(), "perdura");
  std::vector<const char*> argv;
  for (const std::string& word : words)
    argv.push_back(word.c_str());
  std::istringstream in(typed);
  std::ostringstream out;
  std::ostringstream err;
  client::terminal io{in, out, err, can_ask};
  outcome result;
  result.code
    = client::run_command_line(static_cast<int>(argv.size()), argv.data(), io);
  result.out = out.str();
  result.err = err.str();
  return result;
}

} // namespace perdura::tests
