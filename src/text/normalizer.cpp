#include "text/normalizer.hpp"

#include <algorithm>
#include <array>
#include <type_traits>

#include "text/growth.hpp"
#include "text/replace_all.hpp"
#include "text/stage_json.hpp"
#include "text/utf8.hpp"

namespace gyre {
namespace {

/// Builds a text from what `put(made, character)` appends for each character.
template <typename Put>
std::string map_characters(std::string_view text, Put put) {
  std::string made;
  made.reserve(text.size());
  while (!text.empty()) {
    const Utf8Step step = read_utf8(text);
    put(made, step.code_point);
    text.remove_prefix(step.length);
  }
  return made;
}

std::string lower_case(std::string_view text) { return map_characters(text, append_lower_case); }

template <typename Drop>
std::string without(std::string_view text, Drop drop) {
  return map_characters(text, [&](std::string& made, char32_t character) {
    if (!drop(character)) append_utf8(made, character);
  });
}

std::string_view strip(std::string_view text, bool left, bool right) {
  std::size_t first = left ? text.size() : 0;
  std::size_t last = right ? 0 : text.size();
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = read_utf8(text.substr(at));
    if (!is_white_space(step.code_point)) {
      first = std::min(first, at);
      last = std::max(last, at + step.length);
    }
    at += step.length;
  }
  return last > first ? text.substr(first, last - first) : std::string_view();
}

bool dropped_by_bert(char32_t character) {
  if (character == '\t' || character == '\n' || character == '\r') return false;
  return character == 0 || character == U'\uFFFD' || is_control(character);
}

bool dropped_by_nmt(char32_t character) {
  return (character >= 0x01 && character <= 0x08) || character == 0x0B || (character >= 0x0E && character <= 0x1F) ||
         character == 0x7F || character == 0x8F || character == 0x9F;
}

bool is_space_to_nmt(char32_t character) {
  constexpr std::u32string_view kSpaces = U"\t\n\f\r\u1680\u200B\u200C\u200D\u200E\u200F\u2028\u2029\u2581\uFEFF\uFFFD";
  return kSpaces.find(character) != std::u32string_view::npos;
}

std::string run_nmt(std::string_view text) {
  return map_characters(text, [](std::string& made, char32_t character) {
    if (!dropped_by_nmt(character)) append_utf8(made, is_space_to_nmt(character) ? U' ' : character);
  });
}

struct NamedForm {
  std::string_view name;
  NormalForm form;
};
constexpr std::array<NamedForm, 4> kForms = {
    {{"NFC", NormalForm::nfc}, {"NFD", NormalForm::nfd}, {"NFKC", NormalForm::nfkc}, {"NFKD", NormalForm::nfkd}}};

}  // namespace

Normalizer Normalizer::read(const nlohmann::json& json, const std::string& where) {
  Normalizer normalizer;
  if (json.is_null()) return normalizer;
  if (JsonObject(json, where).text("type") != "Sequence") {
    normalizer.steps_.push_back(read_step(json, where));
    return normalizer;
  }
  for_each_step(json, where, "normalizers", [&](const nlohmann::json& step, const std::string& here) {
    normalizer.steps_.push_back(read_step(step, here));
  });
  return normalizer;
}

Normalizer::Step Normalizer::read_step(const nlohmann::json& json, const std::string& where) {
  const JsonObject step(json, where);
  const std::string type = step.text("type");
  if (type == "Replace") return read_replace(json, where);
  if (type == "BertNormalizer") return read_bert(json, where);
  if (type == "Prepend") {
    step.allow({"type", "prepend"});
    return Prepend{step.text("prepend")};
  }
  if (type == "Strip") {
    step.allow({"type", "strip_left", "strip_right"});
    return Strip{step.boolean("strip_left"), step.boolean("strip_right")};
  }
  if (type == "Precompiled") {
    step.allow({"type", "precompiled_charsmap"});
    return CharactersMap(step.text("precompiled_charsmap"), where);
  }
  step.allow({"type"});
  if (type == "Nmt") return Nmt{};
  if (type == "Lowercase") return Lowercase{};
  if (type == "StripAccents") return StripAccents{};
  for (const NamedForm& named : kForms) {
    if (named.name == type) return Form{named.form};
  }
  throw Error(
      "{}: the type \"{}\" is not supported; choose one of NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, "
      "Prepend, Replace, BertNormalizer, Precompiled, Nmt, Sequence",
      where, type);
}

Normalizer::Step Normalizer::read_replace(const nlohmann::json& json, const std::string& where) {
  const JsonObject step(json, where);
  step.allow({"type", "pattern", "content"});
  const std::string here = where + ".pattern";
  const JsonObject pattern(require_part(json, where, "pattern"), here);
  pattern.allow({"String", "Regex"});
  if (pattern.has("Regex")) return ReplacePattern{SplitPattern(pattern.text("Regex"), here), step.text("content")};
  std::string text = pattern.text("String");
  if (text.empty()) throw Error("{}: String is empty; give the text to replace", here);
  return ReplaceText{std::move(text), step.text("content")};
}

Normalizer::Step Normalizer::read_bert(const nlohmann::json& json, const std::string& where) {
  const JsonObject step(json, where);
  step.allow({"type", "clean_text", "handle_chinese_chars", "strip_accents", "lowercase"});
  const bool lower = step.boolean("lowercase", true);
  // Left open, accents go when the case goes.
  const bool strip = find_value(json, "strip_accents") == nullptr ? lower : step.boolean("strip_accents");
  return Bert{step.boolean("clean_text", true), step.boolean("handle_chinese_chars", true), strip, lower};
}

std::string Normalizer::run_bert(const Bert& bert, std::string_view text) {
  std::string made = map_characters(text, [&](std::string& out, char32_t character) {
    if (bert.clean && dropped_by_bert(character)) return;
    if (bert.clean && is_white_space(character)) {
      out += ' ';
    } else if (bert.pad_ideographs && is_bert_ideograph(character)) {
      out += ' ';
      append_utf8(out, character);
      out += ' ';
    } else {
      append_utf8(out, character);
    }
  });
  if (bert.strip_accents) made = without(normalize(made, NormalForm::nfd), is_nonspacing_mark);
  return bert.lower_case ? lower_case(made) : made;
}

std::string Normalizer::run(const Step& step, std::string_view text, const Growth& growth) {
  return std::visit(
      [&](const auto& known) -> std::string {
        using Known = std::decay_t<decltype(known)>;
        if constexpr (std::is_same_v<Known, Form>) return normalize(text, known.form);
        if constexpr (std::is_same_v<Known, CharactersMap>) return known.apply(text, growth);
        if constexpr (std::is_same_v<Known, Nmt>) return run_nmt(text);
        if constexpr (std::is_same_v<Known, Lowercase>) return lower_case(text);
        if constexpr (std::is_same_v<Known, StripAccents>) return without(text, is_mark);
        if constexpr (std::is_same_v<Known, Strip>) return std::string(strip(text, known.left, known.right));
        if constexpr (std::is_same_v<Known, Prepend>) return text.empty() ? "" : known.content + std::string(text);
        if constexpr (std::is_same_v<Known, ReplaceText>) return replace_all(text, known.text, known.content, growth);
        if constexpr (std::is_same_v<Known, ReplacePattern>) return known.pattern.replace(text, known.content, growth);
        if constexpr (std::is_same_v<Known, Bert>) return run_bert(known, text);
      },
      step);
}

std::string Normalizer::apply(std::string_view text) const {
  std::string made(text);
  const Growth growth("normalizer", text.size());
  for (const Step& step : steps_) {
    made = run(step, made, growth);
    growth.check(made.size());
  }
  return made;
}

}  // namespace gyre
