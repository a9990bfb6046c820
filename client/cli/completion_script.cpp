#include "client/cli/completion_script.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <vector>

namespace perdura::client {

namespace {

struct flag_words {
  std::vector<std::string> longs;  ///< Without dashes.
  std::vector<std::string> shorts; ///< Likewise.
  std::string help;
  bool takes_value = false;
};

/// A verb in reach of the words before it; the program itself has no path.
struct verb_words {
  std::vector<std::string> path; ///< E.g. {"config", "show"}.
  std::string help;
  std::vector<flag_words> flags;
  std::vector<std::string> below; ///< The verbs behind it.
};

std::string joined(const std::vector<std::string>& words, const char* between) {
  std::string all;
  for (const std::string& each : words)
    all += (all.empty() ? "" : between) + each;
  return all;
}

void add_verbs(const CLI::App& app, const std::vector<std::string>& path,
               std::vector<verb_words>& to) {
  verb_words words{path, app.get_description(), {}, {}};
  for (const CLI::Option* option : app.get_options())
    if (!option->get_lnames().empty() || !option->get_snames().empty())
      words.flags.push_back({option->get_lnames(), option->get_snames(),
                             option->get_description(),
                             option->get_items_expected_max() > 0});
  const auto verbs = app.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* verb : verbs) {
    words.below.push_back(verb->get_name());
    for (const std::string& alias : verb->get_aliases())
      words.below.push_back(alias);
  }
  to.push_back(words);
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

/// What can stand there: verbs, the verb's flags, those of the program.
std::string candidates(const verb_words& verb, const verb_words& program) {
  std::vector<std::string> words = verb.below;
  const auto add = [&words](const verb_words& from) {
    for (const flag_words& flag : from.flags) {
      for (const std::string& name : flag.longs)
        words.push_back("--" + name);
      for (const std::string& name : flag.shorts)
        words.push_back("-" + name);
    }
  };
  add(verb);
  if (&verb != &program)
    add(program);
  std::vector<std::string> once;
  for (const std::string& each : words)
    if (std::find(once.begin(), once.end(), each) == once.end())
      once.push_back(each);
  return joined(once, " ");
}

/// The two `case` blocks that bash and zsh share: which verb the words so far
/// mean, and what may follow it.
std::string verb_case(const std::vector<verb_words>& verbs, const char* word) {
  std::vector<std::string> paths;
  for (const verb_words& each : verbs)
    if (!each.path.empty())
      paths.push_back('"' + joined(each.path, " ") + '"');
  return "    case \"${verb:+$verb }" + std::string(word) + "\" in\n      "
         + joined(paths, "|") + ") verb=\"${verb:+$verb }" + word
         + "\" ;;\n    esac\n";
}

std::string choices_case(const std::vector<verb_words>& verbs) {
  std::string out = "  case \"$verb\" in\n";
  for (const verb_words& each : verbs)
    out += "    \"" + joined(each.path, " ") + "\") choices=\""
           + candidates(each, verbs.front()) + "\" ;;\n";
  return out + "  esac\n";
}

std::string for_bash(const std::vector<verb_words>& verbs) {
  return "# perdura completions bash\n"
         "_perdura() {\n"
         "  local word=\"${COMP_WORDS[COMP_CWORD]}\" verb=\"\" choices=\"\" i\n"
         "  for ((i = 1; i < COMP_CWORD; ++i)); do\n"
         + verb_case(verbs, "${COMP_WORDS[i]}") + "  done\n"
         + choices_case(verbs)
         + "  COMPREPLY=($(compgen -W \"$choices\" -- \"$word\"))\n"
           "}\n"
           "complete -o default -F _perdura perdura\n";
}

std::string for_zsh(const std::vector<verb_words>& verbs) {
  return "#compdef perdura\n"
         "# perdura completions zsh\n"
         "_perdura() {\n"
         "  local verb=\"\" words_so_far=(\"${(@)words[2,CURRENT-1]}\") each\n"
         "  for each in $words_so_far; do\n"
         + verb_case(verbs, "$each")
         + "  done\n"
           "  local choices=\"\"\n"
         + choices_case(verbs)
         + "  compadd -- ${(s: :)choices} || _files\n"
           "}\n"
           "if [ \"$funcstack[1]\" = \"_perdura\" ]; then\n"
           "  _perdura \"$@\"\n"
           "else\n"
           "  compdef _perdura perdura\n"
           "fi\n";
}

/// In single quotes, as fish reads them.
std::string fish_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\')
      out += '\\';
    out += c;
  }
  return out + '\'';
}

std::string for_fish(const std::vector<verb_words>& verbs) {
  std::string out = "# perdura completions fish\n";
  for (const verb_words& verb : verbs) {
    std::vector<std::string> seen;
    for (const std::string& word : verb.path)
      seen.push_back("__fish_seen_subcommand_from " + word);
    // The program's own flags may stand anywhere.
    const std::string here = joined(seen, "; and ");
    const std::string when = here.empty() ? "" : " -n " + fish_quoted(here);
    for (const flag_words& flag : verb.flags) {
      out += "complete -c perdura" + when;
      for (const std::string& name : flag.longs)
        out += " -l " + name;
      for (const std::string& name : flag.shorts)
        out += " -s " + name;
      out += (flag.takes_value ? " -r -d " : " -d ") + fish_quoted(flag.help)
             + '\n';
    }
    const std::string next = here.empty()
                               ? "__fish_use_subcommand"
                               : here + "; and not __fish_seen_subcommand_from "
                                   + joined(verb.below, " ");
    for (const std::string& name : verb.below)
      for (const verb_words& inner : verbs)
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
  std::vector<verb_words> verbs;
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
