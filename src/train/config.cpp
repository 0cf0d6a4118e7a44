#include "train/config.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "format/json_object.hpp"

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

/// The list under `key`, of items for which `fits` holds (`wanted` says what they are, in the plural); none when the
/// key is not there.
template <typename T>
std::vector<T> list_of(const JsonObject& object, std::string_view key, const std::string& where,
                       bool (*fits)(const nlohmann::json&), std::string_view wanted) {
  std::vector<T> values;
  if (!object.has(key)) return values;
  for (const nlohmann::json& item : object.array(key)) {
    if (!fits(item)) throw Error("{}: {} holds {}: it takes a list of {}", where, key, item.dump(), wanted);
    values.push_back(item.get<T>());
  }
  return values;
}

bool is_text(const nlohmann::json& item) { return item.is_string(); }

bool is_step(const nlohmann::json& item) {
  return item.is_number_unsigned() && item.get<std::uint64_t>() >= 1 && item.get<std::uint64_t>() <= kMany;
}

bool is_depth(const nlohmann::json& item) { return is_text(item) || is_step(item); }

/// Depths as `--loops` takes them; a plain number may stand without its quotes.
std::vector<std::string> read_depths(const JsonObject& object, const std::string& where) {
  std::vector<std::string> depths;
  for (const nlohmann::json& item :
       list_of<nlohmann::json>(object, "evaluate_loops", where, is_depth, R"(loops, as [1, 4, "2/4"])")) {
    depths.push_back(is_text(item) ? item.get<std::string>() : item.dump());
  }
  return depths;
}

void read_loops(const JsonObject& object, TrainConfig& config) {
  config.loop_sampling = object.choice<LoopSampling>("loop_sampling", kSamplings, config.loop_sampling);
  config.loop_sigma = object.number("loop_sigma", 0, 4, config.loop_sigma);
  config.max_loops = object.integer("max_loops", 0, 4096, config.max_loops);
  config.backprop_loops = object.integer("backprop_loops", 0, 4096, config.backprop_loops);
  config.loops_from = object.number("loops_from", 0, 1, config.loops_from);
  config.loops_over = object.number("loops_over", 0, 1, config.loops_over);
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

/// A model that is trained on keeps its tokenizer.
void refuse_vocabulary(const nlohmann::json& training, const std::string& where) {
  for (const char* const key : {"vocabulary", "bpe_size"}) {
    if (!training.contains(key)) continue;
    throw Error("{}: training.{} is given, but the run starts from a model, whose tokenizer it keeps; remove the key",
                where, key);
  }
}

/// Throws Error naming a key by which the model would be another than `from`.
void require_agreement(const nlohmann::json& config, const ModelSpec& from, const std::string& where) {
  for (const auto& [key, value] : config.items()) {
    if (key == "training" || key == "name" || key == "adapter" || key == "retrofit") continue;
    nlohmann::json said = to_json(from);
    if (key == "order" || key == "skips") {  // which together stand in place of groups
      said.erase("groups");
      if (config.contains("order")) said["order"] = config["order"];
    }
    said[key] = value;
    if (parse_spec(said, where) == from) continue;
    throw Error(
        "{}: {} is not as the model has it that the run starts from; remove the key, or give that model's value", where,
        key);
  }
}

/// Throws Error when the plan asks for what a run like it has not got.
void require_start(const TrainingPlan& plan, bool from) {
  for (const char* const key : {"adapter", "retrofit"}) {
    if (!plan.json.contains(key) || from) continue;
    throw Error("{}: {} changes a model that is there already; give the run one to start from", plan.where, key);
  }
  const nlohmann::json training = plan.json.value("training", nlohmann::json::object());
  if (training.contains("trainable") && plan.training.trainable.empty()) {
    throw Error("{}: training.trainable is empty, by which nothing would learn; name a part, or remove it for all",
                plan.where);
  }
  const bool part = plan.adapter || !plan.training.trainable.empty();
  if (plan.adapter && !plan.training.trainable.empty()) {
    throw Error("{}: of adapter and training.trainable only one can say what learns; remove the other", plan.where);
  }
  if (plan.adapter && plan.json.contains("retrofit")) {
    throw Error(
        "{}: an adapter is kept beside the weights of a model, and retrofit makes another; retrofit first, and "
        "train an adapter on the result",
        plan.where);
  }
  if (part && plan.training.ema > 0) {
    throw Error("{}: training.ema averages all weights; remove it, or train them all", plan.where);
  }
  if (part && plan.training.optimiser == OptimiserKind::muon && plan.adapter) {
    throw Error("{}: training.optimiser is muon, which is for the square-ish matrices of groups; adapters take adamw",
                plan.where);
  }
}

}  // namespace

std::string_view name_of(DataLayout layout) { return name_of<DataLayout>(kLayouts, layout); }

TrainConfig parse_train_config(const nlohmann::json& json, const std::string& where) {
  const JsonObject object(json, where);
  object.allow(
      kOptimiserKeys,
      {"vocabulary",    "bpe_size",       "layout",         "validation_share", "steps",          "batch",
       "sequence",      "seed",           "precision",      "dropout",          "loop_sampling",  "loop_sigma",
       "max_loops",     "backprop_loops", "evaluate_every", "evaluate_windows", "evaluate_loops", "checkpoint_every",
       "checkpoint_at", "export_bf16",    "loops_from",     "optimiser",        "momentum",       "prompt_key",
       "answer_key",    "split_key",      "turns",          "truncate",         "packing",        "end_token",
       "ema",           "trainable",      "loops_over"});
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
  config.evaluate_loops = read_depths(object, where);
  config.checkpoint_every = object.integer("checkpoint_every", 1, kMany, config.checkpoint_every);
  config.checkpoint_at = list_of<int>(object, "checkpoint_at", where, is_step, "numbers of steps, from 1");
  config.export_bf16 = object.boolean("export_bf16", config.export_bf16);
  config.ema = object.number("ema", 0, 0.999999, config.ema);
  config.trainable = list_of<std::string>(object, "trainable", where, is_text, "texts that names of parameters hold");
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
                         {"export_bf16", config.export_bf16},
                         {"ema", config.ema},
                         {"trainable", config.trainable},
                         {"loops_over", config.loops_over}};
  json.update(to_json(static_cast<const OptimiserConfig&>(config)));
  return json;
}

nlohmann::json with_every_key(const nlohmann::json& settings) {
  if (!settings.is_object()) return settings;
  nlohmann::json all = to_json(TrainConfig());
  all.update(settings);
  return all;
}

TrainingPlan load_plan(const std::filesystem::path& config, const ModelSpec* from) {
  TrainingPlan plan{load_settings(config), {}, {}, config.string()};
  const JsonObject object(plan.json, plan.where);
  if (object.has("training")) {
    plan.training = parse_train_config(plan.json["training"], plan.where + ": training");
  }
  if (object.has("adapter")) plan.adapter = parse_adapter_config(plan.json["adapter"], plan.where + ": adapter");
  require_start(plan, from != nullptr);
  const nlohmann::json training = plan.json.value("training", nlohmann::json::object());
  if (from != nullptr) {
    refuse_vocabulary(training, plan.where);
    require_agreement(plan.json, *from, plan.where);
    nlohmann::json whole = to_json(*from);
    for (const char* const key : {"name", "training"}) {
      if (plan.json.contains(key)) whole[key] = plan.json[key];
    }
    plan.json = std::move(whole);
  }
  const JsonObject described(plan.json, plan.where);
  if (!training.contains("sequence")) {
    plan.training.sequence = std::min(plan.training.sequence, described.integer("context", 2, kMostContext));
  }
  spec_of(plan, plan.json.contains("vocab_size") ? described.integer("vocab_size", 1, kMany) : 1);
  return plan;
}

std::optional<Retrofit> load_retrofit(const std::filesystem::path& config) {
  const nlohmann::json json = load_settings(config);
  const JsonObject object(json, config.string());
  if (!object.has("retrofit")) return {};
  return parse_retrofit(json["retrofit"], config.string() + ": retrofit");
}

ModelSpec spec_of(const TrainingPlan& plan, int vocab_size) {
  nlohmann::json json = plan.json;
  if (!json.contains("vocab_size")) json["vocab_size"] = vocab_size;
  ModelSpec spec = parse_spec(json, plan.where);
  if (spec.vocab_size < vocab_size) {
    throw Error("{}: vocab_size is {}, but the tokenizer has {} tokens; leave vocab_size out to take the tokenizer's",
                plan.where, spec.vocab_size, vocab_size);
  }
  if (spec.encoder) {
    throw Error("{}: encoder is true: training teaches next tokens, which an encoder does not give", plan.where);
  }
  if (plan.training.sequence > spec.context) {
    throw Error("{}: training.sequence ({}) is longer than context ({})", plan.where, plan.training.sequence,
                spec.context);
  }
  return spec;
}

}  // namespace gyre
