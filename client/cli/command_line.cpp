// SPDX-License-Identifier: Apache-2.0
// Keeps more than 10 project includes or 15 members: the parser needs the
// options of every verb, and calls every verb.
#include "client/cli/command_line.hpp"

#include "client/cli/bench_verb.hpp"
#include "client/cli/check_verb.hpp"
#include "client/cli/cluster_status.hpp"
#include "client/cli/cluster_verbs.hpp"
#include "client/cli/command_options.hpp"
#include "client/cli/compact_verb.hpp"
#include "client/cli/completion_script.hpp"
#include "client/cli/config_verbs.hpp"
#include "client/cli/control_verbs.hpp"
#include "client/cli/describe_verb.hpp"
#include "client/cli/follow_verbs.hpp"
#include "client/cli/help_formatter.hpp"
#include "client/cli/hub_verbs.hpp"
#include "client/cli/node_connection.hpp"
#include "client/cli/node_verbs.hpp"
#include "client/cli/offline_terminate.hpp"
#include "client/cli/pause_verbs.hpp"
#include "client/cli/query_verbs.hpp"
#include "client/cli/start_verbs.hpp"
#include "client/cli/tls_verbs.hpp"
#include "client/cli/value_completion.hpp"
#include "client/cli/verb_examples.hpp"
#include "client/cli/verb_suggestion.hpp"
#include "persistence/process/build_info.hpp"

#include <CLI/CLI.hpp>

#include <cstdlib>
#include <functional>
#include <memory>
#include <ostream>
#include <string_view>
#include <vector>

namespace perdura::client {

namespace {

/// The parser and the options that it fills. Parsing a verb stores the action
/// that the verb performs; run() calls the action after the whole command line
/// has been parsed. Verbs share members, e.g. `id_`, because one run parses
/// only one verb.
class command_line {
public:
  explicit command_line(terminal& io) : io_(io) {
    // When a verb is added, it copies the formatter and the help option of the
    // program, so these are set first.
    app_.formatter(std::make_shared<help_formatter>());
    app_.set_help_flag("-h,--help", "Print this help and exit.");
    app_.require_subcommand(1);
    const persistence::build_info build = persistence::current_build();
    app_.set_version_flag("--version",
                          std::string("Perdura ") + build.version + " ("
                            + build.commit + ")",
                          "Print the version and exit.");
    app_.fallthrough(); // Global options may also follow the verb.
    app_.add_option("--url", url_, "Send requests to the node at this URL.")
      ->envname("PERDURA_URL")
      ->capture_default_str()
      ->type_name("URL");
    app_
      .add_option("--key-file", key_file_,
                  "Read the access key of the node from this file. By default, "
                  "the environment variable PERDURA_KEY is used.")
      ->type_name("FILE");
    app_
      .add_option("--ca", ca_file_,
                  "Trust the certificate authorities of this PEM file for "
                  "https. By default, those of the system are trusted.")
      ->type_name("FILE");
    app_.add_option("-o,--output", format_, "Print results in this format.")
      ->transform(one_of<output_format>({{"table", output_format::table},
                                         {"json", output_format::json},
                                         {"jsonl", output_format::jsonl}},
                                        true))
      ->default_str("table")
      ->type_name("table|json|jsonl");
    add_node_verbs();
    add_cluster_verbs();
    add_tls_verbs();
    add_config_verbs();
    add_start_verbs();
    add_query_verbs();
    add_control_verbs();
    add_key_options(app_, request_key_);
    add_bench_verb();
    add_completions_verb();
    add_examples(app_);
  }

  /// Parses the arguments and performs the action. Returns the exit code.
  int run(int argc, const char* const* argv) {
    const auto arguments = without_option_before_help(argc, argv);
    try {
      app_.parse(static_cast<int>(arguments.size()), arguments.data());
    } catch (const CLI::ParseError& failure) {
      return explain(app_, failure, arguments, io_) ? exit_ok : exit_usage;
    }
    return perform_action();
  }

private:
  /// Performs the action. Every failure prints a sentence, and output that
  /// cannot be written is an error.
  int perform_action() {
    int code = exit_ok;
    try {
      code = action_();
    } catch (const std::exception& failure) {
      return fail(io_, {persistence::errc::internal,
                        std::string("An unexpected error occurred: ")
                          + failure.what() + "."});
    }
    if (!io_.out.flush() && code == exit_ok)
      return fail(io_, {persistence::errc::storage_failed,
                        "The output could not be written."});
    return code;
  }

  /// True if --url was given before the verb. A URL that comes from PERDURA_URL
  /// does not count.
  bool url_was_given() const {
    const char* set = std::getenv("PERDURA_URL");
    return app_.count("--url") > 0 && (set == nullptr || url_ != set);
  }

  /// Adds a verb below `parent`. `action` returns the exit code.
  CLI::App* add_verb(CLI::App& parent, const char* name, const char* help,
                     std::function<int()> action) {
    CLI::App* added = parent.add_subcommand(name, help);
    added->fallthrough();
    added->callback([this, stored = std::move(action)] { action_ = stored; });
    return added;
  }

  /// Adds a verb to the program itself.
  CLI::App* add_verb(const char* name, const char* help,
                     std::function<int()> action) {
    return add_verb(app_, name, help, std::move(action));
  }

  /// Adds a verb that sends requests to the node of --url. `action` is called
  /// with the connection; it is not called if the URL or the key is not valid.
  template <class F>
  CLI::App* add_remote_verb(CLI::App& parent, const char* name,
                            const char* help, F action) {
    return add_verb(parent, name, help, [this, action]() -> int {
      auto url = parse_url(url_);
      if (!url)
        return fail(io_, url.error());
      auto key = read_key(key_file_);
      if (!key)
        return fail(io_, key.error());
      node_connection node(*url, {std::move(*key), {ca_file_}, request_key_});
      return action(node);
    });
  }

  template <class F>
  CLI::App* add_remote_verb(const char* name, const char* help, F action) {
    return add_remote_verb(app_, name, help, std::move(action));
  }

  /// `dev`, `serve`, `hub create`, `check` and `compact`: use a data directory.
  void add_node_verbs() {
    CLI::App* dev = add_verb(
      "dev",
      "Start a node with the sample orchestrators, run one of them, and "
      "keep the node running until Ctrl-C.",
      [this] { return dev_verb(node_, io_); });
    add_dev_options(*dev, node_.configuration, node_.once);

    CLI::App* serve = add_verb("serve", "Start a node on a data directory.",
                               [this] { return serve_verb(node_, io_); });
    add_serve_options(*serve, node_.configuration);
    serve->add_flag("--paused", node_.paused,
                    "Answer requests, but run no orchestrator and no activity, "
                    "e.g. to terminate instances whose code ends the process.");

    CLI::App* hub = app_.add_subcommand("hub", "Create or adopt task hubs.");
    hub->require_subcommand(1);
    CLI::App* create = add_verb(
      *hub, "create", "Create a task hub in a new or empty directory.",
      [this] { return hub_create_verb(node_.configuration, io_); });
    add_config_option(*create, node_.configuration);
    create
      ->add_option("--data-dir", node_.configuration.data_dir,
                   "Create the task hub in this directory.")
      ->type_name("DIR");
    add_hub_options(*create, node_.configuration);

    add_adopt_options(
      *add_verb(
        *hub, "adopt",
        "Let a restored or new directory replace the lost one of its node.",
        require_data_dir(
          "hub adopt", checked_dir_, io_,
          [this] { return hub_adopt_verb(checked_dir_, accepts_loss_, io_); })),
      checked_dir_, accepts_loss_);
    CLI::App* check = app_.add_subcommand(
      "check", "Check a data directory, or a copy of one, for damage. Nothing "
               "is written without --rebuild-views. Exit code 1: damage was "
               "found; 2 or 4: the directory cannot be read.");
    add_check_options(*check, checked_dir_, rebuilds_views_);
    check->callback([this] {
      const auto run = rebuilds_views_ ? rebuild_views_verb : check_verb;
      action_ = require_data_dir("check", checked_dir_, io_, [this, run] {
        return run(checked_dir_, io_);
      });
    });
    add_data_dir(
      *add_verb(
        "compact", "Return free space in the files of a stopped node.",
        require_data_dir("compact", checked_dir_, io_,
                         [this] { return compact_verb(checked_dir_, io_); })),
      checked_dir_, "The data directory, which holds a task hub.");
  }

  /// `cluster up` and `cluster status`.
  void add_cluster_verbs() {
    CLI::App* cluster = app_.add_subcommand(
      "cluster", "Start a cluster on this machine, or show a cluster's state.");
    cluster->require_subcommand(1);
    add_cluster_up_options(
      *add_verb(
        *cluster, "up",
        "Start the nodes of a cluster on this machine as child processes.",
        [this] { return cluster_up_verb(cluster_, io_); }),
      cluster_);
    add_remote_verb(
      *cluster, "status",
      "Show the state of each node. The exit code is 4 if a node cannot be "
      "reached.",
      [this](node_connection& node) {
        return cluster_status_verb(node, with_partitions_, format_, io_);
      })
      ->add_flag("--partitions", with_partitions_,
                 "Show which partitions each node owns. By default, only the "
                 "number of its partitions is shown.");
  }

  void add_tls_verbs() {
    CLI::App* tls
      = app_.add_subcommand("tls", "Create TLS certificates for a cluster.");
    tls->require_subcommand(1);
    add_tls_init_options(
      *add_verb(
        *tls, "init",
        "Create a certificate authority and a certificate for each node.",
        [this] { return tls_init_verb(tls_, io_); }),
      tls_);
    add_tls_name_options(
      *add_verb(*tls, "add",
                "Create a certificate for one more node, with the certificate "
                "authority of the directory.",
                [this] { return tls_add_verb(tls_name_, io_); }),
      tls_name_, false);
    add_tls_name_options(
      *add_verb(
        *tls, "renew",
        "Replace one certificate by a new one with the same name, hosts "
        "and key.",
        [this] { return tls_renew_verb(tls_name_, io_); }),
      tls_name_, true);
  }

  void add_config_verbs() {
    CLI::App* config = app_.add_subcommand(
      "config", "Show or validate the configuration of a node.");
    config->require_subcommand(1);
    add_serve_options(
      *add_verb(
        *config, "show",
        "Show all settings that the verb serve would use with the same "
        "options, and the source of each setting. No node is started, and no "
        "task hub is created.",
        [this] { return config_show_verb(node_.configuration, format_, io_); }),
      node_.configuration);
    add_verb(*config, "validate", "Check a configuration file for mistakes.",
             [this] {
               return config_validate_verb(node_.configuration.config_file,
                                           io_);
             })
      ->add_option("file", node_.configuration.config_file,
                   "The configuration file (TOML).")
      ->required()
      ->type_name("");
  }

  /// `start` and `run`.
  void add_start_verbs() {
    CLI::App* start = add_remote_verb(
      "start", "Start an instance of an orchestrator.",
      [this](node_connection& node) {
        // Exactly one of NAME and --binding must be given.
        if (start_.name.empty() == start_.binding.empty())
          return fail(io_, {persistence::errc::invalid_argument,
                            "start needs a NAME or --binding FILE."});
        return start_verb(node, start_, format_, io_);
      });
    start
      ->add_option("name", start_.name,
                   "The name of the orchestrator. Required without --binding.")
      ->type_name("");
    add_start_options(*start, start_);
    add_input_options(*start, start_);

    CLI::App* run = add_remote_verb(
      "run", "Start an instance, wait for its end, and print its result.",
      [this](node_connection& node) {
        return run_verb(node, start_, format_, io_);
      });
    run->add_option("name", start_.name, "The name of the orchestrator.")
      ->required()
      ->type_name("");
    add_input_options(*run, start_);

    add_start_or_raise_options(
      *add_remote_verb(
        "start-or-raise",
        "Send an event to an instance, and start the instance if none is live.",
        [this](node_connection& node) {
          return start_or_raise_verb(node, start_, format_, io_);
        }),
      start_);
  }

  /// Adds the ID of an instance as the first positional argument.
  CLI::App* add_id_argument(CLI::App* to) {
    add_instance_id(*to, id_);
    return to;
  }

  /// The verbs that only read: `get`, `describe`, `list` and others.
  void add_query_verbs() {
    CLI::App* get = add_id_argument(add_remote_verb(
      "get", "Show the status of an instance.", [this](node_connection& node) {
        if (watch_)
          return watch_instance_verb(node, id_, format_, io_);
        return get_verb(node, id_, with_history_, with_outputs_, format_, io_);
      }));
    get->add_flag("--history", with_history_, "Also show the history.");
    get->add_flag("--outputs", with_outputs_,
                  "Also show the history, including the results of its "
                  "events.");
    get
      ->add_flag("--watch", watch_,
                 "Show each change until the instance has ended. Ctrl-C stops "
                 "the output with exit code 130.")
      ->excludes("--history")
      ->excludes("--outputs");
    add_id_argument(add_remote_verb(
      "describe", "Show the tasks and events that an instance waits for.",
      [this](node_connection& node) {
        return describe_verb(node, id_, format_, io_);
      }));

    CLI::App* list = add_remote_verb(
      "list", "List instances.", [this](node_connection& node) {
        if (watch_)
          return watch_list_verb(node, list_, format_, io_);
        return list_verb(node, list_, format_, io_);
      });
    add_filter_options(*list, list_.filter);
    add_top_option(*list, list_.top);
    CLI::Option* stuck
      = list->add_flag("--stuck", list_.stuck,
                       "List the instances that cannot make progress, with "
                       "the reason for each instance.");
    list
      ->add_flag("--watch", watch_,
                 "Show each change until Ctrl-C, which stops the output with "
                 "exit code 130.")
      ->excludes(stuck);
    add_partial_option(*list, list_.partial)->excludes(stuck);

    CLI::App* count = add_remote_verb(
      "count", "Count instances by status.", [this](node_connection& node) {
        return count_verb(node, list_.filter, list_.partial, format_, io_);
      });
    add_filter_options(*count, list_.filter);
    add_partial_option(*count, list_.partial);
    add_id_argument(
      add_remote_verb("history", "Show the history of an instance.",
                      [this](node_connection& node) {
                        return follow_
                                 ? follow_history_verb(node, id_, format_, io_)
                                 : history_verb(node, id_, format_, io_);
                      }))
      ->add_flag("--follow", follow_,
                 "Also print new events until the instance has ended. Ctrl-C "
                 "stops the output with exit code 130.");
    add_id_argument(add_remote_verb("urls",
                                    "Show the management URLs of an instance.",
                                    [this](node_connection& node) {
                                      return urls_verb(node, id_, format_, io_);
                                    }));
  }

  /// Adds `terminate`, `suspend`, `resume` or `rewind`.
  CLI::App* add_control_verb(const char* name, const char* help) {
    CLI::App* added
      = add_remote_verb(name, help, [this, name](node_connection& node) {
          control_verb_options options = control_;
          options.verb = name;
          options.target = target_;
          return offline_dir_.empty()
                   ? control_verb(node, options, io_)
                   : terminate_offline(offline_dir_, options, io_);
        });
    add_target_options(*added, target_);
    added
      ->add_option("--reason", control_.reason,
                   "Record this reason in the history and in the log.")
      ->type_name("TEXT");
    return added;
  }

  /// The verbs that change instances.
  void add_control_verbs() {
    CLI::App* raise = add_id_argument(
      add_remote_verb("raise-event", "Send an event to an instance.",
                      [this](node_connection& node) {
                        return raise_event_verb(node, id_, event_, data_, io_);
                      }));
    raise->alias("signal");
    raise->add_option("name", event_, "The name of the event.")
      ->required()
      ->type_name("");
    raise
      ->add_option("--data", data_,
                   "Send this value with the event: JSON, @FILE, or - for "
                   "standard input.")
      ->type_name("VALUE");

    add_control_verb("terminate",
                     "Terminate an instance, or all instances that match a "
                     "filter.")
      ->add_flag("--recursive", control_.recursive,
                 "Also terminate the sub-orchestrations of the instances.");
    app_.get_subcommand("terminate")
      ->add_option("--offline", offline_dir_,
                   "Terminate the instance in this data directory, which no "
                   "node uses.")
      ->type_name("DIR");
    add_control_verb("suspend",
                     "Suspend an instance, or all instances that match a "
                     "filter.");
    add_control_verb(
      "resume",
      "Resume a suspended instance, or all suspended instances that match a "
      "filter.");
    add_control_verb("rewind",
                     "Rewind a failed instance, or all failed instances that "
                     "match a filter. Their failed tasks run again.");

    add_id_argument(add_remote_verb(
      "release",
      "Let an instance run again that is held because its code has ended the "
      "process again and again, or does not match its history.",
      [this](node_connection& node) {
        control_verb_options options;
        options.verb = "release";
        options.target.id = id_;
        return control_verb(node, options, io_);
      }));

    for (const char* name : {"pause", "unpause"})
      add_pause_options(
        *add_remote_verb(
          name,
          name == std::string_view("pause")
            ? "Pause all instances of an orchestrator, on all nodes. They "
              "accept requests and do not run."
            : "Let the instances of a paused orchestrator run again.",
          [this, name](node_connection& node) {
            pause_.is_paused = name == std::string_view("pause");
            return pause_verb(node, pause_, format_, io_);
          }),
        pause_);
    add_remote_verb("paused", "List the paused orchestrators.",
                    [this](node_connection& node) {
                      return paused_verb(node, format_, io_);
                    });

    CLI::App* restart = add_id_argument(add_remote_verb(
      "restart",
      "Start a new instance with the orchestrator and the input of an existing "
      "instance.",
      [this](node_connection& node) {
        return restart_verb(node, id_, same_id_, format_, io_);
      }));
    restart->add_flag("--same-id", same_id_,
                      "Reuse the ID of the existing instance. By default, the "
                      "new instance gets a new ID.");

    CLI::App* purge = add_remote_verb(
      "purge",
      "Delete an ended instance, or all that match a filter, with its history.",
      [this](node_connection& node) { return purge_verb(node, target_, io_); });
    add_target_options(*purge, target_);
    purge->add_flag("--force", target_.force,
                    "Also delete an instance whose activities have not ended. "
                    "Those that have not begun never run.");
  }

  /// `bench` has an option --url of its own. If that option is not given, the
  /// option --url of the program applies, but PERDURA_URL does not.
  void add_bench_verb() {
    add_bench_options(*add_verb("bench",
                                "Measure the throughput, latency and cost of "
                                "orchestrations.",
                                [this] {
                                  bench_.key_file = key_file_;
                                  if (bench_.urls.empty() && url_was_given())
                                    bench_.urls = {url_};
                                  return bench_verb(bench_, format_, io_);
                                }),
                      bench_);
  }

  void add_completions_verb() {
    CLI::App* completions = add_verb(
      "completions",
      "Print a script that completes verbs, options and values in a shell.",
      [this] {
        io_.out << completion_script(app_, shell_);
        return int{exit_ok};
      });
    completions->add_option("shell", shell_, "The shell: bash, zsh or fish.")
      ->required()
      ->transform(one_of<shell_kind>({{"bash", shell_kind::bash},
                                      {"zsh", shell_kind::zsh},
                                      {"fish", shell_kind::fish}},
                                     false))
      ->type_name("");
    // Hidden: for the scripts. An empty group is not shown in the help.
    add_verb(complete_values_verb, "Print the values that complete a line.",
             [this] {
               for (const std::string& each : complete_values(app_, line_))
                 io_.out << each << '\n';
               return int{exit_ok};
             })
      ->group("")
      ->add_option("line", line_);
  }

  terminal& io_;
  CLI::App app_{"Start Perdura nodes, and manage the instances of durable "
                "orchestrations that run on them.",
                "perdura"};
  std::string url_ = "http://127.0.0.1:7071";
  std::string key_file_;
  std::string ca_file_;
  output_format format_ = output_format::table;
  node_verb_options node_;
  std::string checked_dir_; ///< For `check` and `hub adopt`.
  bool accepts_loss_ = false;
  std::string offline_dir_;
  bool rebuilds_views_ = false;
  cluster_up_options cluster_;
  tls_init_options tls_;
  tls_name_options tls_name_;
  start_verb_options start_;
  list_verb_options list_;
  control_verb_options control_;
  control_target target_;
  pause_verb_options pause_;
  bench_verb_options bench_;
  shell_kind shell_ = shell_kind::bash;
  std::string request_key_;
  std::string line_; ///< For `complete-values`.
  std::string id_;
  std::string event_;
  std::string data_;
  bool with_history_ = false;
  bool with_outputs_ = false;
  bool with_partitions_ = false;
  bool watch_ = false;
  bool follow_ = false;
  bool same_id_ = false;
  std::function<int()> action_ = [] { return exit_usage; };
};

} // namespace

int run_command_line(int argc, const char* const* argv, terminal& io) {
  return command_line(io).run(argc, argv);
}

} // namespace perdura::client
