#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "text/added_tokens.hpp"
#include "text/bpe_model.hpp"
#include "text/tokenizer_parts.hpp"
#include "text/unigram_model.hpp"
#include "text/word_piece_model.hpp"

namespace gyre {

/// Text to token ids and back: byte-pair encoding over bytes or over characters, WordPiece or Unigram.
/// Immutable once made; one object may serve many threads.
class Tokenizer {
 public:
  /// 256 tokens, one for each byte, in GPT-2's order (id 0 is '!'): train_bpe without merges.
  static Tokenizer bytes();
  /// One token for each distinct character of `text`, ordered by code point.
  static Tokenizer characters(std::string_view text);
  /// Byte-level BPE learnt from `text`, cut into words as GPT-2 does. `vocab_size` counts the 256 bytes; a short text
  /// may run out of pairs and give fewer tokens.
  static Tokenizer train_bpe(std::string_view text, int vocab_size);
  /// Reads a Hugging Face tokenizer.json.
  static Tokenizer load(const std::filesystem::path& tokenizer_json);
  /// The same from the text of such a file; `where` leads every message.
  static Tokenizer parse(std::string_view json_text, const std::string& where);
  /// Reads a vocab.txt of BERT.
  static Tokenizer load_wordpiece(const std::filesystem::path& vocab_txt, bool lower_case);
  explicit Tokenizer(TokenizerParts parts);
  /// Writes a tokenizer.json that the Python package `tokenizers` loads with the same ids.
  void save(const std::filesystem::path& path) const;
  [[nodiscard]] std::string file_text() const;

  /// The tokens of `text` alone, without prefix_tokens and suffix_tokens. Throws Error when `text` is not UTF-8, or
  /// holds a character that the vocabulary cannot spell (with its offset).
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const;
  /// A text of somebody who is to write no special tokens: those that it spells out are marked as text, for
  /// encode_marked().
  [[nodiscard]] std::string mark_special(std::string_view text) const;
  /// The text as it was before.
  [[nodiscard]] static std::string without_marks(std::string_view text);
  /// The tokens of a text parts of which went through mark_special(): what is marked there is text, all else as
  /// encode() takes it. Throws Error too when the vocabulary spells a special token that way all the same.
  [[nodiscard]] std::vector<std::int32_t> encode_marked(std::string_view text) const;
  /// What the model wants before a text of its own: often the token that begins a text, or nothing.
  [[nodiscard]] const std::vector<std::int32_t>& prefix_tokens() const { return parts_.surrounding.prefix; }
  /// And what after it.
  [[nodiscard]] const std::vector<std::int32_t>& suffix_tokens() const { return parts_.surrounding.suffix; }
  /// The same tokenizer with other tokens around a text; their ids lie in the vocabulary.
  [[nodiscard]] Tokenizer with_surrounding(SurroundingTokens tokens) &&;
  /// The text of the tokens, taken as a whole: a space that a tokenizer puts before each text is gone again. Bytes that
  /// are no character stay bytes in a byte-level vocabulary, and become U+FFFD otherwise.
  [[nodiscard]] std::string decode(std::span<const std::int32_t> tokens) const;
  /// The bytes that one token stands for inside a text: none where the vocabulary has a hole. Throws Error when the id
  /// lies outside the vocabulary.
  [[nodiscard]] const std::string& piece(std::int32_t token) const;
  /// Beyond the highest id.
  [[nodiscard]] int size() const { return static_cast<int>(pieces_.size()); }
  /// The tokens by id, spelled as in the file.
  [[nodiscard]] const std::vector<std::string>& names() const { return parts_.names; }
  /// The tokens that are looked for in a text as a whole, in order of id.
  [[nodiscard]] const std::vector<AddedToken>& added_tokens() const { return parts_.added; }
  /// The id of an added token such as "<|endoftext|>".
  [[nodiscard]] std::optional<std::int32_t> added_token(std::string_view content) const;

 private:
  using Model = std::variant<BpeModel, WordPieceModel, UnigramModel>;

  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text, bool marked) const;
  void encode_plain(std::string_view section, std::string_view text, bool marked,
                    std::vector<std::int32_t>& tokens) const;
  void encode_unmarked(std::string_view part, bool at_start, std::vector<std::int32_t>& tokens) const;
  void encode_words(std::string_view section, bool at_start, std::string_view text,
                    std::vector<std::int32_t>& tokens) const;
  void encode_word(std::string_view word, std::string_view text, std::vector<std::int32_t>& tokens) const;
  [[nodiscard]] bool is_hole(std::int32_t token) const;
  [[nodiscard]] std::vector<AddedToken> added_tokens_of(bool normalized) const;
  [[nodiscard]] Model make_model();

  TokenizerParts parts_;
  AddedTokenFinder added_;             // in the text as it comes
  AddedTokenFinder added_normalized_;  // in the normalized text
  std::vector<std::string> pieces_;    // by id
  Model model_;
};

/// Turns tokens into text as they come, for text that goes on from other text. It emits whole characters only; bytes
/// that cannot be UTF-8 become U+FFFD.
class StreamDecoder {
 public:
  /// `tokenizer` has to outlive the decoder.
  explicit StreamDecoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  explicit StreamDecoder(const Tokenizer&& tokenizer) = delete;

  /// The text that `token` completes; may be empty.
  std::string push(std::int32_t token);
  /// What is left at the end: U+FFFD for a character that was never completed, or nothing.
  std::string flush();

 private:
  const Tokenizer& tokenizer_;
  std::string pending_;
};

}  // namespace gyre
