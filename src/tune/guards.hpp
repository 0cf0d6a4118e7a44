#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tune/reward.hpp"

namespace gyre {

/// Signs that a reward is being gamed, of one batch. Words are those of WordRule::unicode.
struct GuardReport {
  double repetition = 0;  ///< mean share of a completion's 4-grams of words that it holds already
  double copied = 0;      ///< mean share of its 4-grams that stand in its prompt
  double longest_copied =
      0;                 ///< mean length of the longest run of words out of the prompt, as a share of the completion
  double truncated = 0;  ///< share of completions that ran out of tokens
  double tokens = 0;     ///< mean of a completion
  double drift = 1;      ///< that mean, as a multiple of the one over the first batches
  std::size_t shared_references = 0;  ///< references that belong to several different prompts of the batch
  double reward = 0;                  ///< mean total
  std::optional<double> of_empty;     ///< the same of completions that say nothing
  std::optional<double> of_shuffled;  ///< of the same words in an order drawn by the seed
};

/// Share of the 4-grams of `text` that stand in it before; 0 of fewer than five words.
double repeated_share(const std::vector<std::string>& words);
/// Share of the 4-grams of `words` that stand in `prompt`.
double copied_share(const std::vector<std::string>& words, const std::vector<std::string>& prompt);
/// Words of the longest run that both have.
std::size_t longest_common_run(const std::vector<std::string>& a, const std::vector<std::string>& b);
/// A text with its words, as blanks part them, in another order.
std::string shuffled_words(const std::string& text, std::uint64_t seed);

/// Looks at batch after batch of a run.
class Guards {
 public:
  /// Lengths are compared with the mean over so many batches, the first.
  explicit Guards(int first_batches = 10) : first_batches_(first_batches) {}

  /// `totals` as judge() gave them; `column` is the one that references are in, or empty.
  GuardReport look(std::span<const RewardItem> items, std::span<const double> totals, const std::string& column);

  /// Puts empty and shuffled completions before the rewards: what they get is what such a policy would.
  static void probe(GuardReport& report, std::span<const Reward> rewards, std::span<const RewardItem> items,
                    std::uint64_t seed);

 private:
  int first_batches_;
  int seen_ = 0;
  double first_sum_ = 0;  ///< of mean tokens
};

/// Numbers by name, for logs; what was not asked for is left out.
nlohmann::json to_json(const GuardReport& report);

}  // namespace gyre
