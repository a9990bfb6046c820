// SPDX-License-Identifier: Apache-2.0
/// The options of the verbs: names, help texts, ranges and defaults. The parser
/// in command_line.cpp defines the verbs themselves.
///
/// Help texts hold only printable ASCII characters and line ends. Each one is a
/// sentence that says what the option does, with unit, range and default.
///
/// The functions add options to the verb `to`. The parser writes the values
/// into the structure that is passed, which must outlive the parser.
#pragma once

#include "client/cli/cluster_verbs.hpp"
#include "client/cli/config_verbs.hpp"
#include "client/cli/control_verbs.hpp"
#include "client/cli/pause_verbs.hpp"
#include "client/cli/query_verbs.hpp"
#include "client/cli/start_verbs.hpp"
#include "client/cli/tls_verbs.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace perdura::client {

/// Rejects an empty text. The text of an ID or a filter can come from a shell
/// variable that was never set; such a text must not select every instance.
CLI::Validator not_empty();

/// Accepts a decimal whole number from `least` to `most`. Refuses signs,
/// blanks, units and the prefixes of other bases. Add it with `transform`:
/// CLI11 would read a number with a leading zero as octal, so the zeros are
/// removed.
CLI::Validator whole_number(std::uint64_t least, std::uint64_t most);

/// Accepts a finite decimal number from `least` to `most`, with or without a
/// fraction and an exponent. `unit` follows the word "number" in the error,
/// e.g. " of seconds"; it may be empty.
CLI::Validator decimal_number(double least, double most, std::string unit = {});

/// Accepts only the names in `choices`, and replaces the name by the number of
/// its enumerator, which CLI11 then converts to the enumerator. The error for
/// any other text lists the names. The validator has an empty description,
/// because CLI11's own description would print the enumerators of a one-byte
/// enum as control characters. `choices` must not be empty.
template <class Enum>
CLI::Validator one_of(std::vector<std::pair<std::string, Enum>> choices,
                      bool ignore_case) {
  return {[choices = std::move(choices), ignore_case](std::string& text) {
            const auto folded = [ignore_case](const std::string& name) {
              return ignore_case ? CLI::ignore_case(name) : name;
            };
            std::string names;
            for (std::size_t i = 0; i < choices.size(); ++i) {
              const auto& [name, value] = choices[i];
              if (folded(name) == folded(text)) {
                text = std::to_string(static_cast<int>(value));
                return std::string();
              }
              const bool is_last = i + 1 == choices.size();
              names += (i == 0 ? "" : is_last ? " or " : ", ") + name;
            }
            return "must be " + names + ", not \"" + text + '"';
          },
          ""};
}

/// --http and --log-level. The help shows `default_log_level` as the level that
/// applies if neither the configuration file nor the option sets one.
void add_listen_options(CLI::App& to, configuration_flags& flags,
                        const char* default_log_level);
/// --config.
void add_config_option(CLI::App& to, configuration_flags& flags);
/// --task-hub and --partitions, which apply when a task hub is created.
void add_hub_options(CLI::App& to, configuration_flags& flags);
/// A data directory: a positional argument, or --data-dir. Both may be given if
/// they name the same directory. The text stays empty if neither is given; see
/// `require_data_dir`.
void add_data_dir(CLI::App& to, std::string& data_dir, const std::string& help);
/// The action of a verb with a data directory: fails if none was given.
std::function<int()> require_data_dir(const char* verb,
                                      const std::string& data_dir, terminal& io,
                                      std::function<int()> action);
/// The argument and the options of `hub adopt`.
void add_adopt_options(CLI::App& to, std::string& data_dir, bool& accepts_loss);
/// The options of `check`.
void add_check_options(CLI::App& to, std::string& data_dir,
                       bool& rebuilds_views);
/// The options of `dev`.
void add_dev_options(CLI::App& to, configuration_flags& flags, bool& once);
/// The options of `serve`, which are also those of `config show`.
void add_serve_options(CLI::App& to, configuration_flags& flags);

/// The options of `cluster up`.
void add_cluster_up_options(CLI::App& to, cluster_up_options& options);
/// The options of `tls init`.
void add_tls_init_options(CLI::App& to, tls_init_options& options);

/// The argument and the options of `tls add`, or those of `tls renew`.
void add_tls_name_options(CLI::App& to, tls_name_options& options,
                          bool is_renewal);

/// --id, --input, --orchestration-version and --timeout.
void add_input_options(CLI::App& to, start_verb_options& options);
/// The options of `start` that `run` does not have.
void add_start_options(CLI::App& to, start_verb_options& options);

/// The arguments and options of `start-or-raise`.
void add_start_or_raise_options(CLI::App& to, start_verb_options& options);

/// The ID of one instance, a required positional argument.
void add_instance_id(CLI::App& to, std::string& id);
/// --top of `list`.
void add_top_option(CLI::App& to, std::size_t& top);
/// The options that select instances.
void add_filter_options(CLI::App& to, filter_options& filter);
/// An optional ID, the filter options, --dry-run and --yes.
void add_target_options(CLI::App& to, control_target& target);
/// --key of all verbs of `app` that change instances. An action runs after all
/// options are parsed, so one text serves all verbs.
void add_key_options(CLI::App& app, std::string& key);
/// The argument and the options of `pause` and `unpause`.
void add_pause_options(CLI::App& to, pause_verb_options& options);
/// --partial. Returns the option, so that a verb can forbid it together with
/// other options.
CLI::Option* add_partial_option(CLI::App& to, bool& partial);

/// The arguments without an option directly before --help: an option with a
/// value would take --help as its value. The argument "--OPTION=--help" has
/// such a value.
std::vector<const char*> without_option_before_help(int argc,
                                                    const char* const* argv);

} // namespace perdura::client
