#include "train/config.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "format/json_object.hpp"
#include "model/spec_keys.hpp"

namespace gyre {
namespace {

constexpr EnumName<VocabularyKind> kVocabularies[] = {
    {VocabularyKind::bytes, "bytes"}, {VocabularyKind::characters, "characters"}, {VocabularyKind::bpe, "bpe"}};
constexpr EnumName<DataLayout> kLayouts[] = {
    {DataLayout::text, "text"}, {DataLayout::answers, "answers"}, {DataLayout::chat, "chat"}};
constexpr EnumName<LearnedTurns> kTurns[] = {{LearnedTurns::all, "all"}, {LearnedTurns::last, "last"}};
constexpr EnumName<Truncation> kTruncations[] = {
    {Truncation::refuse, "refuse"}, {Truncation::drop, "drop"}, {Truncation::cut, "cut"}};
constexpr EnumName<LoopSampling> kSamplings[] = {{LoopSampling::fixed, "fixed"},
                                                 {LoopSampling::poisson_lognormal, "poisson_lognormal"}};
constexpr EnumName<Precision> kPrecisions[] = {{Precision::f32, "f32"}, {Precision::bf16, "bf16"}};

constexpr EnumName<OptimiserKind> kOptimisers[] = {{OptimiserKind::adamw, "adamw"}, {OptimiserKind::muon, "muon"}};

constexpr int kMany = 1'000'000'000;

/// The list under `key`, of items for which `fits` holds; none when the key is not there.
template <typename T>
std::vector<T> list_of(const JsonObject& object, std::string_view key, const std::string& where,
                       bool (*fits)(const nlohmann::json&)) {
  std::vector<T> values;
  if (!object.has(key)) return values;
  for (const nlohmann::json& item : object.array(key)) {
    if (!fits(item)) throw Error("{}: {} holds {}, which does not belong there", where, key, item.dump());
    values.push_back(item.get<T>());
  }
  return values;
}

bool is_text(const nlohmann::json& item) { return item.is_string(); }

bool is_step(const nlohmann::json& item) {
  return item.is_number_unsigned() && item.get<std::uint64_t>() >= 1 && item.get<std::uint64_t>() <= kMany;
}

void read_loops(const JsonObject& object, TrainConfig& config) {
  config.loop_sampling = object.choice<LoopSampling>("loop_sampling", kSamplings, config.loop_sampling);
  config.loop_sigma = object.number("loop_sigma", 0, 4, config.loop_sigma);
  config.max_loops = object.integer("max_loops", 0, 4096, config.max_loops);
  config.backprop_loops = object.integer("backprop_loops", 0, 4096, config.backprop_loops);
  config.loops_from = object.number("loops_from", 0, 1, config.loops_from);
}

/// Throws Error when a key of the data is set that the layout does not read.
void require_read(const TrainConfig& config, const std::string& where) {
  const TrainConfig plain;
  const auto refuse = [&](std::string_view key, bool set, std::string_view mend) {
    if (!set) return;
    throw Error("{}: layout {} does not read {}; {}", where, name_of(config.layout), key, mend);
  };
  if (config.layout == DataLayout::text) {
    constexpr std::string_view kMend = "it is of examples (layouts answers and chat)";
    refuse("prompt_key", config.keys.prompt != plain.keys.prompt, kMend);
    refuse("answer_key", config.keys.answer != plain.keys.answer, kMend);
    refuse("split_key", !config.keys.split.empty(), kMend);
    refuse("truncate", config.truncate != plain.truncate, kMend);
    refuse("packing", config.packing, "rows of running text are full");
  }
  refuse("turns", config.layout != DataLayout::chat && config.turns != plain.turns, "it is of layout chat");
  refuse("end_token", config.layout == DataLayout::chat && !config.end_token.empty(), "the template ends the turns");
}

void read_data(const JsonObject& object, TrainConfig& config, const std::string& where) {
  config.layout = object.choice<DataLayout>("layout", kLayouts, config.layout);
  config.validation_share = object.number("validation_share", 0, 0.9, config.validation_share);
  config.keys = {object.text("prompt_key", config.keys.prompt), object.text("answer_key", config.keys.answer),
                 object.text("split_key", config.keys.split)};
  config.turns = object.choice<LearnedTurns>("turns", kTurns, config.turns);
  config.truncate = object.choice<Truncation>("truncate", kTruncations, config.truncate);
  config.packing = object.boolean("packing", config.packing);
  config.end_token = object.text("end_token", config.end_token);
  if (config.keys.prompt.empty() || config.keys.prompt == config.keys.answer) {
    throw Error("{}: prompt_key is \"{}\" and answer_key \"{}\"; give two different keys", where, config.keys.prompt,
                config.keys.answer);
  }
  require_read(config, where);
}

bool trains(Injection injection) { return injection != Injection::decay; }
template <typename Enum>
bool trains(Enum /*value*/) {
  return true;
}

/// Refuses the switches that the engine has for published models and the trainable model has not.
class TrainableCheck {
 public:
  explicit TrainableCheck(std::string where) : where_(std::move(where)) {}

  void only_rare() const {}
  template <typename Field>
  void text(const SpecKey& /*key*/, const Field& /*field*/) const {}
  template <typename Field, typename... Most>
  void needed(const SpecKey& /*key*/, const Field& /*field*/, Most... /*most*/) const {}
  void integer(const SpecKey& key, int field, int /*most*/, int otherwise) const { check(key, field == otherwise); }
  void count(const SpecKey& key, int field, int /*most*/) const { check(key, field == 0); }
  void number(const SpecKey& key, float field, double /*least*/, double /*most*/, float otherwise) const {
    check(key, field == otherwise);
  }
  void boolean(const SpecKey& key, bool field, bool otherwise) const { check(key, field == otherwise); }
  template <typename Enum, typename Names>
  void choice(const SpecKey& key, Enum field, const Names& /*names*/, Enum otherwise) const {
    check(key, field == otherwise);
    if (!trains(field)) refuse(key);
  }
  void numbers(const SpecKey& key, const std::vector<float>& field) const { check(key, field.empty()); }
  void layers(const SpecKey& key, const std::vector<int>& field) const { check(key, field.empty()); }
  void skips(const SpecKey& key, const std::vector<Skip>& field) const { check(key, field.empty()); }
  void fast(const SpecKey& key, const FastStack& field) const { check(key, !field.there()); }

 private:
  void check(const SpecKey& key, bool as_by_default) const {
    if (!key.trained && !as_by_default) refuse(key);
  }
  [[noreturn]] void refuse(const SpecKey& key) const {
    throw Error("{}: {} is a switch of published models; training does not know it", where_, key.name);
  }

  std::string where_;
};

void require_trainable(const ModelSpec& spec, const std::string& where) {
  const TrainableCheck check(where);
  visit_spec(check, spec);
  for (std::size_t g = 0; g < spec.groups.size(); ++g) {
    const TrainableCheck of_group(fmt::format("{}: groups[{}]", where, g));
    visit_group(of_group, spec.groups[g]);
  }
}

}  // namespace

std::string_view name_of(DataLayout layout) { return name_of<DataLayout>(kLayouts, layout); }

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
                "checkpoint_at",  "export_bf16",
                "loops_from",     "optimiser",
                "momentum",       "prompt_key",
                "answer_key",     "split_key",
                "turns",          "truncate",
                "packing",        "end_token"});
  TrainConfig config;
  config.vocabulary = object.choice<VocabularyKind>("vocabulary", kVocabularies, config.vocabulary);
  config.bpe_size = object.integer("bpe_size", 256, 1 << 20, config.bpe_size);
  read_data(object, config, where);
  config.steps = object.integer("steps", 1, kMany, config.steps);
  config.batch = object.integer("batch", 1, 1 << 16, config.batch);
  config.sequence = object.integer("sequence", 2, 1 << 20, config.sequence);
  config.seed = static_cast<std::uint64_t>(object.integer("seed", 0, kMany, static_cast<int>(config.seed)));
  config.precision = object.choice<Precision>("precision", kPrecisions, config.precision);
  config.dropout = object.number("dropout", 0, 0.99, config.dropout);
  read_loops(object, config);
  read_optimiser(object, config);
  config.optimiser = object.choice<OptimiserKind>("optimiser", kOptimisers, config.optimiser);
  config.momentum = object.number("momentum", 0, 0.999999, config.momentum);
  config.evaluate_every = object.integer("evaluate_every", 1, kMany, config.evaluate_every);
  config.evaluate_windows = object.integer("evaluate_windows", 1, kMany, config.evaluate_windows);
  config.evaluate_loops = list_of<std::string>(object, "evaluate_loops", where, is_text);
  config.checkpoint_every = object.integer("checkpoint_every", 1, kMany, config.checkpoint_every);
  config.checkpoint_at = list_of<int>(object, "checkpoint_at", where, is_step);
  config.export_bf16 = object.boolean("export_bf16", config.export_bf16);
  return config;
}

nlohmann::json to_json(const TrainConfig& config) {
  nlohmann::json json = {{"vocabulary", name_of<VocabularyKind>(kVocabularies, config.vocabulary)},
                         {"bpe_size", config.bpe_size},
                         {"layout", name_of(config.layout)},
                         {"validation_share", config.validation_share},
                         {"prompt_key", config.keys.prompt},
                         {"answer_key", config.keys.answer},
                         {"split_key", config.keys.split},
                         {"turns", name_of<LearnedTurns>(kTurns, config.turns)},
                         {"truncate", name_of<Truncation>(kTruncations, config.truncate)},
                         {"packing", config.packing},
                         {"end_token", config.end_token},
                         {"batch", config.batch},
                         {"sequence", config.sequence},
                         {"seed", config.seed},
                         {"precision", name_of<Precision>(kPrecisions, config.precision)},
                         {"dropout", config.dropout},
                         {"loop_sampling", name_of<LoopSampling>(kSamplings, config.loop_sampling)},
                         {"loop_sigma", config.loop_sigma},
                         {"max_loops", config.max_loops},
                         {"backprop_loops", config.backprop_loops},
                         {"loops_from", config.loops_from},
                         {"optimiser", name_of<OptimiserKind>(kOptimisers, config.optimiser)},
                         {"momentum", config.momentum},
                         {"evaluate_every", config.evaluate_every},
                         {"evaluate_windows", config.evaluate_windows},
                         {"evaluate_loops", config.evaluate_loops},
                         {"checkpoint_every", config.checkpoint_every},
                         {"checkpoint_at", config.checkpoint_at},
                         {"export_bf16", config.export_bf16}};
  json.update(to_json(static_cast<const OptimiserConfig&>(config)));
  return json;
}

nlohmann::json with_every_key(const nlohmann::json& settings) {
  if (!settings.is_object()) return settings;
  nlohmann::json all = to_json(TrainConfig());
  all.update(settings);
  return all;
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
