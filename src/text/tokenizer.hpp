#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/added_tokens.hpp"
#include "text/merges.hpp"
#include "text/tokenizer_file.hpp"

namespace gyre {

/// Text to token ids and back: byte-pair encoding with zero or more merges over bytes or over characters.
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
  /// Writes a tokenizer.json that the Python package `tokenizers` loads with the same ids.
  void save(const std::filesystem::path& path) const;

  /// Throws Error when `text` is not UTF-8, or holds a character outside the vocabulary (with its offset).
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const;
  /// The bytes of the tokens, joined. They are UTF-8 only if the tokens end with a whole character.
  [[nodiscard]] std::string decode(std::span<const std::int32_t> tokens) const;
  /// The bytes of one token. Throws Error when there is no such token.
  [[nodiscard]] const std::string& piece(std::int32_t token) const;
  [[nodiscard]] int size() const { return static_cast<int>(pieces_.size()); }
  /// The id of an added token such as "<|endoftext|>".
  [[nodiscard]] std::optional<std::int32_t> added_token(std::string_view content) const;

 private:
  explicit Tokenizer(TokenizerParts parts);

  void index_pieces();
  void encode_plain(std::string_view section, std::string_view text, std::vector<std::int32_t>& tokens) const;
  void encode_word(std::string_view word, std::string_view text, std::vector<std::int32_t>& tokens) const;
  void append_symbols(std::string_view word, std::string_view text, std::vector<std::int32_t>& symbols) const;

  TokenizerParts parts_;
  MergeTable merges_;
  AddedTokenFinder added_;
  std::vector<std::string> pieces_;                             // by id
  std::array<std::int32_t, 256> id_of_byte_{};                  // byte-level only
  std::unordered_map<char32_t, std::int32_t> id_of_character_;  // otherwise
  std::unordered_map<std::string, std::int32_t> id_of_word_;    // only to ignore merges
};

/// Turns tokens into text as they come. It emits whole characters only; bytes that cannot be UTF-8 become U+FFFD.
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
