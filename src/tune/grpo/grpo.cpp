#include "tune/grpo/grpo.hpp"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <memory>
#include <optional>

#include "base/error.hpp"
#include "engine/embedder.hpp"
#include "train/checkpoint.hpp"
#include "train/process_group.hpp"
#include "train/rank_settings.hpp"
#include "train/run_settings.hpp"
#include "tune/grpo/grpo_run.hpp"

namespace gyre {
namespace {

namespace fs = std::filesystem;

/// The encoder of the semantic reward, with all that its vectors depend on.
struct Encoder {
  Encoder(const fs::path& path, int threads, Stop stop)
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

bool wants_chat(const GrpoPlan& plan, const Checkpoint& checkpoint) {
  if (plan.grpo.chat) return *plan.grpo.chat;
  try {
    (void)checkpoint.chat_template();
  } catch (const Error&) {
    return false;
  }
  return true;
}

/// Throws Error when `checkpoint` is of another run than `settings`.
void require_own_checkpoint(const fs::path& checkpoint, const nlohmann::json& settings) {
  const CheckpointState state = read_state(checkpoint);
  for (const SettingChange& change : require_same_run(state.settings, settings, checkpoint.string(), state.step)) {
    fmt::print(stderr, "resumed: {} was {} and is {} from here on\n", change.key, change.before, change.now);
  }
}

void announce(const GrpoPlan& plan, const Policy& policy, const GrpoPrompts& prompts, bool chat,
              const ProcessGroup& group) {
  std::int64_t learned = 0;
  for (const std::string& name : policy.learned().names()) learned += policy.learned().parameter(name).numel();
  std::int64_t all = 0;
  for (const std::string& name : policy.learner().names()) all += policy.learner().parameter(name).numel();
  fmt::print(
      stderr,
      "{}: {} parameters, of which {} learn; {} prompts to learn from and {} held out, written as {}; {} steps of "
      "{} x {} completions of at most {} tokens, {} threads{}\n",
      policy.spec().name, all, policy.adapter() == nullptr ? "all" : fmt::format("{} of an adapter", learned),
      prompts.training.size(), prompts.validation.size(), chat ? "chats" : "plain text", plan.grpo.steps,
      plan.grpo.prompts * group.world(), plan.grpo.completions, plan.grpo.tokens, at::get_num_threads(),
      group.alone() ? "" : fmt::format(", {} ranks", group.world()));
}

}  // namespace

bool grpo(const GrpoRequest& request) {
  const int threads = threads_of(request.threads, request.ranks);
  at::set_num_threads(threads);
  const ProcessGroup group(request.ranks);
  GrpoPlan plan = load_grpo_plan(request.config);
  if (request.steps > 0) plan.grpo.steps = request.steps;
  const std::optional<fs::path> latest = group.first() ? latest_checkpoint(request.out / "checkpoints") : std::nullopt;
  if (latest && !request.resume) {
    throw Error("{} already holds a run; resume it, or give another folder", request.out.string());
  }
  RewardTools tools;
  if (!plan.encoder.empty()) tools.embed = embed_with(std::make_shared<Encoder>(plan.encoder, threads, request.stop));
  std::vector<Reward> rewards = parse_rewards(plan.rewards, plan.where + ": rewards", tools);

  std::optional<Checkpoint> checkpoint = Checkpoint::open(request.model);
  const Language language = checkpoint->language;
  const bool chat = wants_chat(plan, *checkpoint);
  GrpoPrompts prompts = read_grpo_prompts(request.data, plan.grpo, chat, *checkpoint);
  checkpoint.reset();
  Policy policy(request.model, plan.adapter, plan.grpo.seed, threads,
                request.out / (group.first() ? std::string("drawing") : fmt::format("drawing-{}", group.rank())),
                // A rank that ended by itself would leave the others waiting: the step ends before the run does.
                group.alone() ? request.stop : Stop());
  GrpoConfig of_all_ranks = plan.grpo;  // what a run is known by
  of_all_ranks.prompts *= group.world();
  nlohmann::json settings = {{"training", to_json(of_all_ranks)},
                             {"rewards", plan.rewards},
                             {"encoder", plan.encoder},
                             {"data_sha256", prompts.sha256},
                             {"from_sha256", policy.weights_sha256()}};
  if (plan.adapter) settings["adapter"] = to_json(*plan.adapter);
  require_same_on_all_ranks(group, settings);
  if (latest) require_own_checkpoint(*latest, settings);
  if (group.first()) {
    make_run_folder(request.out, request.resume);
    announce(plan, policy, prompts, chat, group);
  }
  GrpoRun run(request, plan, language, std::move(prompts), std::move(rewards), policy, std::move(settings), group);
  if (latest) run.resume(*latest);
  return run.go();
}

}  // namespace gyre

extern "C" bool gyre_grpo_entry(const gyre::GrpoRequest& request) { return gyre::grpo(request); }
