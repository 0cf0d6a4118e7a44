#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "model_folder.hpp"
#include "text/tokenizer.hpp"

namespace gyre {

/// The tokenizer of test models, with a token <s> of id 16 that begins every text.
inline std::string tokenizer_with_prefix_text() {
  nlohmann::json json = nlohmann::json::parse(Tokenizer::characters(kTestCharacters).file_text());
  if (!json.contains("added_tokens") || json["added_tokens"].is_null()) json["added_tokens"] = nlohmann::json::array();
  json["added_tokens"].push_back({{"id", 16},
                                  {"content", "<s>"},
                                  {"special", true},
                                  {"single_word", false},
                                  {"lstrip", false},
                                  {"rstrip", false},
                                  {"normalized", false}});
  const nlohmann::json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  json["post_processor"] = {{"type", "TemplateProcessing"},
                            {"single", {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}}, text}},
                            {"pair", {text, {{"Sequence", {{"id", "B"}, {"type_id", 1}}}}}},
                            {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {16}}, {"tokens", {"<s>"}}}}}}};
  return json.dump();
}

inline Tokenizer tokenizer_with_prefix() { return Tokenizer::parse(tokenizer_with_prefix_text(), "test"); }

}  // namespace gyre
