#include "train/config.hpp"

#include "base/error.hpp"
#include "format/json_object.hpp"

namespace gyre {
namespace {

constexpr EnumName<VocabularyKind> kVocabularies[] = {
    {VocabularyKind::bytes, "bytes"}, {VocabularyKind::characters, "characters"}, {VocabularyKind::bpe, "bpe"}};
constexpr EnumName<DataLayout> kLayouts[] = {{DataLayout::text, "text"}, {DataLayout::answers, "answers"}};
constexpr EnumName<LoopSampling> kSamplings[] = {{LoopSampling::fixed, "fixed"},
                                                 {LoopSampling::poisson_lognormal, "poisson_lognormal"}};
constexpr EnumName<Precision> kPrecisions[] = {{Precision::f32, "f32"}, {Precision::bf16, "bf16"}};

constexpr int kMany = 1'000'000'000;

template <typename T>
std::vector<T> list_of(const JsonObject& object, std::string_view key, const std::string& where) {
  std::vector<T> values;
  if (!object.has(key)) return values;
  for (const nlohmann::json& item : object.array(key)) {
    try {
      values.push_back(item.get<T>());
    } catch (const nlohmann::json::exception&) {
      throw Error("{}: {} holds {}, which does not belong there", where, key, item.dump());
    }
  }
  return values;
}

void read_loops(const JsonObject& object, TrainConfig& config) {
  config.loop_sampling = object.choice<LoopSampling>("loop_sampling", kSamplings, config.loop_sampling);
  config.loop_sigma = object.number("loop_sigma", 0, 4, config.loop_sigma);
  config.max_loops = object.integer("max_loops", 0, 4096, config.max_loops);
  config.backprop_loops = object.integer("backprop_loops", 0, 4096, config.backprop_loops);
}

/// Switches that the engine has for published models and the trainable model has not.
void require_trainable(const ModelSpec& spec, const std::string& where) {
  const auto refuse = [&](bool set, const char* key) {
    if (set) throw Error("{}: {} is a switch of published models; training does not know it", where, key);
  };
  refuse(spec.qk_norm != QkNorm::none, "qk_norm");
  refuse(spec.embedding_norm, "embedding_norm");
  refuse(!spec.rotary_divisors.empty(), "rotary_divisors");
  refuse(spec.qkv_biases, "qkv_biases");
  refuse(!spec.norm_weights, "norm_weights");
  refuse(spec.attention_gate, "attention_gate");
  refuse(spec.prefix_lm, "prefix_lm");
  refuse(spec.logit_softcap > 0, "logit_softcap");
  for (const Group& group : spec.groups) {
    refuse(group.injection == Injection::decay, "injection decay");
    refuse(group.fast.there(), "fast");
    refuse(group.loop_norm, "loop_norm");
    refuse(group.exit_norm, "exit_norm");
    refuse(group.exit_linear, "exit_linear");
    refuse(group.exit_gate, "exit_gate");
    refuse(group.damping != 1.0F, "damping");
    refuse(!group.value_layers.empty(), "value_layers");
  }
}

}  // namespace

TrainConfig parse_train_config(const nlohmann::json& json, const std::string& where) {
  const JsonObject object(json, where);
  object.allow({"vocabulary",     "bpe_size",
                "layout",         "validation_share",
                "steps",          "batch",
                "sequence",       "seed",
                "precision",      "dropout",
                "loop_sampling",  "loop_sigma",
                "max_loops",      "backprop_loops",
                "learning_rate",  "weight_decay",
                "beta1",          "beta2",
                "epsilon",        "clip",
                "schedule",       "warmup",
                "decay_share",    "floor",
                "evaluate_every", "evaluate_windows",
                "evaluate_loops", "checkpoint_every",
                "checkpoint_at",  "export_bf16"});
  TrainConfig config;
  config.vocabulary = object.choice<VocabularyKind>("vocabulary", kVocabularies, config.vocabulary);
  config.bpe_size = object.integer("bpe_size", 256, 1 << 20, config.bpe_size);
  config.layout = object.choice<DataLayout>("layout", kLayouts, config.layout);
  config.validation_share = object.number("validation_share", 0, 0.9, config.validation_share);
  config.steps = object.integer("steps", 1, kMany, config.steps);
  config.batch = object.integer("batch", 1, 1 << 16, config.batch);
  config.sequence = object.integer("sequence", 2, 1 << 20, config.sequence);
  config.seed = static_cast<std::uint64_t>(object.integer("seed", 0, kMany, static_cast<int>(config.seed)));
  config.precision = object.choice<Precision>("precision", kPrecisions, config.precision);
  config.dropout = object.number("dropout", 0, 0.99, config.dropout);
  read_loops(object, config);
  read_optimiser(object, config);
  config.evaluate_every = object.integer("evaluate_every", 1, kMany, config.evaluate_every);
  config.evaluate_windows = object.integer("evaluate_windows", 1, kMany, config.evaluate_windows);
  config.evaluate_loops = list_of<std::string>(object, "evaluate_loops", where);
  config.checkpoint_every = object.integer("checkpoint_every", 1, kMany, config.checkpoint_every);
  config.checkpoint_at = list_of<int>(object, "checkpoint_at", where);
  config.export_bf16 = object.boolean("export_bf16", config.export_bf16);
  return config;
}

TrainingPlan load_plan(const std::filesystem::path& config) {
  TrainingPlan plan{load_json(config), {}, config.string()};
  const JsonObject object(plan.json, plan.where);
  if (object.has("training")) {
    plan.training = parse_train_config(plan.json["training"], plan.where + ": training");
  }
  spec_of(plan, plan.json.contains("vocab_size") ? object.integer("vocab_size", 1, kMany) : 1);
  return plan;
}

ModelSpec spec_of(const TrainingPlan& plan, int vocab_size) {
  nlohmann::json json = plan.json;
  if (!json.contains("vocab_size")) json["vocab_size"] = vocab_size;
  ModelSpec spec = parse_spec(json, plan.where);
  require_trainable(spec, plan.where);
  if (spec.vocab_size < vocab_size) {
    throw Error("{}: vocab_size is {}, but the tokenizer has {} tokens; leave vocab_size out to take the tokenizer's",
                plan.where, spec.vocab_size, vocab_size);
  }
  if (plan.training.sequence > spec.context) {
    throw Error("{}: training.sequence ({}) is longer than context ({})", plan.where, plan.training.sequence,
                spec.context);
  }
  return spec;
}

}  // namespace gyre
