#include "tune/reward_encoder.hpp"

#include <algorithm>
#include <memory>

#include "base/processors.hpp"
#include "engine/embedder.hpp"
#include "format/json_object.hpp"

namespace gyre {
namespace {

/// An encoder with all that its vectors depend on.
struct Encoder {
  Encoder(const std::filesystem::path& path, int threads, Stop stop)
      : checkpoint(Checkpoint::open(path)), embedder(checkpoint, threads, stop) {}

  Checkpoint checkpoint;
  Embedder embedder;
};

Embed embed_with(const std::shared_ptr<Encoder>& encoder) {
  return [encoder](std::span<const std::string> texts) {
    std::vector<std::vector<float>> vectors;
    for (Embedding& one : encoder->embedder.embed(texts)) vectors.push_back(std::move(one.vector));
    return vectors;
  };
}

bool has_semantic(const nlohmann::json& rewards) {
  return std::any_of(rewards.begin(), rewards.end(), [](const nlohmann::json& one) {
    return one.is_object() && one.value("kind", nlohmann::json()) == "semantic";
  });
}

}  // namespace

JudgePlan load_judge_plan(const std::filesystem::path& config) {
  const nlohmann::json json = load_settings(config);
  const JsonObject object(json, config.string());
  object.allow({"rewards", "encoder", "grpo", "adapter"});
  return {object.array("rewards"), object.text("encoder", ""), config.string()};
}

LoadedRewards load_rewards(const JudgePlan& plan, int threads, Stop stop) {
  RewardTools tools;
  LoadedRewards loaded;
  if (!plan.encoder.empty()) {
    if (!has_semantic(plan.rewards)) {
      throw Error("{}: encoder is there, but no reward of kind \"semantic\" to read it; leave one out or add the other",
                  plan.where);
    }
    const auto encoder = std::make_shared<Encoder>(plan.encoder, threads > 0 ? threads : usable_processors(), stop);
    loaded.encoder_sha256 = encoder->checkpoint.model.hash();
    tools.embed = embed_with(encoder);
  }
  loaded.rewards = parse_rewards(plan.rewards, plan.where + ": rewards", tools);
  return loaded;
}

}  // namespace gyre
