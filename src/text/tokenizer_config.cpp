#include "text/tokenizer_config.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "text/stage_json.hpp"

namespace gyre {
namespace {

namespace fs = std::filesystem;

/// A class that puts the tokens around a text itself, and what it takes for granted.
struct SurroundingClass {
  std::string_view name;
  std::string_view bos;
  std::string_view eos;
  bool add_bos;
};
constexpr std::array<SurroundingClass, 5> kClasses = {
    {{"LlamaTokenizer", "<s>", "</s>", true},
     {"CodeLlamaTokenizer", "<s>", "</s>", true},
     {"GemmaTokenizer", "<bos>", "<eos>", true},
     {"CohereTokenizer", "<BOS_TOKEN>", "<|END_OF_TURN_TOKEN|>", true},
     {"GPTNeoXTokenizer", "<|endoftext|>", "<|endoftext|>", false}}};

const SurroundingClass* find_class(std::string_view name) {
  if (name.ends_with("Fast")) name.remove_suffix(4);
  const auto* const found =
      std::find_if(kClasses.begin(), kClasses.end(), [&](const SurroundingClass& known) { return known.name == name; });
  return found == kClasses.end() ? nullptr : found;
}

/// The classes that transformers takes for models of these types when no class is named.
constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kClassesOfModels = {
    {{"llama", "LlamaTokenizer"},
     {"mistral", "LlamaTokenizer"},
     {"phi3", "LlamaTokenizer"},
     {"gemma", "GemmaTokenizer"},
     {"gemma2", "GemmaTokenizer"},
     {"gpt_neox", "GPTNeoXTokenizer"},
     {"olmo", "GPTNeoXTokenizer"},
     {"olmo2", "GPTNeoXTokenizer"}}};

/// tokenizer_class, of tokenizer_config.json or else of config.json; where neither has it but tokens are asked for, the
/// class of the model's type. Empty when there is none.
std::string class_name(const JsonObject& json, const fs::path& folder) {
  if (json.given("tokenizer_class")) return json.text("tokenizer_class");
  const fs::path file = folder / "config.json";
  if (!fs::exists(file)) return {};
  const nlohmann::json config = load_json(file);
  const JsonObject object(config, file.string());
  if (object.given("tokenizer_class")) return object.text("tokenizer_class");
  const bool asks = json.has("add_bos_token") || json.has("add_eos_token");
  const std::string type = asks && object.given("model_type") ? object.text("model_type") : std::string();
  const auto* const found = std::find_if(kClassesOfModels.begin(), kClassesOfModels.end(),
                                         [&](const auto& known) { return known.first == type; });
  return found == kClassesOfModels.end() ? std::string() : std::string(found->second);
}

class SurroundingReader {
 public:
  SurroundingReader(const nlohmann::json& json, const std::string& where, const Tokenizer& tokenizer)
      : json_(json), where_(where), tokenizer_(tokenizer) {}

  [[nodiscard]] std::vector<std::int32_t> tokens(std::string_view add, bool otherwise, std::string_view key,
                                                 std::string_view usual) const {
    const JsonObject object(json_, where_);
    // Python takes null for false.
    const bool wanted = object.has(add) ? object.given(add) && object.boolean(add) : otherwise;
    if (!wanted) return {};
    const std::optional<std::string> name = object.has(key) ? text_of(key) : std::string(usual);
    if (!name)
      throw Error("{}: texts are given the token {}, which is null; name it, or set {} to false", where_, key, add);
    const std::vector<std::string>& names = tokenizer_.names();
    const auto found = std::find(names.begin(), names.end(), *name);
    if (found != names.end()) return {static_cast<std::int32_t>(found - names.begin())};
    throw Error(
        "{}: texts are given the token \"{}\" ({}), which tokenizer.json has not got; name another, or set {} to false",
        where_, *name, key, add);
  }

 private:
  /// A text, or an object with `content`.
  [[nodiscard]] std::optional<std::string> text_of(std::string_view key) const {
    const nlohmann::json* value = find_value(json_, key);
    if (value == nullptr) return std::nullopt;
    if (value->is_object()) return JsonObject(*value, fmt::format("{}: {}", where_, key)).text("content");
    return JsonObject(json_, where_).text(key);
  }

  const nlohmann::json& json_;
  const std::string& where_;
  const Tokenizer& tokenizer_;
};

}  // namespace

Tokenizer with_configured_surrounding(Tokenizer tokenizer, const fs::path& folder) {
  const fs::path file = folder / "tokenizer_config.json";
  if (!fs::exists(file)) return tokenizer;
  const std::string where = file.string();
  const nlohmann::json json = load_json(file);
  const SurroundingClass* const known = find_class(class_name(JsonObject(json, where), folder));
  if (known == nullptr) return tokenizer;
  const SurroundingReader reader(json, where, tokenizer);
  SurroundingTokens around{reader.tokens("add_bos_token", known->add_bos, "bos_token", known->bos),
                           reader.tokens("add_eos_token", false, "eos_token", known->eos)};
  return std::move(tokenizer).with_surrounding(std::move(around));
}

}  // namespace gyre
