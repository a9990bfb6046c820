// SPDX-License-Identifier: Apache-2.0
#include "client/cli/completion_script.hpp"

#include "client/cli/value_completion.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <vector>

namespace perdura::client {

namespace {

/// One option of a verb, as it is defined in the parser.
struct option_entry {
  std::vector<std::string> long_names;  ///< Without dashes.
  std::vector<std::string> short_names; ///< Without dashes.
  std::string help;
  bool takes_value = false;
};

/// One verb and its options. Also used for the program itself, with an empty
/// `path`.
struct verb_entry {
  std::vector<std::string> path; ///< E.g. {"config", "show"}.
  std::string help;
  std::vector<option_entry> options;
  std::vector<std::string> subverbs;
};

/// Joins the words to one text, separated by `between`.
std::string joined(const std::vector<std::string>& words, const char* between) {
  std::string all;
  for (const std::string& each : words)
    all += (all.empty() ? "" : between) + each;
  return all;
}

/// Adds a verb and, recursively, its subverbs to `to`. An alias is added as a
/// verb of its own.
void add_verbs(const CLI::App& app, const std::vector<std::string>& path,
               std::vector<verb_entry>& to) {
  // Positional arguments have no names, so they are not completed.
  verb_entry entry{path, app.get_description(), {}, {}};
  for (const CLI::Option* option : app.get_options())
    if (!option->get_lnames().empty() || !option->get_snames().empty())
      entry.options.push_back({option->get_lnames(), option->get_snames(),
                               option->get_description(),
                               option->get_items_expected_max() > 0});
  // A verb without a group is hidden.
  const auto verbs = app.get_subcommands(
    [](const CLI::App* each) { return !each->get_group().empty(); });
  for (const CLI::App* verb : verbs) {
    entry.subverbs.push_back(verb->get_name());
    for (const std::string& alias : verb->get_aliases())
      entry.subverbs.push_back(alias);
  }
  to.push_back(entry);
  for (const CLI::App* verb : verbs) {
    std::vector<std::string> names{verb->get_name()};
    for (const std::string& alias : verb->get_aliases())
      names.push_back(alias);
    for (const std::string& name : names) {
      std::vector<std::string> inner = path;
      inner.push_back(name);
      add_verbs(*verb, inner, to);
    }
  }
}

/// The words that can follow a verb: its subverbs, its options, and the
/// program's options.
std::string candidates(const verb_entry& verb, const verb_entry& program) {
  std::vector<std::string> words = verb.subverbs;
  const auto add = [&words](const verb_entry& from) {
    for (const option_entry& option : from.options) {
      for (const std::string& name : option.long_names)
        words.push_back("--" + name);
      for (const std::string& name : option.short_names)
        words.push_back("-" + name);
    }
  };
  add(verb);
  if (&verb != &program)
    add(program);
  // A verb and the program can have the same option, e.g. --help.
  std::vector<std::string> once;
  for (const std::string& each : words)
    if (std::find(once.begin(), once.end(), each) == once.end())
      once.push_back(each);
  return joined(once, " ");
}

/// Shell code that finds the verb, in the syntax of bash and zsh. The script
/// runs the code once for each word before the cursor; `word` is the shell
/// expression for the word. If the shell variable `verb`, followed by the word,
/// is the path of a verb (e.g. "config" and "show"), the code assigns that path
/// to `verb`. Any other word, such as an option, leaves `verb` unchanged.
std::string verb_case(const std::vector<verb_entry>& verbs, const char* word) {
  std::vector<std::string> paths;
  for (const verb_entry& each : verbs)
    if (!each.path.empty())
      paths.push_back('"' + joined(each.path, " ") + '"');
  return "    case \"${verb:+$verb }" + std::string(word) + "\" in\n      "
         + joined(paths, "|") + ") verb=\"${verb:+$verb }" + word
         + "\" ;;\n    esac\n";
}

/// The `case` block that assigns the words that can follow the verb to the
/// shell variable `choices`.
std::string choices_case(const std::vector<verb_entry>& verbs) {
  std::string out = "  case \"$verb\" in\n";
  for (const verb_entry& each : verbs)
    out += "    \"" + joined(each.path, " ") + "\") choices=\""
           + candidates(each, verbs.front()) + "\" ;;\n";
  return out + "  esac\n";
}

/// The part of the bash script that completes values. If there are any, they
/// are the only choices. Bash splits a word at a colon and replaces only the
/// part behind the last one, so the part before it is removed from the values.
constexpr const char* bash_values
  = "  local line=\"${COMP_LINE:0:COMP_POINT}\" value values=()\n"
    "  [ -n \"$line\" ] || line=\"${COMP_WORDS[*]:0:COMP_CWORD+1}\"\n"
    "  local typed=\"${line##*[[:blank:]]}\"\n"
    "  local before=\"${typed%\"$word\"}\"\n"
    "  while IFS= read -r value; do\n"
    "    value=\"${value#\"$before\"}\"\n"
    "    printf -v value %q \"$value\"\n"
    "    values+=(\"$value\")\n"
    "  done < <(\"${COMP_WORDS[0]}\" complete-values -- \"$line\" "
    "2>/dev/null)\n"
    "  if ((${#values[@]})); then COMPREPLY=(\"${values[@]}\"); fi\n";

/// The bash script. If no word matches, bash completes file names (-o default).
std::string for_bash(const std::vector<verb_entry>& verbs) {
  return "# perdura completions bash\n"
         "_perdura() {\n"
         "  local word=\"${COMP_WORDS[COMP_CWORD]}\" verb=\"\" choices=\"\" i\n"
         "  for ((i = 1; i < COMP_CWORD; ++i)); do\n"
         + verb_case(verbs, "${COMP_WORDS[i]}") + "  done\n"
         + choices_case(verbs)
         + "  COMPREPLY=($(compgen -W \"$choices\" -- \"$word\"))\n"
         + bash_values
         + "}\n"
           "complete -o default -F _perdura perdura\n";
}

/// The zsh script. It works in two ways. If the script is a file in $fpath, zsh
/// runs its content as the function _perdura at the first completion. If the
/// script is sourced, it registers the function _perdura.
std::string for_zsh(const std::vector<verb_entry>& verbs) {
  return "#compdef perdura\n"
         "# perdura completions zsh\n"
         "_perdura() {\n"
         "  local verb=\"\" words_so_far=(\"${(@)words[2,CURRENT-1]}\") each\n"
         "  for each in $words_so_far; do\n"
         + verb_case(verbs, "$each")
         + "  done\n"
           "  local choices=\"\"\n"
         + choices_case(verbs)
         + "  local line=\"${(j: :)words[1,CURRENT]}\"\n"
           "  local values=(\"${(@f)$(${words[1]} complete-values -- "
           "\"$line\" 2>/dev/null)}\")\n"
           "  values=(${values:#})\n"
           "  if (( ${#values} )); then\n"
           "    compadd -- $values\n"
           "  else\n"
           "    compadd -- ${(s: :)choices} || _files\n"
           "  fi\n"
           "}\n"
           "if [ \"$funcstack[1]\" = \"_perdura\" ]; then\n"
           "  _perdura \"$@\"\n"
           "else\n"
           "  compdef _perdura perdura\n"
           "fi\n";
}

/// The text in single quotes, with the escapes that fish uses.
std::string fish_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\')
      out += '\\';
    out += c;
  }
  return out + '\'';
}

/// The fish script. It has no `case` block: each verb and each option is one
/// `complete` command with a condition.
std::string for_fish(const std::vector<verb_entry>& verbs) {
  // The values of arguments and options come from the hidden verb.
  std::string out
    = "# perdura completions fish\n"
      "function __perdura_values\n"
      "  command perdura complete-values -- (commandline -cp) 2>/dev/null\n"
      "end\n"
      "complete -c perdura -a '(__perdura_values)'\n";
  for (const verb_entry& verb : verbs) {
    std::vector<std::string> seen;
    for (const std::string& word : verb.path)
      seen.push_back("__fish_seen_subcommand_from " + word);
    // The program's own options have no condition, because they can stand
    // anywhere on the command line.
    const std::string here = joined(seen, "; and ");
    const std::string when = here.empty() ? "" : " -n " + fish_quoted(here);
    for (const option_entry& option : verb.options) {
      out += "complete -c perdura" + when;
      for (const std::string& name : option.long_names)
        out += " -l " + name;
      for (const std::string& name : option.short_names)
        out += " -s " + name;
      const bool has_values
        = std::any_of(option.long_names.begin(), option.long_names.end(),
                      [](const std::string& name) {
                        return has_completed_values("--" + name);
                      });
      out += (has_values           ? " -x -a '(__perdura_values)' -d "
              : option.takes_value ? " -r -d "
                                   : " -d ")
             + fish_quoted(option.help) + '\n';
    }
    // The subverbs are proposed only while none of them has been typed.
    const std::string next = here.empty()
                               ? "__fish_use_subcommand"
                               : here + "; and not __fish_seen_subcommand_from "
                                   + joined(verb.subverbs, " ");
    for (const std::string& name : verb.subverbs)
      for (const verb_entry& inner : verbs)
        if (inner.path.size() == verb.path.size() + 1
            && inner.path.back() == name
            && std::equal(verb.path.begin(), verb.path.end(),
                          inner.path.begin()))
          out += "complete -c perdura -n " + fish_quoted(next) + " -a " + name
                 + " -d " + fish_quoted(inner.help) + '\n';
  }
  return out;
}

} // namespace

std::string completion_script(const CLI::App& app, shell_kind shell) {
  std::vector<verb_entry> verbs;
  add_verbs(app, {}, verbs);
  switch (shell) {
  case shell_kind::bash:
    return for_bash(verbs);
  case shell_kind::zsh:
    return for_zsh(verbs);
  case shell_kind::fish:
    break;
  }
  return for_fish(verbs);
}

} // namespace perdura::client
