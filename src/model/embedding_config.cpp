#include "model/embedding_config.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/enum_name.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "format/gguf.hpp"
#include "format/json_object.hpp"
#include "model/model_path.hpp"
#include "model/spec.hpp"

namespace gyre {
namespace {

namespace fs = std::filesystem;

constexpr EnumName<Pooling> kPoolings[] = {{Pooling::mean, "mean"}, {Pooling::cls, "cls"}, {Pooling::last, "last"}};
/// The switches of a Pooling module that gyre does.
constexpr std::array<std::pair<const char*, Pooling>, 3> kModes = {{{"pooling_mode_mean_tokens", Pooling::mean},
                                                                    {"pooling_mode_cls_token", Pooling::cls},
                                                                    {"pooling_mode_lasttoken", Pooling::last}}};
constexpr const char* kModules = "modules.json";
constexpr const char* kLength = "sentence_bert_config.json";
constexpr const char* kPrompts = "config_sentence_transformers.json";
constexpr const char* kPoolingFolder = "1_Pooling";
constexpr const char* kGgufKey = "gyre.embedding";

Pooling read_pooling(const fs::path& file) {
  const std::string where = file.string();
  const nlohmann::json json = load_json(file);
  const JsonObject object(json, where);
  object.allow({"word_embedding_dimension", "embedding_dimension", "pooling_mode_cls_token", "pooling_mode_mean_tokens",
                "pooling_mode_max_tokens", "pooling_mode_mean_sqrt_len_tokens", "pooling_mode_weightedmean_tokens",
                "pooling_mode_lasttoken", "include_prompt", "pooling_mode"});
  if (!object.boolean("include_prompt", true)) {
    throw Error("{}: include_prompt is false; gyre pools all tokens of a text, its prefix among them", where);
  }
  if (object.has("pooling_mode")) {
    const std::string mode = object.text("pooling_mode");
    return parse_pooling(mode == "lasttoken" ? "last" : mode, where + ": pooling_mode");
  }
  for (const char* const key :
       {"pooling_mode_max_tokens", "pooling_mode_mean_sqrt_len_tokens", "pooling_mode_weightedmean_tokens"}) {
    if (object.boolean(key, false)) throw Error("{}: {} is true; gyre does mean, cls and last", where, key);
  }
  std::optional<Pooling> chosen;
  for (const auto& [key, pooling] : kModes) {
    if (!object.boolean(key, false)) continue;
    if (chosen) throw Error("{}: {} is true beside another pooling_mode; gyre does one of them", where, key);
    chosen = pooling;
  }
  if (!chosen) throw Error("{}: no pooling_mode is true; one of mean, cls and last has to be", where);
  return *chosen;
}

/// The modules that a text goes through: a Transformer, a Pooling, perhaps a Normalize.
void read_modules(const fs::path& folder, EmbeddingConfig& config) {
  const std::string where = (folder / kModules).string();
  const nlohmann::json modules = load_json(folder / kModules);
  if (!modules.is_array()) throw Error("{}: expected a list of modules", where);
  config.normalize = false;
  for (std::size_t i = 0; i < modules.size(); ++i) {
    const std::string here = fmt::format("{}: [{}]", where, i);
    const JsonObject module(modules[i], here);
    module.allow({"idx", "name", "path", "type", "kwargs"});
    const std::string type = module.text("type");
    const std::string kind = type.substr(type.rfind('.') + 1);
    const std::string path = module.text("path", "");
    if (kind == "Pooling") {
      config.pooling = read_pooling(folder / path / "config.json");
    } else if (kind == "Normalize") {
      config.normalize = true;
    } else if (kind != "Transformer") {
      throw Error("{}: the module {} is none that gyre runs; it does Transformer, Pooling and Normalize", here, type);
    } else if (!path.empty()) {
      throw Error("{}: the Transformer lies in {}; name that folder as the model", here, path);
    }
  }
}

void read_length(const fs::path& file, EmbeddingConfig& config) {
  const nlohmann::json json = load_json(file);
  const JsonObject object(json, file.string());
  object.allow({"max_seq_length", "do_lower_case"});
  if (object.given("max_seq_length")) config.most_tokens = object.integer("max_seq_length", 1, kMostContext);
  if (object.given("do_lower_case") && object.boolean("do_lower_case")) {
    throw Error("{}: do_lower_case is true; gyre lowers letters only where tokenizer.json does", file.string());
  }
}

EmbeddingConfig from_json(const nlohmann::json& json, const std::string& where) {
  const JsonObject object(json, where);
  object.allow({"pooling", "normalize", "most_tokens", "prompt_name"});
  return {parse_pooling(object.text("pooling"), where + ": pooling"), object.boolean("normalize"),
          object.integer("most_tokens", 0, kMostContext), object.text("prompt_name")};
}

}  // namespace

Pooling parse_pooling(const std::string& text, const std::string& flag) {
  return parse_enum<Pooling>(kPoolings, text, flag, "pooling that gyre does");
}

std::string_view name_of(Pooling pooling) { return name_of<Pooling>(kPoolings, pooling); }

EmbeddingConfig load_embedding_config(const fs::path& model_path) {
  const fs::path model = resolve_model_path(model_path);
  EmbeddingConfig config;
  if (fs::is_regular_file(model)) {
    const Gguf file(model);
    if (!file.has(kGgufKey)) return config;
    const std::string where = fmt::format("{}: {}", model.string(), kGgufKey);
    return from_json(parse_json(file.text(kGgufKey), where), where);
  }
  if (fs::exists(model / kModules)) {
    read_modules(model, config);
  } else if (fs::exists(model / kPoolingFolder / "config.json")) {
    config.pooling = read_pooling(model / kPoolingFolder / "config.json");
  }
  if (fs::exists(model / kLength)) read_length(model / kLength, config);
  if (fs::exists(model / kPrompts)) {
    const nlohmann::json json = load_json(model / kPrompts);
    const JsonObject object(json, (model / kPrompts).string());
    if (object.given("default_prompt_name")) config.prompt_name = object.text("default_prompt_name");
  }
  return config;
}

bool has_embedding_config(const fs::path& model_path) {
  const fs::path model = resolve_model_path(model_path);
  if (fs::is_regular_file(model)) return Gguf(model).has(kGgufKey);
  return fs::exists(model / kModules) || fs::exists(model / kLength) ||
         fs::exists(model / kPoolingFolder / "config.json");
}

void write_embedding_config(const EmbeddingConfig& config, int hidden, const fs::path& folder) {
  const auto module = [](int index, const char* path, const char* kind) {
    return nlohmann::json{{"idx", index},
                          {"name", std::to_string(index)},
                          {"path", path},
                          {"type", fmt::format("sentence_transformers.models.{}", kind)}};
  };
  nlohmann::json modules = nlohmann::json::array();
  modules.push_back(module(0, "", "Transformer"));
  modules.push_back(module(1, kPoolingFolder, "Pooling"));
  if (config.normalize) modules.push_back(module(2, "2_Normalize", "Normalize"));
  nlohmann::json pooling = {{"word_embedding_dimension", hidden}};
  for (const auto& [key, mode] : kModes) pooling[key] = mode == config.pooling;
  fs::create_directory(folder / kPoolingFolder);
  write_text_atomically(folder / kPoolingFolder / "config.json", pooling.dump(2) + "\n");
  write_text_atomically(folder / kModules, modules.dump(2) + "\n");
  if (config.most_tokens > 0) {
    write_text_atomically(folder / kLength, nlohmann::json{{"max_seq_length", config.most_tokens}}.dump(2) + "\n");
  }
  if (!config.prompt_name.empty()) {
    write_text_atomically(folder / kPrompts,
                          nlohmann::json{{"default_prompt_name", config.prompt_name}}.dump(2) + "\n");
  }
}

nlohmann::json to_json(const EmbeddingConfig& config) {
  return {{"pooling", name_of(config.pooling)},
          {"normalize", config.normalize},
          {"most_tokens", config.most_tokens},
          {"prompt_name", config.prompt_name}};
}

}  // namespace gyre
