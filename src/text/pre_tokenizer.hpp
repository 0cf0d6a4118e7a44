#pragma once

#include <deque>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "text/split_pattern.hpp"

namespace gyre {

/// Words cut from a text. Those that had to be altered live in `made`, the others in the text itself.
struct Words {
  std::vector<std::string_view> words;
  std::deque<std::string> made;
};

/// How a tokenizer.json cuts text into words: a list of steps, perhaps empty (the text is one word).
class PreTokenizer {
 public:
  PreTokenizer() = default;
  /// Reads the part "pre_tokenizer". Throws Error with `where` on an unknown type, key or behavior.
  static PreTokenizer read(const nlohmann::json& json, const std::string& where);

  /// Words are then merged byte by byte and the vocabulary is spelled in the byte-level alphabet.
  [[nodiscard]] bool byte_level() const { return byte_level_; }
  /// Joined, the words are always the text again.
  [[nodiscard]] bool keeps_text() const;
  /// Cuts `text`, which must be valid UTF-8 and outlive the words; steps behind ByteLevel may cut inside a character.
  /// `at_start`: nothing stands before it.
  [[nodiscard]] Words cut(std::string_view text, bool at_start) const;

 private:
  using Predicate = bool (*)(char32_t);
  struct SplitCharacters {
    Predicate wanted;
    SplitBehavior behavior;
  };
  struct PrefixSpace {};
  /// Runs of word characters, and of what is neither such nor white space.
  struct Whitespace {};
  /// Spells words in the byte-level alphabet: what comes after ByteLevel sees them so.
  struct Spell {};
  struct Metaspace {
    enum class Prepend { always, first, never };
    std::string mark;
    Prepend prepend;
    bool split;
  };
  using Step = std::variant<SplitPattern, SplitCharacters, PrefixSpace, Whitespace, Spell, Metaspace>;

  void read_step(const nlohmann::json& json, const std::string& where);
  bool read_simple_step(const nlohmann::json& json, const std::string& type, const std::string& where);
  void read_byte_level(const nlohmann::json& json, const std::string& where);
  void read_metaspace(const nlohmann::json& json, const std::string& where);
  void read_split(const nlohmann::json& json, const std::string& where);

  std::vector<Step> steps_;
  bool byte_level_ = false;
  bool spelled_ = false;  ///< the steps leave words in the byte-level alphabet; cut() undoes it
};

}  // namespace gyre
