// SPDX-License-Identifier: Apache-2.0
// Numbers of the command line that are out of range, and inputs without an end.
#include "tests/client/command_line_runner.hpp"

#include <boost/test/unit_test.hpp>

#include <array>
#include <istream>
#include <sstream>
#include <streambuf>
#include <string>
#include <vector>

using namespace perdura::client;
using namespace perdura::tests;

namespace {

/// A stream of blanks that has no end. It counts the bytes that were read.
class endless_text : public std::streambuf {
public:
  std::size_t read() const {
    return read_;
  }

private:
  int_type underflow() override {
    read_ += block_.size();
    block_.fill(' ');
    setg(block_.data(), block_.data(), block_.data() + block_.size());
    return traits_type::to_int_type(block_.front());
  }

  std::array<char, 4096> block_{};
  std::size_t read_ = 0;
};

/// The exit code and the errors of a command whose standard input has no end.
outcome run_with_endless_input(std::vector<const char*> typed,
                               std::size_t& read) {
  endless_text endless;
  std::istream in(&endless);
  std::ostringstream out;
  std::ostringstream err;
  terminal io{in, out, err};
  typed.insert(typed.begin(), "perdura");
  const int code
    = run_command_line(static_cast<int>(typed.size()), typed.data(), io);
  read = endless.read();
  return {code, out.str(), err.str()};
}

} // namespace

BOOST_AUTO_TEST_SUITE(cli_limits)

BOOST_AUTO_TEST_CASE(
  number_out_of_range_is_a_usage_error_that_names_the_range) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> options{
    {{"list", "--top"}, "a whole number from 0 to 1000000000"},
    {{"run", "Echo", "--timeout"}, "a number of seconds from 0 to 1000000000"},
    {{"start", "Echo", "--wait", "--timeout"},
     "a number of seconds from 0 to 1000000000"},
    {{"cluster", "up", "--nodes"}, "a whole number from 1 to 100"},
    {{"cluster", "up", "--http-port"}, "a whole number from 1 to 65535"},
    {{"cluster", "up", "--cluster-port"}, "a whole number from 1 to 65535"},
    {{"cluster", "up", "--partitions"}, "a whole number from 1 to 4096"},
    {{"tls", "init", "--days"}, "a whole number from 1 to 36500"},
    {{"tls", "add", "a", "--days"}, "a whole number from 1 to 36500"},
    {{"tls", "renew", "a", "--days"}, "a whole number from 1 to 36500"},
    {{"bench", "--nodes"}, "a whole number from 1 to 16"},
    {{"bench", "--in-flight"}, "a whole number from 1 to 10000"},
    {{"bench", "--rate"}, "a number from 0.1 to 1000000"},
    {{"bench", "--seconds"}, "a number of seconds from 0.1 to 86400"},
    {{"bench", "--rounds"}, "a whole number from 1 to 1000"},
    {{"bench", "--warm-up"}, "a number of seconds from 0 to 3600"},
  };
  for (const auto& [verb, range] : options)
    for (const char* value :
         {"-1", "nan", "-nan", "inf", "1e300", "1e999", "0x10", "5s", "1 ",
          "99999999999999999999999", "18446744073709551615"}) {
      std::vector<std::string> line = verb;
      const std::string option = line.back();
      line.emplace_back(value);
      const outcome ran = run_perdura(line);
      BOOST_TEST(ran.code == 2, option << ' ' << value);
      BOOST_TEST(ran.err_contains(option + ": must be " + range + ", not \""
                                  + value + '"'),
                 option << ' ' << value << ": " << ran.err);
    }
  for (const char* verb : {"dev", "serve"})
    for (const char* value : {"-1", "nan", "0", "4097", "1e3", "0x10"}) {
      const outcome ran = run_perdura(
        {verb, "--partitions", value, "--data-dir", "/proc/no/such"});
      BOOST_TEST(ran.code == 2, verb << ' ' << value << ": " << ran.err);
      BOOST_TEST(ran.err_contains("a whole number from 1 to 4096"), ran.err);
    }
}

// Regression: a command read such a stream until the memory was used up.
BOOST_AUTO_TEST_CASE(endless_standard_input_is_refused_at_the_maximum) {
  for (const std::vector<const char*>& line :
       {std::vector<const char*>{"start", "Echo", "--input", "-"},
        {"run", "Echo", "--input", "-"},
        {"raise-event", "a", "Go", "--data", "-"},
        {"start-or-raise", "Echo", "a", "Go", "--input", "-"},
        {"start-or-raise", "Echo", "a", "Go", "--data", "-"}}) {
    std::size_t read = 0;
    const outcome ran = run_with_endless_input(line, read);
    BOOST_TEST(ran.code == 2, line[0]);
    BOOST_TEST(ran.err
               == "perdura: Cannot read standard input: it has more than "
                  "1048576 bytes, which is the maximum here.\n");
    BOOST_TEST(read <= std::size_t{2} * 1024 * 1024, line[0]);
  }
}

BOOST_AUTO_TEST_CASE(file_without_an_end_is_refused_at_the_maximum) {
  for (const std::vector<std::string>& line :
       {std::vector<std::string>{"start", "Echo", "--input", "@/dev/zero"},
        {"run", "Echo", "--input", "@/dev/zero"},
        {"raise-event", "a", "Go", "--data", "@/dev/zero"},
        {"start-or-raise", "Echo", "a", "Go", "--data", "@/dev/zero"},
        {"start", "--binding", "/dev/zero"},
        {"get", "a", "--key-file", "/dev/zero"},
        {"bench", "--from", "/dev/zero"},
        {"bench", "--compare", "/dev/zero"},
        {"config", "validate", "/dev/zero"}}) {
    const outcome ran = run_perdura(line);
    BOOST_TEST(ran.code == 2, line[0] << ' ' << line[1] << ": " << ran.err);
    BOOST_TEST(ran.err_contains("/dev/zero"), line[0] << ": " << ran.err);
  }
}

BOOST_AUTO_TEST_CASE(input_of_exactly_the_maximum_is_read) {
  const std::string largest(std::size_t{1024} * 1024, ' ');
  const outcome read = run_perdura(
    {"start", "Echo", "--input", "-", "--url", "http://[::1]:9"}, largest);
  BOOST_TEST(!read.err_contains("maximum"), read.err);
  const outcome refused
    = run_perdura({"start", "Echo", "--input", "-", "--url", "http://[::1]:9"},
                  largest + ' ');
  BOOST_TEST(refused.err_contains("more than 1048576 bytes"), refused.err);
}

BOOST_AUTO_TEST_SUITE_END()
