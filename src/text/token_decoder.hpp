#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "text/split_pattern.hpp"

namespace gyre {

/// How a tokenizer.json turns the names of tokens back into text.
class TokenDecoder {
 public:
  /// Joins the tokens as they are.
  TokenDecoder() = default;
  /// Reads the part "decoder". Throws Error with `where` on an unknown type or key.
  static TokenDecoder read(const nlohmann::json& json, const std::string& where);

  /// Names are spelled in the byte-level alphabet.
  [[nodiscard]] bool byte_level() const { return byte_level_; }
  /// A text is its pieces joined, wherever they stand in it.
  [[nodiscard]] bool joins() const { return steps_.empty(); }
  /// What the token `name` stands for inside a text. A byte token gives its byte.
  [[nodiscard]] std::string piece(std::string_view name) const;
  /// The text of `names`. Bytes that form no character become U+FFFD each.
  [[nodiscard]] std::string decode(std::vector<std::string> names) const;

 private:
  struct Replace {
    SplitPattern pattern;
    std::string content;
  };
  struct ByteFallback {};
  struct Fuse {};
  struct Strip {
    std::string content;
    int start;
    int stop;
  };
  struct Metaspace {
    std::string mark;
    bool drop_first;  ///< the mark in front of the text was put there
  };
  struct WordPiece {
    std::string prefix;
    bool cleanup;
  };
  using Step = std::variant<Replace, ByteFallback, Fuse, Strip, Metaspace, WordPiece>;

  void read_step(const nlohmann::json& json, const std::string& where);
  void read_replace(const nlohmann::json& json, const std::string& where);
  void read_strip(const nlohmann::json& json, const std::string& where);
  static std::string run(const Step& step, std::string name, bool first, const Growth& growth);

  std::vector<Step> steps_;
  bool byte_level_ = false;
};

}  // namespace gyre
