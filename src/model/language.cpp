#include "model/language.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "format/gguf.hpp"
#include "format/json_object.hpp"
#include "model/gguf_chat.hpp"
#include "model/model_path.hpp"
#include "text/end_tokens.hpp"
#include "text/gguf_vocabulary.hpp"
#include "text/tokenizer_config.hpp"

namespace gyre {
namespace {

namespace fs = std::filesystem;

void add(std::vector<std::int32_t>& tokens, std::int64_t token, int size) {
  if (token < 0 || token >= size) return;
  const auto id = static_cast<std::int32_t>(token);
  if (std::find(tokens.begin(), tokens.end(), id) == tokens.end()) tokens.push_back(id);
}

/// `eos_token_id`: a number, several, or nothing.
void add_end_tokens(const fs::path& file, int size, std::vector<std::int32_t>& tokens) {
  if (!fs::exists(file)) return;
  const nlohmann::json json = load_json(file);
  const auto found = json.find("eos_token_id");
  if (found == json.end()) return;
  if (found->is_number_integer()) add(tokens, found->get<std::int64_t>(), size);
  if (!found->is_array()) return;
  for (const nlohmann::json& token : *found) {
    if (token.is_number_integer()) add(tokens, token.get<std::int64_t>(), size);
  }
}

/// `eos_token` of tokenizer_config.json: a text, or an object with `content`. Right where config.json is not (Ouro).
void add_named_end_token(const fs::path& file, const Tokenizer& tokenizer, std::vector<std::int32_t>& tokens) {
  if (!fs::exists(file)) return;
  const nlohmann::json json = load_json(file);
  const auto found = json.find("eos_token");
  if (found == json.end()) return;
  const nlohmann::json& content = found->is_object() && found->contains("content") ? found->at("content") : *found;
  if (!content.is_string()) return;
  if (const auto token = tokenizer.added_token(content.get<std::string>())) add(tokens, *token, tokenizer.size());
}

/// A number of a list that should be whole; -1, which is no id or type, where no integer holds it.
int whole(double number) { return std::abs(number) <= std::numeric_limits<int>::max() ? static_cast<int>(number) : -1; }

/// A file that gyre wrote.
Language of_own_gguf(const Gguf& file) {
  constexpr const char* kTokenizer = "tokenizer.huggingface.json";
  Language language{Tokenizer::parse(file.text(kTokenizer), file.path().string() + ": " + kTokenizer), {}};
  if (!file.has("gyre.end_tokens")) return language;
  for (const double token : file.numbers("gyre.end_tokens")) {
    add(language.end_tokens, whole(token), language.tokenizer.size());
  }
  return language;
}

/// Keys of a vocabulary that gyre does not go by, and that change neither tokens nor texts: ids of other uses, what the
/// models "llama", "gpt2" and "bert" do not look at. Those of what is read are below.
constexpr std::array<std::string_view, 12> kUnused = {
    "padding_token_id",         "mask_token_id",       "cls_token_id",    "fim_pre_token_id", "fim_suf_token_id",
    "fim_mid_token_id",         "prefix_token_id",     "suffix_token_id", "middle_token_id",  "token_type_count",
    "remove_extra_whitespaces", "precompiled_charsmap"};
constexpr std::array<std::string_view, 20> kTokenizerKeys = {"model",
                                                             "pre",
                                                             "tokens",
                                                             "scores",
                                                             "token_type",
                                                             "merges",
                                                             "bos_token_id",
                                                             "eos_token_id",
                                                             "eot_token_id",
                                                             "eom_token_id",
                                                             "unknown_token_id",
                                                             "seperator_token_id",
                                                             "add_bos_token",
                                                             "add_eos_token",
                                                             "add_sep_token",
                                                             "add_space_prefix",
                                                             "fim_pad_token_id",
                                                             "fim_rep_token_id",
                                                             "fim_sep_token_id",
                                                             "normalizer.lowercase"};

/// A key that nobody here knows may change what the tokens are.
void refuse_unknown_keys(const Gguf& file) {
  constexpr std::string_view kRoom = "tokenizer.ggml.";
  for (const std::string& key : file.keys()) {
    if (!key.starts_with(kRoom)) continue;
    const std::string_view name = std::string_view(key).substr(kRoom.size());
    const auto is_name = [&](std::string_view known) { return known == name; };
    if (std::any_of(kTokenizerKeys.begin(), kTokenizerKeys.end(), is_name) ||
        std::any_of(kUnused.begin(), kUnused.end(), is_name))
      continue;
    throw Error("{}: the key {} is not known; remove it if it changes nothing", file.path().string(), key);
  }
}

GgufVocabulary vocabulary_of(const Gguf& file) {
  constexpr const char* kModel = "tokenizer.ggml.model";
  const std::string model = file.text(kModel, "none");
  if (model == "none" || model == "no_vocab") {
    throw Error("{}: this GGUF file holds no tokenizer ({} {}); convert the model with its tokenizer",
                file.path().string(), kModel, file.has(kModel) ? "is \"" + model + "\"" : "is missing");
  }
  // Those of other kinds have keys of their own.
  if (model != "gpt2" && model != "llama" && model != "bert") {
    throw Error(
        "{}: {} is \"{}\", a kind of vocabulary that gyre does not read from GGUF files; it reads gpt2, llama and "
        "bert: "
        "take the model as a folder with tokenizer.json",
        file.path().string(), kModel, model);
  }
  refuse_unknown_keys(file);
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  const auto id = [&](const char* key) { return static_cast<int>(file.integer(key, -1, kMost, -1)); };
  const auto numbers = [&](const char* key) { return file.has(key) ? file.numbers(key) : std::vector<double>(); };
  const auto choice = [&](const char* key) { return file.has(key) ? std::optional(file.boolean(key)) : std::nullopt; };
  GgufVocabulary vocabulary;
  vocabulary.model = file.text("tokenizer.ggml.model");
  vocabulary.pre = file.text("tokenizer.ggml.pre", "default");
  vocabulary.tokens = file.strings("tokenizer.ggml.tokens");
  for (const double score : numbers("tokenizer.ggml.scores")) vocabulary.scores.push_back(static_cast<float>(score));
  for (const double type : numbers("tokenizer.ggml.token_type")) vocabulary.types.push_back(whole(type));
  // Without merges every byte would be a token of its own: text like none the model has seen.
  if (vocabulary.model == "gpt2" || file.has("tokenizer.ggml.merges")) {
    vocabulary.merges = file.strings("tokenizer.ggml.merges");
  }
  vocabulary.bos = id("tokenizer.ggml.bos_token_id");
  vocabulary.eos = id("tokenizer.ggml.eos_token_id");
  vocabulary.sep = id("tokenizer.ggml.seperator_token_id");
  vocabulary.unknown = id("tokenizer.ggml.unknown_token_id");
  vocabulary.add_bos = choice("tokenizer.ggml.add_bos_token");
  vocabulary.add_eos = choice("tokenizer.ggml.add_eos_token");
  vocabulary.add_sep = choice("tokenizer.ggml.add_sep_token");
  vocabulary.add_space_prefix = file.boolean("tokenizer.ggml.add_space_prefix", true);
  vocabulary.lower_case = file.boolean("tokenizer.ggml.normalizer.lowercase", true);
  return gguf_defaults(std::move(vocabulary), file.path().string());
}

/// The token that ends a turn in the model's chat template. Nothing where there is none or it cannot be read: whoever
/// asks for the template hears why.
std::optional<std::int32_t> end_token_by_template(const fs::path& model, const Tokenizer& tokenizer) {
  try {
    return end_token_of(load_chat_template(model, tokenizer), tokenizer);
  } catch (const Error&) {
    return {};
  }
}

/// Besides those of the file's keys: the end tokens that names and the chat template tell.
void add_implied_end_tokens(const fs::path& model, Language& language) {
  const int size = language.tokenizer.size();
  for (const std::int32_t token : end_tokens_by_name(language.tokenizer)) add(language.end_tokens, token, size);
  if (const auto token = end_token_by_template(model, language.tokenizer)) add(language.end_tokens, *token, size);
}

Language of_gguf(const fs::path& path) {
  const Gguf file(path);
  if (file.has("gyre.spec")) return of_own_gguf(file);
  const GgufVocabulary vocabulary = vocabulary_of(file);
  Language language{from_gguf_vocabulary(vocabulary, path.string()), {}};
  const int size = language.tokenizer.size();
  add(language.end_tokens, vocabulary.eos, size);
  for (const char* use : {"eot", "eom", "fim_pad", "fim_rep", "fim_sep"}) {
    const std::string key = fmt::format("tokenizer.ggml.{}_token_id", use);
    add(language.end_tokens, file.integer(key, -1, std::numeric_limits<std::int32_t>::max(), -1), size);
  }
  add_implied_end_tokens(path, language);
  return language;
}

}  // namespace

ChatTemplate load_chat_template(const fs::path& model, const Tokenizer& tokenizer) {
  if (!fs::is_regular_file(model)) return ChatTemplate::load(resolve_model_path(model));
  const auto chat = chat_of(Gguf(model), tokenizer);
  if (!chat) {
    throw Error("{}: no chat template (key {}); give a plain prompt", model.string(), GgufChat::kTemplate);
  }
  const std::string where = model.string() + ": ";
  ChatTemplate made(chat->source, chat->tokens, where + GgufChat::kTemplate);
  if (chat->tool_source) made.set_tool_template(*chat->tool_source, where + GgufChat::kToolTemplate);
  return made;
}

Language load_language(const fs::path& model_path) {
  const fs::path model = resolve_model_path(model_path);
  if (fs::is_regular_file(model)) return of_gguf(model);
  require_model_file(model, "tokenizer.json");
  Language language{with_configured_surrounding(Tokenizer::load(model / "tokenizer.json"), model), {}};
  const int size = language.tokenizer.size();
  add_end_tokens(model / "generation_config.json", size, language.end_tokens);
  add_end_tokens(model / "config.json", size, language.end_tokens);
  add_named_end_token(model / "tokenizer_config.json", language.tokenizer, language.end_tokens);
  add_implied_end_tokens(model, language);
  return language;
}

}  // namespace gyre
