#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/error.hpp"
#include "base/file.hpp"
#include "text/tokenizer_file.hpp"
#include "text/utf8.hpp"

namespace gyre {
namespace {

using Json = nlohmann::json;

/// The token `name` as a post-processor spells it.
Json template_token(const std::string& name) { return {{"SpecialToken", {{"id", name}, {"type_id", 0}}}}; }

Json template_of(std::int32_t cls, std::int32_t sep) {
  const Json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const Json second = {{"Sequence", {{"id", "B"}, {"type_id", 1}}}};
  const auto known = [](const std::string& name, std::int32_t id) {
    return Json{{"id", name}, {"ids", {id}}, {"tokens", {name}}};
  };
  return {{"type", "TemplateProcessing"},
          {"single", {template_token("[CLS]"), text, template_token("[SEP]")}},
          {"pair", {template_token("[CLS]"), text, template_token("[SEP]"), second, template_token("[SEP]")}},
          {"special_tokens", {{"[CLS]", known("[CLS]", cls)}, {"[SEP]", known("[SEP]", sep)}}}};
}

}  // namespace

void add_bert_stages(TokenizerParts& parts, bool lower_case, const std::string& where) {
  const auto id_of = [&](std::string_view name) -> std::optional<std::int32_t> {
    const auto found = std::find(parts.names.begin(), parts.names.end(), name);
    if (found == parts.names.end()) return std::nullopt;
    return static_cast<std::int32_t>(found - parts.names.begin());
  };
  parts.model = TokenizerModel::word_piece;
  parts.unknown = id_of("[UNK]");
  if (!parts.unknown) throw Error("{}: the token \"[UNK]\" is missing; add it", where);
  for (const char* name : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}) {
    const std::optional<std::int32_t> id = id_of(name);
    const bool there = std::any_of(parts.added.begin(), parts.added.end(),
                                   [&](const AddedToken& token) { return token.content == name; });
    if (id && !there) parts.added.push_back({*id, name, true, false, true, false, false, false});
  }
  std::sort(parts.added.begin(), parts.added.end(),
            [](const AddedToken& left, const AddedToken& right) { return left.id < right.id; });
  parts.stages.normalizer = Json{
      {"type", "BertNormalizer"},
      {"clean_text", true},
      {"handle_chinese_chars", true},
      {"strip_accents", nullptr},
      {"lowercase", lower_case}}.dump();
  parts.stages.pre_tokenizer = R"({"type": "BertPreTokenizer"})";
  parts.stages.decoder = R"({"type": "WordPiece", "prefix": "##", "cleanup": true})";
  const std::optional<std::int32_t> cls = id_of("[CLS]");
  const std::optional<std::int32_t> sep = id_of("[SEP]");
  if (cls && sep) parts.stages.post_processor = template_of(*cls, *sep).dump();
  read_stages(parts, where);
}

TokenizerParts read_word_piece_vocabulary(const std::filesystem::path& path, bool lower_case) {
  const std::string text = read_text(path);
  require_utf8(text, path.string());
  TokenizerParts parts;
  std::unordered_map<std::string_view, std::size_t> lines;
  std::string_view rest = text;
  while (!rest.empty()) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const auto [earlier, is_new] = lines.emplace(line, parts.names.size());
    if (!is_new) {
      throw Error("{}, line {}: \"{}\" stands on line {} already; remove one", path.string(), parts.names.size() + 1,
                  line, earlier->second + 1);
    }
    parts.names.emplace_back(line);
  }
  add_bert_stages(parts, lower_case, path.string());
  return parts;
}

}  // namespace gyre
