#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace gyre {

/// How the rewards of a group are made comparable with those of others.
enum class AdvantageScale {
  deviation,  ///< GRPO (arXiv 2402.03300): (r − mean) / (std + epsilon), std that of a sample (divided by n − 1), as
              ///< TRL
  none,  ///< Dr. GRPO (arXiv 2503.20783): r − mean
};

/// Advantages of completions, `group_size` (2 or more) of each prompt side by side, against the mean of their group. A
/// group whose rewards are all the same gives zeros exactly. Throws Error when the groups are not whole, or a reward is
/// not finite.
std::vector<double> group_advantages(std::span<const double> rewards, std::size_t group_size, AdvantageScale scale,
                                     double epsilon = 1e-4);

/// Groups whose rewards are all the same: nothing is learned from them.
std::size_t flat_groups(std::span<const double> rewards, std::size_t group_size);

/// What the policy step is bound by.
struct PolicyLossSettings {
  double clip_low = 0.2;   ///< the ratio of new to old probability counts within 1 − clip_low …
  double clip_high = 0.2;  ///< … and 1 + clip_high
  double kl_weight = 0;    ///< β
};

/// Natural logarithms of the probabilities of one sampled token.
struct TokenLogProbabilities {
  double now = 0;        ///< under the policy that is trained
  double sampled = 0;    ///< under the one that drew it
  double reference = 0;  ///< under the one it is to stay near
};

/// The k3 estimate of KL(π ‖ π_ref) at a sampled token: e^d − d − 1 with d = log π_ref − log π; never negative.
double k3_divergence(double now, double reference);

/// The loss of a token: −min(ρ A, clip(ρ) A) + β k3, ρ = π / π_old.
double token_loss(const TokenLogProbabilities& token, double advantage, const PolicyLossSettings& settings);
/// Whether the clip is in force, so that the first term has no gradient.
bool is_clipped(const TokenLogProbabilities& token, double advantage, const PolicyLossSettings& settings);

/// Over what token losses are averaged.
enum class LossMean {
  completions,  ///< GRPO: the mean over each completion's tokens, then over completions
  tokens,       ///< DAPO (arXiv 2503.14476): over all tokens
  longest,      ///< Dr. GRPO: the sum over a constant, completions · the most tokens one may have
};

/// The loss of a batch: token losses, completion by completion. `most_tokens` is of LossMean::longest alone.
/// Completions without tokens count as completions and add nothing.
double batch_loss(std::span<const std::vector<double>> token_losses, LossMean mean, std::size_t most_tokens = 0);

}  // namespace gyre
