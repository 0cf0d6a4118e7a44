#include "text/pre_tokenizer.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include "text/byte_level.hpp"
#include "text/growth.hpp"
#include "text/stage_json.hpp"
#include "text/unicode.hpp"
#include "text/utf8.hpp"

namespace gyre {
namespace {

constexpr std::array<EnumName<SplitBehavior>, 5> kBehaviors = {{
    {SplitBehavior::isolated, "Isolated"},
    {SplitBehavior::removed, "Removed"},
    {SplitBehavior::contiguous, "Contiguous"},
    {SplitBehavior::merged_with_previous, "MergedWithPrevious"},
    {SplitBehavior::merged_with_next, "MergedWithNext"},
}};

template <typename Wanted>
void split_characters(std::string_view text, Wanted wanted, SplitBehavior behavior,
                      std::vector<std::string_view>& pieces) {
  std::vector<TextRange> ranges;
  std::size_t done = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = read_utf8(text.substr(at));
    if (wanted(step.code_point)) {
      if (at > done) ranges.push_back({done, at, false});
      done = at + step.length;
      ranges.push_back({at, done, true});
    }
    at += step.length;
  }
  if (done < text.size()) ranges.push_back({done, text.size(), false});
  append_pieces(text, ranges, behavior, pieces);
}

enum class Kind { space, word, other };

Kind kind_of(char32_t character) {
  if (is_white_space(character)) return Kind::space;
  return is_word_character(character) ? Kind::word : Kind::other;
}

void split_whitespace(std::string_view text, std::vector<std::string_view>& pieces) {
  std::size_t begin = 0;
  Kind kind = Kind::space;  // of the characters from `begin` on
  const auto finish = [&](std::size_t end) {
    if (kind != Kind::space && end > begin) pieces.push_back(text.substr(begin, end - begin));
  };
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = read_utf8(text.substr(at));
    if (const Kind now = kind_of(step.code_point); now != kind) {
      finish(at);
      begin = at;
      kind = now;
    }
    at += step.length;
  }
  finish(text.size());
}

/// `text` with every space as the mark, and the mark before it unless it is there.
std::string with_mark(std::string_view text, const std::string& mark, bool prepend) {
  std::string made;
  made.reserve(text.size() + mark.size());
  for (const char c : text) {
    if (c == ' ') {
      made += mark;
    } else {
      made += c;
    }
  }
  return prepend && !made.starts_with(mark) ? mark + made : made;
}

}  // namespace

PreTokenizer PreTokenizer::read(const nlohmann::json& json, const std::string& where) {
  PreTokenizer made;
  if (json.is_null()) return made;
  if (JsonObject(json, where).text("type") != "Sequence") {
    made.read_step(json, where);
  } else {
    for_each_step(json, where, "pretokenizers",
                  [&](const nlohmann::json& step, const std::string& here) { made.read_step(step, here); });
  }
  return made;
}

bool PreTokenizer::keeps_text() const {
  return std::all_of(steps_.begin(), steps_.end(), [](const Step& step) {
    if (const auto* pattern = std::get_if<SplitPattern>(&step)) return pattern->behavior() != SplitBehavior::removed;
    const auto* characters = std::get_if<SplitCharacters>(&step);
    return characters != nullptr && characters->behavior != SplitBehavior::removed;
  });
}

void PreTokenizer::read_step(const nlohmann::json& json, const std::string& where) {
  if (byte_level_ && !spelled_) {
    steps_.emplace_back(Spell{});
    spelled_ = true;
  }
  const JsonObject step(json, where);
  const std::string type = step.text("type");
  if (type == "ByteLevel") return read_byte_level(json, where);
  if (type == "Metaspace") return read_metaspace(json, where);
  if (type == "Split") return read_split(json, where);
  if (read_simple_step(json, type, where)) return;
  throw Error(
      "{}: the type \"{}\" is not supported; choose one of ByteLevel, Split, Digits, Metaspace, Punctuation, "
      "BertPreTokenizer, Whitespace, WhitespaceSplit, CharDelimiterSplit, Sequence",
      where, type);
}

bool PreTokenizer::read_simple_step(const nlohmann::json& json, const std::string& type, const std::string& where) {
  const JsonObject step(json, where);
  if (type == "Digits") {
    step.allow({"type", "individual_digits"});
    const bool each = step.boolean("individual_digits", false);
    steps_.emplace_back(SplitCharacters{is_numeric, each ? SplitBehavior::isolated : SplitBehavior::contiguous});
  } else if (type == "Punctuation") {
    step.allow({"type", "behavior"});
    const auto behavior = step.choice("behavior", std::span<const EnumName<SplitBehavior>>(kBehaviors),
                                      std::optional(SplitBehavior::isolated));
    steps_.emplace_back(SplitCharacters{is_punctuation, behavior});
  } else if (type == "BertPreTokenizer") {
    step.allow({"type"});
    steps_.emplace_back(SplitCharacters{is_white_space, SplitBehavior::removed});
    steps_.emplace_back(SplitCharacters{is_punctuation, SplitBehavior::isolated});
  } else if (type == "CharDelimiterSplit") {
    step.allow({"type", "delimiter"});
    std::string delimiter;
    append_utf8(delimiter, require_character(step, where, "delimiter"));
    steps_.emplace_back(SplitPattern(quote_pattern(delimiter), where, SplitBehavior::removed));
  } else if (type == "WhitespaceSplit") {
    step.allow({"type"});
    steps_.emplace_back(SplitCharacters{is_white_space, SplitBehavior::removed});
  } else if (type == "Whitespace") {
    step.allow({"type"});
    steps_.emplace_back(Whitespace{});
  } else {
    return false;
  }
  return true;
}

void PreTokenizer::read_byte_level(const nlohmann::json& json, const std::string& where) {
  const JsonObject step(json, where);
  step.allow({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  if (step.boolean("add_prefix_space", true)) steps_.emplace_back(PrefixSpace{});
  if (step.boolean("use_regex", true)) steps_.emplace_back(SplitPattern(std::string(kGpt2Pattern), where));
  byte_level_ = true;
  spelled_ = false;
}

void PreTokenizer::read_metaspace(const nlohmann::json& json, const std::string& where) {
  const JsonObject step(json, where);
  step.allow({"type", "replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"});
  Metaspace metaspace{{}, Metaspace::Prepend::always, step.boolean("split", true)};
  append_utf8(metaspace.mark, require_character(step, where, "replacement"));
  if (byte_level_ && !from_byte_level(metaspace.mark)) {
    throw Error("{}: Metaspace behind ByteLevel is not supported with the mark \"{}\", which no byte is spelled with",
                where, metaspace.mark);
  }
  using Prepend = Metaspace::Prepend;
  constexpr std::array<EnumName<Prepend>, 3> kSchemes = {
      {{Prepend::always, "always"}, {Prepend::first, "first"}, {Prepend::never, "never"}}};
  const Prepend older = step.boolean("add_prefix_space", true) ? Prepend::always : Prepend::never;
  metaspace.prepend = step.choice("prepend_scheme", std::span<const EnumName<Prepend>>(kSchemes), std::optional(older));
  steps_.emplace_back(std::move(metaspace));
}

void PreTokenizer::read_split(const nlohmann::json& json, const std::string& where) {
  const JsonObject step(json, where);
  step.allow({"type", "pattern", "behavior", "invert"});
  const auto behavior = step.choice("behavior", std::span<const EnumName<SplitBehavior>>(kBehaviors));
  const bool invert = step.boolean("invert", false);
  const std::string here = where + ".pattern";
  const JsonObject pattern(require_part(json, where, "pattern"), here);
  pattern.allow({"String", "Regex"});
  std::string regex = pattern.has("String") ? quote_pattern(pattern.text("String")) : pattern.text("Regex");
  if (regex.empty()) throw Error("{}: the pattern is empty; give one", here);
  steps_.emplace_back(SplitPattern(std::move(regex), here, behavior, invert));
}

Words PreTokenizer::cut(std::string_view text, bool at_start) const {
  Words words;
  if (!text.empty()) words.words.push_back(text);
  const Growth growth("pre-tokenizer", text.size());
  std::size_t made_bytes = 0;
  const auto keep = [&](std::string made) -> std::string_view {
    growth.check(made_bytes += made.size());
    return words.made.emplace_back(std::move(made));
  };
  for (const Step& step : steps_) {
    std::vector<std::string_view> finer;
    bool first = at_start;
    for (const std::string_view word : words.words) {
      if (const auto* pattern = std::get_if<SplitPattern>(&step)) {
        pattern->split(word, finer);
      } else if (const auto* characters = std::get_if<SplitCharacters>(&step)) {
        split_characters(word, characters->wanted, characters->behavior, finer);
      } else if (std::holds_alternative<Whitespace>(step)) {
        split_whitespace(word, finer);
      } else if (std::holds_alternative<Spell>(step)) {
        finer.push_back(keep(to_byte_level(word)));
      } else if (const auto* metaspace = std::get_if<Metaspace>(&step)) {
        const bool mark_first = metaspace->prepend == Metaspace::Prepend::always ||
                                (metaspace->prepend == Metaspace::Prepend::first && first);
        const std::string_view marked = keep(with_mark(word, metaspace->mark, mark_first));
        const char32_t mark = read_utf8(metaspace->mark).code_point;
        const auto is_mark = [&](char32_t character) { return metaspace->split && character == mark; };
        split_characters(marked, is_mark, SplitBehavior::merged_with_next, finer);
      } else {
        finer.push_back(word.starts_with(' ') ? word : keep(std::string(1, ' ').append(word)));
      }
      first = false;
    }
    words.words = std::move(finer);
  }
  if (spelled_) {
    for (std::string_view& word : words.words) {
      if (const auto bytes = from_byte_level(word)) word = keep(*bytes);  // all but marks put in behind ByteLevel
    }
  }
  return words;
}

}  // namespace gyre
