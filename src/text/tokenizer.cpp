#include "text/tokenizer.hpp"

#include <algorithm>
#include <functional>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/error.hpp"
#include "base/file.hpp"
#include "text/byte_level.hpp"
#include "text/merge_training.hpp"
#include "text/tokenizer_file.hpp"
#include "text/utf8.hpp"

namespace gyre {
namespace {

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

/// `word` begins with the character, at `at`; the offset is known where the word lies in `text`.
[[noreturn]] void throw_unknown_character(std::string_view word, std::size_t at, std::string_view text,
                                          std::size_t tokens) {
  const auto continues = [&](std::size_t i) { return (static_cast<std::uint8_t>(word[i]) & 0xC0U) == 0x80U; };
  while (at > 0 && continues(at)) --at;
  const std::less<> before;
  const bool inside = !before(word.data(), text.data()) && !before(text.data() + text.size(), word.data());
  const std::string place =
      inside ? fmt::format(" at offset {}", static_cast<std::size_t>(word.data() - text.data()) + at) : "";
  throw Error("the character {}{} is not in the vocabulary of {} tokens; leave it out, or use another tokenizer",
              describe(word.substr(at)), place, tokens);
}

/// Stands inside what is marked as text: a code point that is no character, and so in no text.
constexpr std::string_view kMark = "\xEF\xB7\x90";

[[noreturn]] void throw_spells_special(const AddedToken& token) {
  throw Error("the text spells the special token {}, which this vocabulary cannot tell from text", token.content);
}

void append_again(const EarlierWord& word, std::vector<std::int32_t>& tokens) {
  const std::size_t end = tokens.size();
  tokens.resize(end + word.count);
  std::copy_n(tokens.begin() + static_cast<std::ptrdiff_t>(word.begin), word.count,
              tokens.begin() + static_cast<std::ptrdiff_t>(end));
}

TokenizerParts byte_level_parts(const std::vector<std::string>& pieces) {
  TokenizerParts parts;
  for (const std::string& piece : pieces) parts.names.push_back(to_byte_level(piece));
  const std::string step =
      R"({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true})";
  parts.stages.pre_tokenizer = step;
  parts.stages.decoder = step;
  read_stages(parts, "the stages of GPT-2");
  return parts;
}

}  // namespace

Tokenizer::Tokenizer(TokenizerParts parts)
    : parts_(std::move(parts)),
      added_(added_tokens_of(false)),
      added_normalized_(added_tokens_of(true)),
      pieces_(parts_.names),
      model_(make_model()) {}

std::vector<AddedToken> Tokenizer::added_tokens_of(bool normalized) const {
  std::vector<AddedToken> tokens;
  for (const AddedToken& token : parts_.added) {
    if (token.normalized != normalized) continue;
    tokens.push_back(token);
    // What is looked for in normalized text has to be normalized too.
    if (normalized) tokens.back().content = parts_.normalizer.apply(token.content);
  }
  return tokens;
}

Tokenizer::Model Tokenizer::make_model() {
  std::vector<bool> usable(parts_.names.size(), true);
  std::vector<bool> verbatim(parts_.names.size(), false);
  const bool byte_level = parts_.pre_tokenizer.byte_level();
  for (const AddedToken& token : parts_.added) {
    usable[static_cast<std::size_t>(token.id)] = token.in_vocabulary;
    verbatim[static_cast<std::size_t>(token.id)] = byte_level;
  }
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    if (is_hole(static_cast<std::int32_t>(i))) continue;
    if (!byte_level) {
      pieces_[i] = parts_.decoder.piece(parts_.names[i]);
      continue;
    }
    // A name with a character outside the alphabet cannot come from text; it stands for itself, as in Python.
    const std::optional<std::string> spelled = from_byte_level(parts_.names[i]);
    if (!spelled) usable[i] = false;
    if (spelled && !verbatim[i]) pieces_[i] = *spelled;
  }
  if (parts_.model == TokenizerModel::word_piece) return WordPieceModel(parts_, usable);
  if (parts_.model == TokenizerModel::unigram) return UnigramModel(parts_, usable);
  return BpeModel(parts_, pieces_, usable);
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
  read_stages(parts, "text for the tokenizer");
  return Tokenizer(std::move(parts));
}

Tokenizer Tokenizer::train_bpe(std::string_view text, int vocab_size) {
  const std::array<std::uint8_t, 256> alphabet = byte_level_order();
  if (vocab_size < static_cast<int>(alphabet.size())) {
    throw Error("vocab_size is {}; a byte-level vocabulary has at least {} tokens", vocab_size, alphabet.size());
  }
  require_utf8(text, "text for the tokenizer");
  const SplitPattern pattern{std::string(kGpt2Pattern), "the word pattern of GPT-2"};
  std::vector<std::string_view> words;
  pattern.split(text, words);
  TrainedMerges trained = train_merges(words, alphabet, static_cast<std::size_t>(vocab_size));
  TokenizerParts parts = byte_level_parts(trained.pieces);
  parts.merges = std::move(trained.merges);
  return Tokenizer(std::move(parts));
}

Tokenizer Tokenizer::load(const std::filesystem::path& tokenizer_json) {
  return Tokenizer(read_tokenizer_file(tokenizer_json));
}

Tokenizer Tokenizer::load_wordpiece(const std::filesystem::path& vocab_txt, bool lower_case) {
  return Tokenizer(read_word_piece_vocabulary(vocab_txt, lower_case));
}

Tokenizer Tokenizer::parse(std::string_view json_text, const std::string& where) {
  return Tokenizer(parse_tokenizer_file(json_text, where));
}
void Tokenizer::save(const std::filesystem::path& path) const { write_text_atomically(path, file_text()); }
std::string Tokenizer::file_text() const { return tokenizer_file_text(parts_); }

Tokenizer Tokenizer::with_surrounding(SurroundingTokens tokens) && {
  parts_.stages.post_processor = post_processor_text(tokens, parts_.names);
  parts_.surrounding = std::move(tokens);
  return std::move(*this);
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text) const { return encode(text, false); }

std::vector<std::int32_t> Tokenizer::encode_marked(std::string_view text) const { return encode(text, true); }

std::string Tokenizer::without_marks(std::string_view text) {
  std::string bare;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t mark = std::min(text.find(kMark, at), text.size());
    bare += text.substr(at, mark - at);
    at = mark + kMark.size();
  }
  return bare;
}

std::string Tokenizer::mark_special(std::string_view text) const {
  std::string marked = without_marks(text);
  for (const AddedToken& token : parts_.added) {
    if (!token.special || token.content.empty()) continue;
    const std::size_t middle = read_utf8(token.content).length;
    for (std::size_t at = marked.find(token.content); at != std::string::npos; at = marked.find(token.content, at)) {
      if (middle == token.content.size()) throw_spells_special(token);
      marked.insert(at + middle, kMark);
    }
  }
  for (const AddedToken& token : added_tokens_of(true)) {  // what only becomes one when it is normalized
    if (!token.special || token.content.empty()) continue;
    if (parts_.normalizer.apply(marked).find(token.content) != std::string::npos) throw_spells_special(token);
  }
  return marked;
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, bool marked) const {
  require_utf8(text, "text");
  std::vector<std::int32_t> tokens;
  for (const TextSection& section : added_.split(text)) {
    if (section.token == TextSection::kPlain) {
      encode_plain(section.text, text, marked, tokens);
    } else {
      tokens.push_back(section.token);
    }
  }
  return tokens;
}

void Tokenizer::encode_unmarked(std::string_view part, bool at_start, std::vector<std::int32_t>& tokens) const {
  const std::string bare = without_marks(part);
  const std::size_t before = tokens.size();
  encode_words(bare, at_start, bare, tokens);
  for (const AddedToken& token : parts_.added) {
    if (!token.special ||
        std::find(tokens.begin() + static_cast<std::ptrdiff_t>(before), tokens.end(), token.id) == tokens.end()) {
      continue;
    }
    throw_spells_special(token);
  }
}

void Tokenizer::encode_plain(std::string_view section, std::string_view text, bool marked,
                             std::vector<std::int32_t>& tokens) const {
  const bool at_start = section.data() == text.data();
  const std::string normalized = parts_.normalizer.empty() ? std::string() : parts_.normalizer.apply(section);
  const std::string_view plain = parts_.normalizer.empty() ? section : std::string_view(normalized);
  for (const TextSection& part : added_normalized_.split(plain)) {
    const bool begins = at_start && part.text.data() == plain.data();
    if (part.token == TextSection::kPlain && marked) {
      encode_unmarked(part.text, begins, tokens);
    } else if (part.token == TextSection::kPlain) {
      encode_words(part.text, begins, text, tokens);
    } else {
      tokens.push_back(part.token);
    }
  }
}

void Tokenizer::encode_words(std::string_view section, bool at_start, std::string_view text,
                             std::vector<std::int32_t>& tokens) const {
  const auto* bpe = std::get_if<BpeModel>(&model_);
  if (bpe != nullptr && !bpe->needs_words() && parts_.pre_tokenizer.keeps_text()) {
    encode_word(section, text, tokens);  // where the words end makes no difference
    return;
  }
  Words cut = parts_.pre_tokenizer.cut(section, at_start);
  if (bpe != nullptr) {
    std::vector<std::string_view> finer;
    finer.reserve(cut.words.size());
    for (const std::string_view word : cut.words) bpe->cut(word, finer);
    cut.words = std::move(finer);
  }
  std::unordered_map<std::string_view, EarlierWord> earlier;
  for (const std::string_view word : cut.words) {
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
  if (const auto* pieces = std::get_if<WordPieceModel>(&model_)) {
    pieces->append(word, tokens);
    return;
  }
  const auto* unigram = std::get_if<UnigramModel>(&model_);
  const std::size_t missing =
      unigram != nullptr ? unigram->append(word, tokens) : std::get<BpeModel>(model_).append(word, tokens);
  if (missing != std::string_view::npos) throw_unknown_character(word, missing, text, pieces_.size());
}

bool Tokenizer::is_hole(std::int32_t token) const {
  return std::binary_search(parts_.holes.begin(), parts_.holes.end(), token);
}

const std::string& Tokenizer::piece(std::int32_t token) const {
  if (token < 0 || token >= size()) {
    throw Error("token {} is outside the vocabulary; its ids are 0 to {}", token, size() - 1);
  }
  return pieces_[static_cast<std::size_t>(token)];
}

std::string Tokenizer::decode(std::span<const std::int32_t> tokens) const {
  if (!parts_.decoder.joins()) {
    std::vector<std::string> names;
    for (const std::int32_t token : tokens) {
      static_cast<void>(piece(token));  // throws when there is no such token
      if (is_hole(token)) continue;
      names.push_back(parts_.names[static_cast<std::size_t>(token)]);
    }
    return parts_.decoder.decode(std::move(names));
  }
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
