#include "model/adapter.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/hash.hpp"
#include "format/json_object.hpp"
#include "format/safetensors.hpp"

namespace gyre {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kConfig = "adapter_config.json";
constexpr std::string_view kNumbers = "adapter_model.safetensors";
constexpr std::string_view kOwn = "gyre_adapter.json";
constexpr std::string_view kPrefix = "base_model.model.";
constexpr int kMostRank = 1 << 14;

/// Keys of adapter_config.json that change nothing once the numbers are there: how training began, who made it, where.
constexpr std::string_view kWithoutEffect[] = {"auto_mapping",
                                               "base_model_name_or_path",
                                               "eva_config",
                                               "exclude_modules",
                                               "inference_mode",
                                               "layers_pattern",
                                               "layers_to_transform",
                                               "loftq_config",
                                               "lora_ga_config",
                                               "megatron_core",
                                               "peft_version",
                                               "qalora_group_size",
                                               "revision",
                                               "runtime_config",
                                               "target_modules",
                                               "task_type",
                                               "corda_config",
                                               "ensure_weight_tying",
                                               "modules_to_save_kwargs"};
/// Keys that ask for more than A and B, where they ask at all.
constexpr std::string_view kRefused[] = {"alora_invocation_tokens",
                                         "arrow_config",
                                         "fan_in_fan_out",
                                         "layer_replication",
                                         "lora_bias",
                                         "megatron_config",
                                         "modules_to_save",
                                         "target_parameters",
                                         "trainable_token_indices",
                                         "use_qalora",
                                         "use_bdlora"};
constexpr std::string_view kAdapterKeys[] = {"peft_type",         "r",        "lora_alpha",   "lora_dropout",
                                             "use_rslora",        "use_dora", "rank_pattern", "alpha_pattern",
                                             "init_lora_weights", "bias"};

bool asks_for_nothing(const nlohmann::json& value) {
  return value.is_null() || value == false || value == 0 || ((value.is_array() || value.is_object()) && value.empty());
}

void check_keys(const nlohmann::json& config, const std::string& where) {
  const JsonObject object(config, where);
  std::vector<std::string_view> known(std::begin(kAdapterKeys), std::end(kAdapterKeys));
  known.insert(known.end(), std::begin(kWithoutEffect), std::end(kWithoutEffect));
  known.insert(known.end(), std::begin(kRefused), std::end(kRefused));
  // PEFT writes a key for everything it can do; what is off is null or false, of features yet to come too.
  for (const auto& [key, value] : config.items()) {
    if (value.is_null() || value == false) known.emplace_back(key);
  }
  object.allow(known);
  if (object.text("peft_type", "LORA") != "LORA") {
    throw Error("{}: peft_type is \"{}\"; gyre reads LORA adapters (with or without use_dora)", where,
                object.text("peft_type"));
  }
  for (const std::string_view key : kRefused) {
    if (!object.has(key) || asks_for_nothing(config.at(key))) continue;
    throw Error("{}: {} is {}, which gyre does not do; merge the adapter where it was trained and load the result",
                where, key, config.at(key).dump());
  }
  if (object.given("bias") && config.at("bias") != "none") {
    throw Error("{}: bias is {}: trained biases are not read; merge the adapter where it was trained", where,
                config.at("bias").dump());
  }
  // These begin by changing the weights of the model itself.
  const auto start = config.find("init_lora_weights");
  if (start == config.end() || !start->is_string()) return;
  const std::string kind = start->get<std::string>();
  for (const std::string_view moved : {"pissa", "olora", "corda", "loftq", "lora_ga"}) {
    if (!kind.starts_with(moved)) continue;
    throw Error(
        "{}: init_lora_weights is \"{}\", which changed the model's own weights too; convert the adapter to "
        "plain LoRA with PEFT (path_initial_model_for_weight_conversion)",
        where, kind);
  }
}

/// The number of `pattern` whose key matches the end of a module's name, as PEFT matches it.
double number_for(const nlohmann::json& pattern, const std::string& module, double otherwise,
                  const std::string& where) {
  if (!pattern.is_object()) return otherwise;
  for (const auto& [key, value] : pattern.items()) {
    if (!value.is_number()) throw Error("{}: alpha_pattern[\"{}\"] is no number", where, key);
    try {
      if (std::regex_match(module, std::regex("(.*\\.)?(" + key + ")"))) return value.get<double>();
    } catch (const std::regex_error&) {
      throw Error("{}: alpha_pattern: \"{}\" is no regular expression", where, key);
    }
  }
  return otherwise;
}

/// "base_model.model.MODULE[.loops.K].lora_A.weight" taken apart.
struct TensorPlace {
  std::string module;
  int loop = -1;
  enum class Kind { down, up, magnitude } kind = Kind::down;
  auto key() const { return std::pair(module, loop); }
};

TensorPlace place_of(const std::string& name, const std::string& where) {
  static const std::regex form(
      R"(base_model\.model\.(.+?)(?:\.loops\.([0-9]{1,4}))?\.(lora_A|lora_B|lora_magnitude_vector)(?:\.default)?(?:\.weight)?)");
  std::smatch match;
  if (!std::regex_match(name, match, form)) {
    throw Error(
        "{}: tensor {} is no part of a LoRA adapter of linear maps (base_model.model.MODULE.lora_A.weight, "
        "lora_B, lora_magnitude_vector)",
        where, name);
  }
  TensorPlace place{match[1].str(), match[2].matched ? std::stoi(match[2].str()) : -1, {}};
  const std::string kind = match[3].str();
  place.kind = kind == "lora_A"   ? TensorPlace::Kind::down
               : kind == "lora_B" ? TensorPlace::Kind::up
                                  : TensorPlace::Kind::magnitude;
  return place;
}

std::vector<float> numbers_of(const TensorView& tensor, const std::string& name, const std::string& where) {
  if (!is_finite(tensor)) throw Error("{}: tensor {} holds numbers that are not finite", where, name);
  std::vector<float> out(tensor.element_count());
  widen(tensor, out);
  return out;
}

void require_whole(const LowRank& part, bool magnitudes, const std::string& where) {
  if (part.down.empty() || part.up.empty()) {
    throw Error("{}: module {} has only one of lora_A and lora_B", where, part.module);
  }
  if (part.up.size() % part.rank != 0) {
    throw Error("{}: module {}: lora_A has {} rows, which are not the columns of lora_B", where, part.module,
                part.rank);
  }
  if (magnitudes != !part.magnitude.empty()) {
    throw Error("{}: use_dora is {}, but module {} has {} lora_magnitude_vector", where, magnitudes, part.module,
                part.magnitude.empty() ? "no" : "a");
  }
  if (!part.magnitude.empty() && part.magnitude.size() != part.up.size() / part.rank) {
    throw Error("{}: module {}: lora_magnitude_vector has {} numbers for {} rows", where, part.module,
                part.magnitude.size(), part.up.size() / part.rank);
  }
}

std::vector<LowRank> read_parts(const fs::path& file) {
  const Safetensors tensors(file);
  std::map<std::pair<std::string, int>, LowRank> parts;
  for (const auto& [name, tensor] : tensors.tensors()) {
    const TensorPlace place = place_of(name, file.string());
    LowRank& part = parts[place.key()];
    part.module = place.module;
    part.loop = place.loop;
    const bool matrix = place.kind != TensorPlace::Kind::magnitude;
    if (tensor.shape.size() != (matrix ? 2U : 1U) || tensor.element_count() == 0) {
      throw Error("{}: tensor {} is {}", file.string(), name, describe_shape(tensor.shape));
    }
    std::vector<float> numbers = numbers_of(tensor, name, file.string());
    if (place.kind == TensorPlace::Kind::down) {
      part.rank = static_cast<std::size_t>(tensor.shape.front());
      part.down = std::move(numbers);
    } else if (place.kind == TensorPlace::Kind::up) {
      part.up = std::move(numbers);
    } else {
      part.magnitude = std::move(numbers);
    }
  }
  if (!tensors.unsupported().empty()) {
    throw Error("{}: tensor {} is of a type that gyre does not read", file.string(),
                tensors.unsupported().begin()->first);
  }
  if (parts.empty()) throw Error("{}: no tensors", file.string());
  std::vector<LowRank> out;
  for (auto& [key, part] : parts) out.push_back(std::move(part));
  return out;
}

/// The loops that parts are for: 0 when they are for all. Throws Error when a set is missing.
int loops_of(const std::vector<LowRank>& parts, const std::string& where) {
  int most = -1;
  for (const LowRank& part : parts) most = std::max(most, part.loop);
  std::map<std::string, int> sets;
  for (const LowRank& part : parts) {
    if ((part.loop < 0) != (most < 0)) throw Error("{}: only some modules have a set for each loop", where);
    ++sets[part.module];
  }
  for (const auto& [module, count] : sets) {
    if (most >= 0 && count != most + 1) throw Error("{}: module {} has {} of {} loops", where, module, count, most + 1);
  }
  return most + 1;
}

}  // namespace

float adapter_scale(double alpha, std::size_t rank, bool rank_stabilised) {
  const auto size = static_cast<double>(rank);
  return static_cast<float>(alpha / (rank_stabilised ? std::sqrt(size) : size));
}

Adapter read_adapter(const fs::path& folder) {
  const fs::path config_file = folder / kConfig;
  const fs::path numbers_file = folder / kNumbers;
  for (const fs::path& file : {config_file, numbers_file}) {
    if (fs::is_regular_file(file)) continue;
    throw Error("{}: no {}; an adapter is a folder of {} and {}", folder.string(), file.filename().string(), kConfig,
                kNumbers);
  }
  const nlohmann::json config = load_json(config_file);
  const std::string where = config_file.string();
  check_keys(config, where);
  const JsonObject object(config, where);
  Adapter adapter;
  adapter.rank = object.integer("r", 1, kMostRank, 8);
  adapter.alpha = static_cast<double>(object.number("lora_alpha", 0, 1e6, 8.0F));
  adapter.dropout = static_cast<double>(object.number("lora_dropout", 0, 1, 0.0F));
  adapter.rank_stabilised = object.boolean("use_rslora", false);
  adapter.magnitudes = object.boolean("use_dora", false);
  adapter.parts = read_parts(numbers_file);
  adapter.loops = loops_of(adapter.parts, numbers_file.string());
  const nlohmann::json alphas = config.value("alpha_pattern", nlohmann::json());
  for (LowRank& part : adapter.parts) {
    require_whole(part, adapter.magnitudes, numbers_file.string());
    part.scale =
        adapter_scale(number_for(alphas, part.module, adapter.alpha, where), part.rank, adapter.rank_stabilised);
  }
  if (const fs::path own_file = folder / kOwn; fs::exists(own_file)) {
    const nlohmann::json json = load_json(own_file);
    const JsonObject own(json, own_file.string());
    own.allow({"weights_sha256", "loops"});
    adapter.weights_sha256 = own.text("weights_sha256");
    if (own.integer("loops", 0, kMostLoops, 0) != adapter.loops) {
      throw Error("{}: loops is {}, but {} holds {}", own_file.string(), own.integer("loops", 0, kMostLoops, 0),
                  kNumbers, adapter.loops);
    }
  }
  return adapter;
}

void write_adapter(const fs::path& folder, const Adapter& adapter) {
  std::set<std::string> modules;
  std::vector<NamedTensor> tensors;
  const auto add = [&](const std::string& name, std::vector<std::int64_t> shape, const std::vector<float>& numbers) {
    tensors.push_back({name, {DType::f32, std::move(shape), std::as_bytes(std::span(numbers))}});
  };
  for (const LowRank& part : adapter.parts) {
    modules.insert(part.module);
    const std::string name = part.loop < 0 ? fmt::format("{}{}", kPrefix, part.module)
                                           : fmt::format("{}{}.loops.{}", kPrefix, part.module, part.loop);
    const auto rank = static_cast<std::int64_t>(part.rank);
    add(name + ".lora_A.weight", {rank, static_cast<std::int64_t>(part.down.size()) / rank}, part.down);
    add(name + ".lora_B.weight", {static_cast<std::int64_t>(part.up.size()) / rank, rank}, part.up);
    if (part.magnitude.empty()) continue;
    add(name + ".lora_magnitude_vector", {static_cast<std::int64_t>(part.magnitude.size())}, part.magnitude);
  }
  const nlohmann::json config = {{"peft_type", "LORA"},
                                 {"task_type", "CAUSAL_LM"},
                                 {"r", adapter.rank},
                                 {"lora_alpha", adapter.alpha},
                                 {"lora_dropout", adapter.dropout},
                                 {"use_rslora", adapter.rank_stabilised},
                                 {"use_dora", adapter.magnitudes},
                                 {"target_modules", modules},
                                 {"bias", "none"},
                                 {"fan_in_fan_out", false},
                                 {"inference_mode", true},
                                 {"base_model_name_or_path", ""}};
  const nlohmann::json own = {{"weights_sha256", adapter.weights_sha256}, {"loops", adapter.loops}};
  write_folder_atomically(folder, [&](const fs::path& scratch) {
    write_text_atomically(scratch / kConfig, config.dump(2) + "\n");
    write_text_atomically(scratch / kOwn, own.dump(2) + "\n");
    write_safetensors(scratch / kNumbers, tensors);
  });
}

std::string adapter_digest(const fs::path& folder) {
  const MappedFile file(folder / kNumbers);
  return sha256_of_mapped(file.bytes());
}

}  // namespace gyre
