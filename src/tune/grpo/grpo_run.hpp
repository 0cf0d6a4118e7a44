#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "train/adamw.hpp"
#include "train/training_loop.hpp"
#include "tune/event_file.hpp"
#include "tune/grpo/grpo.hpp"
#include "tune/grpo/grpo_config.hpp"
#include "tune/grpo/grpo_prompts.hpp"
#include "tune/grpo/learning.hpp"
#include "tune/grpo/policy.hpp"
#include "tune/guards.hpp"
#include "tune/reward.hpp"
#include "tune/rollout.hpp"

namespace gyre {

/// By what loops and exit completions are drawn.
struct Drawing {
  std::vector<int> loops;          ///< per group
  std::optional<ExitChoice> exit;  ///< nothing: full depth
};
/// Throws Error naming the key when the model has no such loops, or there is no such rule.
Drawing drawing_of(const GrpoPlan& plan, const ModelSpec& spec);

/// One run of GRPO: the state that lives from step to step.
class GrpoRun : public TrainingTask {
 public:
  GrpoRun(const GrpoRequest& request, const GrpoPlan& plan, const Language& language, Drawing drawing,
          GrpoPrompts prompts, std::vector<Reward> rewards, Policy& policy, nlohmann::json settings,
          const ProcessGroup& group);

  /// Goes on from a checkpoint of this run.
  void resume(const std::filesystem::path& checkpoint);
  /// Answers the prompts held out with what there is.
  bool evaluate_alone();
  /// Runs to the last step, or until it is stopped. Returns whether it got to the end.
  bool go();

  nlohmann::json one_step(int step) override;
  void evaluate(int step, Progress& progress, MetricsLog& log) override;
  void save_checkpoint(int step) override;

 private:
  /// Completions of some prompts, and what they were given.
  struct Batch {
    std::vector<const GrpoPrompt*> prompts;
    std::vector<Completion> completions;
    std::vector<RewardItem> items;  ///< one a completion
    RewardTable table;
  };
  [[nodiscard]] Batch drawn(std::vector<const GrpoPrompt*> prompts, const RolloutOptions& options, RolloutCount& count);
  [[nodiscard]] RolloutOptions rollout_options() const;
  [[nodiscard]] std::vector<LearnedCompletion> lessons(const Batch& batch) const;
  [[nodiscard]] std::string text_of(const Completion& completion) const;
  void write_completions(int step, const Batch& batch, const std::vector<LearnedCompletion>& lessons);
  /// One line a completion of a batch, for people and for gyre judge.
  [[nodiscard]] nlohmann::json line_of(const Batch& batch, std::size_t i) const;
  /// The prompts of this rank in a step, by their places among those of all ranks.
  [[nodiscard]] std::vector<const GrpoPrompt*> chosen(int step, std::vector<std::size_t>& numbers) const;
  /// What the completions of all ranks were given.
  [[nodiscard]] nlohmann::json reward_row(const RewardTable& own) const;
  /// The numbers of all ranks' reports, averaged.
  [[nodiscard]] nlohmann::json averaged(nlohmann::json report) const;
  void hand_out();
  void show(const nlohmann::json& row);
  bool finish();

  const GrpoRequest& request_;
  const GrpoPlan& plan_;
  const GrpoConfig& config_;
  const Language& language_;
  GrpoPrompts prompts_;
  std::vector<Reward> rewards_;
  Policy& policy_;
  const ProcessGroup& group_;
  nlohmann::json settings_;
  Drawing drawing_;
  AdamW optimiser_;
  Guards guards_;
  std::optional<EventFile> events_;
  std::optional<MetricsLog> completions_;  ///< completions.jsonl
  int step_ = 0;
};

}  // namespace gyre
