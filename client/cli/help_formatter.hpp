// SPDX-License-Identifier: Apache-2.0
/// Wraps the help texts of the command line at word boundaries, so that lines
/// have at most 80 columns.
#pragma once

#include <CLI/CLI.hpp>

#include <string>

namespace perdura::client {

/// The text with line breaks, so that lines have at most `width` bytes. A
/// longer word is not split. Existing line breaks and the indentation of lines
/// are kept; the continuation of an indented line is indented by two more
/// blanks. Several blanks between words become one.
std::string wrapped(const std::string& text, std::size_t width);

/// CLI11's formatter does not wrap texts. This formatter wraps the descriptions
/// of options and verbs; usage lines and examples (footers) are not wrapped.
class help_formatter : public CLI::Formatter {
public:
  std::string make_option_opts(const CLI::Option* option) const override;
  std::string make_option_desc(const CLI::Option* option) const override;
  std::string make_subcommand(const CLI::App* verb) const override;
  std::string make_description(const CLI::App* app) const override;
};

} // namespace perdura::client
