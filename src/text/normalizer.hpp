#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "text/characters_map.hpp"
#include "text/split_pattern.hpp"
#include "text/unicode.hpp"

namespace gyre {

/// What a tokenizer.json does to the text before anything is cut: a list of steps, perhaps empty.
class Normalizer {
 public:
  Normalizer() = default;
  /// Reads the part "normalizer". Throws Error with `where` on an unknown type or key.
  static Normalizer read(const nlohmann::json& json, const std::string& where);

  [[nodiscard]] bool empty() const { return steps_.empty(); }
  /// `text` must be valid UTF-8, and so is what comes out.
  [[nodiscard]] std::string apply(std::string_view text) const;

 private:
  struct Form {
    NormalForm form;
  };
  struct Lowercase {};
  struct StripAccents {};
  struct Strip {
    bool left;
    bool right;
  };
  struct Prepend {
    std::string content;
  };
  struct ReplaceText {
    std::string text;
    std::string content;
  };
  struct ReplacePattern {
    SplitPattern pattern;
    std::string content;
  };
  /// The published steps of BERT, in their order.
  struct Bert {
    bool clean;
    bool pad_ideographs;
    bool strip_accents;
    bool lower_case;
  };
  /// Control characters dropped, marks of spaces and what looks like none as spaces.
  struct Nmt {};
  using Step = std::variant<CharactersMap, Nmt, Form, Lowercase, StripAccents, Strip, Prepend, ReplaceText,
                            ReplacePattern, Bert>;

  static Step read_step(const nlohmann::json& json, const std::string& where);
  static Step read_replace(const nlohmann::json& json, const std::string& where);
  static Step read_bert(const nlohmann::json& json, const std::string& where);
  static std::string run(const Step& step, std::string_view text, const Growth& growth);
  static std::string run_bert(const Bert& bert, std::string_view text);

  std::vector<Step> steps_;
};

}  // namespace gyre
