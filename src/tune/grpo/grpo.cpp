#include "tune/grpo/grpo.hpp"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <optional>
#include <set>

#include "base/error.hpp"
#include "train/checkpoint.hpp"
#include "train/process_group.hpp"
#include "train/rank_settings.hpp"
#include "train/run_settings.hpp"
#include "tune/grpo/grpo_run.hpp"
#include "tune/reward_encoder.hpp"

namespace gyre {
namespace {

namespace fs = std::filesystem;

/// Throws Error naming the line that has no text for a reward to compare with.
void require_columns(std::span<const GrpoPrompt> prompts, std::span<const Reward> rewards, const fs::path& file) {
  for (const GrpoPrompt& prompt : prompts) {
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

/// Throws Error naming the line whose text a reward cannot compare with: those that gyre judges by itself are asked
/// about an empty completion of every prompt.
void require_references(std::span<const GrpoPrompt> prompts, std::span<const Reward> rewards, const fs::path& file) {
  std::vector<RewardItem> items;
  for (const GrpoPrompt& prompt : prompts) items.push_back({prompt.text, "", 0, false, prompt.columns});
  for (const Reward& reward : rewards) {
    if (reward.asks_others || reward.column.empty()) continue;
    try {
      static_cast<void>(reward.judge(items));
    } catch (const ItemError& failure) {
      throw Error("{}, line {} {}", file.string(), prompts[failure.item()].line, failure.mistake());
    }
  }
}

/// Throws Error when prompts that are held out are learned from too.
void require_apart(const GrpoPrompts& prompts, const GrpoRequest& request) {
  std::set<std::string_view> learned;
  for (const GrpoPrompt& prompt : prompts.training) learned.insert(prompt.text);
  std::size_t shared = 0;
  int line = 0;
  for (const GrpoPrompt& prompt : prompts.validation) {
    if (!learned.contains(prompt.text)) continue;
    if (shared++ == 0) line = prompt.line;
  }
  if (shared == 0) return;
  throw Error(
      "{}: {} of its {} prompts, the first in line {}, are in {} too, which is learned from; take them out there",
      request.held_out.string(), shared, prompts.validation.size(), line, request.data.string());
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

bool wants_chat(const GrpoPlan& plan, const Checkpoint& checkpoint) {
  if (plan.grpo.chat) return *plan.grpo.chat;
  try {
    (void)checkpoint.chat_template();
  } catch (const Error&) {
    return false;
  }
  return true;
}

/// What is learned from, and what is held out: a share of it, or the prompts of another file.
GrpoPrompts prompts_of(const GrpoRequest& request, const GrpoPlan& plan, bool chat, const Checkpoint& checkpoint) {
  if (request.held_out.empty()) return read_grpo_prompts(request.data, plan.grpo, chat, checkpoint);
  GrpoConfig all = plan.grpo;
  all.validation_share = 0;
  GrpoPrompts held = read_grpo_prompts(request.held_out, all, chat, checkpoint);
  GrpoPrompts prompts = request.evaluate ? GrpoPrompts{} : read_grpo_prompts(request.data, all, chat, checkpoint);
  prompts.validation = std::move(held.training);
  require_apart(prompts, request);
  prompts.sha256 += held.sha256;
  return prompts;
}

void announce(const GrpoPlan& plan, const Policy& policy, const GrpoPrompts& prompts, bool chat,
              const ProcessGroup& group) {
  const std::int64_t learned = policy.learned().count();
  fmt::print(
      stderr,
      "{}: {} parameters, of which {} learn; {} prompts to learn from and {} held out, written as {}; {} steps of "
      "{} x {} completions of at most {} tokens, {} threads{}\n",
      policy.spec().name, policy.learner().count(),
      policy.adapter() == nullptr ? "all" : fmt::format("{} of an adapter", learned), prompts.training.size(),
      prompts.validation.size(), chat ? "chats" : "plain text", plan.grpo.steps, plan.grpo.prompts * group.world(),
      plan.grpo.completions, plan.grpo.tokens, at::get_num_threads(),
      group.alone() ? "" : fmt::format(", {} ranks", group.world()));
}

}  // namespace

bool grpo(const GrpoRequest& request) {
  const int threads = threads_of(request.threads, request.ranks);
  at::set_num_threads(threads);
  const ProcessGroup group(request.ranks);
  GrpoPlan plan = load_grpo_plan(request.config);
  if (request.steps > 0) plan.grpo.steps = request.steps;
  if (request.evaluate && request.held_out.empty()) throw Error("--evaluate: name the prompts to answer by --held-out");
  const std::optional<fs::path> latest =
      group.first() ? checkpoint_to_resume(request.out, request.resume) : std::nullopt;
  const LoadedRewards loaded = load_rewards({plan.rewards, plan.encoder, plan.where}, threads, request.stop);

  std::optional<Checkpoint> checkpoint = Checkpoint::open(request.model);
  require_next_tokens(checkpoint->model);
  const ModelSpec& spec = checkpoint->model.spec();
  const Drawing drawing = drawing_of(plan, spec);
  require_credited_loops(plan, spec);
  const Language language = checkpoint->language;
  const bool chat = wants_chat(plan, *checkpoint);
  GrpoPrompts prompts = prompts_of(request, plan, chat, *checkpoint);
  require_columns(prompts.training, loaded.rewards, request.data);
  require_columns(prompts.validation, loaded.rewards, request.held_out.empty() ? request.data : request.held_out);
  require_references(prompts.training, loaded.rewards, request.data);
  require_references(prompts.validation, loaded.rewards, request.held_out.empty() ? request.data : request.held_out);
  try_rewards(loaded.rewards, prompts.training.empty() ? prompts.validation.front() : prompts.training.front());
  checkpoint.reset();
  Policy policy(request.model, plan.adapter, plan.grpo.seed, threads,
                request.out / (group.first() ? std::string("drawing") : fmt::format("drawing-{}", group.rank())),
                // A rank that ended by itself would leave the others waiting: the step ends before the run does.
                group.alone() ? request.stop : Stop());
  GrpoConfig of_all_ranks = plan.grpo;  // what a run is known by
  of_all_ranks.prompts *= group.world();
  nlohmann::json settings = {{"grpo", to_json(of_all_ranks)},
                             {"rewards", plan.rewards},
                             {"encoder_sha256", loaded.encoder_sha256},
                             {"data_sha256", prompts.sha256},
                             {"from_sha256", policy.weights_sha256()}};
  if (plan.adapter) settings["adapter"] = to_json(*plan.adapter);
  require_same_on_all_ranks(group, settings);
  if (latest) {
    const CheckpointState state = read_state(*latest);
    tell_changes(require_same_run(state.settings, settings, latest->string(), state.step));
  }
  if (group.first()) {
    make_run_folder(request.out, request.resume);
    announce(plan, policy, prompts, chat, group);
  }
  GrpoRun run(request, plan, language, drawing, std::move(prompts), loaded.rewards, policy, std::move(settings), group);
  if (request.evaluate) return run.evaluate_alone();
  if (latest) run.resume(*latest);
  return run.go();
}

}  // namespace gyre

extern "C" bool gyre_grpo_entry(const gyre::GrpoRequest& request) { return gyre::grpo(request); }
