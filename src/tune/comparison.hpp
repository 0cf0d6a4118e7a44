#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "study/statistics.hpp"
#include "tune/reward.hpp"

namespace gyre {

/// What one model wrote for a list of prompts.
struct Completions {
  std::string name;
  std::vector<RewardItem> items;
  std::vector<int> lines = {};  ///< of the file, an item each; empty where they come from none
};

/// Reads JSON lines {"prompt", "completion"}, with further columns that rewards compare with, such as held_out.jsonl of
/// a run of GRPO. Throws Error naming the line that lacks one.
Completions read_completions(const std::filesystem::path& file);

/// How one list of completions did by one measure.
struct JudgedMeasure {
  std::string name;        ///< of the reward, or "tokens"
  Estimate mean;           ///< over prompts
  Estimate against_first;  ///< the mean difference from the first list, prompt by prompt
};
struct JudgedList {
  std::string name;
  std::vector<JudgedMeasure> measures;
  /// Of the preferences of the total reward, list against list on the same prompt: the Elo scale, 1000 for the mean of
  /// all. Of the judge that gave the rewards, and of nobody else.
  Estimate elo;
};

/// Judges every list by the same rewards. Intervals resample prompts, the same ones for all. Throws Error when the
/// lists are not of the same prompts in the same order, or hold other texts for the rewards to compare with.
std::vector<JudgedList> compare_completions(std::span<const Completions> lists, std::span<const Reward> rewards);

/// Ratings of the Bradley-Terry model for wins[i][j], how often i was preferred to j (a tie is half a win of each), on
/// the scale of Elo: 400 points are odds of ten to one. A list that never lost, or never won, has a finite rating
/// because half a win and half a loss are added for every pair.
std::vector<double> elo_ratings(const std::vector<std::vector<double>>& wins);

}  // namespace gyre
