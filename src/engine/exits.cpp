#include "engine/exits.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "base/error.hpp"
#include "engine/exits/kinds.hpp"

namespace gyre {
namespace {

constexpr ExitOptionHelp kOptionsOfAll[] = {
    {"min", "fewest loops of each looped group"},
    {"max", "most loops of each looped group"},
    {"every", "ask after every n-th loop only: n, 2n, 3n …"},
    {"first", "the first loop asked after (default n); every counts from there: first, first + n …"},
    {"against", "for rules that read states: loop (the loop before; default) or check (the last asking; Huginn's)"},
    {"end", "for rules that decode: a token that never leaves is read after its last loop (default) or last check"},
    {"save", "yes (default) or no: all loops run, and logits are read where the rule says leave (Ouro's)"}};

template <typename Number>
std::optional<Number> parse_number(const std::string& text) {
  Number value{};
  const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || stop != text.data() + text.size()) return {};
  return value;
}

}  // namespace

float ExitOptions::number(const std::string& key, std::optional<float> otherwise, float least, float most) {
  if (!has(key) && otherwise) return *otherwise;
  if (!has(key)) throw Error("exit {}: {} is missing; write for example {}:{}=0.05", rule_, key, rule_, key);
  const auto value = parse_number<float>(given_.at(key));
  if (!value || !(*value >= least && *value <= most)) {
    throw Error("exit {}: {}={} is no number between {} and {}", rule_, key, given_.at(key), least, most);
  }
  return *value;
}

int ExitOptions::integer(const std::string& key, std::optional<int> otherwise, int least, int most) {
  if (!has(key) && otherwise) return *otherwise;
  if (!has(key)) throw Error("exit {}: {} is missing", rule_, key);
  const auto value = parse_number<int>(given_.at(key));
  if (!value || *value < least || *value > most) {
    throw Error("exit {}: {}={} is no whole number between {} and {}", rule_, key, given_.at(key), least, most);
  }
  return *value;
}

std::string ExitOptions::text(const std::string& key, std::optional<std::string> otherwise) {
  if (has(key)) return given_.at(key);
  if (otherwise) return *otherwise;
  throw Error("exit {}: {} is missing; see the list of rules", rule_, key);
}

std::size_t ExitOptions::choice(const std::string& key, std::span<const std::string_view> names,
                                std::size_t otherwise) {
  if (!has(key)) return otherwise;
  std::string all;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == given_.at(key)) return i;
    all += (all.empty() ? "" : ", ") + std::string(names[i]);
  }
  throw Error("exit {}: {}={} is unknown; choose one of {}", rule_, key, given_.at(key), all);
}

const std::vector<ExitKind>& exit_kinds() {
  static const std::vector<ExitKind> kinds = {
      fixed_exit(),   acceleration_exit(),     step_exit(),        kl_exit(),     random_exit(),
      gate_exit(),    gate_weighted_exit(),    latent_diff_exit(), cosine_exit(), entropy_diff_exit(),
      minp_kl_exit(), argmax_stability_exit(), ratio_exit(),       top_exit(),    margin_exit(),
      entropy_exit(), two_sided_exit(),        head_exit(),        any_exit(),    all_exit(),
      groups_exit()};
  return kinds;
}

bool is_option_of_all(std::string_view key) {
  return std::any_of(std::begin(kOptionsOfAll), std::end(kOptionsOfAll),
                     [&](const ExitOptionHelp& option) { return option.key == key; });
}

std::string options_of_all() {
  std::string all;
  for (const ExitOptionHelp& option : kOptionsOfAll) all += (all.empty() ? "" : ", ") + std::string(option.key);
  return all;
}

const ExitKind& exit_kind_named(const std::string& name, const std::string& text, std::string_view also) {
  std::string names;
  for (const ExitKind& kind : exit_kinds()) {
    if (kind.name == name) return kind;
    names += (names.empty() ? "" : ", ") + std::string(kind.name);
  }
  if (!also.empty()) names += ", " + std::string(also);
  throw Error("exit {}: there is no rule \"{}\"; choose one of {}", text, name, names);
}

int rule_to_be_like(const ExitChoice& choice, std::span<const ExitChoice> rules) {
  const auto like = choice.options.find("like");
  if (like == choice.options.end()) return 0;
  const auto number = parse_number<int>(like->second);
  if (!number || *number < 1 || *number > static_cast<int>(rules.size())) {
    throw Error("exit {}: like={} names none of the {} rules of this run; count them from 1", choice.text, like->second,
                rules.size());
  }
  if (rules[static_cast<std::size_t>(*number - 1)].options.contains("like")) {
    throw Error("exit {}: rule {} is itself like another; name one with depths of its own", choice.text, *number);
  }
  return *number;
}

std::string exit_help() {
  std::string text = "Exit rules (NAME:KEY=VALUE,…):\n";
  for (const ExitKind& kind : exit_kinds()) {
    text += fmt::format("  {:7} {}\n", kind.name, kind.help);
    for (const ExitOptionHelp& option : kind.options)
      text += fmt::format("          {:8} {}\n", option.key, option.help);
  }
  text += "  any rule\n";
  for (const ExitOptionHelp& option : kOptionsOfAll) {
    text += fmt::format("          {:8} {}\n", option.key, option.help);
  }
  return text;
}

}  // namespace gyre
