#include "serve/named_form.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "serve/json_extent.hpp"
#include "serve/white_space.hpp"

namespace gyre::serve {
namespace {

constexpr std::string_view kProbeNumberKey = "probe_of_a_number";
constexpr std::string_view kProbeTextKey = "probe_of_words";
constexpr std::string_view kProbeNumber = "70917";
constexpr std::string_view kProbeText = "some words";
constexpr std::size_t kLongestTag = 64;
constexpr std::size_t kLongestSeparator = 16;

std::size_t common_prefix(std::string_view a, std::string_view b) {
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

std::size_t common_suffix(std::string_view a, std::string_view b) {
  return static_cast<std::size_t>(std::mismatch(a.rbegin(), a.rend(), b.rbegin(), b.rend()).first - a.rbegin());
}

/// What two texts end with, from its first bracket on: half of a tag is none.
std::string_view common_opening(std::string_view a, std::string_view b) {
  const std::string_view common = a.substr(a.size() - common_suffix(a, b));
  return common.substr(std::min(common.find_first_of("<[{"), common.size()));
}

struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// The first tag <...> or [...].
std::optional<Span> first_tag(std::string_view text, std::size_t from) {
  for (std::size_t at = text.find_first_of("<[", from); at != std::string_view::npos;
       at = text.find_first_of("<[", at + 1)) {
    const std::size_t close = text.find_first_of(text[at] == '<' ? "<>" : "[]", at + 1);
    if (close == std::string_view::npos || close - at > kLongestTag) continue;
    if (text[close] == '>' || text[close] == ']') return Span{at, close + 1};
  }
  return std::nullopt;
}

/// What stands before all calls: all from the first tag that speaks of tools.
std::string_view begin_in(std::string_view text) {
  for (std::optional<Span> tag = first_tag(text, 0); tag; tag = first_tag(text, tag->end)) {
    if (names_tools(text.substr(tag->begin, tag->end - tag->begin))) return text.substr(tag->begin);
  }
  return {};
}

/// What stands behind all calls: a tag that speaks of tools, and brackets before it.
std::string_view end_in(std::string_view text) {
  const std::optional<Span> tag = first_tag(text, 0);
  if (!tag || !names_tools(text.substr(tag->begin, tag->end - tag->begin))) return {};
  const std::string_view before = text.substr(0, tag->begin);
  return before.find_first_not_of(" \n\t\r]}") == std::string_view::npos ? text.substr(0, tag->end)
                                                                         : std::string_view();
}

/// Where a call stands in a text: its name and its arguments, if those are JSON.
struct Written {
  Span name;
  std::optional<Span> arguments;
};

std::optional<Written> written_in(std::string_view text, const std::string& name) {
  const std::size_t at = text.find(name);
  if (at == std::string_view::npos || text.find(name, at + 1) != std::string_view::npos) return std::nullopt;
  Written call{{at, at + name.size()}, std::nullopt};
  const std::size_t key = text.find(std::string("\"") + std::string(kProbeNumberKey) + "\"", call.name.end);
  const std::size_t brace = key == std::string_view::npos ? key : text.find_last_not_of(kWhiteSpace, key - 1);
  if (brace == std::string_view::npos || brace < call.name.end || text[brace] != '{') return call;
  JsonExtent extent;
  const std::size_t size = extent.take(text.substr(brace));
  if (Json::parse(text.substr(brace, size), nullptr, false) == probe_arguments()) {
    call.arguments = Span{brace, brace + size};
  }
  return call;
}

/// Two texts that differ in a digit, which is higher in the second: the number of a call.
bool mark_number(std::string& first, std::string& second, std::size_t behind) {
  if (behind >= first.size() || behind >= second.size()) return false;
  char& a = first[first.size() - 1 - behind];
  char& b = second[second.size() - 1 - behind];
  if (!std::isdigit(static_cast<unsigned char>(a)) || b != a + 1) return false;
  a = b = NamedForm::kId;
  return true;
}

/// What was found of two calls: the text before the first name, between its arguments and the second name, and behind
/// the second arguments.
struct Around {
  std::string before, middle, other_middle, between, behind;
};

/// close, between and end, of what stands behind arguments.
bool read_closing(std::string_view between, std::string_view behind, NamedForm& form) {
  form.close = without_end_space(between.substr(0, common_prefix(between, behind)));
  form.between = between.substr(form.close.size());
  if (!form.begin.empty()) form.end = end_in(behind.substr(form.close.size()));
  return form.between.size() <= kLongestSeparator && form.between.find_first_not_of(" \n\t\r,;") == std::string::npos;
}

std::optional<NamedForm> form_around(Around around) {
  NamedForm form;
  if (around.middle != around.other_middle) {
    form.numbers = mark_number(around.middle, around.other_middle, common_suffix(around.middle, around.other_middle));
    if (around.middle != around.other_middle) return std::nullopt;
  }
  form.middle = around.middle;
  form.numbers |= mark_number(around.before, around.between, common_suffix(around.before, around.between));
  form.open = common_opening(around.before, around.between);
  if (form.open.empty()) return std::nullopt;
  form.begin = begin_in(std::string_view(around.before).substr(0, around.before.size() - form.open.size()));
  if (!names_tools(form.begin + form.open) || (form.begin + form.open).starts_with('{')) return std::nullopt;
  const std::string_view between = around.between;
  if (!read_closing(between.substr(0, between.size() - form.open.size()), around.behind, form)) return std::nullopt;
  return form;
}

/// The parts of arguments that are written apart, and how long they are together.
struct Apart {
  std::string before, middle, between, text_middle;
  Span all;
};

std::optional<Apart> apart_in(std::string_view text, std::size_t from) {
  Apart apart;
  const std::array<std::string_view, 4> words = {kProbeNumberKey, kProbeNumber, kProbeTextKey, kProbeText};
  const std::array<std::string*, 4> gaps = {&apart.before, &apart.middle, &apart.between, &apart.text_middle};
  std::size_t end = from;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::size_t at = text.find(words[i], end);
    if (at == std::string_view::npos) return std::nullopt;
    *gaps[i] = text.substr(end, at - end);
    end = at + words[i].size();
  }
  apart.all = {from + apart.before.size(), end};
  return apart;
}

std::optional<NamedForm> apart_around(std::string_view text, const Written& first, const Written& second) {
  const std::optional<Apart> one = apart_in(text, first.name.end);
  const std::optional<Apart> two = apart_in(text, second.name.end);
  if (!one || !two || one->all.end > second.name.begin || one->middle.empty()) return std::nullopt;
  ParameterForm parameters;
  parameters.open = common_opening(one->before, one->between);
  parameters.middle = one->middle;
  parameters.text_middle = one->text_middle;
  std::string_view behind = text.substr(two->all.end);
  std::string_view between = text.substr(one->all.end, second.name.begin - one->all.end);
  const std::string_view closing =
      std::string_view(one->between).substr(0, one->between.size() - parameters.open.size());
  const std::size_t close = without_end_space(closing.substr(0, common_prefix(closing, between))).size();
  parameters.close = closing.substr(0, close);
  parameters.between = closing.substr(close);
  if (parameters.open.empty() || !without_space(parameters.close).starts_with('<') ||
      !without_space(parameters.between).empty() || !parameters.text_middle.starts_with(parameters.middle.front()) ||
      !behind.starts_with(parameters.close)) {
    return std::nullopt;
  }
  behind.remove_prefix(close);
  between.remove_prefix(close);
  const auto head = [&](const Apart& apart) { return apart.before.substr(0, apart.before.rfind(parameters.open)); };
  std::optional<NamedForm> form = form_around({.before = std::string(text.substr(0, first.name.begin)),
                                               .middle = head(*one),
                                               .other_middle = head(*two),
                                               .between = std::string(between),
                                               .behind = std::string(behind)});
  if (!form) return std::nullopt;
  // What stands behind every value stands behind the last too.
  if (form->close.starts_with(parameters.between)) form->close.erase(0, parameters.between.size());
  form->parameters = std::move(parameters);
  return form;
}

}  // namespace

bool names_tools(std::string_view tag) {
  std::string lower(tag);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto named = [&](const char* word) { return lower.find(word) != std::string::npos; };
  return named("tool") || named("function") || named("call") || named("action") || named("invoke");
}

std::string NamedForm::trigger() const {
  const std::string all = begin + open;
  const char bracket = all.front() == '[' ? ']' : '>';
  const std::size_t last = all.find_first_of(std::string(kWhiteSpace) + kId + bracket);
  return all.substr(0, last == std::string::npos ? last : last + (all[last] == bracket ? 1 : 0));
}

Json probe_arguments() {
  return {{std::string(kProbeNumberKey), Json::parse(kProbeNumber)},
          {std::string(kProbeTextKey), std::string(kProbeText)}};
}

std::optional<NamedForm> named_form_in(std::string_view text, const CallProbe& first, const CallProbe& second) {
  std::string marked(text);
  for (const CallProbe* probe : {&first, &second}) {
    for (std::size_t at = marked.find(probe->id); at != std::string::npos; at = marked.find(probe->id)) {
      marked.replace(at, probe->id.size(), 1, NamedForm::kId);
    }
  }
  const std::optional<Written> one = written_in(marked, first.name);
  const std::optional<Written> two = written_in(marked, second.name);
  if (!one || !two || one->name.end > two->name.begin) return std::nullopt;
  if (!one->arguments || !two->arguments || one->arguments->end > two->name.begin) {
    return apart_around(marked, *one, *two);
  }
  const auto cut = [&](std::size_t begin, std::size_t end) { return marked.substr(begin, end - begin); };
  return form_around({.before = cut(0, one->name.begin),
                      .middle = cut(one->name.end, one->arguments->begin),
                      .other_middle = cut(two->name.end, two->arguments->begin),
                      .between = cut(one->arguments->end, two->name.begin),
                      .behind = marked.substr(two->arguments->end)});
}

}  // namespace gyre::serve
