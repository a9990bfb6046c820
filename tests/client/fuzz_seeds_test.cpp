// SPDX-License-Identifier: Apache-2.0
// Runs the fuzz targets of tests/fuzz without libFuzzer: with every seed, and
// with some thousands of mutations that are the same in every run.
#include "tests/fuzz/fuzz_targets.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

namespace perdura::tests {

namespace {

namespace fs = std::filesystem;

// A fixed seed: every run tests the same mutations.
constexpr std::uint64_t seed = 20261122;
// The number of mutations for each target. All targets together take half a
// second.
constexpr int mutations = 8'000;

fs::path fuzz_directory() {
  const char* root = std::getenv("PERDURA_SOURCE_DIR");
  return fs::path(root == nullptr ? "." : root) / "tests" / "fuzz";
}

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The seeds in the order of their names; the order of a directory is
/// undefined.
std::vector<std::string> corpus_of(std::string_view target) {
  std::vector<fs::path> paths;
  for (const auto& entry :
       fs::directory_iterator(fuzz_directory() / "corpus" / target))
    paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> texts;
  texts.reserve(paths.size());
  for (const fs::path& path : paths)
    texts.push_back(read_file(path));
  return texts;
}

/// Reads a dictionary in the format of libFuzzer: one quoted entry in each
/// line, with the escapes `\\`, `\"` and `\xhh`.
std::vector<std::string> dictionary_entries(std::string_view target) {
  std::ifstream file(fuzz_directory() / (std::string(target) + ".dict"));
  std::vector<std::string> entries;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with('"'))
      continue;
    std::string& entry = entries.emplace_back();
    for (std::size_t i = 1; i + 1 < line.size(); ++i) {
      if (line[i] != '\\' || line[++i] != 'x') {
        entry += line[i];
        continue;
      }
      entry += static_cast<char>(std::stoi(line.substr(i + 1, 2), nullptr, 16));
      i += 2;
    }
  }
  return entries;
}

/// Mutates texts as libFuzzer does, but without coverage and reproducibly.
class mutator {
public:
  mutator(std::vector<std::string> texts, std::vector<std::string> entries)
    : texts_(std::move(texts)), entries_(std::move(entries)) {}

  std::string next() {
    std::string text = texts_[below(texts_.size())];
    for (std::size_t steps = 1 + below(4); steps > 0; --steps)
      step(text);
    return text;
  }

private:
  // std::uniform_int_distribution would give other numbers with another
  // standard library.
  std::size_t below(std::size_t bound) {
    return static_cast<std::size_t>(random_() % bound);
  }

  void step(std::string& text) {
    const std::size_t at = below(text.size() + 1);
    const std::size_t length
      = below(std::min<std::size_t>(text.size() - at, 16) + 1);
    switch (below(6)) {
    case 0:
      if (at < text.size())
        text[at] = static_cast<char>(below(256));
      break;
    case 1:
      text.insert(at, 1, static_cast<char>(below(256)));
      break;
    case 2:
      text.erase(at, length);
      break;
    case 3:
      text.insert(at, text.substr(at, length));
      break;
    case 4:
      text.insert(at, entries_[below(entries_.size())]);
      break;
    default: {
      const std::string& other = texts_[below(texts_.size())];
      text = text.substr(0, at) + other.substr(below(other.size() + 1));
    }
    }
  }

  std::mt19937_64 random_{seed};
  std::vector<std::string> texts_;
  std::vector<std::string> entries_;
};

/// The bytes as a string literal for C++ or printf. The escapes are octal: a
/// hexadecimal escape would include digits that follow it.
std::string shown(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F && c != '\\' && c != '"') {
      out += c;
      continue;
    }
    out += '\\';
    for (const unsigned shift : {6U, 3U, 0U})
      out += static_cast<char>('0' + (byte >> shift & 7U));
  }
  return '"' + out + '"';
}

/// Describes the first input with a violation. Returns an empty text if there
/// is none.
std::string first_violation(const fuzz_target& target) {
  const auto texts = corpus_of(target.name);
  const auto run = [&](const std::string& text, const std::string& where) {
    const violation broken = target.run(text);
    return broken.empty() ? broken
                          : std::string(target.name) + ", " + where + ": "
                              + broken + "\n  input: " + shown(text);
  };
  for (const std::string& text : texts)
    if (auto broken = run(text, "a seed of the corpus"); !broken.empty())
      return broken;
  mutator changed(texts, dictionary_entries(target.name));
  for (int i = 0; i < mutations; ++i)
    if (auto broken
        = run(changed.next(), "mutation " + std::to_string(i) + " of seed "
                                + std::to_string(seed));
        !broken.empty())
      return broken;
  return {};
}

} // namespace

BOOST_AUTO_TEST_SUITE(fuzz_seeds)

// Also checks that escapes in a dictionary are decoded.
BOOST_AUTO_TEST_CASE(every_target_has_seeds_and_a_dictionary) {
  for (const fuzz_target& each : fuzz_targets()) {
    BOOST_TEST(corpus_of(each.name).size() >= 5, each.name);
    BOOST_TEST(dictionary_entries(each.name).size() >= 5, each.name);
  }
  const auto entries = dictionary_entries("json_intake");
  BOOST_TEST((std::find(entries.begin(), entries.end(), "\xEF\xBB\xBF")
              != entries.end()));
  BOOST_TEST(
    (std::find(entries.begin(), entries.end(), "\"Input\":") != entries.end()));
}

BOOST_AUTO_TEST_CASE(seeds_and_mutations_cause_no_violation) {
  for (const fuzz_target& each : fuzz_targets()) {
    const std::string broken = first_violation(each);
    BOOST_TEST(broken.empty(), broken);
  }
}

BOOST_AUTO_TEST_CASE(each_target_reports_its_planted_fault) {
  for (const fuzz_target& each : fuzz_targets()) {
    planted_target() = each.name;
    const std::string broken = first_violation(each);
    planted_target().clear();
    BOOST_TEST(!broken.empty(), each.name);
    BOOST_TEST_MESSAGE(broken);
  }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace perdura::tests
