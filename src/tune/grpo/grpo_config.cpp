#include "tune/grpo/grpo_config.hpp"

#include "base/error.hpp"
#include "format/json_object.hpp"

namespace gyre {
namespace {

constexpr EnumName<LossMean> kLosses[] = {
    {LossMean::completions, "grpo"}, {LossMean::longest, "dr_grpo"}, {LossMean::tokens, "dapo"}};
constexpr EnumName<AdvantageScale> kScales[] = {{AdvantageScale::deviation, "deviation"},
                                                {AdvantageScale::none, "none"}};
constexpr EnumName<LoopCredit> kCredits[] = {{LoopCredit::last, "last"},
                                             {LoopCredit::uniform, "uniform"},
                                             {LoopCredit::progressive, "progressive"},
                                             {LoopCredit::exit, "exit"}};
constexpr EnumName<Precision> kPrecisions[] = {{Precision::f32, "f32"}, {Precision::bf16, "bf16"}};
constexpr int kMany = 1'000'000'000;

void read_sampling(const JsonObject& object, GrpoConfig& config) {
  config.prompts = object.integer("prompts", 1, kMany, config.prompts);
  config.completions = object.integer("completions", 2, 65536, config.completions);
  config.tokens = object.integer("tokens", 1, kMostContext, config.tokens);
  config.temperature = object.number("temperature", 1e-3, 100, config.temperature);
  config.top_k = object.integer("top_k", 0, kMany, config.top_k);
  config.top_p = object.number("top_p", 0, 1, config.top_p);
  config.min_p = object.number("min_p", 0, 1, config.min_p);
  config.loops = object.text("loops", config.loops);
  config.exit = object.text("exit", config.exit);
}

void read_loss(const JsonObject& object, GrpoConfig& config, const std::string& where) {
  config.loss = object.choice<LossMean>("loss", kLosses, config.loss);
  // Dr. GRPO leaves out both divisions, that by the deviation and that by the length.
  const AdvantageScale usual = config.loss == LossMean::longest ? AdvantageScale::none : AdvantageScale::deviation;
  config.advantages = object.choice<AdvantageScale>("advantages", kScales, usual);
  config.policy.clip_low = static_cast<double>(object.number("clip_low", 0, 1, 0.2F));
  const double low = config.policy.clip_low;
  config.policy.clip_high = object.has("clip_high") ? static_cast<double>(object.number("clip_high", 0, 1e3)) : low;
  config.policy.kl_weight = static_cast<double>(object.number("kl", 0, 1e3, 0.0F));
  config.updates = object.integer("updates", 1, 1000, config.updates);
  config.mask_truncated = object.boolean("mask_truncated", config.mask_truncated);
  config.loop_credit = object.choice<LoopCredit>("loop_credit", kCredits, config.loop_credit);
  config.loop_credit_power = object.number("loop_credit_power", 0, 16, config.loop_credit_power);
  if (object.has("loop_credit_power") && config.loop_credit != LoopCredit::progressive) {
    throw Error("{}: loop_credit_power belongs to loop_credit \"progressive\"; remove it", where);
  }
  config.planning.weight = object.number("planning_weight", 0, 10, 0.0F);
  if (object.has("planning_phrases")) {
    for (const nlohmann::json& phrase : object.array("planning_phrases")) {
      if (!phrase.is_string() || phrase.get<std::string>().empty()) {
        throw Error("{}: planning_phrases holds {}; it is a list of texts", where, phrase.dump());
      }
      config.planning.phrases.push_back(phrase.get<std::string>());
    }
  }
  if ((config.planning.weight > 0) != !config.planning.phrases.empty()) {
    throw Error("{}: planning_weight and planning_phrases go together; give both or neither", where);
  }
}

void read_rest(const JsonObject& object, GrpoConfig& config) {
  if (object.has("chat")) config.chat = object.boolean("chat");
  config.prompt_key = object.text("prompt_key", config.prompt_key);
  config.split_key = object.text("split_key", config.split_key);
  config.validation_share = object.number("validation_share", 0, 0.99, config.validation_share);
  config.evaluate_every = object.integer("evaluate_every", 1, kMany, config.evaluate_every);
  config.evaluate_prompts = object.integer("evaluate_prompts", 0, kMany, config.evaluate_prompts);
  config.checkpoint_every = object.integer("checkpoint_every", 1, kMany, config.checkpoint_every);
  config.completions_every = object.integer("completions_every", 0, kMany, config.completions_every);
  config.precision = object.choice<Precision>("precision", kPrecisions, config.precision);
  config.rows = object.integer("rows", 1, 65536, config.rows);
  config.seed = static_cast<std::uint64_t>(object.integer("seed", 0, kMany, 1));
}

GrpoConfig parse_grpo(const nlohmann::json& json, const std::string& where) {
  const JsonObject object(json, where);
  object.allow(kOptimiserKeys, {"steps",
                                "prompts",
                                "completions",
                                "tokens",
                                "temperature",
                                "top_k",
                                "top_p",
                                "min_p",
                                "loops",
                                "exit",
                                "loss",
                                "advantages",
                                "clip_low",
                                "clip_high",
                                "kl",
                                "updates",
                                "mask_truncated",
                                "loop_credit",
                                "loop_credit_power",
                                "planning_weight",
                                "planning_phrases",
                                "chat",
                                "prompt_key",
                                "split_key",
                                "validation_share",
                                "evaluate_every",
                                "evaluate_prompts",
                                "checkpoint_every",
                                "completions_every",
                                "precision",
                                "rows",
                                "seed"});
  GrpoConfig config;
  config.steps = 100;
  config.learning_rate = 1e-5F;
  config.weight_decay = 0;
  config.warmup = 0;
  config.schedule = Schedule::warmup_stable_decay;
  config.decay_share = 0;
  config.steps = object.integer("steps", 1, kMany, config.steps);
  read_optimiser(object, config);
  read_sampling(object, config);
  read_loss(object, config, where);
  read_rest(object, config);
  return config;
}

}  // namespace

GrpoPlan load_grpo_plan(const std::filesystem::path& file) {
  const nlohmann::json json = load_settings(file);
  const std::string where = file.string();
  const JsonObject object(json, where);
  object.allow({"grpo", "rewards", "adapter", "encoder"});
  GrpoPlan plan;
  plan.where = where;
  plan.grpo = parse_grpo(json.value("grpo", nlohmann::json::object()), where + ": grpo");
  plan.rewards = object.array("rewards");
  plan.encoder = object.text("encoder", "");
  if (json.contains("adapter")) plan.adapter = parse_adapter_config(json.at("adapter"), where + ": adapter");
  return plan;
}

nlohmann::json to_json(const GrpoConfig& config) {
  nlohmann::json json = {{"prompts", config.prompts},
                         {"completions", config.completions},
                         {"tokens", config.tokens},
                         {"temperature", config.temperature},
                         {"top_k", config.top_k},
                         {"top_p", config.top_p},
                         {"min_p", config.min_p},
                         {"loops", config.loops},
                         {"exit", config.exit},
                         {"loss", name_of<LossMean>(kLosses, config.loss)},
                         {"advantages", name_of<AdvantageScale>(kScales, config.advantages)},
                         {"clip_low", config.policy.clip_low},
                         {"clip_high", config.policy.clip_high},
                         {"kl", config.policy.kl_weight},
                         {"updates", config.updates},
                         {"mask_truncated", config.mask_truncated},
                         {"loop_credit", name_of<LoopCredit>(kCredits, config.loop_credit)},
                         {"loop_credit_power", config.loop_credit_power},
                         {"planning_weight", config.planning.weight},
                         {"planning_phrases", config.planning.phrases},
                         {"prompt_key", config.prompt_key},
                         {"split_key", config.split_key},
                         {"validation_share", config.validation_share},
                         {"evaluate_every", config.evaluate_every},
                         {"evaluate_prompts", config.evaluate_prompts},
                         {"checkpoint_every", config.checkpoint_every},
                         {"completions_every", config.completions_every},
                         {"precision", name_of<Precision>(kPrecisions, config.precision)},
                         {"rows", config.rows},
                         {"seed", config.seed}};
  if (config.chat) json["chat"] = *config.chat;
  json.update(to_json(static_cast<const OptimiserConfig&>(config)));
  return json;
}

}  // namespace gyre
