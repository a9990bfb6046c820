#include "client/cli/command_line.hpp"

#include "client/cli/bench_verb.hpp"
#include "client/cli/check_verb.hpp"
#include "client/cli/cluster_status.hpp"
#include "client/cli/cluster_verbs.hpp"
#include "client/cli/completion_script.hpp"
#include "client/cli/config_verbs.hpp"
#include "client/cli/control_verbs.hpp"
#include "client/cli/follow_verbs.hpp"
#include "client/cli/node_connection.hpp"
#include "client/cli/node_verbs.hpp"
#include "client/cli/query_verbs.hpp"
#include "client/cli/start_verbs.hpp"
#include "client/cli/tls_verbs.hpp"

#include <CLI/CLI.hpp>

#include <cstdlib>
#include <functional>
#include <ostream>

namespace perdura::client {

namespace {

/// An ID from a variable that was never set is a mistake, not a wish.
CLI::Validator not_empty() {
  return {[](std::string& text) {
            return text.empty() ? std::string("may not be empty")
                                : std::string();
          },
          ""};
}

constexpr std::pair<std::string_view, std::string_view> examples[] = {
  {"dev", " --data-dir ./hub"},
  {"serve", " --config configs/single-node.toml"},
  {"cluster up", " --nodes 3 --data-dir ./cluster"},
  {"cluster status", " --url http://127.0.0.1:7072 --partitions"},
  {"hub create", " --data-dir ./hub --partitions 64"},
  {"tls init", " --nodes node-1,node-2,node-3 --host ship.example"},
  {"check", " --data-dir ./hub"},
  {"config show", " --config node.toml --http :8080"},
  {"config validate", " node.toml"},
  {"start", " Approval --id order-17 --input '{\"sum\":5}'"},
  {"run", " HelloSequence"},
  {"get", " order-17 --watch"},
  {"list", " --status Running,Failed --prefix order-"},
  {"count", ""},
  {"history", " order-17 --follow"},
  {"urls", " order-17"},
  {"raise-event", " order-17 Approval --data '{\"by\":\"me\"}'"},
  {"terminate", " --prefix order- --reason 'no longer wanted' --dry-run"},
  {"suspend", " order-17 --reason 'until Monday'"},
  {"resume", " order-17"},
  {"rewind", " --status Failed --name Ship --yes"},
  {"restart", " order-17"},
  {"purge", " --status Completed --created-to 2026-01-01"},
  {"bench", " hello fan-out --rate 500,1000,2000 --svg hello.svg"},
  {"completions", " bash > ~/.local/share/bash-completion/completions/perdura"},
};

/// The parser, and what it fills. Each verb leaves behind what to do.
class command_line {
public:
  explicit command_line(terminal& io) : io_(io) {
    app_.require_subcommand(1);
    app_.set_version_flag("--version", "Perdura " PERDURA_VERSION);
    app_.fallthrough(); // Global flags may stand behind the verb.
    app_.add_option("--url", url_, "The node to talk to")
      ->envname("PERDURA_URL")
      ->capture_default_str();
    app_.add_option("--key-file", key_file_,
                    "Holds the key for the node; else PERDURA_KEY is it");
    app_.add_option("--ca", ca_file_,
                    "Who is believed behind https (PEM); else the system's");
    app_.add_option("-o,--output", format_, "How to show things")
      ->transform(CLI::CheckedTransformer(
        std::map<std::string, output_format>{{"table", output_format::table},
                                             {"json", output_format::json},
                                             {"jsonl", output_format::jsonl}},
        CLI::ignore_case))
      ->default_str("table")
      ->type_name("table|json|jsonl");
    add_node_verbs();
    add_cluster_verbs();
    add_tls_verbs();
    add_config_verbs();
    add_start_verbs();
    add_query_verbs();
    add_control_verbs();
    add_bench_verb();
    add_completions_verb();
    add_examples();
  }

  int run(int argc, const char* const* argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& failure) {
      // Help and version are no failures.
      return app_.exit(failure, io_.out, io_.err) == 0 ? exit_ok : exit_usage;
    }
    return act();
  }

private:
  /// Whatever goes wrong is a sentence, and output that is lost an error.
  int act() {
    int code = exit_ok;
    try {
      code = action_();
    } catch (const std::exception& failure) {
      return fail(io_,
                  {persistence::errc::internal,
                   std::string("This did not work: ") + failure.what() + "."});
    }
    if (!io_.out.flush() && code == exit_ok)
      return fail(io_, {persistence::errc::storage_failed,
                        "The output could not be written."});
    return code;
  }

  /// In front of the verb; that a variable names a node does not count.
  bool url_was_said() const {
    const char* set = std::getenv("PERDURA_URL");
    return app_.count("--url") > 0 && (set == nullptr || url_ != set);
  }

  CLI::App* verb(CLI::App& parent, const char* name, const char* what,
                 std::function<int()> action) {
    CLI::App* added = parent.add_subcommand(name, what);
    added->fallthrough();
    added->callback([this, todo = std::move(action)] { action_ = todo; });
    return added;
  }

  CLI::App* verb(const char* name, const char* what,
                 std::function<int()> action) {
    return verb(app_, name, what, std::move(action));
  }

  /// A verb that asks a node.
  template <class F>
  CLI::App* remote_verb(CLI::App& parent, const char* name, const char* what,
                        F ask) {
    return verb(parent, name, what, [this, ask]() -> int {
      auto url = parse_url(url_);
      if (!url)
        return fail(io_, url.error());
      auto key = read_key(key_file_);
      if (!key)
        return fail(io_, key.error());
      node_connection node(*url, {std::move(*key), {ca_file_}});
      return ask(node);
    });
  }

  template <class F>
  CLI::App* remote_verb(const char* name, const char* what, F ask) {
    return remote_verb(app_, name, what, std::move(ask));
  }

  /// What file and flags can say about a node. Left out, a flag leaves the
  /// file's word, or the default.
  void add_listen_options(CLI::App& to) {
    configuration_flags& flags = node_.configuration;
    to.add_option("--http", flags.http, "Where to listen: ADDRESS:PORT")
      ->default_str("127.0.0.1:7071");
    to.add_option("--log-level", flags.log_level,
                  "debug, info, warning, error or off");
  }

  void add_config_option(CLI::App& to) {
    to.add_option("--config", node_.configuration.config_file,
                  "Settings in TOML; flags go over them");
  }

  void add_hub_options(CLI::App& to) {
    configuration_flags& flags = node_.configuration;
    to.add_option("--task-hub", flags.task_hub,
                  "The hub's name; only used when it is made")
      ->default_str("perdura");
    to.add_option("--partitions", flags.partitions,
                  "How many (1 to 4096); only used when the hub is made")
      ->default_str("32");
  }

  /// As `serve` takes them; `config show` shows what comes of them.
  void add_serve_options(CLI::App& to) {
    configuration_flags& flags = node_.configuration;
    add_config_option(to);
    add_listen_options(to);
    to.add_option("--data-dir", flags.data_dir, "Holds the hub");
    to.add_flag("--create-hub", flags.create_hub,
                "Make a hub if the directory is missing or empty");
    add_hub_options(to);
  }

  void add_node_verbs() {
    CLI::App* dev = verb("dev", "One node with the samples, to try things out",
                         [this] { return dev_verb(node_, io_); });
    add_listen_options(*dev);
    dev->add_option("--data-dir", node_.configuration.data_dir,
                    "Keeps the data; else it is in a temporary folder");
    dev->add_flag("--once", node_.once, "Leave after the first result");
    add_hub_options(*dev);

    add_serve_options(*verb("serve", "One node on a data directory",
                            [this] { return serve_verb(node_, io_); }));

    CLI::App* hub = app_.add_subcommand("hub", "Task hubs");
    hub->require_subcommand(1);
    CLI::App* create
      = verb(*hub, "create", "Make a hub in a new or empty directory",
             [this] { return hub_create_verb(node_, io_); });
    add_config_option(*create);
    create->add_option("--data-dir", node_.configuration.data_dir, "Where");
    add_hub_options(*create);

    CLI::App* check = app_.add_subcommand(
      "check", "Look for damage in a data directory that no node uses");
    check->add_option("--data-dir", checked_dir_, "Holds the hub")->required();
    check->callback(
      [this] { action_ = [this] { return check_verb(checked_dir_, io_); }; });
  }

  void add_cluster_verbs() {
    CLI::App* cluster
      = app_.add_subcommand("cluster", "Several nodes that are one hub");
    cluster->require_subcommand(1);
    CLI::App* up
      = verb(*cluster, "up", "Nodes on this machine, as child processes",
             [this] { return cluster_up_verb(cluster_, io_); });
    up->add_option("--nodes", cluster_.nodes,
                   "How many; else as many as the directory holds, or 3")
      ->check(CLI::Range(1, 100));
    up->add_option("--http-port", cluster_.http_port,
                   "Of the first; the others' follow")
      ->capture_default_str()
      ->check(CLI::Range(1, 65535));
    up->add_option("--cluster-port", cluster_.cluster_port,
                   "Where the first listens for the others; theirs follow")
      ->capture_default_str()
      ->check(CLI::Range(1, 65535));
    up->add_option("--data-dir", cluster_.data_dir,
                   "Keeps the data; else it is in a temporary folder");
    up->add_option("--partitions", cluster_.partitions,
                   "How many (1 to 4096); only used when the hub is made")
      ->default_str("32")
      ->check(CLI::Range(1, 4096));
    remote_verb(
      *cluster, "status", "Show how each node is; exit code 4 if one is away",
      [this](node_connection& node) {
        return cluster_status_verb(node, with_partitions_, format_, io_);
      })
      ->add_flag("--partitions", with_partitions_,
                 "Which ones a node owns, not only how many");
  }

  void add_tls_verbs() {
    CLI::App* tls = app_.add_subcommand("tls", "Certificates for a cluster");
    tls->require_subcommand(1);
    CLI::App* init = verb(*tls, "init",
                          "Make an authority and its nodes' "
                          "certificates",
                          [this] { return tls_init_verb(tls_, io_); });
    init->add_option("--dir", tls_.directory, "Where; made if it is not there")
      ->capture_default_str()
      ->check(not_empty());
    init->add_option("--nodes", tls_.nodes, "Their names")
      ->delimiter(',')
      ->default_str("node-1,node-2,node-3");
    init
      ->add_option("--host", tls_.hosts,
                   "By what nodes are reached besides loopback: names, "
                   "numeric addresses")
      ->delimiter(',');
    init->add_option("--days", tls_.days, "How long they are good")
      ->capture_default_str()
      ->check(CLI::Range(1, 36500));
  }

  void add_config_verbs() {
    CLI::App* config
      = app_.add_subcommand("config", "What a node is told, and by whom");
    config->require_subcommand(1);
    add_serve_options(*verb(
      *config, "show", "Show all that is in force, and where it is from",
      [this] { return config_show_verb(node_.configuration, format_, io_); }));
    verb(*config, "validate", "Look for mistakes in a file of settings",
         [this] {
           return config_validate_verb(node_.configuration.config_file, io_);
         })
      ->add_option("file", node_.configuration.config_file, "TOML")
      ->required();
  }

  void add_input_options(CLI::App& to) {
    to.add_option("--id", start_.instance_id, "Else one is made")
      ->check(not_empty());
    to.add_option("--input", start_.input,
                  "JSON, @FILE, or - for standard input");
    to.add_option("--orchestration-version", start_.version, "Else the newest");
    to.add_option("--timeout", start_.time_out, "Seconds to wait for the end")
      ->check(CLI::Range(0.0, 1e9));
  }

  void add_start_verbs() {
    CLI::App* start = remote_verb(
      "start", "Start an instance", [this](node_connection& node) {
        if (start_.name.empty() == start_.binding.empty())
          return fail(io_, {persistence::errc::invalid_argument,
                            "start wants a NAME or --binding FILE."});
        return start_verb(node, start_, format_, io_);
      });
    start->add_option("name", start_.name, "The orchestrator");
    CLI::Option* wait
      = start->add_flag("--wait", start_.wait, "Wait until it has ended");
    CLI::Option* follow
      = start
          ->add_flag("--follow", start_.follow,
                     "Print its history until it has ended (Ctrl-C: exit "
                     "code 130, and it goes on)")
          ->excludes(wait);
    start->add_flag("--get-or-start", start_.get_or_start,
                    "A live instance of this ID is what is wanted");
    start->add_option("--at", start_.scheduled_at, "Not before (ISO 8601)");
    start
      ->add_option("--binding", start_.binding,
                   "A file with {FunctionName, Input, InstanceId}, or an "
                   "array of them")
      ->excludes(follow);
    add_input_options(*start);

    CLI::App* run
      = remote_verb("run", "Start an instance, wait, print its result",
                    [this](node_connection& node) {
                      return run_verb(node, start_, format_, io_);
                    });
    run->add_option("name", start_.name, "The orchestrator")->required();
    add_input_options(*run);
  }

  /// One instance, or those that match.
  void add_target(CLI::App& to) {
    to.add_option("id", target_.id, "This one; else those that match")
      ->check(not_empty());
    add_filter_options(to, target_.filter);
    to.add_flag("--dry-run", target_.dry_run, "Only say how many");
    to.add_flag("--yes", target_.yes, "Do not ask");
  }

  CLI::App* add_id(CLI::App* to) {
    to->add_option("id", id_, "The instance")->required()->check(not_empty());
    return to;
  }

  static void add_filter_options(CLI::App& to, filter_options& filter) {
    to.add_option("--status", filter.statuses, "Running, Completed, …")
      ->delimiter(',')
      ->allow_extra_args(false) // What follows is an ID.
      ->check(not_empty());
    to.add_option("--created-from", filter.created_from, "ISO 8601")
      ->check(not_empty());
    to.add_option("--created-to", filter.created_to, "ISO 8601")
      ->check(not_empty());
    to.add_option("--prefix", filter.prefix, "How the ID begins")
      ->check(not_empty());
    to.add_option("--name", filter.name, "The orchestrator")
      ->check(not_empty());
  }

  static CLI::Option* add_partial(CLI::App& to, bool& partial) {
    return to.add_flag("--partial", partial,
                       "Without what nodes that are away own, and say so");
  }

  void add_query_verbs() {
    CLI::App* get = add_id(
      remote_verb("get", "Show an instance", [this](node_connection& node) {
        if (watch_)
          return watch_instance_verb(node, id_, format_, io_);
        return get_verb(node, id_, with_history_, with_outputs_, format_, io_);
      }));
    get->alias("describe");
    get->add_flag("--history", with_history_, "With its history");
    get->add_flag("--outputs", with_outputs_, "And the results in it");
    get
      ->add_flag("--watch", watch_,
                 "Show each change until it has ended (Ctrl-C: exit code 130)")
      ->excludes("--history")
      ->excludes("--outputs");

    CLI::App* list
      = remote_verb("list", "Show instances", [this](node_connection& node) {
          if (watch_)
            return watch_list_verb(node, list_, format_, io_);
          return list_verb(node, list_, format_, io_);
        });
    add_filter_options(*list, list_.filter);
    list->add_option("--top", list_.top, "At most so many; 0: all")
      ->capture_default_str();
    CLI::Option* stuck = list->add_flag("--stuck", list_.stuck,
                                        "Those that cannot go on, and why");
    list
      ->add_flag("--watch", watch_,
                 "Show each change until Ctrl-C (exit code 130)")
      ->excludes(stuck);
    add_partial(*list, list_.partial)->excludes(stuck);

    add_partial(*remote_verb("count", "Count instances by status",
                             [this](node_connection& node) {
                               return count_verb(node, partial_count_, format_,
                                                 io_);
                             }),
                partial_count_);
    add_id(remote_verb("history", "Show an instance's history",
                       [this](node_connection& node) {
                         return follow_
                                  ? follow_history_verb(node, id_, format_, io_)
                                  : history_verb(node, id_, format_, io_);
                       }))
      ->add_flag("--follow", follow_,
                 "Print new events until it has ended (Ctrl-C: exit code 130)");
    add_id(remote_verb("urls", "Show an instance's management URLs",
                       [this](node_connection& node) {
                         return urls_verb(node, id_, format_, io_);
                       }));
  }

  void add_control_verb(const char* word, const char* what) {
    CLI::App* added
      = remote_verb(word, what, [this, word](node_connection& node) {
          control_verb_options options = control_;
          options.word = word;
          options.target = target_;
          return control_verb(node, options, io_);
        });
    add_target(*added);
    added->add_option("--reason", control_.reason, "For the log and history");
    if (std::string_view(word) == "terminate")
      added->add_flag("--recursive", control_.recursive,
                      "And its sub-orchestrations");
  }

  void add_control_verbs() {
    CLI::App* raise = add_id(remote_verb(
      "raise-event", "Send an event", [this](node_connection& node) {
        return raise_event_verb(node, id_, event_, data_, io_);
      }));
    raise->alias("signal");
    raise->add_option("name", event_, "The event")->required();
    raise->add_option("--data", data_, "JSON, @FILE, or - for standard input");

    add_control_verb("terminate", "End an instance");
    add_control_verb("suspend", "Hold an instance");
    add_control_verb("resume", "Let a suspended instance go on");
    add_control_verb("rewind", "Let a failed instance try again what failed");

    CLI::App* restart = add_id(
      remote_verb("restart", "Start again with the same input",
                  [this](node_connection& node) {
                    return restart_verb(node, id_, same_id_, format_, io_);
                  }));
    restart->add_flag("--same-id", same_id_, "Under its own ID");

    add_target(*remote_verb("purge", "Forget finished instances",
                            [this](node_connection& node) {
                              return purge_verb(node, target_, io_);
                            }));
  }

  void add_bench_verb() {
    add_bench_options(*verb("bench", "Measure what orchestrations cost",
                            [this] {
                              bench_.key_file = key_file_;
                              if (bench_.urls.empty() && url_was_said())
                                bench_.urls = {url_};
                              return bench_verb(bench_, format_, io_);
                            }),
                      bench_);
  }

  void add_completions_verb() {
    CLI::App* completions = verb(
      "completions", "Print a script that completes words in a shell", [this] {
        io_.out << completion_script(app_, shell_);
        return int{exit_ok};
      });
    completions->add_option("shell", shell_, "For which one: bash, zsh or fish")
      ->required()
      ->transform(CLI::CheckedTransformer(
        std::map<std::string, shell_kind>{{"bash", shell_kind::bash},
                                          {"zsh", shell_kind::zsh},
                                          {"fish", shell_kind::fish}}))
      ->type_name("bash|zsh|fish");
  }

  /// Below each verb's help.
  void add_examples() {
    for (const auto& [verb_path, example] : examples)
      find_verb(verb_path)->footer("Example: perdura " + std::string(verb_path)
                                   + std::string(example));
  }

  CLI::App* find_verb(std::string_view verb_path) {
    CLI::App* found = &app_;
    while (!verb_path.empty()) {
      const std::size_t blank = std::min(verb_path.find(' '), verb_path.size());
      found = found->get_subcommand(std::string(verb_path.substr(0, blank)));
      verb_path.remove_prefix(std::min(blank + 1, verb_path.size()));
    }
    return found;
  }

  terminal& io_;
  CLI::App app_{"Durable orchestrations: nodes, and what runs on them.",
                "perdura"};
  std::string url_ = "http://127.0.0.1:7071";
  std::string key_file_;
  std::string ca_file_;
  output_format format_ = output_format::table;
  node_verb_options node_;
  std::string checked_dir_;
  cluster_up_options cluster_;
  tls_init_options tls_;
  start_verb_options start_;
  list_verb_options list_;
  control_verb_options control_;
  control_target target_;
  bench_verb_options bench_;
  shell_kind shell_ = shell_kind::bash;
  std::string id_;
  std::string event_;
  std::string data_;
  bool with_history_ = false;
  bool with_outputs_ = false;
  bool with_partitions_ = false;
  bool partial_count_ = false;
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
