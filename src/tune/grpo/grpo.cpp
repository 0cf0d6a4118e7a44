#include "tune/grpo/grpo.hpp"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <memory>
#include <optional>

#include "base/error.hpp"
#include "base/processors.hpp"
#include "engine/embedder.hpp"
#include "train/checkpoint.hpp"
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

/// Throws Error naming the line that has no text for a reward to compare with.
void require_columns(const GrpoPrompts& prompts, std::span<const Reward> rewards, const fs::path& file) {
  for (const std::vector<GrpoPrompt>* const part : {&prompts.training, &prompts.validation}) {
    for (const GrpoPrompt& prompt : *part) {
      for (const Reward& reward : rewards) {
        if (reward.column.empty()) continue;
        const auto found = prompt.columns.find(reward.column);
        const bool text = found != prompt.columns.end() && found->is_string();
        if (text && found->get_ref<const std::string&>().find_first_not_of(" \t\r\n") != std::string::npos) continue;
        throw Error(
            "{}, line {}: no text under \"{}\", which the reward {} compares with; give it, or leave the line out",
            file.string(), prompt.line, reward.column, reward.name);
      }
    }
  }
}

/// Lets the rewards judge one completion that says nothing, so that one that cannot is known before anything is drawn.
void try_rewards(std::span<const Reward> rewards, const GrpoPrompt& prompt) {
  const std::vector<RewardItem> items = {{prompt.text, "", 0, false, prompt.columns}};
  static_cast<void>(judge(rewards, items));
}

/// Throws Error when the loops that are to be credited are not there.
void require_credited_loops(const GrpoPlan& plan, const ModelSpec& spec) {
  if (plan.grpo.loop_credit == LoopCredit::last) return;
  const std::vector<int> looped = spec.looped_groups();
  if (looped.size() != 1) {
    throw Error("{}: grpo.loop_credit is for models with one looped group; this one has {}; choose \"last\"",
                plan.where, looped.size());
  }
  const Group& group = spec.groups[static_cast<std::size_t>(looped.front())];
  if (plan.grpo.loop_credit == LoopCredit::exit && !group.exit_gate) {
    throw Error("{}: grpo.loop_credit is \"exit\", but group \"{}\" has no exit gate; choose uniform or progressive",
                plan.where, group.name);
  }
}

/// Throws Error when OUT holds a run and no resuming was asked for, or what a run left that would be lost.
std::optional<fs::path> checkpoint_to_resume(const GrpoRequest& request) {
  std::optional<fs::path> latest = latest_checkpoint(request.out / "checkpoints");
  if (latest && !request.resume) {
    throw Error("{} already holds a run; resume it, or give another folder", request.out.string());
  }
  if (latest) return latest;
  for (const char* const name : {"adapter", "model"}) {
    if (!fs::exists(request.out / name)) continue;
    throw Error("{} is there, and no checkpoint to go on from; give another folder", (request.out / name).string());
  }
  if (request.resume) {
    fmt::print(stderr, "no checkpoint in {} yet; starting from the beginning\n", request.out.string());
  }
  return latest;
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

void announce(const GrpoPlan& plan, const Policy& policy, const GrpoPrompts& prompts, bool chat) {
  std::int64_t learned = 0;
  for (const std::string& name : policy.learned().names()) learned += policy.learned().parameter(name).numel();
  std::int64_t all = 0;
  for (const std::string& name : policy.learner().names()) all += policy.learner().parameter(name).numel();
  fmt::print(
      stderr,
      "{}: {} parameters, of which {} learn; {} prompts to learn from and {} held out, written as {}; {} steps of "
      "{} x {} completions of at most {} tokens, {} threads\n",
      policy.spec().name, all, policy.adapter() == nullptr ? "all" : fmt::format("{} of an adapter", learned),
      prompts.training.size(), prompts.validation.size(), chat ? "chats" : "plain text", plan.grpo.steps,
      plan.grpo.prompts, plan.grpo.completions, plan.grpo.tokens, at::get_num_threads());
}

}  // namespace

bool grpo(const GrpoRequest& request) {
  const int threads = request.threads > 0 ? request.threads : usable_processors();
  at::set_num_threads(threads);
  GrpoPlan plan = load_grpo_plan(request.config);
  if (request.steps > 0) plan.grpo.steps = request.steps;
  const std::optional<fs::path> latest = checkpoint_to_resume(request);
  RewardTools tools;
  std::string encoder_sha256;
  if (!plan.encoder.empty()) {
    const auto encoder = std::make_shared<Encoder>(plan.encoder, threads, request.stop);
    encoder_sha256 = encoder->checkpoint.model.hash();
    tools.embed = embed_with(encoder);
  }
  std::vector<Reward> rewards = parse_rewards(plan.rewards, plan.where + ": rewards", tools);

  std::optional<Checkpoint> checkpoint = Checkpoint::open(request.model);
  require_next_tokens(checkpoint->model);
  const ModelSpec& spec = checkpoint->model.spec();
  const Drawing drawing = drawing_of(plan, spec);
  require_credited_loops(plan, spec);
  const Language language = checkpoint->language;
  const bool chat = wants_chat(plan, *checkpoint);
  GrpoPrompts prompts = read_grpo_prompts(request.data, plan.grpo, chat, *checkpoint);
  require_columns(prompts, rewards, request.data);
  try_rewards(rewards, prompts.training.front());
  checkpoint.reset();
  Policy policy(request.model, plan.adapter, plan.grpo.seed, threads, request.out / "drawing", request.stop);
  nlohmann::json settings = {{"grpo", to_json(plan.grpo)},
                             {"rewards", plan.rewards},
                             {"encoder_sha256", encoder_sha256},
                             {"data_sha256", prompts.sha256},
                             {"from_sha256", policy.weights_sha256()}};
  if (plan.adapter) settings["adapter"] = to_json(*plan.adapter);
  if (latest) require_own_checkpoint(*latest, settings);
  make_run_folder(request.out, request.resume);
  announce(plan, policy, prompts, chat);
  GrpoRun run(request, plan, language, drawing, std::move(prompts), std::move(rewards), policy, std::move(settings));
  if (latest) run.resume(*latest);
  return run.go();
}

}  // namespace gyre

extern "C" bool gyre_grpo_entry(const gyre::GrpoRequest& request) { return gyre::grpo(request); }
