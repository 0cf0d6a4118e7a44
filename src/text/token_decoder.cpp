#include "text/token_decoder.hpp"

#include <array>
#include <charconv>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "text/growth.hpp"
#include "text/replace_all.hpp"
#include "text/stage_json.hpp"
#include "text/utf8.hpp"

namespace gyre {
namespace {

constexpr std::string_view kReplacementText = "\uFFFD";

/// The spaces that BERT's tokenizer put around punctuation and contractions, taken out again token by token.
void clean_up(std::string& text, const Growth& growth) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kReplacements = {{{" .", "."},
                                                                                            {" ?", "?"},
                                                                                            {" !", "!"},
                                                                                            {" ,", ","},
                                                                                            {" ' ", "'"},
                                                                                            {" n't", "n't"},
                                                                                            {" 'm", "'m"},
                                                                                            {" do not", " don't"},
                                                                                            {" 's", "'s"},
                                                                                            {" 've", "'ve"},
                                                                                            {" 're", "'re"}}};
  for (const auto& [wanted, content] : kReplacements) text = replace_all(text, wanted, content, growth);
}

/// The byte that a name such as "<0x0A>" stands for.
std::optional<char> byte_of(std::string_view name) {
  if (name.size() != 6 || !name.starts_with("<0x") || name.back() != '>') return std::nullopt;
  unsigned value = 0;
  const auto [end, failure] = std::from_chars(name.data() + 3, name.data() + 5, value, 16);
  if (failure != std::errc() || end != name.data() + 5) return std::nullopt;
  return static_cast<char>(static_cast<std::uint8_t>(value));
}

/// Runs of byte tokens become the text they spell, or one U+FFFD for each byte when they spell none.
std::vector<std::string> join_bytes(std::vector<std::string> names) {
  std::vector<std::string> joined;
  std::string bytes;
  const auto finish = [&] {
    if (bytes.empty()) return;
    if (first_invalid_utf8(bytes) == std::string_view::npos) {
      joined.push_back(bytes);
    } else {
      joined.insert(joined.end(), bytes.size(), std::string(kReplacementText));
    }
    bytes.clear();
  };
  for (std::string& name : names) {
    if (const std::optional<char> byte = byte_of(name)) {
      bytes += *byte;
    } else {
      finish();
      joined.push_back(std::move(name));
    }
  }
  finish();
  return joined;
}

std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += name;
  return text;
}

void strip(std::string& text, const std::string& content, int start, int stop) {
  for (; start > 0 && text.starts_with(content); --start) text.erase(0, content.size());
  for (; stop > 0 && text.ends_with(content); --stop) text.resize(text.size() - content.size());
}

}  // namespace

TokenDecoder TokenDecoder::read(const nlohmann::json& json, const std::string& where) {
  TokenDecoder made;
  if (JsonObject(json, where).text("type") != "Sequence") {
    made.read_step(json, where);
    return made;
  }
  for_each_step(json, where, "decoders",
                [&](const nlohmann::json& step, const std::string& here) { made.read_step(step, here); });
  // At the end joining is what happens anyway.
  if (!made.steps_.empty() && std::holds_alternative<Fuse>(made.steps_.back())) made.steps_.pop_back();
  return made;
}

void TokenDecoder::read_step(const nlohmann::json& json, const std::string& where) {
  const JsonObject step(json, where);
  const std::string type = step.text("type");
  if (byte_level_ || (type == "ByteLevel" && !steps_.empty())) {
    throw Error("{}: ByteLevel has to be the only decoder; remove the others", where);
  }
  if (type == "ByteLevel") {
    byte_level_ = true;
  } else if (type == "Fuse") {
    step.allow({"type"});
    if (!steps_.empty()) steps_.emplace_back(Fuse{});
  } else if (type == "ByteFallback") {
    step.allow({"type"});
    steps_.emplace_back(ByteFallback{});
  } else if (type == "Replace") {
    read_replace(json, where);
  } else if (type == "Strip") {
    read_strip(json, where);
  } else if (type == "Metaspace") {
    step.allow({"type", "replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"});
    Metaspace metaspace{{}, true};
    append_utf8(metaspace.mark, require_character(step, where, "replacement"));
    metaspace.drop_first =
        step.has("prepend_scheme") ? step.text("prepend_scheme") != "never" : step.boolean("add_prefix_space", true);
    steps_.emplace_back(std::move(metaspace));
  } else if (type == "WordPiece") {
    step.allow({"type", "prefix", "cleanup"});
    steps_.emplace_back(WordPiece{step.text("prefix"), step.boolean("cleanup", true)});
  } else {
    throw Error(
        "{}: the type \"{}\" is not supported; choose one of ByteLevel, ByteFallback, Fuse, Replace, Strip, Metaspace, "
        "WordPiece, Sequence",
        where, type);
  }
}

void TokenDecoder::read_replace(const nlohmann::json& json, const std::string& where) {
  const JsonObject step(json, where);
  step.allow({"type", "pattern", "content"});
  const std::string here = where + ".pattern";
  const JsonObject pattern(require_part(json, where, "pattern"), here);
  pattern.allow({"String", "Regex"});
  std::string regex = pattern.has("Regex") ? pattern.text("Regex") : quote_pattern(pattern.text("String"));
  if (regex.empty()) throw Error("{}: the pattern is empty; give one", here);
  steps_.emplace_back(Replace{SplitPattern(std::move(regex), here), step.text("content")});
}

void TokenDecoder::read_strip(const nlohmann::json& json, const std::string& where) {
  const JsonObject step(json, where);
  step.allow({"type", "content", "start", "stop"});
  constexpr int kMost = std::numeric_limits<int>::max();
  Strip strip{{}, step.integer("start", 0, kMost), step.integer("stop", 0, kMost)};
  append_utf8(strip.content, require_character(step, where, "content"));
  steps_.emplace_back(std::move(strip));
}

std::string TokenDecoder::run(const Step& step, std::string name, bool first, const Growth& growth) {
  if (const auto* replace = std::get_if<Replace>(&step))
    return replace->pattern.replace(name, replace->content, growth);
  if (const auto* strips = std::get_if<Strip>(&step)) strip(name, strips->content, strips->start, strips->stop);
  if (const auto* metaspace = std::get_if<Metaspace>(&step)) {
    name = replace_all(name, metaspace->mark, first && metaspace->drop_first ? "" : " ", growth);
  }
  if (const auto* word = std::get_if<WordPiece>(&step)) {
    if (!first && name.starts_with(word->prefix)) {
      name.erase(0, word->prefix.size());
    } else if (!first) {
      name.insert(name.begin(), ' ');
    }
    if (word->cleanup) clean_up(name, growth);
  }
  growth.check(name.size());
  return name;
}

std::string TokenDecoder::piece(std::string_view name) const {
  const Growth growth("decoder", name.size());
  std::string made(name);
  for (const Step& step : steps_) {
    if (std::holds_alternative<Fuse>(step)) break;  // what follows looks at the text as a whole
    const bool bytes = std::holds_alternative<ByteFallback>(step);
    if (const std::optional<char> byte = byte_of(made); bytes && byte) return std::string(1, *byte);
    made = run(step, std::move(made), false, growth);
  }
  return made;
}

std::string TokenDecoder::decode(std::vector<std::string> names) const {
  const auto size_of = [](const std::vector<std::string>& texts) {
    return std::accumulate(texts.begin(), texts.end(), std::size_t{0},
                           [](std::size_t sum, const std::string& text) { return sum + text.size(); });
  };
  const Growth growth("decoder", size_of(names) + names.size());
  for (const Step& step : steps_) {
    if (std::holds_alternative<Fuse>(step)) {
      names = {join(names)};
    } else if (std::holds_alternative<ByteFallback>(step)) {
      names = join_bytes(std::move(names));
    } else {
      bool first = true;
      std::size_t size = 0;
      for (std::string& name : names) {
        name = run(step, std::move(name), std::exchange(first, false), growth);
        growth.check(size += name.size());
      }
    }
  }
  return join(names);
}

}  // namespace gyre
