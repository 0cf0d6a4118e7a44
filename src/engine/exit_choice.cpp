#include "base/error.hpp"
#include "engine/exits.hpp"

// Rules as they are written: NAME:KEY=VALUE,… and NAME(RULE;RULE…):KEY=VALUE,…

namespace gyre {
namespace {

void check_key(const ExitKind& kind, const std::string& key, const std::string& text) {
  std::string keys;
  for (const ExitOptionHelp& option : kind.options) {
    if (option.key == key) return;
    keys += std::string(option.key) + ", ";
  }
  if (is_option_of_all(key)) return;
  throw Error("exit {}: {} has no option \"{}\"; its options are {}{}", text, kind.name, key, keys, options_of_all());
}

void read_options(ExitChoice& choice, const ExitKind& kind, std::size_t begin) {
  const std::string& text = choice.text;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string pair = text.substr(begin, end - begin);
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos) throw Error("exit {}: \"{}\" is not of the form key=value", text, pair);
    check_key(kind, pair.substr(0, equals), text);
    choice.options[pair.substr(0, equals)] = pair.substr(equals + 1);
    begin = end + 1;
  }
}

/// What stands between the parenthesis at `open` and its own end, split at the semicolons that are in no other; `end`
/// becomes the place behind.
std::vector<std::string> split_parts(const std::string& text, std::size_t open, std::size_t& end) {
  std::vector<std::string> parts(1);
  int depth = 0;
  for (std::size_t i = open; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '(' && depth++ == 0) continue;
    if (c == ')' && --depth == 0) {
      end = i + 1;
      return parts;
    }
    if (c == ';' && depth == 1) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  throw Error("exit {}: a ) is missing", text);
}

/// What a rule among others cannot be.
void check_part(const ExitChoice& part, const ExitChoice& whole) {
  if (part.kind == kGroupsExit) {
    throw Error("exit {}: groups(…) stands alone; write groups(GROUP=any(RULE;RULE);…)", whole.text);
  }
  if (part.options.contains("like")) {
    throw Error("exit {}: like={} works in a rule by itself; give the depths as weights= or file=", whole.text,
                part.options.at("like"));
  }
  if (whole.kind == kGroupsExit) return;
  for (const auto& [key, value] : part.options) {
    if (!is_option_of_all(key)) continue;
    throw Error("exit {}: {}={} holds for all rules of {}(…); write it behind them, {}(…):{}={}", whole.text, key,
                value, whole.kind, whole.kind, key, value);
  }
}

void read_parts(ExitChoice& choice, const std::vector<std::string>& parts) {
  for (std::string part : parts) {
    if (choice.kind == kGroupsExit) {
      const std::size_t equals = part.find('=');
      if (equals == std::string::npos) {
        throw Error("exit {}: \"{}\" is not of the form GROUP=RULE, as in groups(1=fixed:loops=2)", choice.text, part);
      }
      choice.groups.push_back(part.substr(0, equals));
      part = part.substr(equals + 1);
    }
    if (part.empty()) throw Error("exit {}: a rule is missing in the parentheses", choice.text);
    choice.parts.push_back(parse_exit(part));
    check_part(choice.parts.back(), choice);
  }
}

}  // namespace

ExitChoice parse_exit(const std::string& text, std::string_view also) {
  const std::size_t behind_name = std::min(text.find_first_of(":("), text.size());
  ExitChoice choice{text, text.substr(0, behind_name), {}};
  const ExitKind& kind = exit_kind_named(choice.kind, text, also);
  const bool has_parts = behind_name < text.size() && text[behind_name] == '(';
  const bool takes_parts = kind.make == nullptr;
  if (has_parts != takes_parts) {
    throw Error("exit {}: {} takes {}", text, kind.name,
                takes_parts ? "rules in parentheses, as in any(accel:tau=0.1;kl:tau=0.01)" : "no rules in parentheses");
  }
  std::size_t begin = behind_name;
  if (has_parts) read_parts(choice, split_parts(text, behind_name, begin));
  if (begin < text.size() && text[begin] != ':') {
    throw Error("exit {}: \"{}\" behind the ); options follow a colon", text, text.substr(begin));
  }
  read_options(choice, kind, begin + 1);
  if (choice.kind == kGroupsExit && !choice.options.empty()) {
    throw Error("exit {}: {}= goes to the rules of the groups; write it in the parentheses", text,
                choice.options.begin()->first);
  }
  if (kind.read_head != nullptr) {
    ExitOptions options(choice.kind, choice.options, 0);
    choice.head = kind.read_head(options);
  }
  return choice;
}

}  // namespace gyre
