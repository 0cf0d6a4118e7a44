#include "text/tokenizer.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "text/byte_level.hpp"
#include "text/merge_training.hpp"
#include "text/utf8.hpp"

namespace gyre {
namespace {

constexpr std::int32_t kNoToken = -1;
/// Longer words hardly come back, and hashing them costs as much as merging them.
constexpr std::size_t kLongestCachedWord = 64;

/// Where the tokens of a word already stand in the output.
struct EarlierWord {
  std::size_t begin;
  std::size_t count;
};

/// A character for a message: its code point, and the character itself where a terminal can show it.
std::string describe(std::string_view text) {
  const Utf8Step step = read_utf8(text);
  const auto number = static_cast<std::uint32_t>(step.code_point);
  const bool line_break = number == 0x2028 || number == 0x2029;
  const bool printable = number > 0x20 && !(number >= 0x7F && number <= 0xA0) && !line_break;
  if (!printable) return fmt::format("U+{:04X}", number);
  return fmt::format("\"{}\" (U+{:04X})", text.substr(0, step.length), number);
}

[[noreturn]] void throw_unknown_character(std::string_view text, std::size_t offset, std::size_t tokens) {
  const auto continues = [&](std::size_t at) { return (static_cast<std::uint8_t>(text[at]) & 0xC0U) == 0x80U; };
  while (offset > 0 && continues(offset)) --offset;
  throw Error(
      "the character {} at offset {} is not in the vocabulary of {} tokens; leave it out, or use another tokenizer",
      describe(text.substr(offset)), offset, tokens);
}

void append_again(const EarlierWord& word, std::vector<std::int32_t>& tokens) {
  const std::size_t end = tokens.size();
  tokens.resize(end + word.count);
  std::copy_n(tokens.begin() + static_cast<std::ptrdiff_t>(word.begin), word.count,
              tokens.begin() + static_cast<std::ptrdiff_t>(end));
}

TokenizerParts byte_level_parts(const std::vector<std::string>& pieces) {
  TokenizerParts parts;
  parts.byte_level = true;
  parts.patterns.emplace_back(std::string(kGpt2Pattern), "the word pattern of GPT-2");
  for (const std::string& piece : pieces) parts.names.push_back(to_byte_level(piece));
  return parts;
}

}  // namespace

Tokenizer::Tokenizer(TokenizerParts parts)
    : parts_(std::move(parts)), merges_(parts_.merges), added_(parts_.added), pieces_(parts_.names) {
  id_of_byte_.fill(kNoToken);
  index_pieces();
}

void Tokenizer::index_pieces() {
  std::vector<bool> outside_model(parts_.names.size(), false);
  std::vector<bool> verbatim(parts_.names.size(), false);
  for (const AddedToken& token : parts_.added) {
    outside_model[static_cast<std::size_t>(token.id)] = !token.in_vocabulary;
    verbatim[static_cast<std::size_t>(token.id)] = true;
  }
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    const auto id = static_cast<std::int32_t>(i);
    // A name with a character outside the alphabet cannot come from text; it stands for itself, as in Python.
    const std::optional<std::string> spelled = parts_.byte_level ? from_byte_level(parts_.names[i]) : parts_.names[i];
    if (spelled && !verbatim[i]) pieces_[i] = *spelled;
    if (outside_model[i] || !spelled || spelled->empty()) continue;
    if (parts_.ignore_merges) id_of_word_.emplace(*spelled, id);
    if (parts_.byte_level && spelled->size() == 1) id_of_byte_[static_cast<std::uint8_t>(spelled->front())] = id;
    if (parts_.byte_level) continue;
    const Utf8Step step = read_utf8(*spelled);
    if (step.length == spelled->size()) id_of_character_.emplace(step.code_point, id);
  }
}

Tokenizer Tokenizer::bytes() {
  std::vector<std::string> pieces;
  for (const std::uint8_t byte : byte_level_order()) pieces.emplace_back(1, static_cast<char>(byte));
  return Tokenizer(byte_level_parts(pieces));
}

Tokenizer Tokenizer::characters(std::string_view text) {
  require_utf8(text, "text for the tokenizer");
  if (text.empty()) throw Error("text for the tokenizer: it is empty; give text with the characters to know");
  const std::vector<char32_t> points = code_points(text);
  TokenizerParts parts;
  for (const char32_t point : std::set<char32_t>(points.begin(), points.end())) {
    append_utf8(parts.names.emplace_back(), point);
  }
  return Tokenizer(std::move(parts));
}

Tokenizer Tokenizer::train_bpe(std::string_view text, int vocab_size) {
  const std::array<std::uint8_t, 256> alphabet = byte_level_order();
  if (vocab_size < static_cast<int>(alphabet.size())) {
    throw Error("vocab_size is {}; a byte-level vocabulary has at least {} tokens", vocab_size, alphabet.size());
  }
  require_utf8(text, "text for the tokenizer");
  const SplitPattern pattern{std::string(kGpt2Pattern), "the word pattern of GPT-2"};
  const std::vector<std::string_view> words = pattern.split(std::array{text});
  TrainedMerges trained = train_merges(words, alphabet, static_cast<std::size_t>(vocab_size));
  TokenizerParts parts = byte_level_parts(trained.pieces);
  parts.merges = std::move(trained.merges);
  return Tokenizer(std::move(parts));
}

Tokenizer Tokenizer::load(const std::filesystem::path& tokenizer_json) {
  return Tokenizer(read_tokenizer_file(tokenizer_json));
}

void Tokenizer::save(const std::filesystem::path& path) const {
  write_text_atomically(path, tokenizer_file_text(parts_));
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text) const {
  require_utf8(text, "text");
  std::vector<std::int32_t> tokens;
  for (const TextSection& section : added_.split(text)) {
    if (section.token == TextSection::kPlain) {
      encode_plain(section.text, text, tokens);
    } else {
      tokens.push_back(section.token);
    }
  }
  return tokens;
}

void Tokenizer::encode_plain(std::string_view section, std::string_view text, std::vector<std::int32_t>& tokens) const {
  if (merges_.empty() && !parts_.ignore_merges) {
    append_symbols(section, text, tokens);  // where the words end makes no difference
    return;
  }
  std::vector<std::string_view> words{section};
  for (const SplitPattern& pattern : parts_.patterns) words = pattern.split(words);
  std::unordered_map<std::string_view, EarlierWord> earlier;
  for (const std::string_view word : words) {
    if (word.size() > kLongestCachedWord) {
      encode_word(word, text, tokens);
      continue;
    }
    const auto [found, is_new] = earlier.try_emplace(word, EarlierWord{tokens.size(), 0});
    if (!is_new) {
      append_again(found->second, tokens);
      continue;
    }
    encode_word(word, text, tokens);
    found->second.count = tokens.size() - found->second.begin;
  }
}

void Tokenizer::encode_word(std::string_view word, std::string_view text, std::vector<std::int32_t>& tokens) const {
  if (parts_.ignore_merges) {
    const auto found = id_of_word_.find(std::string(word));
    if (found != id_of_word_.end()) {
      tokens.push_back(found->second);
      return;
    }
  }
  std::vector<std::int32_t> symbols;
  append_symbols(word, text, symbols);
  merges_.apply(symbols);
  tokens.insert(tokens.end(), symbols.begin(), symbols.end());
}

void Tokenizer::append_symbols(std::string_view word, std::string_view text, std::vector<std::int32_t>& symbols) const {
  const auto offset_of = [&](std::size_t at) { return static_cast<std::size_t>(word.data() - text.data()) + at; };
  for (std::size_t at = 0; at < word.size();) {
    std::int32_t id = kNoToken;
    std::size_t length = 1;
    if (parts_.byte_level) {
      id = id_of_byte_[static_cast<std::uint8_t>(word[at])];
    } else {
      const Utf8Step step = read_utf8(word.substr(at));
      const auto found = id_of_character_.find(step.code_point);
      if (found != id_of_character_.end()) id = found->second;
      length = step.length;
    }
    if (id == kNoToken) throw_unknown_character(text, offset_of(at), pieces_.size());
    symbols.push_back(id);
    at += length;
  }
}

const std::string& Tokenizer::piece(std::int32_t token) const {
  if (token < 0 || token >= size()) {
    throw Error("token {} is outside the vocabulary; its ids are 0 to {}", token, size() - 1);
  }
  return pieces_[static_cast<std::size_t>(token)];
}

std::string Tokenizer::decode(std::span<const std::int32_t> tokens) const {
  std::string text;
  for (const std::int32_t token : tokens) text += piece(token);
  return text;
}

std::optional<std::int32_t> Tokenizer::added_token(std::string_view content) const {
  for (const AddedToken& token : parts_.added) {
    if (token.content == content) return token.id;
  }
  return std::nullopt;
}

std::string StreamDecoder::push(std::int32_t token) {
  pending_ += tokenizer_.piece(token);
  std::string text;
  std::string_view rest = pending_;
  while (!rest.empty()) {
    const Utf8Step step = read_utf8(rest);
    if (step.kind == Utf8Step::Kind::kIncomplete) break;
    append_utf8(text, step.code_point);
    rest.remove_prefix(step.length);
  }
  pending_ = std::string(rest);
  return text;
}

std::string StreamDecoder::flush() {
  std::string text;
  if (!pending_.empty()) append_utf8(text, U'\uFFFD');
  pending_.clear();
  return text;
}

}  // namespace gyre
