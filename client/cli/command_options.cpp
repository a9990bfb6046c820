// SPDX-License-Identifier: Apache-2.0
#include "client/cli/command_options.hpp"

#include "client/api/request_checks.hpp"
#include "client/cli/filter_check.hpp"
#include "client/cli/since_time.hpp"
#include "persistence/records/clock.hpp"

#include <array>
#include <charconv>
#include <filesystem>
#include <system_error>
#include <utility>

namespace perdura::client {

namespace {

// The forms of a value that read_value in start_verbs.hpp accepts.
constexpr const char* value_help = "JSON, @FILE, or - for standard input.";

/// True if the text is a number and nothing else. The number may be infinite or
/// no number (NaN).
template <class Number>
bool is_whole_text(const std::string& text, Number& number) {
  const char* end = text.data() + text.size();
  const auto [rest, failure] = std::from_chars(text.data(), end, number);
  return failure == std::errc() && rest == end;
}

/// Accepts a text of at most `most` bytes.
CLI::Validator at_most_bytes(std::size_t most) {
  return {[most](std::string& text) {
            return text.size() <= most
                     ? std::string()
                     : "must have at most " + std::to_string(most)
                         + " bytes; this text has "
                         + std::to_string(text.size());
          },
          ""};
}

/// A limit as the help texts write it: "0.1", "1000000".
std::string limit_text(double limit) {
  std::array<char, 64> text{};
  const auto written = std::to_chars(text.data(), text.data() + text.size(),
                                     limit, std::chars_format::fixed);
  return {text.data(), written.ptr};
}

} // namespace

// Here and below, a check has an empty description: CLI11 would print the
// description next to the option, but the help text already names the range.
CLI::Validator not_empty() {
  return {[](std::string& text) {
            return text.empty() ? std::string("must not be empty")
                                : std::string();
          },
          ""};
}

CLI::Validator whole_number(std::uint64_t least, std::uint64_t most) {
  return {[least, most](std::string& text) {
            std::uint64_t number = 0;
            if (is_whole_text(text, number) && number >= least
                && number <= most) {
              text = std::to_string(number);
              return std::string();
            }
            return "must be a whole number from " + std::to_string(least)
                   + " to " + std::to_string(most) + ", not \"" + text + '"';
          },
          ""};
}

CLI::Validator decimal_number(double least, double most, std::string unit) {
  return {[least, most, unit = std::move(unit)](std::string& text) {
            double number = 0;
            if (is_whole_text(text, number) && number >= least
                && number <= most)
              return std::string();
            return "must be a number" + unit + " from " + limit_text(least)
                   + " to " + limit_text(most) + ", not \"" + text + '"';
          },
          ""};
}

// default_str only shows a default in the help. The configuration holds the
// actual default. A default of the option would override the setting in the
// configuration file.
void add_listen_options(CLI::App& to, configuration_flags& flags,
                        const char* default_log_level) {
  to.add_option("--http", flags.http,
                "Listen for HTTP requests on this address and port.")
    ->default_str("127.0.0.1:7071")
    ->type_name("ADDRESS:PORT");
  to.add_option("--log-level", flags.log_level,
                "Log messages of this level and above: debug, info, warning, "
                "error or off.")
    ->default_str(default_log_level)
    ->type_name("LEVEL");
}

void add_config_option(CLI::App& to, configuration_flags& flags) {
  to.add_option("--config", flags.config_file,
                "Read settings from this TOML file. Options of the command "
                "line override settings of the file.")
    ->type_name("FILE");
}

void add_hub_options(CLI::App& to, configuration_flags& flags) {
  to.add_option("--task-hub", flags.task_hub,
                "Give the task hub this name when it is created.")
    ->default_str("perdura")
    ->type_name("NAME");
  to.add_option("--partitions", flags.partitions,
                "Divide the task hub into this number of partitions (1 to "
                "4096) when it is created.")
    ->default_str("32")
    ->transform(whole_number(1, 4096))
    ->type_name("N");
}

void add_dev_options(CLI::App& to, configuration_flags& flags, bool& once) {
  add_listen_options(to, flags, "warning");
  to.add_option("--data-dir", flags.data_dir,
                "Keep the data in this directory. By default, a temporary "
                "directory is used and deleted at the end.")
    ->type_name("DIR");
  to.add_flag("--once", once, "Stop the node after the first result.");
  add_hub_options(to, flags);
}

void add_serve_options(CLI::App& to, configuration_flags& flags) {
  add_config_option(to, flags);
  add_listen_options(to, flags, "info");
  to.add_option("--data-dir", flags.data_dir,
                "Use this data directory, which holds the task hub.")
    ->type_name("DIR");
  to.add_flag("--create-hub", flags.create_hub,
              "Create a task hub if the data directory is missing or empty.");
  add_hub_options(to, flags);
}

void add_cluster_up_options(CLI::App& to, cluster_up_options& options) {
  to.add_option("--nodes", options.nodes,
                "Start this number of nodes (1 to 100). By default, all "
                "nodes are started whose data is in the data directory, or 3 "
                "nodes if the directory is new.")
    ->transform(whole_number(1, 100))
    ->type_name("N");
  to.add_option("--http-port", options.http_port,
                "Use this HTTP port (1 to 65535) for the first node and the "
                "following ports for the other nodes.")
    ->capture_default_str()
    ->transform(whole_number(1, 65535))
    ->type_name("PORT");
  to.add_option("--cluster-port", options.cluster_port,
                "Use this port (1 to 65535) for connections from other nodes "
                "to the first node, and the following ports for the other "
                "nodes.")
    ->capture_default_str()
    ->transform(whole_number(1, 65535))
    ->type_name("PORT");
  to.add_option("--data-dir", options.data_dir,
                "Keep the data in this directory. By default, a temporary "
                "directory is used and deleted at the end.")
    ->type_name("DIR");
  to.add_option("--partitions", options.partitions,
                "Divide the task hub into this number of partitions (1 to "
                "4096) when it is created.")
    ->default_str("32")
    ->transform(whole_number(1, 4096))
    ->type_name("N");
}

namespace {

void add_days_option(CLI::App& to, int& days) {
  to.add_option("--days", days,
                "Make the certificates valid for this number of days (1 to "
                "36500).")
    ->capture_default_str()
    ->transform(whole_number(1, 36500))
    ->type_name("DAYS");
}

void add_certificate_options(CLI::App& to, std::vector<std::string>& hosts,
                             int& days) {
  to.add_option("--host", hosts,
                "Add these host names or numeric addresses to each certificate "
                "(comma-separated). localhost, 127.0.0.1 and ::1 are always "
                "included.")
    ->delimiter(',')
    ->type_name("HOST");
  add_days_option(to, days);
}

} // namespace

void add_tls_init_options(CLI::App& to, tls_init_options& options) {
  to.add_option("--dir", options.directory,
                "Write the files to this directory. It is created if it does "
                "not exist.")
    ->capture_default_str()
    ->check(not_empty())
    ->type_name("DIR");
  to.add_option("--nodes", options.nodes,
                "Create a certificate for each of these node names "
                "(comma-separated).")
    ->delimiter(',')
    ->default_str("node-1,node-2,node-3")
    ->type_name("NAME");
  add_certificate_options(to, options.hosts, options.days);
}

void add_tls_name_options(CLI::App& to, tls_name_options& options,
                          bool is_renewal) {
  to.add_option("name", options.name,
                is_renewal ? "The name of a node, or client."
                           : "The name of the node.")
    ->required()
    ->type_name("");
  to.add_option("--dir", options.directory,
                "The directory with the certificate authority (ca.pem and "
                "ca-key.pem).")
    ->capture_default_str()
    ->check(not_empty())
    ->type_name("DIR");
  if (is_renewal) {
    add_days_option(to, options.days);
    return;
  }
  add_certificate_options(to, options.hosts, options.days);
  to.add_flag(
    "--client", options.for_client,
    "Create a certificate for a client gateway, with which no process "
    "can be a node.");
}

void add_input_options(CLI::App& to, start_verb_options& options) {
  to.add_option("--id", options.instance_id,
                "Give the instance this ID. By default, the node generates "
                "one.")
    ->check(not_empty())
    ->type_name("ID");
  to.add_option("--input", options.input,
                std::string("Pass this input to the orchestrator: ")
                  + value_help)
    ->type_name("VALUE");
  to.add_option("--orchestration-version", options.version,
                "Start this version of the orchestrator. By default, the "
                "newest version is started.")
    ->type_name("VERSION");
  to.add_option("--timeout", options.time_out,
                "Wait at most this number of seconds for the instance's end. "
                "By default, the wait has no limit.")
    ->check(decimal_number(0, 1e9, " of seconds"))
    ->type_name("SECONDS");
}

void add_start_or_raise_options(CLI::App& to, start_verb_options& options) {
  to.add_option("name", options.name, "The name of the orchestrator.")
    ->required()
    ->check(not_empty())
    ->type_name("");
  add_instance_id(to, options.instance_id);
  to.add_option("event", options.event, "The name of the event.")
    ->required()
    ->check(not_empty())
    ->type_name("");
  to.add_option("--input", options.input,
                std::string("Pass this input to the orchestrator if the "
                            "instance is started: ")
                  + value_help)
    ->type_name("VALUE");
  to.add_option("--data", options.data,
                std::string("Send this value with the event: ") + value_help)
    ->type_name("VALUE");
  to.add_option("--orchestration-version", options.version,
                "If the instance is started, start this version of the "
                "orchestrator. By default, the newest version is started.")
    ->type_name("VERSION");
}

void add_start_options(CLI::App& to, start_verb_options& options) {
  CLI::Option* wait
    = to.add_flag("--wait", options.wait,
                  "Wait until the instance has ended, and print its status.");
  CLI::Option* follow
    = to.add_flag("--follow", options.follow,
                  "Print the history until the instance has ended. Ctrl-C "
                  "stops the output with exit code 130; the instance keeps "
                  "running.")
        ->excludes(wait);
  to.add_flag("--get-or-start", options.get_or_start,
              "If an instance with the ID of --id exists and has not ended, "
              "use this instance instead of starting a new one. Without this "
              "option, the command fails in that case.");
  to.add_option("--at", options.scheduled_at,
                "Start the instance at this time (ISO 8601), not immediately.")
    ->check(iso_time())
    ->type_name("TIME");
  to.add_option("--binding", options.binding,
                "Start the instances that this JSON file describes. The file "
                "contains an object {FunctionName, Input, InstanceId}, or an "
                "array of such objects.")
    ->excludes(follow)
    ->type_name("FILE");
}

void add_data_dir(CLI::App& to, std::string& data_dir,
                  const std::string& help) {
  const auto set = [&data_dir](const std::string& given) {
    namespace fs = std::filesystem;
    // A path that cannot be resolved is compared as it is.
    std::error_code failure;
    const auto resolved = [&](const std::string& path) {
      const fs::path found = fs::weakly_canonical(path, failure);
      return failure ? fs::path(path) : found;
    };
    if (!data_dir.empty() && resolved(data_dir) != resolved(given))
      throw CLI::ValidationError(
        "--data-dir", "names another directory than the argument: \"" + data_dir
                        + "\" and \"" + given + "\"; give one of them");
    data_dir = given;
  };
  to.add_option_function<std::string>("directory", set,
                                      help + " Required without --data-dir.")
    ->check(not_empty())
    ->type_name("DIR");
  to.add_option_function<std::string>("--data-dir", set,
                                      "The same as the argument.")
    ->check(not_empty())
    ->type_name("DIR");
}

std::function<int()> require_data_dir(const char* verb,
                                      const std::string& data_dir, terminal& io,
                                      std::function<int()> action) {
  return [verb, &data_dir, &io, run = std::move(action)] {
    if (!data_dir.empty())
      return run();
    return fail(io, {persistence::errc::invalid_argument,
                     std::string(verb)
                       + " needs a data directory: an argument or "
                         "--data-dir DIR."});
  };
}

void add_check_options(CLI::App& to, std::string& data_dir,
                       bool& rebuilds_views) {
  add_data_dir(to, data_dir, "The data directory, which holds a task hub.");
  to.add_flag("--rebuild-views", rebuilds_views,
              "Make indexes and counts anew. The node must be stopped.");
}

void add_adopt_options(CLI::App& to, std::string& data_dir,
                       bool& accepts_loss) {
  add_data_dir(to, data_dir, "The data directory; its node must be stopped.");
  to.add_flag("--accept-loss", accepts_loss,
              "Accept that data which the directory lacks is lost.");
}

void add_instance_id(CLI::App& to, std::string& id) {
  to.add_option("id", id, "The ID of the instance.")
    ->required()
    ->check(not_empty())
    ->type_name("");
}

void add_top_option(CLI::App& to, std::size_t& top) {
  constexpr std::uint64_t top_max = 1'000'000'000;
  to.add_option("--top", top,
                "List at most this number of instances; 0 lists all.")
    ->capture_default_str()
    ->transform(whole_number(0, top_max))
    ->type_name("N");
}

void add_filter_options(CLI::App& to, filter_options& filter) {
  to.add_option("--status", filter.statuses,
                "Select instances with one of these statuses "
                "(comma-separated): Pending, Running, Suspended, "
                "ContinuedAsNew, Completed, Failed, Terminated, Canceled.")
    ->delimiter(',')
    ->allow_extra_args(false) // The argument after STATUS can be an ID.
    ->check(status_name())
    ->type_name("STATUS");
  to.add_option("--created-from", filter.created_from,
                "Select instances created at this time (ISO 8601) or later.")
    ->check(not_empty())
    ->check(iso_time())
    ->type_name("TIME");
  to.add_option("--created-to", filter.created_to,
                "Select instances created at this time (ISO 8601) or earlier.")
    ->check(not_empty())
    ->check(iso_time())
    ->type_name("TIME");
  to.add_option("--since", filter.created_from,
                "Select instances created within this time before now (like "
                "30m, 1h, 2d or 1h30m), or at this time (ISO 8601) or later.")
    ->transform(CLI::Validator(
      [](std::string& text) {
        auto time = parse_since(text, persistence::system_clock().now());
        if (!time)
          return time.error().message;
        text = std::move(*time);
        return std::string();
      },
      ""))
    ->excludes("--created-from")
    ->type_name("AGE|TIME");
  to.add_option("--prefix", filter.prefix,
                "Select instances whose ID begins with this text.")
    ->check(not_empty())
    ->type_name("TEXT");
  to.add_option("--name", filter.name, "Select instances of this orchestrator.")
    ->check(not_empty())
    ->type_name("NAME");
  to.add_option("--orchestration-version", filter.version,
                "Select instances of this version of an orchestrator.")
    ->check(not_empty())
    ->type_name("VERSION");
  to.add_option("--parent", filter.parent,
                "Select the sub-orchestrations that this instance has started.")
    ->check(not_empty())
    ->type_name("ID");
  to.add_option("--root", filter.root,
                "Select all sub-orchestrations below this instance, at any "
                "depth.")
    ->check(not_empty())
    ->type_name("ID");
}

// The ID is not required here: check_target in control_verbs.cpp refuses a
// command with neither an ID nor a filter, and one with both.
void add_target_options(CLI::App& to, control_target& target) {
  to.add_option("id", target.id,
                "The ID of the instance. To select several instances, omit the "
                "ID and use the options --status, --since, --created-from, "
                "--created-to, --prefix and --name.")
    ->check(not_empty())
    ->type_name("");
  add_filter_options(to, target.filter);
  to.add_flag("--dry-run", target.dry_run,
              "Print how many instances would be changed, and change none.");
  to.add_flag("--yes", target.yes,
              "Change the instances that match the filter without asking for "
              "confirmation.");
}

void add_key_options(CLI::App& app, std::string& key) {
  for (const char* verb :
       {"start", "run", "start-or-raise", "raise-event", "terminate", "suspend",
        "resume", "rewind", "restart", "release", "purge"})
    app.get_subcommand(verb)
      ->add_option("--key", key,
                   "Identify the request by this text (at most 256 bytes). For "
                   "10 minutes, a repeat with the same key is not carried out "
                   "again and gets the first answer.")
      ->check(not_empty())
      ->check(at_most_bytes(request_id_bytes_max))
      ->type_name("KEY");
}

void add_pause_options(CLI::App& to, pause_verb_options& options) {
  to.add_option("name", options.name, "The name of the orchestrator.")
    ->required()
    ->check(not_empty())
    ->type_name("");
  to.add_option("--reason", options.reason,
                "Show this reason where paused orchestrators are listed, and "
                "write it to the log.")
    ->type_name("TEXT");
}

CLI::Option* add_partial_option(CLI::App& to, bool& partial) {
  return to.add_flag("--partial", partial,
                     "Omit the instances of nodes that cannot be reached, "
                     "and name the missing partitions. Without this option, "
                     "the command fails if a node cannot be reached.");
}

std::vector<const char*> without_option_before_help(int argc,
                                                    const char* const* argv) {
  std::vector<const char*> kept;
  bool has_options = true; // Arguments after "--" are no options.
  for (int i = 0; i < argc; ++i) {
    const std::string_view each = argv[i];
    const std::string_view before = kept.empty() ? "" : kept.back();
    has_options = has_options && each != "--";
    // "-o" is the only short option with a value.
    if (has_options && (each == "--help" || each == "-h")
        && (before == "-o" || before.starts_with("--"))
        && before.find('=') == before.npos)
      kept.pop_back();
    kept.push_back(argv[i]);
  }
  return kept;
}

} // namespace perdura::client
