#include "text/gguf_vocabulary.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "base/error.hpp"
#include "text/end_tokens.hpp"
#include "text/tokenizer_file.hpp"
#include "text/utf8.hpp"

namespace gyre {
namespace {

using Json = nlohmann::json;

enum TokenType : int { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

/// How a name of tokenizer.ggml.pre cuts text: the patterns, one after the other.
struct PreRule {
  std::vector<std::string_view> names;
  std::vector<std::string_view> patterns;
  bool ignore_merges = false;
  bool add_bos = false;
};

constexpr std::string_view kDigit = R"(\p{N})";
constexpr std::string_view kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kTekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

const std::vector<PreRule>& pre_rules() {
  static const std::vector<PreRule> rules = {
      {{"default", ""}, {R"([\p{P}\$\+<=>\^~\|]+)", kGpt2Pattern, R"(\p{N}+)", "[0-9][0-9][0-9]"}},
      {{"gpt-2", "phi-2", "mpt", "olmo", "jais", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "jina-v2-code",
        "jina-v1-en", "roberta-bpe", "gigachat", "trillion", "a.x-4.0", "mellum", "modern-bert", "exaone4"},
       {kGpt2Pattern}},
      {{"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"}, {kDigit, kGpt2Pattern}},
      {{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"},
       {kLlama3},
       true,
       true},
      {{"dbrx", "smaug-bpe", "glm4", "chatglm-bpe"}, {kLlama3}},
      {{"qwen2", "deepseek-r1-qwen", "stablelm2", "hunyuan", "megrez", "kormo", "f2llmv2"}, {kQwen2}},
      {{"tekken"}, {kTekken}, true, true},
  };
  return rules;
}

const PreRule& pre_rule(const std::string& name, const std::string& where) {
  for (const PreRule& rule : pre_rules()) {
    if (std::find(rule.names.begin(), rule.names.end(), name) != rule.names.end()) return rule;
  }
  throw Error("{}: tokenizer.ggml.pre is \"{}\"; choose one of {}", where, name, fmt::join(gguf_pre_names(), ", "));
}

class GgufReader {
 public:
  /// `asked` is the file's own, with open keys; `given` has none.
  GgufReader(const GgufVocabulary& asked, const GgufVocabulary& given, const std::string& where)
      : asked_(asked), given_(given), where_(where) {}

  Tokenizer read() {
    check_sizes();
    parts_.names = given_.tokens;
    for (std::size_t i = 0; i < given_.tokens.size(); ++i) {
      if (type_of(i) != kUnused) ids_.emplace(given_.tokens[i], static_cast<std::int32_t>(i));
    }
    if (given_.model == "gpt2") {
      read_byte_level();
    } else if (given_.model == "llama") {
      read_sentence_pieces();
    } else if (given_.model == "bert") {
      read_word_pieces();
    } else {
      throw Error("{}: tokenizer.ggml.model is \"{}\"; choose one of gpt2, llama, bert", where_, given_.model);
    }
    return Tokenizer(std::move(parts_));
  }

 private:
  [[nodiscard]] int type_of(std::size_t id) const { return given_.types.empty() ? kNormal : given_.types[id]; }

  void check_sizes() const {
    const std::size_t size = given_.tokens.size();
    constexpr std::size_t kMost = 1U << 30U;
    if (size == 0 || size > kMost) throw Error("{}: tokenizer.ggml.tokens holds {} tokens; give some", where_, size);
    const auto check = [&](std::string_view key, std::size_t count, bool needed) {
      if (count == size || (count == 0 && !needed)) return;
      throw Error("{}: tokenizer.ggml.{} has {} values for {} tokens; give one for each", where_, key, count, size);
    };
    check("token_type", given_.types.size(), false);
    check("scores", given_.scores.size(), given_.model == "llama");
    for (std::size_t i = 0; i < size; ++i) {
      require_utf8(given_.tokens[i], fmt::format("{}: tokenizer.ggml.tokens[{}]", where_, i));
      if (const int type = type_of(i); type < kNormal || type > kByte) {
        throw Error("{}: tokenizer.ggml.token_type[{}] is {}; it must lie between 1 and 6", where_, i, type);
      }
      if (!given_.scores.empty() && std::isnan(given_.scores[i])) {
        throw Error("{}: tokenizer.ggml.scores[{}] is not a number; give one", where_, i);
      }
    }
    const auto check_id = [&](std::string_view key, int id) {
      if (id < -1 || id >= static_cast<int>(size)) {
        throw Error("{}: tokenizer.ggml.{} is {}; it must lie between 0 and {}", where_, key, id, size - 1);
      }
    };
    check_id("bos_token_id", given_.bos);
    check_id("eos_token_id", given_.eos);
    check_id("seperator_token_id", given_.sep);
    check_id("unknown_token_id", given_.unknown);
  }

  /// The token that a text begins or ends with, if it does; `asked` is whether the file says so itself.
  [[nodiscard]] std::vector<std::int32_t> around(bool wanted, std::optional<bool> asked, std::string_view key,
                                                 int id) const {
    if (!wanted) return {};
    if (id >= 0) return {id};
    if (asked) {
      throw Error("{}: tokenizer.ggml.add_{}_token is true, but tokenizer.ggml.{}_token_id is missing; give it", where_,
                  key, key);
    }
    throw Error("{}: tokenizer.ggml.{}_token_id is missing, and texts of the model \"{}\" ({}) are given that token",
                where_, key, given_.model, given_.pre);
  }

  void add_special_tokens() {
    for (std::size_t i = 0; i < given_.tokens.size(); ++i) {
      const int type = type_of(i);
      // Placeholders (unused) are never looked for, nor do they come out of merging: ids_ does not hold them.
      const bool wanted = type == kControl || type == kUserDefined || type == kUnknown ||
                          (type == kNormal && names_end_token(given_.tokens[i]));
      if (!wanted || given_.tokens[i].empty()) continue;
      AddedToken token;
      token.id = static_cast<std::int32_t>(i);
      token.content = given_.tokens[i];
      token.special = type != kUserDefined;
      token.in_vocabulary = true;
      parts_.added.push_back(std::move(token));
    }
  }

  void surround() {
    const SurroundingTokens tokens{around(given_.add_bos.value_or(false), asked_.add_bos, "bos", given_.bos),
                                   around(given_.add_eos.value_or(false), asked_.add_eos, "eos", given_.eos)};
    parts_.stages.post_processor = post_processor_text(tokens, parts_.names);
  }

  [[nodiscard]] std::int32_t known_id(std::string_view name, std::size_t merge) const {
    const auto found = ids_.find(name);
    if (found != ids_.end()) return found->second;
    throw Error("{}: tokenizer.ggml.merges[{}]: the token \"{}\" is not in tokenizer.ggml.tokens; add it there", where_,
                merge, name);
  }

  void read_byte_level() {
    const PreRule& rule = pre_rule(given_.pre, where_);
    for (std::size_t i = 0; i < given_.merges.size(); ++i) {
      const std::string_view merge = given_.merges[i];
      const std::size_t space = merge.find(' ', 1);  // a token may begin with a space, but byte-level names hold none
      if (space == std::string_view::npos || first_invalid_utf8(merge) != std::string_view::npos) {
        throw Error("{}: tokenizer.ggml.merges[{}]: expected two tokens with a space between them", where_, i);
      }
      const std::string left(merge.substr(0, space));
      const std::string right(merge.substr(space + 1));
      parts_.merges.push_back({known_id(left, i), known_id(right, i), known_id(left + right, i)});
    }
    parts_.ignore_merges = rule.ignore_merges;
    Json steps = Json::array();
    for (const std::string_view pattern : rule.patterns) {
      steps.push_back({{"type", "Split"},
                       {"pattern", {{"Regex", std::string(pattern)}}},
                       {"behavior", "Isolated"},
                       {"invert", false}});
    }
    const Json byte_level = {
        {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
    steps.push_back(byte_level);
    parts_.stages.pre_tokenizer = Json{{"type", "Sequence"}, {"pretokenizers", steps}}.dump();
    parts_.stages.decoder = byte_level.dump();
    finish();
  }

  /// SentencePiece has no list of merges: any two neighbours that join to a token may be merged, the token of the best
  /// score first, and of equals the leftmost.
  void read_sentence_pieces() {
    struct Scored {
      Merge merge;
      float score;
    };
    std::vector<Scored> merges;
    for (std::size_t i = 0; i < given_.tokens.size(); ++i) {
      const std::string_view name = given_.tokens[i];
      if (const int type = type_of(i); type != kNormal && type != kUserDefined) continue;
      for (std::size_t cut = 1; cut < name.size(); ++cut) {
        if ((static_cast<std::uint8_t>(name[cut]) & 0xC0U) == 0x80U) continue;
        const auto left = ids_.find(name.substr(0, cut));
        if (left == ids_.end()) continue;
        const auto right = ids_.find(name.substr(cut));
        if (right == ids_.end()) continue;
        merges.push_back({{left->second, right->second, static_cast<std::int32_t>(i)}, given_.scores[i]});
      }
    }
    std::stable_sort(merges.begin(), merges.end(),
                     [](const Scored& left, const Scored& right) { return left.score > right.score; });
    std::int32_t rank = 0;
    for (std::size_t i = 0; i < merges.size(); ++i) {
      if (i > 0 && merges[i].score < merges[i - 1].score) ++rank;
      parts_.merges.push_back(merges[i].merge);
      parts_.ranks.push_back(rank);
    }
    parts_.byte_fallback = true;
    parts_.fuse_unknown = true;
    if (given_.unknown >= 0) parts_.unknown = given_.unknown;
    const std::string mark(kSpaceMark);
    Json steps = Json::array();
    if (given_.add_space_prefix) steps.push_back({{"type", "Prepend"}, {"prepend", mark}});
    steps.push_back({{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", mark}});
    parts_.stages.normalizer = Json{{"type", "Sequence"}, {"normalizers", steps}}.dump();
    Json decoders = Json::array({{{"type", "Replace"}, {"pattern", {{"String", mark}}}, {"content", " "}},
                                 {{"type", "ByteFallback"}},
                                 {{"type", "Fuse"}}});
    if (given_.add_space_prefix) {
      decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
    }
    parts_.stages.decoder = Json{{"type", "Sequence"}, {"decoders", decoders}}.dump();
    finish();
  }

  /// A GGUF file marks the tokens that begin a word, where vocab.txt marks those that do not.
  void read_word_pieces() {
    std::unordered_set<std::string> names;
    for (std::size_t i = 0; i < parts_.names.size(); ++i) {
      std::string& name = parts_.names[i];
      const bool bracketed = name.starts_with('[') && name.ends_with(']');
      if (type_of(i) == kNormal && !bracketed) {
        if (name.starts_with(kSpaceMark)) {
          name.erase(0, kSpaceMark.size());
        } else {
          name.insert(0, "##");
        }
      }
      if (!names.insert(name).second) {
        throw Error("{}: tokenizer.ggml.tokens[{}]: \"{}\" is there twice; remove one", where_, i, name);
      }
    }
    add_bert_stages(parts_, given_.lower_case, where_);
    surround_word_pieces();
  }

  /// The stages put "[CLS]" and "[SEP]" around a text by name; keys may say otherwise.
  void surround_word_pieces() {
    SurroundingTokens& tokens = parts_.surrounding;
    if (given_.bos >= 0) tokens.prefix = {given_.bos};
    if (given_.sep >= 0) tokens.suffix = {given_.sep};
    if (!given_.add_bos.value_or(false)) tokens.prefix.clear();
    if (!given_.add_sep.value_or(false)) tokens.suffix.clear();
    if (asked_.add_bos.value_or(false) && tokens.prefix.empty()) tokens.prefix = around(true, true, "bos", -1);
    if (asked_.add_sep.value_or(false) && tokens.suffix.empty()) {
      throw Error("{}: tokenizer.ggml.add_sep_token is true, but tokenizer.ggml.seperator_token_id is missing; give it",
                  where_);
    }
    parts_.stages.post_processor = post_processor_text(tokens, parts_.names);
  }

  void finish() {
    add_special_tokens();
    surround();
    read_stages(parts_, where_);
  }

  const GgufVocabulary& asked_;
  const GgufVocabulary& given_;
  const std::string& where_;
  TokenizerParts parts_;
  IdsOfText ids_;
};

}  // namespace

std::vector<std::string> gguf_pre_names() {
  std::vector<std::string> names;
  for (const PreRule& rule : pre_rules()) {
    for (const std::string_view name : rule.names) {
      if (!name.empty()) names.emplace_back(name);
    }
  }
  return names;
}

GgufVocabulary gguf_defaults(GgufVocabulary vocabulary, const std::string& where) {
  const auto id = [&](int& known, int usual) {
    if (known == -1 && usual < static_cast<int>(vocabulary.tokens.size())) known = usual;
  };
  if (vocabulary.model == "llama") {
    id(vocabulary.bos, 1);
    id(vocabulary.eos, 2);
    id(vocabulary.unknown, 0);
  }
  const bool byte_level = vocabulary.model == "gpt2";
  if (!vocabulary.add_bos) vocabulary.add_bos = !byte_level || pre_rule(vocabulary.pre, where).add_bos;
  if (!vocabulary.add_eos) vocabulary.add_eos = false;
  if (!vocabulary.add_sep) vocabulary.add_sep = vocabulary.model == "bert";
  return vocabulary;
}

Tokenizer from_gguf_vocabulary(const GgufVocabulary& vocabulary, const std::string& where) {
  const GgufVocabulary known = gguf_defaults(vocabulary, where);
  return GgufReader(vocabulary, known, where).read();
}

}  // namespace gyre
